"""A million accounts revalued: health alone at new prices, and everything a valuation says, against Polars.

The sweep's prices move by 1 % from call to call, so that notionals change brackets. The limit is memory: how long the
same machine takes to read as many bytes as the run has to read and write at least once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from itertools import cycle

import numpy as np

from leverline.evidence.bench import health_peers, million_accounts
from leverline.evidence.bench.health_polars import PolarsBook, full, health, polars_book
from leverline.evidence.bench.rows import BenchRow, interleaved
from leverline.ground.arrays import FloatArray
from leverline.margin.health_sweep import HealthSweep, counted_holdings
from leverline.margin.tables import MarginTables
from leverline.margin.valuation import PoolValues, PositionValues, Valuation, value_accounts

SWEEP_BASELINE = "Polars on its streaming engine: join of positions and brackets, largest line, sum by pool"
FULL_BASELINE = "Polars on its streaming engine: the same columns by joins, expressions and group-bys"
CALL_RATIO = 0.8
AGREEMENT = 1e-9
"""Relative to a pool's gross notional and holdings for amounts, to the number itself for ratios."""
ROWS = ("health-sweep", "health-sweep-rate", "health-full", "health-full-rate", "health-compile")


def rows() -> list[BenchRow]:
    """CPU seconds and ratio of the sweep and of the full valuation, pools per CPU second, and compilation."""
    started = time.process_time()
    _compile()
    compiled = time.process_time() - started
    tables = million_accounts.drawn_tables(million_accounts.ACCOUNTS)
    frames = polars_book(tables, counted_holdings(tables, tables.assets.price_owned, tables.assets.price_owed))
    sweep = HealthSweep(tables)
    valuation = value_accounts(tables, call_ratio=CALL_RATIO)
    check_sweep(sweep, frames, million_accounts.moved_prices(tables, 2), _size(valuation.pools))
    check_full(valuation, frames)
    swept, polars_swept, sweep_limit = _times_of_sweep(tables, sweep, frames)
    valued, polars_valued, full_limit = interleaved(
        partial(value_accounts, tables, call_ratio=CALL_RATIO), partial(full, frames, CALL_RATIO),
        _reading(full_bytes(tables)))
    pools = tables.book.n_pools
    return [
        BenchRow("health-sweep", swept, "CPU s", SWEEP_BASELINE, polars_swept / swept, sweep_limit / swept,
                 health_peers.notes()),
        BenchRow("health-sweep-rate", pools / swept, "accounts / CPU s"),
        BenchRow("health-full", valued, "CPU s", FULL_BASELINE, polars_valued / valued, full_limit / valued),
        BenchRow("health-full-rate", pools / valued, "accounts / CPU s"),
        BenchRow("health-compile", compiled, "CPU s, first call only"),
    ]


def _times_of_sweep(tables: MarginTables, sweep: HealthSweep, frames: PolarsBook) -> list[float]:
    """CPU seconds of sweep, baseline and limit; both sides walk the same prices."""
    ours, theirs = (cycle(million_accounts.moved_prices(tables, 8)) for _ in range(2))
    return interleaved(lambda: sweep.health(next(ours)), lambda: health(frames, next(theirs)),
                       _reading(sweep_bytes(tables)))


def check_sweep(sweep: HealthSweep, frames: PolarsBook, prices: list[FloatArray], size: FloatArray) -> None:
    """Refuse to time a sweep that says something else than the baseline, at the last prices after all others."""
    for price in prices:
        ours = sweep.health(price)
    theirs = health(frames, prices[-1]).sort("pool")["health"].to_numpy()
    np.testing.assert_allclose(ours / size, theirs / size, rtol=0.0, atol=AGREEMENT)


def check_full(valuation: Valuation, frames: PolarsBook) -> None:
    """Refuse to time a valuation of which any column differs from the baseline's."""
    positions, pools = full(frames, CALL_RATIO)
    size = _size(valuation.pools)
    by_pool = pools.sort("pool")
    for field in fields(PoolValues):
        ours, theirs = getattr(valuation.pools, field.name), by_pool[field.name].to_numpy()
        scale = size if field.name in MONEY else np.maximum(1.0, np.abs(np.where(np.isfinite(ours), ours, 1.0)))
        np.testing.assert_allclose(ours / scale, theirs / scale, rtol=0.0, atol=AGREEMENT, err_msg=field.name)
    for field in fields(PositionValues):
        ours, theirs = getattr(valuation.positions, field.name), positions[field.name].to_numpy()
        np.testing.assert_allclose(ours, theirs, rtol=AGREEMENT, atol=AGREEMENT, err_msg=field.name)


MONEY = frozenset(field.name for field in fields(PoolValues)) - {
    "status", "health_factor", "margin_ratio", "leverage_ratio", "effective_leverage", "debt_to_equity"}
"""Columns in settlement currency; they are differences of amounts as large as the pool."""


def _size(pools: PoolValues) -> FloatArray:
    return 1.0 + pools.gross_notional + pools.collateral_value + pools.debt_value


def _compile() -> None:
    """Load or compile every kernel on a book of a few accounts."""
    tables = million_accounts.drawn_tables(10)
    value_accounts(tables)
    HealthSweep(tables).health(tables.mark)


def sweep_bytes(tables: MarginTables) -> int:
    """What a sweep touches at least once: slope, market and bracket a position; constant, place and health a pool."""
    return tables.book.n_positions * (8 + 2 + 2) + tables.book.n_pools * (8 + 8 + 8)


def full_bytes(tables: MarginTables) -> int:
    """What a full valuation touches at least once: its input and output columns."""
    book = tables.book
    out = book.n_positions * 8 * len(fields(PositionValues)) + book.n_pools * (8 * (len(fields(PoolValues)) - 1) + 1)
    return out + book.n_positions * (4 + 8 + 8) + book.amount.size * (4 + 8 + 8) + book.n_pools * (4 + 4)


def _reading(n_bytes: int) -> Callable[[], object]:
    """A run that reads ``n_bytes`` of memory once, as fast as one core streams them."""
    return np.ones(n_bytes // 8).sum
