"""From a calibration and its backtest to what the page shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from leverline.calibrate.book import Calibration, MarketCalibration
from leverline.evidence.backtest import BacktestResult, Walk
from leverline.evidence.coverage_rows import CoverageRow as EvidenceRow
from leverline.evidence.method_comparison import MethodScore
from leverline.ground.arrays import FloatArray
from leverline.market.bars import NS_PER_S, Bars, Panel
from leverline.measure.loss_models import DEFAULT_MODEL, MODELS
from leverline.measure.losses import SIDES
from leverline.model import RiskAppetite
from leverline.model.appetite import SECONDS_PER_DAY
from leverline.report import wording
from leverline.report.beside.build import implied_path, liquidation_cost, mark_gap, young_listing
from leverline.report.content import (
    BacktestContent,
    BarSummary,
    CoverageRow,
    CrashBreach,
    CrashDay,
    MarginSeries,
    MarketContent,
    MethodPoint,
    PooledRow,
    ReportContent,
    RequirementCurve,
    Side,
    Standing,
    StressRow,
    TailFit,
    VolatilityPath,
)
from leverline.report.html import write_report as write_page
from leverline.report.line.build import line_content

CLUSTERED = 0.01
"""Christoffersen's p-value below which the page says that breaches cluster."""

DRAWN_BELOW = 0.99
"""Share of the threshold's exceedance below which a quantile lies far enough out for a tail to be drawn through it."""
_TAILS = {
    "gpd": "generalised Pareto, probability-weighted moments, predictive", "order-statistics": "order statistics",
    "normal": "normal law: the control, not a fit",
}
_STANDING = {
    "holds": Standing.HOLDS, "too few breaches": Standing.CAUTION, "too many breaches": Standing.FAILS,
    "undecided": Standing.UNDECIDED,
}


def write_report(
    path: Path, made: Calibration, bars: Bars, appetite: RiskAppetite, tested: BacktestResult | None,
    methods: tuple[MethodScore, ...] = (),
) -> None:
    """Write the page for a calibration, with its evidence where a backtest was run."""
    write_page(content_of(made, bars, appetite, tested, methods), path)


def content_of(
    made: Calibration, bars: Bars, appetite: RiskAppetite, tested: BacktestResult | None,
    methods: tuple[MethodScore, ...] = (),
) -> ReportContent:
    """Everything on the page; of ``bars`` only what was known when the book was made."""
    bars = bars.until(made.as_of_ns)
    return ReportContent(
        title="Leverage limits: " + ", ".join(market.symbol for market in made.markets[:4])
        + (f" and {len(made.markets) - 4} more" if len(made.markets) > 4 else ""),
        book=made.book, appetite=appetite,
        markets=tuple(_market(made, market, bars, appetite, tested) for market in made.markets),
        line=line_content(made.line, appetite),
        backtest=None if tested is None else _backtest(tested, methods),
        findings=bars.findings)


def _market(
    made: Calibration, market: MarketCalibration, bars: Bars, appetite: RiskAppetite, tested: BacktestResult | None
) -> MarketContent:
    column, model = market.column, made.curves.forecasts[0].model
    decays = model.decays_per_day or MODELS[DEFAULT_MODEL].decays_per_day
    volatility = VolatilityPath(
        made.panel.ts + made.panel.spacing_ns, made.sigma_per_day[:, column],
        "mean of exponentially weighted variances, decay per day " + " and ".join(f"{d:g}" for d in decays))
    period = appetite.margin_period
    return MarketContent(
        market.symbol, requirement_curve(market, period.detection_s + period.oracle_delay_s), volatility,
        _tails(made, column), () if tested is None else _series(tested, market.symbol), _bars(made, market, bars),
        liquidation_cost(made, market, appetite), mark_gap(market), implied_path(market), young_listing(made, market))


def requirement_curve(market: MarketCalibration, fixed_period_s: float = 0.0) -> RequirementCurve:
    """The requirement of one market with its parts; those that are nowhere felt are left out, but the loss never."""
    needs = market.requirement
    shape = np.ones_like(needs.notional)
    measured = needs.loss + needs.slippage + needs.basis + needs.fee
    funding = np.broadcast_to(needs.funding, shape.shape)
    beside_loss = (("slippage", needs.slippage), ("basis between mark and fill", needs.basis * shape),
                   ("taker fee", needs.fee * shape), ("funding", funding),
                   ("up to the lowest rate", needs.maintenance_rate - funding - measured))
    parts = (("loss quantile", needs.loss), *((name, part) for name, part in beside_loss if part.any()))
    return RequirementCurve(needs.notional, needs.initial_rate, needs.maintenance_rate, parts, needs.margin_period_s,
                            fixed_period_s)


