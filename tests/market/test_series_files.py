"""Funding, open interest, a volatility index, capitalisation: units, when a value is known, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.errors import InsufficientDataError, MalformedInputError, Place, UsageError
from leverline.market.series_kinds import KINDS, SeriesColumn
from leverline.market.sources.series_files import describe_series, read_series
from leverline.market.symbols import SymbolNaming
from leverline.model.instrument import Kind
from tests.market.malformed import Case, archive, lines, parquet, refused

DAY = 86_400
T0 = 1_704_067_200
FUNDING = "symbol,ts,funding_rate"
OI = "symbol,ts,oi_close"
DVOL = "symbol,ts,dvol"
CAP = "symbol,ts,market_cap"


def row(i: int, value: str = "1", symbol: str = "A") -> str:
    return f"{symbol},{T0 + i * DAY},{value}"


def third(head: str, last: str, value: str = "50") -> bytes:
    return lines(head, row(0, value), row(1, value), last)


FUNDING_CASES = [
    Case("empty", b"", None, None, "is empty"),
    Case("header only", FUNDING.encode(), None, None, "no rows"),
    Case("no rate", lines("symbol,ts,rate", row(0)), None, "funding_rate", "missing"),
    Case("no symbol", lines("ts,funding_rate", f"{T0},0"), None, "symbol", "missing"),
    Case("no time", lines("symbol,funding_rate", "A,0"), None, "ts", "missing"),
    Case("rate in percent points", third(FUNDING, row(2, "12"), "0"), 3, "funding_rate", "another unit"),
    Case("rate nan", third(FUNDING, row(2, "nan"), "0"), 3, "funding_rate", "not finite"),
    Case("rate a word", third(FUNDING, row(2, "low"), "0"), 3, "funding_rate", "not a number"),
    Case("rate missing", third(FUNDING, row(2, ""), "0"), 3, "funding_rate", "missing"),
    Case("second rate", third(FUNDING, row(1, "0"), "0"), 3, "ts", "second value"),
    Case("time falls", lines(FUNDING, row(0, "0"), row(2, "0"), row(1, "0")), 3, "ts", "goes back"),
    Case("mixed epochs", third(FUNDING, f"A,{(T0 + 2 * DAY) * 1000},0", "0"), 3, "ts", "in ms"),
    Case("symbol missing", third(FUNDING, row(2, "0", ""), "0"), 3, "symbol", "missing"),
    Case("naive under strict", lines(FUNDING, "A,2024-01-01,0"), 1, "ts", "no zone", strict=True),
    Case("rates as truths", parquet(pl.DataFrame({"symbol": ["A"], "ts": [T0], "funding_rate": [True]})), None,
         "funding_rate", "numbers", "input.parquet"),
    Case("foreign archive", archive(a__csv="x"), None, None, "name", "input.zip"),
    Case("empty archive member", archive(a__csv=""), None, None, "empty", "BTCUSDT-fundingRate-2024-01.zip"),
]
OI_CASES = [
    Case("empty", b"", None, None, "is empty"),
    Case("in coins", lines("symbol,ts,sum_open_interest", row(0)), None, "oi_close", "missing"),
    Case("negative", third(OI, row(2, "-5")), 3, "oi_close", "negative"),
    Case("inf", third(OI, row(2, "inf")), 3, "oi_close", "not finite"),
    Case("absurd", third(OI, row(2, "1e17")), 3, "oi_close", "another unit"),
    Case("a word", third(OI, row(2, "1e")), 3, "oi_close", "not a number"),
    Case("missing", third(OI, row(2, "")), 3, "oi_close", "missing"),
    Case("second value", third(OI, row(1, "50")), 3, "ts", "second value"),
    Case("second value apart", lines(OI, row(0), row(0, symbol="B"), row(0)), 3, "ts", "second value"),
    Case("time falls", third(OI, row(-1, "50")), 3, "ts", "goes back"),
    Case("time a word", third(OI, "A,monday,5"), 3, "ts", "not a time"),
    Case("a unit mistaken", lines(OI, "A,1970-01-20T16:13:20Z,5"), 1, "ts", "outside"),
    Case("symbol a blank", third(OI, row(2, "50", " ")), 3, "symbol", "not a symbol"),
]
DVOL_CASES = [
    Case("empty", b"", None, None, "is empty"),
    Case("a fraction", third(DVOL, row(2, "0.55")), 3, "dvol", "lies outside 1 to 1000: another unit"),
    Case("absurd", third(DVOL, row(2, "5500")), 3, "dvol", "another unit"),
    Case("zero", third(DVOL, row(2, "0")), 3, "dvol", "not positive"),
    Case("negative", third(DVOL, row(2, "-40")), 3, "dvol", "not positive"),
    Case("nan", third(DVOL, row(2, "NaN")), 3, "dvol", "not finite"),
    Case("missing", third(DVOL, row(2, "")), 3, "dvol", "missing"),
    Case("decimal comma", third(DVOL, f'A,{T0 + 2 * DAY},"55,1"'), 3, "dvol", "not a number"),
    Case("points as a fraction", lines("symbol,ts,implied_volatility", row(0, "55")), 1, "implied_volatility", "unit"),
    Case("second value", third(DVOL, row(1, "50")), 3, "ts", "second value"),
    Case("time falls", third(DVOL, row(-1, "50")), 3, "ts", "goes back"),
    Case("row too long", third(DVOL, row(2, "50,1")), 3, None, "4 cells"),
    Case("no index", lines("symbol,ts,vol", row(0)), None, "dvol", "missing"),
]
CAP_CASES = [
    Case("in billions of billions", third(CAP, row(2, "2e16")), 3, "market_cap", "another unit"),
    *(replace(case, content=case.content.replace(b"oi_close", b"market_cap"),
              column="market_cap" if case.column == "oi_close" else case.column) for case in OI_CASES),
]


@pytest.mark.parametrize(("kind", "case"), [
    (kind, case) for kind, cases in (("funding", FUNDING_CASES), ("open-interest", OI_CASES),
                                     ("implied-volatility", DVOL_CASES), ("market-capitalisation", CAP_CASES))
    for case in cases
], ids=lambda v: v if isinstance(v, str) else v.name)
def test_a_malformed_series_is_refused_where_it_is_malformed(kind: str, case: Case, tmp_path: Path) -> None:
    """Percent taken for fractions, or a day taken twice, would move every limit that leans on the series."""
    refused(case, tmp_path, lambda path, strict: read_series(path, kind, strict=strict))


@pytest.mark.parametrize(("head", "value", "kind", "known_after_s", "reads"), [
    (FUNDING, "-0.0001", "funding", 0, -0.0001),
    (OI, "5e8", "open-interest", DAY, 5e8),
    ("symbol,ts,open_interest_value", "5e8", "open-interest", 0, 5e8),
    (DVOL, "55", "implied-volatility", DAY, 0.55),
    ("symbol,ts,implied_volatility", "0.55", "implied-volatility", 0, 0.55),
    (CAP, "1e9", "market-capitalisation", DAY, 1e9),
])
def test_a_value_has_its_kinds_unit_and_is_not_known_before_its_time(
    head: str, value: str, kind: str, known_after_s: int, reads: float, tmp_path: Path
) -> None:
    """A backtest would see tonight's volatility this morning, or take 55 % for 5,500 %."""
    path = tmp_path / "s.csv"
    path.write_bytes(lines(head, row(0, value), row(1, value), row(3, value)))
    (series,) = read_series(path, kind)
    assert series.ts.tolist() == [(T0 + i * DAY + known_after_s) * 10**9 for i in (0, 1, 3)]
    assert series.value == pytest.approx([reads] * 3, rel=1e-15)
    assert (series.kind, series.symbol) == (kind, "A")


