"""The price at which a pool's equity is used up, and the worst price at which its lots may be sold."""

from __future__ import annotations

from dataclasses import dataclass

from leverline.enforce.margining import Standing, maintenance_of, standing
from leverline.enforce.policies import Closing
from leverline.enforce.state import VenueState
from leverline.enforce.terms import PPM
from leverline.margin.rounding import ceil_div


def closing_of(state: VenueState, pool: int, market: str, lots: int) -> Closing:
    """What is to be closed, with its bankruptcy price.

    A position's share of the pool's equity is its share of maintenance, as dYdX divides it, so that closing every
    position at its own bankruptcy price leaves the pool with nothing, whatever the order. At least one tick.
    """
    mark = state.markets[market].mark
    assert mark is not None, "a liquidatable pool is priced"
    now = standing(state, pool)
    terms = state.terms.markets[market]
    held = state.positions.lots[pool][market]
    need = maintenance_of(state, market, terms.notional(held, mark))
    share, whole = (need, now.maintenance) if now.maintenance else (1, 1)
    # equity * share / whole is lost over held lots: price = mark - equity * share / (whole * held * value)
    numerator = mark * whole * held * terms.value - now.equity * share
    denominator = whole * held * terms.value
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    price = ceil_div(numerator, denominator) if held > 0 else numerator // denominator
    return Closing(pool, market, lots, max(1, price))


@dataclass(frozen=True, slots=True)
class FillablePrice:
    """The bankruptcy price, or ``beyond_ppm`` past it at the cost of the insurance fund (dYdX: 1.5 times maintenance).

    Whatever better price the book gives is the pool's.
    """

    beyond_ppm: int = 0

    def limit(self, state: VenueState, closing: Closing, now: Standing) -> int:  # noqa: ARG002 - the protocol's
        """Ticks, at least 1; rounded for the pool's side."""
        slack = closing.bankruptcy * self.beyond_ppm // PPM
        return max(1, closing.bankruptcy - slack if closing.lots > 0 else closing.bankruptcy + slack)
