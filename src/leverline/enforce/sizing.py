"""Size policies: how much of a pool is closed at a time."""

from __future__ import annotations

from dataclasses import dataclass

from leverline.enforce.margining import Standing, maintenance_of, standing
from leverline.enforce.policies import Slice
from leverline.enforce.positions import change_position
from leverline.enforce.state import VenueState
from leverline.enforce.terms import PPM
from leverline.margin.rounding import ceil_div


@dataclass(frozen=True, slots=True)
class WholePool:
    """Everything at once."""

    cooldown_ns: int = 0
    harms_by_design: bool = True  # a pool a cent short loses all, and pays the penalty on all

    def slices(self, state: VenueState, pool: int, now: Standing) -> list[Slice]:  # noqa: ARG002 - the protocol's
        """Every position, by market name."""
        return [Slice(market, lots) for market, lots in sorted(state.positions.lots[pool].items())]


@dataclass(frozen=True, slots=True)
class Portion:
    """A share of the position that needs most, never less than ``least`` units of notional (dYdX, Hyperliquid)."""

    share_ppm: int
    least: int
    cooldown_ns: int = 0
    harms_by_design: bool = False

    def slices(self, state: VenueState, pool: int, now: Standing) -> list[Slice]:  # noqa: ARG002 - the protocol's
        """One slice of the neediest position."""
        market, lots = neediest(state, pool)
        mark, value = state.markets[market].mark, state.terms.markets[market].value
        assert mark is not None, "a liquidatable pool is priced"
        size = max(ceil_div(abs(lots) * self.share_ppm, PPM), ceil_div(self.least, mark * value))
        size = min(size, abs(lots))
        return [Slice(market, size if lots > 0 else -size)]


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """Just enough, closed at the mark with its penalty, for counted equity to be ``target_ppm`` of maintenance.

    The smallest size that gets there is found by bisection on the exact standing. Where no size does, the whole
    position goes.
    """

    target_ppm: int = 1_100_000
    cooldown_ns: int = 0
    harms_by_design: bool = False

    def slices(self, state: VenueState, pool: int, now: Standing) -> list[Slice]:  # noqa: ARG002 - the protocol's
        """One slice of the neediest position."""
        market, lots = neediest(state, pool)
        sign, size = (1 if lots > 0 else -1), abs(lots)

        def reached(k: int) -> bool:
            after = standing_after(state, pool, market, sign * k)
            return not after.owes or after.counted_maintenance * PPM >= after.maintenance * self.target_ppm

        if not reached(size):
            return [Slice(market, lots)]
        below, enough = 0, size
        while enough - below > 1:
            middle = (below + enough) // 2
            below, enough = (below, middle) if reached(middle) else (middle, enough)
        return [Slice(market, sign * enough)]


def neediest(state: VenueState, pool: int) -> tuple[str, int]:
    """The position with the largest maintenance requirement; by name where two need the same."""
    def need(market: str) -> int:
        mark = state.markets[market].mark
        assert mark is not None, "a liquidatable pool is priced"
        lots = state.positions.lots[pool][market]
        return maintenance_of(state, market, state.terms.markets[market].notional(lots, mark))

    market = max(sorted(state.positions.lots[pool]), key=need)
    return market, state.positions.lots[pool][market]


def standing_after(state: VenueState, pool: int, market: str, lots: int) -> Standing:
    """The pool's standing had it closed signed ``lots`` of a position at the mark and paid the penalty."""
    mark = state.markets[market].mark
    assert mark is not None, "a liquidatable pool is priced"
    terms = state.terms.markets[market]
    place = state.undo.mark()
    change_position(state, pool, market, -lots, mark)
    fee = ceil_div(terms.notional(lots, mark) * terms.penalty_ppm, PPM)
    state.undo.put(state.ledger.cash, pool, state.ledger.cash[pool] - fee)
    after = standing(state, pool)
    state.undo.take_back(place)
    return after
