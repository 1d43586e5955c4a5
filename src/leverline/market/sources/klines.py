"""Binance's public klines: one symbol and interval a file, named ``BTCUSDT-1h-2023-01.zip`` (or .csv), 12 columns.

Source: github.com/binance/binance-public-data, README (2025): open time in ms, spot in us from 2025 on; no header row
in older files. Coin-margined markets count ``volume`` in contracts, so their base volume is the eighth column.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
import zlib

import polars as pl

from leverline.ground.errors import refuse
from leverline.market.sources.files import MAX_BYTES, SourceTable, csv_frame

COLUMNS = ("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count",
           "taker_buy_volume", "taker_buy_quote_volume", "ignore")
_NAME = re.compile(r"(?P<symbol>[A-Z0-9]+(?:_(?:PERP|\d{6}))?)-(?P<interval>\d+(?:s|m|h|d|w|mo))-\d{4}-\d{2}(?:-\d{2})?"
                   r"\.(?:csv|zip)")
_COIN_MARGINED = re.compile(r"USD_(?:PERP|\d{6})$")
_MAX_MEMBERS = 10_000


def is_klines(content: bytes, file: str) -> bool:
    """True for an archive, and for a CSV named like klines whose first line is klines' (with or without header)."""
    if content[:4] == b"PK\x03\x04":
        return True
    return _NAME.fullmatch(file) is not None and (content[:1].isdigit() or content.startswith(b"open_time,"))


def table_of_klines(content: bytes, file: str) -> SourceTable:
    """The bars of one kline file; ``ts`` stays an epoch in text, to be read like any other."""
    match = _NAME.fullmatch(file)
    if match is None:
        refuse("an archive is read only as Binance klines, and its name is not theirs", file=file,
               remedy="name it like BTCUSDT-1h-2023-01.zip, or unpack it to CSV with a symbol column")
    if match["interval"].endswith("mo"):
        refuse("bars of a calendar month have no fixed length", file=file, remedy="use 1d klines")
    text = one_csv(content, file) if content[:2] == b"PK" else content
    if not text:
        refuse("is empty", file=file)
    has_header = text.startswith(b"open_time,")
    frame = csv_frame(text, file, names=None if has_header else COLUMNS)
    if frame.columns != list(COLUMNS):
        refuse(f"klines have the columns {', '.join(COLUMNS)}", file=file)
    volume = "quote_volume" if _COIN_MARGINED.search(match["symbol"]) else "volume"
    bars = frame.select(
        pl.lit(match["symbol"]).alias("symbol"), pl.col("open_time").alias("ts"),
        "open", "high", "low", "close", pl.col(volume).alias("volume"),
    )
    return SourceTable(file, hashlib.sha256(content).hexdigest(), bars, tuple(bars.columns))


def one_csv(content: bytes, file: str) -> bytes:
    """The one CSV inside an archive, read with a bound; Binance packs every public file like this."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            named = [m for m in members[:_MAX_MEMBERS] if m.filename.lower().endswith(".csv")]
            if len(members) != 1 or len(named) != 1:
                refuse(f"the archive holds {len(members)} files, not one CSV", file=file)
            with archive.open(named[0]) as stream:
                text = stream.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        refuse(f"the archive cannot be read: {error}", file=file, remedy="fetch it again")
    if len(text) > MAX_BYTES:
        refuse(f"unpacks to more than {MAX_BYTES} bytes", file=file)
    return text
