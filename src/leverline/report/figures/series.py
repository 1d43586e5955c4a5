"""The backtest through time: breaches on the price, margin with its extremes."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.report import wording
from leverline.report.content import MarginSeries, Side
from leverline.report.figures.drawing import DASH, PERCENT, POINTS, SIDES, iso, milliseconds, single, time_range
from leverline.report.theme import axis, colour, layout
from leverline.report.thinning import displayed_rows

BREACH_SYMBOL = {"long": "triangle-down", "short": "triangle-up"}
RISE_PERIODS = 5


def coverage(series: MarginSeries, points: int = POINTS) -> go.Figure:
    """Price, the band its margin covers, and a mark wherever a window's worst price left that band.

    A mark stands at ``price * (1 - loss)`` for a long, ``price * (1 + loss)`` for a short: the worst price for a
    linear payoff. Every breach is marked, however much the lines are thinned.
    """
    figure = go.Figure()
    sides = {side: columns for side in SIDES if (columns := series.of_side(side)) is not None}
    keep = np.zeros(series.ts.size, bool)
    for _, _, breach in sides.values():
        keep |= breach
    rows = displayed_rows([series.price], points, keep)
    ms, price = milliseconds(series.ts[rows]), series.price[rows]
    below, above = (sides[s][0][rows] if s in sides else np.zeros(rows.size) for s in SIDES)
    band_x, band_y = _band(ms, price * np.maximum(1 - below, 0.02), price * (1 + above))
    figure.add_scatter(x=band_x, y=single(band_y), mode="lines", fill="toself", fillcolor=colour("band"),
                       line={"width": 0}, name="covered by margin", hoverinfo="skip")
    figure.add_scatter(x=ms, y=single(price), mode="lines", name="price", hovertemplate="%{x|%Y-%m-%d}: %{y:.4g}",
                       line={"color": colour("calibrated"), "width": 1.1})
    for side, (margin, loss, breach) in sides.items():
        _breaches(figure, series, side, margin, loss, breach)
    figure.update_layout(**layout(
        xaxis=axis(type="date", range=time_range(series.ts)), height=360,
        yaxis=axis(type="log", dtick="D2", tickformat="~s", title={"text": "price (log scale)", "standoff": 8}),
    ))
    return figure


def _breaches(figure: go.Figure, series: MarginSeries, side: Side, margin: FloatArray, loss: FloatArray,
              breach: BoolArray) -> None:
    at = np.flatnonzero(breach)
    sign = -1.0 if side == "long" else 1.0
    worst = series.price[at] * np.maximum(1 + sign * loss[at], 0.02)
    text = [f"{wording.date(int(series.ts[i]))}: {side} lost {wording.percent(loss[i])} of notional, margin "
            f"{wording.percent(margin[i])}" for i in at]
    ink = colour("breach" if side == "long" else "short")
    figure.add_scatter(x=milliseconds(series.ts[at]), y=worst, mode="markers", text=text,
                       name=f"{side} breached ({at.size})", hovertemplate="%{text}<extra></extra>",
                       marker={"symbol": BREACH_SYMBOL[side], "size": 9, "color": ink,
                               "line": {"color": colour("page"), "width": 0.8}})


def _band(x: FloatArray, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Outline of the area between ``low`` and ``high``, one polygon a run of finite rows, NaN between polygons."""
    finite = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    if not finite.size:
        return np.empty(0), np.empty(0)
    runs = np.split(finite, np.flatnonzero(np.diff(finite) > 1) + 1)
    outline_x = [np.concatenate([x[run], x[run][::-1], [np.nan]]) for run in runs]
    outline_y = [np.concatenate([low[run], high[run][::-1], [np.nan]]) for run in runs]
    return np.concatenate(outline_x)[:-1], np.concatenate(outline_y)[:-1]