def _tails(made: Calibration, column: int) -> tuple[TailFit, ...]:
    """Residuals of the trailing window at the shortest horizon, and the tail fitted to them, in units of the loss."""
    forecast, seconds = made.curves.forecasts[0], float(made.curves.horizon_s[0])
    time_factor = float(made.curves.time_factor[0])
    model, exceedance = forecast.model, forecast.exceedances[0]
    window = slice(max(0, made.panel.ts.size - round(model.window_days * made.panel.bars_per_day)), None)
    fits = []
    for k, side in enumerate(SIDES):
        residual = forecast.residual[window, column, k]
        residual = residual[np.isfinite(residual)]
        now = time_factor * _scale_now(made, column, model.filtering, bool(model.decays_per_day))
        quantile = time_factor * float(forecast.quantile[-1, column, k, 0])
        shape = float(forecast.shape[-1, column, k])
        losses = residual * now
        fitted = bool(np.isfinite(shape)) and exceedance < DRAWN_BELOW * model.threshold_share
        at = np.geomspace(exceedance / 20.0, model.threshold_share, 60) if fitted else np.empty(0)
        fits.append(TailFit(
            side="long" if side == "long" else "short", losses=losses,
            fitted_loss=_fitted(losses, quantile, exceedance, shape, model.threshold_share, at),
            fitted_exceedance=at, quantile=quantile, exceedance=exceedance,
            unit=f"per margin period of {wording.span(seconds)}",
            fit=_TAILS[model.tail],
            threshold=float(np.quantile(losses, 1.0 - model.threshold_share)) if fitted else None,
            shape=shape if np.isfinite(shape) else None, loss_unit="of notional, at today's volatility",
            as_percent=True))
    return tuple(fits)


def _scale_now(made: Calibration, column: int, filtering: float, filtered: bool) -> float:
    """Today's power of volatility, by which residuals become losses of today."""
    return float(made.curves.forecasts[0].volatility[-1, column] ** filtering) if filtered else 1.0


def _fitted(
    losses: FloatArray, quantile: float, exceedance: float, shape: float, share: float, at: FloatArray
) -> FloatArray:
    """Pareto losses at exceedance probabilities ``at``, through the threshold and the quantile that was used."""
    if not at.size:
        return at
    threshold = float(np.quantile(losses, 1.0 - share))

    def reach(p: FloatArray | float) -> FloatArray:
        return np.asarray(np.expm1(-shape * np.log(np.asarray(p) / share)) / shape if shape else -np.log(p / share))

    return np.asarray(threshold + (quantile - threshold) * reach(at) / reach(exceedance))


def _series(tested: BacktestResult, symbol: str) -> tuple[MarginSeries, ...]:
    """Aligned windows of one market: both layers at the loosest confidence, where breaches are many enough to see."""
    out = []
    for walk in tested.walks:
        for (layer, confidence), scored in walk.scored.items():
            if symbol not in scored.symbols or confidence != min(c for _, c in walk.scored):
                continue
            at, rows = scored.symbols.index(symbol), scored.offsets[0]
            rows = rows[scored.observed[rows, at].any(axis=1)]
            if not rows.size:
                continue
            closes = walk.panel.ts[rows] + walk.panel.spacing_ns
            prices = _opening_prices(walk.panel, symbol)[rows]
            out.append(MarginSeries(
                "model" if layer == "model" else "book", confidence,
                walk.losses.horizon_bars * walk.panel.spacing_s, closes, prices,
                scored.margin[rows, at, 0], scored.margin[rows, at, 1], scored.loss[rows, at, 0],
                scored.loss[rows, at, 1], scored.breach[rows, at, 0], scored.breach[rows, at, 1]))
    return tuple(out)


