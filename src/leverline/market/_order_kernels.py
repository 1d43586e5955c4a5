"""The book that order events make, over integers: prices as ranks among all prices seen, volumes in whole units.

An order is *visible* (in the book), *pending* (marketable: it crosses the visible other side, so the venue is matching
it and its fills are still to be reported), *stale* (it stood in the way of a pending order that outlived the patience:
its removal was lost), *unplaced* (without price or volume) or absent. Only visible orders are in the book, and an order
becomes visible only where it does not cross: the book cannot be crossed at any event.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import IntArray
from leverline.ground.compiled import njit

CREATED, CHANGED, DELETED = 0, 1, 2
ABSENT, VISIBLE, PENDING, STALE, UNPLACED = 0, 1, 2, 3, 4
SOUND, UNKNOWN, REPEATED, UNPRICED = 0, 1, 2, 3
MAX_PENDING = 1_024
"""More orders than this cannot be in the middle of their matching: the oldest is then taken to rest."""

Bytes = npt.NDArray[np.int8]


@njit
def replay(
    ts: IntArray, order: IntArray, side: Bytes, rank: IntArray, units: IntArray, action: Bytes, n_orders: int,
    n_prices: int, grid: IntArray, patience_ns: int, out_rank: IntArray, out_units: IntArray, verdict: Bytes,
    staled: IntArray,
) -> int:
    """Book at each time of ``grid`` after all events up to it; returns how many orders were marketable.

    Events have shape (n,), ``ts`` never falls; ``side`` is 0 for bids; ``rank`` counts prices upwards from 0 and is -1
    where there is none. ``out_rank`` and ``out_units`` have shape (2, n_grid, n_levels), best level first, -1 and 0
    beyond the book's end. ``verdict`` (n,) says what is odd about an event, ``staled`` (n,) how many orders were found
    stale when it came.
    """
    level = np.zeros((2, n_prices), np.int64)
    head = np.full((2, n_prices), -1, np.int64)
    best = np.array([-1, n_prices])
    # per order: side, rank, units, next and previous order of its level, state, pending since
    book = np.full((n_orders, 7), -1, np.int64)
    book[:, 5] = ABSENT
    queue = np.empty(MAX_PENDING + 1, np.int64)
    waiting, marketable, k = 0, 0, 0
    for e in range(ts.size):
        while k < grid.size and grid[k] < ts[e]:
            waiting = _settle(grid[k], patience_ns, queue, waiting, book, level, head, best, staled, e)
            _copy(best, level, head, out_rank[:, k], out_units[:, k])
            k += 1
        o = order[e]
        if book[o, 5] == VISIBLE:
            _hide(o, book, level, head, best)
        known, queued = book[o, 5] != ABSENT, book[o, 5] == PENDING
        book[o, 5] = ABSENT
        if action[e] != CREATED and not known:
            verdict[e] = UNKNOWN
        elif action[e] != DELETED:
            if action[e] == CREATED and known:
                verdict[e] = REPEATED
            if rank[e] < 0 or units[e] <= 0:
                book[o, 5] = UNPLACED
                if action[e] == CREATED:
                    verdict[e] = UNPRICED
            else:
                book[o, 0], book[o, 1], book[o, 2] = side[e], rank[e], units[e]
                if _crosses(side[e], rank[e], best):
                    marketable += action[e] == CREATED
                    book[o, 5], book[o, 6] = PENDING, ts[e]
                    if not queued:
                        queue[waiting] = o
                        waiting += 1
                else:
                    _show(o, book, level, head, best)
        if waiting > 0:
            waiting = _settle(ts[e], patience_ns, queue, waiting, book, level, head, best, staled, e)
    for g in range(k, grid.size):
        waiting = _settle(grid[g], patience_ns, queue, waiting, book, level, head, best, staled, ts.size - 1)
        _copy(best, level, head, out_rank[:, g], out_units[:, g])
    return marketable


@njit
def _crosses(side: int, rank: int, best: IntArray) -> bool:
    if side == 0:
        return bool(rank >= best[1])
    return bool(rank <= best[0])


@njit
def _show(o: int, book: IntArray, level: IntArray, head: IntArray, best: IntArray) -> None:
    """Put an order at the front of its level."""
    side, rank = book[o, 0], book[o, 1]
    front = head[side, rank]
    book[o, 3], book[o, 4], book[o, 5] = front, -1, VISIBLE
    if front >= 0:
        book[front, 4] = o
    head[side, rank] = o
    level[side, rank] += book[o, 2]
    best[side] = max(best[0], rank) if side == 0 else min(best[1], rank)


@njit
def _hide(o: int, book: IntArray, level: IntArray, head: IntArray, best: IntArray) -> None:
    """Take a visible order out of its level; its state is the caller's to set."""
    side, rank, after, before = book[o, 0], book[o, 1], book[o, 3], book[o, 4]
    if before >= 0:
        book[before, 3] = after
    else:
        head[side, rank] = after
    if after >= 0:
        book[after, 4] = before
    level[side, rank] -= book[o, 2]
    if head[side, rank] < 0 and best[side] == rank:
        step = 1 if side == 1 else -1
        rank += step
        while 0 <= rank < head.shape[1] and head[side, rank] < 0:
            rank += step
        best[side] = rank


@njit
def _settle(
    now: int, patience_ns: int, queue: IntArray, waiting: int, book: IntArray, level: IntArray, head: IntArray,
    best: IntArray, staled: IntArray, event: int,
) -> int:
    """Let pending orders rest that cross no longer, or that outlived the patience; returns how many still wait.

    What stands in the way of one that outlived it is stale: a live order would have been filled.
    """
    full = waiting > MAX_PENDING
    kept = 0
    for q in range(waiting):
        o = queue[q]
        if book[o, 5] != PENDING:
            continue
        side, rank = book[o, 0], book[o, 1]
        if _crosses(side, rank, best):
            if now - book[o, 6] <= patience_ns and not (full and q == 0):
                queue[kept] = o
                kept += 1
                continue
            while _crosses(side, rank, best):
                other = head[1 - side, best[1 - side]]
                _hide(other, book, level, head, best)
                book[other, 5] = STALE
                staled[event] += 1
        _show(o, book, level, head, best)
    return kept


@njit
def _copy(best: IntArray, level: IntArray, head: IntArray, out_rank: IntArray, out_units: IntArray) -> None:
    """The best levels of both sides, shape (2, n_levels)."""
    for side in range(2):
        step = 1 if side == 1 else -1
        rank, j = best[side], 0
        while 0 <= rank < head.shape[1] and j < out_rank.shape[1]:
            if head[side, rank] >= 0:
                out_rank[side, j], out_units[side, j] = rank, level[side, rank]
                j += 1
            rank += step
