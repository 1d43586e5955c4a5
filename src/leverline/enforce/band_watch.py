"""Safe bands: a price makes the venue look at those alone whose band it leaves.

A pool's slack is how far its counted equity stands above its call level. Divided by what one unit of price can cost at
most, it is a distance that no price in between can call, liquidate or bring back; several holdings share the slack
equally. Bands err on the safe side and decide nothing: who leaves one is looked at exactly. They are no part of the
state: they are built from it, so that recovery needs none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from leverline.enforce.calling import CALL_RATIO_PPM
from leverline.enforce.margining import ONE_ASSET, standing
from leverline.enforce.state import VenueState
from leverline.enforce.terms import PPM, MarketTerms
from leverline.enforce.watch import WAITING
from leverline.margin.rounding import ceil_div

RESTLESS_ROOMS = (*WAITING, "calls", "owing")
"""Pools in these are looked at whenever a price that they depend on moves."""

FEWEST_KEPT = 64
"""Entries below which no heap is cleared."""

Trigger = tuple[int, int, int]
"""Price (of a fall negated), pool, version of its bands: an entry of an older version is passed over."""


@dataclass
class BandWatch:
    """One heap a name and direction; entries are never searched for, only outdated."""

    falls: dict[str, list[Trigger]] = field(default_factory=dict)
    rises: dict[str, list[Trigger]] = field(default_factory=dict)
    restless: dict[str, set[int]] = field(default_factory=dict)
    version: dict[int, int] = field(default_factory=dict)
    drawn: dict[int, tuple[str, ...]] = field(default_factory=dict)  # names that a pool's bands were drawn for
    _taken: list[tuple[list[Trigger], Trigger]] = field(default_factory=list)  # by the event under way
    _pool_of: dict[int, int] = field(default_factory=dict)  # identity of a pool's row of lots to the pool

    def exposed(self, state: VenueState, name: str) -> Iterable[int]:
        """Those whose band the price now in force leaves, and the restless."""
        price = state.markets[name].mark if name in state.markets else state.asset_price.get(name)
        found = set(self.restless.get(name, ()))
        if price is None:
            return found
        for heap, beyond in ((self.falls.get(name, []), -price), (self.rises.get(name, []), price)):
            while heap and heap[0][0] < beyond:
                entry = heappop(heap)
                if self.version.get(entry[1]) == entry[2]:
                    self._taken.append((heap, entry))
                    found.add(entry[1])
        return found

    def rejected(self) -> None:
        """Put back what the rejected event took."""
        for heap, entry in self._taken:
            heappush(heap, entry)
        self._taken.clear()

    def accepted(self, state: VenueState, looked: Iterable[int]) -> None:
        """Draw the bands anew of everybody whose slack may have changed."""
        self._taken.clear()
        undo = state.undo
        if undo.before(state.book) or undo.before(state.room("decay")):
            pools = set(range(len(state.pools)))
        else:
            for pool in range(len(self._pool_of), len(state.pools)):
                self._pool_of[id(state.positions.lots[pool])] = pool
            pools = {*looked, *undo.before(state.ledger.cash)}
            pools.update(holder for holder, _ in undo.before(state.ledger.others) if isinstance(holder, int))
            pools.update(self._pool_of[i] for i in undo.containers() if i in self._pool_of)
            for room in RESTLESS_ROOMS:
                pools.update(undo.before(state.room(room)))
        for pool in sorted(pools):
            if not state.pools[pool].external:
                self._draw(state, pool)

    def _draw(self, state: VenueState, pool: int) -> None:
        """Triggers of one pool, or its place among the restless."""
        version = self.version.get(pool, 0) + 1
        self.version[pool] = version
        lots = state.positions.lots[pool]
        assets = [asset for asset in state.terms.assets
                  if asset != state.terms.settlement and state.ledger.balance(pool, asset)]
        slack = _slack(state, pool)
        share = -1 if slack is None else slack // max(1, len(lots) + len(assets))
        for name in self.drawn.get(pool, ()):
            self.restless.get(name, set()).discard(pool)
        self.drawn[pool] = (*lots, *assets)
        for name in self.drawn[pool]:
            if share < 0:
                self.restless.setdefault(name, set()).add(pool)
            elif name in lots:
                mark = state.markets[name].mark
                assert mark is not None, "a pool with slack is priced"
                away = share // _cost_of_a_tick(state.terms.markets[name], lots[name])
                if lots[name] > 0:
                    self._push(self.falls.setdefault(name, []), (away - mark, pool, version))
                else:
                    self._push(self.rises.setdefault(name, []), (mark + away, pool, version))
            else:
                away = share * ONE_ASSET // state.ledger.balance(pool, name)
                self._push(self.falls.setdefault(name, []), (away - state.asset_price[name], pool, version))

    def _push(self, heap: list[Trigger], entry: Trigger) -> None:
        """Add an entry; a heap of mostly outdated ones is cleared of them, so that it stays as large as the venue."""
        if len(heap) > FEWEST_KEPT + 4 * len(self.version):
            heap[:] = [row for row in heap if self.version.get(row[1]) == row[2]]
            heapify(heap)
        heappush(heap, entry)


def _slack(state: VenueState, pool: int) -> int | None:
    """Units above the call level, less what rounding may take; None for a pool that no band is drawn for."""
    if any(pool in state.room(room) for room in RESTLESS_ROOMS):
        return None
    now = standing(state, pool)
    lots = state.positions.lots[pool]
    markets = [state.terms.markets[name] for name in lots]
    if not now.priced or any(name in state.room("decay") for name in lots) or not all(map(_is_smooth, markets)):
        return None
    if any(state.ledger.balance(pool, asset) < 0 for asset in state.terms.assets if asset != state.terms.settlement):
        return None
    rounding = 4 * (len(lots) + sum(len(rules.floors) for rules in state.terms.assets.values()) + 1)
    return now.counted_maintenance - ceil_div(now.maintenance * PPM, CALL_RATIO_PPM) - rounding


def _cost_of_a_tick(terms: MarketTerms, lots: int) -> int:
    """Units that slack falls at most when the price moves one tick against the lots.

    A falling price lowers a long's requirement, a rising one raises a short's.
    """
    value = abs(lots) * terms.value
    if lots > 0:
        return value
    steepest = max(row.maintenance_ppm for row in terms.tiers)
    return ceil_div(value * (CALL_RATIO_PPM + steepest), CALL_RATIO_PPM)


def _is_smooth(terms: MarketTerms) -> bool:
    """Whether maintenance has no jumps at its floors, and rises slower than a long's profit at the call level."""
    joins = all(abs(ceil_div(row.floor * (row.maintenance_ppm - before.maintenance_ppm), PPM)
                    - (row.deduction - before.deduction)) <= 1
                for before, row in zip(terms.tiers, terms.tiers[1:], strict=False))
    return joins and all(row.maintenance_ppm < CALL_RATIO_PPM for row in terms.tiers)