def _opening_prices(panel: Panel, symbol: str) -> FloatArray:
    """Close of every bar, (n_bars,), of whichever listing of the symbol traded then; NaN where none did."""
    columns = [j for j, name in enumerate(panel.symbols) if name == symbol]
    return np.asarray(np.fmax.reduce(panel.close[:, columns], axis=1))


def _bars(made: Calibration, market: MarketCalibration, bars: Bars) -> BarSummary:
    rows = bars.rows(market.symbol)
    ts = bars.ts[rows]
    expected = int(ts[-1] - ts[0]) // bars.spacing_ns + 1
    return BarSummary(
        bars=len(ts), first_ts=int(ts[0]), last_ts=int(ts[-1]), spacing_s=bars.spacing_s,
        missing_bars=max(0, expected - len(ts)), masked_bars=int(bars.masked[rows].sum()),
        relistings=int(bars.listing[rows].max()), close_only=bool(made.panel.close_only[market.column]),
        has_volume=market.measures.has_volume)


def _backtest(tested: BacktestResult, methods: tuple[MethodScore, ...]) -> BacktestContent:
    walk: Walk = tested.walks[0]
    scored = next(iter(walk.scored.values()))
    opened = np.flatnonzero(scored.observed.any(axis=(1, 2)))
    closes = walk.panel.ts + walk.panel.spacing_ns
    refits = np.diff(closes[walk.forecast.refits])
    every = float(np.median(refits)) / NS_PER_S if refits.size else walk.panel.spacing_s
    return BacktestContent(
        method=tested.method, start_ts=int(closes[opened[0]]), end_ts=int(closes[opened[-1]]),
        refit="every day" if every == SECONDS_PER_DAY else f"every {wording.span(every)}",
        rows=tuple(coverage_row(row) for row in tested.results),
        survivorship=tested.survivorship,
        pooled=tuple(
            PooledRow("model" if p.layer == "model" else "book", p.confidence, p.horizon_s, p.rate,
                      p.interval[0] if p.interval else None, p.interval[1] if p.interval else None,
                      p.rate_top_volatility_decile)
            for p in tested.pooled if p.rate is not None),
        stress=tuple(_stress(tested)), crash_days=tuple(_crashes(tested)),
        methods=tuple(method_point(m) for m in methods),
        skipped=tested.skipped)


def coverage_row(row: EvidenceRow) -> CoverageRow:
    """A row and its standing; a model whose count holds but whose breaches cluster holds with a reservation."""
    clusters = row.verdict == "holds" and row.layer == "model" and (row.christoffersen_p or 1.0) < CLUSTERED
    return CoverageRow(
        row.symbol, _side(row.side), "model" if row.layer == "model" else "book", row.confidence, row.horizon_s,
        row.observations, row.exceedances, row.band_low, row.band_high, row.kupiec_p, row.christoffersen_p, row.dq_p,
        row.mean_margin, row.peak_margin, row.peak_to_trough, row.max_increase_5, row.quantile_score,
        "clustered" if clusters else row.verdict,
        Standing.CAUTION if clusters else _STANDING[row.verdict])


def method_point(score: MethodScore) -> MethodPoint:
    """A method among those compared."""
    return MethodPoint(score.method, score.confidence, score.horizon_s, score.rate, score.mean_margin, score.rise_5,
                       score.quantile_score, score.in_set, score.method == DEFAULT_MODEL)


def _side(name: str) -> Side:
    return "long" if name == "long" else "short"


def _stress(tested: BacktestResult) -> list[StressRow]:
    from leverline.evidence.stress_windows import STRESS_WINDOWS

    day_ns = 86_400 * NS_PER_S
    spans = {w.name: (w.days[0] * day_ns, (w.days[1] + 1) * day_ns) for w in STRESS_WINDOWS}
    return [
        StressRow(s.window, *spans[s.window], "model" if s.layer == "model" else "book", s.confidence, s.horizon_s,
                  s.observations, s.exceedances) for s in tested.stress
    ]


def _crashes(tested: BacktestResult) -> list[CrashDay]:
    return [
        CrashDay(int(np.datetime64(day.date, "ns").astype(np.int64)),
                 tuple(CrashBreach(b.symbol, _side(b.side), b.loss, b.margin) for b in day.breaches),
                 day.markets_observed, "model" if day.layer == "model" else "book", day.confidence, day.horizon_s,
                 day.name) for day in tested.crash_days
    ]
