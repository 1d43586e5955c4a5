"""Size policies: how much of a pool is closed at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from leverline.enforce.margining import Standing, maintenance_of, standing
from leverline.enforce.policies import Slice
from leverline.enforce.positions import change_position
from leverline.enforce.state import VenueState
from leverline.enforce.terms import PPM
from leverline.margin.rounding import ceil_div
from leverline.margin.rulebooks.drift_v2 import RATIO as DRIFT_RATIO
from leverline.margin.rulebooks.drift_v2_liquidation import max_share
from leverline.margin.rulebooks.hyperliquid import first_liquidation_size
from leverline.margin.rulebooks.okx import contracts_of_one_cut
from leverline.model.quantities import UNITS_PER_ONE


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
class CloseFactor:
    """A fixed share of the neediest position, or all of it below ``whole_below_ppm`` of maintenance (Aave, Compound).

    The ratio is counted equity over maintenance.
    """

    share_ppm: int = 500_000
    whole_below_ppm: int = 950_000
    cooldown_ns: int = 0
    harms_by_design: bool = False

    def slices(self, state: VenueState, pool: int, now: Standing) -> list[Slice]:
        """One slice of the neediest position."""
        market, lots = neediest(state, pool)
        whole = now.counted_maintenance * PPM < now.maintenance * self.whole_below_ppm
        size = abs(lots) if whole else ceil_div(abs(lots) * self.share_ppm, PPM)
        return [Slice(market, size if lots > 0 else -size)]


@dataclass(frozen=True, slots=True)
class FirstPartThenAll:
    """Of a large position the venue's first part, and all of it at the next look, ``cooldown_ns`` later (Hyperliquid).

    The venue closes every position of the account; each by its own size.
    """

    cooldown_ns: int = 30 * 10**9
    harms_by_design: bool = True

    def slices(self, state: VenueState, pool: int, now: Standing) -> list[Slice]:  # noqa: ARG002 - the protocol's
        """Every position, by market name."""
        again = pool in state.room("cooling")
        return [Slice(market, lots if again else self._first(state, market, lots))
                for market, lots in sorted(state.positions.lots[pool].items())]

    def _first(self, state: VenueState, market: str, lots: int) -> int:
        mark = state.markets[market].mark
        assert mark is not None, "a liquidatable pool is priced"
        notional = Fraction(state.terms.markets[market].notional(lots, mark), UNITS_PER_ONE)
        size = ceil(first_liquidation_size(Fraction(abs(lots)), notional))
        return size if lots > 0 else -size


@dataclass(frozen=True, slots=True)
class TierStep:
    """The neediest position down to the next lower tier at the mark; all of one in the lowest (BitMEX, Bybit)."""

    cooldown_ns: int = 0
    harms_by_design: bool = True

    def slices(self, state: VenueState, pool: int, now: Standing) -> list[Slice]:  # noqa: ARG002 - the protocol's
        """One slice of the neediest position."""
        market, lots = neediest(state, pool)
        caps = [cap for cap in _tier_caps(state, market) if cap < abs(lots)]
        size = abs(lots) - caps[-1] if caps else abs(lots)
        return [Slice(market, size if lots > 0 else -size)]


@dataclass(frozen=True, slots=True)
class TwoTiersDown:
    """From the third tier on down two tiers, below it everything; again after a minute (OKX)."""

    cooldown_ns: int = 60 * 10**9
    harms_by_design: bool = True

    def slices(self, state: VenueState, pool: int, now: Standing) -> list[Slice]:  # noqa: ARG002 - the protocol's
        """One slice of the neediest position."""
        market, lots = neediest(state, pool)
        caps = _tier_caps(state, market)
        size = contracts_of_one_cut(abs(lots), [*caps, max(abs(lots), *caps, 1)])
        return [Slice(market, size if lots > 0 else -size)]


@dataclass(frozen=True, slots=True)
class StagedByTime:
    """A share of the shortage that grows with time since the pool entered liquidation (Drift).

    The shortage is over maintenance and ``buffer_ppm`` of it; ``initial_share`` is in 1e-4 and ``duration_slots`` in
    slots of ``slot_ns``, as the venue has them. What was freed is measured as the shortage at entry less that of now.
    """

    initial_share: int
    duration_slots: int
    slot_ns: int = 400_000_000
    buffer_ppm: int = 20_000
    cooldown_ns: int = 0
    harms_by_design: bool = False

    def slices(self, state: VenueState, pool: int, now: Standing) -> list[Slice]:
        """The smallest slice of the neediest position that frees what may be freed now."""
        lacking = self._shortage(now)
        entered, at_entry = state.room("staged").get(pool, (state.now_ns, lacking))
        state.undo.put(state.room("staged"), pool, (entered, at_entry))
        share = max_share(lacking, max(0, at_entry - lacking), (state.now_ns - entered) // self.slot_ns,
                          self.initial_share, self.duration_slots)
        target = lacking - lacking * share // DRIFT_RATIO
        market, lots = neediest(state, pool)
        sign = 1 if lots > 0 else -1
        size = 0 if share == 0 else smallest(
            abs(lots), lambda k: self._shortage(standing_after(state, pool, market, sign * k)) <= target)
        return [Slice(market, sign * size)] if size else []

    def _shortage(self, now: Standing) -> int:
        return max(0, ceil_div(now.maintenance * (PPM + self.buffer_ppm), PPM) - now.counted_maintenance)


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

        return [Slice(market, sign * smallest(size, reached))]


def smallest(most: int, reached: Callable[[int], bool]) -> int:
    """The least size from 1 to ``most`` that reaches the aim, by bisection; ``most`` where none does."""
    below, enough = 0, most
    while enough - below > 1:
        middle = (below + enough) // 2
        below, enough = (below, middle) if reached(middle) else (middle, enough)
    return enough


def _tier_caps(state: VenueState, market: str) -> list[int]:
    """The most lots that each tier but the last holds at the mark."""
    mark, terms = state.markets[market].mark, state.terms.markets[market]
    assert mark is not None, "a liquidatable pool is priced"
    return [row.floor // (mark * terms.value) for row in terms.tiers[1:]]


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
