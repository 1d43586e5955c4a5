"""Liquidity, basis, implied volatility and cold start: what is drawn and said is what was calibrated."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from leverline.calibrate.beside_bars import BesideBars
from leverline.calibrate.book import Calibration, calibrate_book
from leverline.market.bars import NS_PER_S, Bars
from leverline.market.books import BookSnapshots, DepthBands
from leverline.market.trades import Series
from leverline.model import RiskAppetite
from leverline.report import figures, theme
from leverline.report.build import content_of
from leverline.report.content import MarketContent, ReportContent
from leverline.report.html import page
from tests.calibrate.markets import DAY_S, START_S, Market, bars_of
from tests.calibrate.test_requirement import changed

CCP = RiskAppetite.profile("ccp")
CROWDED = changed(CCP, costs={"crowding": 3.0, "basis_allowance_rate": 0.001})
N_DAYS = 700
AS_OF_NS = (START_S + N_DAYS * DAY_S) * NS_PER_S


def known_depth() -> BesideBars:
    """A book to a few basis points and bands to 5 %, of the last minutes; an index over the last 300 days."""
    ts = AS_OF_NS - np.arange(60, 0, -1, dtype=np.int64) * 5 * NS_PER_S
    steps = 1e-5 * np.arange(1, 21)
    size = np.full((ts.size, steps.size), 200.0)
    side = np.ones((ts.size, 1))
    book = BookSnapshots("A", ts, 100.0 * (1 - steps) * side, size, 100.0 * (1 + steps) * side, size)
    distance = np.array([-0.05, -0.01, 0.01, 0.05])
    notional = np.tile([8e7, 2e7, 2e7, 8e7], (ts.size, 1))
    bands = DepthBands("A", ts, distance, notional, notional / 100.0)
    days = AS_OF_NS - np.arange(299, -1, -1, dtype=np.int64) * DAY_S * NS_PER_S
    index = Series("A", "implied-volatility", days, 0.6 + 0.1 * np.sin(np.arange(300) / 9))
    return BesideBars({"A": book}, {"A": bands}, {"A": index}, marks_of(bars_of(Market("A", n=N_DAYS))))


def marks_of(bars: Bars) -> Bars:
    """Marks beside the last price, further off after large moves."""
    gap = 0.001 * np.abs(np.random.default_rng(3).normal(size=len(bars.ts)))
    return replace(bars, close=bars.close * (1.0 + gap), high=np.full_like(bars.close, np.nan),
                   low=np.full_like(bars.close, np.nan), volume=np.full_like(bars.close, np.nan))


@pytest.fixture(scope="module")
def made() -> Calibration:
    return calibrate_book(bars_of(Market("A", n=N_DAYS)), CROWDED, beside=known_depth())


@pytest.fixture(scope="module")
def shown(made: Calibration) -> ReportContent:
    return content_of(made, bars_of(Market("A", n=N_DAYS)), CROWDED, None)


def market_of(content: ReportContent) -> MarketContent:
    (market,) = content.markets
    return market


def drawn_as(figure: go.Figure, dash: str) -> go.Scatter:
    (trace,) = [t for t in figure.data if t.line.dash == dash]
    return trace


def test_the_cost_drawn_is_the_cost_charged(made: Calibration, shown: ReportContent) -> None:
    """The committee would see another cost of liquidation than the one in the margin."""
    needs, cost = made.markets[0].requirement, market_of(shown).cost
    assert cost is not None
    inside = cost.notional <= needs.notional[-1]
    charged = np.interp(cost.notional[inside], needs.notional, needs.slippage)
    np.testing.assert_allclose(cost.rate[inside], charged, rtol=0.02)
    assert cost.budget_rate == CROWDED.costs.liquidation_cost_budget
    assert cost.cap == pytest.approx((made.markets[0].limits.position_cap or 0) / 1e6)


def test_every_stretch_is_drawn_as_what_it_rests_on(shown: ReportContent) -> None:
    """Depth that is only a square-root law would pass for depth that was seen."""
    cost = market_of(shown).cost
    assert cost is not None
    assert set(cost.source) == {"book", "bands", "volume"}
    figure = figures.liquidation_cost(cost)
    for name, dash in (("book", "solid"), ("bands", "dash"), ("volume", "dot")):
        own = cost.notional[np.array(cost.source) == name]
        trace = drawn_as(figure, dash)
        assert trace.line.color == theme.colour(name)
        assert trace.x[-1] == pytest.approx(own[-1], rel=1e-6)
        assert trace.x[0] <= own[0] * (1 + 1e-6)
    budget, cap = figure.layout.shapes
    assert budget.y0 == budget.y1 == pytest.approx(100 * cost.budget_rate)
    assert cap.x0 == cap.x1 == cost.cap


def test_the_thin_line_is_without_stress_and_alone(made: Calibration, shown: ReportContent) -> None:
    """Nobody could tell how much of the cost is the storm's and how much the crowd's."""
    depth, cost = made.markets[0].measures.depth, market_of(shown).cost
    assert depth is not None
    assert cost is not None
    assert cost.stress_factor == depth.stress_factor < 1.0
    seen = np.array(cost.source) == "bands"
    share = depth.stress_factor / depth.crowding
    small = cost.notional[seen] * share
    np.testing.assert_allclose(np.interp(cost.notional[seen], cost.notional, cost.calm_rate),
                               depth.cost_rate(small), rtol=1e-9)
    assert (cost.calm_rate <= cost.rate).all()


def test_what_is_not_known_is_not_drawn(shown: ReportContent) -> None:
    """A line beyond the visible book would be an extrapolation that nobody made."""
    cost = market_of(shown).cost
    assert cost is not None
    unknown = np.array(cost.source) == "volume"
    blind = replace(cost, rate=np.where(unknown, np.nan, cost.rate))
    figure = figures.liquidation_cost(blind)
    assert {t.line.dash for t in figure.data[1:]} == {"solid", "dash"}
    assert "volume" not in "".join(re.findall(r"It rests on [^.]*\.", page(replace(
        shown, markets=(replace(market_of(shown), cost=blind),)))))


def test_the_margin_period_drawn_is_the_one_used(made: Calibration, shown: ReportContent) -> None:
    """Time to liquidate would seem shorter than the losses were taken over."""
    curve = market_of(shown).curve
    assert curve is not None
    assert curve.period_grows
    assert curve.fixed_period_s == 86_400.0
    fixed, liquidation = figures.margin_period(curve).data
    in_days = made.markets[0].requirement.margin_period_s / 86_400
    np.testing.assert_allclose(np.asarray(fixed.y) + np.asarray(liquidation.y), in_days, rtol=1e-5)


def test_basis_is_a_part_of_the_stack(shown: ReportContent) -> None:
    """The allowance between mark and fill would be charged without being shown."""
    market = market_of(shown)
    assert market.curve is not None
    assert market.gap is not None
    parts = dict(market.curve.parts)
    assert parts["basis between mark and fill"] == pytest.approx(market.gap.rate)
    np.testing.assert_allclose(sum(parts.values()), market.curve.maintenance_rate)


def test_a_floor_is_a_part_of_the_stack() -> None:
    """The stack would end below the rate that is asked, with nothing to say why."""
    high = changed(CCP, rounding={"minimum_maintenance_rate": 0.3})
    bars = bars_of(Market("A", n=N_DAYS))
    curve = market_of(content_of(calibrate_book(bars, high), bars, high, None)).curve
    assert curve is not None
    assert "up to the lowest rate" in dict(curve.parts)
    np.testing.assert_allclose(sum(part for _, part in curve.parts), curve.maintenance_rate)


def test_measured_and_assumed_allowances_are_told_apart(made: Calibration, shown: ReportContent) -> None:
    """An assumption would stand on the page as if it had been measured."""
    measured = market_of(shown).gap
    assert measured is not None
    assert measured.low is not None
    assert measured.high is not None
    assert measured.low <= measured.rate <= measured.high
    bars = bars_of(Market("A", n=N_DAYS))
    bare = content_of(calibrate_book(bars, CROWDED), bars, CROWDED, None)
    gap = market_of(bare).gap
    assert gap is not None
    assert (gap.rate, gap.low, gap.basis.value) == (0.001, None, "assumed")
    assert "that is assumed, not measured" in page(bare)
    assert "that is assumed, not measured" not in page(shown)


def test_three_forecasts_from_the_first_day_of_the_index(made: Calibration, shown: ReportContent) -> None:
    """The page would show a blend of what did not exist yet, or another one than was used."""
    use, path = made.markets[0].implied, market_of(shown).implied
    assert use is not None
    assert path is not None
    assert np.isfinite(path.implied[0])
    assert path.ts[-1] == use.ts[-1]
    assert path.blended[-1] == pytest.approx(path.factor * path.realised[-1])
    figure = figures.implied(path)
    assert len({t.line.dash for t in figure.data}) == len({t.line.color for t in figure.data}) == 3
    assert path.made_of in page(shown)


def test_an_index_without_a_day_in_common_says_so(shown: ReportContent) -> None:
    """An index that could not be used would vanish from the page, and the reader think it was."""
    market = market_of(shown)
    assert market.implied is not None
    nothing = np.empty(0)
    unused = replace(market.implied, ts=np.empty(0, np.int64), realised=nothing, implied=nothing, blended=nothing,
                     made_of="realised only: there is no implied volatility index")
    text = page(replace(shown, markets=(replace(market, implied=unused),)))
    assert "realised only: there is no implied volatility index" in text


def young_bars() -> Bars:
    """Seven markets of two years and one of the last 45."""
    full = bars_of(*(Market(f"C{i}", seed=i, n=N_DAYS) for i in range(8)))
    kept = np.ones(len(full.ts), bool)
    kept[full.offsets[7]:full.offsets[7] + N_DAYS - 45] = False
    columns = {name: getattr(full, name)[kept]
               for name in ("ts", "open", "close", "high", "low", "volume", "masked", "listing")}
    return replace(full, offsets=np.append(full.offsets[:8], full.offsets[7] + 45), **columns)


def test_young_markets_are_named_with_their_weights() -> None:
    """A limit that other markets' losses decided would pass for one that the market's own decided."""
    bars = young_bars()
    made = calibrate_book(bars, CCP)
    content = content_of(made, bars, CCP, None)
    young = {m.symbol: m.young for m in content.markets if m.young is not None}
    assert list(young) == ["C7"]
    assert young["C7"] is not None
    assert young["C7"].days == 45
    assert young["C7"].own_weight == next(m.own_weight for m in made.markets if m.symbol == "C7")
    document = page(content)
    table = document[document.index("<caption>Markets too young"):]
    assert f"{100 * (1 - young['C7'].own_weight):.0f}\u00a0%" in table[:table.index("</table>")]


def test_without_anything_beside_the_bars_no_section_is_empty() -> None:
    """A heading with nothing under it makes a committee ask what was withheld."""
    bars = bars_of(Market("A", n=N_DAYS, volume=0))
    document = page(content_of(calibrate_book(bars, CCP), bars, CCP, None))
    sections = re.findall(r'<section id="([a-z-]+)"', document)
    assert not {"liquidity", "implied", "cold-start"} & set(sections)
    assert "Volatility is realised only" in document
    assert "Margin period of risk" not in document
