"""Safe bands: a price makes the venue look at those alone whose band it leaves.

A pool's slack is how far its counted equity stands above its call level. Divided by what one unit of price can cost at
most, it is a distance that no price in between can call, liquidate or bring back; several holdings share the slack
equally. Bands err on the safe side and decide nothing: who leaves one is looked at exactly. They are no part of the
state: they are built from it, so that recovery needs none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import repeat
from typing import Any

from leverline.enforce.calling import CALL_RATIO_PPM, call_level
from leverline.enforce.ledger import LIMIT
from leverline.enforce.margining import ONE_ASSET, standing
from leverline.enforce.pool_columns import PoolColumns
from leverline.enforce.state import OUTSIDE_POOL, VenueState
from leverline.enforce.terms import PPM, MarketTerms
from leverline.enforce.watch import RESTLESS_ROOMS, is_restless
from leverline.margin.rounding import ceil_div

FEWEST_KEPT = 64
"""Entries below which no heap is cleared."""

MANY = 256
"""Entries or pools of one event from which all at once is faster than one by one."""

SEEN_ROOMS = ("sources", "opening", "breakers", "growth", "depth")
"""What the eyes and the breakers remember: they move pools through prices and halts alone, which are looked at."""

Trigger = tuple[int, int, int]
"""Price (of a fall negated), pool, version of its bands: an entry of an older version is passed over."""


@dataclass(frozen=True, slots=True)
class Slope:
    """How fast slack falls in a market. ``smooth``: no faster anywhere than ``cost_of_a_tick`` says."""

    terms: MarketTerms
    steepest_ppm: int
    smooth: bool

    def cost_of_a_tick(self, lots: int) -> int:
        """Units that slack falls at most when the price moves one tick against the lots.

        A falling price lowers a long's requirement, a rising one raises a short's.
        """
        value = abs(lots) * self.terms.value
        return value if lots > 0 else ceil_div(value * (CALL_RATIO_PPM + self.steepest_ppm), CALL_RATIO_PPM)


@dataclass
class BandWatch:
    """One heap a name and direction; entries are never searched for, only outdated."""

    falls: dict[str, list[Trigger]] = field(default_factory=dict)
    rises: dict[str, list[Trigger]] = field(default_factory=dict)
    restless: dict[str, set[int]] = field(default_factory=dict)
    version: dict[int, int] = field(default_factory=dict)  # the drawing from which a pool's bands are
    drawn: dict[int, tuple[str, ...]] = field(default_factory=dict)  # names that a pool's bands were drawn for
    _drawings: int = 0
    _taken: list[tuple[list[Trigger], list[Trigger]]] = field(default_factory=list)  # by the event under way
    _state: VenueState | None = None  # the one that the identities below are of
    _pool_of: dict[int, int] = field(default_factory=dict)  # identity of a pool's row of lots to the pool
    _by_pool: dict[int, Any] = field(default_factory=dict)  # identity of a container to it: its keys are pools
    _passive: set[int] = field(default_factory=set)  # identities of containers by which alone no slack changes unseen
    _slopes: dict[str, Slope] = field(default_factory=dict)
    _columns: PoolColumns = field(default_factory=PoolColumns)

    def exposed(self, state: VenueState, name: str) -> Iterable[int]:
        """Those whose band the price now in force leaves, and the restless."""
        price = state.markets[name].mark if name in state.markets else state.asset_price.get(name)
        found = set(self.restless.get(name, ()))
        if price is not None:
            for heap, beyond in ((self.falls.get(name), -price), (self.rises.get(name), price)):
                if heap and heap[0][0] < beyond:
                    found.update(self._take(heap, beyond))
        return found

    def _take(self, heap: list[Trigger], beyond: int) -> list[int]:
        """Take the entries below ``beyond`` off a heap; the pools of those that are not outdated."""
        entries = [entry for entry in _crossed(heap, beyond) if self.version.get(entry[1]) == entry[2]]
        self._taken.append((heap, entries))
        return [entry[1] for entry in entries]

    def calm(self, name: str) -> tuple[int, int]:
        """The lowest and the highest price of a market at which nobody is exposed; none lies between 1 and 0."""
        falls, rises = self.falls.get(name), self.rises.get(name)
        if self.restless.get(name):
            return 1, 0
        return -falls[0][0] if falls else 1, rises[0][0] if rises else LIMIT

    def columns(self, state: VenueState) -> PoolColumns:
        """See :class:`~leverline.enforce.watch.Watch`."""
        if self._state is not state:
            self._know(state)
        self._columns.follow(state)
        return self._columns

    def rejected(self) -> None:
        """Put back what the rejected event took."""
        for heap, entries in self._taken:
            for entry in entries:
                heappush(heap, entry)
        self._taken.clear()

    def accepted(self, state: VenueState, looked: Collection[int]) -> None:
        """Draw the bands anew of everybody whose slack may have changed."""
        self._taken.clear()
        if not looked and self._passive.issuperset(state.undo.containers()) and self._state is state:
            return
        redrawn = self._redrawn(state, looked)
        if not redrawn:
            return
        redrawn.discard(OUTSIDE_POOL)
        pools = sorted(redrawn)
        if len(pools) >= MANY:
            pools = self._draw_many(state, pools)
        for pool in pools:
            self._draw(state, pool)

    def _draw_many(self, state: VenueState, pools: list[int]) -> list[int]:
        """Draw the bands of pools that hold nothing, or one position and cash, in columns; the others are left."""
        from leverline.enforce.crash.bands import by_kind, triggers  # compiles: a small venue never needs it

        columns = self.columns(state)
        restless = set[int]().union(*(state.room(room) for room in RESTLESS_ROOMS))
        flat, simple, left = by_kind(columns, pools, restless)
        self._stamp(flat, ())
        for market, chosen in sorted(simple.items()):
            found = triggers(state, columns, market, chosen, self._slope(state, market))
            if found is None:
                left += chosen.tolist()
                continue
            stamp = self._stamp(chosen.tolist(), (market,))
            for heaps, prices, drawn in ((self.falls, *found.falls), (self.rises, *found.rises)):
                entries = list(zip(prices.tolist(), drawn.tolist(), repeat(stamp)))
                self._push_many(heaps.setdefault(market, []), entries)
            if found.restless.size:
                self.restless.setdefault(market, set()).update(found.restless.tolist())
        return left

    def _stamp(self, pools: list[int], names: tuple[str, ...]) -> int:
        """A new version for pools that are drawn together; entries of theirs from before are outdated."""
        self._drawings += 1
        self.version |= dict.fromkeys(pools, self._drawings)
        self.drawn |= dict.fromkeys(pools, names)
        for watched in self.restless.values():
            watched.difference_update(pools)
        return self._drawings

    def _push_many(self, heap: list[Trigger], entries: list[Trigger]) -> None:
        if entries:
            heap[:] = [row for row in heap if self.version.get(row[1]) == row[2]] + entries
            heap.sort()  # they come sorted

    def _redrawn(self, state: VenueState, looked: Collection[int]) -> set[int]:
        """Pools looked at, and those whose balances, lots or place among the restless the event wrote."""
        if self._state is not state:
            self._know(state)
        undo, lots = state.undo, state.positions.lots
        if len(self._pool_of) < len(lots):
            self._pool_of |= {id(lots[pool]): pool for pool in range(len(self._pool_of), len(lots))}
        pools, written, rows = set(looked), undo.containers(), set(undo.places(lots))
        coins = id(state.ledger.others)
        for container in written:
            if container in self._pool_of:
                rows.add(self._pool_of[container])
            elif container in self._by_pool:
                pools |= undo.keys(self._by_pool[container])
            elif container == coins:
                rows.update(holder for holder, _ in undo.before(state.ledger.others) if isinstance(holder, int))
        if written:
            self._columns.note(rows, undo.keys(state.ledger.cash), state)
        if id(state.book) in written or id(state.room("decay")) in written:
            return set(range(len(state.pools)))
        return pools | rows

    def _know(self, state: VenueState) -> None:
        """Note which of a state's containers are whose, by identity: that is how its writes are read."""
        self._state = state
        self._pool_of = {}
        self._columns = PoolColumns()
        rooms = [state.room(name) for name in RESTLESS_ROOMS]
        self._passive = {id(state.markets), id(state.asset_price), *(id(state.room(name)) for name in SEEN_ROOMS)}
        self._by_pool = {id(container): container for container in (state.ledger.cash, *rooms)}

    def _draw(self, state: VenueState, pool: int) -> None:
        """Triggers of one pool, or its place among the restless."""
        self._drawings += 1
        self.version[pool] = version = self._drawings
        for name in self.drawn.get(pool, ()):
            if name in self.restless:
                self.restless[name].discard(pool)
        lots = state.positions.lots[pool]
        assets = [asset for asset in state.ledger.assets_of.get(pool, ()) if state.ledger.others[pool, asset]]
        self.drawn[pool] = names = (*lots, *assets)
        if not names:
            return
        slack = self._slack(state, pool, assets)
        if slack is None or slack < 0:
            for name in names:
                self.restless.setdefault(name, set()).add(pool)
            return
        share = slack // len(names)
        for name, size in lots.items():
            mark = state.markets[name].mark
            assert mark is not None, "a pool with slack is priced"
            away = share // self._slope(state, name).cost_of_a_tick(size)
            if size > 0:
                self._push(self.falls.setdefault(name, []), (away - mark, pool, version))
            else:
                self._push(self.rises.setdefault(name, []), (mark + away, pool, version))
        for name in assets:
            if name not in state.asset_price:  # never had a price: its first one only adds
                continue
            away = share * ONE_ASSET // state.ledger.others[pool, name]
            self._push(self.falls.setdefault(name, []), (away - state.asset_price[name], pool, version))

    def _slack(self, state: VenueState, pool: int, assets: list[str]) -> int | None:
        """Units above the call level, less what rounding may take; None for a pool that no band is drawn for."""
        if is_restless(state, pool):
            return None
        now = standing(state, pool)
        lots, decays = state.positions.lots[pool], state.room("decay")
        if not now.priced:
            return None
        rounding = 4 * (len(lots) + 1)
        for name in lots:
            if name in decays or not self._slope(state, name).smooth:
                return None
        for asset in assets:
            rounding += 4 * len(state.terms.assets[asset].floors)
            if state.ledger.others[pool, asset] < 0:
                return None
        return now.counted_maintenance - call_level(now) - rounding

    def _slope(self, state: VenueState, market: str) -> Slope:
        """How fast slack falls in a market, worked out once for its terms."""
        terms = state.terms.markets[market]
        slope = self._slopes.get(market)
        if slope is None or slope.terms is not terms:
            slope = self._slopes[market] = Slope(terms, max(row.maintenance_ppm for row in terms.tiers),
                                                 _is_smooth(terms))
        return slope

    def _push(self, heap: list[Trigger], entry: Trigger) -> None:
        """Add an entry; a heap of mostly outdated ones is cleared of them, so that it stays as large as the venue."""
        if len(heap) > FEWEST_KEPT + 4 * len(self.version):
            heap[:] = [row for row in heap if self.version.get(row[1]) == row[2]]
            heapify(heap)
        heappush(heap, entry)


def _crossed(heap: list[Trigger], beyond: int) -> list[Trigger]:
    """Take the entries below ``beyond`` off a heap: one by one, or, where they are many, all at once."""
    found: list[Trigger] = []
    while heap and heap[0][0] < beyond:
        if len(found) == MANY:
            found += [entry for entry in heap if entry[0] < beyond]
            heap[:] = [entry for entry in heap if entry[0] >= beyond]
            heapify(heap)
            break
        found.append(heappop(heap))
    return found


def _is_smooth(terms: MarketTerms) -> bool:
    """Whether maintenance has no jumps at its floors, and rises slower than a long's profit at the call level."""
    joins = all(abs(ceil_div(row.floor * (row.maintenance_ppm - before.maintenance_ppm), PPM)
                    - (row.deduction - before.deduction)) <= 1
                for before, row in zip(terms.tiers, terms.tiers[1:], strict=False))
    return joins and all(row.maintenance_ppm < CALL_RATIO_PPM for row in terms.tiers)
