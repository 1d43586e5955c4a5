"""Ticks over a million accounts: safe bands against valuing every holder of the market that moved.

One tick is one market's new mark; all of 200 markets tick once a second. Log returns have one common factor
(correlation 0.7), Student-t(4) shocks and volatilities of 60 to 180 per cent a year; the crash is five minutes of
fifteen times that with a drift of -10 per cent. Accounts that were called for margin when it begins have been dealt
with; what breaches later stays and is watched for its recovery. A batch of ticks is one kernel call.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from leverline.evidence.bench._holder_kernels import recompute_holders
from leverline.evidence.bench.million_accounts import ACCOUNTS, drawn_tables
from leverline.evidence.bench.rows import ROUNDS, BenchRow
from leverline.ground.arrays import FloatArray, IntArray
from leverline.margin.health_sweep import counted_holdings, maintenance_health
from leverline.margin.tables import MarginTables, taken
from leverline.margin.triggers import SafeBands
from leverline.margin.valuation import STATUSES, Status, value_accounts

BASELINE = "a compiled loop that values every holder of the market that moved, holdings already counted, and compares"
ROWS = ("tick-calm", "tick-crash", "tick-latency", "tick-credit", "tick-memory", "tick-build", "tick-compile")
SECONDS_A_YEAR = 365 * 86_400
CALM_S, CRASH_S, COMPARED_S = 500, 300, 2
"""Length of a calm round, of the crash, and of what the baseline does of either: it takes milliseconds a tick."""
CRASH_VOLATILITY, CRASH_DRIFT = 15.0, -0.10
SEED = 23


def rows() -> list[BenchRow]:
    """CPU microseconds a tick and ratio in calm and crash; one call; one payment; memory; what it takes to begin."""
    started = time.process_time()
    SafeBands(standing(1_000)).ticks(np.array([0]), np.array([1.0]))
    compiled = time.process_time() - started
    tables = standing(ACCOUNTS)
    started = time.process_time()
    bands = SafeBands(tables)
    built = time.process_time() - started
    return [
        _row("tick-calm", tables, *_seconds(tables, CALM_S, 1.0, 0.0)),
        _row("tick-crash", tables, *_seconds(tables, CRASH_S, CRASH_VOLATILITY, np.log1p(CRASH_DRIFT) / CRASH_S)),
        BenchRow("tick-latency", _single_calls(bands, tables), "us CPU / call, one tick a call"),
        BenchRow("tick-credit", _credits(bands), "us CPU / account, 10,000 accounts a call"),
        BenchRow("tick-memory", bands.memory_bytes / bands.n_pools, "bytes / account"),
        BenchRow("tick-build", built / bands.n_pools * 1e6, "us CPU / account"),
        BenchRow("tick-compile", max(0.0, compiled), "CPU s, first call only"),
    ]


def standing(accounts: int) -> MarginTables:
    """The drawn book without the accounts that are below their margin-call level."""
    tables = drawn_tables(accounts)
    keep = value_accounts(tables).pools.status == STATUSES.index(Status.HEALTHY)
    held = np.repeat(keep, np.diff(tables.book.position_offsets))
    kept = np.repeat(keep, np.diff(tables.book.holding_offsets))
    return replace(tables, book=taken(tables.book, np.flatnonzero(keep)), base=tables.base[held],
                   cost=tables.cost[held], assets=replace(tables.assets, weight_cap=tables.assets.weight_cap[kept]))


def _row(name: str, tables: MarginTables, column: IntArray, price: FloatArray) -> BenchRow:
    """Median CPU microseconds a tick over five rounds, ours, the baseline's and the limit's, taken in turn.

    Every round starts from fresh bands. The baseline does the first seconds of it, which must give the same crossings;
    at the end the breached accounts must be those that one valuation of all finds. The limit is to store every price.
    """
    few = COMPARED_S * tables.mark.size
    plain, volatility, last = _Holders(tables), _volatility(tables), tables.mark.copy()
    used = np.empty((3, ROUNDS))
    for k in range(ROUNDS):
        bands = SafeBands(tables, volatility=volatility)
        started = time.process_time()
        found = bands.ticks(column, price)
        ended = time.process_time()
        used[0, k] = (ended - started) / column.size
        expected = plain.run(column[:few], price[:few])
        used[1, k] = (time.process_time() - ended) / few
        np.testing.assert_array_equal(np.stack((found.tick, found.pool), axis=1)[found.tick < few], expected)
        started = time.process_time()
        last[column] = price
        used[2, k] = (time.process_time() - started) / column.size
    np.testing.assert_array_equal(bands.breached, np.flatnonzero(maintenance_health(tables, last, last) < 0))
    ours, baseline, limit = np.median(used, axis=1).tolist()
    return BenchRow(name, 1e6 * ours, "us CPU / tick", BASELINE, baseline / ours, limit / ours, {
        "accounts": bands.n_pools, "ticks": int(column.size), "breaches": int(found.is_breach.sum()),
        "recoveries": int((~found.is_breach).sum())})


class _Holders:
    """The baseline: who holds what, and which accounts are below the line."""

    def __init__(self, tables: MarginTables) -> None:
        self.tables = tables
        market = tables.book.position_market
        self.holders = tables.book.pool_of_position()[np.argsort(market, kind="stable")]
        self.first_holder = np.append(0, np.cumsum(np.bincount(market, minlength=tables.mark.size)))
        self.counted = counted_holdings(tables, tables.assets.price_owned, tables.assets.price_owed)
        self.is_breached = maintenance_health(tables) < 0
        self.health, self.crossed = np.empty(tables.book.n_pools), np.empty((tables.book.n_pools, 2), dtype=np.int64)
        self.run(np.empty(0, dtype=np.int64), np.empty(0))  # compiles

    def run(self, column: IntArray, price: FloatArray) -> IntArray:
        """Tick and pool of every crossing, shape (n, 2), from the tables' own marks on."""
        tables, curves = self.tables, self.tables.curves
        n = recompute_holders(
            column, price, tables.mark.copy(), self.first_holder, self.holders, self.counted,
            tables.book.position_offsets, tables.book.position_market, tables.base, tables.cost,
            tables.profit_weight_maintenance, curves.first.view(np.uint32), curves.floor, curves.maintenance_rate,
            curves.deduction, curves.maintenance_slope, curves.maintenance_constant, self.health,
            self.is_breached.copy(), self.crossed)
        return self.crossed[:n].copy()  # by tick, then by pool: holders stand in order


