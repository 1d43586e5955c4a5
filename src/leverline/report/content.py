"""What the report shows: plain and frozen, filled by whoever ran calibration and backtest. No statistics.

The limits, the assumptions and the provenance are the book's own nouns; what stands beside them here is the evidence.
Rates, losses and volatilities are fractions, notionals are in the settlement currency (not in ledger units), times
are int64 nanoseconds UTC, sides are ``long`` and ``short``. NaN in an array and None in a field mean *not known*:
the page prints a dash and says why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.market.bars import Finding
from leverline.model import LimitBook, RiskAppetite
from leverline.report.beside.content import ImpliedPath, LiquidationCost, MarkGap, YoungListing
from leverline.report.line.content import LineContent

Side = Literal["long", "short"]
Layer = Literal["model", "book"]


class Standing(StrEnum):
    """How a verdict is to be read; the page gives each a word, a mark and a colour."""

    HOLDS = "holds"
    CAUTION = "caution"  # holds with a reservation: too conservative, or breaches cluster
    FAILS = "fails"
    UNDECIDED = "undecided"  # too few observations to say


@dataclass(frozen=True, slots=True)
class RequirementCurve:
    """The calibrated requirement before it was cut into tiers, shape (n,) each.

    ``initial_rate`` and ``maintenance_rate`` are average rates, amount / notional. ``parts`` are the named pieces of
    the maintenance rate in the order in which they are stacked (such as *loss quantile*, *slippage*, *taker fee*).
    ``margin_period_s`` is how long a position of each size can lose before it is closed, ``fixed_period_s`` the part of
    it that all sizes share.
    """

    notional: FloatArray
    initial_rate: FloatArray
    maintenance_rate: FloatArray
    parts: tuple[tuple[str, FloatArray], ...] = ()
    margin_period_s: FloatArray | None = None
    fixed_period_s: float = 0.0

    @property
    def period_grows(self) -> bool:
        """Whether the margin period depends on size: without volume it is the same for all."""
        return self.margin_period_s is not None and float(np.ptp(self.margin_period_s)) > 0.0


@dataclass(frozen=True, slots=True)
class VolatilityPath:
    """Volatility through time, shape (n,) each: ``sigma_per_day`` is the forecast known at ``ts``."""

    ts: IntArray
    sigma_per_day: FloatArray
    estimator: str  # in words, such as "EWMA, decay 0.99"


@dataclass(frozen=True, slots=True)
class TailFit:
    """One side's standardised losses and the tail fitted to them.

    ``losses`` (n,) in any order: multiples of ``loss_unit``, or with ``as_percent`` fractions that ``loss_unit`` tells
    of what (such as "of notional, at today's volatility");
    ``fitted_loss`` and ``fitted_exceedance`` (m,) trace the fitted survival function, drawn from ``threshold`` on.
    ``quantile`` is the loss at probability ``exceedance``; ``unit`` says per what ("per margin period of 1 day").
    """

    side: Side
    losses: FloatArray
    fitted_loss: FloatArray
    fitted_exceedance: FloatArray
    quantile: float
    exceedance: float
    unit: str
    fit: str  # in words, such as "generalised Pareto, probability-weighted moments"
    threshold: float | None = None
    shape: float | None = None  # tail index xi, where the fit has one
    quantile_low: float | None = None
    quantile_high: float | None = None
    interval_level: float = 0.95
    loss_unit: str = "forecast volatilities"
    as_percent: bool = False


@dataclass(frozen=True, slots=True)
class MarginSeries:
    """Walk-forward windows of one market, layer, confidence and horizon, shape (n,) each.

    ``ts`` opens a window, ``price`` is the price then; ``margin_*`` is the rate known then, ``loss_*`` the worst loss
    inside the window as a fraction of notional, ``breach_*`` whether the loss passed the margin. NaN where a window
    was not scored; a side that was not run is None throughout.
    """

    layer: Layer
    confidence: float
    horizon_s: float
    ts: IntArray
    price: FloatArray
    margin_long: FloatArray | None = None
    margin_short: FloatArray | None = None
    loss_long: FloatArray | None = None
    loss_short: FloatArray | None = None
    breach_long: BoolArray | None = None
    breach_short: BoolArray | None = None
    method: str | None = None  # in words; None: the method of the backtest

    def of_side(self, side: Side) -> tuple[FloatArray, FloatArray, BoolArray] | None:
        """Margin, loss and breach of one side, or None where it was not run."""
        columns = {"long": (self.margin_long, self.loss_long, self.breach_long),
                   "short": (self.margin_short, self.loss_short, self.breach_short)}
        margin, loss, breach = columns[side]
        return None if margin is None or loss is None or breach is None else (margin, loss, breach)


@dataclass(frozen=True, slots=True)
class BarSummary:
    """The bars of one market, after reading."""

    bars: int
    first_ts: int
    last_ts: int  # open of the last bar
    spacing_s: float
    missing_bars: int
    masked_bars: int  # kept out of estimation by a named rule
    relistings: int
    close_only: bool  # no high and low: losses inside a bar are not seen
    has_volume: bool


@dataclass(frozen=True, slots=True)
class MarketContent:
    """One market of the book; its limits are looked up in the book under ``symbol``. What is None is not drawn."""

    symbol: str
    curve: RequirementCurve | None = None
    volatility: VolatilityPath | None = None
    tails: tuple[TailFit, ...] = ()
    series: tuple[MarginSeries, ...] = ()  # the first one speaks for the market in the headline
    bars: BarSummary | None = None
    cost: LiquidationCost | None = None
    gap: MarkGap | None = None
    implied: ImpliedPath | None = None
    young: YoungListing | None = None


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """One market, side, layer, confidence and horizon of the backtest; None is undefined."""

    symbol: str
    side: Side
    layer: Layer
    confidence: float
    horizon_s: float
    observations: int
    exceedances: float  # mean over start offsets where the horizon has several bars
    band_low: int | None
    band_high: int | None
    kupiec_p: float | None
    christoffersen_p: float | None
    dq_p: float | None
    mean_margin: float | None
    peak_margin: float | None
    peak_to_trough: float | None
    max_increase_5: float | None
    quantile_score: float | None
    verdict: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class PooledRow:
    """All markets and sides together; the interval comes from resampling blocks of dates."""

    layer: Layer
    confidence: float
    horizon_s: float
    rate: float
    interval_low: float | None
    interval_high: float | None
    rate_top_volatility_decile: float | None


@dataclass(frozen=True, slots=True)
class StressRow:
    """Coverage inside one named stress window, all markets and sides of one layer together."""

    name: str
    start_ts: int
    end_ts: int
    layer: Layer
    confidence: float
    horizon_s: float
    observations: int
    exceedances: float  # mean over start offsets where the horizon has several bars


@dataclass(frozen=True, slots=True)
class MethodPoint:
    """One method of those that were compared at one confidence and horizon (``model`` layer)."""

    name: str
    confidence: float
    horizon_s: float
    exceedance_rate: float
    mean_margin: float
    max_increase_5: float  # median over markets and sides
    quantile_score: float
    in_confidence_set: bool | None = None
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class CrashBreach:
    """One market's breach on a crash day: the worst loss and the margin that stood against it."""

    symbol: str
    side: Side
    loss: float
    margin: float


