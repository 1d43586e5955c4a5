"""The page as a whole."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leverline.report.content import MarketContent, ReportContent
from leverline.report.html import page, write_report
from tests.report.synthetic import SURVIVORSHIP, report_content

SECTIONS = ("limits", "tiers", "requirement", "liquidity", "basis", "tails", "implied", "cold-start", "coverage",
            "cost", "crashes", "quality", "survivorship", "provenance")
EVIL = '<script>alert("x")</script>&'


class Reader(HTMLParser):
    """Elements in order, visible text, and whether every element is closed where it should be."""

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "hr", "col", "link", "img"):
            self.open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            attributes, before = self.scripts[-1]
            self.scripts[-1] = (attributes, before + data)
        elif self.open and self.open[-1] != "style":
            self.text.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def read(document: str) -> Reader:
    return Reader(document)


def specifications(read: Reader) -> list[dict[str, Any]]:
    return [json.loads(text, parse_constant=pytest.fail) for attributes, text in read.scripts
            if (attributes.get("id") or "").startswith("specification-")]


def test_the_page_is_well_formed_and_complete(read: Reader) -> None:
    """A section that silently vanished would be missed by nobody but the committee."""
    assert not read.open
    assert [a["id"] for a in read.of("section")] == list(SECTIONS)
    links = [a["href"] for a in read.of("a")]
    assert links == [f"#{name}" for name in SECTIONS]


def test_the_page_asks_the_network_for_nothing(read: Reader) -> None:
    """A risk report that phones home tells a stranger who reads it, and is blank behind a firewall."""
    for tag, attributes in read.elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base")
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
    policies = [a["content"] for a in read.of("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    assert policies[0] is not None
    assert policies[0].startswith("default-src 'none'")
    assert "http" not in policies[0]


def test_styles_import_nothing(document: str) -> None:
    """A font or a picture fetched by the style sheet is a request like any other."""
    (style,) = re.findall(r"<style>(.*?)</style>", document, re.DOTALL)
    assert "@import" not in style
    assert "url(" not in style
    for role in ("--page", "--ink", "--long", "--breach", "--good"):
        assert style.count(f"{role}:") == 3  # light, dark by preference, dark by choice
    assert "prefers-color-scheme:dark" in style
    assert "@media print" in style


def test_the_library_is_there_once(read: Reader, document: str) -> None:
    """Two copies of the drawing library would double the page."""
    heavy = [text for _, text in read.scripts if len(text) > 1_000_000]
    assert len(heavy) == 1
    assert len(document.encode()) < 8_000_000


def test_figures_are_whole(read: Reader) -> None:
    """A place without a drawing, or a drawing without a caption, is a hole in the argument."""
    places = [a for a in read.of("div") if a.get("class") == "plot"]
    names = {a.get("id") for a, _ in read.scripts}
    assert len(places) == len(specifications(read)) == 3 * (3 + 1 + 2 + 2 + 2) + 1 + 2
    for place in places:
        assert place["data-spec"] in names
        assert place["aria-describedby"] in {a.get("id") for a in read.of("figcaption")}
    assert all(any(len(trace.get("x", ())) for trace in spec["data"]) for spec in specifications(read))


def test_breaches_reach_the_page(read: Reader, content: ReportContent) -> None:
    """The breach markers must survive all the way into the file, with the right count."""
    drawn = [trace["name"] for spec in specifications(read) for trace in spec["data"] if "breached (" in trace["name"]]
    expected = []
    for market in content.markets:
        for series in market.series:
            assert series.breach_long is not None
            assert series.breach_short is not None
            expected += [f"long breached ({series.breach_long.sum()})", f"short breached ({series.breach_short.sum()})"]
    assert drawn == expected


def test_nothing_unknown_is_printed_as_a_number(read: Reader) -> None:
    """'nan' and 'None' on a page look like results, or like nobody looked."""
    words = re.findall(r"[A-Za-z]+", " ".join(read.text))
    assert not {"nan", "NaN", "None", "inf", "Infinity", "null"} & set(words)
    assert "–" in "".join(read.text)


def test_missing_numbers_say_why(read: Reader) -> None:
    """A dash without a reason sends the reader searching."""
    dashes = [a for a in read.of("span") if a.get("class") == "missing"]
    assert dashes
    assert all(a.get("title") for a in dashes)


def test_tables_and_headings_can_be_heard(read: Reader) -> None:
    """A committee member who listens to the page must know which column a number stands in."""
    assert len(read.of("table")) == len(read.of("caption")) > 8
    assert all(a.get("scope") in ("col", "row") for a in read.of("th"))
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_survivorship_stands_beside_every_evidence_table(document: str) -> None:
    """Coverage of coins that lived says nothing of those that died; a table alone would hide that."""
    tables = ("All markets and sides together", "Coverage by market, side and layer",
              "Coverage in named stress windows", "Cost and procyclicality by market", "Days with breaches")
    for caption in tables:
        after = document[document.index(f"<caption>{caption}"):]
        assert SURVIVORSHIP in after[after.index("</table>"):][:600]


def test_every_reason_in_the_book_is_told(read: Reader, content: ReportContent) -> None:
    """A limit whose reason is left off the page cannot be defended before the committee."""
    told = "".join(read.text)
    for pointer, why in content.book.explanations.items():
        assert why.binding in told, pointer
        assert all(driver in told for driver in why.sensitivity), pointer
    first = content.book.explanations["/instruments/BTC~1USD/tiers/0/maintenance_margin_rate"]
    moved = first.sensitivity["confidence 99.5 %"]
    assert moved is not None
    assert f"+{100 * moved:.0f}\u00a0%" in told


def test_text_cannot_become_markup(content: ReportContent) -> None:
    """A symbol is a name somebody else chose: it must never run in the reader's browser."""
    assert content.backtest is not None
    evil = replace(report_content((EVIL, "B/USD", "C/USD")), title=EVIL, notes=(EVIL,))
    assert evil.backtest is not None
    evidence = replace(
        evil.backtest, method=EVIL, survivorship=EVIL, skipped=((EVIL, EVIL),),
        methods=tuple(replace(m, name=EVIL + m.name) for m in evil.backtest.methods),
        crash_days=tuple(replace(d, name=EVIL) for d in evil.backtest.crash_days),
        rows=tuple(replace(r, verdict=EVIL) for r in evil.backtest.rows))
    markets = tuple(replace(
        m, tails=tuple(replace(t, fit=EVIL, unit=EVIL, loss_unit=EVIL) for t in m.tails),
        cost=m.cost and replace(m.cost, notes=(EVIL,), cap_binding=EVIL), gap=m.gap and replace(m.gap, why=EVIL),
        implied=m.implied and replace(m.implied, made_of=EVIL)) for m in evil.markets)
    document = page(replace(evil, backtest=evidence, markets=markets))
    read = Reader(document)
    assert "alert(" not in "".join(text for a, text in read.scripts if a.get("type") != "application/json")
    assert len(read.scripts) == len(specifications(read)) + 3
    assert "<script>alert" not in document
    assert EVIL in "".join(read.text)


