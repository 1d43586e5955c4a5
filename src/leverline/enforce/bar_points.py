"""Bars as a path of prices: open, the extreme adverse to the venue's accounts, the other extreme, close.

A bar does not say which extreme came first. The adverse one is taken first, for then the accounts meet it with what
they had at the open; it is the low where they are net long, the high where net short, else the one farther from the
open.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from leverline.enforce.terms import MarketTerms
from leverline.ground.arrays import BoolArray
from leverline.ground.errors import InsufficientDataError
from leverline.market.bars import Bars

PARKINSON = 4.0 * math.log(2.0)
"""E[ln(high / low)^2] over the variance of a Brownian bar (Parkinson 1980)."""


@dataclass(frozen=True, slots=True)
class PriceBar:
    """One bar of one market; prices in ticks, None where the source has none. ``turnover`` in units of settlement.

    ``sigma`` is the bar's own volatility by its range, a fraction of the price; both are NaN where unknown.
    """

    market: str
    ts_ns: int
    open: int | None
    high: int | None
    low: int | None
    close: int
    sigma: float
    turnover: float

    def path(self, net_lots: int) -> tuple[int | None, int | None, int | None, int]:
        """Prices at the four instants for accounts that hold ``net_lots`` together; None: no price then."""
        if self.high is None or self.low is None:
            return self.open, None, None, self.close
        start = self.open if self.open is not None else self.close
        down_first = net_lots > 0 or (net_lots == 0 and start - self.low > self.high - start)
        first, second = (self.low, self.high) if down_first else (self.high, self.low)
        return self.open, first, second, self.close


def within(bars: Bars, start_ns: int | None, end_ns: int | None) -> BoolArray:
    """Which bars, (n,), open at ``start_ns`` or later and close by ``end_ns``; None is no bound."""
    begun = bars.ts >= start_ns if start_ns is not None else np.ones(bars.ts.size, bool)
    return begun if end_ns is None else begun & (bars.ts + bars.spacing_ns <= end_ns)


def bars_in_time(bars: Bars, markets: dict[str, MarketTerms], start_ns: int | None = None,
                 end_ns: int | None = None) -> Iterator[list[PriceBar]]:
    """Bars of the same instant together, markets by name, from the first instant when every market has begun.

    Rows that a named rule masks are passed over, and rows not :func:`within` the two times.
    """
    symbols = sorted(symbol for symbol in bars.symbols if symbol in markets)
    if not symbols:
        raise InsufficientDataError("no market of the limits has bars",
                                    remedy="name symbols alike: --quote and --kind, or --symbol-map")
    rows = {symbol: np.flatnonzero(~bars.masked[bars.rows(symbol)]) + bars.rows(symbol).start for symbol in symbols}
    asked = within(bars, start_ns, end_ns)
    rows = {symbol: of_symbol[asked[of_symbol]] for symbol, of_symbol in rows.items()}
    for symbol, of_symbol in rows.items():
        if not of_symbol.size:
            raise InsufficientDataError(f"{symbol} has no usable bar")
    begin = max(int(bars.ts[of_symbol[0]]) for of_symbol in rows.values())
    found: dict[int, list[PriceBar]] = {}
    for symbol in symbols:
        for row in rows[symbol][bars.ts[rows[symbol]] >= begin].tolist():
            found.setdefault(int(bars.ts[row]), []).append(_bar(bars, row, markets[symbol]))
    for ts in sorted(found):
        yield found[ts]


def ticks(price: float, tick: Fraction) -> int | None:
    """The nearest whole tick, at least one; None where there is no price."""
    return max(1, round(Fraction(repr(price)) / tick)) if math.isfinite(price) else None


def _bar(bars: Bars, row: int, terms: MarketTerms) -> PriceBar:
    start, high, low, close, volume = (float(column[row]) for column in
                                       (bars.open, bars.high, bars.low, bars.close, bars.volume))
    at_close = ticks(close, terms.tick)
    assert at_close is not None, "a bar that was read has a close"
    return PriceBar(
        terms.symbol, int(bars.ts[row]), ticks(start, terms.tick), ticks(high, terms.tick), ticks(low, terms.tick),
        at_close, math.log(high / low) / math.sqrt(PARKINSON), volume * close * 1e6)
