"""A book made of order events: the integer engine against a plain Python loop over dictionaries.

The events are drawn, so that a fresh machine measures what any other does: orders around a price that wanders, most of
them withdrawn, many refused at once because they would have matched, some filled, a few of whose removal is lost.
"""

from __future__ import annotations

import heapq
import time
from functools import partial

import numpy as np

from leverline.evidence.bench.rows import BenchRow, interleaved
from leverline.ground.arrays import FloatArray
from leverline.market.bars import NS_PER_S
from leverline.market.books import BookSnapshots
from leverline.market.order_events import PATIENCE_S, OrderEvents, rebuild, unit_digits

BASELINE = "a Python loop over the events, with dictionaries of orders and levels and a heap of prices a side"
EVENTS, MEAN_STEP_NS = 200_000, 6_000_000
LEVELS = 50
SEED = 5
ROWS = ("level3", "level3-rate", "level3-compile")
_START_NS = 1_767_225_600 * NS_PER_S


def rows() -> list[BenchRow]:
    """The bench's rows: CPU seconds and ratio, events per CPU second, and what the first call took to compile."""
    events = drawn_events(EVENTS)
    started = time.process_time()
    ours = rebuild(events, levels=LEVELS).snapshots
    compiled = time.process_time() - started
    for mine, plain in zip(sides_of(ours), plain_loop(events, LEVELS, ours), strict=True):
        np.testing.assert_allclose(mine, plain, rtol=1e-9, equal_nan=True)
    fast, slow, limit = interleaved(partial(rebuild, events, levels=LEVELS), partial(plain_loop, events, LEVELS, ours),
                                     partial(bare_pass, events))
    return [
        BenchRow("level3", fast, "CPU s", BASELINE, slow / fast, limit / fast),
        BenchRow("level3-rate", len(events) / fast, "events / CPU s"),
        BenchRow("level3-compile", max(0.0, compiled - fast), "CPU s, first call only"),
    ]


def sides_of(book: BookSnapshots) -> tuple[FloatArray, ...]:
    """Prices and sizes of both sides, in the order of :func:`plain_loop`."""
    return book.bid_price, book.bid_size, book.ask_price, book.ask_size


def bare_pass(events: OrderEvents) -> tuple[FloatArray, FloatArray]:
    """The least any engine must do: tell prices apart, and read each volume."""
    return np.unique(events.price), np.rint(events.volume * 1e8)


def plain_loop(events: OrderEvents, levels: int, wanted: BookSnapshots) -> tuple[FloatArray, ...]:
    """The same book at the times of ``wanted``: prices and sizes of the best levels, shape (n, levels) each."""
    scale = 10.0 ** unit_digits(events.volume)
    out = tuple(np.full((len(wanted), levels), np.nan) for _ in range(4))
    book = _PlainBook()
    k, grid = 0, wanted.ts.tolist()
    columns = (events.ts, events.order, events.side, events.price, np.rint(events.volume * scale), events.action)
    for ts, order, side, price, units, action in zip(*(c.tolist() for c in columns), strict=True):
        while k < len(grid) and grid[k] < ts:
            book.settle(grid[k])
            book.write(out, k, scale)
            k += 1
        book.apply(ts, order, side, price, int(units), action)
        book.settle(ts)
    for last in range(k, len(grid)):
        book.settle(grid[last])
        book.write(out, last, scale)
    return out


