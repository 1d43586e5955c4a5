"""Reading bars: files, archives, Arrow objects, candles; and writing them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.errors import InsufficientDataError, MalformedInputError, UsageError
from leverline.market import Bars, read_bars
from leverline.market.sources.ccxt import bars_from_ccxt
from leverline.market.symbols import SymbolNaming
from leverline.market.times import NS_PER_S, iso, parse_instant
from leverline.market.writing import bars_frame, write_bars
from leverline.model.instrument import Kind

NOON_MS = 1_704_110_400_000
COLUMNS = ("ts", "open", "high", "low", "close", "volume", "masked", "listing", "offsets")
KLINES_HEAD = ("open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
               "taker_buy_quote_volume,ignore\n")


def equal(a: Bars, b: Bars) -> bool:
    same = all(np.array_equal(getattr(a, c), getattr(b, c), equal_nan=c != "masked") for c in COLUMNS)
    return same and a.symbols == b.symbols and a.spacing_ns == b.spacing_ns


def klines(first: int, rows: int, unit: int = 1) -> str:
    return "".join(f"{(first + h * 3_600_000) * unit},100.0,101.0,99.0,{100 + h / 10},7.0,0,700.0,5,3.0,300.0,0\n"
                   for h in range(rows))


def test_rows_may_come_in_any_order_of_symbols(tmp_path: Path) -> None:
    """A file sorted by time would be refused, or its symbols mixed up."""
    path = tmp_path / "bars.csv"
    path.write_text("close,extra,symbol,ts\n2,x,B,1704110400\n1,,A,1704110400\n4,x,B,1704114000\n3,,A,1704114000\n",
                    encoding="utf-8")
    bars = read_bars([path])
    assert bars.symbols == ("B", "A")
    assert bars.close.tolist() == [2, 4, 1, 3]
    assert bars.offsets.tolist() == [0, 2, 4]
    assert bars.spacing_ns == 3600 * NS_PER_S
    assert np.isnan(bars.volume).all()
    assert bars.files[0].name == "bars.csv"
    assert bars.files[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert bars.files[0].rows == 4


def test_what_spreadsheets_write_is_read(tmp_path: Path) -> None:
    """A byte-order mark or Windows line ends would make a good file unreadable."""
    path = tmp_path / "bars.csv"
    path.write_bytes(b'\xef\xbb\xbf"symbol",ts,close\r\n"A",2024-01-01,1\r\n"A",2024-01-02,2\r\n\r\n')
    bars = read_bars(path)
    assert bars.close.tolist() == [1, 2]
    assert bars.warnings == ("bars.csv: times carry no zone and are taken as UTC",)


def test_csv_parquet_and_arrow_read_alike(tmp_path: Path) -> None:
    """A result would depend on the file format."""
    frame = pl.DataFrame({
        "symbol": ["A"] * 4 + ["B"] * 3, "ts": [NOON_MS + h * 3_600_000 for h in (0, 1, 2, 3, 1, 2, 3)],
        "close": [1.5, 1.25, 1.3, 0.1 + 0.2, 7.0, 7.5, 7.25], "volume": [1.0, 0.0, 2.0, 3.0, None, 1.0, 1.0],
    }).with_columns(ts=pl.from_epoch("ts", "ms").dt.replace_time_zone("UTC"))
    frame.write_csv(tmp_path / "b.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")
    frame.with_columns(pl.col("symbol").cast(pl.Categorical)).write_parquet(tmp_path / "b.parquet")
    of_arrow = read_bars(frame)
    assert equal(read_bars([tmp_path / "b.csv"]), of_arrow)
    assert equal(read_bars([tmp_path / "b.parquet"]), of_arrow)
    assert of_arrow.files[0].sha256 is None


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A normalised file would hold other bars than those it was made from."""
    rows = data.draw(st.integers(3, 30))
    prices = st.lists(st.floats(0.5, 1e5), min_size=rows, max_size=rows)
    frame = pl.DataFrame({
        "symbol": ["X,Y"] * rows, "ts": [NOON_MS + h * 60_000 for h in range(rows)], "close": data.draw(prices),
        "high": data.draw(prices), "low": data.draw(prices), "volume": data.draw(prices),
    })
    bars = read_bars(frame)
    folder = tmp_path_factory.mktemp("written")
    for name in ("bars.csv", "bars.parquet"):
        write_bars(bars, folder / name)
        assert equal(read_bars([folder / name]), bars)
    assert sorted(p.name for p in folder.iterdir()) == ["bars.csv", "bars.parquet"]


