"""Methods beside one another, and markets breached at once."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from leverline.report import wording
from leverline.report.content import CrashDay, MethodPoint
from leverline.report.figures.drawing import iso
from leverline.report.theme import axis, colour, layout


def methods(points: Sequence[MethodPoint]) -> go.Figure:
    """Methods side by side, one row each: coverage, cost, procyclicality. The default is a filled diamond."""
    ordered = sorted(points, key=lambda m: m.quantile_score, reverse=True)  # the best ends up on top
    names = [escape(m.name) for m in ordered]
    symbols = ["diamond" if m.is_default else "circle-open" if m.in_confidence_set is not False else "x-thin-open"
               for m in ordered]
    inks = [colour("long") if m.in_confidence_set is not False else colour("muted") for m in ordered]
    panels = [("breached", [100 * m.exceedance_rate for m in ordered], "\u00a0%"),
              ("margin", [100 * m.mean_margin for m in ordered], "\u00a0%"),
              ("rise", [m.max_increase_5 for m in ordered], "x")]
    figure = make_subplots(rows=1, cols=3, shared_yaxes=True, horizontal_spacing=0.045)
    figure.update_layout(**layout(height=110 + 30 * len(names), showlegend=False,
                                  margin={"l": 8, "r": 14, "t": 30, "b": 34}))
    for column, (title, values, suffix) in enumerate(panels, start=1):
        figure.add_scatter(x=values, y=names, mode="markers", row=1, col=column, name=title, cliponaxis=False,
                           hovertemplate=f"%{{y}}: %{{x:.3g}}{suffix}<extra>{title}</extra>",
                           marker={"symbol": symbols, "size": 11, "color": inks, "line": {"width": 2, "color": inks}})
        spread = max(values) - min(values) or 1.0
        figure.update_xaxes(**axis(ticksuffix=suffix, nticks=3, tickangle=0, tickformat="~g",
                                   range=[max(0.0, min(values) - 0.2 * spread), max(values) + 0.2 * spread]),
                            row=1, col=column)
        figure.update_yaxes(**axis(showgrid=True, ticks="", showline=False), row=1, col=column)
        figure.add_annotation(text=title, xref="x domain" if column == 1 else f"x{column} domain", yref="paper", x=0,
                              y=1, xanchor="left", yanchor="bottom", yshift=6, showarrow=False)
    _nominal(figure, [m.exceedance_rate for m in ordered], 1.0 - ordered[0].confidence)
    return figure


def _nominal(figure: go.Figure, rates: list[float], allowed: float) -> None:
    """A dotted line at the allowed rate in the first panel, inside its range."""
    low, high = min([*rates, allowed]), max([*rates, allowed])
    room = 0.2 * (high - low or allowed)
    figure.update_xaxes(range=[100 * max(0.0, low - room), 100 * (high + room)], row=1, col=1)
    figure.add_vline(x=100 * allowed, row=1, col=1, line={"color": colour("breach"), "width": 1.4, "dash": "dot"})


def crashes(days: Sequence[CrashDay]) -> go.Figure:
    """Markets breached at once, over time; the days with a name and the worst few carry it."""
    ordered = sorted(days, key=lambda d: d.ts)
    counts = [d.markets_breached for d in ordered]
    labelled = _labelled_days(ordered, counts)
    text = [escape(d.name or wording.date(d.ts)) if i in labelled else "" for i, d in enumerate(ordered)]
    when = [iso(d.ts) for d in ordered]
    stems = [value for w in when for value in (w, w, None)]
    heights = [value for c in counts for value in (0, c, None)]
    figure = go.Figure()
    figure.add_scatter(x=stems, y=heights, mode="lines", line={"color": colour("rule"), "width": 1.4},
                       hoverinfo="skip", name="stems")
    figure.add_scatter(x=when, y=counts, mode="markers+text", text=text, textposition="top center", cliponaxis=False,
                       hovertemplate="%{x|%Y-%m-%d}: %{y} markets<extra></extra>", name="markets breached",
                       marker={"symbol": "triangle-down", "size": 9, "color": colour("breach")})
    most = max((d.markets_observed for d in ordered), default=1)
    figure.update_layout(**layout(
        xaxis=axis(type="date"), showlegend=False, height=260, margin={"l": 56, "r": 14, "t": 28, "b": 44},
        yaxis=axis(title={"text": f"markets breached, of {most}", "standoff": 8}, rangemode="tozero",
                   range=[0, max(counts, default=1) * 1.15 + 0.2], nticks=5, tickformat="d"),
    ))
    return figure


def _labelled_days(days: Sequence[CrashDay], counts: Sequence[int], most: int = 4) -> set[int]:
    """Which days carry their name: named ones first, then those with most markets; never two close together.

    A nameless day with less than half the most markets has none.
    """
    reach = max(1, days[-1].ts - days[0].ts) if days else 1
    chosen: set[int] = set()
    for i in sorted(range(len(days)), key=lambda i: (days[i].name is None, -counts[i], -days[i].excess)):
        worth = days[i].name is not None or 2 * counts[i] >= max(counts)
        if worth and len(chosen) < most and all(abs(days[i].ts - days[k].ts) > 0.14 * reach for k in chosen):
            chosen.add(i)
    return chosen
