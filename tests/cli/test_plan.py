"""``leverline plan``: one document, the steps, and refusals that say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from leverline.model import AssetLimits
from tests.calibrate.governed_books import FLAT, book_of, flat
from tests.cli.conftest import Run, one_line

KEYS = ["steward", "current_id", "target_id", "start", "complete_at", "days", "steps", "unreached", "risk"]


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
