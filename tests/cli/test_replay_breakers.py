"""``leverline replay BARS --breakers``: the book's breakers as far as bars feed them, and refusals elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from leverline.model import VenueLimits
from leverline.model.limitbook import LimitBook
from tests.calibrate.governed_books import BTC, FLAT, book_of
from tests.cli.conftest import Run, one_line


def write_limits(tmp_path: Path, breakers: dict[str, float] | None) -> Path:
    book = book_of(FLAT, liquidation_fee_rate=0.005)
    draft = book.model_copy(update={"id": "", "venue": VenueLimits(breakers=breakers)})
    LimitBook.model_validate(draft.model_copy(update={"id": draft.content_hash()}).model_dump()).write(
        tmp_path / "limits.json")
    return tmp_path / "limits.json"


def write_bars(tmp_path: Path, minutes: int) -> Path:
    """Twelve flat bars, the sixth with a wick of a fifth."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [f"{begin + i * timedelta(minutes=minutes)},{BTC},100,100,{80 if i == 5 else 100},100,50000"
            for i in range(12)]
    (tmp_path / "bars.csv").write_text("\n".join(["ts,symbol,open,high,low,close,volume", *rows]) + "\n")
    return tmp_path / "bars.csv"


def test_a_wick_halts_where_it_would_have_liquidated(run: Run, tmp_path: Path) -> None:
    """Breakers that bars cannot reach would be set in every book and tested in none."""
    bars, limits, out = write_bars(tmp_path, 1), write_limits(tmp_path, {}), tmp_path / "run"
    common = ("replay", bars, "--limits", limits, "--population", 200, "--seed", 5, "--json")
    blind, seeing = run(*common), run(*common, "--breakers", "--out", out)
    assert blind.code == seeing.code == 0, seeing.err
    assert blind.document["breaker_log"] == []
    assert blind.document["liquidations"]
    assert not seeing.document["liquidations"]
    assert [(row["after"], row["reason"]) for row in seeing.document["breaker_log"][:1]] == [
        ("halted", "no valid price: jump held")]
    again = run("replay", out / "events.jsonl", "--limits", out / "limits.json", "--json")
    assert again.document["state_hash"] == seeing.document["state_hash"]


@pytest.mark.parametrize(("minutes", "breakers", "said"), [
    (30, {}, "bars of at most 1200 s"), (1, None, "the limits have no breakers")])
def test_what_breakers_cannot_see_is_refused(run: Run, tmp_path: Path, minutes: int, breakers: dict[str, float] | None,
                                             said: str) -> None:
    """A run that says it had breakers, and had none, is believed."""
    ran = run("replay", write_bars(tmp_path, minutes), "--limits", write_limits(tmp_path, breakers), "--population", 5,
              "--breakers")
    assert ran.code == 2
    assert said in one_line(ran)
