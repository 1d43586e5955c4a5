"""Positions of many pools in one market as columns: read from the state, changed by kernels, written back at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter

import numpy as np

from leverline.enforce.effects import Reject
from leverline.enforce.ledger import LIMIT
from leverline.enforce.owing import Owing, Peril
from leverline.enforce.pool_columns import PoolColumns, among
from leverline.enforce.rejection import reject_unless
from leverline.enforce.state import VenueState
from leverline.enforce.terms import MarketTerms
from leverline.ground.arrays import BoolArray, IntArray

BOUND = 2**60
"""Amounts in columns, and what all of them together come to, stay below: no sum of a few of them leaves int64."""
CLEAR_OF = ("pending", "resting", "cooling", "staged", "owing", "offered")
"""Rooms of pools that somebody else is at work on."""


@dataclass(slots=True)
class PositionColumns:
    """Lots, cost and cash of ``pools``, ascending, that hold a market; ``stored`` is what the state has of each."""

    market: str
    pools: list[int]
    pool: IntArray  # the same
    held: IntArray
    cost: IntArray
    cash: IntArray
    stored: tuple[IntArray, IntArray, IntArray]

    @classmethod
    def of(cls, state: VenueState, market: str, pools: list[int]) -> PositionColumns:
        """As the state has them now."""
        held, cost = inside(state.positions.lots, pools, market), inside(state.positions.cost, pools, market)
        cash = np.fromiter(map(state.ledger.cash.__getitem__, pools), np.int64, len(pools))
        return cls(market, pools, np.array(pools, np.int64), held.copy(), cost.copy(), cash.copy(), (held, cost, cash))

    @classmethod
    def read_off(cls, columns: PoolColumns, market: str, pool: IntArray) -> PositionColumns:
        """As the columns of all pools have them."""
        held, cost, cash = columns.held[pool], columns.cost[pool], columns.cash[pool]
        return cls(market, pool.tolist(), pool, held.copy(), cost.copy(), cash.copy(), (held, cost, cash))

    def taken(self, places: IntArray) -> PositionColumns:
        """Some of the rows, written back by themselves."""
        pool, (held, cost, cash) = self.pool[places], self.stored
        return PositionColumns(self.market, pool.tolist(), pool, self.held[places], self.cost[places],
                               self.cash[places], (held[places], cost[places], cash[places]))

    def write(self, state: VenueState) -> None:
        """Bring the state up to the columns; a pool that is left without positions owes its negative cash."""
        undo, market, was = state.undo, self.market, self.stored
        for column in (self.held, self.cost, self.cash):
            reject_unless(not column.size or int(np.abs(column).max()) < LIMIT, Reject.OVERFLOW)
        changed = np.flatnonzero(self.cash != was[2])
        undo.put_all(state.ledger.cash, self.pool[changed].tolist(), self.cash[changed].tolist())
        gone = np.flatnonzero((self.held == 0) & (was[0] != 0))
        if gone.size:
            pools = self.pool[gone].tolist()
            undo.remove_from_each(state.positions.lots, pools, market)
            undo.remove_from_each(state.positions.cost, pools, market)
            undo.remove_all(state.holders[market], pools)
            poor = self.pool[gone[self.cash[gone] < 0]].tolist()
            debtors = [pool for pool in poor if not state.positions.lots[pool]]
            undo.put_all(state.room("owing"), debtors, [Owing(market, Peril.LIQUIDATION)] * len(debtors))
        kept = self.held != 0
        for rows, now, before in ((state.positions.lots, self.held, was[0]), (state.positions.cost, self.cost, was[1])):
            changed = np.flatnonzero(kept & (now != before))
            undo.put_in_each(rows, self.pool[changed].tolist(), market, now[changed].tolist())
        self.stored = (self.held.copy(), self.cost.copy(), self.cash.copy())

    def read_again(self, state: VenueState) -> None:
        """After somebody else wrote to the state."""
        rows, costs, cash = state.positions.lots, state.positions.cost, state.ledger.cash
        self.held[:] = [rows[pool].get(self.market, 0) for pool in self.pools]
        self.cost[:] = [costs[pool].get(self.market, 0) for pool in self.pools]
        self.cash[:] = [cash[pool] for pool in self.pools]
        self.stored = (self.held.copy(), self.cost.copy(), self.cash.copy())

    def was_moved(self, pool: IntArray, amount: IntArray) -> None:
        """Somebody else moved cash of some pools, ascending, by ``amount``; those that are rows here follow."""
        if not self.pool.size:
            return
        place = np.minimum(np.searchsorted(self.pool, pool), self.pool.size - 1)
        mine = self.pool[place] == pool
        self.cash[place[mine]] += amount[mine]
        self.stored[2][place[mine]] += amount[mine]


def inside(rows: list[dict[str, int]], pools: Sequence[int], market: str) -> IntArray:
    """``rows[pool][market]`` of each pool."""
    return np.fromiter(map(itemgetter(market), map(rows.__getitem__, pools)), np.int64, len(pools))


@dataclass(frozen=True)
class Curve:
    """A market's terms and mark as kernels take them."""

    terms: MarketTerms
    mark: int

    @cached_property
    def tiers(self) -> tuple[IntArray, IntArray, IntArray]:
        """Floor, maintenance rate in ppm and deduction of each tier."""
        rows = [(row.floor, row.maintenance_ppm, row.deduction) for row in self.terms.tiers]
        floor, rate, deduction = np.array(rows, np.int64).T
        return np.ascontiguousarray(floor), np.ascontiguousarray(rate), np.ascontiguousarray(deduction)

    @property
    def unit(self) -> int:
        """Units of one lot at the mark."""
        return self.mark * self.terms.value

    def fits(self) -> bool:
        """Whether kernels may take this market: bounded figures, and maintenance that never falls as notional grows."""
        tiers = self.terms.tiers
        figures = [self.terms.penalty_ppm, *(row.maintenance_ppm for row in tiers)]
        amounts = [self.unit, *(abs(row.deduction) for row in tiers), *(row.floor for row in tiers)]
        needs = self.terms.maintenance
        return (min(figures) >= 0 and max(figures) <= 10**6 and max(amounts) < BOUND
                and all(needs(row.floor + 1) >= needs(row.floor) for row in tiers[1:]))


def simple_pools(state: VenueState, columns: PoolColumns, market: str, looked: Sequence[int]) -> BoolArray:
    """Which of ``looked`` hold one position, in ``market``, and settlement cash, and wait for nothing."""
    pool = np.array(looked, np.int64)
    busy = set[int]().union(*(state.room(room) for room in CLEAR_OF))
    is_single: BoolArray = columns.kind[pool] == columns.markets[market]
    return is_single & ~among(pool, busy)


def bounded(state: VenueState, columns: PositionColumns, curve: Curve) -> bool:
    """Whether no amount that the rows and the outside market can come to leaves int64, with room to spare."""
    most = BOUND // curve.unit
    if columns.held.size and int(np.abs(columns.held).max()) > most:
        return False
    sums = [np.abs(column.astype(np.float64)).sum()
            for column in (columns.cost, columns.cash, columns.held * curve.unit)]
    outside = [state.positions.lots[0].get(columns.market, 0) * curve.unit,
               state.positions.cost[0].get(columns.market, 0), state.ledger.cash[0]]
    funds = [amount for (holder, _), amount in state.ledger.others.items() if isinstance(holder, str)]
    return sum(sums) < BOUND / 8 and all(abs(amount) < BOUND for amount in (*outside, *funds))
