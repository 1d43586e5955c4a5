"""Aave v3.0: half of a reserve's debt at a time, everything below a health factor of 0.95, no bad-debt accounting.

Source: npm @aave/core-v3 1.19.3 (aave/aave-v3-core 782f5191), GenericLogic, ValidationLogic and LiquidationLogic, read
2026-11; the formulas shared with later versions stand in ``aave_v3``. The version rounds to the nearest almost
everywhere, so a last unit may fall to either side; it also truncates the average liquidation threshold to a basis
point before it uses it in the health factor, against the account. Held to the package's bytecode, to the last unit,
by ``tests/bytecode``.
"""

from __future__ import annotations

from leverline.margin.fixed_point import BPS, WAD, VenueRefusesError, mul_div_floor, mul_div_half_up
from leverline.margin.rulebooks.aave_v3 import (
    HEALTHY,
    AccountState,
    Arithmetic,
    Position,
    Seizure,
    after_seizure,
    collateral_of,
    debt_of,
    refuse_if_nothing_moves,
    seizure,
)
from leverline.margin.rulebooks.aave_v3 import account_state as state_with
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source

CLOSE_FACTOR_BPS = 5_000
FULL_CLOSE_BELOW = 95 * WAD // 100
"""Health factor from which on, downward, all of a reserve's debt may be repaid; inclusive."""


def _health_factor(weighted_threshold: int, collateral: int, debt: int) -> int:
    average_bps = weighted_threshold // collateral if collateral else 0
    return mul_div_half_up(mul_div_half_up(collateral, average_bps, BPS), WAD, debt)


ARITHMETIC = Arithmetic(
    debt_value=mul_div_floor,
    health_factor=_health_factor,
    borrowing_power=mul_div_half_up,
    collateral_with_bonus=mul_div_half_up,
    debt_without_bonus=mul_div_half_up,
    collateral_without_bonus=mul_div_half_up,
    protocol_fee=mul_div_half_up,
)


def account_state(position: Position) -> AccountState:
    """What ``getUserAccountData`` returns."""
    return state_with(position, ARITHMETIC)


def close_factor_bps(health_factor: int) -> int:
    """Share of one reserve's debt that a single liquidation may repay."""
    return CLOSE_FACTOR_BPS if health_factor > FULL_CLOSE_BELOW else BPS


def liquidate(
    position: Position, collateral_asset: str, debt_asset: str, debt_to_cover: int | None = None
) -> tuple[Seizure, Position]:
    """One ``liquidationCall``; ``debt_to_cover`` in debt token units, None for the most that is allowed.

    Debt that outlives the collateral stays on the account and keeps growing: the version never writes it off.
    """
    health = account_state(position).health_factor
    if health >= HEALTHY:
        raise VenueRefusesError(f"the position is healthy, health factor {health / WAD}")
    debt = debt_of(position.debt, debt_asset)
    allowed = mul_div_half_up(debt.amount, close_factor_bps(health), BPS)
    wanted = allowed if debt_to_cover is None else min(debt_to_cover, allowed)
    taken = seizure(collateral_of(position.collateral, collateral_asset), debt, wanted, ARITHMETIC)
    refuse_if_nothing_moves(taken.debt_repaid, taken.to_liquidator)
    return taken, after_seizure(position, collateral_asset, debt_asset, taken)


EXECUTED_MARKET = Preset(
    "weth-usdc",
    {"collateral": ["WETH"], "ltv_bps": [8_000], "liquidation_threshold_bps": [8_250],
     "liquidation_bonus_bps": [10_500], "protocol_fee_bps": [1_000], "debt": ["USDC", "WETH"]},
    "2026-11",
    Source("the market on which the bytecode of v3.0 and v3.6 is executed, tests/bytecode/aave_market.py; not a market "
           "in force", "2026-11"),
)
"""Shared by all versions: they are compared on it."""

RULEBOOK = RulebookDescription(
    name="aave-v3.0",
    venue="Aave v3.0",
    scope="lending",
    rules={
        "collateral valuation": "amount x oracle price, rounded down; borrowing power = value x average LTV - debt",
        "trigger": "health factor = value x average liquidation threshold / debt below 1",
        "sizing": "50 % of the reserve's debt, all of it at a health factor of 0.95 or less",
        "price policy": "collateral worth the repaid debt x bonus; where that is more than there is, all of it for "
                        "its value / bonus; the protocol keeps a share of the bonus",
        "waterfall": "none: debt without collateral stays on the account",
    },
    rounding="values down, rates and health factor to the nearest; average rates down to a basis point",
    sources=(Source("npm @aave/core-v3 1.19.3; aave/aave-v3-core contracts/protocol/libraries", "2026-11"),),
    families=("aave-exec-3.0-account", "aave-exec-3.0-liquidation"),
    presets=(
        Preset(
            "constants",
            {"close_factor_bps": CLOSE_FACTOR_BPS, "full_close_health_factor": "0.95", "base_currency_decimals": 8},
            "2026-11",
            Source("aave/aave-v3-core contracts/protocol/libraries/logic/ValidationLogic.sol", "2026-11"),
        ),
        EXECUTED_MARKET,
    ),
    cautions=(
        "A liquidation of an account whose debt exceeds its collateral / bonus raises its debt to collateral ratio.",
        "Efficiency mode, isolation mode and the sequencer sentinel are not stated here.",
    ),
)