@dataclass(frozen=True, slots=True)
class CrashDay:
    """A date on which margins were breached, under one layer, confidence and horizon."""

    ts: int
    breaches: tuple[CrashBreach, ...]
    markets_observed: int
    layer: Layer
    confidence: float
    horizon_s: float
    name: str | None = None  # where the day has one

    @property
    def markets_breached(self) -> int:
        """Markets with a breach on either side."""
        return len({b.symbol for b in self.breaches})

    @property
    def excess(self) -> float:
        """Losses beyond margin, summed over breaches: what orders days with equally many markets."""
        return sum(b.loss - b.margin for b in self.breaches)


@dataclass(frozen=True, slots=True)
class BacktestContent:
    """The walk-forward evidence as a whole."""

    method: str  # in words
    start_ts: int
    end_ts: int
    refit: str  # in words, such as "every day"
    rows: tuple[CoverageRow, ...]
    survivorship: str  # stands beside every table of the evidence
    band_level: float = 0.95  # confidence of the acceptance band and of the pooled intervals
    pooled: tuple[PooledRow, ...] = ()
    stress: tuple[StressRow, ...] = ()
    methods: tuple[MethodPoint, ...] = ()
    crash_days: tuple[CrashDay, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()  # symbol, reason


@dataclass(frozen=True, slots=True)
class ReportContent:
    """Everything on the page. Provenance, explanations, overrides and warnings are read from ``book``."""

    title: str
    book: LimitBook
    appetite: RiskAppetite
    markets: tuple[MarketContent, ...]
    backtest: BacktestContent | None = None
    findings: tuple[Finding, ...] = ()
    survivorship: str = ""  # said on the page when there is no backtest to say it
    notes: tuple[str, ...] = field(default=())  # sentences for the reader beside the warnings that the book carries
    line: LineContent = field(default_factory=LineContent)
