"""Cells of book files as columns with one meaning, and the order that rows of one series have to keep.

Every refusal names file, row (1 = first data row of its file) and column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import polars as pl

from leverline.ground.arrays import IntArray
from leverline.ground.errors import refuse, require
from leverline.market.columns import refuse_first, symbol_text
from leverline.market.observations import Observations, TypedTable
from leverline.market.reading import MAX_FILES
from leverline.market.rows import refuse_row
from leverline.market.sources.files import Layout, SourceTable, require_columns
from leverline.market.times import TimeColumn, epoch_ns
from leverline.model.provenance import DataFile

BID, ASK = 0, 1
SIDES = {"bid": BID, "ask": ASK}
MAX_CELLS = 400_000_000
"""Largest matrix of snapshots x levels (or bands) laid out in memory: 3.2 GB for one column."""


def paths_of(source: Sequence[Path] | Path) -> list[Path]:
    """One path or several as a list; refuses none, and too many."""
    paths = [Path(source)] if isinstance(source, str | Path) else [Path(path) for path in source]
    require(0 < len(paths) <= MAX_FILES, f"1 to {MAX_FILES} files are read at once", got=len(paths))
    return paths


def typed_table(
    table: SourceTable, layout: Layout, columns: Sequence[pl.Series], *, strict: bool, symbol: str | None
) -> TypedTable:
    """``symbol``, ``ts`` (int64 ns UTC) and ``columns``; ``symbol`` is the market of a table that names none.

    A column ``market`` beside ``symbol`` keeps markets of one symbol apart: they become ``MARKET:SYMBOL``.
    """
    frame, file = table.frame, table.file
    ts, warning = epoch_ns(frame["ts"], TimeColumn(file, "ts", strict))
    if "symbol" in frame.columns:
        symbols = symbol_text(frame["symbol"], file)
        if "market" in frame.columns:
            symbols = symbol_text(frame["market"], file) + ":" + symbols
    elif symbol is not None:
        symbols = pl.repeat(symbol, frame.height, dtype=pl.String, eager=True)
    else:
        refuse("column 'symbol' is missing", file=file, column="symbol",
               remedy=f"name the market with symbol=; {layout.schema}")
    source = DataFile(name=file, sha256=table.sha256, rows=frame.height)
    return TypedTable(source, pl.DataFrame([symbols.rename("symbol"), ts.rename("ts"), *columns]),
                      (warning,) if warning else ())


def needed_columns(table: SourceTable, layout: Layout, needed: Sequence[str]) -> pl.DataFrame:
    """The table's cells; refuses a table without the columns ``needed``."""
    require_columns(table, needed, layout)
    return table.frame


def whole_numbers(cells: pl.Series, file: str, *, least: int = 0) -> pl.Series:
    """Int64 of ``least`` or more, none missing."""
    name = cells.name
    if cells.dtype != pl.String and not cells.dtype.is_integer():
        refuse(f"whole numbers are wanted, not {cells.dtype}", file=file, column=name)
    refuse_first(cells.is_null() | (cells.cast(pl.String) == ""), cells, f"the {name} is missing", file, name)
    out = cells.cast(pl.Int64, strict=False)
    refuse_first(out.is_null(), cells, "{!r} is not a whole number", file, name)
    refuse_first(out < least, cells, f"{name} {{}} is below {least}", file, name)
    return out


def choices(cells: pl.Series, file: str, allowed: Mapping[str, int]) -> pl.Series:
    """Int8 code of each cell, which is one of the words ``allowed``."""
    name = cells.name
    if not isinstance(cells.dtype, pl.String | pl.Categorical | pl.Enum):
        refuse(f"{name} is one of {', '.join(allowed)}, not {cells.dtype}", file=file, column=name)
    text = cells.cast(pl.String)
    out = text.replace_strict(allowed, default=None, return_dtype=pl.Int8)
    refuse_first(text.is_null(), cells, f"the {name} is missing", file, name)
    refuse_first(out.is_null(), text, f"{{!r}} is no {name}: it is one of {', '.join(allowed)}", file, name)
    return out


def refuse_at(rows: Observations, at: int, what: str, column: str, remedy: str | None = None) -> NoReturn:
    """Refuse the row at position ``at``."""
    refuse(what, file=rows.files[rows.file[at]], row=int(rows.row[at]), column=column, remedy=remedy)


def refuse_backwards(rows: Observations, series: IntArray, what: str) -> None:
    """Refuse the first row that is earlier than the row before it of the same file and ``series`` (codes)."""
    at = np.lexsort((np.arange(len(rows)), series, rows.file))
    same = (np.diff(series[at]) == 0) & (np.diff(rows.file[at]) == 0)
    back = at[1:][same & (np.diff(rows.ts[at]) < 0)]
    if back.size:
        first = int(back.min())
        refuse_row(rows, first, "{1} goes back in time to {2}", f"sort by time within {what}")


def refuse_overlaps(rows: Observations) -> None:
    """Files may continue each other, in any order, but none may start before another of its symbol has ended."""
    if len(rows.files) == 1:
        return
    at = np.lexsort((rows.ts, rows.file, rows.code))
    code, file = rows.code[at], rows.file[at]
    starts = np.flatnonzero(np.concatenate([[True], (np.diff(code) != 0) | (np.diff(file) != 0)]))
    first, last = at[starts], at[np.concatenate([starts[1:], [len(rows)]]) - 1]
    latest = np.full(len(rows.symbols), np.iinfo(np.int64).min)
    for i in np.lexsort((rows.ts[first], code[starts])).tolist():
        symbol, begins = int(code[starts[i]]), int(rows.ts[first[i]])
        if begins <= latest[symbol]:
            refuse_row(rows, int(first[i]), "{1} at {2} overlaps another input of it", "give each time once")
        latest[symbol] = max(latest[symbol], int(rows.ts[last[i]]))
