"""Marks as they are read, and when they are too old to use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from leverline.ground.errors import UsageError
from leverline.margin.reading_marks import read_marks, stale_marks
from leverline.market.times import parse_instant
from tests.market.malformed import Case, lines, refused

BTC = "BTC/USDT:USDT"


def test_marks_are_read_with_all_that_is_known(tmp_path: Path) -> None:
    """A short would be valued at the low end of an oracle's range, and a distance be measured in nothing."""
    path = tmp_path / "marks.csv"
    path.write_bytes(lines("symbol,mark,index,ts,low,high,volatility_per_day,open_interest",
                           f"{BTC},100,101,2026-01-01T00:00:00Z,99,,0.05,7", "BTC/USD,50,,2026-01-01T00:00:01Z,,51,,"))
    state = read_marks(path).state
    assert state.names == (BTC, "BTC/USD")
    assert (state.low.tolist(), state.high.tolist()) == ([99.0, 50.0], [100.0, 51.0])
    assert np.array_equal(state.index, [101.0, np.nan], equal_nan=True)
    assert np.array_equal(state.volatility_per_day, [0.05, np.nan], equal_nan=True)
    assert np.array_equal(state.open_interest, [7.0, np.nan], equal_nan=True)
    assert np.diff(state.ts_ns).tolist() == [1_000_000_000]


def test_marks_without_times_are_never_stale() -> None:
    """A file of closing prices would be useless."""
    state = read_marks(pl.DataFrame({"symbol": [BTC], "mark": [1.5]})).state
    assert state.ts_ns.tolist() == [-1]
    assert stale_marks(state, as_of_ns=parse_instant("2090"), max_age_s=1.0) == {}


@pytest.mark.parametrize(("as_of", "age", "stale"), [
    (None, 60.0, set()), (None, 59.9, {"old"}), ("2026-01-01T00:01:00Z", 60.0, set()),
    ("2026-01-01T00:01:01Z", 60.0, {"old"}), ("2026-01-01T00:03:00Z", 60.0, {"old", "new"})])
def test_a_mark_older_than_the_bound_is_stale_and_one_as_old_as_it_is_not(
    as_of: str | None, age: float, stale: set[str]
) -> None:
    """Accounts would be liquidated, or spared, at a price that was true a while ago."""
    state = read_marks(pl.DataFrame({"symbol": ["old", "new"], "mark": [1.0, 2.0],
                                     "ts": ["2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"]})).state
    found = stale_marks(state, as_of_ns=None if as_of is None else parse_instant(as_of), max_age_s=age)
    assert set(found) == stale
    assert all(name in reason for name, reason in found.items())


def test_a_mark_of_the_future_is_refused() -> None:
    """A check of yesterday would know today's price."""
    state = read_marks(pl.DataFrame({"symbol": ["a"], "mark": [1.0], "ts": ["2026-01-02T00:00:00Z"]})).state
    with pytest.raises(UsageError, match="later than"):
        stale_marks(state, as_of_ns=parse_instant("2026-01-01"))


@pytest.mark.parametrize("case", [
    Case("twice", lines("symbol,mark", "a,1", "b,2", "a,1"), 3, "symbol", "earlier row"),
    Case("zero", lines("symbol,mark", "a,0"), 1, "mark", "not positive"),
    Case("negative", lines("symbol,mark", "a,1", "b,-2"), 2, "mark", "not positive"),
    Case("missing", lines("symbol,mark", "a,1", "b,"), 2, "mark", "missing"),
    Case("NaN", lines("symbol,mark", "a,nan"), 1, "mark", "not finite"),
    Case("word", lines("symbol,mark", "a,high"), 1, "mark", "not a number"),
    Case("low above", lines("symbol,mark,low", "a,1,1.1"), 1, "low", "above the mark"),
    Case("high below", lines("symbol,mark,high", "a,1,1", "b,2,1.9"), 2, "high", "below the mark"),
    Case("index negative", lines("symbol,mark,index", "a,1,-1"), 1, "index", "not positive"),
    Case("volatility negative", lines("symbol,mark,volatility_per_day", "a,1,-1"), 1, "volatility_per_day", "positive"),
    Case("time in one row only", lines("symbol,mark,ts", "a,1,2026-01-01T00:00:00Z", "b,1,"), 2, "ts", "missing"),
    Case("no time", lines("symbol,mark,ts", "a,1,noon"), 1, "ts", "not a time"),
    Case("no mark column", lines("symbol,price", "a,1"), None, "mark", "missing"),
    Case("nameless", lines("symbol,mark", ",1"), 1, "symbol", "missing"),
], ids=lambda case: case.name)
def test_malformed_marks_are_refused_where_they_are_malformed(case: Case, tmp_path: Path) -> None:
    """A venue would be valued at a price that nobody quoted."""
    refused(case, tmp_path, lambda path, strict: read_marks(path, strict=strict))
