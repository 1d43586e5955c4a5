"""The course of a replay: prices with breakers, what was closed, funds, losses, accounts. All are step lines."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from leverline.enforce.effects import Breaker, Stage
from leverline.report.figures.drawing import NS_PER_MS, milliseconds, single
from leverline.report.replay.content import PricePicture, ReplayPicture, Steps
from leverline.report.theme import axis, colour, layout

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
STAGES = tuple(stage.value for stage in Stage)
STAGE_INKS = ("long", "volume", "bands", "book", "short", "breach", "calibrated", "muted")
"""By the stage's place in the waterfall, so that a stage looks the same in every run."""
FUND_INKS = ("book", "bands", "short", "long", "muted")
SHADES = {Breaker.REDUCE_ONLY: "reduce_only", Breaker.HALTED: "halted"}
ROW_PX = 150
GAP = 0.07
"""Of the figure's height, between two rows."""

Row = tuple[str, list[go.Scatter]]


def replay_price(price: PricePicture) -> go.Figure:
    """The mark, shaded while the market took reductions only (light) or was halted (darker, with edges)."""
    figure = go.Figure(_price(price))
    _shade(figure, price)
    for state in sorted({part.state for part in price.interruptions}):
        figure.add_scatter(x=[None], y=[None], mode="markers", name=state.value, hoverinfo="skip",
                           marker={"symbol": "square", "size": 13, "color": colour(SHADES[state])})
    figure.update_layout(**layout(
        xaxis=axis(type="date", range=_range(price.mark.ts)), showlegend=bool(price.interruptions),
        yaxis=axis(title={"text": "mark", "standoff": 8}, tickformat="~s")))
    return figure


def replay_closed(closed: Sequence[Steps], currency: str = "") -> go.Figure:
    """Notional closed so far, a line a stage."""
    return _rows([(_in("notional closed", currency), _closed(closed))]).update_layout(showlegend=True)


def replay_funds(funds: Sequence[Steps], currency: str = "") -> go.Figure:
    """Balance of each insurance fund."""
    return _rows([(_in("balance", currency), _funds(funds))])


def replay_losses(bad_debt: Steps, deleveraged: Steps, currency: str = "") -> go.Figure:
    """Bad debt over what winners were made to close; each on its own scale."""
    return _rows([(_in("bad debt", currency), [_line(bad_debt, "breach")]),
                  (_in("deleveraged", currency), [_line(deleveraged, "calibrated", "dash")])])


def replay_accounts(opened: Steps, underwater: Steps) -> go.Figure:
    """Accounts with a position, and those among them whose equity is negative; each on its own scale."""
    return _rows([("open", [_line(opened, "long")]), ("underwater", [_line(underwater, "breach", "dash")])])


def replay(picture: ReplayPicture) -> go.Figure:
    """The whole course over one axis of time: the price with most closed, closings, funds, bad debt, accounts."""
    currency = picture.settlement
    rows: list[Row] = [(escape(price.symbol), [_price(price)]) for price in picture.prices[:1]]
    rows += [(_in("closed", currency), _closed(picture.closed))] if picture.closed else []
    rows += [(_in("fund", currency), _funds(picture.funds))] if picture.funds else []
    rows += [(_in("bad debt", currency), [_line(picture.bad_debt, "breach")]),
             ("open accounts", [_line(picture.open_accounts, "long")])]
    figure = _rows(rows)
    for price in picture.prices[:1]:
        _shade(figure, price)
    return figure


def _shade(figure: go.Figure, price: PricePicture) -> None:
    """Behind the first row, what the market was not open for."""
    figure.update_layout(shapes=[
        {"type": "rect", "xref": "x", "yref": "y domain", "y0": 0, "y1": 1, "layer": "below",
         "x0": part.start_ns / NS_PER_MS, "x1": part.end_ns / NS_PER_MS, "fillcolor": colour(SHADES[part.state]),
         "line": {"width": int(part.state is Breaker.HALTED), "color": colour("halted")}}
        for part in price.interruptions])


def _rows(rows: Sequence[Row]) -> go.Figure:
    """Lines in rows one under the other, one axis of time below; a row's title stands at its own axis."""
    figure, axes = go.Figure(), dict[str, Any]()
    height = (1.0 - GAP * (len(rows) - 1)) / len(rows)
    for place, (title, lines) in enumerate(rows):
        name = "" if place == 0 else str(place + 1)
        top = 1.0 - place * (height + GAP)
        axes[f"yaxis{name}"] = axis(title={"text": title, "standoff": 8}, exponentformat="SI", nticks=5,
                                    rangemode="normal" if place == 0 and len(rows) > 2 else "tozero",
                                    domain=[max(0.0, top - height), top])
        for line in lines:
            figure.add_trace(line.update(yaxis=f"y{name}"))
    spans = [line.x for _, lines in rows for line in lines]
    begin, end = min(span[0] for span in spans), max(span[-1] for span in spans)
    figure.update_layout(**layout(
        height=max(340, 60 + ROW_PX * len(rows)), showlegend=any(len(lines) > 1 for _, lines in rows), **axes,
        xaxis=axis(type="date", range=_air(begin, end), anchor=f"y{len(rows)}" if len(rows) > 1 else "y")))
    return figure


def _price(price: PricePicture) -> go.Scatter:
    return _line(price.mark, "ink", name="mark", digits=".6~g")


def _closed(closed: Sequence[Steps]) -> list[go.Scatter]:
    places = [STAGES.index(steps.name) for steps in closed]
    return [_line(steps, STAGE_INKS[place % len(STAGE_INKS)], DASHES[place % len(DASHES)])
            for steps, place in zip(closed, places, strict=True)]


def _funds(funds: Sequence[Steps]) -> list[go.Scatter]:
    return [_line(steps, FUND_INKS[i % len(FUND_INKS)], DASHES[i % len(DASHES)]) for i, steps in enumerate(funds)]


def _line(steps: Steps, ink: str, dash: str = "solid", name: str | None = None, digits: str = ",.4~s") -> go.Scatter:
    return go.Scatter(x=milliseconds(steps.ts), y=single(steps.value), mode="lines", name=name or escape(steps.name),
                      line={"color": colour(ink), "width": 1.8, "shape": "hv", "dash": dash},
                      hovertemplate=f"%{{x|%Y-%m-%d %H:%M:%S}}: %{{y:{digits}}}")


def _range(ts: Any) -> list[float]:
    return _air(float(ts[0]) / NS_PER_MS, float(ts[-1]) / NS_PER_MS)


def _air(begin: float, end: float) -> list[float]:
    """Both ends with a little air, a second at least: some runs are one instant."""
    air = max(1_000.0, (end - begin) / 80)
    return [begin - air, end + air]


def _in(what: str, currency: str) -> str:
    return f"{what}, {escape(currency)}" if currency else what
