"""How often breakers cry wolf: calm months of the shared bars, each market alone, through the venue.

A month of a market is calm where no UTC day closes ten percent or more from the day before. An alarm in it is false
in this sense: whatever moved, a day later it had not. Bars are one source, so the price band, the jump that must stand
and the fund are judged, and nothing else (:mod:`leverline.enforce.bar_breakers`).

Nothing can trip while highs and lows of an hour lie within nine percent of one another, so only stretches around wider
hours are replayed: twice, with breakers and without, by accounts long and short at leverages from 3 to 20 that open
where the stretch begins. An hourly bar counts its swing from high to low as if it came at once: an upper bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import gammaincinv

from leverline.enforce.bar_breakers import single_source
from leverline.enforce.bar_points import PriceBar, ticks
from leverline.enforce.breaker_accounting import BreakerCost, Run, cost_of, false_alarms
from leverline.enforce.breaker_terms import SECOND_NS, BreakerTerms
from leverline.enforce.default_grid import default_lot, default_tick
from leverline.enforce.events import Body, Deposit, Fill, FundInsurance, OpenPool, PoolKey
from leverline.enforce.outside_market import OutsideMarket
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.replaying import Replay, replay_bars
from leverline.enforce.terms import MarketTerms, TierTerms, VenueTerms
from leverline.enforce.venue import OUTSIDE_MARKET
from leverline.model.accounts import Mode

CALM_DAY = 0.10
WIDE = 1.09
"""High over low of an hour from which on something may trip: both bounds are 10 %, less what the average may lag."""
HOUR_NS = 3_600 * SECOND_NS
DAY_NS = 24 * HOUR_NS
DAYS_A_MONTH = 30.4375
FEWEST_DAYS = 15
"""Of a month that is called calm."""
LEVERAGES = (3, 5, 8, 10, 15, 20)
ACCOUNTS = 24
NOTIONAL = 10_000 * 10**6  # units, each account
FUND = 20_000 * 10**6


@dataclass(frozen=True, slots=True)
class Source:
    """One file of bars; ``spacing_s`` between them."""

    file: str
    spacing_s: int


SOURCES = (
    Source("m1_spot_binance_btc_eth_2025.parquet", 60),
    Source("m1_usde_usdt_binance_2025_09.parquet", 60),
    Source("m5_perp_binance_2023_2024.parquet", 300),
    Source("m5_perp_hyperliquid_2025.parquet", 300),
    Source("m5_spot_binance_2025H1.parquet", 300),
    Source("hourly_ohlcv_binance_18.parquet", 3_600),
    Source("hourly_perp_hyperliquid.parquet", 3_600),
)


@dataclass(slots=True)
class Alarms:
    """False alarms of one bar length. ``months``: market-months watched; costs in units, by breaker run."""

    spacing_s: int
    months: float = 0.0
    markets: set[str] = field(default_factory=set)
    by_breaker: Counter[str] = field(default_factory=Counter)
    stretches: int = 0
    avoided: int = 0
    caused: int = 0

    @property
    def count(self) -> int:
        """Alarms of all breakers."""
        return sum(self.by_breaker.values())

    def add(self, cost: BreakerCost) -> None:
        """Both costs of one stretch."""
        self.stretches += 1
        self.avoided += cost.avoided
        self.caused += cost.caused


def calm_alarms(folder: Path) -> list[Alarms]:
    """Alarms by bar length over all sources in ``folder``, shortest bars first."""
    found: dict[int, Alarms] = {}
    for source in SOURCES:
        alarms = found.setdefault(source.spacing_s, Alarms(source.spacing_s))
        bars = pl.read_parquet(folder / source.file).sort("symbol", "ts")
        for (symbol,), rows in bars.group_by("symbol", maintain_order=True):
            _watch(_Series.of(f"{source.file}:{symbol}", source.spacing_s, rows), alarms)
    return [found[spacing] for spacing in sorted(found)]


def poisson_interval(count: int, exposure: float, level: float = 0.95) -> tuple[float, float]:
    """Exact interval for a rate per unit of ``exposure`` (Garwood 1936)."""
    tail = (1.0 - level) / 2.0
    low = 0.0 if count == 0 else float(gammaincinv(count, tail))
    return low / exposure, float(gammaincinv(count + 1, 1.0 - tail)) / exposure


@dataclass(frozen=True, slots=True)
class _Series:
    """Bars of one market as arrays, times in ns."""

    name: str
    spacing_ns: int
    ts: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray

    @classmethod
    def of(cls, name: str, spacing_s: int, rows: pl.DataFrame) -> _Series:
        rows = rows.filter((pl.col("low") > 0.0) & pl.col("close").is_finite())
        ts = rows["ts"].dt.epoch("ns").to_numpy()
        columns = (rows[column].cast(pl.Float64).to_numpy() for column in ("open", "high", "low", "close", "volume"))
        return cls(name, spacing_s * SECOND_NS, ts, *columns)


def _watch(series: _Series, alarms: Alarms) -> None:
    """Count the calm months of one market and replay their wide stretches."""
    calm = _calm_months(series)
    days = np.unique(series.ts // DAY_NS)
    alarms.months += sum(calm.get(_month(int(day) * DAY_NS), False) for day in days) / DAYS_A_MONTH
    if any(calm.values()):
        alarms.markets.add(series.name)
    for start, stop in _wide_stretches(series):
        if not calm.get(_month(int(series.ts[stop - 1])), False):
            continue
        under, without = (_replayed(series, start, stop, eyes) for eyes in (_eyes(series), None))
        for row in false_alarms(under, calm).values():
            alarms.by_breaker.update(row)
        alarms.add(cost_of("all", under, without))


def _calm_months(series: _Series) -> dict[str, bool]:
    """Every month with enough days: whether no day closed too far from the day before."""
    day = series.ts // DAY_NS
    last = np.flatnonzero(np.append(day[1:] != day[:-1], True))
    moves = np.abs(series.close[last][1:] / series.close[last][:-1] - 1.0)
    by_month: dict[str, list[float]] = {}
    for at, move in zip(day[last][1:].tolist(), moves.tolist(), strict=True):
        by_month.setdefault(_month(at * DAY_NS), []).append(move)
    return {month: max(row) < CALM_DAY for month, row in by_month.items() if len(row) >= FEWEST_DAYS}


def _month(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // SECOND_NS, UTC).strftime("%Y-%m")


def _wide_stretches(series: _Series) -> Iterator[tuple[int, int]]:
    """Half-open ranges of bars, from an hour before a wide hour (two bars at least) to two hours after it."""
    width = max(2, HOUR_NS // series.spacing_ns + 1)
    if series.ts.size < width:
        return
    windows = np.lib.stride_tricks.sliding_window_view
    wide = windows(series.high, width).max(axis=1) > WIDE * windows(series.low, width).min(axis=1)
    places = np.flatnonzero(wide) + width - 1
    if not places.size:
        return
    lead, after = 2 * width, 2 * width
    breaks = np.flatnonzero(np.diff(places) > lead + after) + 1
    for group in np.split(places, breaks):
        yield max(0, int(group[0]) - lead), min(series.ts.size, int(group[-1]) + after + 1)


def _eyes(series: _Series) -> BreakerTerms:
    return single_source(BreakerTerms(), series.spacing_ns)


def _replayed(series: _Series, start: int, stop: int, eyes: BreakerTerms | None) -> Run:
    """One stretch through a venue with 24 accounts, half of them short."""
    price = float(series.close[start])
    tick = default_tick(price)
    value = default_lot(tick, 1.0)
    market = MarketTerms(series.name, tick, value, 1, (TierTerms(0, 50_000, 25_000, 0),), None, None, None, None, None,
                         5_000, None, None)
    run = Run()
    replay = Replay.of(VenueTerms("calm", "USDT", {series.name: market}, {}, eyes), LEVERLINE,
                       lambda event, effects: run.note(event.ts_ns, effects))
    bars = [[_bar(series, i, tick)] for i in range(start, stop)]
    replay_bars(replay, bars, series.spacing_ns, OutsideMarket(), _accounts(market, bars[0][0]), {})
    run.end(replay.venue)
    return run


def _accounts(market: MarketTerms, first: PriceBar) -> list[Body]:
    made: list[Body] = [FundInsurance("", FUND)]
    entry = first.open or first.close
    lots = max(1, NOTIONAL // (entry * market.value))
    for i in range(ACCOUNTS):
        key = PoolKey(f"account {i}")
        cash = -(-market.notional(lots, entry) // LEVERAGES[i % len(LEVERAGES)])
        pair = (key, OUTSIDE_MARKET) if i < ACCOUNTS // 2 else (OUTSIDE_MARKET, key)
        made += [OpenPool(key, key.account, Mode.CROSS), Deposit(key, "USDT", cash),
                 Fill(market.symbol, *pair, lots, entry)]
    return made


def _bar(series: _Series, i: int, tick: Fraction) -> PriceBar:
    high, low, close = float(series.high[i]), float(series.low[i]), float(series.close[i])
    return PriceBar(series.name, int(series.ts[i]), ticks(float(series.open[i]), tick), ticks(high, tick),
                    ticks(low, tick), ticks(close, tick) or 1, float(np.log(high / low) / np.sqrt(4.0 * np.log(2.0))),
                    float(series.volume[i]) * close * 1e6)
