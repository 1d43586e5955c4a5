"""Trades: what each venue's files mean, what is refused, what is odd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.errors import MalformedInputError, Place, UsageError
from leverline.market.sources.ccxt_trades import trades_from_ccxt
from leverline.market.sources.trade_files import describe_trades, read_trades
from tests.market.malformed import Case, archive, lines, parquet, refused

HEAD = "symbol,ts,price,size,side,trade_id"
T0 = 1_704_067_200_000


def trade(i: int, price: str = "100", size: str = "2", side: str = "buy", symbol: str = "A", number: str = "") -> str:
    return f"{symbol},{T0 + i},{price},{size},{side},{number or i}"


def third(row: str) -> bytes:
    return lines(HEAD, trade(0), trade(1), row)


AGG = "{0},100.5,2,{0},{0},{1},{2}"
AGG_FILE = "BTCUSDT-aggTrades-2024-01-01.csv"
CASES = [
    Case("empty", b"", None, None, "is empty"),
    Case("header only", HEAD.encode(), None, None, "no rows"),
    Case("not Parquet", lines(HEAD, trade(0)), None, None, "not Parquet", "input.parquet"),
    Case("no price", lines("ts,size,side", f"{T0},1,buy"), None, "price", "missing"),
    Case("no size", lines("ts,price,side", f"{T0},1,buy"), None, "size", "missing"),
    Case("no side", lines("ts,price,size", f"{T0},1,1"), None, "side", "missing"),
    Case("no time", lines("price,size,side", "1,1,buy"), None, "ts", "missing"),
    Case("no market", lines("ts,price,size,side", f"{T0},1,1,buy"), None, "symbol", "missing"),
    Case("row too short", third("A,1"), 3, None, "2 cells"),
    Case("price zero", third(trade(2, price="0")), 3, "price", "not positive"),
    Case("price negative", third(trade(2, price="-1")), 3, "price", "not positive"),
    Case("price nan", third(trade(2, price="nan")), 3, "price", "not finite"),
    Case("price a word", third(trade(2, price="x")), 3, "price", "not a number"),
    Case("price missing", third(trade(2, price="")), 3, "price", "missing"),
    Case("size zero", third(trade(2, size="0")), 3, "size", "size 0 is not positive"),
    Case("size inf", third(trade(2, size="inf")), 3, "size", "not finite"),
    Case("size absurd", third(trade(2, size="1e30")), 3, "size", "absurdly large"),
    Case("side unknown", third(trade(2, side="long")), 3, "side", "none of buy, sell"),
    Case("side missing", third(trade(2, side="")), 3, "side", "missing"),
    Case("side a number", parquet(pl.DataFrame({"symbol": ["A"], "ts": [T0], "price": [1.0], "size": [1.0],
                                                 "side": [1]})), None, "side", "buy or sell", "input.parquet"),
    Case("maker unknown", lines("symbol,ts,price,size,buyer_is_maker", f"A,{T0},1,1,maybe"), 1, "buyer_is_maker",
         "none of true, false"),
    Case("time missing", third("A,,1,1,buy,2"), 3, "ts", "missing"),
    Case("mixed epochs", third(f"A,{T0 // 1000},1,1,buy,2"), 3, "ts", "in s"),
    Case("time falls", third(trade(0, number="9")), 3, "ts", "goes back"),
    Case("trade twice", third(trade(2, number="1")), 3, "trade_id", "trade 1 twice"),
    Case("number no number", third(trade(2, number="x1")), 3, "trade_id", "no trade number"),
    Case("number negative", third(trade(2, number="-4")), 3, "trade_id", "no trade number"),
    Case("symbol blank", third(trade(2, symbol=" ")), 3, "symbol", "not a symbol"),
    Case("naive under strict", lines("symbol,ts,price,size,side", "A,2024-01-01T00:00:00,1,1,buy"), 1, "ts", "no zone",
         strict=True),
    Case("foreign archive", archive(a__csv="x"), None, None, "name", "input.zip"),
    Case("torn archive", archive(a__csv=AGG.format(1, T0, "true"))[:30], None, None, "archive",
         AGG_FILE.replace("csv", "zip")),
    Case("headerless too wide", lines(AGG.format(1, T0, "true") + ",true,1"), 1, None, "7 or 8 columns, not 9",
         AGG_FILE),
    Case("headerless price", lines(AGG.format(1, T0, "true"), AGG.format(2, T0, "true").replace("100.5", "-")), 2,
         "price", "not a number", AGG_FILE),
    Case("coin-margined contracts", lines(AGG.format(1, T0, "true")), None, "quantity", "no base size",
         "BTCUSD_PERP-aggTrades-2024-01-01.csv"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_malformed_trades_are_refused_where_they_are_malformed(case: Case, tmp_path: Path) -> None:
    """Impact would be measured on prints that nobody made."""
    refused(case, tmp_path, lambda path, strict: read_trades(path, strict=strict))


@pytest.mark.parametrize(("file", "text", "size"), [
    (AGG_FILE, AGG.format(7, T0, "true") + "\n" + AGG.format(8, T0 + 1, "false") + "\n", 2.0),
    (AGG_FILE, AGG.format(7, T0, "True") + ",True\n" + AGG.format(8, T0 + 1, "False") + ",True\n", 2.0),
    (AGG_FILE, "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
     + AGG.format(7, T0, "true") + "\n" + AGG.format(8, T0 + 1, "false") + "\n", 2.0),
    ("BTCUSDT-trades-2024-01.csv", f"7,100.5,2,201,{T0},true\n8,100.5,2,201,{T0 + 1},false\n", 2.0),
    ("BTCUSDT-trades-2024-01.csv", f"7,100.5,2,201,{T0}000,True,True\n8,100.5,2,201,{T0 + 1}000,False,True\n", 2.0),
    ("BTCUSD_PERP-trades-2024-01.csv", f"7,100.5,2,0.5,{T0},true\n8,100.5,2,0.5,{T0 + 1},false\n", 0.5),
    ("BTCUSD_PERP-trades-2024-01.csv",
     f"id,price,qty,base_qty,time,is_buyer_maker\n7,100.5,2,0.5,{T0},true\n8,100.5,2,0.5,{T0 + 1},false\n", 0.5),
])
@pytest.mark.parametrize("packed", [False, True])
def test_each_public_file_of_binance_means_the_same(
    file: str, text: str, size: float, packed: bool, tmp_path: Path
) -> None:
    """A buyer would be taken for a seller, contracts for coins, or microseconds for milliseconds."""
    path = tmp_path / (file.replace(".csv", ".zip") if packed else file)
    path.write_bytes(archive(a__csv=text) if packed else text.encode())
    (trades,) = read_trades(path)
    assert trades.symbol == file.split("-")[0]
    assert trades.ts.tolist() == [T0 * 10**6, (T0 + 1) * 10**6]
    assert trades.price.tolist() == [100.5, 100.5]
    assert trades.size.tolist() == [size, size]
    assert trades.aggressor.tolist() == [-1, 1]
    assert trades.files[0].sha256


def test_the_exchanges_own_time_goes_before_the_recorders(tmp_path: Path) -> None:
    """Trades would be laid beside a book that had already moved on."""
    path = tmp_path / "t.csv"
    path.write_bytes(lines("trade_id,timestamp,exchange_timestamp,price,amount,side", f"1,{T0 + 72},{T0},5,0.1,sell"))
    (trades,) = read_trades(path, symbol="BTC/USD")
    assert (trades.symbol, trades.ts.tolist(), trades.aggressor.tolist()) == ("BTC/USD", [T0 * 10**6], [-1])


def test_two_markets_of_one_symbol_stay_apart(tmp_path: Path) -> None:
    """Spot and perpetual prints would be one market with a spread that is not there."""
    path = tmp_path / "t.csv"
    path.write_bytes(lines("symbol,market,ts,price,size,side", f"A,spot,{T0 + 5},1,1,buy", f"A,perp,{T0},2,1,sell"))
    assert [(t.symbol, t.price.tolist()) for t in read_trades(path)] == [("spot:A", [1.0]), ("perp:A", [2.0])]


def test_files_may_follow_each_other_but_not_overlap(tmp_path: Path) -> None:
    """A day given twice would double the volume that limits stand on."""
    early, late, over = (tmp_path / f"{name}.csv" for name in ("early", "late", "over"))
    early.write_bytes(lines(HEAD, trade(0), trade(1)))
    late.write_bytes(lines(HEAD, trade(1, number="7"), trade(2, number="8")))
    over.write_bytes(lines(HEAD, trade(0, number="9"), trade(3, number="10")))
    (trades,) = read_trades([late, early])
    assert (np.diff(trades.ts) >= 0).all()
    assert len(trades) == 4
    with pytest.raises(MalformedInputError, match="overlaps") as caught:
        read_trades([early, over])
    assert caught.value.place is not None
    assert caught.value.place.file in ("early.csv", "over.csv")
    with pytest.raises(MalformedInputError, match="twice"):
        read_trades([early, early])
    with pytest.raises(UsageError, match="files"):
        read_trades([])


def test_an_off_market_print_is_named_and_left_out(tmp_path: Path) -> None:
    """One print at a tenth of the price would be the largest impact ever measured."""
    path = tmp_path / "t.csv"
    path.write_bytes(lines(HEAD, trade(0), trade(1, price="10"), trade(2, price="101"), trade(3, price="45"),
                           trade(4, price="44")))
    (trades,) = read_trades(path)
    assert trades.price.tolist() == [100, 101, 45, 44]
    assert [(f.rule, f.ts) for f in trades.findings] == [("print-jump", (T0 + 1) * 10**6)]


def test_a_hole_in_consecutive_numbers_is_missing_trades_and_a_shared_counter_is_not(tmp_path: Path) -> None:
    """Half a day lost in a download would pass for a quiet market, and a venue with one counter for all would warn."""
    path = tmp_path / "t.csv"
    path.write_bytes(lines(HEAD, *(trade(i, number=str(i if i < 30 else i + 500)) for i in range(60))))
    report = describe_trades([path])
    assert report.counts == {"print-jump": 0, "missing-trades": 1}
    assert "500" in report.first_findings()[0][4]
    path.write_bytes(lines(HEAD, *(trade(i, number=str(i * i + i)) for i in range(60))))
    assert describe_trades([path]).clean


def test_a_description_goes_on_where_reading_would_refuse(tmp_path: Path) -> None:
    """Who has to mend a file would learn one reason at a time."""
    good, back, bad = (tmp_path / f"{name}.csv" for name in ("good", "back", "bad"))
    good.write_bytes(lines(HEAD, trade(0), trade(1)))
    back.write_bytes(lines(HEAD, trade(9, symbol="B"), trade(8, symbol="B")))
    bad.write_bytes(third(trade(2, price="-1")))
    report = describe_trades([good, back, bad])
    assert [line.symbol for line in report.symbols] == ["A", "B"]
    assert len(report.refused) == 2
    assert "bad.csv, row 3" in report.refused[0]
    assert "back.csv, row 2" in report.refused[1]
    assert report.to_dict()["rows"] == 4
    for refusing in ([back], [good, bad]):
        with pytest.raises(MalformedInputError):
            describe_trades(refusing, strict=True)


def ccxt(**changes: Any) -> dict[str, Any]:
    good = {"symbol": "BTC/USDT", "timestamp": T0, "price": 5.0, "amount": "0.1", "side": "sell", "id": "77",
            "info": {}}
    return {**good, **changes}


def test_trades_of_ccxt_are_read_without_ccxt() -> None:
    """A user of the library that everybody uses would have to write a file first."""
    (trades,) = trades_from_ccxt([ccxt(), ccxt(timestamp=T0 + 1, side="buy", id=None)])
    assert trades.ts.tolist() == [T0 * 10**6, (T0 + 1) * 10**6]
    assert trades.aggressor.tolist() == [-1, 1]
    assert trades.size.tolist() == [0.1, 0.1]


@pytest.mark.parametrize(("column", "value"), [
    ("symbol", None), ("symbol", 3), ("timestamp", None), ("timestamp", 1.5), ("timestamp", True), ("timestamp", 2**70),
    ("timestamp", 5), ("price", None), ("price", "x"), ("price", float("nan")), ("price", -1), ("price", []),
    ("amount", 0), ("amount", True), ("side", None), ("side", "BUY"),
])
def test_malformed_ccxt_trades_are_refused(column: str, value: object) -> None:
    """What an exchange forgot to send would be a print of our own making."""
    with pytest.raises(MalformedInputError) as caught:
        trades_from_ccxt([ccxt(), ccxt(**{"id": "78", column: value})])
    place = caught.value.place
    assert place is not None
    assert (place.file, place.row) == ("ccxt", 2)
    assert {"ts": "timestamp"}.get(place.column or "", place.column) == column


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0.01, 1e6), st.floats(1e-6, 1e6), st.booleans()), min_size=1,
                max_size=30))
@settings(max_examples=40, deadline=None)
def test_nothing_is_lost_changed_or_reordered(rows: list[tuple[int, float, float, bool]]) -> None:
    """Volume would vanish on its way in."""
    rows = sorted(rows, key=lambda row: row[0])
    frame = pl.DataFrame({
        "symbol": ["A"] * len(rows), "ts": [T0 + r[0] for r in rows], "price": [r[1] for r in rows],
        "size": [r[2] for r in rows], "buyer_is_maker": [r[3] for r in rows]})
    (trades,) = read_trades(frame)
    odd = {f.ts for f in trades.findings}
    kept = [r for r in rows if (T0 + r[0]) * 10**6 not in odd]
    if not odd:
        assert list(zip(trades.price.tolist(), trades.size.tolist(), trades.aggressor.tolist(), strict=True)) == [
            (r[1], r[2], -1 if r[3] else 1) for r in kept]
    assert len(trades) + len(trades.findings) == len(rows)


@given(row=st.integers(1, 30), fault=st.sampled_from([("price", "-1"), ("size", ""), ("side", "?"), ("ts", "?")]))
@settings(max_examples=30, deadline=None)
def test_the_row_named_is_the_row_at_fault(
    tmp_path_factory: pytest.TempPathFactory, row: int, fault: tuple[str, str]
) -> None:
    """Who has to mend a file of a million rows would look in the wrong place."""
    names = HEAD.split(",")
    rows = [dict(zip(names, trade(i).split(","), strict=True)) for i in range(30)]
    rows[row - 1][fault[0]] = fault[1]
    path = tmp_path_factory.mktemp("fault") / "t.csv"
    path.write_bytes(lines(HEAD, *(",".join(r.values()) for r in rows)))
    with pytest.raises(MalformedInputError) as caught:
        read_trades(path)
    assert caught.value.place == Place("t.csv", row, fault[0])


@pytest.mark.shared_data
def test_real_trades_are_read_whole(shared_data: Path) -> None:
    """The files that impact is measured on would be refused or thinned out."""
    markets = read_trades(shared_data / "trades_binance_2024_08_08.parquet")
    assert {t.symbol: len(t) for t in markets} == {
        "perp_usdm:BTCUSDT": 21_313, "perp_usdm:ETHUSDT": 14_076, "spot:BTCUSDT": 9_757, "spot:ETHUSDT": 6_106}
    assert not any(t.findings for t in markets)
    (trades,) = read_trades(shared_data / "trades_bitstamp_btcusd_2026_05_02.parquet", symbol="BTC/USD")
    assert len(trades) == 284
    assert set(trades.aggressor.tolist()) == {-1, 1}
