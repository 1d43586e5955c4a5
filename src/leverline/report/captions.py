"""What a figure shows, in a sentence: its finding, in numbers, for readers who cannot see it or are in a hurry."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leverline.model import InstrumentLimits
from leverline.model.quantities import UNITS_PER_ONE
from leverline.report import wording
from leverline.report.content import (
    BacktestContent,
    CrashDay,
    Layer,
    MarginSeries,
    MethodPoint,
    RequirementCurve,
    TailFit,
    VolatilityPath,
)

LAYER_WORDS = {"model": "bare model quantile", "book": "published margin"}


def limits(listed: InstrumentLimits, currency: str) -> str:
    """The limits of one market in a sentence or two, to follow its name."""
    first, last = listed.tiers[0], listed.tiers[-1]
    top = wording.leverage(first.max_leverage)
    if len(listed.tiers) == 1:
        text = f"up to {top} at every size"
    else:
        steps = len(listed.tiers) - 1
        text = (f"up to {top} to {wording.ledger_amount(first.notional_cap, currency)}, in {steps} "
                f"step{'s' if steps > 1 else ''} down to {wording.leverage(last.max_leverage)} above "
                f"{wording.ledger_amount(last.notional_floor, currency)}")
    cap = listed.position_cap if listed.position_cap is not None else last.notional_cap
    text += "; no position cap." if cap is None else f"; no position above {wording.ledger_amount(cap, currency)}."
    text += f" Maintenance margin starts at {wording.percent(first.maintenance_margin_rate, 4)}"
    return text + (f"; the {listed.binding_side} side binds." if listed.binding_side else ".")


def held(symbol: str, evidence: BacktestContent) -> str | None:
    """How the published margin of a market did in the backtest, both sides, at the first confidence it was run at."""
    rows = [r for r in evidence.rows if r.symbol == symbol and r.layer == "book"]
    rows = [r for r in rows if (r.confidence, r.horizon_s) == (rows[0].confidence, rows[0].horizon_s)]
    seen, passed = sum(r.observations for r in rows), sum(r.exceedances for r in rows)
    if not seen:
        return None
    share = wording.percent(passed / seen)
    return (f"Walk-forward, losses passed the published margin in {share} of windows of "
            f"{wording.span(rows[0].horizon_s)} ({wording.count(passed)} of {wording.count(seen)}, "
            f"{wording.listing([r.side for r in rows])}); "
            f"{wording.percent(1 - rows[0].confidence)} was allowed.")


def requirement(symbol: str, curve: RequirementCurve | None, listed: InstrumentLimits | None) -> str:
    """How far the published steps stand above the curve."""
    if listed is None:
        return f"{symbol}: the calibrated curve; the book publishes no tiers for it."
    tiers = f"{len(listed.tiers)} tier{'s' if len(listed.tiers) > 1 else ''}"
    if curve is None:
        return f"{symbol}: {tiers} as published."
    caps = np.array([np.inf if t.notional_cap is None else t.notional_cap / UNITS_PER_ONE for t in listed.tiers])
    inside = curve.notional <= caps[-1]
    rates = np.array([t.initial_margin_rate for t in listed.tiers])
    published = rates[np.searchsorted(caps, curve.notional[inside])]
    over = published / curve.initial_rate[inside] - 1.0
    if not np.isfinite(over).any():
        return f"{symbol}: {tiers} as published."
    return (f"{symbol}: {tiers} approximate the calibrated curve from above. Over sizes (log scale), initial margin is "
            f"on average {wording.percent(float(np.nanmean(over)), 2)} above the curve, at most "
            f"{wording.percent(float(np.nanmax(over)), 2)}.")


def parts(symbol: str, curve: RequirementCurve) -> str:
    """Which piece of the maintenance rate is largest for small and for large positions."""
    small = max(curve.parts, key=lambda p: p[1][0])[0]
    large = max(curve.parts, key=lambda p: p[1][-1])[0]
    where = f"{small} is the largest part at every size" if small == large else (
        f"{small} is the largest part of small positions, {large} of large ones")
    return (f"{symbol}: {where}; the whole runs from {wording.percent(float(curve.maintenance_rate[0]))} to "
            f"{wording.percent(float(curve.maintenance_rate[-1]))}.")


def margin_period(symbol: str, curve: RequirementCurve, currency: str) -> str:
    """The margin period of the smallest and of the largest position."""
    period = curve.margin_period_s
    if period is None:
        return f"{symbol}: the margin period is not known."
    return (f"{symbol}: {wording.about(float(period[0]))} for {wording.notional(float(curve.notional[0]), currency)}, "
            f"{wording.about(float(period[-1]))} for "
            f"{wording.notional(float(curve.notional[-1]), currency)}. Losses are taken over this time.")


def volatility(symbol: str, path: VolatilityPath) -> str:
    """Today's volatility against its own history."""
    seen = path.sigma_per_day[np.isfinite(path.sigma_per_day)]
    if not seen.size:
        return f"{symbol}: no volatility could be estimated."
    below = float((seen < seen[-1]).mean())
    return (f"{symbol}: {wording.percent(float(seen[-1]))} per day at the end, above {wording.percent(below, 2)} of "
            f"its history; between {wording.percent(float(seen.min()))} and {wording.percent(float(seen.max()))}. "
            f"{_sentence(path.estimator)}")


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def tail(symbol: str, fits: Sequence[TailFit]) -> str:
    """The fitted quantiles and shapes."""
    said = []
    for fit in fits:
        say = wording.percent if fit.as_percent else wording.number
        text = (f"{fit.side}: a loss of {say(fit.quantile)} {fit.loss_unit} is exceeded with probability "
                f"{wording.percent(fit.exceedance)} {fit.unit}")
        if fit.quantile_low is not None and fit.quantile_high is not None:
            text += (f" ({wording.percent(fit.interval_level)} interval {say(fit.quantile_low)} to "
                     f"{say(fit.quantile_high)})")
        if fit.shape is not None:
            text += f", tail shape {wording.number(fit.shape, 2)}"
        said.append(text)
    ways = wording.listing(sorted({fit.fit for fit in fits}))
    return f"{symbol}, {'; '.join(said)} (diamonds). {_sentence(ways)}"


