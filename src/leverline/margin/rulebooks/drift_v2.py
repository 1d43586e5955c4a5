"""Drift v2 margin: integers; base 1e-9, quote and price 1e-6, ratios and weights 1e-4, size factors (imf) 1e-6.

Source: drift-labs/protocol-v2 (2026-04), programs/drift/src/math/margin.rs, state/perp_market.rs, state/spot_market.rs.
Everything is cut towards zero, which favours the account by up to one unit a step.
Liquidation and bankruptcy stand in ``drift_v2_liquidation``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import isqrt

from leverline.margin.rounding import truncated_div

BASE = 10**9
PRICE = 10**6
RATIO = 10**4
_IMF = 10**6
_PERCENTAGE = 10**6
_SQRT_SCALE = 10**5
INITIAL_PNL_CAP = 100 * 10**6  # quote; what unrealised profit may add to initial collateral
OPEN_ORDER_REQUIREMENT = 10**4  # quote, 0.01 an open order


class Level(StrEnum):
    """For what margin is asked: opening, filling an order (half way), or staying open."""

    INITIAL = "Initial"
    FILL = "Fill"
    MAINTENANCE = "Maintenance"


@dataclass(frozen=True, slots=True)
class ByLevel:
    """A ratio or weight (1e-4) that differs between opening and staying open."""

    initial: int
    maintenance: int

    def at(self, level: Level) -> int:
        """The figure at ``level``; filling an order takes the mean, down."""
        if level is Level.FILL:
            return (self.initial + self.maintenance) // 2
        return self.initial if level is Level.INITIAL else self.maintenance


@dataclass(frozen=True, slots=True)
class Requirement:
    """Margin requirement, weighted unrealised pnl and unweighted liability of one position, quote."""

    margin: int
    weighted_pnl: int
    liability: int


def size_premium(size: int, imf_factor: int, weight: int) -> int:
    """A liability weight or margin ratio at ``size`` (base): four fifths of it plus a square-root term, unbounded."""
    if imf_factor == 0:
        return weight
    return weight - weight // 5 + isqrt(10 * size + 1) * imf_factor // (_SQRT_SCALE * _IMF // RATIO)


def liability_weight(size: int, imf_factor: int, weight: int) -> int:
    """Large positions ask for more, small ones never for less than the listed weight."""
    return max(weight, size_premium(size, imf_factor, weight))


def asset_weight(size: int, imf_factor: int, weight: int) -> int:
    """Large holdings count for less: min(weight, 1.1 / (1 + sqrt term)), floors of integer square roots."""
    if imf_factor == 0:
        return weight
    discounted = (_IMF + _IMF // 10) * RATIO // (_IMF + isqrt(10 * size + 1) * imf_factor // _SQRT_SCALE)
    return min(weight, discounted)


def size_in_base(tokens: int, decimals: int) -> int:
    """Token units with ``decimals`` as base units of 1e-9, the scale of the size curves."""
    return tokens * BASE // int(10**decimals)


def scaled_initial_weight(weight: int, deposits_value: int, scale_start: int) -> int:
    """Once all deposits of an asset pass ``scale_start`` (quote), its initial weight shrinks; 0 switches this off."""
    if scale_start == 0 or deposits_value < scale_start:
        return weight
    return weight * scale_start // deposits_value


def margin_ratio(size: int, imf_factor: int, ordinary: ByLevel, level: Level) -> int:
    """Ratio of an ordinary account at ``size``."""
    return liability_weight(size, imf_factor, ordinary.at(level))


def high_leverage_ratio(size: int, imf_factor: int, ordinary: ByLevel, high: ByLevel, level: Level) -> int:
    """Ratio of an account in high-leverage mode: rises from the high-leverage ratio to the ordinary one with size.

    As long as the ordinary ratio's size curve lies below the ordinary ratio, the share of the way it has gone is the
    share of the difference that is asked; above it the curve itself is asked. Sizes at which the curve equals the
    ordinary ratio to the last digit are asked the high-leverage ratio again: there growing eases the terms.
    """
    base, floor_ratio = ordinary.at(level), high.at(level)
    at_size = size_premium(size, imf_factor, base)
    if at_size == base:
        return floor_ratio
    if at_size > base:
        return at_size
    gone = max(0, _PERCENTAGE - (base - at_size) * _PERCENTAGE // (base // 5))
    return floor_ratio + max(max(base - floor_ratio, 0), 1) * gone // _PERCENTAGE


def profit_weight(profit: int, imf_factor: int, weight: ByLevel, level: Level) -> int:
    """Weight of unrealised pnl (quote): losses count in full; profits shrink with size unless for maintenance."""
    if profit <= 0:
        return RATIO
    if level is Level.MAINTENANCE:
        return weight.maintenance
    return asset_weight(profit * (BASE // PRICE), imf_factor, weight.initial)


def base_value(base: int, price: int) -> int:
    """Unsigned value of a position, quote, down."""
    return abs(base) * price // BASE


def worst_case_base(base: int, open_bids: int, open_asks: int) -> int:
    """The larger of the positions that all bids or all asks would leave; asks are negative."""
    after_bids, after_asks = base + open_bids, base + open_asks
    return after_bids if abs(after_bids) >= abs(after_asks) else after_asks


def unrealized_pnl(base: int, quote: int, price: int) -> int:
    """Pnl of a position whose entry stands in ``quote`` (negative for longs)."""
    value = base_value(base, price)
    return quote + (value if base > 0 else -value)


def perp_requirement(liability: int, ratio: int, pnl: int, pnl_weight: int, level: Level, *, orders: int = 0,
                     asset_price: int = PRICE, liability_price: int = PRICE) -> Requirement:
    """One perpetual position. The quote coin's prices (1e-6) differ under strict pricing: oracle or 5-minute TWAP,
    the lower for assets and the higher for liabilities.
    """
    liability = liability * liability_price // PRICE
    weighted = truncated_div(pnl * pnl_weight, RATIO)
    weighted = truncated_div(weighted * (asset_price if pnl > 0 else liability_price), PRICE)
    if level is Level.INITIAL:
        weighted = min(weighted, INITIAL_PNL_CAP)
    return Requirement(liability * ratio // RATIO + orders * OPEN_ORDER_REQUIREMENT, weighted, liability)


def prediction_liability(base: int, price: int, max_price: int) -> int:
    """What a position in a prediction market can lose: a short owes at most ``max_price`` a contract."""
    return base_value(base, price if base > 0 else max_price - price)


def spot_requirement(tokens: int, open_bids: int, open_asks: int, price: int, asset: int, liability: int, *,
                     decimals: int = 9) -> tuple[int, int]:
    """(margin requirement, collateral) of a spot balance with open orders, quote; weights 1e-4.

    The side whose fills would leave less free collateral is taken as filled: the token is weighted, the quote it costs
    is a liability of weight 1, the quote it brings is collateral.
    """

    def filled(orders: int) -> tuple[int, int, int]:
        value = truncated_div((tokens + orders) * price, 10**decimals)
        paid = truncated_div(-orders * price, 10**decimals)
        weighted = truncated_div(value * (asset if value > 0 else liability), RATIO)
        return weighted + paid, max(-weighted, 0) + max(-paid, 0), max(weighted, 0) + max(paid, 0)

    _, margin, collateral = min(filled(open_bids), filled(open_asks), key=lambda outcome: outcome[0])
    return margin, collateral
