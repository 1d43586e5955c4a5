"""Candles as ccxt's ``fetchOHLCV`` returns them: ``[ms, open, high, low, close, volume]``, oldest first.

Nothing here imports ccxt. Where an exchange counts volume in contracts ccxt passes that on, so multiply by the contract
size before bars of derivatives are measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from leverline.ground.errors import refuse
from leverline.market.bars import Bars
from leverline.market.reading import bars_of_tables
from leverline.market.sources.files import MAX_ROWS, SourceTable

_FIELDS = ("ts", "open", "high", "low", "close", "volume")

Candle = Sequence[float | int | None]


def bars_from_ccxt(candles: Mapping[str, Sequence[Candle]], *, fetched_ns: int | None = None) -> Bars:
    """Bars of ``candles``, symbol -> rows of six numbers; refused as files are, under the name ``ccxt:SYMBOL``.

    An exchange's newest candle is usually still forming. Give ``fetched_ns``, the time of the request in ns UTC, and
    candles whose close was not known then are left out.
    """
    if not candles or sum(map(len, candles.values())) > MAX_ROWS:
        refuse(f"1 to {MAX_ROWS} candles are read at once", file="ccxt")
    return bars_of_tables([_table(symbol, rows) for symbol, rows in candles.items()], until_ns=fetched_ns)


def _table(symbol: str, candles: Sequence[Candle]) -> SourceTable:
    file = f"ccxt:{symbol}"
    if not candles:
        refuse("has no candles", file=file)
    for row, candle in enumerate(candles, start=1):
        if len(candle) != len(_FIELDS):
            refuse(f"a candle has {len(_FIELDS)} numbers, not {len(candle)}", file=file, row=row)
        if type(candle[0]) is not int:
            refuse(f"{candle[0]!r} is no time in whole milliseconds", file=file, row=row, column="ts")
        for name, value in zip(_FIELDS[1:], candle[1:], strict=True):
            if value is not None and type(value) not in (int, float):
                refuse(f"{value!r} is not a number", file=file, row=row, column=name)
    stamps = [candle[0] for candle in candles]
    columns: dict[str, pl.Series] = {"ts": _integers(stamps, file)}
    for at, name in enumerate(_FIELDS[1:], start=1):
        columns[name] = pl.Series(name, [c[at] for c in candles], dtype=pl.Float64, strict=False)
    frame = pl.DataFrame(columns).with_columns(symbol=pl.lit(symbol))
    return SourceTable(file, None, frame, tuple(frame.columns))


def _integers(stamps: Sequence[object], file: str) -> pl.Series:
    try:
        return pl.Series("ts", stamps, dtype=pl.Int64)
    except (OverflowError, TypeError):
        refuse("a time is beyond any epoch", file=file, column="ts")
