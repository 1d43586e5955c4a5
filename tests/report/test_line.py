"""Caps, collateral, fees, fund, offsets and feedback on the page: every part drawn, every number with its reason."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from leverline.calibrate.book import Calibration
from leverline.calibrate.line_inputs import LineInputs
from leverline.calibrate.whole_line import calibrate_line
from leverline.model import RiskAppetite
from leverline.report import figures, theme
from leverline.report.build import content_of
from leverline.report.content import ReportContent
from leverline.report.html import page
from leverline.report.line.content import KINDS
from tests.calibrate.markets import Market, bars_of

BARS = bars_of(*(Market(symbol, seed=k, n=420, volume=1e8)
                 for k, symbol in enumerate(("BTC/USDT:USDT", "ETH/USDT:USDT"), 1)))
ANCHORS = ("caps", "collateral", "fees", "offsets", "fund", "feedback", "pace")


def appetite() -> RiskAppetite:
    document = RiskAppetite.profile("exchange").model_dump(mode="json")
    document["fund"] |= {"paths": 1_000, "confidence": 0.99}
    document["cross_margin"] |= {"stressed_window_days": 60, "min_correlation": 0.0}
    return RiskAppetite.model_validate(document)


@pytest.fixture(scope="module")
def made() -> Calibration:
    known = LineInputs(market_value={"BTC": 1e12}, fund=1e7)
    return calibrate_line(BARS, appetite(), scale="sqrt-time", known=known)


@pytest.fixture(scope="module")
def content(made: Calibration) -> ReportContent:
    return content_of(made, BARS, appetite(), None)


class Ids(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sections: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "section":
            self.sections.append(dict(attrs).get("id") or "")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_each_part_of_the_line_has_its_section(content: ReportContent) -> None:
    """A committee would adopt caps and a fund that it was never shown."""
    read = Ids()
    read.feed(page(content))
    assert [anchor for anchor in read.sections if anchor in ANCHORS] == list(ANCHORS)


def test_a_book_of_margins_alone_has_none_of_them(content: ReportContent) -> None:
    """An empty section would look like a part that was calibrated to nothing."""
    from leverline.calibrate.book import calibrate_book

    bare = calibrate_book(BARS, appetite(), scale="sqrt-time")
    read = Ids()
    read.feed(page(content_of(bare, BARS, appetite(), None)))
    assert not set(ANCHORS) & set(read.sections)


def test_the_page_says_what_binds_open_interest_and_the_fund(made: Calibration, content: ReportContent) -> None:
    """A cap without its reason cannot be argued with."""
    read = Ids()
    read.feed(page(content))
    text = re.sub(r"\s+", " ", " ".join(read.text))
    for at in ("/instruments/BTC~1USDT:USDT/open_interest_cap", "/venue/insurance_fund_target",
               "/collateral/BTC/liquidation_threshold", "/instruments/BTC~1USDT:USDT/funding/clamp_rate"):
        assert made.book.explanations[at].binding in text


def test_every_bound_is_of_a_kind_that_is_drawn(content: ReportContent) -> None:
    """A bound would bind without a mark in the figure."""
    kinds = [bound.kind for market in content.line.bounds for bound in market.bounds]
    assert set(kinds) == set(KINDS)
    marks = sum(len(trace.x) for trace in figures.cap_bounds(content.line.bounds).data)
    assert marks == len(kinds) + len(content.line.bounds)  # and one ring a market


def test_the_parts_of_maintenance_add_up_with_funding(made: Calibration, content: ReportContent) -> None:
    """The reserve for funding would hide in the part called loss, or nowhere."""
    for market in content.markets:
        assert market.curve is not None
        assert "funding" in dict(market.curve.parts)
        total = sum(part for _, part in market.curve.parts)
        assert total == pytest.approx(market.curve.maintenance_rate)


def test_every_figure_is_drawn_and_has_its_dark_colours(made: Calibration, content: ReportContent) -> None:
    """A figure would be missing for whoever calls it by name, or be ink on black at night."""
    line = content.line
    assert line.pairs
    light = {pair[0] for pair in theme.ROLES.values()} | {"rgba(0,0,0,0)"}
    drawn = [figures.show(thing) for thing in (line.fees, line.fund, line.factor, line.bounds)]
    drawn += [figures.offsets(line.pairs, 0.5), figures.collateral(made.book.collateral)]
    for figure in drawn:
        assert len(figure.data) > 0
        assert set(re.findall(r'"(#[0-9a-fA-F]{3,8}|rgba?\([^)]*\))"', figure.to_json())) <= light
