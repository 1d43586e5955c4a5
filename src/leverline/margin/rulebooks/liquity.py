"""Liquity: a base rate that decays by the minute, collateral ratios with a recovery mode, rates in 1e-18.

Source: liquity/dev 39f1f7f8, packages/contracts/contracts/{TroveManager,BorrowerOperations}.sol and
Dependencies/LiquityMath.sol; liquity/bold 405f9122 for v2; read 2026-11. Products round half up.
"""

from __future__ import annotations

from enum import Enum

from leverline.ground.errors import require
from leverline.margin.fixed_point import WAD, mul_div_floor, mul_div_half_up
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source

MINUTE_DECAY_FACTOR = 999_037_758_833_783_000
"""Base rate kept over one minute: half of it after twelve hours."""
LONGEST_DECAY_MINUTES = 525_600_000
"""A thousand years; longer decays count as this long."""
FEE_FLOOR = 5 * WAD // 1_000
BORROWING_FEE_CAP = 5 * WAD // 100
REDEMPTION_BETA = 2
"""A redeemed share of the supply raises the base rate by that share over this."""
MINIMUM_RATIO = 110 * WAD // 100
CRITICAL_RATIO = 150 * WAD // 100
GAS_COMPENSATION = 200 * WAD
MINIMUM_NET_DEBT = 1_800 * WAD


def power(base: int, minutes: int) -> int:
    """``base`` (wad) to the power of ``minutes`` by squaring, each product rounded half up."""
    require(minutes >= 0, "an exponent is not negative", got=minutes)
    remaining = min(minutes, LONGEST_DECAY_MINUTES)
    if remaining == 0:
        return WAD
    odd_part = WAD
    while remaining > 1:
        if remaining % 2:
            odd_part = mul_div_half_up(base, odd_part, WAD)
        base = mul_div_half_up(base, base, WAD)
        remaining //= 2
    return mul_div_half_up(base, odd_part, WAD)


def whole_minutes(seconds: int) -> int:
    """Minutes that count: a started minute does not, so waiting in small steps never decays more."""
    require(seconds >= 0, "time passed is not negative", got=seconds)
    return seconds // 60


def decayed_base_rate(base_rate: int, seconds: int, minute_decay_factor: int = MINUTE_DECAY_FACTOR) -> int:
    """Base rate ``seconds`` after the last fee operation."""
    return mul_div_floor(base_rate, power(minute_decay_factor, whole_minutes(seconds)), WAD)


def redemption_base_rate(decayed_rate: int, redeemed: int, supply: int) -> int:
    """Base rate right after a redemption of ``redeemed`` out of ``supply`` debt tokens; at most 1."""
    require(0 < redeemed <= supply, "a redemption takes a part of the supply", got=redeemed)
    return min(decayed_rate + mul_div_floor(redeemed, WAD, supply) // REDEMPTION_BETA, WAD)


def redemption_rate(base_rate: int) -> int:
    """Fee share of a redemption."""
    return min(FEE_FLOOR + base_rate, WAD)


def borrowing_rate(base_rate: int, *, recovery_mode: bool = False) -> int:
    """Fee share of a borrowing; nothing in recovery mode, where the system wants collateral."""
    return 0 if recovery_mode else min(FEE_FLOOR + base_rate, BORROWING_FEE_CAP)


def collateral_ratio(collateral: int, debt: int, price: int) -> int:
    """Collateral value over debt, wad, rounded down; unbounded without debt."""
    return mul_div_floor(collateral, price, debt) if debt else 2**256 - 1


class Resolution(Enum):
    """What becomes of a trove when somebody calls for its liquidation."""

    NONE = "nothing"
    OFFSET_THEN_REDISTRIBUTE = "stability pool first, the rest shared among the other troves"
    REDISTRIBUTE = "shared among the other troves"
    OFFSET_CAPPED = "stability pool takes 110 % of the debt, the surplus stays claimable"


def resolution(ratio: int, total_ratio: int, debt: int, stability_pool: int) -> Resolution:
    """How v1 resolves a trove of collateral ratio ``ratio`` (wad); ``debt`` and the pool in debt tokens.

    In recovery mode (total ratio below 150 %) troves above 110 % can be taken as well: an account that is healthy by
    itself is liquidated for the state of all others.
    """
    if total_ratio >= CRITICAL_RATIO:
        return Resolution.OFFSET_THEN_REDISTRIBUTE if ratio < MINIMUM_RATIO else Resolution.NONE
    if ratio <= WAD:
        return Resolution.REDISTRIBUTE
    if ratio < MINIMUM_RATIO:
        return Resolution.OFFSET_THEN_REDISTRIBUTE
    if ratio < total_ratio and debt <= stability_pool:
        return Resolution.OFFSET_CAPPED
    return Resolution.NONE


RULEBOOK = RulebookDescription(
    name="liquity",
    venue="Liquity v1, with the parameters of v2",
    scope="lending",
    rules={
        "trigger": "collateral value / debt below 110 %; in recovery mode, total ratio below 150 %, also a trove below "
                   "the total ratio if the stability pool covers its whole debt",
        "waterfall": "stability pool, then redistribution to the other troves; at or below 100 % in recovery mode "
                     "redistribution only",
        "fees": "base rate x 0.999037758833783 per whole minute; + redeemed share / 2 at a redemption; redemption fee "
                "0.5 % + base rate, borrowing fee the same up to 5 %, nothing in recovery mode",
    },
    rounding="products half up, the decayed rate and ratios down; minutes are whole",
    sources=(Source("liquity/dev packages/contracts/contracts", "2026-11"),
             Source("liquity/bold contracts/src/Dependencies/Constants.sol", "2026-11")),
    families=("liquity-decpow", "liquity-baserate-decay", "liquity-minutes"),
    presets=(
        Preset("v1", {"minimum_ratio": 1.1, "critical_ratio": 1.5, "fee_floor": 0.005, "borrowing_fee_cap": 0.05,
                      "gas_compensation_debt": 200, "gas_compensation_collateral": 0.005, "minimum_net_debt": 1800,
                      "minute_decay_factor_wad": str(MINUTE_DECAY_FACTOR)},
               "2026-11", Source("liquity/dev packages/contracts/contracts", "2026-11")),
        Preset("v2-weth", {"minimum_ratio": 1.1, "critical_ratio": 1.5, "shutdown_ratio": 1.1, "pool_penalty": 0.05,
                           "redistribution_penalty": 0.1, "minimum_debt": 2000},
               "2026-11", Source("liquity/bold contracts/src/Dependencies/Constants.sol", "2026-11")),
        Preset("v2-staked", {"minimum_ratio": 1.2, "critical_ratio": 1.6, "shutdown_ratio": 1.2, "pool_penalty": 0.05,
                             "redistribution_penalty": 0.2, "minimum_debt": 2000},
               "2026-11", Source("liquity/bold contracts/src/Dependencies/Constants.sol", "2026-11")),
    ),
    cautions=("Of v2 only the parameters are stated: its rates are set by borrowers.",
              "Recovery mode liquidates troves that meet their own minimum.",
              "The redemption and borrowing rates stand without a figure of the venue's to check them."),
)
