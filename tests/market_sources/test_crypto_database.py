"""The cleaning rules of the venue database, on a database of a few rows."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from leverline.ground.errors import MalformedInputError
from leverline.market.bars import Bars
from leverline.market.sources.crypto_database import MAJORS, VENUES, read_majors, read_venues

Row = tuple[str, str, float, float, float, float, float, str]
_SCHEMA = "CREATE TABLE price (exchange, symbol, open, high, low, close, volume, day)"


def _database(folder: Path, rows: list[Row]) -> Path:
    path = folder / "prices.db"
    connection = sqlite3.connect(path)
    connection.execute(_SCHEMA)
    connection.executemany("INSERT INTO price VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()
    return path


def _calm(venue: str, asset: str, *days: int, low: float = 99.0) -> list[Row]:
    """Bars around 100, labelled with days of March 2020."""
    return [(venue, asset, 100.0, 101.0, low, 100.5, 10.0 + d, f"2020-03-{d:02d}") for d in days]


def _days(bars: Bars, symbol: str) -> list[date]:
    return [datetime.fromtimestamp(ns / 1e9, UTC).date() for ns in bars.ts[bars.rows(symbol)].tolist()]


def test_the_crash_of_12_march_2020_stands_on_its_day(tmp_path: Path) -> None:
    """Every event would be one day late, and a forecast would know the day it is scored on."""
    crash: Row = ("bitstamp", "btc", 7956.0, 7970.0, 4776.0, 4841.0, 58513.0, "2020-03-13")
    bars = read_venues(VENUES, _database(tmp_path, [*_calm("bitstamp", "btc", 10, 11), crash]))
    assert _days(bars, "bitstamp:BTC/USD") == [date(2020, 3, 9), date(2020, 3, 10), date(2020, 3, 12)]


def test_rows_of_no_known_day_or_price_are_left_out(tmp_path: Path) -> None:
    """Zero closes, closed venues, wrongly dated stretches and half a day would be read as market moves."""
    sound = _calm("bitstamp", "btc", 10, 11, 12)
    unsound: list[Row] = [
        ("bitstamp", "btc", 0.0, 0.0, 0.0, 0.0, 0.0, "2020-03-14"),
        ("bitstamp", "btc", 478.0, 669.0, 471.0, 669.0, 9.0, "2013-11-18"),
        ("coinbase-pro", "btc", 236.0, 260.0, 236.0, 256.0, 9.0, "2015-02-16"),
        ("mexbt", "btc", 100.0, 100.0, 100.0, 100.0, 1.0, "2016-01-01"),
        ("hitbtc", "btc", 100.0, 100.0, 100.0, 100.0, 1.0, "2020-10-22"),
        ("bitstamp", "btc", 19385.0, 19431.0, 19093.0, 19248.0, 2919.0, "2020-12-08"),
    ]
    bars = read_venues(VENUES, _database(tmp_path, sound + unsound))
    assert bars.symbols == ("bitstamp:BTC/USD",)
    assert len(bars) == len(sound)


def test_of_two_snapshots_of_a_day_the_fuller_is_kept_and_of_two_days_under_one_label_neither(tmp_path: Path) -> None:
    """A day's loss would be measured to noon, or another day's loss booked on it."""
    snapshots: list[Row] = [
        ("poloniex", "eth", 404.0, 500.0, 368.0, 410.0, 45.0, "2020-03-13"),
        ("poloniex", "eth", 404.0, 500.0, 404.0, 467.0, 31.0, "2020-03-13"),
        ("poloniex", "eth", 260.0, 275.0, 259.0, 271.0, 8.0, "2020-03-15"),
        ("poloniex", "eth", 272.0, 276.0, 268.0, 269.0, 4.0, "2020-03-15"),
    ]
    bars = read_venues(VENUES, _database(tmp_path, [*_calm("poloniex", "eth", 10, 11, 12), *snapshots]))
    assert _days(bars, "poloniex:ETH/USDT")[-1] == date(2020, 3, 12)
    assert bars.close[-1] == 410.0
    assert bars.low[-1] == 368.0


def test_a_day_that_moved_without_volume_keeps_its_prices(tmp_path: Path) -> None:
    """A hole in the volume column would hide a move of the price."""
    moved: Row = ("coinbase-pro", "ltc", 15.0, 15.5, 13.5, 14.9, 0.0, "2020-03-13")
    bars = read_venues(VENUES, _database(tmp_path, [*_calm("coinbase-pro", "ltc", 10, 11, 12), moved]))
    assert np.isnan(bars.volume[-1])
    assert bars.low[-1] == 13.5
    assert not bars.masked[-1]


def test_the_demo_has_one_venue_an_asset(tmp_path: Path) -> None:
    """A series stitched from venues would show moves that no venue had."""
    rows = [row for asset in ("btc", "eth", "ltc") for venue in ("bitstamp", "coinbase-pro", "poloniex")
            for row in _calm(venue, asset, 10, 11, 12)]
    bars = read_majors(MAJORS, _database(tmp_path, rows))
    assert bars.symbols == ("BTC/USD", "ETH/USD", "LTC/USD")
    assert len(bars) == 9
    assert bars.files[0].licence == "none stated"
    assert bars.files[0].sha256 == MAJORS.sha256


def test_a_print_no_other_venue_saw_loses_its_range_and_a_crash_seen_by_all_does_not(tmp_path: Path) -> None:
    """One trade at 1.50 USD would set the margin of bitcoin, or a true crash would be cleaned away."""
    rows = _calm("bitstamp", "btc", 10, 11) + _calm("poloniex", "btc", 10, 11)
    rows += _calm("bitstamp", "btc", 12, low=1.5) + _calm("poloniex", "btc", 12)
    rows += _calm("bitstamp", "btc", 13, low=30.0) + _calm("poloniex", "btc", 13, low=40.0)
    rows += _calm("bitstamp", "btc", 14, low=30.0)  # no other venue that day: nothing to compare with
    bars = read_majors(MAJORS, _database(tmp_path, rows))
    assert np.isnan(bars.low).tolist() == np.isnan(bars.high).tolist() == [False, False, True, False, False]
    assert bars.close[2] == 100.5
    assert [f.detail for f in bars.findings if f.rule == "unconfirmed-range"] == ["1.5 to 101; other venues 99 to 101"]
    assert bars.counts["unconfirmed-range"] == {"BTC/USD": 1}


def test_a_file_that_is_no_such_database_is_refused(tmp_path: Path) -> None:
    """A wrong file copied into the cache would end in a stack trace."""
    path = tmp_path / "prices.db"
    path.write_bytes(b"no database at all, although it is long enough to be looked at by the engine")
    with pytest.raises(MalformedInputError, match="not the expected database"):
        read_venues(VENUES, path)
