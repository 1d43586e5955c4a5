"""What a quant at a prompt sees of a result."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from leverline import report
from leverline.calibrate.book import Calibration, calibrate_book
from leverline.calibrate.diff import BookDiff, diff_books
from leverline.evidence.backtest import BacktestResult
from leverline.evidence.method_comparison import Comparison, MethodScore
from leverline.evidence.proving import prove_book
from leverline.ground.display import ShownAsTables
from leverline.ground.errors import LeverlineError
from leverline.measure.loss_models import DEFAULT_MODEL
from leverline.model import RiskAppetite
from tests.calibrate.markets import Market, bars_of

CCP = RiskAppetite.profile("ccp")
EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def made() -> Calibration:
    return calibrate_book(bars_of(Market("A", n=500), Market(EVIL, seed=3, n=500)), CCP)


@pytest.fixture(scope="module")
def tested(made: Calibration) -> BacktestResult:
    bars = bars_of(Market("A", n=500), Market(EVIL, seed=3, n=500))
    return prove_book(made, bars, CCP, method=DEFAULT_MODEL)


@pytest.fixture(scope="module")
def compared() -> Comparison:
    score = MethodScore(DEFAULT_MODEL, 0.99, 86_400.0, 900, 0.01, (0.008, 0.012), 0.95, 4, 0.011, 0.12, 1.2, 3.0, 0.002,
                        0.6, True)
    rival = replace(score, method="rival", quantile_score=0.003, in_set=False, top_decile_rate=float("nan"))
    return Comparison((rival, score, replace(score, confidence=0.995)), {})


@pytest.fixture(scope="module")
def changes(made: Calibration) -> BookDiff:
    calmer = calibrate_book(bars_of(Market("A", n=500, daily_volatility=0.01)), CCP)
    return diff_books(made.book, calmer.book)


def test_every_result_is_shown_as_a_plain_table(
    made: Calibration, tested: BacktestResult, compared: Comparison, changes: BookDiff
) -> None:
    """A notebook would print the address of an object, or run what a symbol says."""
    results: tuple[ShownAsTables, ...] = (made, made.book, tested, compared, changes)
    for result in results:
        html = result._repr_html_()
        assert html.startswith("<table>")
        assert html.endswith("</table>")
        assert "<script" not in html
        assert not {"nan", "None", "inf"} & set(re.findall(r"[A-Za-z]+", html))
        for table in result.display_tables():
            assert all(len(row) == len(table.columns) for row in table.rows)


def test_the_table_of_a_book_has_every_tier(made: Calibration) -> None:
    """A tier left off would show a trader leverage that is not there."""
    (table,) = made.book.display_tables()
    tiers = [tier for each in made.book.instruments.values() for tier in each.tiers]
    assert [row[3] for row in table.rows] == [f"{tier.max_leverage:g}x" for tier in tiers]
    assert [row[0] for row in table.rows if row[0]] == ["A", EVIL]


def test_every_result_is_drawn(
    made: Calibration, tested: BacktestResult, compared: Comparison, changes: BookDiff
) -> None:
    """A quant at a prompt calls one function and must not have to know which figure suits which result."""
    alone = calibrate_book(bars_of(Market("A", n=500)), CCP)
    for thing in (made, made.book, alone, alone.book, tested, compared, changes):
        figure = report.show(thing)
        assert len(figure.data) > 0
        assert "<script" not in figure.to_json()
    with pytest.raises(TypeError, match="no figure of int"):
        report.show(3)


def test_books_that_agree_are_drawn_as_such(made: Calibration) -> None:
    """An empty picture would leave open whether anything was compared."""
    figure = report.show(diff_books(made.book, made.book))
    assert figure.layout.annotations[0].text == "no size is asked more or less"


def test_breached_shares_are_the_backtests(tested: BacktestResult) -> None:
    """The picture would acquit a margin that the table condemns."""
    figure = report.show(tested)
    loosest = min(row.confidence for row in tested.results)
    for layer, name in (("model", "model"), ("book", "published")):
        (trace,) = [t for t in figure.data if t.name == name]
        rows = [r for r in tested.results if r.layer == layer and r.confidence == loosest]
        assert list(trace.x) == pytest.approx([100 * r.exceedances / r.observations for r in rows])


def test_ladders_are_drawn_as_published(made: Calibration) -> None:
    """A step drawn beside its boundary would show a trader leverage that is not there."""
    figure = report.show(made)
    for trace, each in zip(figure.data, made.book.instruments.values(), strict=True):
        assert trace.line.shape == "hv"
        assert list(trace.y)[:-1] == [t.max_leverage for t in each.tiers]
        caps = [t.notional_cap for t in each.tiers if t.notional_cap is not None]
        np.testing.assert_allclose(list(trace.x)[1:], np.array(caps) / 1e6)
    many = {f"C{i}": each.tiers for i, each in enumerate([made.book.instruments["A"]] * 12)}
    assert not report.figures.ladders(many).layout.showlegend


def test_nothing_to_draw_is_said(tested: BacktestResult) -> None:
    """A stack of numpy complaints is no answer to an empty result."""
    for empty in (replace(tested, results=()), Comparison((), {})):
        with pytest.raises(LeverlineError):
            report.show(empty)
