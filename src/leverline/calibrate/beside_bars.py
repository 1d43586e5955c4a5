"""What a market shows beside its bars: books, depth bands, mark prices, an implied-volatility index, capitalisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.market.bars import NS_PER_S, Bars, Panel
from leverline.market.books import BookSnapshots, DepthBands
from leverline.market.trades import Series
from leverline.measure.basis import BasisAllowance, basis_allowance
from leverline.measure.depth_estimate import DepthEstimate, ImpactLaw, SeenDepth, depth_estimate
from leverline.measure.liquidity import visible_notional
from leverline.measure.stressed_depth import StressedDepth, StressFactor, trailing_volatility, volatility_of_move
from leverline.model.appetite import SECONDS_PER_DAY, RiskAppetite
from leverline.model.limitbook import Basis
from leverline.model.provenance import DataFile

VOLUME_DAYS = 30
"""Days over which the volume that depth is compared with is averaged."""
STRESS_WINDOW_S = 3_600.0
STRESS_WINDOW_BARS = 12
REFERENCE_BAND = 0.01
"""Bands are stressed by their depth within 1 % of mid, the band that a liquidation of any size lives on."""
SEED = 3


@dataclass(frozen=True, slots=True)
class BesideBars:
    """All of it, by symbol as the bars have it. What is empty is not used, and the book says so."""

    books: Mapping[str, BookSnapshots] = field(default_factory=dict)
    bands: Mapping[str, DepthBands] = field(default_factory=dict)
    implied: Mapping[str, Series] = field(default_factory=dict)
    marks: Bars | None = None

    @property
    def files(self) -> tuple[DataFile, ...]:
        """Where all of it came from, each file once."""
        files = [file for book in self.books.values() for file in book.files]
        files += [file for band in self.bands.values() for file in band.files]
        files += [file for index in self.implied.values() for file in index.files]
        files += self.marks.files if self.marks is not None else ()
        return tuple({file.name: file for file in files}.values())

    def unmatched(self, symbols: tuple[str, ...]) -> list[str]:
        """Symbols given here that no market of the bars has."""
        marks = self.marks.symbols if self.marks is not None else ()
        given = [*self.books, *self.bands, *self.implied, *marks]
        return [symbol for symbol in dict.fromkeys(given) if symbol not in symbols]


@dataclass(frozen=True, slots=True)
class MarketNow:
    """One market as of the panel's last row: what its depth is judged against.

    ``loss_rate`` is the loss quantile over ``horizon_s``, the move in which depth must hold; volatilities are per
    day, volume in quote per day, NaN where unknown.
    """

    symbol: str
    column: int
    as_of_ns: int
    loss_rate: float
    horizon_s: float
    sigma_per_day: float
    stressed_sigma_per_day: float
    stressed_volume_per_day: float


def depth_of(now: MarketNow, panel: Panel, beside: BesideBars, appetite: RiskAppetite) -> DepthEstimate | None:
    """What closing costs under stress, from book, bands or volume in that order; None where nothing is known."""
    book, bands = beside.books.get(now.symbol), beside.bands.get(now.symbol)
    if book is None and bands is None and not np.isfinite(now.stressed_volume_per_day):
        return None
    law = ImpactLaw(appetite.costs.impact_coefficient, now.stressed_sigma_per_day, now.stressed_volume_per_day,
                    Basis.ASSUMED)
    seen = bands if bands is not None else book
    return depth_estimate(
        as_of=now.as_of_ns, max_age_s=appetite.costs.max_depth_age_s, law=law,
        book=None if book is None else SeenDepth(book, _volume_at(panel, now.column, int(book.ts[-1]))),
        bands=None if bands is None else SeenDepth(bands, _volume_at(panel, now.column, int(bands.ts[-1]))),
        stress=None if seen is None else _stress(now, panel, seen, appetite), crowding=appetite.costs.crowding,
        current_volume_per_day=_volume_at(panel, now.column, now.as_of_ns))


def basis_of(symbol: str, panel: Panel, column: int, beside: BesideBars, appetite: RiskAppetite) -> BasisAllowance:
    """Gap between mark and last price after large moves, measured where mark prices are given, else assumed."""
    assumed = appetite.costs.basis_allowance_rate
    if beside.marks is None or symbol not in beside.marks.symbols:
        nothing = float("nan")
        return BasisAllowance(assumed, nothing, nothing, Basis.ASSUMED, 0, 0, nothing, nothing,
                              "no mark prices were given: the appetite's allowance")
    rows = beside.marks.rows(symbol)
    known = np.isfinite(panel.close[:, column])
    return basis_allowance(
        beside.marks.ts[rows] + beside.marks.spacing_ns, beside.marks.close[rows],
        panel.ts[known] + panel.spacing_ns, panel.close[known, column], rng=np.random.default_rng(SEED),
        assumed_rate=assumed)


def _stress(now: MarketNow, panel: Panel, seen: BookSnapshots | DepthBands, appetite: RiskAppetite) -> StressFactor:
    """Share of the seen depth that is left at the volatility of the margin-quantile move."""
    known = np.isfinite(panel.close[:, now.column])
    closes = panel.ts[known] + panel.spacing_ns
    window_s = max(STRESS_WINDOW_S, STRESS_WINDOW_BARS * panel.spacing_s)
    sigma = trailing_volatility(closes, panel.close[known, now.column], seen.ts, window_s)
    if not np.isfinite(sigma).any():
        sigma = np.full(len(seen), now.sigma_per_day)
    apart = float(np.median(np.diff(seen.ts))) / NS_PER_S if len(seen) > 1 else window_s
    fit = StressedDepth(quantile=appetite.margin_period.stressed_volume_quantile).fit(
        _depth_through_time(seen), sigma, block=max(1, round(window_s / apart)), rng=np.random.default_rng(SEED))
    return fit.factor(volatility_of_move(now.loss_rate, now.horizon_s))


def _depth_through_time(seen: BookSnapshots | DepthBands) -> FloatArray:
    """Depth of the thinner side at each snapshot, quote: within the reference band, or all that is visible."""
    if isinstance(seen, BookSnapshots):
        return np.asarray(visible_notional(seen).min(axis=1), np.float64)
    nearest = [int(np.argmin(np.abs(seen.distance - side * REFERENCE_BAND))) for side in (-1, 1)]
    return np.asarray(seen.notional[:, nearest].min(axis=1), np.float64)


def _volume_at(panel: Panel, column: int, at_ns: int) -> float | None:
    """Mean daily traded notional over the 30 days known before a time; None where the bars have none there."""
    stop = int(np.searchsorted(panel.ts + panel.spacing_ns, at_ns, side="right"))
    start = max(0, stop - round(VOLUME_DAYS * panel.bars_per_day))
    notional = (panel.volume * panel.close)[start:stop, column]
    seen = notional[np.isfinite(notional)]
    return float(seen.mean() * SECONDS_PER_DAY / panel.spacing_s) if seen.size else None
