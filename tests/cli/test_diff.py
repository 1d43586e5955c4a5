"""``diff``: what it says of a change and of the accounts that it reaches, how it exits, what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from leverline.model import LimitBook
from tests.cli.conftest import Run, one_line
from tests.model.books import book, fields, schedule

BTC = "BTC/USDT:USDT"
ACCOUNTS = f"account,symbol,quantity,entry_price,asset,amount\nsafe,{BTC},10,100,,\nsafe,,,,USDT,500\n" \
           f"near,{BTC},10,100,,\nnear,,,,USDT,15\n"
MARKS = f"symbol,mark,ts\n{BTC},100,2026-01-01T00:00:00Z\n"


def limits(maintenance: float) -> LimitBook:
    """The sample book with one tier in BTC."""
    instruments = fields()["instruments"]
    instruments[BTC] = instruments[BTC].model_copy(update={"tiers": schedule((0, None, 10, maintenance))})
    return book(instruments=instruments)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Two books, of which the new one asks twice as much, and two accounts of which it liquidates one."""
    paths = {name: tmp_path / name for name in ("old.json", "new.json", "accounts.csv", "marks.csv")}
    limits(0.01).write(paths["old.json"])
    limits(0.02).write(paths["new.json"])
    paths["accounts.csv"].write_text(ACCOUNTS)
    paths["marks.csv"].write_text(MARKS)
    return paths


def test_without_accounts_the_document_is_that_of_the_books(run: Run, files: dict[str, Path]) -> None:
    """A program that compares books would meet keys that it did not ask for."""
    document = run("diff", files["old.json"], files["new.json"], "--json").document
    assert document["directions"] == {BTC: "tightens"}
    assert "effects" not in document


def test_who_is_liquidated_by_the_change_is_named_and_the_command_succeeds(run: Run, files: dict[str, Path]) -> None:
    """A risk officer would learn of it from the customers; a pipeline would take a reported change for a failure."""
    asked = ("diff", files["old.json"], files["new.json"], "--accounts", files["accounts.csv"],
             "--marks", files["marks.csv"])
    told = run(*asked)
    assert (told.code, told.err) == (0, "")
    assert "near healthy liquidatable" in " ".join(told.out.split())  # however wide a long file name makes the table
    assert "of 2 accounts: 1 newly liquidatable, 0 newly called, 0 relieved, 0 left without free collateral" in told.out
    assert "maintenance 20.00, becomes 40.00" in told.out
    effects = run(*asked, "--json").document["effects"]
    assert [(row["account"], row["new_status"]) for row in effects["changes"]] == [("near", "liquidatable")]
    assert effects["forced_positions"] == [{"symbol": BTC, "long_notional": 1000.0, "short_notional": 0.0}]


def test_equal_books_reach_nobody(run: Run, files: dict[str, Path]) -> None:
    """A change of nothing would alarm, or a table without rows be shown."""
    told = run("diff", files["old.json"], files["old.json"], "--accounts", files["accounts.csv"],
               "--marks", files["marks.csv"])
    assert told.out.startswith("the books set the same limits\nof 2 accounts: 0 newly liquidatable")


def test_accounts_that_cannot_be_valued_are_named_and_exit_with_4(run: Run, files: dict[str, Path]) -> None:
    """A change would look harmless because those it hits were left out."""
    told = run("diff", files["old.json"], files["new.json"], "--accounts", files["accounts.csv"],
               "--marks", files["marks.csv"], "--as-of", "2026-01-01T01:00:00Z")
    assert told.code == 4
    assert f"not valued: safe: the mark of {BTC} is 3600 s old, more than 60 s" in told.out
    assert "2 accounts could not be valued under both books" in told.err


@pytest.mark.parametrize(("options", "said"), [
    (("--accounts", "accounts.csv"), "give both --accounts and --marks"),
    (("--marks", "marks.csv"), "give both --accounts and --marks"),
    (("--venue", "x"), "belong to --accounts"),
    (("--as-of", "2026-01-01"), "belong to --accounts"),
    (("--accounts", "accounts.csv", "--marks", "marks.csv", "--venue", "x"), "no account is at venue 'x'"),
    (("--accounts", "accounts.csv", "--marks", "marks.csv", "--max-age", "soon"), "--max-age 'soon'"),
    (("--accounts", "accounts.csv", "--marks", "marks.csv", "--call-ratio", "80"), "call_ratio lies in (0, 1]"),
    (("--accounts", "accounts.csv", "--marks", "accounts.csv"), "marks have the columns"),
])
def test_what_cannot_be_meant_is_refused(run: Run, files: dict[str, Path], options: tuple[str, ...], said: str) -> None:
    """An option without effect would be believed to have one."""
    told = run("diff", files["old.json"], files["new.json"], *options)
    assert told.code == 2
    assert said in one_line(told)