def _volatility(tables: MarginTables) -> FloatArray:
    """Annual volatility of each market."""
    return np.random.default_rng(SEED).uniform(0.6, 1.8, tables.mark.size)


def _seconds(tables: MarginTables, seconds: int, scale: float, drift: float) -> tuple[IntArray, FloatArray]:
    """Market and price of each tick of ``seconds``; ``scale`` on volatility, ``drift`` a second."""
    rng, n = np.random.default_rng(SEED + 1), tables.mark.size
    shock = np.sqrt(0.7) * rng.standard_t(4, (seconds, 1)) + np.sqrt(0.3) * rng.standard_t(4, (seconds, n))
    step = scale * _volatility(tables) / np.sqrt(SECONDS_A_YEAR) * shock / np.sqrt(2.0)  # a t(4) has variance 2
    price = tables.mark * np.exp(np.cumsum(step + drift, axis=0))
    return np.tile(np.arange(n), seconds), price.ravel()


def _single_calls(bands: SafeBands, tables: MarginTables) -> float:
    """CPU microseconds of one call for one tick, what it reached before included, mean over calm ticks."""
    column, price = _seconds(tables, 20, 1.0, 0.0)
    ticks = list(zip(column.tolist(), price.tolist(), strict=True))
    bands.tick(*ticks[0])
    started = time.process_time()
    for m, p in ticks:
        bands.tick(m, p)
    return 1e6 * (time.process_time() - started) / len(ticks)


def _credits(bands: SafeBands) -> float:
    """CPU microseconds an account of a payment to 10,000 accounts, new triggers included."""
    paid = np.flatnonzero([0 in bands.holdings(pool).asset for pool in range(40_000)])[:10_000]
    used = []
    for _ in range(ROUNDS):
        started = time.process_time()
        bands.credit(0, paid, np.ones(paid.size))
        bands.settle()
        used.append((time.process_time() - started) / paid.size)
    return 1e6 * float(np.median(used))
