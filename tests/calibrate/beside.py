"""What stands beside synthetic bars: books, bands, mark prices and indices of a stated depth, at stated times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.market.bars import NS_PER_S, Bars
from leverline.market.books import BookSnapshots, DepthBands
from leverline.market.trades import Series
from leverline.model import DataFile
from tests.measure.synthetic_books import even_bands, even_book

MINUTE_NS = 60 * NS_PER_S
DAY_NS = 86_400 * NS_PER_S


def minutes_before(ns: int, count: int) -> IntArray:
    """``count`` times a minute apart, the last at ``ns``."""
    return ns - MINUTE_NS * np.arange(count, dtype=np.int64)[::-1]


def file_of(name: str) -> tuple[DataFile, ...]:
    return (DataFile(name=name, sha256="0" * 64, rows=1),)


def book_at(symbol: str, ns: int, *, base: float = 10.0, count: int = 5) -> BookSnapshots:
    """``base`` units at each basis point around 100, 50 levels a side, in the ``count`` minutes up to ``ns``."""
    return replace(even_book(count, base=base), symbol=symbol, ts=minutes_before(ns, count),
                   files=file_of(f"{symbol}-book.csv"))


def bands_at(symbol: str, ns: int, *, density: float = 1e6, count: int = 5) -> DepthBands:
    """``density`` of notional per unit of distance within 1, 2 and 5 % of mid, in the minutes up to ``ns``."""
    return replace(even_bands(count, density), symbol=symbol, ts=minutes_before(ns, count),
                   files=file_of(f"{symbol}-bands.csv"))


def index_of(symbol: str, closes_ns: IntArray, value: FloatArray) -> Series:
    """An implied-volatility index, fraction per root year, known at ``closes_ns``."""
    return Series(symbol, "implied-volatility", closes_ns, value, files=file_of(f"{symbol}-index.csv"))


def marks_of(bars: Bars, symbol: str, gap: FloatArray | float) -> Bars:
    """Mark prices that lie ``gap`` (fraction) from the last prices of one symbol."""
    chosen = bars.select([symbol])
    return replace(chosen, close=chosen.close * (1.0 + gap), high=np.full(len(chosen), np.nan),
                   low=np.full(len(chosen), np.nan), files=file_of(f"{symbol}-marks.csv"), findings=(), counts={})


def listed_late(bars: Bars, days: dict[str, int]) -> Bars:
    """Daily bars of which some symbols keep only their newest ``days``."""
    keep = np.concatenate([
        np.arange(max(bars.rows(s).start, bars.rows(s).stop - days.get(s, len(bars))), bars.rows(s).stop)
        for s in bars.symbols])
    sizes = [min(bars.rows(s).stop - bars.rows(s).start, days.get(s, len(bars))) for s in bars.symbols]
    columns = {name: getattr(bars, name)[keep]
               for name in ("ts", "open", "high", "low", "close", "volume", "masked", "listing")}
    return replace(bars, offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), **columns)