def test_the_mark_beside_a_funding_rate_is_never_taken_for_known(tmp_path: Path) -> None:
    """The close of an interval that only starts would be traded on eight hours early."""
    path = tmp_path / "s.csv"
    path.write_bytes(lines("symbol,ts,funding_rate,mark_close", *(row(i, f"0.0001,{100 + i}") for i in range(3))))
    assert read_series(path, "funding")[0].value.tolist() == [0.0001] * 3
    assert not any(column.name == "mark_close" for kind in KINDS.values() for column in kind.columns)
    with pytest.raises(UsageError, match="when it is known"):
        read_series(path, "funding", column="mark_close")
    (mark,) = read_series(path, "open-interest", column=SeriesColumn("mark_close", at_end=True))
    assert mark.ts.tolist() == [(T0 + (i + 1) * DAY) * 10**9 for i in range(3)]


def test_the_column_is_chosen_by_name_where_several_would_do(tmp_path: Path) -> None:
    """Which of two open interests was read would be left to chance."""
    path = tmp_path / "s.csv"
    path.write_bytes(lines("symbol,ts,oi_close,open_interest_value", *(row(i, f"5,{7 + i}") for i in range(3))))
    with pytest.raises(UsageError, match="several columns of open-interest: oi_close, open_interest_value"):
        read_series(path, "open-interest")
    assert read_series(path, "open-interest", column="open_interest_value")[0].value.tolist() == [7, 8, 9]
    with pytest.raises(UsageError, match="choose one of oi_close"):
        read_series(path, "open-interest", column="oi_high")
    with pytest.raises(UsageError, match="there are funding, open-interest"):
        read_series(path, "basis")
    with pytest.raises(UsageError, match="files"):
        read_series([], "funding")


