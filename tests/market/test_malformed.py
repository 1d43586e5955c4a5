"""Malformed files are refused whole, with file, row, column, exit code 2 and, where there is one, a remedy."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.errors import MalformedInputError, Place, UsageError
from leverline.market.reading import read_bars
from leverline.market.sources import files as file_source
from leverline.market.sources import klines
from leverline.market.symbols import SymbolNaming
from leverline.model.instrument import Kind

HEAD = "symbol,ts,close\n"
DAYS = ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z", "2024-01-04T00:00:00Z"]
HOURS = [f"2024-01-01T{h:02}:00:00Z" for h in range(6)]
OHLCV = "symbol,ts,open,high,low,close,volume\n"


def table(rows: Sequence[str], head: str = HEAD) -> bytes:
    return (head + "".join(f"{row}\n" for row in rows)).encode()


def third_row(row: str, head: str = HEAD) -> bytes:
    """Two good rows, then ``row``."""
    cells = ",1,2,1,2,5" if head == OHLCV else ",2"
    return table([f"A,{DAYS[0]}{cells}", f"A,{DAYS[1]}{cells}", row], head)


def parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


def typed(**columns: pl.Series | list[object]) -> pl.DataFrame:
    good: dict[str, object] = {
        "symbol": ["A", "A", "A"], "close": [1.0, 2.0, 3.0],
        "ts": pl.Series([datetime(2024, 1, d) for d in (1, 2, 3)]).dt.replace_time_zone("UTC"),
    }
    return pl.DataFrame({**good, **columns})


def archive(**members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, text in members.items():
            z.writestr(name.replace("__", "."), text)
    return out.getvalue()


def kline(ms: int, close: str = "2") -> str:
    return f"{ms},1,3,1,{close},10,{ms + 3599999},20,5,6,12,0\n"


@dataclass(frozen=True)
class Case:
    name: str
    content: bytes
    row: int | None
    column: str | None
    says: str
    file: str = "bars.csv"
    strict: bool = False


CASES = [
    # what a file is
    Case("empty", b"", None, None, "is empty"),
    Case("header only", HEAD.encode(), None, None, "no rows"),
    Case("header without newline", HEAD.strip().encode(), None, None, "no rows"),
    Case("blank lines only", b"\n\n\n", None, None, "header is empty"),
    Case("not Parquet", HEAD.encode(), None, None, "not Parquet", "bars.parquet"),
    Case("torn Parquet", parquet(typed())[:-20], None, None, "not readable Parquet", "bars.parquet"),
    Case("Parquet magic only", b"PAR1", None, None, "not readable Parquet", "bars.parquet"),
    Case("Parquet without rows", parquet(typed().clear()), None, None, "no rows", "bars.parquet"),
    Case("gzip", b"\x1f\x8b\x08\x00rest", None, None, "gzip"),
    Case("NUL bytes", HEAD.encode() + b"A,\0,1\n", None, None, "NUL"),
    Case("Latin-1", third_row("A").replace(b"A\n", "Ä,2024-01-03T00:00:00Z,3\n".encode("latin-1")), 3, None, "UTF-8"),
    Case("UTF-16", "symbol,ts,close\nA,1,2\n".encode("utf-16"), None, None, "NUL"),
    Case("semicolons", table(["A;2024-01-01T00:00:00Z;1"], "symbol;ts;close\n"), None, "symbol", "missing"),
    # its header
    Case("no symbol", table([f"{DAYS[0]},1"], "ts,close\n"), None, "symbol", "missing"),
    Case("no ts", table(["A,1"], "symbol,close\n"), None, "ts", "missing"),
    Case("no close", table([f"A,{DAYS[0]},1"], "symbol,ts,price_usd\n"), None, "close", "missing"),
    Case("other case", table([f"A,{DAYS[0]},1"], "Symbol,ts,close\n"), None, "symbol", "missing"),
    Case("no header", table([f"A,{DAYS[0]},1"], f"A,{DAYS[1]},1\n"), None, None, "first row holds numbers"),
    Case("header twice", table([f"A,{DAYS[0]},1,1"], "symbol,ts,close,close\n"), None, "close", "twice"),
    # its shape
    Case("row too long", third_row(f"A,{DAYS[2]},3,4"), 3, None, "4 cells"),
    Case("row too short", third_row(f"A,{DAYS[2]}"), 3, None, "2 cells"),
    Case("blank row inside", third_row(f"\nA,{DAYS[2]},3"), 3, None, "0 cells"),
    Case("unclosed quote", third_row(f'"A,{DAYS[2]},3'), 3, None, "quotation"),
    # symbols
    Case("symbol missing", third_row(f",{DAYS[2]},3"), 3, "symbol", "missing"),
    Case("symbol with blank edge", third_row(f"A ,{DAYS[2]},3"), 3, "symbol", "not a symbol"),
    Case("symbol with escape", third_row(f"A\x1b[31m,{DAYS[2]},3"), 3, "symbol", "not a symbol"),
    Case("symbol endless", third_row(f"{'A' * 200},{DAYS[2]},3"), 3, "symbol", "not a symbol"),
    Case("symbol a number", parquet(typed(symbol=[1, 2, 3])), None, "symbol", "text", "bars.parquet"),
    # prices and volumes
    Case("close missing", third_row(f"A,{DAYS[2]},"), 3, "close", "missing"),
    Case("close quoted empty", third_row(f'A,{DAYS[2]},""'), 3, "close", "missing"),
    Case("close a word", third_row(f"A,{DAYS[2]},n/a"), 3, "close", "not a number"),
    Case("decimal comma", third_row(f'A,{DAYS[2]},"1,5"'), 3, "close", "not a number"),
    Case("close zero", third_row(f"A,{DAYS[2]},0"), 3, "close", "not positive"),
    Case("close negative", third_row(f"A,{DAYS[2]},-37.63"), 3, "close", "not positive"),
    Case("close nan", third_row(f"A,{DAYS[2]},NaN"), 3, "close", "not finite"),
    Case("close inf", third_row(f"A,{DAYS[2]},inf"), 3, "close", "not finite"),
    Case("close overflows", third_row(f"A,{DAYS[2]},1e400"), 3, "close", "not finite"),
    Case("close absurd", third_row(f"A,{DAYS[2]},1e30"), 3, "close", "absurdly large"),
    Case("close null in Parquet", parquet(typed(close=[1.0, None, 3.0])), 2, "close", "missing", "bars.parquet"),
    Case("close NaN in Parquet", parquet(typed(close=[1.0, float("nan"), 3.0])), 2, "close", "finite", "bars.parquet"),
    Case("close a truth", parquet(typed(close=[True, True, False])), None, "close", "numbers", "bars.parquet"),
    Case("low zero", third_row(f"A,{DAYS[2]},1,2,0,2,5", OHLCV), 3, "low", "not positive"),
    Case("high inf", third_row(f"A,{DAYS[2]},1,inf,1,2,5", OHLCV), 3, "high", "not finite"),
    Case("open a word", third_row(f"A,{DAYS[2]},x,2,1,2,5", OHLCV), 3, "open", "not a number"),
    Case("volume negative", third_row(f"A,{DAYS[2]},1,2,1,2,-5", OHLCV), 3, "volume", "negative"),
    Case("volume nan", third_row(f"A,{DAYS[2]},1,2,1,2,nan", OHLCV), 3, "volume", "not finite"),
    # times
    Case("time missing", third_row("A,,3"), 3, "ts", "missing"),
    Case("time a word", third_row("A,yesterday,3"), 3, "ts", "not a time"),
    Case("no such day", third_row("A,2024-02-30T00:00:00Z,3"), 3, "ts", "not a time"),
    Case("American date", table(["A,12/31/2023,1", "A,01/01/2024,2"]), 1, "ts", "not a time"),
    Case("fractional epoch", table(["A,1704067200.5,1", "A,1704153600.5,2"]), 1, "ts", "not a time"),
    Case("seconds then milliseconds", table(["A,1704067200,1", "A,1704153600000,2"]), 2, "ts", "in ms"),
    Case("epoch then ISO", table(["A,1704067200,1", f"A,{DAYS[1]},2"]), 2, "ts", "starts with an epoch"),
    Case("zoned then naive", table([f"A,{DAYS[0]},1", "A,2024-01-02T00:00:00,2"]), 2, "ts", "with a zone"),
    Case("a unit mistaken", table(["A,1970-01-20T16:13:20Z,1", f"A,{DAYS[0]},2"]), 1, "ts", "outside"),
    Case("after 2100", third_row("A,2100-01-01T00:00:00Z,3"), 3, "ts", "outside"),
    Case("epoch zero", table(["A,0,1", "A,86400,2"]), 1, "ts", "no epoch"),
    Case("epoch negative", table(["A,-1704067200,1", "A,1704153600,2"]), 1, "ts", "no epoch"),
    Case("epoch beyond int64", table(["A,99999999999999999999,1"]), 1, "ts", "no epoch"),
    Case("floating time", parquet(typed(ts=[1.7e9, 1.70001e9, 1.70002e9])), None, "ts", "type", "bars.parquet"),
    Case("naive under strict", table(["A,2024-01-01,1", "A,2024-01-02,2"]), 1, "ts", "no zone", strict=True),
    Case("naive Parquet under strict", parquet(typed(ts=[datetime(2024, 1, d) for d in (1, 2, 3)])), 1, "ts", "no zone",
         "bars.parquet", strict=True),
    # order
    Case("same bar twice", third_row(f"A,{DAYS[1]},3"), 3, "ts", "second bar"),
    Case("same bar twice, apart", table([f"A,{DAYS[0]},1", f"A,{DAYS[1]},1", f"B,{DAYS[0]},1", f"A,{DAYS[0]},2"]), 4,
         "ts", "second bar"),
    Case("newest first", table([f"A,{d},1" for d in reversed(DAYS)]), 2, "ts", "goes back"),
    Case("one row astray", table([f"A,{DAYS[i]},1" for i in (0, 2, 1, 3)]), 3, "ts", "goes back"),
    Case("daily and hourly", table([f"A,{d},1" for d in DAYS] + [f"B,{h},1" for h in HOURS]), None, "ts", "mixed"),
    Case("no rhythm", table([f"A,{1_704_067_200 + i**3 * 61 + 7 * i},1" for i in range(20)]), None, "ts", "regular"),
    # klines
    Case("archive of another name", archive(x__csv=kline(1704067200000)), None, None, "name", "bars.zip"),
    Case("archive of two", archive(a__csv="x", b__csv="y"), None, None, "2 files", "BTCUSDT-1h-2024-01.zip"),
    Case("torn archive", archive(a__csv=kline(1704067200000))[:40], None, None, "archive", "BTCUSDT-1h-2024-01.zip"),
    Case("empty archive member", archive(a__csv=""), None, None, "empty", "BTCUSDT-1h-2024-01.zip"),
    Case("months", archive(a__csv=kline(1704067200000)), None, None, "month", "BTCUSDT-1mo-2024-01.zip"),
    Case("kline too short", (kline(1704067200000) + "1704070800000,1,3,1,2,10\n").encode(), 2, None, "6 cells",
         "BTCUSDT-1h-2024-01.csv"),
    Case("kline close", (kline(1704067200000) + kline(1704070800000, "-")).encode(), 2, "close", "not a number",
         "BTCUSDT-1h-2024-01.csv"),
    Case("kline without symbol in its name", kline(1704067200000).encode(), None, None, "named like", "klines.csv"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_a_malformed_file_is_refused_where_it_is_malformed(case: Case, tmp_path: Path) -> None:
    """A limit would be computed from numbers that nobody wrote."""
    path = tmp_path / case.file
    path.write_bytes(case.content)
    with pytest.raises(MalformedInputError, match=case.says) as caught:
        read_bars([path], strict=case.strict)
    place = caught.value.place
    assert place is not None
    assert (place.file, place.row, place.column) == (case.file, case.row, case.column)
    assert caught.value.exit_code == 2
    assert str(tmp_path) not in str(caught.value)


def test_thirty_ways_to_be_malformed_are_known() -> None:
    """The refusals above would have thinned out unseen."""
    assert len({c.content for c in CASES}) >= 60


def test_a_file_that_is_absent_or_a_folder_is_refused(tmp_path: Path) -> None:
    """A typing error in a name would end in a traceback."""
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(MalformedInputError, match="cannot be read"):
            read_bars([path])
    with pytest.raises(UsageError, match="files"):
        read_bars([])


def test_absurd_sizes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One upload would take the machine's memory."""
    csv, pq, big = tmp_path / "a.csv", tmp_path / "a.parquet", tmp_path / "BTCUSDT-1h-2024-01.zip"
    csv.write_bytes(table([f"A,{d},1" for d in DAYS]))
    pq.write_bytes(parquet(typed()))
    big.write_bytes(archive(a__csv=kline(1704067200000) * 2000))
    monkeypatch.setattr(file_source, "MAX_ROWS", 2)
    for path in (csv, pq):
        with pytest.raises(MalformedInputError, match="more than 2"):
            read_bars([path])
    with pytest.raises(MalformedInputError, match="more than 2"):
        read_bars(typed())
    monkeypatch.setattr(klines, "MAX_BYTES", 10_000)
    with pytest.raises(MalformedInputError, match="unpacks to more"):
        read_bars([big])
    monkeypatch.setattr(file_source, "MAX_BYTES", 50)
    with pytest.raises(MalformedInputError, match="bytes, more than 50"):
        read_bars([csv])


