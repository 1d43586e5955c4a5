"""Funding, open interest, a volatility index, market capitalisation: one value through time of each market.

Binance's public files are known by their columns: funding (``calc_time, last_funding_rate``, a file a symbol) and
metrics (``create_time, symbol, sum_open_interest_value``); their zip archives too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from leverline.ground.errors import refuse, require
from leverline.market.columns import number_column, refuse_first, symbol_text
from leverline.market.format_report import FormatReport
from leverline.market.observations import TypedTable, readable
from leverline.market.series_kinds import KINDS, SeriesColumn, SeriesKind, kind_of
from leverline.market.series_rules import describe_tables, series_of_tables
from leverline.market.sources.files import (
    ArrowStream,
    Layout,
    SourceTable,
    read_bytes,
    require_columns,
    table_of_arrow,
    table_of_bytes,
)
from leverline.market.sources.klines import one_csv
from leverline.market.symbols import SymbolNaming
from leverline.market.times import TimeColumn, epoch_ns
from leverline.market.trades import Series
from leverline.model.provenance import DataFile

MAX_FILES = 10_000
TIMES = ("ts", "calc_time", "create_time", "timestamp", "time")
_NAME = re.compile(r"(?P<symbol>[A-Z0-9]+(?:_(?:PERP|\d{6}))?)-(?:fundingRate|metrics)-\d{4}-\d{2}(?:-\d{2})?"
                   r"\.(?:csv|zip)")


def read_series(
    source: Sequence[Path] | Path | ArrowStream,
    kind: str,
    *,
    column: str | SeriesColumn | None = None,
    symbol_column: str = "symbol",
    symbol: str | None = None,
    strict: bool = False,
    naming: SymbolNaming | None = None,
) -> tuple[Series, ...]:
    """One :class:`Series` a symbol, its values in the kind's unit and stamped when they became known.

    Parameters
    ----------
    source : paths, or an Arrow object
        Several files may continue each other, in any order, but not overlap.
    kind : str
        A name of :data:`~leverline.market.series_kinds.KINDS`.
    column : str or SeriesColumn, optional
        Which column to read: by name where it is known for the kind, else as a :class:`SeriesColumn`, which says the
        unit and when a value is known. Without it the file has to have exactly one known column.
    symbol_column : str
        ``market`` where one symbol stands for several markets.
    symbol : str, optional
        The market of inputs that name none.
    strict : bool
        Refuse times without a zone instead of taking them as UTC with a warning.
    naming : SymbolNaming, optional
        How symbols become unified ones.

    Raises
    ------
    MalformedInputError
        With file, row, column and remedy: also where a market has two values at one time, or time falls.
    UsageError
        Where it is not clear which column is meant.
    InsufficientDataError
        Where values are known at the end of their interval and no market has two of them.
    """
    asked = kind_of(kind)
    layout = _layout(asked, column, symbol_column)
    if isinstance(source, ArrowStream):
        tables = [table_of_arrow(source, layout=layout)]
    else:
        paths = [Path(source)] if isinstance(source, str | Path) else list(source)
        require(0 < len(paths) <= MAX_FILES, f"1 to {MAX_FILES} files are read at once", got=len(paths))
        tables = [_table(Path(path), layout) for path in paths]
    chosen = [asked.column(column, table.columns_seen, table.file) for table in tables]
    require(len({(c.scale, c.at_end) for c in chosen}) == 1, "the files hold values of different units or times",
            remedy="read them apart")
    typed = [_typed(table, asked, one, symbol_column, symbol, strict, layout)
             for table, one in zip(tables, chosen, strict=True)]
    return series_of_tables(typed, asked, naming, at_end=chosen[0].at_end)


def describe_series(
    paths: Sequence[Path], kind: str, strict: bool = False, naming: SymbolNaming | None = None
) -> FormatReport:
    """Describe files of one kind; ``first`` and ``last`` are the stamps as written."""
    asked = kind_of(kind)
    layout = _layout(asked, None, "symbol")

    def read(path: Path) -> TypedTable:
        table = _table(Path(path), layout)
        one = asked.column(None, table.columns_seen, table.file)
        stem = None if "symbol" in table.columns_seen else Path(table.file).stem
        typed = _typed(table, asked, one, "symbol", stem, strict, layout)
        said = () if stem is None else (f"{table.file}: the file names no market and is described as {stem}",)
        return TypedTable(typed.file, typed.frame, (*typed.warnings, *said))

    tables, errors = readable(paths, read, strict=strict)
    return describe_tables(tables, asked, naming, errors, strict=strict)


def is_binance_series(file: str) -> bool:
    """True where a file is named as Binance names funding rates or metrics."""
    return _NAME.fullmatch(file) is not None


def _layout(kind: SeriesKind, column: str | SeriesColumn | None, symbol_column: str) -> Layout:
    extra = (column.name,) if isinstance(column, SeriesColumn) else ()
    names = tuple(dict.fromkeys((*extra, *(c.name for c in kind.columns))))
    return Layout((symbol_column, *TIMES, *names),
                  f"{kind.name} has the columns {symbol_column}, ts and {' or '.join(extra or names)}")


def _table(path: Path, layout: Layout) -> SourceTable:
    content, file = read_bytes(path), path.name
    named = _NAME.fullmatch(file)
    packed = content[:4] == b"PK\x03\x04"
    if packed and named is None:
        refuse("an archive is read only as Binance funding rates or metrics, and its name is not theirs", file=file,
               remedy="name it like BTCUSDT-fundingRate-2024-01.zip, or unpack it")
    table = table_of_bytes(one_csv(content, file) or b"\n" if packed else content, file, layout)
    if named is not None and "symbol" not in table.columns_seen:
        frame = table.frame.with_columns(symbol=pl.lit(named["symbol"]))
        table = SourceTable(file, table.sha256, frame, (*table.columns_seen, "symbol"))
    return SourceTable(file, hashlib.sha256(content).hexdigest(), table.frame, table.columns_seen)


def _typed(
    table: SourceTable, kind: SeriesKind, column: SeriesColumn, symbol_column: str, symbol: str | None, strict: bool,
    layout: Layout,
) -> TypedTable:
    """``symbol, ts`` (as stamped) and ``value`` in the kind's unit."""
    frame, file = table.frame, table.file
    time = next((name for name in TIMES if name in table.columns_seen), "ts")
    require_columns(table, (time, column.name), layout)
    if symbol is None or symbol_column in table.columns_seen:
        require_columns(table, (symbol_column,), layout)
        symbols = symbol_text(frame[symbol_column], file)
    else:
        symbols = pl.repeat(symbol, frame.height, dtype=pl.String, eager=True)
    ts, warning = epoch_ns(frame[time], TimeColumn(file, time, strict))
    cells = frame[column.name]
    numbers = number_column(cells, file, zero=kind.lowest <= 0, negative=kind.signed, noun=kind.name)
    values = numbers * column.scale
    refuse_first((values < kind.lowest) | (values > kind.highest), cells,
                 f"{{}} lies outside {kind.lowest / column.scale:g} to {kind.highest / column.scale:g}: another unit?",
                 file, column.name)
    source = DataFile(name=file, sha256=table.sha256, rows=frame.height)
    typed = pl.DataFrame([symbols.rename("symbol"), ts.rename("ts"), values.rename("value")])
    return TypedTable(source, typed, (warning,) if warning else ())


def known_columns() -> dict[str, str]:
    """Column name -> kind, over all kinds."""
    return {column.name: kind.name for kind in KINDS.values() for column in kind.columns}