def test_binances_public_files_are_read(tmp_path: Path) -> None:
    """The one free source of funding and open interest would have to be rewritten by hand."""
    funding = tmp_path / "BTCUSDT-fundingRate-2024-01.zip"
    funding.write_bytes(archive(a__csv=f"calc_time,funding_interval_hours,last_funding_rate\n{T0}001,8,0.0003\n"))
    (series,) = read_series(funding, "funding")
    assert (series.symbol, series.value.tolist()) == ("BTCUSDT", [0.0003])
    assert series.ts.tolist() == [(T0 * 1000 + 1) * 10**6]
    metrics = tmp_path / "BTCUSDT-metrics-2024-01-01.csv"
    metrics.write_bytes(lines("create_time,symbol,sum_open_interest,sum_open_interest_value",
                              "2024-01-01 00:05:00,BTCUSDT,10,420000"))
    (series,) = read_series(metrics, "open-interest", naming=SymbolNaming("USDT", Kind.PERPETUAL))
    assert (series.symbol, series.value.tolist()) == ("BTC/USDT:USDT", [420_000])
    assert "taken as UTC" in series.warnings[0]


def test_a_single_daily_value_does_not_say_when_it_was_known(tmp_path: Path) -> None:
    """A value of unknown length would be stamped as if it were known at once."""
    path = tmp_path / "s.csv"
    path.write_bytes(lines(DVOL, row(0, "55")))
    with pytest.raises(InsufficientDataError, match="end of its interval"):
        read_series(path, "implied-volatility")


