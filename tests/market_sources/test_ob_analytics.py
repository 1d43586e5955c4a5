"""The Bitstamp capture, on files of a few rows; the real ones where an index is reached."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from leverline.ground.errors import LeverlineError, MalformedInputError
from leverline.market.sources import datasets, ob_analytics
from leverline.market.sources.datasets import cached_path, load_level3, load_trades, write_dataset
from leverline.market.sources.level3 import read_level3
from leverline.market.sources.ob_analytics import EVENTS, TRADES, read_matches, read_orders
from leverline.market.sources.trade_files import read_trades

HEAD = "id,timestamp,exchange_timestamp,price,volume,action,direction"
ROWS = ("11,1777689383201,1777689380521,78318.0,1.5,created,bid",
        "12,1777689383202,1777689380522,78320.5,2,created,ask",
        "11,1777689383203,1777689380523,78318.0,1.5,deleted,bid")


def orders(folder: Path, text: str) -> Path:
    path = folder / "orders.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return path


def test_events_keep_their_order_and_take_the_exchanges_time(tmp_path: Path) -> None:
    """An order would be deleted before it was created, or laid seconds beside the trade that took it."""
    table = read_orders(EVENTS, orders(tmp_path, "\n".join((HEAD, *ROWS)) + "\n"))
    assert table.frame["seq"].to_list() == [0, 1, 2]
    assert table.frame["ts"].to_physical().to_list() == [(1_777_689_380_521 + i) * 10**6 for i in range(3)]
    assert table.frame["side"].to_list() == ["bid", "ask", "bid"]
    assert table.files[0].sha256 == EVENTS.sha256
    assert table.files[0].licence == EVENTS.licence
    (events,) = read_level3(table)
    assert (events.symbol, len(events)) == ("BTC/USD", 3)


@pytest.mark.parametrize("text", ["", HEAD + "\n", f"{HEAD}\n11,x,1,1,1,created,bid\n", f"{HEAD}\n1,2\n3,4\n"])
def test_another_table_is_refused(text: str, tmp_path: Path) -> None:
    """A changed layout would be read as orders."""
    with pytest.raises(MalformedInputError, match=r"orders\.csv\.gz") as caught:
        read_orders(EVENTS, orders(tmp_path, text))
    assert caught.value.exit_code == 2


def test_a_torn_or_endless_archive_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut-off file would end in a stack trace, a swollen one in a machine without memory."""
    path = orders(tmp_path, "\n".join((HEAD, *ROWS * 50)))
    whole = path.read_bytes()
    for content in (whole[:-12], whole[:20], b"no gzip", whole[:40] + b"\0" * 8 + whole[48:]):
        path.write_bytes(content)
        with pytest.raises(MalformedInputError, match="not the expected table"):
            read_orders(EVENTS, path)
    path.write_bytes(whole)
    monkeypatch.setattr(ob_analytics, "_MAX_UNPACKED_BYTES", 100)
    with pytest.raises(MalformedInputError, match="unpacks to more"):
        read_orders(EVENTS, path)


def test_trades_carry_the_dataset_as_their_source(tmp_path: Path) -> None:
    """A result would not say whose figures it stands on."""
    path = tmp_path / "trades.csv"
    path.write_text("trade_id,timestamp,exchange_timestamp,price,amount,buy_order_id,sell_order_id,side\n"
                    "7,1777689383889,1777689383817,78319.0,0.121,12,11,buy\n", encoding="utf-8")
    (trades,) = read_matches(TRADES, path)
    assert (trades.symbol, trades.aggressor.tolist()) == ("BTC/USD", [1])
    assert trades.ts.tolist() == [1_777_689_383_817_000_000]
    assert trades.files[0].origin == TRADES.origin


@pytest.mark.network
def test_the_real_package_still_holds_what_is_pinned(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only order-by-order data that a fresh machine can have would be gone."""
    monkeypatch.setenv("LEVERLINE_CACHE", str(tmp_path_factory.getbasetemp() / "real-datasets"))
    try:
        (events,) = load_level3("ob-analytics")
        (trades,) = load_trades("ob-analytics-trades")
    except LeverlineError as error:
        if "cannot be downloaded" not in str(error):
            raise
        pytest.skip("no package index is reached")
    assert (len(events), len(trades)) == (314_057, 284)
    assert cached_path(EVENTS).is_file()
    assert events.files[0].sha256 == datasets.SOURCES["ob-analytics"].sha256
    document = write_dataset("ob-analytics", tmp_path / "events.parquet")
    assert (document["kind"], document["rows"], document["last"]) == (
        "level-3 events", 314_057, "2026-05-02T03:06:20.507Z")
    assert len(read_level3(tmp_path / "events.parquet")[0]) == 314_057
    write_dataset("ob-analytics-trades", tmp_path / "trades.csv")
    (again,) = read_trades(tmp_path / "trades.csv")
    assert (again.ts == trades.ts).all()
    assert (again.aggressor == trades.aggressor).all()


@pytest.mark.shared_data
@pytest.mark.network
def test_the_package_and_the_development_copy_agree(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was measured in development would not hold for what users get."""
    monkeypatch.setenv("LEVERLINE_CACHE", str(tmp_path_factory.getbasetemp() / "real-datasets"))
    try:
        frame = datasets.load("ob-analytics").frame
    except LeverlineError as error:
        if "cannot be downloaded" not in str(error):
            raise
        pytest.skip("no package index is reached")
    copy = pl.read_parquet(shared_data / "l3_events_bitstamp_btcusd_2026_05_02.parquet")
    for name in ("order_id", "price", "volume", "seq"):
        assert frame[name].equals(copy[name])
    assert frame["ts"].dt.epoch("ms").equals(copy["ts"].dt.epoch("ms"))
