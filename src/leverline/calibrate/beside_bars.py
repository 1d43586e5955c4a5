"""What a market shows beside its bars: books, depth bands, mark prices, an implied-volatility index, capitalisation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import InsufficientDataError
from leverline.market.bars import NS_PER_S, Bars, Finding, Panel
from leverline.market.books import BookSnapshots, DepthBands
from leverline.market.suspicion import MAX_FINDINGS
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
GRID_SLACK = 0.01
"""Of a bar: two feeds that stamp the same bar seldom agree to the millisecond. Farther apart it is another moment."""
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
        return tuple(dict.fromkeys(files))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What reading all of it brought to light: doubts about files, and how much was rejected by which rule."""
        depths: list[BookSnapshots | DepthBands] = [*self.books.values(), *self.bands.values()]
        said = [warning for one in (*depths, *self.implied.values(), *((self.marks,) if self.marks else ()))
                for warning in one.warnings]
        for one in depths:
            struck = Counter(finding.rule for finding in one.findings if finding.rule != "thin-levels")
            counted = ", ".join(
                f"{rule} {count}{' or more' * (count >= MAX_FINDINGS)}" for rule, count in struck.items())
            said += [f"{one.symbol}: depth that breaks a rule was left out: {counted}"] if counted else []
        return tuple(dict.fromkeys(said))

    def until(self, as_of_ns: int) -> BesideBars:
        """Only what was known by ``as_of_ns``. A series of which nothing was known yet stays, empty."""
        marks = self.marks
        if marks is not None:
            try:
                marks = marks.until(as_of_ns)
            except InsufficientDataError:  # every mark is later
                marks = None
        return BesideBars({symbol: _book_until(book, as_of_ns) for symbol, book in self.books.items()},
                          {symbol: _bands_until(bands, as_of_ns) for symbol, bands in self.bands.items()},
                          {symbol: _index_until(index, as_of_ns) for symbol, index in self.implied.items()}, marks)

    def unmatched(self, symbols: tuple[str, ...]) -> list[str]:
        """Symbols given here that no market of the bars has."""
        marks = self.marks.symbols if self.marks is not None else ()
        given = [*self.books, *self.bands, *self.implied, *marks]
        return [symbol for symbol in dict.fromkeys(given) if symbol not in symbols]


def _book_until(book: BookSnapshots, as_of_ns: int) -> BookSnapshots:
    rows = slice(int(np.searchsorted(book.ts, as_of_ns, side="right")))
    return replace(book, ts=book.ts[rows], bid_price=book.bid_price[rows], bid_size=book.bid_size[rows],
                   ask_price=book.ask_price[rows], ask_size=book.ask_size[rows],
                   findings=_findings_until(book.findings, as_of_ns))


def _bands_until(bands: DepthBands, as_of_ns: int) -> DepthBands:
    rows = slice(int(np.searchsorted(bands.ts, as_of_ns, side="right")))
    return replace(bands, ts=bands.ts[rows], notional=bands.notional[rows], size=bands.size[rows],
                   findings=_findings_until(bands.findings, as_of_ns))


def _index_until(index: Series, as_of_ns: int) -> Series:
    rows = slice(int(np.searchsorted(index.ts, as_of_ns, side="right")))
    return replace(index, ts=index.ts[rows], value=index.value[rows],
                   findings=_findings_until(index.findings, as_of_ns))


def _findings_until(findings: tuple[Finding, ...], as_of_ns: int) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding.ts <= as_of_ns)


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
    """What closing costs under stress, from book, bands or volume in that order; None where nothing is known.

    Without volume nothing is known beyond what is visible, and that has to be there on both sides. ``beside`` holds
    only what was known as of now.
    """
    has_volume = bool(np.isfinite(now.stressed_volume_per_day))
    book, bands = beside.books.get(now.symbol), beside.bands.get(now.symbol)
    if book is None and bands is None and not has_volume:
        return None
    law = ImpactLaw(appetite.costs.impact_coefficient, now.stressed_sigma_per_day, now.stressed_volume_per_day,
                    Basis.ASSUMED)
    try:
        depth = depth_estimate(
            as_of=now.as_of_ns, max_age_s=appetite.costs.max_depth_age_s, law=law, book=_seen(book, panel, now.column),
            bands=_seen(bands, panel, now.column), stress=_stress(now, panel, (bands, book), appetite),
            crowding=appetite.costs.crowding,
            current_volume_per_day=mean_volume_per_day(panel, now.column, now.as_of_ns))
    except InsufficientDataError:
        if has_volume:
            raise
        return None
    return depth if has_volume or all(curve.notional[-1] > 0.0 for curve in depth.curves) else None


