"""Depth within percentages of mid: ``ts, symbol, percentage, depth, notional[, weighted_avg_price]``, one row a band.

The form of Binance's public ``bookDepth`` (github.com/binance/binance-public-data), whose own CSV and zip files are
read as well: they have ``timestamp`` for ``ts``, times in UTC without a zone, and their symbol in their name, as in
``BTCUSDT-bookDepth-2024-01-01.zip``. ``percentage`` is in percent of mid and signed: -1 is all bids down to 1 % below.
``depth`` is in base units and cumulative, ``notional`` in quote units.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import refuse
from leverline.market.band_rules import sound_bands
from leverline.market.book_columns import (
    MAX_CELLS,
    needed_columns,
    paths_of,
    refuse_at,
    refuse_backwards,
    refuse_overlaps,
    typed_table,
)
from leverline.market.book_quality import Judged, describe_books, extent
from leverline.market.book_rules import BAND_RULES, PRICE_SLACK, BookLedger
from leverline.market.books import DepthBands
from leverline.market.columns import number_column, refuse_first
from leverline.market.format_report import FormatReport
from leverline.market.observations import Observations, TypedTable, together
from leverline.market.reading import BarSource
from leverline.market.sources.files import (
    ArrowStream,
    Layout,
    SourceTable,
    read_bytes,
    table_of_arrow,
    table_of_bytes,
)
from leverline.market.sources.klines import one_csv
from leverline.market.symbols import SymbolNaming
from leverline.market.times import iso

BANDS = Layout(("ts", "timestamp", "symbol", "market", "percentage", "depth", "notional", "weighted_avg_price"),
               "columns are ts,symbol,percentage,depth,notional[,weighted_avg_price]")
NEEDED = ("ts", "percentage", "depth", "notional")
MAX_BANDS = 1_000
"""Most bands of one symbol."""
_NAME = re.compile(r"(?P<symbol>[A-Z0-9]+(?:_(?:PERP|\d{6}))?)-bookDepth-\d{4}-\d{2}(?:-\d{2})?\.(?:csv|zip)")


def read_bands(
    source: BarSource, *, strict: bool = False, naming: SymbolNaming | None = None, symbol: str | None = None
) -> tuple[DepthBands, ...]:
    """Depth bands of each symbol in order of first appearance, from CSV, zip, Parquet or an Arrow object.

    A side that breaks a rule of :mod:`leverline.market.book_rules` is NaN in that snapshot and stands in ``findings``.
    ``strict``, ``naming`` and ``symbol`` as in :func:`leverline.market.sources.level2.read_level2`.

    Raises
    ------
    MalformedInputError
        With file, row and column: times that go back within a symbol and percentage, a band that comes twice, depth
        or notional that is negative, a percentage that is 0 or not within 100.
    """
    tables = [_renamed(table_of_arrow(source, layout=BANDS))] if isinstance(source, ArrowStream) else [
        _table(path) for path in paths_of(source)]
    return tuple(j.series for j in _judged([_typed(t, symbol, strict=strict) for t in tables], naming))


def describe_bands(paths: Sequence[Path], strict: bool = False, naming: SymbolNaming | None = None) -> FormatReport:
    """Quality of depth-band files: snapshots, bands, and which sides were rejected by which rule."""
    return describe_books(paths, "bands", BAND_RULES, _table, partial(_typed, strict=strict),
                          partial(_judged, naming=naming), strict=strict)


def _judged(tables: Sequence[TypedTable], naming: SymbolNaming | None) -> list[Judged[DepthBands]]:
    rows = together(tables, naming)
    refuse_overlaps(rows)
    percentages, band = np.unique(rows.columns["percentage"], return_inverse=True)
    if percentages.size > MAX_BANDS:
        refuse(f"{percentages.size} percentages are more than {MAX_BANDS} bands", file=None, column="percentage")
    refuse_backwards(rows, rows.code * percentages.size + band, "symbol and percentage")
    rows = rows.take(np.lexsort((band, rows.ts, rows.code)))
    percentage = rows.columns["percentage"]
    same = (np.diff(rows.code) == 0) & (np.diff(rows.ts) == 0) & (np.diff(percentage) == 0)
    if same.any():
        first = int(np.argmax(same)) + 1
        refuse_at(rows, first, f"{rows.symbols[rows.code[first]]} has the band {percentage[first]:g} a second time at "
                  f"{iso(int(rows.ts[first]))}", "percentage", "keep one row per time and band")
    return [_bands(rows, symbol, at, tables) for symbol, at in rows.groups()]


def _table(path: Path) -> SourceTable:
    content = read_bytes(path)
    if content[:4] != b"PK\x03\x04":
        return _renamed(table_of_bytes(content, path.name, BANDS))
    if _NAME.fullmatch(path.name) is None:
        refuse("an archive is read only as Binance bookDepth, and its name is not theirs", file=path.name,
               remedy="name it like BTCUSDT-bookDepth-2024-01-01.zip, or unpack it to CSV with a symbol column")
    text = one_csv(content, path.name)
    if not text:
        refuse("is empty", file=path.name)
    return replace(_renamed(table_of_bytes(text, path.name, BANDS)), sha256=hashlib.sha256(content).hexdigest())


def _renamed(table: SourceTable) -> SourceTable:
    """Binance's own names as ours: ``timestamp`` is ``ts``, and the symbol is in the file's name."""
    frame, seen = table.frame, table.columns_seen
    if "timestamp" in seen and "ts" not in seen:
        frame, seen = frame.rename({"timestamp": "ts"}), tuple("ts" if c == "timestamp" else c for c in seen)
    named = _NAME.fullmatch(table.file)
    if "symbol" not in seen and named is not None:
        frame, seen = frame.with_columns(pl.lit(named["symbol"]).alias("symbol")), ("symbol", *seen)
    return replace(table, frame=frame, columns_seen=seen)


def _typed(table: SourceTable, symbol: str | None, *, strict: bool) -> TypedTable:
    frame, file = needed_columns(table, BANDS, NEEDED), table.file
    percentage = number_column(frame["percentage"], file, negative=True)
    refuse_first((percentage == 0) | (percentage.abs() >= 100), percentage,
                 "{} is no distance: a band is within 100 % of mid and not 0", file, "percentage")
    depth = number_column(frame["depth"], file, zero=True, noun="depth")
    notional = number_column(frame["notional"], file, zero=True, noun="notional")
    refuse_first((depth == 0) != (notional == 0), notional, "notional {} and depth are not both zero or both positive",
                 file, "notional")
    if "weighted_avg_price" in frame.columns:
        average = number_column(frame["weighted_avg_price"], file, required=False, zero=True)
    else:
        average = pl.repeat(0.0, frame.height, dtype=pl.Float64, eager=True).rename("weighted_avg_price")
    return typed_table(table, BANDS, [percentage, depth, notional, average], strict=strict, symbol=symbol)


def _bands(rows: Observations, symbol: str, at: slice, tables: Sequence[TypedTable]) -> Judged[DepthBands]:
    """One symbol's rows (sorted) as matrices, and judged. An average price of 0 states nothing."""
    ts, first_row, where = np.unique(rows.ts[at], return_index=True, return_inverse=True)
    percentages, band = np.unique(rows.columns["percentage"][at], return_inverse=True)
    if ts.size * percentages.size > MAX_CELLS:
        refuse(f"{symbol}: {ts.size} snapshots of {percentages.size} bands are too many", file=None,
               remedy="give fewer files")
    notional, size, stated = (_matrix(rows.columns[name][at], where, band, (ts.size, percentages.size))
                              for name in ("notional", "depth", "weighted_avg_price"))
    contradicted = (stated > 0) & (np.abs(stated * size - notional) > PRICE_SLACK * notional)
    ledger = BookLedger(symbol, ts, lambda i: rows.files[rows.file[at][first_row[i]]])
    distance = percentages / 100
    notional, size = sound_bands(distance, notional, size, contradicted, ts, ledger)
    findings = tuple(ledger.findings)
    bands = DepthBands(symbol, ts, distance, notional, size, tuple(t.file for t in tables), findings,
                       tuple(w for t in tables for w in t.warnings))
    return Judged(bands, symbol, where.size, extent(ts) | {"bands": percentages.size}, ledger.counts, findings)


def _matrix(values: FloatArray, row: IntArray, column: IntArray, shape: tuple[int, int]) -> FloatArray:
    out = np.full(shape, np.nan)
    out[row, column] = values
    return out
