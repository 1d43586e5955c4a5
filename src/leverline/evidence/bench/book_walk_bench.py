"""Costs of fifty sizes over level-2 snapshots: one kernel call a side against a plain loop over the snapshots.

The books are drawn in the shape of a minute-scale capture of four large markets: 1,378 snapshots of fifty levels on
both sides, taken eight times over so that there is something to time. The sizes reach past what the books hold, since
saying so is part of the work.
"""

from __future__ import annotations

import time
from functools import partial

import numpy as np

from leverline.evidence.bench.rows import BenchRow, interleaved
from leverline.ground.arrays import FloatArray
from leverline.market.bars import NS_PER_S
from leverline.market.books import BookSnapshots
from leverline.measure.liquidity import mid_price, walk_costs

BASELINE = "a loop over snapshots and sides that calls NumPy once per snapshot (cumsum, searchsorted) for all sizes"
SNAPSHOTS, LEVELS, SIZES = 8 * 1_378, 50, 50
SEED = 11
ROWS = ("book-walk", "book-walk-rate", "book-walk-compile")


def rows() -> list[BenchRow]:
    """The bench's rows: CPU seconds and ratio, costs per CPU second, and what the first call took to compile."""
    books, sizes = drawn_books(), np.geomspace(1e3, 3e6, SIZES)
    started = time.process_time()
    ours = walked(books, sizes)
    compiled = time.process_time() - started
    np.testing.assert_allclose(ours, plain_loop(books, sizes), rtol=1e-9, equal_nan=True)
    fast, slow, limit = interleaved(partial(walked, books, sizes), partial(plain_loop, books, sizes),
                                     partial(bare_passes, books, sizes))
    return [
        BenchRow("book-walk", fast, "CPU s", BASELINE, slow / fast, limit / fast),
        BenchRow("book-walk-rate", ours.size / fast, "costs / CPU s"),
        BenchRow("book-walk-compile", max(0.0, compiled - fast), "CPU s, first call only"),
    ]


def walked(books: BookSnapshots, sizes: FloatArray) -> FloatArray:
    """Cost rates (n, 2, k) as the package computes them, checks included."""
    return walk_costs(books, sizes).rate


def plain_loop(books: BookSnapshots, sizes: FloatArray) -> FloatArray:
    """The same numbers, one snapshot and side at a time."""
    out = np.full((len(books), 2, sizes.size), np.nan)
    middle = mid_price(books)
    for t in range(len(books)):
        for side, (price, size) in enumerate(((books.bid_price[t], books.bid_size[t]),
                                              (books.ask_price[t], books.ask_size[t]))):
            distance = np.abs(price - middle[t])
            base, given_up = np.cumsum(size), np.cumsum(size * distance)
            wanted = sizes / middle[t]
            level = np.searchsorted(base, wanted)
            held = level < base.size
            at = level[held]
            out[t, side, held] = (given_up[at] - (base[at] - wanted[held]) * distance[at]) / sizes[held]
    return out


def bare_passes(books: BookSnapshots, sizes: FloatArray) -> FloatArray:
    """The least any method must do: read prices and sizes once and write every cost once."""
    moved = np.empty((len(books), 2, sizes.size))
    moved[:, 0] = (books.bid_price * books.bid_size).sum(axis=1)[:, None]
    moved[:, 1] = (books.ask_price * books.ask_size).sum(axis=1)[:, None]
    return moved


def drawn_books() -> BookSnapshots:
    """Books near 60,000 with gaps of a few ticks of 0.1 and lognormal sizes; every cumulative size is its own."""
    rng = np.random.default_rng(SEED)
    shape = (SNAPSHOTS, LEVELS)
    best = 60_000.0 + 0.1 * np.cumsum(rng.integers(-5, 6, SNAPSHOTS))
    gaps = 0.1 * rng.geometric(0.4, (2, *shape))
    gaps[:, :, 0] = 0.0
    away = np.cumsum(gaps, axis=2)
    size = rng.lognormal(-2.0, 1.5, (2, *shape))
    return BookSnapshots("BTC/USDT:USDT", NS_PER_S * np.arange(SNAPSHOTS, dtype=np.int64),
                         best[:, None] - away[0], size[0], best[:, None] + 0.1 + away[1], size[1])