def test_what_is_odd_is_accepted_and_named(tmp_path: Path) -> None:
    """A capitalisation written back into the past, or a dead feed, would be measured as if it had been seen."""
    path = tmp_path / "s.csv"
    path.write_bytes(lines(CAP, *(row(i, "7", "FILLED") for i in range(25)),
                           *(row(i, str(50 + min(i, 8)), "FROZEN") for i in range(25)),
                           *(row(i, str(50 + i), "GAP") for i in (0, 1, 2, 9, 10)),
                           *(row(i, str(v), "JUMP") for i, v in enumerate((50, 51, 500, 0, 51)))))
    report = describe_series([path], "market-capitalisation")
    struck = {line.symbol: {rule for rule, n in line.counts.items() if n} for line in report.symbols}
    assert struck == {"FILLED": {"back-filled"}, "FROZEN": {"frozen"}, "GAP": {"gap"}, "JUMP": {"jump", "zero-value"}}
    series = {s.symbol: s for s in read_series(path, "market-capitalisation")}
    assert len(series["JUMP"]) == 5
    assert {f.rule for f in series["FILLED"].findings} == {"back-filled"}
    path.write_bytes(lines(FUNDING, *(row(i, "0.0001" if i != 20 else "-0.05") for i in range(30))))
    assert describe_series([path], "funding").counts == {
        "gap": 0, "zero-value": 0, "frozen": 0, "jump": 1, "back-filled": 0}


def test_a_description_goes_on_where_reading_would_refuse(tmp_path: Path) -> None:
    """Who has to mend a file would learn one reason at a time."""
    good, twice, bad = (tmp_path / f"{name}.csv" for name in ("good", "twice", "bad"))
    good.write_bytes(lines(OI, row(0), row(1)))
    twice.write_bytes(lines(OI, row(0, "1", "B"), row(0, "2", "B"), row(1, "3", "B")))
    bad.write_bytes(lines(OI, row(0, "-1")))
    report = describe_series([good, twice, bad], "open-interest")
    assert [(line.symbol, line.rows) for line in report.symbols] == [("A", 2), ("B", 2)]
    assert [reason.split(":")[0] for reason in report.refused] == [
        "bad.csv, row 1, column 'oi_close'", "twice.csv, row 2, column 'ts'"]
    with pytest.raises(MalformedInputError, match="second value"):
        describe_series([twice], "open-interest", strict=True)


@given(at=st.integers(1, 30), fault=st.sampled_from([("dvol", "0"), ("dvol", ""), ("ts", "?"), ("symbol", "")]))
@settings(max_examples=30, deadline=None)
def test_the_row_named_is_the_row_at_fault(
    tmp_path_factory: pytest.TempPathFactory, at: int, fault: tuple[str, str]
) -> None:
    """Who has to mend a file of a million rows would look in the wrong place."""
    rows = [dict(zip(DVOL.split(","), row(i, "50").split(","), strict=True)) for i in range(30)]
    rows[at - 1][fault[0]] = fault[1]
    path = tmp_path_factory.mktemp("fault") / "s.csv"
    path.write_bytes(lines(DVOL, *(",".join(r.values()) for r in rows)))
    with pytest.raises(MalformedInputError) as caught:
        read_series(path, "implied-volatility")
    assert caught.value.place == Place("s.csv", at, fault[0])


@pytest.mark.shared_data
@pytest.mark.parametrize(("file", "kind", "symbols", "rows"), [
    ("funding_8h_binance_perp", "funding", 7, 11_770), ("funding_1h_hyperliquid", "funding", 55, 791_990),
    ("daily_open_interest_perp", "open-interest", 24, 20_979), ("daily_dvol_btc", "implied-volatility", 1, 1_060),
    ("oi_cross_section_640_perps", "open-interest", 640, 4_422),
    ("daily_market_cap", "market-capitalisation", 116, 69_001),
])
def test_real_series_are_read_whole(shared_data: Path, file: str, kind: str, symbols: int, rows: int) -> None:
    """The files that limits lean on would be refused or thinned out."""
    series = read_series(shared_data / f"{file}.parquet", kind)
    assert (len(series), sum(map(len, series))) == (symbols, rows)
    assert all((np.diff(s.ts) > 0).all() for s in series)
    stamped = pl.read_parquet(shared_data / f"{file}.parquet")["ts"].dt.epoch("ns").to_numpy()
    assert min(int(s.ts[0]) for s in series) == stamped.min() + (0 if kind == "funding" else DAY * 10**9)
