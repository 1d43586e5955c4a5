"""Volatility through time, realised and implied, and the tails of standardised losses."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from leverline.report.beside.content import ImpliedPath
from leverline.report.content import TailFit, VolatilityPath
from leverline.report.figures.drawing import DASH, PERCENT, POINTS, milliseconds, single, time_range
from leverline.report.theme import axis, colour, layout
from leverline.report.thinning import displayed_rows, displayed_tail

TAIL_SYMBOL = {"long": "circle-open", "short": "x-thin-open"}


def volatility(path: VolatilityPath, points: int = POINTS) -> go.Figure:
    """Forecast volatility per day through time."""
    rows = displayed_rows([path.sigma_per_day], points)
    figure = go.Figure()
    figure.add_scatter(x=milliseconds(path.ts[rows]), y=single(100 * path.sigma_per_day[rows]),
                       name=escape(path.estimator), mode="lines", line={"color": colour("long"), "width": 1.4},
                       hovertemplate="%{x|%Y-%m-%d}: %{y:.3g} % per day")
    figure.update_layout(**layout(
        xaxis=axis(type="date", range=time_range(path.ts[np.isfinite(path.sigma_per_day)])),
        yaxis=axis(title={"text": "volatility per day", "standoff": 8}, **PERCENT),
        showlegend=False,
    ))
    return figure


def implied(path: ImpliedPath, points: int = POINTS) -> go.Figure:
    """Volatility through time as measured, as the index implies it, and as it was used."""
    lines = (("realised", path.realised, {"color": colour("calibrated"), "width": 1.3, "dash": "dot"}),
             ("implied, its bias removed", path.implied, {"color": colour("short"), "width": 1.3, "dash": "dash"}),
             ("blended, as used", path.blended, {"color": colour("long"), "width": 1.9}))
    rows = displayed_rows([sigma for _, sigma, _ in lines], points) if path.ts.size else np.empty(0, np.int64)
    figure = go.Figure()
    for name, sigma, line in lines:
        figure.add_scatter(x=milliseconds(path.ts[rows]), y=single(100 * sigma[rows]), name=name, mode="lines",
                           line=line, hovertemplate="%{x|%Y-%m-%d}: %{y:.3g} % per day")
    figure.update_layout(**layout(
        xaxis=axis(type="date", range=time_range(path.ts)),
        yaxis=axis(title={"text": "volatility per day", "standoff": 8}, **PERCENT)))
    return figure


def tail(fits: Sequence[TailFit], points: int = POINTS) -> go.Figure:
    """Survival plot, log-log: observed losses, fitted tails, and the points the confidence picks on them."""
    figure = go.Figure()
    for fit in fits:
        role, scale = colour(fit.side), 100.0 if fit.as_percent else 1.0
        loss, exceeded = displayed_tail(fit.losses, points // 3)
        figure.add_scatter(x=single(scale * loss), y=single(100 * exceeded), mode="markers",
                           name=f"{fit.side}, observed",
                           marker={"symbol": TAIL_SYMBOL[fit.side], "size": 5, "color": role,
                                   "line": {"width": 1, "color": role}},
                           hovertemplate="loss %{x:.3g}: %{y:.3g} %")
        figure.add_scatter(x=single(scale * fit.fitted_loss), y=single(100 * fit.fitted_exceedance), mode="lines",
                           name=f"{fit.side}, fitted", line={"color": role, "width": 1.8, "dash": DASH[fit.side]},
                           hovertemplate="loss %{x:.3g}: %{y:.3g} %")
        figure.add_scatter(x=[scale * fit.quantile], y=[100 * fit.exceedance], mode="markers",
                           name=f"{fit.side}, at confidence", showlegend=False, error_x=_interval(fit, scale),
                           marker={"symbol": "diamond", "size": 11, "color": role,
                                   "line": {"color": colour("page"), "width": 1.2}},
                           hovertemplate="loss %{x:.3g} at %{y:.3g} %")
    unit, percent = (fits[0].loss_unit, fits[0].as_percent) if fits else ("", False)
    suffix = "\u00a0%" if percent else ""
    figure.update_layout(**layout(
        xaxis=axis(type="log", range=_tail_range(figure), dtick="D2", tickformat="~g", ticksuffix=suffix,
                   title={"text": escape(f"loss, {unit} (log scale)"), "standoff": 8}),
        yaxis=axis(type="log", dtick=1, ticksuffix="\u00a0%", tickformat="~g",
                   title={"text": "exceeded with probability (log scale)", "standoff": 8}),
    ))
    return figure


def _tail_range(figure: go.Figure) -> list[float] | None:
    """Decades of loss to draw: from a twelfth of the lowest quantile (the body is of no interest) to the largest."""
    drawn = [x for trace in figure.data for x in np.asarray(trace.x, float) if np.isfinite(x) and x > 0]
    quantiles = [float(trace.x[0]) for trace in figure.data if trace.name.endswith("at confidence")]
    lowest = min((q for q in quantiles if q > 0), default=None)
    return None if lowest is None else [float(np.log10(lowest / 12)), float(np.log10(1.15 * max(drawn)))]


def _interval(fit: TailFit, scale: float) -> dict[str, Any]:
    """Asymmetric horizontal error bar of a tail's quantile, none where it has no interval."""
    if fit.quantile_low is None or fit.quantile_high is None:
        return {"visible": False}
    return {"type": "data", "array": [scale * (fit.quantile_high - fit.quantile)], "thickness": 1.6, "width": 5,
            "arrayminus": [scale * (fit.quantile - fit.quantile_low)], "color": colour(fit.side)}
