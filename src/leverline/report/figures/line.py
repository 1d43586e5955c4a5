"""The line beyond margins: bounds on open interest, collateral, fees, the fund, offsets, the factor from coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from leverline.model.collateral import AssetLimits
from leverline.report.figures.drawing import PERCENT, single
from leverline.report.figures.limits import size_axis
from leverline.report.line.content import KINDS, FactorPath, FeeCurve, FundPicture, MarketBounds, PairPoint
from leverline.report.theme import PARTS, axis, colour, layout

MOST_ROWS = 60
"""Rows of a chart; of more, the first are drawn."""
MOST_LOSERS = 15
"""Markets whose own shortfall is drawn, the largest."""
_MARKS = ("circle", "diamond", "square", "cross", "triangle-up")


def cap_bounds(markets: Sequence[MarketBounds], currency: str = "") -> go.Figure:
    """Every bound on open interest, a row a market; the leftmost mark of a row binds."""
    figure = go.Figure()
    shown = [m for m in markets[:MOST_ROWS] if m.bounds]
    for name, ink, mark in zip(KINDS, PARTS, _MARKS, strict=True):
        points = [(b.notional, escape(m.symbol)) for m in shown for b in m.bounds if b.kind == name]
        if points:
            figure.add_scatter(x=[x for x, _ in points], y=[y for _, y in points], mode="markers", name=name,
                               marker={"color": colour(ink), "symbol": mark, "size": 9},
                               hovertemplate="%{y}: %{x:.3s}")
    firsts = [(m.bounds[0].notional, escape(m.symbol)) for m in shown]
    figure.add_scatter(x=[x for x, _ in firsts], y=[y for _, y in firsts], mode="markers", name="binds",
                       marker={"color": colour("ink"), "symbol": "circle-open", "size": 16, "line": {"width": 1.6}},
                       hoverinfo="skip")
    figure.update_layout(**layout(
        height=_height(len(shown)),
        xaxis=size_axis(currency) | {"title": {
            "text": f"open interest allowed{', ' + currency if currency else ''} (log scale)", "standoff": 8}},
        yaxis=axis(autorange="reversed", type="category")))
    return figure


def collateral(assets: Mapping[str, AssetLimits]) -> go.Figure:
    """LTV, liquidation threshold and the LTV past which liquidation harms, a row an asset."""
    figure = go.Figure()
    rows = list(assets.items())[:MOST_ROWS]
    names = [escape(asset) for asset, _ in rows]
    for field, name, ink, mark in (("ltv", "opens (LTV)", "long", "circle"),
                                   ("liquidation_threshold", "is liquidated (threshold)", "breach", "diamond"),
                                   ("harmful_above_ltv", "liquidation harms past", "calibrated", "line-ns-open")):
        figure.add_scatter(x=[_percent(getattr(limits, field)) for _, limits in rows], y=names, mode="markers",
                           name=name, marker={"color": colour(ink), "symbol": mark, "size": 11},
                           hovertemplate="%{y}: %{x:.1f} %")
    figure.update_layout(**layout(
        height=_height(len(rows)), xaxis=axis(ticksuffix=PERCENT["ticksuffix"], range=[0, 102], title={
            "text": "debt over value of collateral", "standoff": 8}),
        yaxis=axis(autorange="reversed", type="category")))
    return figure


def taker_fees(curve: FeeCurve) -> go.Figure:
    """Taker fee over volatility, with the range that demand leaves open and each market's place today."""
    figure = go.Figure()
    x, low, high = (single(v) for v in (curve.ratio, 100 * np.minimum(curve.low, curve.high),
                                        100 * np.maximum(curve.low, curve.high)))
    figure.add_scatter(x=x, y=high, mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip")
    figure.add_scatter(x=x, y=low, mode="lines", line={"width": 0}, fill="tonexty", fillcolor=colour("band"),
                       name="range of elasticity", hoverinfo="skip")
    figure.add_scatter(x=x, y=single(100 * curve.fee), mode="lines", name="taker fee",
                       line={"color": colour("long"), "width": 2.6}, hovertemplate="%{x:.2f} times: %{y:.4f} %")
    figure.add_scatter(x=[r for _, r, _ in curve.markets], y=[100 * f for _, _, f in curve.markets], mode="markers",
                       name="today", text=[escape(s) for s, _, _ in curve.markets],
                       marker={"color": colour("breach"), "symbol": "diamond", "size": 9},
                       hovertemplate="%{text}: %{x:.2f} times, %{y:.4f} %")
    figure.update_layout(**layout(
        xaxis=axis(title={"text": "volatility over its median of a year", "standoff": 8}),
        yaxis=axis(title={"text": "taker fee", "standoff": 8}, **PERCENT)))
    return figure


def fund(picture: FundPicture, currency: str = "") -> go.Figure:
    """Each market's own shortfall, and what all of them cost together under either dependence."""
    figure = go.Figure()
    markets = picture.by_market[:MOST_LOSERS]
    together = [*picture.sources, (f"{picture.owners} largest owners", picture.cover)] if picture.owners else [
        *picture.sources]
    figure.add_bar(x=[lost for _, lost in together], y=[escape(name) for name, _ in together], orientation="h",
                   name="together", marker={"color": colour("part_2"), "pattern": {"shape": "/"}},
                   hovertemplate="%{y}: %{x:.3s}")
    figure.add_bar(x=[lost for _, lost in markets], y=[escape(symbol) for symbol, _ in markets], orientation="h",
                   name="one market alone", marker={"color": colour("part_1")}, hovertemplate="%{y}: %{x:.3s}")
    figure.update_layout(**layout(
        height=_height(len(markets) + len(together)),
        xaxis=axis(exponentformat="SI", rangemode="tozero", title={
            "text": f"expected shortfall beyond margin{', ' + currency if currency else ''}", "standoff": 8}),
        yaxis=axis(autorange="reversed", type="category")))
    return figure


def offsets(pairs: Sequence[PairPoint], least: float) -> go.Figure:
    """Credit given over the correlation that a pair is sure of; the vertical line is the least that earns any."""
    figure = go.Figure()
    for given, name, ink, mark in ((True, "offset", "good", "circle"), (False, "none", "muted", "x-thin-open")):
        kept = [p for p in pairs if (p.credit > 0) == given]
        if kept:
            figure.add_scatter(x=[p.lower for p in kept], y=[100 * p.credit for p in kept], mode="markers", name=name,
                               text=[escape(f"{p.first}, {p.second}") for p in kept],
                               marker={"color": colour(ink), "symbol": mark, "size": 8},
                               hovertemplate="%{text}: %{x:.2f}, %{y:.0f} %")
    figure.add_vline(x=least, line={"color": colour("ink"), "width": 1.2, "dash": "longdash"})
    figure.update_layout(**layout(
        xaxis=axis(title={"text": "lower bound of the correlation in stress", "standoff": 8},
                   range=[min([0.0, *(p.lower for p in pairs)]), 1.02]),
        yaxis=axis(title={"text": "credit on the smaller leg", "standoff": 8}, range=[-4, 104],
                   ticksuffix=PERCENT["ticksuffix"])))
    return figure


def factor(path: FactorPath) -> go.Figure:
    """The factor on margins through time, between its clips."""
    figure = go.Figure()
    figure.add_scatter(x=np.arange(path.factor.size), y=single(path.factor), mode="lines", name="factor on margins",
                       line={"color": colour("long"), "width": 1.8, "shape": "hv"},
                       hovertemplate="step %{x}: %{y:.3f}")
    for at in (path.lowest, path.highest):
        figure.add_hline(y=at, line={"color": colour("muted"), "width": 1.2, "dash": "dash"})
    figure.update_layout(**layout(
        height=260, showlegend=False, xaxis=axis(title={"text": "steps observed", "standoff": 8}),
        yaxis=axis(title={"text": "factor on margins", "standoff": 8})))
    return figure


def _percent(rate: float | None) -> float | None:
    return None if rate is None else 100.0 * rate


def _height(rows: int) -> int:
    return 150 + 26 * max(2, rows)
