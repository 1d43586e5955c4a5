"""The requirement by position size: published steps, calibrated curve, parts, margin period."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from leverline.ground.arrays import FloatArray
from leverline.model import Tier
from leverline.model.quantities import UNITS_PER_ONE
from leverline.report import wording
from leverline.report.content import RequirementCurve
from leverline.report.figures.drawing import PERCENT, single
from leverline.report.theme import PARTS, axis, colour, layout

PERIOD_UNITS = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))


def requirement(curve: RequirementCurve | None, tiers: tuple[Tier, ...], currency: str = "") -> go.Figure:
    """Published rates over notional, and under them, thin, the calibrated curve they were cut from."""
    figure = go.Figure()
    low, high = _notional_range(curve, tiers)
    if tiers:
        _published(figure, tiers, low, high)
    if curve is not None:
        for name, rate, role in (("initial", curve.initial_rate, "long"), ("maintenance", curve.maintenance_rate,
                                                                          "short")):
            figure.add_scatter(x=single(curve.notional), y=single(100 * rate), name=f"{name}, calibrated", mode="lines",
                               line={"color": colour(role), "width": 1.2, "dash": "dot"},
                               hovertemplate="%{x:.3s}: %{y:.3g} %")
    figure.update_layout(**layout(
        xaxis=size_axis(currency, range=[np.log10(low), np.log10(high)]),
        yaxis=axis(title={"text": "margin rate", "standoff": 8}, **PERCENT) | {"range": [0, 1.14 * _highest(figure)]},
    ))
    return figure


def _published(figure: go.Figure, tiers: tuple[Tier, ...], low: float, high: float) -> None:
    floors = np.array([max(t.notional_floor / UNITS_PER_ONE, low) for t in tiers])
    caps = np.array([high if t.notional_cap is None else t.notional_cap / UNITS_PER_ONE for t in tiers])
    initial = np.array([100 * t.initial_margin_rate for t in tiers])
    figure.add_scatter(x=np.append(floors, caps[-1]), y=np.append(initial, initial[-1]), name="initial, published",
                       mode="lines", line={"color": colour("long"), "width": 2.6, "shape": "hv"},
                       hovertemplate="from %{x:.3s}: %{y:.3g} %")
    grid = np.unique(np.concatenate([np.geomspace(low, caps[-1], 100), floors, caps]))
    of_tier = np.clip(np.searchsorted(caps, grid), 0, len(tiers) - 1)
    rate = np.array([t.maintenance_margin_rate for t in tiers])[of_tier]
    deduction = np.array([t.maintenance_deduction / UNITS_PER_ONE for t in tiers])[of_tier]
    figure.add_scatter(x=grid, y=100 * (rate - deduction / grid), name="maintenance, published", mode="lines",
                       line={"color": colour("short"), "width": 2.6, "dash": "dash"},
                       hovertemplate="%{x:.3s}: %{y:.3g} %")
    figure.add_scatter(x=np.sqrt(floors * caps), y=initial, mode="text", textposition="top center", hoverinfo="skip",
                       text=_step_labels(tiers), showlegend=False, cliponaxis=False,
                       textfont={"color": colour("long"), "size": 13}, name="leverage")


def _highest(figure: go.Figure) -> float:
    """The largest ordinate drawn; 1 where nothing is."""
    tops = [float(np.nanmax(trace.y)) for trace in figure.data if len(trace.y)]
    return max(tops, default=1.0)


def _step_labels(tiers: tuple[Tier, ...]) -> list[str]:
    """The leverage of each tier that differs from the tier below."""
    highest = [t.max_leverage for t in tiers]
    return ["" if below == own else wording.leverage(own) or ""
            for own, below in zip(highest, [None, *highest[:-1]], strict=True)]


def _notional_range(curve: RequirementCurve | None, tiers: tuple[Tier, ...]) -> tuple[float, float]:
    """Lowest and highest notional drawn: the curve's, else four decades below the last finite boundary."""
    bounds = [t.notional_cap / UNITS_PER_ONE for t in tiers if t.notional_cap is not None]
    if curve is not None:
        return float(curve.notional[0]), float(max([curve.notional[-1], *bounds[-1:]]))
    high = bounds[-1] if bounds else 1e6
    return high / 1e4, high


def requirement_parts(curve: RequirementCurve, currency: str = "") -> go.Figure:
    """What the calibrated maintenance rate is made of, stacked over notional."""
    figure = _stacked(curve.notional, [(name, 100 * rate) for name, rate in curve.parts], " %")
    figure.update_layout(**layout(
        xaxis=size_axis(currency), yaxis=axis(title={"text": "maintenance rate", "standoff": 8}, **PERCENT),
        legend_traceorder="normal"))
    return figure


def margin_period(curve: RequirementCurve, currency: str = "") -> go.Figure:
    """How long a position can lose before it is closed: what all sizes share, and above it the time to liquidate."""
    period = np.zeros(0) if curve.margin_period_s is None else curve.margin_period_s
    size_s, unit = next(((s, name) for s, name in PERIOD_UNITS if period.max(initial=0.0) >= 2.0 * s), PERIOD_UNITS[-1])
    fixed = np.full_like(period, curve.fixed_period_s / size_s)
    figure = _stacked(curve.notional, [("detection and oracle delay", fixed), ("liquidation", period / size_s - fixed)],
                      f" {unit}")
    figure.update_layout(**layout(
        xaxis=size_axis(currency), legend_traceorder="normal",
        yaxis=axis(title={"text": f"margin period, {unit}", "standoff": 8}, rangemode="tozero")))
    return figure


def size_axis(currency: str, **changes: Any) -> dict[str, Any]:
    """The axis of position sizes, decades of ``currency``."""
    title = f"position notional{f', {currency}' if currency else ''} (log scale)"
    return axis(type="log", dtick=1, tickformat="~s", title={"text": escape(title), "standoff": 8}, **changes)


def _stacked(notional: FloatArray, parts: Sequence[tuple[str, FloatArray]], unit: str) -> go.Figure:
    """Parts over notional, one upon the other, each with its own pattern."""
    figure = go.Figure()
    patterns = ("", "/", ".", "x", "-")
    for i, (name, values) in enumerate(parts):
        role = PARTS[i % len(PARTS)]
        figure.add_scatter(x=single(notional), y=single(values), name=escape(name), mode="lines",
                           stackgroup="parts", line={"color": colour(role), "width": 0.8}, fillcolor=colour(role),
                           fillpattern={"shape": patterns[i % len(patterns)], "fgcolor": colour("page"), "size": 7,
                                        "solidity": 0.16, "fillmode": "overlay"},
                           hovertemplate=f"%{{x:.3s}}: %{{y:.3g}}{unit}")
    return figure