def test_a_page_of_bare_limits_can_be_made(content: ReportContent) -> None:
    """Without a backtest (or volume, or a tail) the limits must still be shown, and no empty section."""
    bare = replace(content, backtest=None, findings=(), notes=(), survivorship="",
                   markets=(MarketContent("BTC/USD"),))
    read = Reader(page(bare))
    assert [a["id"] for a in read.of("section")] == ["limits", "tiers", "requirement", "quality", "provenance"]
    assert len(specifications(read)) == 1


def test_undefined_arrays_are_survived(content: ReportContent) -> None:
    """A market that was never scored must not take the report down with it."""
    market = content.markets[0]
    series = market.series[0]
    assert market.volatility is not None
    empty = np.full(series.ts.size, np.nan)
    none = np.zeros(series.ts.size, bool)
    unscored = replace(series, margin_long=empty, margin_short=empty, loss_long=empty, loss_short=empty,
                       breach_long=none, breach_short=none)
    one_sided = replace(series, margin_short=None, loss_short=None, breach_short=None)
    dark = replace(market.volatility, sigma_per_day=empty)
    text = page(replace(content, markets=(replace(market, series=(unscored, one_sided), volatility=dark),)))
    assert "nan" not in re.findall(r"[A-Za-z]+", "".join(Reader(text).text))


def test_many_markets_stay_light(content: ReportContent) -> None:
    """A venue lists many markets; its report must still open in a mail client."""
    many = tuple(replace(content.markets[i % 3], symbol=f"C{i}/USD") for i in range(40))
    assert len(page(replace(content, markets=many)).encode()) < 8_000_000


def test_the_file_is_written_whole(content: ReportContent, document: str, tmp_path: Path) -> None:
    """What is on disk is the page, and equal content gives an equal page."""
    write_report(content, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == document
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
