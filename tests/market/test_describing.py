"""A file's format is told by its columns, and every format is described in one form."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from leverline.ground.errors import MalformedInputError, UsageError
from leverline.market.describing import FORMATS, by_columns, describe_any, format_of
from tests.market.malformed import archive, lines, parquet

T0 = 1_704_067_200
SAMPLES: dict[str, tuple[str, bytes]] = {
    "bars": ("bars.csv", lines("symbol,ts,close", *(f"A,{T0 + i * 3600},5" for i in range(4)))),
    "level2": ("level2.csv", lines("ts,side,price,size", f"{T0},bid,99,1", f"{T0},ask,101,1")),
    "level3": ("level3.csv", lines("order_id,price,volume,action,side,ts,seq", f"1,99,1,created,bid,{T0},0",
                                   f"2,101,1,created,ask,{T0 + 5},1")),
    "bands": ("bands.csv", lines("ts,symbol,percentage,depth,notional", f"{T0},A,-1,5,500", f"{T0},A,1,5,505")),
    "trades": ("trades.csv", lines("symbol,ts,price,size,side", f"A,{T0},5,1,buy", f"A,{T0 + 1},5,1,sell")),
    "funding": ("funding.csv", lines("symbol,ts,funding_rate", f"A,{T0},0.0001")),
    "open-interest": ("oi.csv", lines("symbol,ts,oi_close", f"A,{T0},500")),
    "implied-volatility": ("iv.csv", lines("symbol,ts,dvol", f"A,{T0},50")),
    "market-capitalisation": ("cap.csv", lines("symbol,ts,market_cap", f"A,{T0},500")),
    "brackets": ("b.json", json.dumps({"X/U:U": [{
        "tier": 1, "currency": "U", "minNotional": 0, "maxNotional": 5, "maintenanceMarginRate": 0.01,
        "maxLeverage": 50, "info": {"cum": 0}}]}).encode()),
}


def written(folder: Path, *formats: str) -> list[Path]:
    out = []
    for name in formats:
        file, content = SAMPLES[name]
        (folder / file).write_bytes(content)
        out.append(folder / file)
    return out


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_known_by_its_columns_and_described_in_one_form(name: str, tmp_path: Path) -> None:
    """A user would have to say what a file is, or be told that good trades are bad bars."""
    (path,) = written(tmp_path, name)
    assert format_of(path) == name
    (one,) = describe_any([path])
    assert (one.format, one.files) == (name, (path.name,))
    report = one.report
    assert report.refused == ()
    assert report.columns()[0] == "symbol"
    assert report.rows()
    assert all(len(row) == len(report.columns()) for row in report.rows())
    assert all(len(finding) == 5 for finding in report.first_findings())
    document = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert {"files", "rows", "symbols", "counts", "findings", "warnings", "refused", "clean"} <= set(document)
    assert document["files"][0]["name"] == path.name
    assert document["clean"] == report.clean


def test_files_of_several_formats_get_one_report_each(tmp_path: Path) -> None:
    """A folder of market data would have to be sorted by hand first."""
    described = describe_any(written(tmp_path, "trades", "bars", "funding", "brackets"))
    assert [one.format for one in described] == ["trades", "bars", "funding", "brackets"]


def test_parquet_is_told_apart_as_csv_is(tmp_path: Path) -> None:
    """Quotes in Parquet would be taken for trades."""
    for name, side in (("level2", "ask"), ("trades", "sell")):
        path = tmp_path / f"{name}.parquet"
        path.write_bytes(parquet(pl.DataFrame({"symbol": ["A"], "ts": [T0], "price": [5.0], "size": [1.0],
                                               "side": pl.Series([side], dtype=pl.Categorical)})))
        assert format_of(path) == name


@pytest.mark.parametrize(("columns", "side", "found"), [
    (("id", "timestamp", "price", "volume", "action", "direction"), None, "level3"),
    (("trade_id", "ts", "price", "amount", "side"), "buy", "trades"),
    (("ts", "side", "level", "price", "size"), None, "level2"),
    (("price", "size", "buyer_is_maker", "ts", "market", "symbol"), None, "trades"),
    (("timestamp", "percentage", "depth", "notional"), None, "bands"),
    (("symbol", "ts", "open", "high", "low", "close", "volume"), None, "bars"),
    (("ts", "symbol", "funding_rate", "src", "mark_close"), None, "funding"),
    (("market", "tier", "min_notional", "max_notional", "maintenance_margin_rate"), None, "brackets"),
    (("ts", "price"), None, None),
])
def test_columns_decide(columns: tuple[str, ...], side: str | None, found: str | None) -> None:
    """A venue's own spelling would send its file to another reader."""
    assert by_columns(columns, side) == found