def _seen(depth: BookSnapshots | DepthBands | None, panel: Panel, column: int) -> SeenDepth | None:
    """The depth with the volume at its newest observation; one of which nothing is left has none."""
    if depth is None:
        return None
    return SeenDepth(depth, mean_volume_per_day(panel, column, int(depth.ts[-1])) if len(depth) else None)


def basis_of(symbol: str, panel: Panel, column: int, beside: BesideBars, appetite: RiskAppetite) -> BasisAllowance:
    """Gap between mark and last price after large moves, measured where mark prices are given, else assumed."""
    assumed = appetite.costs.basis_allowance_rate
    if beside.marks is None or symbol not in beside.marks.symbols:
        nothing = float("nan")
        return BasisAllowance(assumed, nothing, nothing, Basis.ASSUMED, 0, 0, nothing, nothing,
                              "no mark prices were known: the appetite's allowance")
    marks = Panel.of(beside.marks.select([symbol]))  # on the grid, as the bars are, and without what a rule masks
    mark_ns, mark = _known_closes(marks, marks.newest[symbol])
    last_ns, last = _known_closes(panel, column)
    mark_ns = _on_grid(mark_ns, int(panel.ts[0]), min(panel.spacing_ns, marks.spacing_ns))
    return basis_allowance(mark_ns, mark, last_ns, last, rng=np.random.default_rng(SEED), assumed_rate=assumed)


def _on_grid(ts: IntArray, phase_ns: int, spacing_ns: int) -> IntArray:
    """Stamps within :data:`GRID_SLACK` of the grid through ``phase_ns`` moved onto it, all others as they are."""
    over: IntArray = (ts - phase_ns + spacing_ns // 2) % spacing_ns - spacing_ns // 2
    return np.where(np.abs(over) <= GRID_SLACK * spacing_ns, ts - over, ts)


def _known_closes(panel: Panel, column: int) -> tuple[IntArray, FloatArray]:
    """When each close of a listing became known, ns UTC, and the closes."""
    known = np.isfinite(panel.close[:, column])
    return panel.ts[known] + panel.spacing_ns, panel.close[known, column]


def _stress(
    now: MarketNow, panel: Panel, trusted: tuple[DepthBands | None, BookSnapshots | None], appetite: RiskAppetite
) -> StressFactor | None:
    """Share of the seen depth that is left at the volatility of the margin-quantile move; None where none was seen."""
    window_s = max(STRESS_WINDOW_S, STRESS_WINDOW_BARS * panel.spacing_s)
    for seen in trusted:
        if seen is None or not len(seen):
            continue
        depth = _depth_through_time(seen)
        sigma = trailing_volatility(*_known_closes(panel, now.column), seen.ts, window_s)
        if not (np.isfinite(sigma) & (depth > 0.0)).any():
            usual = now.sigma_per_day if np.isfinite(now.sigma_per_day) else now.stressed_sigma_per_day
            sigma = np.full(len(seen), usual)
        if not ((sigma > 0.0) & (depth > 0.0)).any():
            continue
        apart = float(np.median(np.diff(seen.ts))) / NS_PER_S if len(seen) > 1 else window_s
        fit = StressedDepth(quantile=appetite.margin_period.stressed_volume_quantile).fit(
            depth, sigma, block=max(1, round(window_s / apart)), rng=np.random.default_rng(SEED))
        return fit.factor(volatility_of_move(now.loss_rate, now.horizon_s))
    return None


def _depth_through_time(seen: BookSnapshots | DepthBands) -> FloatArray:
    """Depth of the thinner known side at each snapshot, quote: in the reference band, or all that is visible."""
    if isinstance(seen, BookSnapshots):
        return np.asarray(np.fmin.reduce(visible_notional(seen), axis=1), np.float64)
    nearest = [int(np.argmin(np.abs(seen.distance - side * REFERENCE_BAND))) for side in (-1, 1)]
    return np.asarray(np.fmin.reduce(seen.notional[:, nearest], axis=1), np.float64)


def mean_volume_per_day(panel: Panel, column: int, at_ns: int) -> float | None:
    """Mean daily traded notional over the 30 days known before a time; None where the bars have none there."""
    stop = int(np.searchsorted(panel.ts + panel.spacing_ns, at_ns, side="right"))
    start = max(0, stop - round(VOLUME_DAYS * panel.bars_per_day))
    notional = (panel.volume * panel.close)[start:stop, column]
    seen = notional[np.isfinite(notional)]
    return float(seen.mean() * SECONDS_PER_DAY / panel.spacing_s) if seen.size else None