def margins(series: MarginSeries, points: int = POINTS) -> go.Figure:
    """Margin through time with its peak, its trough and its largest rise over five windows."""
    figure = go.Figure()
    sides = {side: columns[0] for side in SIDES if (columns := series.of_side(side)) is not None}
    if len(sides) == 2 and np.array_equal(sides["long"], sides["short"], equal_nan=True):
        sides = {"long": sides["long"]}
    names = {"long": "long" if len(sides) == 2 or series.of_side("short") is None else "long and short",
             "short": "short"}
    for side, margin in sides.items():
        rows = displayed_rows([margin], points)
        figure.add_scatter(x=milliseconds(series.ts[rows]), y=single(100 * margin[rows]), mode="lines",
                           name=names[side], line={"color": colour(side), "width": 1.5, "dash": DASH[side]},
                           hovertemplate="%{x|%Y-%m-%d}: %{y:.3g} %")
    in_force = np.isfinite(np.array([*sides.values()])).any(axis=0) if sides else np.zeros(series.ts.size, bool)
    marked = max(sides, key=lambda s: np.nanmax(sides[s], initial=0.0), default=None)
    figure.update_layout(**layout(
        xaxis=axis(type="date", range=time_range(series.ts[in_force])),
        yaxis=axis(title={"text": "margin rate", "standoff": 8}, zeroline=True, zerolinecolor=colour("rule"),
                   **PERCENT),
        showlegend=len(sides) == 2, margin={"l": 56, "r": 14, "t": 30, "b": 44}, height=320,
    ))
    if marked is not None and in_force.any():
        _mark_extremes(figure, series.ts, sides[marked], named=len(sides) == 2, side=marked)
    return figure


def _mark_extremes(figure: go.Figure, ts: IntArray, margin: FloatArray, *, named: bool, side: str) -> None:
    """Annotate peak, trough and the steepest rise of one side's margin."""
    peak, trough = int(np.nanargmax(margin)), int(np.nanargmin(margin))
    of = f" ({side})" if named else ""
    _note(figure, ts, margin, peak, f"peak {wording.percent(margin[peak])}{of}", lift=-22)
    if margin[peak] > margin[trough]:
        _note(figure, ts, margin, trough, f"trough {wording.percent(margin[trough])}{of}", lift=20)
    top = 100 * float(margin[peak]) or 1.0
    figure.update_yaxes(range=[-0.08 * top, 1.14 * top])  # room for a label under a low trough
    rise = largest_rise(margin)
    if rise is None or rise[2] <= 1.0:
        return
    start, end, ratio = rise
    figure.add_scatter(x=milliseconds(ts[[start, end]]), y=100 * margin[[start, end]], mode="lines+markers",
                       showlegend=False, line={"color": colour("breach"), "width": 2.6}, name="largest rise",
                       marker={"size": 6, "symbol": "square", "color": colour("breach")},
                       hovertemplate="%{x|%Y-%m-%d}: %{y:.3g} %")
    middle = 100 * (margin[start] + margin[end]) / 2
    right = start - int(np.flatnonzero(np.isfinite(margin))[0]) > ts.size // 5  # a margin falls slowly: left is free
    figure.add_annotation(x=iso(ts[start]), y=middle, ax=-26 if right else 26, ay=0, showarrow=True, arrowhead=0,
                          arrowwidth=1, arrowcolor=colour("breach"), font={"color": colour("breach"), "size": 12},
                          text=f"×{wording.number(ratio)} in {end - start} windows", bgcolor=colour("page"),
                          xanchor="right" if right else "left")


def largest_rise(margin: FloatArray, periods: int = RISE_PERIODS) -> tuple[int, int, float] | None:
    """Where margin rose most over ``periods`` windows: (from, to, ratio); None without two finite, positive ends.

    It places the mark in the figure; the measure itself is the backtest's.
    """
    if margin.size <= periods:
        return None
    before = margin[:-periods]
    ratio = np.divide(margin[periods:], before, out=np.full(before.size, np.nan), where=before > 0)
    if not np.isfinite(ratio).any():
        return None
    start = int(np.nanargmax(ratio))
    return start, start + periods, float(ratio[start])


def _note(figure: go.Figure, ts: IntArray, margin: FloatArray, row: int, text: str, lift: int) -> None:
    place = row / max(1, ts.size - 1)
    anchor = "left" if place < 0.25 else "right" if place > 0.75 else "center"
    figure.add_annotation(x=iso(ts[row]), y=100 * margin[row], text=text, ax=0, ay=lift, showarrow=True, arrowhead=0,
                          arrowwidth=1, arrowcolor=colour("muted"), xanchor=anchor, bgcolor=colour("page"))