def test_two_files_may_follow_but_not_overlap(tmp_path: Path) -> None:
    """A month given twice would count its crash twice."""
    early, late, over = tmp_path / "early.csv", tmp_path / "late.csv", tmp_path / "over.csv"
    early.write_bytes(table([f"A,{d},1" for d in DAYS[:2]]))
    late.write_bytes(table([f"B,{DAYS[2]},1", f"A,{DAYS[2]},1", f"A,{DAYS[3]},1"]))
    over.write_bytes(table([f"C,{DAYS[0]},1", f"A,{DAYS[1]},1", f"A,{DAYS[2]},1"]))
    assert read_bars([late, early]).symbols == ("B", "A")
    with pytest.raises(MalformedInputError, match="overlaps") as caught:
        read_bars([early, over])
    assert caught.value.place is not None
    assert (caught.value.place.file, caught.value.place.row) == ("over.csv", 2)
    with pytest.raises(MalformedInputError, match="overlaps"):
        read_bars([early, early])


def test_two_symbols_that_become_one_are_refused(tmp_path: Path) -> None:
    """Two markets would be measured as one."""
    path = tmp_path / "bars.csv"
    path.write_bytes(table([f"BTCUSDT,{DAYS[0]},1", f"BTCUSDT,{DAYS[1]},1", f"BTC_USDT,{DAYS[2]},1"]))
    with pytest.raises(MalformedInputError, match="both become 'BTC/USDT:USDT'"):
        read_bars([path], naming=SymbolNaming(quote="USDT", kind=Kind.PERPETUAL))


