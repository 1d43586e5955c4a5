"""dYdX v4: margin in integer quote quantums (1e-6 USDC), rates in parts per million (ppm).

Source: dydxprotocol/v4-chain (2026-03), x/perpetuals/types/liquidity_tier.go, x/perpetuals/lib/lib.go,
lib/margin/risk.go, x/subaccounts/lib/updates.go. Requirements round up: the venue never asks for less than the rule.
Liquidation prices, the insurance fund and deleveraging stand in ``dydx_v4_liquidation``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import trunc

from leverline.ground.errors import require
from leverline.margin.rounding import ceil_div

PPM = 1_000_000
QUOTE_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class LiquidityTier:
    """Rates of a group of markets. Open-interest bounds in quote quantums; upper 0 switches the scaling off."""

    initial_margin_ppm: int
    maintenance_fraction_ppm: int  # of the initial margin
    open_interest_lower: int = 0  # up to it the base rate holds
    open_interest_upper: int = 0  # from it on leverage is 1

    def __post_init__(self) -> None:
        require(0 <= self.initial_margin_ppm <= PPM, "initial margin lies in [0, 1e6] ppm", got=self.initial_margin_ppm)
        require(0 <= self.maintenance_fraction_ppm <= PPM, "maintenance fraction lies in [0, 1e6] ppm",
                got=self.maintenance_fraction_ppm)
        require(0 <= self.open_interest_lower <= self.open_interest_upper, "open-interest bounds ascend from 0",
                got=(self.open_interest_lower, self.open_interest_upper))


@dataclass(frozen=True, slots=True)
class Position:
    """A signed position in base quantums (``10**atomic_resolution`` of the coin) and its market's price, USD a coin."""

    market: str
    base_quantums: int
    price: Fraction
    atomic_resolution: int
    tier: LiquidityTier
    open_interest_base_quantums: int = 0


@dataclass(frozen=True, slots=True)
class Risk:
    """Net collateral and requirements, quote quantums."""

    net_collateral: int
    initial: int
    maintenance: int

    def __add__(self, other: Risk) -> Risk:
        return Risk(self.net_collateral + other.net_collateral, self.initial + other.initial,
                    self.maintenance + other.maintenance)

    @property
    def initially_collateralized(self) -> bool:
        """Whether the account may open or withdraw."""
        return self.net_collateral >= self.initial

    @property
    def maintained(self) -> bool:
        """Whether collateral covers the maintenance requirement."""
        return self.net_collateral >= self.maintenance

    @property
    def liquidatable(self) -> bool:
        """Equality is safe, and an account without requirement has nothing to liquidate even if it is in debt."""
        return self.maintenance > 0 and self.maintenance > self.net_collateral


class Transition(StrEnum):
    """What the chain answers to an update that leaves the account below its initial margin."""

    SUCCESS = "Success"
    NEWLY_UNDERCOLLATERALIZED = "NewlyUndercollateralized"
    STILL_UNDERCOLLATERALIZED = "StillUndercollateralized"


def notional(base_quantums: int, price: Fraction, atomic_resolution: int) -> int:
    """Signed value in quote quantums, towards zero."""
    return trunc(base_quantums * price * Fraction(10) ** (atomic_resolution + QUOTE_DECIMALS))


def maintenance_rate_ppm(tier: LiquidityTier) -> int:
    """Maintenance rate of notional, down: used for the funding clamp, not for requirements."""
    return tier.initial_margin_ppm * tier.maintenance_fraction_ppm // PPM


def initial_rate_ppm(tier: LiquidityTier, open_interest: int) -> int:
    """Initial rate at ``open_interest`` (quote quantums): linear from the base rate to 1 between the bounds, down."""
    base, lower, upper = tier.initial_margin_ppm, tier.open_interest_lower, tier.open_interest_upper
    if upper == 0 or open_interest <= lower:
        return base
    if open_interest >= upper:
        return PPM
    return base + (PPM - base) * (open_interest - lower) // (upper - lower)


def initial_margin(position_notional: int, tier: LiquidityTier, open_interest: int, custom_rate_ppm: int = 0) -> int:
    """The account's own ``custom_rate_ppm`` may only ask for more."""
    return ceil_div(abs(position_notional) * max(initial_rate_ppm(tier, open_interest), custom_rate_ppm), PPM)


def maintenance_margin(position_notional: int, tier: LiquidityTier) -> int:
    """Independent of open interest: scaling never liquidates an open position. Rounded up twice, as the chain does."""
    base = ceil_div(abs(position_notional) * tier.initial_margin_ppm, PPM)
    return ceil_div(base * tier.maintenance_fraction_ppm, PPM)


def position_risk(position: Position) -> Risk:
    """What one position adds to the account: its signed notional and its requirements."""
    value = notional(position.base_quantums, position.price, position.atomic_resolution)
    open_interest = notional(position.open_interest_base_quantums, position.price, position.atomic_resolution)
    return Risk(value, initial_margin(value, position.tier, open_interest), maintenance_margin(value, position.tier))


def account_risk(usdc: int, positions: Iterable[Position]) -> Risk:
    """Cross margin without netting between markets; ``usdc`` in quote quantums, negative for debt."""
    return sum((position_risk(position) for position in positions), start=Risk(usdc, 0, 0))


def compare_risk(a: Risk, b: Risk) -> int:
    """1 if ``a`` is riskier, -1 if ``b`` is, 0 if equal.

    By collateral per requirement, cross-multiplied so that a requirement of 0 needs no division; ties go to the
    larger requirement, then to the smaller collateral.
    """
    left = (b.net_collateral * a.maintenance, a.maintenance, -a.net_collateral)
    right = (a.net_collateral * b.maintenance, b.maintenance, -b.net_collateral)
    return (left > right) - (left < right)


def judge_undercollateralized(before: Risk, after: Risk) -> Transition:
    """Whether an account that ends below its initial margin may still make this step: only if it gets safer.

    The requirement must not rise and collateral per requirement must not fall; without positions before and after,
    collateral must strictly rise. Going from a requirement to none below collateral is refused.
    """
    refused = (Transition.NEWLY_UNDERCOLLATERALIZED if before.initially_collateralized
               else Transition.STILL_UNDERCOLLATERALIZED)
    if after.maintenance > before.maintenance:
        return refused
    if after.maintenance == 0 or before.maintenance == 0:
        recovers = before.maintenance == 0 and after.net_collateral > before.net_collateral
        return Transition.SUCCESS if recovers else refused
    safer = after.net_collateral * before.maintenance >= before.net_collateral * after.maintenance
    return Transition.SUCCESS if safer else refused


def funding_settlement_ppm(base_quantums: int, funding_index: int, last_funding_index: int) -> int:
    """What the account receives since its last settlement, in quote quantums times 1e6; longs pay a rising index."""
    return -base_quantums * (funding_index - last_funding_index)


def funding_clamp_ppm(tier: LiquidityTier, clamp_factor_ppm: int) -> int:
    """Largest absolute 8-hour funding rate: a factor of the distance between initial and maintenance, down."""
    return (tier.initial_margin_ppm - maintenance_rate_ppm(tier)) * clamp_factor_ppm // PPM


def without_tails(premiums_ppm: Sequence[int], removal_rate_ppm: int) -> list[int]:
    """Premium samples sorted, ``removal_rate_ppm`` of them cut at each end; an odd one is cut at the top."""
    removed = len(premiums_ppm) * 2 * removal_rate_ppm // PPM
    bottom = removed // 2
    return sorted(premiums_ppm)[bottom:len(premiums_ppm) - (removed - bottom)]
