"""``leverline plan``: one document, the steps, and refusals that say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from leverline.model import AssetLimits
from tests.calibrate.governed_books import FLAT, book_of, flat
from tests.cli.conftest import Run, one_line

KEYS = ["steward", "current_id", "target_id", "start", "complete_at", "days", "steps", "unreached", "risk",
        "liquidations"]


@pytest.fixture
def books(tmp_path: Path) -> tuple[Path, Path]:
    """A book with a loan to bring down, and where it should be."""
    current, target = tmp_path / "current.json", tmp_path / "target.json"
    book_of(FLAT, asset=AssetLimits(ltv=0.75, liquidation_threshold=0.78, liquidation_bonus=0.05)).write(current)
    book_of(flat(1.1), asset=AssetLimits(ltv=0.75, liquidation_threshold=0.75, liquidation_bonus=0.05)).write(target)
    return current, target


def test_the_document_has_the_steps_their_dates_and_what_is_left(run: Run, books: tuple[Path, Path]) -> None:
    """A script that schedules the transactions would find none."""
    document = run("plan", *books, "--steward", "manual", "--start", "2026-02-01", "--json").document
    assert list(document) == KEYS
    assert [step["at"][:10] for step in document["steps"]] == [
        "2026-02-01", "2026-02-04", "2026-02-07", "2026-02-10", "2026-02-13", "2026-02-16"]
    assert document["steps"][-1]["left"] == 0.0
    assert document["unreached"][0]["pointer"].startswith("/instruments/BTC")


def test_people_read_the_same(run: Run, books: tuple[Path, Path]) -> None:
    """The table would leave out what the plan cannot reach."""
    shown = run("plan", *books, "--steward", "manual")
    assert shown.code == 0
    for words in ("Legal steps", "Not reached", "not this policy's to change", "18 days", "6 steps on 6 dates"):
        assert words in shown.out


def test_the_venues_own_governor_moves_margins(run: Run, books: tuple[Path, Path]) -> None:
    """Only lending protocols could plan."""
    document = run("plan", *books, "--steward", "governor", "--profile", "exchange", "--json").document
    assert any(step["pointer"].endswith("/liquidation_threshold") for step in document["steps"])


@pytest.mark.parametrize(("arguments", "words"), [
    (("--steward", "robot"), "there is no steward"),
    (("--steward", "manual", "--profile", "ccp"), "belong to --steward governor"),
    (("--steward", "manual", "--start", "soon"), "soon"),
])
def test_what_cannot_be_meant_is_refused(run: Run, books: tuple[Path, Path], arguments: tuple[str, ...],
                                         words: str) -> None:
    """A plan under another steward than the one that was named would be carried out."""
    ran = run("plan", *books, *arguments)
    assert ran.code == 2
    assert words in one_line(ran)


def held_in(folder: Path, cash: float) -> tuple[str, Path, str, Path]:
    """A loan of ``cash`` dollars on one unit of WETH, at a mark of 1,000."""
    accounts, marks = folder / "accounts.csv", folder / "marks.csv"
    accounts.write_text("account,symbol,quantity,entry_price,asset,amount\n"
                        f"ann,,,,WETH,1\nann,,,,USD,{-cash}\n", encoding="utf-8")
    marks.write_text("symbol,mark,ts\nWETH/USD,1000,2026-01-01T00:00:00Z\n", encoding="utf-8")
    return "--accounts", accounts, "--marks", marks


def test_whom_the_steps_liquidate_is_said(run: Run, books: tuple[Path, Path], tmp_path: Path) -> None:
    """Borrowers would be liquidated by decree on a date that everybody had approved."""
    close = held_in(tmp_path, 762.0)  # 78 % now, 76 % from the fourth step on
    found = run("plan", *books, "--steward", "manual", *close, "--json").document
    assert [(row["at"][:10], row["account"]) for row in found["liquidations"]] == [("2026-01-13", "ann")]
    assert "ann would be liquidated" in run("plan", *books, "--steward", "manual", *close).out
    far = run("plan", *books, "--steward", "manual", *held_in(tmp_path, 700.0), "--json").document
    assert far["liquidations"] == []
    assert run("plan", *books, "--steward", "manual", "--json").document["liquidations"] is None


def test_the_governor_stops_where_a_step_would_liquidate(run: Run, books: tuple[Path, Path], tmp_path: Path) -> None:
    """The plan would promise steps that the governor refuses on the day."""
    found = run("plan", *books, "--steward", "governor", "--profile", "exchange", *held_in(tmp_path, 762.0),
                "--json").document
    assert found["liquidations"] == []
    (left,) = [u for u in found["unreached"] if u["pointer"].endswith("/liquidation_threshold")]
    assert left["stops_at"] >= 0.762
    assert left["why"].startswith("would liquidate accounts at unchanged prices")


def test_accounts_without_marks_are_refused(run: Run, books: tuple[Path, Path], tmp_path: Path) -> None:
    """A check that was asked for would silently not be made."""
    ran = run("plan", *books, "--steward", "manual", *held_in(tmp_path, 700.0)[:2])
    assert ran.code == 2
    assert "both --accounts and --marks" in one_line(ran)
