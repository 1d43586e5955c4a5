"""Every pool's cash and only position as columns, kept beside the state: a crash reads a hundred thousand at once.

Columns are no part of the state. What an event wrote is noted when it is accepted and read again before the next use,
or when enough has gathered, so that no single event pays for all that came before it.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from leverline.enforce.state import VenueState
from leverline.ground.arrays import BoolArray, IntArray

FLAT, ODD = -1, -2
"""Kinds of pools without positions, and of pools with several or with more than settlement cash."""
MOST_STALE = 4096


class PoolColumns:
    """By pool number: ``kind`` (place of its market among :attr:`markets`, ``FLAT`` or ``ODD``), ``held`` lots, their
    ``cost`` and ``cash`` in units.
    """

    def __init__(self) -> None:
        self.markets: dict[str, int] = {}
        self.kind, self.held, self.cost, self.cash = (np.zeros(0, np.int64) for _ in range(4))
        self._stale_rows: set[int] = set()
        self._stale_cash: set[int] = set()

    @classmethod
    def of(cls, state: VenueState) -> PoolColumns:
        """Of a state as it is now."""
        columns = cls()
        columns.follow(state)
        return columns

    def note(self, rows: Collection[int], cash: Collection[int], state: VenueState) -> None:
        """Positions (or assets) of some pools and cash of some were written by an event that stands."""
        self._stale_rows.update(rows)
        self._stale_cash.update(cash)
        if len(self._stale_rows) + len(self._stale_cash) > MOST_STALE:
            self.follow(state)

    def follow(self, state: VenueState) -> None:
        """Read again what has been written, and what is new."""
        n = len(state.pools)
        if self.kind.size < n:
            self._stale_rows.update(range(self.kind.size, n))
            self.kind, self.held, self.cost = (np.append(column, np.zeros(n - column.size, np.int64))
                                               for column in (self.kind, self.held, self.cost))
        if len(self._stale_cash) + n - self.cash.size > n // 8:
            self.cash = np.array(state.ledger.cash, np.int64)
        else:
            self.cash = np.append(self.cash, np.zeros(n - self.cash.size, np.int64))
            stale = [*self._stale_cash, *self._stale_rows]
            self.cash[stale] = [state.ledger.cash[pool] for pool in stale]
        self._follow_rows(state, list(self._stale_rows))
        self._stale_rows.clear()
        self._stale_cash.clear()

    def _follow_rows(self, state: VenueState, stale: list[int]) -> None:
        lots, cost, owners = state.positions.lots, state.positions.cost, state.ledger.assets_of
        for market in state.markets:
            self.markets.setdefault(market, len(self.markets))
        pool = np.array(stale, np.int64)
        count = np.fromiter(map(len, map(lots.__getitem__, stale)), np.int64, len(stale))
        self.kind[pool] = np.where(count == 0, FLAT, ODD)
        self.held[pool] = self.cost[pool] = 0
        single = pool[count == 1].tolist()
        rows = [lots[i] for i in single]
        self.kind[single] = np.fromiter(map(self.markets.__getitem__, map(next, map(iter, rows))), np.int64, len(rows))
        self.held[single] = np.fromiter(map(next, map(iter, map(dict.values, rows))), np.int64, len(rows))
        self.cost[single] = np.fromiter(map(next, map(iter, map(dict.values, map(cost.__getitem__, single)))), np.int64,
                                        len(rows))
        self.kind[[i for i in stale if i in owners] if owners else []] = ODD

    def changed(self, state: VenueState, rows: IntArray, held: IntArray, cost: IntArray, others: Collection[int],
                ) -> PoolColumns:
        """A copy with other positions: of ``rows`` those given, of ``others`` what the state has; cash as it was."""
        copy = PoolColumns()
        copy.markets, copy.cash = self.markets, self.cash
        copy.kind, copy.held, copy.cost = self.kind.copy(), self.held.copy(), self.cost.copy()
        copy.held[rows], copy.cost[rows] = held, cost
        copy.kind[rows[held == 0]] = FLAT
        copy._follow_rows(state, list(others))
        return copy

    def equity(self, state: VenueState, cash: IntArray) -> tuple[IntArray, BoolArray] | None:
        """(units, which of them are priced and not ``ODD``) of all pools with ``cash``; None where int64 may not do."""
        size = len(self.markets) + 2  # ODD and FLAT last
        units: IntArray = np.zeros(size, np.int64)
        priced: BoolArray = np.zeros(size, np.bool_)
        priced[FLAT] = True
        for market, k in self.markets.items():
            mark, terms = state.markets[market].mark, state.terms.markets.get(market)
            if mark is not None and terms is not None:
                if mark * terms.value >= 2**60:
                    return None
                units[k], priced[k] = mark * terms.value, True
        unit: IntArray = units[self.kind]
        amounts = (cash, self.cost, self.held.astype(np.float64) * unit)
        if sum(float(np.abs(column.astype(np.float64)).sum()) for column in amounts) >= 2**60:
            return None
        return cash + self.held * unit - self.cost, priced[self.kind]


def among(pool: IntArray, chosen: Collection[int]) -> BoolArray:
    """Which of ``pool`` are ``chosen``."""
    if not chosen:
        return np.zeros(pool.size, np.bool_)
    return np.isin(pool, np.fromiter(chosen, np.int64, len(chosen)))
