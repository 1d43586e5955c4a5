"""Euler v2: a discount as large as the violation, up to a limit; liquidation thresholds that ramp down.

Source: euler-xyz/euler-vault-kit 5b98b420, src/EVault/modules/Liquidation.sol and shared/types/LTVConfig.sol, read
2026-11. LTVs in 1e-4, scores and values in 1e-18; everything rounds down. The discount grows as health falls, without
a clock: waiting is a Dutch auction against the price. A discount above 1 - debt / collateral (values) leaves the
account a worse ratio by design.
"""

from __future__ import annotations

from dataclasses import dataclass

from leverline.ground.errors import require
from leverline.margin.fixed_point import BPS, WAD, mul_div_floor
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source

MAX_DISCOUNT_BPS = 2_000
"""Of the venue's first version and its tests; a vault may set its own."""


@dataclass(frozen=True, slots=True)
class Liquidation:
    """The largest liquidation of one collateral: debt assets to repay, collateral units received."""

    repay: int
    seized: int


def liquidation_ltv_bps(initial: int, target: int, remaining_s: int, ramp_s: int) -> int:
    """Threshold while it ramps down linearly; a borrow LTV has no ramp, and neither has a rise."""
    require(remaining_s >= 0, "time remaining is not negative", got=remaining_s)
    if remaining_s == 0:
        return target
    return target + (initial - target) * remaining_s // ramp_s


def adjusted_value(collateral_value: int, ltv_bps: int) -> int:
    """What a collateral counts for against the debt."""
    return mul_div_floor(collateral_value, ltv_bps, BPS)


def health_score(adjusted_collateral: int, liability_value: int) -> int:
    """Adjusted collateral over liability, wad, rounded down."""
    return mul_div_floor(adjusted_collateral, WAD, liability_value)


def max_liquidation(
    collateral_balance: int,
    collateral_value: int,
    adjusted_collateral: int,
    liability: int,
    liability_value: int,
    max_discount_bps: int = MAX_DISCOUNT_BPS,
) -> Liquidation:
    """Most that may be repaid and seized of one collateral.

    ``adjusted_collateral`` counts all collaterals of the account, ``collateral_value`` the seized one only. Worthless
    collateral may be claimed for nothing.
    """
    if liability == 0 or adjusted_collateral > liability_value:
        return Liquidation(0, 0)
    floor = WAD - WAD * max_discount_bps // BPS
    factor = max(health_score(adjusted_collateral, liability_value), floor)
    if collateral_value == 0:
        return Liquidation(0, collateral_balance)
    repay_value, seized_value = liability_value, mul_div_floor(liability_value, WAD, factor)
    if collateral_value < seized_value:
        repay_value, seized_value = mul_div_floor(collateral_value, factor, WAD), collateral_value
    return Liquidation(
        repay=mul_div_floor(repay_value, liability, liability_value),
        seized=mul_div_floor(seized_value, collateral_balance, collateral_value),
    )


def partial_liquidation(largest: Liquidation, repay: int) -> Liquidation:
    """A smaller repayment takes collateral pro rata."""
    require(0 <= repay <= largest.repay, "a liquidation repays at most the maximum", got=repay)
    if largest.repay == 0:
        return largest
    return Liquidation(repay, mul_div_floor(repay, largest.seized, largest.repay))


_BASE = Source("euler-xyz/evk-periphery 006717d8, script/production/base/clusters/BaseCluster.s.sol (the commit's date "
               "was not stored)", "2026-11")
_SPREAD_BPS = 200
"""By which the cluster sets borrow LTVs below liquidation LTVs."""


def _base_vault(debt: str, *rows: tuple[str, int]) -> Preset:
    """A vault on Base that lends ``debt``: (collateral, liquidation LTV in 1e-4) for some of its cluster's rows."""
    return Preset(f"base-{debt}".lower(), {
        "collateral": [asset for asset, _ in rows],
        "borrow_ltv_bps": [ltv - _SPREAD_BPS for _, ltv in rows],
        "liquidation_ltv_bps": [ltv for _, ltv in rows],
        "debt": [debt],
    }, "2026-11", _BASE)


RULEBOOK = RulebookDescription(
    name="euler-v2",
    venue="Euler v2",
    scope="lending",
    rules={
        "trigger": "sum of value x liquidation LTV not above the liability's value",
        "price policy": "repay = collateral x max(score, 1 - largest discount); score = adjusted collateral / "
                        "liability",
        "sizing": "any part of the whole liability, as far as the collateral reaches",
        "parameter change": "liquidation LTV falls linearly over the ramp, borrow LTV at once",
    },
    rounding="down throughout",
    sources=(Source("euler-xyz/euler-vault-kit src/EVault/modules/Liquidation.sol", "2026-11"),),
    families=("euler-ltv-ramp", "euler-liq", "euler-liq-all-collateral", "euler-liq-worthless", "euler-liq-healthy",
              "euler-liq-full-health", "euler-liq-extreme-cf-yield"),
    presets=(
        Preset("constants", {"max_discount_bps": MAX_DISCOUNT_BPS}, "2026-11",
               Source("euler-xyz/euler-vault-kit src/EVault/modules/Liquidation.sol", "2026-11")),
        _base_vault("WETH", ("wstETH", 9_300), ("USDC", 8_500), ("cbBTC", 7_500)),
        _base_vault("USDC", ("WETH", 8_500), ("wstETH", 8_300), ("cbBTC", 8_000)),
        _base_vault("cbBTC", ("WETH", 7_800), ("wstETH", 7_700), ("USDC", 8_000)),
    ),
    cautions=("A liquidation at a discount above 1 - debt / collateral raises the ratio of what remains.",
              "The cool-off time after a status check and debt socialisation are not stated here.",),
)
