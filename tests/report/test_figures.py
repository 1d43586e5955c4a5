"""What the figures draw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from leverline.model.quantities import UNITS_PER_ONE
from leverline.report import figures, theme
from leverline.report.content import ReportContent
from tests.report.synthetic import CRASH_ROW


def named(figure: go.Figure, start: str) -> go.Scatter:
    """The one trace whose name starts so."""
    (trace,) = [t for t in figure.data if t.name.startswith(start)]
    return trace


@pytest.mark.parametrize("points", [60, 1500])
def test_every_breach_is_marked_on_the_price(content: ReportContent, points: int) -> None:
    """A breach left off the chart is a loss that the committee is not told of."""
    for market in content.markets:
        for series in market.series:
            assert series.breach_long is not None
            assert series.breach_short is not None
            figure = figures.coverage(series, points)
            for side, breach in (("long", series.breach_long), ("short", series.breach_short)):
                trace = named(figure, f"{side} breached")
                assert breach.sum() > 0
                assert np.array_equal(np.asarray(trace.x), series.ts[breach] // 10**6)
                assert trace.marker.symbol == figures.BREACH_SYMBOL[side]


def test_a_breach_stands_at_the_worst_price(content: ReportContent) -> None:
    """The mark of the crash must show how deep it went, below the band that margin covered."""
    series = content.markets[0].series[0]
    assert series.margin_long is not None
    assert series.loss_long is not None
    assert series.breach_long is not None
    mark = int(np.flatnonzero(np.flatnonzero(series.breach_long) == CRASH_ROW)[0])
    drawn = named(figures.coverage(series), "long breached").y[mark]
    assert drawn == pytest.approx(series.price[CRASH_ROW] * (1 - series.loss_long[CRASH_ROW]))
    assert drawn < series.price[CRASH_ROW] * (1 - series.margin_long[CRASH_ROW])


def test_published_steps_are_drawn_as_published(content: ReportContent) -> None:
    """A step drawn beside its boundary would show a trader leverage that is not there."""
    tiers = content.book.instruments["BTC/USD"].tiers
    figure = figures.requirement(content.markets[0].curve, tiers)
    initial = named(figure, "initial, published")
    assert initial.line.shape == "hv"
    assert list(initial.x)[1:] == [t.notional_cap / UNITS_PER_ONE for t in tiers if t.notional_cap is not None]
    assert list(initial.y)[:-1] == pytest.approx([100 * t.initial_margin_rate for t in tiers])
    maintenance = named(figure, "maintenance, published")
    for tier in tiers:
        cap = (tier.notional_cap or 0) / UNITS_PER_ONE
        at = int(np.argmin(np.abs(np.asarray(maintenance.x) - cap)))
        amount = cap * tier.maintenance_margin_rate - tier.maintenance_deduction / UNITS_PER_ONE
        assert maintenance.y[at] == pytest.approx(100 * amount / cap)


def test_an_uncovered_stretch_leaves_a_hole_in_the_band(content: ReportContent) -> None:
    """Where no margin was in force the chart must not claim cover."""
    series = content.markets[0].series[0]
    assert series.margin_long is not None
    margin = series.margin_long.copy()
    margin[900:1000] = np.nan
    figure = figures.coverage(replace(series, margin_long=margin), points=5000)
    band = np.asarray(named(figure, "covered").x, float)
    hole = series.ts[[900, 999]] // 10**6
    assert not ((band >= hole[0]) & (band <= hole[1])).any()
    assert np.isnan(band).sum() == 1


def test_the_steepest_rise_is_found() -> None:
    """The largest margin call must be marked where it happened, not where margin was highest."""
    margin = np.array([np.nan, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.3, 0.31, 0.35, 0.4, 0.5, 0.55])
    rise = figures.largest_rise(margin)
    assert rise is not None
    assert rise[:2] == (6, 11)  # from 0.1 to 0.5, a window before the peak of 0.55
    assert rise[2] == pytest.approx(5.0)
    assert figures.largest_rise(np.full(4, 0.1)) is None
    assert figures.largest_rise(np.full(9, np.nan)) is None


def test_a_fitted_quantile_lies_on_its_tail(content: ReportContent) -> None:
    """The point that sets the margin must be seen at the probability that was chosen."""
    fits = content.markets[1].tails
    figure = figures.tail(fits)
    for fit in fits:
        point = named(figure, f"{fit.side}, at confidence")
        assert point.y[0] == pytest.approx(100 * fit.exceedance)
        assert point.x[0] == fit.quantile
    in_percent = named(figures.tail([replace(fits[0], as_percent=True)]), "long, at confidence")
    assert in_percent.x[0] == pytest.approx(100 * fits[0].quantile)


def test_show_draws_whatever_it_is_given(content: ReportContent) -> None:
    """A quant at a prompt calls one function and must not have to know which figure suits which result."""
    market, evidence = content.markets[0], content.backtest
    assert evidence is not None
    for thing in (market.curve, market.volatility, market.tails[0], market.tails, market.series[0], evidence.methods,
                  evidence.crash_days, market.cost, market.implied):
        assert len(figures.show(thing).data) > 0
    with pytest.raises(TypeError, match="no figure of int"):
        figures.show(3)


def test_every_colour_of_a_figure_has_a_dark_one(content: ReportContent) -> None:
    """A colour without a dark value would be ink on black at night."""
    import re

    light = {pair[0] for pair in theme.ROLES.values()}
    assert len(light) == len(theme.ROLES)
    market, evidence = content.markets[0], content.backtest
    assert evidence is not None
    assert market.curve is not None
    drawn = [figures.show(t) for t in (market.volatility, market.tails, market.series[0], evidence.methods,
                                       evidence.crash_days, market.cost, market.implied)]
    drawn += [figures.requirement(market.curve, content.book.instruments["BTC/USD"].tiers),
              figures.requirement_parts(market.curve), figures.margins(market.series[1]),
              figures.margin_period(market.curve), figures.breach_rates(evidence.rows),
              figures.ladders({name: each.tiers for name, each in content.book.instruments.items()})]
    for figure in drawn:
        used = set(re.findall(r'"(#[0-9a-fA-F]{3,8}|rgba?\([^)]*\))"', figure.to_json()))
        assert used - light <= {"rgba(0,0,0,0)"}


@pytest.mark.parametrize("background", [0, 1])
def test_colours_can_be_read(background: int) -> None:
    """Text and lines fainter than WCAG 2.1 AA (4.5 to 1) are lost on part of the committee."""
    def luminance(colour: str) -> float:
        channels = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    page = luminance(theme.ROLES["page"][background])
    for role in ("ink", "muted", "long", "short", "breach", "calibrated", "good", "caution", "bad", "book", "bands",
                 "volume"):
        own = luminance(theme.ROLES[role][background])
        assert (max(own, page) + 0.05) / (min(own, page) + 0.05) >= 4.5, role