class _PlainBook:
    """Orders by id, levels by price, a heap of prices with those of empty levels still in it."""

    def __init__(self) -> None:
        self.orders: dict[int, tuple[int, float, int]] = {}
        self.pending: dict[int, int] = {}  # since when
        self.levels: tuple[dict[float, dict[int, int]], ...] = ({}, {})
        self.heaps: tuple[list[float], ...] = ([], [])  # bids negated

    def apply(self, ts: int, order: int, side: int, price: float, units: int, action: int) -> None:
        known = order in self.orders
        if known:
            self.take_out(order)
        if action == 2 or (action == 1 and not known):
            self.orders.pop(order, None)
            self.pending.pop(order, None)
            return
        self.orders[order] = side, price, units
        if price > 0 and units > 0 and self.crosses(side, price):
            self.pending[order] = ts
            return
        self.pending.pop(order, None)
        if price > 0 and units > 0:
            self.put_in(order)

    def settle(self, now: int) -> None:
        for order, since in list(self.pending.items()):
            side, price, _ = self.orders[order]
            if self.crosses(side, price):
                if now - since <= PATIENCE_S * NS_PER_S:
                    continue
                while self.crosses(side, price):
                    del self.levels[1 - side][self.best(1 - side)]
            del self.pending[order]
            self.put_in(order)

    def put_in(self, order: int) -> None:
        side, price, units = self.orders[order]
        if price not in self.levels[side]:
            self.levels[side][price] = {}
            heapq.heappush(self.heaps[side], price if side else -price)
        self.levels[side][price][order] = units

    def take_out(self, order: int) -> None:
        side, price, _ = self.orders[order]
        level = self.levels[side].get(price, {})
        if level.pop(order, None) is not None and not level:
            del self.levels[side][price]

    def best(self, side: int) -> float:
        heap, levels = self.heaps[side], self.levels[side]
        while heap and (heap[0] if side else -heap[0]) not in levels:
            heapq.heappop(heap)
        if not heap:
            return np.inf if side else -np.inf
        return heap[0] if side else -heap[0]

    def crosses(self, side: int, price: float) -> bool:
        return price <= self.best(0) if side else price >= self.best(1)

    def write(self, out: tuple[FloatArray, ...], at: int, scale: float) -> None:
        for side, choose in enumerate((heapq.nlargest, heapq.nsmallest)):
            levels = self.levels[side]
            for j, price in enumerate(choose(out[0].shape[1], levels)):
                out[2 * side][at, j] = price
                out[2 * side + 1][at, j] = sum(levels[price].values()) / scale


def drawn_events(n: int) -> OrderEvents:
    """``n`` events of a market with a tick of 1: a first book of 400 orders, then life around a wandering price."""
    rng = np.random.default_rng(SEED)
    ts = _START_NS + np.cumsum(rng.exponential(MEAN_STEP_NS, n).astype(np.int64))
    kind, away, size, pick, wander = rng.random(n), rng.geometric(0.08, n), rng.random(n), rng.random(n), rng.random(n)
    events: list[tuple[int, int, float, float, int]] = []  # order, side, price, volume, action
    live: list[tuple[int, int, float, float]] = []
    mid, orders = 50_000, 0
    for e in range(n):  # each turn makes one event or two; the first n are taken
        step = int(wander[e] > 0.995) - int(wander[e] < 0.005)
        if step:
            mid += step
            met = [o for o in live if (o[2] <= mid if o[1] else o[2] >= mid)]
            events += [(order, side, price, 0.0, 2) for order, side, price, _ in met]
            live = [o for o in live if o not in met]
        side = int(pick[e] * 1e6) % 2
        volume = round(0.001 + float(size[e]), 6)
        if e < 400 or kind[e] < 0.4:  # rests until it is withdrawn, or the price meets it
            live.append((orders, side, float(mid + (1 if side else -1) * int(away[e])), volume))
            events.append((*live[-1], 0))
            orders += 1
        elif kind[e] < 0.6:  # would have matched: refused at once
            price = float(mid + (-1 if side else 1) * 3)
            events += [(orders, side, price, volume, 0), (orders, side, price, volume, 2)]
            orders += 1
        elif live:
            order, side, price, volume = live.pop(int(pick[e] * len(live)))
            if kind[e] < 0.62:  # filled in part
                live.append((order, side, price, volume / 2))
                events.append((*live[-1], 1))
            elif kind[e] < 0.9999:  # withdrawn; beyond, its removal is lost
                events.append((order, side, price, volume, 2))
    columns = list(zip(*events[:n], strict=True))
    return OrderEvents("DRAWN/USD", ts, np.array(columns[0], np.int64), np.array(columns[1], np.int8),
                       np.array(columns[2], np.float64), np.array(columns[3], np.float64),
                       np.array(columns[4], np.int8))