def test_fractions_of_a_second_survive_writing(tmp_path: Path) -> None:
    """Event bars would fall onto each other."""
    frame = pl.DataFrame({"symbol": ["A"] * 3, "ts": [NOON_MS, NOON_MS + 250, NOON_MS + 500], "close": [1.0, 2.0, 1.5]})
    bars = read_bars(frame)
    write_bars(bars, tmp_path / "b.csv")
    assert equal(read_bars([tmp_path / "b.csv"]), bars)
    assert bars_frame(bars).columns == ["symbol", "ts", "close"]
    with pytest.raises(UsageError, match="format"):
        write_bars(bars, tmp_path / "b.xlsx")


@pytest.mark.parametrize("header", ["", KLINES_HEAD])
@pytest.mark.parametrize("unit", [1, 1000])
def test_binance_klines_are_read_by_their_name(header: str, unit: int, tmp_path: Path) -> None:
    """The most used public archive could not be calibrated on."""
    text = header + klines(NOON_MS, 3, unit)
    csv, archive = tmp_path / "ETHUSDT-1h-2024-01.csv", tmp_path / "BTCUSDT-1h-2024-01.zip"
    csv.write_text(text, encoding="utf-8")
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("BTCUSDT-1h-2024-01.csv", text)
    bars = read_bars([archive, csv], naming=SymbolNaming(quote="USDT", kind=Kind.PERPETUAL))
    assert bars.symbols == ("BTC/USDT:USDT", "ETH/USDT:USDT")
    assert [iso(t) for t in bars.ts[:2]] == ["2024-01-01T12:00:00Z", "2024-01-01T13:00:00Z"]
    assert bars.close[:3].tolist() == [100.0, 100.1, 100.2]
    assert bars.volume[0] == 7
    assert bars.files[0].sha256 == hashlib.sha256(archive.read_bytes()).hexdigest()


def test_months_in_ms_and_us_continue_each_other(tmp_path: Path) -> None:
    """Spot klines change their unit in 2025; a series across the change would be refused or torn."""
    old, new = tmp_path / "BTCUSDT-1h-2024-12.csv", tmp_path / "BTCUSDT-1h-2025-01.csv"
    old.write_text(klines(1_735_678_800_000, 3), encoding="utf-8")  # 2024-12-31T21:00Z
    new.write_text(klines(1_735_689_600_000, 3, 1000), encoding="utf-8")
    bars = read_bars([new, old])
    assert np.diff(bars.ts).tolist() == [bars.spacing_ns] * 5


def test_coin_margined_klines_count_base_volume(tmp_path: Path) -> None:
    """Volume in 100-dollar contracts would pass for bitcoin, and caps be a thousandfold too high."""
    path = tmp_path / "BTCUSD_PERP-1h-2024-01.csv"
    path.write_text(klines(NOON_MS, 3), encoding="utf-8")
    assert read_bars([path]).volume.tolist() == [700.0] * 3


def test_one_bar_has_no_spacing() -> None:
    """A horizon would be measured in bars of unknown length."""
    frame = pl.DataFrame({"symbol": ["A", "B"], "ts": [NOON_MS, NOON_MS], "close": [1.0, 2.0]})
    with pytest.raises(InsufficientDataError, match="two bars"):
        read_bars(frame)


def test_a_few_bars_with_holes_do_not_make_a_spacing_of_their_own() -> None:
    """A newly listed coin with a halt would make a whole file unreadable."""
    ts = [NOON_MS + h * 3_600_000 for h in (*range(10), 0, 5)]
    close = [1.0 + i / 9 for i in range(12)]
    bars = read_bars(pl.DataFrame({"symbol": ["A"] * 10 + ["B"] * 2, "ts": ts, "close": close}))
    assert bars.counts["gap"] == {"B": 1}