@pytest.mark.parametrize(("file", "found"), [
    ("BTCUSDT-1h-2024-01.zip", "bars"), ("BTCUSDT-trades-2024-01.zip", "trades"),
    ("BTCUSDT-aggTrades-2024-01-01.csv", "trades"), ("BTCUSDT-bookDepth-2024-01-01.zip", "bands"),
    ("BTCUSDT-fundingRate-2024-01.zip", "funding"), ("BTCUSDT-metrics-2024-01-01.zip", "open-interest"),
])
def test_binances_names_say_what_headers_do_not(file: str, found: str, tmp_path: Path) -> None:
    """An archive, or a file without a header, could not be described at all."""
    path = tmp_path / file
    path.write_bytes(archive(a__csv="1,2,3\n"))
    assert format_of(path) == found


def test_a_file_of_no_format_is_refused_with_what_there_is(tmp_path: Path) -> None:
    """A user would be told that the close is missing from a file of option quotes."""
    odd = tmp_path / "odd.csv"
    odd.write_bytes(lines("strike,mark_iv", "1,2"))
    with pytest.raises(MalformedInputError, match="this file has strike, mark_iv") as caught:
        describe_any([odd])
    assert caught.value.exit_code == 2
    good = written(tmp_path, "funding")
    described = describe_any([odd, *good])
    assert [one.format for one in described] == ["funding", "unknown"]
    assert "odd.csv" in described[1].report.refused[0]
    assert not described[1].report.clean
    with pytest.raises(MalformedInputError, match=r"odd\.csv"):
        describe_any([*good, odd], strict=True)


@pytest.mark.parametrize("content", [
    b"", b"\0\1\2", b"PAR1torn", b"\x1f\x8brest", b"\n\n", b'"', "Ä,ß\n1,2\n".encode("latin-1"),
])
def test_what_is_no_table_is_refused_and_not_a_traceback(content: bytes, tmp_path: Path) -> None:
    """A torn download would end in a stack trace."""
    path = tmp_path / "torn.csv"
    path.write_bytes(content)
    with pytest.raises(MalformedInputError, match=r"torn\.csv"):
        describe_any([path])


def test_absent_files_and_none_are_refused(tmp_path: Path) -> None:
    """A typing error in a name would end in a stack trace."""
    with pytest.raises(MalformedInputError, match="cannot be read"):
        describe_any([tmp_path / "absent.csv"])
    with pytest.raises(MalformedInputError, match="cannot be read"):
        describe_any([tmp_path])
    with pytest.raises(UsageError, match="files"):
        describe_any([])


def test_a_format_whose_files_are_all_refused_does_not_hide_the_others(tmp_path: Path) -> None:
    """One bad file of trades would keep a folder of good bars from being described."""
    (good,) = written(tmp_path, "bars")
    bad = tmp_path / "trades.csv"
    bad.write_bytes(lines("symbol,ts,price,size,side", f"A,{T0},-5,1,buy"))
    described = describe_any([bad, good])
    assert [(one.format, len(one.report.refused)) for one in described] == [("trades", 1), ("bars", 0)]


@pytest.mark.shared_data
@pytest.mark.parametrize(("file", "name"), [
    ("trades_binance_2024_08_08", "trades"), ("trades_bitstamp_btcusd_2026_05_02", "trades"),
    ("funding_8h_binance_perp", "funding"), ("daily_open_interest_perp", "open-interest"),
    ("daily_dvol_btc", "implied-volatility"), ("daily_market_cap", "market-capitalisation"),
    ("leverage_tiers_binance_2024_10", "brackets"), ("l2_snapshots_binance_2024_08_08", "level2"),
    ("l3_events_bitstamp_btcusd_2026_05_02", "level3"), ("bookdepth_btcusdt_2025_10_10_calm", "bands"),
    ("daily_spot_coinbase", "bars"),
])
def test_real_files_are_told_apart(shared_data: Path, file: str, name: str) -> None:
    """The first thing a user does with a real file would fail."""
    assert format_of(shared_data / f"{file}.parquet") == name
