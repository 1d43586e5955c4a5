"""The price at which a pool's equity is used up, and the worst price at which its lots may be sold."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from leverline.enforce.margining import Standing, maintenance_of, standing
from leverline.enforce.policies import Closing
from leverline.enforce.state import VenueState
from leverline.enforce.terms import PPM
from leverline.margin.rounding import ceil_div
from leverline.margin.rulebooks.dydx_v4_liquidation import fillable_from, price_in_subticks


def closing_of(state: VenueState, pool: int, market: str, lots: int) -> Closing:
    """What is to be closed, with its bankruptcy price.

    A position's share of the pool's equity is its share of maintenance, as dYdX divides it, so that closing every
    position at its own bankruptcy price leaves the pool with nothing, whatever the order. See :func:`at_stake` for what
    collateral counts for. At least one tick: nobody is paid to take a position, and where no price above zero would do,
    the fund meets the rest.
    """
    mark = state.markets[market].mark
    assert mark is not None, "a liquidatable pool is priced"
    now = standing(state, pool)
    terms = state.terms.markets[market]
    held = state.positions.lots[pool][market]
    need = maintenance_of(state, market, terms.notional(held, mark))
    share, whole = (need, now.maintenance) if now.maintenance else (1, 1)
    # equity * share / whole is lost over held lots: price = mark - equity * share / (whole * held * value)
    numerator = mark * whole * held * terms.value - at_stake(now) * share
    denominator = whole * held * terms.value
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    price = ceil_div(numerator, denominator) if held > 0 else numerator // denominator
    return Closing(pool, market, lots, max(1, price))


def at_stake(now: Standing) -> int:
    """Units of equity that closing the positions may use up: what surely is there, or is surely missing.

    Collateral counts less its haircut while that leaves something, and whole where the pool is short even so. Between
    the two the positions are closed at the mark: whether the haircut is needed the sale of the collateral will show,
    and no price of the positions can.
    """
    return min(max(now.counted_maintenance, 0), now.equity)


@dataclass(frozen=True, slots=True)
class BankruptcyPrice:
    """No worse than the bankruptcy price: whatever better price the book gives is the pool's."""

    def limit(self, state: VenueState, closing: Closing, now: Standing) -> int:  # noqa: ARG002 - the protocol's
        """Ticks."""
        return closing.bankruptcy


@dataclass(frozen=True, slots=True)
class FillablePrice:
    """dYdX's: from the mark at maintenance to ``spread_ppm`` times maintenance away from it without any equity.

    Rounded to a tick for the book's side, as the chain rounds: sells up, buys down. With a spread above 1 it may lie
    beyond bankruptcy; the fund pays what is missing.
    """

    adjustment_ppm: int = 1_000_000
    spread_ppm: int = 1_500_000

    def limit(self, state: VenueState, closing: Closing, now: Standing) -> int:
        """Ticks, at least 1."""
        mark, terms = state.markets[closing.market].mark, state.terms.markets[closing.market]
        assert mark is not None, "a liquidatable pool is priced"
        held = state.positions.lots[closing.pool][closing.market]
        need = maintenance_of(state, closing.market, terms.notional(held, mark))
        price = fillable_from(held * mark * terms.value, held, need, now.counted_maintenance, now.maintenance,
                              self.adjustment_ppm, self.spread_ppm)
        return price_in_subticks(max(Fraction(0), price / terms.value), liquidating_long=held > 0, subticks_per_tick=1,
                                 quantum_conversion_exponent=0)


@dataclass(frozen=True, slots=True)
class OracleMinusFee:
    """The mark less a fee, whatever is left of the pool (Drift, Aave's fixed bonus): the fund pays what is missing."""

    fee_ppm: int

    def limit(self, state: VenueState, closing: Closing, now: Standing) -> int:  # noqa: ARG002 - the protocol's
        """Ticks, at least 1; rounded for the pool's side."""
        return discounted(state, closing, self.fee_ppm)


@dataclass(frozen=True, slots=True)
class HealthDiscount:
    """The mark less the share of maintenance that is missing, times ``slope_ppm``, at most ``cap_ppm`` (Euler)."""

    slope_ppm: int = 1_000_000
    cap_ppm: int = 150_000

    def limit(self, state: VenueState, closing: Closing, now: Standing) -> int:
        """Ticks, at least 1; rounded for the pool's side."""
        missing = max(0, now.maintenance - now.counted_maintenance) * self.slope_ppm // max(1, now.maintenance)
        return discounted(state, closing, min(self.cap_ppm, missing))


def discounted(state: VenueState, closing: Closing, ppm: int) -> int:
    """The mark less ``ppm`` of it for a long, plus for a short: ticks, at least 1, rounded for the pool's side."""
    mark = state.markets[closing.market].mark
    assert mark is not None, "a liquidatable pool is priced"
    away = mark * ppm // PPM
    return max(1, mark - away if closing.lots > 0 else mark + away)