def test_an_unknown_selection_is_refused() -> None:
    """A typing error would calibrate nothing, silently."""
    frame = pl.DataFrame({"symbol": ["A"] * 2, "ts": [NOON_MS, NOON_MS + 1000], "close": [1.0, 2.0]})
    for wrong in (["A", "C"], []):
        with pytest.raises(UsageError, match="no bars of"):
            read_bars(frame, symbols=wrong)


def test_candles_are_read_as_ccxt_returns_them() -> None:
    """Bars fetched from an exchange would need a file in between."""
    candles: dict[str, list[list[float | int | None]]] = {
        "BTC/USDT:USDT": [[NOON_MS + i * 60_000, 1, 3.0, 1, 2.0 + i, 5] for i in range(4)],
        "ETH/USDT:USDT": [[NOON_MS + i * 60_000, None, None, None, 2.0, None] for i in range(3)],
    }
    bars = bars_from_ccxt(candles)
    assert bars.symbols == ("BTC/USDT:USDT", "ETH/USDT:USDT")
    assert bars.close[:4].tolist() == [2, 3, 4, 5]
    assert np.isnan(bars.volume[4:]).all()
    known = bars_from_ccxt(candles, fetched_ns=parse_instant("2024-01-01T12:03:59Z"))
    assert np.diff(known.offsets).tolist() == [3, 3]


@pytest.mark.parametrize(("candle", "column"), [
    ([NOON_MS, 1, 2, 1, 2], None), ([float(NOON_MS), 1, 2, 1, 2, 3], "ts"), ([None, 1, 2, 1, 2, 3], "ts"),
    ([NOON_MS, 1, 2, 1, "2", 3], "close"), ([NOON_MS, 1, 2, 1, None, 3], "close"), ([NOON_MS, 1, 2, 0, 2, 3], "low"),
    ([10**30, 1, 2, 1, 2, 3], "ts"), ([NOON_MS - 60_000, 1, 2, 1, 2, 3], "ts"),
])
def test_a_malformed_candle_is_refused(candle: list[float | int | None], column: str | None) -> None:
    """An exchange's broken answer would become a price."""
    good: list[float | int | None] = [NOON_MS - 60_000, 1, 2, 1, 2, 3]
    with pytest.raises(MalformedInputError) as caught:
        bars_from_ccxt({"BTC/USDT": [good, candle]})
    assert caught.value.place is not None
    assert caught.value.place.file == "ccxt:BTC/USDT"
    assert caught.value.place.column == column
    with pytest.raises(MalformedInputError, match="candles"):
        bars_from_ccxt({"BTC/USDT": []})


def test_any_arrow_stream_will_do() -> None:
    """Users of other table libraries would have to convert by hand."""
    frame = pl.DataFrame({"symbol": ["A"] * 2, "ts": [NOON_MS, NOON_MS + 1000], "close": [1.0, 2.0]})

    class Foreign:
        def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
            return frame.__arrow_c_stream__(requested_schema)

    assert equal(read_bars(Foreign()), read_bars(frame))


def test_bytes_that_are_not_what_they_say_never_crash(tmp_path: Path) -> None:
    """A damaged download would end in a traceback instead of exit code 2."""
    out = io.BytesIO()
    pl.DataFrame({"symbol": ["A"] * 50, "ts": [NOON_MS + i * 1000 for i in range(50)],
                  "close": np.linspace(1, 2, 50)}).write_parquet(out)
    whole, rng = out.getvalue(), np.random.default_rng(7)
    path = tmp_path / "b.parquet"
    refused = []
    for _ in range(150):
        damaged = bytearray(whole)
        for at in rng.integers(4, len(whole), 3):
            damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(damaged))
        try:
            assert len(read_bars([path])) > 0
        except MalformedInputError as error:
            refused.append(error.place)
    assert len(refused) > 10
    assert {place.file for place in refused if place} == {"b.parquet"}