def of_series(series: MarginSeries) -> str:
    """Which layer, confidence and window a series is about."""
    method = f", {series.method}" if series.method else ""
    return margin_words(series.layer, series.confidence, series.horizon_s) + method


def margin_words(layer: Layer, confidence: float, horizon_s: float) -> str:
    """``published margin at 99 % over windows of 1 day``."""
    return f"{LAYER_WORDS[layer]} at {wording.percent(confidence, 4)} over windows of {wording.span(horizon_s)}"


def coverage(symbol: str, series: MarginSeries) -> str:
    """How many windows were breached and the worst of them."""
    said, worst = [], None
    for side in ("long", "short"):
        columns = series.of_side(side)
        if columns is None:
            continue
        margin, loss, breach = columns
        scored = int((np.isfinite(margin) & np.isfinite(loss)).sum())
        said.append(f"{side} {wording.count(int(breach.sum()))} of {wording.count(scored)}")
        for i in np.flatnonzero(breach):
            over = loss[i] - margin[i]
            if worst is None or over > worst[0]:
                worst = (over, side, int(series.ts[i]), loss[i], margin[i])
    text = f"{symbol}: breached {', '.join(said)} windows."
    if worst is not None:
        _, side, ts, loss, margin = worst
        text += (f" The worst was {wording.date(ts)}, {side}: a loss of {wording.percent(float(loss))} against a "
                 f"margin of {wording.percent(float(margin))}.")
    return text


def margins(symbol: str, series: MarginSeries) -> str:
    """Range of the margin through time."""
    columns = [c[0] for side in ("long", "short") if (c := series.of_side(side)) is not None]
    seen = np.concatenate([c[np.isfinite(c)] for c in columns]) if columns else np.empty(0)
    if not seen.size:
        return f"{symbol}: no margin was in force."
    return (f"{symbol}: between {wording.percent(float(seen.min()))} and "
            f"{wording.percent(float(seen.max()))}, on average {wording.percent(float(seen.mean()))}.")


def methods(points: Sequence[MethodPoint]) -> str:
    """The default against the best, the cheapest and the steadiest."""
    best = min(points, key=lambda m: m.quantile_score)
    text = (f"At {wording.percent(points[0].confidence, 4)} over {wording.span(points[0].horizon_s)}; best score on "
            f"top: {best.name}. Cheapest: {min(points, key=lambda m: m.mean_margin).name}. Steadiest: "
            f"{min(points, key=lambda m: m.max_increase_5).name}. Margin is its mean "
            f"over all windows, rise its largest ratio over five; the dotted line is the allowed rate")
    default = next((m for m in points if m.is_default), None)
    text += "." if default is None else f"; the filled diamond is the default, {default.name}."
    return text + (" A cross is outside the model confidence set." if any(
        m.in_confidence_set is False for m in points) else "")


def crashes(days: Sequence[CrashDay]) -> str:
    """The day on which most markets were breached at once."""
    worst = max(days, key=lambda d: (d.markets_breached, d.excess))
    name = f" ({worst.name})" if worst.name else ""
    return (f"{len(days)} days; on the worst, {wording.date(worst.ts)}{name}, {worst.markets_breached} of "
            f"{worst.markets_observed} markets were breached at once.")