@given(row=st.integers(1, 40), fault=st.sampled_from([
    ("symbol", ""), ("ts", "?"), ("ts", ""), ("open", "-1"), ("high", "0"), ("low", "1.2.3"), ("close", ""),
    ("close", "nan"), ("volume", "-0.1"),
]))
@settings(max_examples=60, deadline=None)
def test_the_row_named_is_the_row_at_fault(
    tmp_path_factory: pytest.TempPathFactory, row: int, fault: tuple[str, str]
) -> None:
    """Who has to mend a file of a million rows would look in the wrong place."""
    names = OHLCV.strip().split(",")
    rows = [dict(zip(names, ("AB"[h % 2], str(1_704_067_200 + h // 2 * 3600), "1", "2", "1", "2", "5"), strict=True))
            for h in range(40)]
    rows[row - 1][fault[0]] = fault[1]
    path = tmp_path_factory.mktemp("fault") / "bars.csv"
    path.write_bytes(table([",".join(r.values()) for r in rows], OHLCV))
    with pytest.raises(MalformedInputError) as caught:
        read_bars([path])
    assert caught.value.place == Place("bars.csv", row, fault[0])


def test_quotation_marks_in_remarks_lose_no_bar(tmp_path: Path) -> None:
    """A remark such as 5" would swallow the bars up to the next remark."""
    path, head = tmp_path / "bars.csv", "symbol,ts,close,remark\n"
    path.write_bytes(table([f'A,{DAYS[0]},1,"two\nlines"', f'A,{DAYS[1]},2,"5"" pipe"', f"A,{DAYS[2]},3,"], head))
    assert read_bars([path]).close.tolist() == [1, 2, 3]
    path.write_bytes(table([f"A,{DAYS[0]},1,x", f'A,{DAYS[1]},2,5" pipe', f'A,{DAYS[2]},3,5" pipe'], head))
    with pytest.raises(MalformedInputError, match="quotation mark") as caught:
        read_bars([path])
    assert caught.value.place == Place("bars.csv", 2, None)
