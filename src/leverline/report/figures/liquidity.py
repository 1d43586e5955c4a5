"""What closing a position costs by its size, and what is known of it from where."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import plotly.graph_objects as go

from leverline.ground.arrays import IntArray
from leverline.measure.cost_curve import SOURCES
from leverline.report import wording
from leverline.report.beside.content import LiquidationCost
from leverline.report.figures.drawing import PERCENT, single
from leverline.report.figures.limits import size_axis
from leverline.report.theme import axis, colour, layout

SOURCE_DASH = {"book": "solid", "bands": "dash", "volume": "dot"}
SOURCE_NAMES = {"book": "from the book", "bands": "from depth bands", "volume": "from volume (square root)"}
ROOM = 3.0
"""The rate axis ends at so many times what matters on it, budget and cost at the cap."""
DECADES = 4.0
"""At most so many decades below its end are drawn: cheaper is nobody's concern."""


def liquidation_cost(cost: LiquidationCost, currency: str = "") -> go.Figure:
    """Cost of closing at once over notional, log-log: as used and, thin, without stress; budget and cap as lines."""
    figure = go.Figure()
    figure.add_scatter(x=single(cost.notional), y=single(100 * cost.calm_rate), mode="lines",
                       name="unstressed, one account", line={"color": colour("calibrated"), "width": 1.1},
                       hovertemplate="%{x:.3s}: %{y:.3g} %")
    source = np.array([SOURCES.index(name) for name in cost.source])
    for start, stop in _runs(source):
        name = SOURCES[int(source[start])]
        rows = slice(max(0, start - 1), stop)  # a run starts where the one before ended, so that the line has no gap
        if not np.isfinite(cost.rate[start:stop]).any():
            continue  # beyond the visible, where no volume is known
        figure.add_scatter(x=single(cost.notional[rows]), y=single(100 * cost.rate[rows]), mode="lines",
                           name=SOURCE_NAMES[name], legendgroup=name,
                           line={"color": colour(name), "width": 2.6, "dash": SOURCE_DASH[name]},
                           hovertemplate="%{x:.3s}: %{y:.3g} %")
    low, high = (float(np.log10(cost.notional[i])) for i in (0, -1))
    _mark_budget(figure, cost)
    figure.update_layout(**layout(
        xaxis=size_axis(currency, range=[low, high]),
        yaxis=axis(type="log", dtick=1, tickformat="~g", ticksuffix=PERCENT["ticksuffix"], range=_rate_range(cost),
                   title={"text": "cost of closing (log scale)", "standoff": 8})))
    return figure


def _mark_budget(figure: go.Figure, cost: LiquidationCost) -> None:
    """The budget from left to right, the position cap from below to above, each named."""
    ink = colour("breach")
    figure.add_hline(y=100 * cost.budget_rate, line={"color": ink, "width": 1.4, "dash": "dashdot"})
    figure.add_annotation(x=0.01, xref="paper", y=float(np.log10(100 * cost.budget_rate)), showarrow=False,
                          text=f"budget {wording.percent(cost.budget_rate)}", xanchor="left", yanchor="bottom",
                          font={"color": ink, "size": 12})
    if cost.cap is not None:
        figure.add_vline(x=cost.cap, line={"color": colour("ink"), "width": 1.2, "dash": "longdash"})
        figure.add_annotation(x=float(np.log10(cost.cap)), y=0.97, yref="paper", text="position cap", showarrow=False,
                              xanchor="right", xshift=-5, yanchor="top", bgcolor=colour("page"))


def _rate_range(cost: LiquidationCost) -> list[float]:
    """Decades of percent to draw, from the cheapest that is known to a little above budget and cost at the cap."""
    at_cap = 0.0 if cost.cap is None else float(np.interp(cost.cap, cost.notional, cost.rate))
    top = np.log10(100 * ROOM * max(cost.budget_rate, at_cap if np.isfinite(at_cap) else 0.0))
    both = np.concatenate([cost.rate, cost.calm_rate])
    lowest = np.log10(100 * np.min(both, where=both > 0, initial=cost.budget_rate))
    return [float(max(lowest, top - DECADES)), float(top)]


def _runs(labels: IntArray) -> list[tuple[int, int]]:
    """Stretches (start, stop) of equal labels."""
    return list(pairwise([0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), labels.size]))
