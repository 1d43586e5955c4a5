"""Level-2 files: what is read, what is refused, and what is left out by rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from leverline.ground.errors import MalformedInputError
from leverline.market.book_rules import reach
from leverline.market.books import BookSnapshots
from leverline.market.sources.level2 import describe_level2, read_level2
from tests.market.books import Case, assert_refused, at, csv, shapes

HEAD = "ts,symbol,side,level,price,size"
GOOD = f"{at(0)},A,bid,1,99,2"
ASK = f"{at(0)},A,ask,1,101,3"


def third(row: str, head: str = HEAD) -> bytes:
    return csv(head, GOOD, ASK, row)


CASES = [
    *shapes(HEAD, GOOD, {c: HEAD.replace(c, "x") for c in ("ts", "side", "price", "size", "symbol")}),
    Case("side a word", third(f"{at(1)},A,buy,1,99,2"), 3, "side", "is no side"),
    Case("side empty", third(f"{at(1)},A,,1,99,2"), 3, "side", "is missing"),
    Case("price negative", third(f"{at(1)},A,bid,1,-99,2"), 3, "price", "not positive"),
    Case("price zero", third(f"{at(1)},A,bid,1,0,2"), 3, "price", "not positive"),
    Case("price NaN", third(f"{at(1)},A,bid,1,NaN,2"), 3, "price", "not finite"),
    Case("price missing", third(f"{at(1)},A,bid,1,,2"), 3, "price", "missing"),
    Case("price a word", third(f"{at(1)},A,bid,1,n/a,2"), 3, "price", "not a number"),
    Case("size negative", third(f"{at(1)},A,bid,1,99,-2"), 3, "size", "not positive"),
    Case("size infinite", third(f"{at(1)},A,bid,1,99,inf"), 3, "size", "not finite"),
    Case("size absurd", third(f"{at(1)},A,bid,1,99,1e30"), 3, "size", "absurdly"),
    Case("level a fraction", third(f"{at(1)},A,bid,1.5,99,2"), 3, "level", "whole number"),
    Case("level negative", third(f"{at(1)},A,bid,-1,99,2"), 3, "level", "below 0"),
    Case("level endless", third(f"{at(1)},A,bid,20000,99,2"), 3, "level", "deeper"),
    Case("level twice", third(f"{at(0)},A,bid,1,98,2"), 3, "level", "second time"),
    Case("level missing", third(f"{at(0)},A,bid,3,98,2"), 3, "level", "number 2 of its side"),
    Case("level starts at 2", third(f"{at(1)},A,bid,2,98,2"), 3, "level", "number 1 of its side"),
    Case("level against price", third(f"{at(0)},A,bid,2,99.5,2"), 3, "level", "number 1 of its side"),
    Case("price twice", third(f"{at(0)},A,bid,2,99,2"), 3, "price", "twice"),
    Case("goes back", third(f"{at(1)},A,bid,1,99,2") + csv(GOOD), 4, "ts", "back in time"),
    Case("time a word", third("yesterday,A,bid,1,99,2"), 3, "ts", "not a time"),
    Case("time mixed epochs", csv(HEAD, "1760054400,A,bid,1,99,2", "1760054400000,A,ask,1,101,2"), 2, "ts", "in ms"),
    Case("symbol missing", third(f"{at(1)},,bid,1,99,2"), 3, "symbol", "missing"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_malformed_book_is_refused_with_its_place(case: Case, tmp_path: Path) -> None:
    """A limit would be set on depth that nobody offered."""
    assert_refused(case, tmp_path, read_level2)


def test_the_order_of_rows_and_the_column_level_do_not_matter(tmp_path: Path) -> None:
    """Two exports of one book would give two costs."""
    rows = [f"{at(t)},A,{side},{k + 1},{100 + (k + 1) * (1 if side == 'ask' else -1) + t * 0.1},{k + 1}"
            for t in range(3) for side in ("bid", "ask") for k in range(3)]
    by_level = sorted(rows, key=lambda row: row.split(",")[2:4])
    bare = [",".join(row.split(",")[:3] + row.split(",")[4:]) for row in reversed(rows)]
    bare.sort(key=lambda row: row.split(",")[0])
    books: list[BookSnapshots] = []
    for name, content in (("a.csv", csv(HEAD, *rows)), ("b.csv", csv(HEAD, *by_level)),
                          ("c.csv", csv("ts,symbol,side,price,size", *bare))):
        (tmp_path / name).write_bytes(content)
        books += read_level2(tmp_path / name)
    for book in books:
        np.testing.assert_array_equal(book.bid_price[1], [99.1, 98.1, 97.1])
        np.testing.assert_array_equal(book.ask_size[2], [1, 2, 3])
        assert len(book) == 3


def test_markets_of_one_symbol_stay_apart() -> None:
    """Spot bids would be netted against perpetual asks."""
    frame = pl.DataFrame({
        "ts": [1_760_054_400] * 4, "symbol": ["A"] * 4, "market": ["spot", "spot", "perp", "perp"],
        "side": ["bid", "ask"] * 2, "price": [99.0, 101.0, 89.0, 91.0], "size": [1.0] * 4})
    assert [(b.symbol, b.bid_price[0, 0]) for b in read_level2(frame)] == [("spot:A", 99.0), ("perp:A", 89.0)]


def test_files_may_follow_each_other_but_not_overlap(tmp_path: Path) -> None:
    """A snapshot given twice would count twice in a quantile of depth."""
    for name, second in (("a.csv", 0), ("b.csv", 5)):
        (tmp_path / name).write_bytes(csv(HEAD, f"{at(second)},A,bid,1,99,2", f"{at(second)},A,ask,1,101,3"))
    (book,) = read_level2([tmp_path / "b.csv", tmp_path / "a.csv"])
    assert len(book) == 2
    with pytest.raises(MalformedInputError, match="overlaps another input"):
        read_level2([tmp_path / "a.csv", tmp_path / "a.csv"])


def test_a_description_goes_on_where_one_file_is_refused(tmp_path: Path) -> None:
    """One torn file would hide what is in the others."""
    (tmp_path / "good.csv").write_bytes(csv(HEAD, GOOD, ASK))
    (tmp_path / "bad.csv").write_bytes(third(f"{at(1)},A,buy,1,99,2"))
    report = describe_level2([tmp_path / "good.csv", tmp_path / "bad.csv"])
    assert [line.symbol for line in report.symbols] == ["A"]
    assert len(report.refused) == 1
    assert "bad.csv, row 3, column 'side'" in report.refused[0]
    assert not report.clean
    with pytest.raises(MalformedInputError):
        describe_level2([tmp_path / "good.csv", tmp_path / "bad.csv"], strict=True)


@pytest.mark.shared_data
def test_a_real_capture_is_read_whole_and_says_how_little_it_spans(shared_data: Path) -> None:
    """Rules that strike a calm live book would throw real depth away; a walk beyond its levels would be invented."""
    books = read_level2(shared_data / "l2_snapshots_binance_2024_08_08.parquet")
    assert [len(book) for book in books] == [344, 344, 345, 345]
    for book in books:
        assert book.bid_price.shape[1] == 50
        assert {finding.rule for finding in book.findings} == {"thin-levels"}
        assert max(reach(book).median_bp) < 5.0
