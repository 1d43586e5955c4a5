"""Errors say what, where and what to do, and each class has its exit code."""

from __future__ import annotations

import io
import sys

import pytest

from leverline.ground.errors import (
    CheckFailedError,
    InsufficientDataError,
    LeverlineError,
    MalformedInputError,
    Place,
    UsageError,
    refuse,
    require,
)
from leverline.ground.progress import track


def test_exit_codes_are_those_of_the_contract() -> None:
    """A nightly job could not tell stale data (4) from a book that fails its check (3)."""
    codes = {LeverlineError: 1, UsageError: 2, MalformedInputError: 2, CheckFailedError: 3, InsufficientDataError: 4}
    assert {kind: kind("x").exit_code for kind in codes} == codes


def test_a_refusal_names_file_row_and_column() -> None:
    """Somebody would search a file of two million rows for one bad price."""
    with pytest.raises(MalformedInputError) as raised:
        refuse("not a price", file="bars.csv", row=17, column="close", remedy="mend it")
    assert str(raised.value) == "bars.csv, row 17, column 'close': not a price (mend it)"
    assert str(UsageError("wrong", place=Place())) == "wrong"
    assert str(UsageError("wrong", place=Place(row=0))) == "row 0: wrong"


def test_a_requirement_shows_the_offender_even_where_it_is_nothing() -> None:
    """``got 0`` and ``got ''`` are the commonest slips, and the easiest to swallow."""
    require(True, "never seen")
    for offender in (0, "", 0.0, False):
        with pytest.raises(UsageError, match=f"a rule; got {offender!r}"):
            require(False, "a rule", got=offender)
    with pytest.raises(UsageError, match=r"^a rule$"):
        require(False, "a rule")


def test_progress_is_silent_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A log file, or a JSON document on stdout, would be full of bars."""
    assert list(track(iter(range(3)), "counting")) == [0, 1, 2]
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_progress_on_a_terminal_goes_to_stderr_and_loses_no_item(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Items would be dropped, or stdout spoilt, only where a person looks on."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    assert list(track([1, 2, 3], "counting")) == [1, 2, 3]
    assert list(track((n for n in range(2)), "counting")) == [0, 1]
    assert "counting" in screen.getvalue()
    assert capsys.readouterr().out == ""
