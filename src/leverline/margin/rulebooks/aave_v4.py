"""Aave v4: liquidation up to a target health factor, with a bonus that grows as health falls.

Source: aave/aave-v4, src/spoke/libraries/LiquidationLogic.sol (stored commits of 2025 and 2026), read 2026-11. Prices
carry 8 decimals, values 26, the health factor 18, rates are basis points. Debt to repay rounds up, collateral down.
Below the health at which debt exceeds collateral / bonus, liquidation raises the debt to collateral ratio by design.
"""

from __future__ import annotations

from dataclasses import dataclass

from leverline.ground.errors import require
from leverline.margin.fixed_point import BPS, WAD, VenueRefusesError, mul_div_ceil, mul_div_floor
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source

DUST = 1_000 * 10**26
"""Value below which nothing may be left of debt or collateral."""
BPS_TO_WAD = WAD // BPS


@dataclass(frozen=True, slots=True)
class Side:
    """Debt or collateral in one reserve."""

    balance: int  # token units
    unit: int  # token units in one whole token
    price: int  # 8 decimals

    def value(self, amount: int) -> int:
        """Value of ``amount``, 26 decimals, rounded down."""
        return mul_div_floor(amount, self.price * WAD, self.unit)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a spoke and a collateral's dynamic configuration prescribe."""

    target_health_factor: int  # wad
    health_for_max_bonus: int  # wad
    bonus_factor_bps: int  # smallest bonus as a share of the largest
    max_bonus_bps: int  # 12,000 = 120 % of the debt's value
    collateral_factor_bps: int
    fee_bps: int  # of the bonus


@dataclass(frozen=True, slots=True)
class Liquidation:
    """Token units that one liquidation moves."""

    collateral: int
    to_liquidator: int
    debt: int


def liquidation_bonus_bps(health_factor: int, health_for_max: int, bonus_factor_bps: int, max_bonus_bps: int) -> int:
    """Bonus at a health factor: the largest at ``health_for_max`` and below, falling linearly to the smallest at 1."""
    if health_factor <= health_for_max:
        return max_bonus_bps
    require(health_factor <= WAD, "a position that is liquidated is unhealthy", got=health_factor)
    smallest = mul_div_floor(max_bonus_bps - BPS, bonus_factor_bps, BPS) + BPS
    return smallest + mul_div_floor(max_bonus_bps - smallest, WAD - health_factor, WAD - health_for_max)


def debt_to_target(
    total_debt_value: int, health_factor: int, target: int, bonus_bps: int, collateral_factor_bps: int, debt: Side
) -> int:
    """Debt to repay for the target health factor: ceil(D (T - HF) / ((T - bonus CF) price)).

    In token units, or in ray of them where the value is given in ray.
    """
    penalty = mul_div_ceil(bonus_bps * BPS_TO_WAD, collateral_factor_bps, BPS)
    require(target > penalty, "bonus x collateral factor stays below the target", got=penalty)
    return mul_div_ceil(total_debt_value, debt.unit * (target - health_factor), (target - penalty) * debt.price * WAD)


def debt_to_liquidate(
    debt: Side, debt_to_cover: int, total_debt_value: int, health_factor: int, bonus_bps: int, rules: Rules
) -> int:
    """Smallest of balance, offer and target; the whole balance where the rest would be dust."""
    target = debt_to_target(
        total_debt_value, health_factor, rules.target_health_factor, bonus_bps, rules.collateral_factor_bps, debt
    )
    amount = min(debt.balance, debt_to_cover, target)
    return debt.balance if debt.value(debt.balance - amount) < DUST else amount


def liquidate(
    collateral: Side, debt: Side, debt_to_cover: int, total_debt_value: int, health_factor: int, rules: Rules
) -> Liquidation:
    """Amounts of one liquidation; refused where the offer does not cover what avoiding dust requires."""
    bonus = liquidation_bonus_bps(
        health_factor, rules.health_for_max_bonus, rules.bonus_factor_bps, rules.max_bonus_bps
    )
    repaid = debt_to_liquidate(debt, debt_to_cover, total_debt_value, health_factor, bonus, rules)
    seized = mul_div_floor(
        repaid, debt.price * collateral.unit * bonus, debt.unit * collateral.price * BPS
    )
    left = collateral.balance - seized
    leaves_dust = left > 0 and collateral.value(left) < DUST and repaid < debt.balance
    if left < 0 or leaves_dust:
        seized = collateral.balance
        repaid = mul_div_ceil(
            seized, collateral.price * debt.unit * BPS, debt.price * collateral.unit * bonus
        )
    if debt_to_cover < repaid:
        raise VenueRefusesError("the offer would leave dust behind")
    fee = mul_div_floor(seized, rules.fee_bps * (bonus - BPS), bonus * BPS)
    return Liquidation(seized, seized - fee, repaid)


_AVALANCHE = Source("Aave governance payload for Avalanche, 2026-07-08", "2026-11")


def _collateral(spoke: str, *rows: tuple[str, float, float]) -> Preset:
    """Figures of (asset, collateral factor, largest bonus) in one spoke; borrowing and liquidation share the factor."""
    return Preset(f"avalanche-{spoke}-collateral", {
        "collateral": [asset for asset, _, _ in rows],
        "collateral_factor": [factor for _, factor, _ in rows],
        "max_liquidation_bonus": [bonus for _, _, bonus in rows],
        "liquidation_fee": [0.1 for _ in rows],
    }, "2026-07-08", _AVALANCHE)


RULEBOOK = RulebookDescription(
    name="aave-v4",
    venue="Aave v4",
    scope="lending",
    rules={
        "trigger": "health factor below 1",
        "sizing": "up to the target: D (T - HF) / (T - bonus x CF); all of debt or collateral where less than 1,000 "
                  "would remain",
        "price policy": "bonus = largest at or below a set health, else linear to the smallest at 1; a share of the "
                        "bonus is the protocol's fee",
        "waterfall": "debt left without collateral becomes the hub's deficit",
    },
    rounding="debt up, collateral, bonus and fee down",
    sources=(Source("aave/aave-v4 src/spoke/libraries/LiquidationLogic.sol", "2026-11"),),
    families=("aave4-bonus", "aave4-bonus-var", "aave4-debt-to-target", "aave4-liquidation-amounts"),
    presets=(
        *(Preset(f"avalanche-{name}",
                 {"bonus_factor": factor, "target_health_factor": target, "health_for_max_bonus": at},
                 "2026-07-08", _AVALANCHE)
          for name, factor, target, at in (
              ("main", 0.9, 1.24, 0.9), ("correlated", 1.0, 1.035, 0.99), ("forex", 1.0, 1.0442, 0.99),
          )),
        _collateral("main", ("WETH", 0.83, 0.0555), ("WAVAX", 0.73, 0.1), ("BTC.b", 0.75, 0.0722)),
        _collateral("correlated", ("sAVAX", 0.95, 0.01)),
    ),
    cautions=("That sAVAX stands in the correlated spoke is read from its bonus, which is not raised as in the main.",
              "Risk premiums, dynamic configuration keys and share rounding of the hub are not stated here.",),
)
