"""Whole results at a glance: leverage of all markets, breaches of all sides, a book against another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from leverline.calibrate.diff import CurvePoint
from leverline.model import Tier
from leverline.model.quantities import UNITS_PER_ONE
from leverline.report import wording
from leverline.report.content import CoverageRow
from leverline.report.figures.drawing import PERCENT
from leverline.report.figures.limits import size_axis
from leverline.report.theme import PARTS, axis, colour, layout

SMALLEST_NOTIONAL = 1_000.0
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
NAMED_MARKETS = 10
"""Up to so many markets each has a line of its own kind; of more, lines are alike and named on hover."""


def ladders(instruments: Mapping[str, Sequence[Tier]], currency: str = "") -> go.Figure:
    """Highest leverage over notional, a step line a market."""
    figure = go.Figure()
    few = len(instruments) <= NAMED_MARKETS
    bounds = [t.notional_cap / UNITS_PER_ONE for tiers in instruments.values() for t in tiers if t.notional_cap]
    high = max(bounds, default=1e3 * SMALLEST_NOTIONAL)
    for i, (symbol, tiers) in enumerate(instruments.items()):
        floors = [max(t.notional_floor / UNITS_PER_ONE, SMALLEST_NOTIONAL) for t in tiers]
        end = high if tiers[-1].notional_cap is None else tiers[-1].notional_cap / UNITS_PER_ONE
        highest = [t.max_leverage for t in tiers]
        figure.add_scatter(x=[*floors, end], y=[*highest, highest[-1]], name=escape(symbol), mode="lines",
                           line=_line(i, 2.2) | {"shape": "hv"} if few else
                           {"color": colour("muted"), "width": 1.0, "shape": "hv"},
                           hovertemplate="from %{x:.3s}: %{y:g}x")
    figure.update_layout(**layout(
        xaxis=size_axis(currency), showlegend=few,
        yaxis=axis(title={"text": "highest leverage", "standoff": 8}, ticksuffix="x", rangemode="tozero")))
    return figure


def _line(i: int, width: float) -> dict[str, str | float]:
    """Colour and dash of the i-th of several lines; neither alone tells them apart."""
    return {"color": colour(PARTS[i % len(PARTS)]), "width": width, "dash": DASHES[(i + i // len(PARTS)) % len(DASHES)]}


def breach_rates(rows: Sequence[CoverageRow]) -> go.Figure:
    """Breached share a market and side against what was allowed, with the band of a right model; one rule's rows."""
    labels = [escape(f"{r.symbol} {r.side}") for r in rows]
    figure = go.Figure()
    spans_x: list[float | None] = []
    spans_y: list[str | None] = []
    for row, label in zip(rows, labels, strict=True):
        if row.observations and row.band_low is not None and row.band_high is not None:
            spans_x += [100 * row.band_low / row.observations, 100 * row.band_high / row.observations, None]
            spans_y += [label, label, None]
    figure.add_scatter(x=spans_x, y=spans_y, mode="lines", line={"color": colour("rule"), "width": 7}, name="band",
                       hoverinfo="skip")
    for layer, name, symbol, role, size in (("model", "model", "circle-open", "calibrated", 13),
                                            ("book", "published", "diamond", "long", 8)):
        own = [(100 * r.exceedances / r.observations, label) for r, label in zip(rows, labels, strict=True)
               if r.layer == layer and r.observations]
        figure.add_scatter(x=[share for share, _ in own], y=[label for _, label in own], mode="markers", name=name,
                           marker={"symbol": symbol, "size": size, "color": colour(role),
                                   "line": {"width": 1.6, "color": colour(role)}},
                           hovertemplate="%{y}: %{x:.3g} %")
    figure.add_vline(x=100 * (1 - rows[0].confidence), line={"color": colour("breach"), "width": 1.4, "dash": "dot"})
    allowed = wording.exceedance_words(rows[0].confidence, rows[0].horizon_s)
    figure.update_layout(**layout(
        height=120 + 26 * len(set(labels)), margin={"l": 8, "r": 14, "t": 12, "b": 44},
        xaxis=axis(title={"text": escape(f"breached; allowed {allowed}"), "standoff": 8}, **PERCENT),
        yaxis=axis(autorange="reversed", ticks="", showline=False)))
    return figure


def book_change(points: Iterable[CurvePoint], currency: str = "") -> go.Figure:
    """Highest leverage at the sizes where it changed, the old book thin and dashed, the new one thick."""
    by_symbol: dict[str, list[CurvePoint]] = {}
    for point in points:
        by_symbol.setdefault(point.symbol, []).append(point)
    figure = go.Figure()
    for i, (symbol, changed) in enumerate(by_symbol.items()):
        ink = colour(PARTS[i % len(PARTS)])
        sizes = [p.notional for p in changed]
        for name, values, line in (
            ("old", [p.old_leverage for p in changed], {"color": ink, "width": 1.3, "dash": "dash"}),
            ("new", [p.new_leverage for p in changed], {"color": ink, "width": 2.6}),
        ):
            drawn = np.array([np.nan if v is None else v for v in values])
            figure.add_scatter(x=sizes, y=drawn, mode="lines+markers", name=f"{escape(symbol)}, {name}", line=line,
                               marker={"size": 6, "color": ink}, hovertemplate="%{x:.3s}: %{y:g}x")
    if not by_symbol:
        figure.add_annotation(text="no size is asked more or less", x=0.5, y=0.5, xref="paper", yref="paper",
                              showarrow=False, font={"color": colour("muted"), "size": 13})
    figure.update_layout(**layout(
        xaxis=size_axis(currency), showlegend=len(by_symbol) <= NAMED_MARKETS,
        yaxis=axis(title={"text": "highest leverage", "standoff": 8}, ticksuffix="x", rangemode="tozero")))
    return figure
