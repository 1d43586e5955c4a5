"""Level-2 snapshots from one long table: ``ts, side, price, size[, level, symbol, market]``, one row a level.

``side`` is ``bid`` or ``ask``; ``level`` counts from 0 or 1 at the best price. Without ``level`` the prices decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from leverline.ground.arrays import IntArray
from leverline.ground.errors import refuse
from leverline.market.book_columns import (
    ASK,
    BID,
    MAX_CELLS,
    SIDES,
    choices,
    needed_columns,
    paths_of,
    refuse_at,
    refuse_backwards,
    refuse_overlaps,
    typed_table,
    whole_numbers,
)
from leverline.market.book_quality import Judged, describe_books, extent
from leverline.market.book_rules import SNAPSHOT_RULES, BookLedger, Levels, reach, reach_finding, sound_levels
from leverline.market.books import BookSnapshots
from leverline.market.columns import number_column
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
from leverline.market.symbols import SymbolNaming
from leverline.market.times import iso

LEVEL2 = Layout(("ts", "symbol", "market", "side", "level", "price", "size"),
                "columns are ts,symbol,side,price,size[,level,market]")
NEEDED = ("ts", "side", "price", "size")
MAX_LEVEL = 10_000
"""Deepest level that is read."""


def read_level2(
    source: BarSource, *, strict: bool = False, naming: SymbolNaming | None = None, symbol: str | None = None
) -> tuple[BookSnapshots, ...]:
    """Snapshots of each symbol in order of first appearance, from CSV, Parquet or an Arrow object.

    Snapshots that break a rule of :mod:`leverline.market.book_rules` are left out and stand in ``findings``.

    Parameters
    ----------
    source : paths, or an Arrow object
        Several files may continue each other, in any order, but not overlap. A column ``market`` beside ``symbol``
        keeps markets of one symbol apart: they become ``MARKET:SYMBOL``.
    strict : bool
        Refuse times without a zone instead of taking them as UTC with a warning.
    naming : SymbolNaming, optional
        How symbols become unified ones; without it they come out as they came in.
    symbol : str, optional
        The market of inputs that name none.

    Raises
    ------
    MalformedInputError
        With file, row and column: times that go back within a symbol, side and level; a level or price that a side
        has twice; levels with gaps, or numbered against the order of their prices; sizes or prices not positive.
    """
    tables = [table_of_arrow(source, layout=LEVEL2)] if isinstance(source, ArrowStream) else [
        _table(path) for path in paths_of(source)]
    return tuple(j.series for j in _judged([_typed(t, symbol, strict=strict) for t in tables], naming))


def describe_level2(paths: Sequence[Path], strict: bool = False, naming: SymbolNaming | None = None) -> FormatReport:
    """Quality of level-2 files: snapshots that can be used, how far they reach, and what was left out by which rule."""
    return describe_books(paths, "level2", SNAPSHOT_RULES, _table, partial(_typed, strict=strict),
                          partial(_judged, naming=naming), strict=strict)


def _table(path: Path) -> SourceTable:
    return table_of_bytes(read_bytes(path), path.name, LEVEL2)


def _typed(table: SourceTable, symbol: str | None, *, strict: bool) -> TypedTable:
    frame, file = needed_columns(table, LEVEL2, NEEDED), table.file
    columns = [choices(frame["side"], file, SIDES), number_column(frame["price"], file),
               number_column(frame["size"], file, noun="size")]
    if "level" in frame.columns:
        level = whole_numbers(frame["level"], file)
        deep = level.arg_max()
        if deep is not None and level[deep] > MAX_LEVEL:
            refuse(f"level {level[deep]} is deeper than {MAX_LEVEL}", file=file, row=deep + 1, column="level")
        columns.append(level)
    else:
        columns.append(pl.repeat(-1, frame.height, dtype=pl.Int64, eager=True).rename("level"))
    return typed_table(table, LEVEL2, columns, strict=strict, symbol=symbol)


def _judged(tables: Sequence[TypedTable], naming: SymbolNaming | None) -> list[Judged[BookSnapshots]]:
    rows = together(tables, naming)
    refuse_overlaps(rows)
    side, level = rows.columns["side"], rows.columns["level"]
    refuse_backwards(rows, (rows.code * 2 + side) * (MAX_LEVEL + 2) + level + 1, "symbol, market, side and level")
    rows, position = _ranked(rows)
    return [_book(rows, symbol, at, position[at], tables) for symbol, at in rows.groups()]


def _ranked(rows: Observations) -> tuple[Observations, IntArray]:
    """Rows sorted by symbol, time, side and from the best price on, and the level of each, counted from 0."""
    side, price = rows.columns["side"], rows.columns["price"]
    rows = rows.take(np.lexsort((np.where(side == BID, -price, price), side, rows.ts, rows.code)))
    side, price, level = (rows.columns[name] for name in ("side", "price", "level"))
    same = (np.diff(rows.code) == 0) & (np.diff(rows.ts) == 0) & (np.diff(side) == 0)
    begins = np.flatnonzero(np.concatenate([[True], ~same]))
    sizes = np.diff(np.concatenate([begins, [len(rows)]]))
    position: IntArray = np.arange(len(rows)) - np.repeat(begins, sizes)
    twice = np.flatnonzero(same & (np.diff(price) == 0)) + 1
    if twice.size:
        first = int(twice[0])
        refuse_at(rows, first, f"a side has the price {price[first]:.10g} twice at {iso(int(rows.ts[first]))}", "price",
                  "add up orders of one price")
    _refuse_misnumbered(rows, position, np.repeat(level[begins], sizes))
    return rows, position


def _refuse_misnumbered(rows: Observations, position: IntArray, base: IntArray) -> None:
    """Levels count 0, 1, 2 ... or 1, 2, 3 ... in the order of the prices; ``base`` is the best level's number."""
    level = rows.columns["level"]
    wrong = (level >= 0) & ((level - position != base) | (base > 1))
    if wrong.any():
        first = int(np.argmax(wrong))
        again = position[first] > 0 and level[first - 1] == level[first]
        refuse_at(rows, first, f"level {level[first]} comes a second time" if again
                  else f"level {level[first]} is number {position[first] + 1} of its side by price", "level",
                  "count levels from the best price on, from 0 or 1, without gaps")


def _book(
    rows: Observations, symbol: str, at: slice, position: IntArray, tables: Sequence[TypedTable]
) -> Judged[BookSnapshots]:
    """One symbol's rows (sorted) as matrices, and judged."""
    ts, first_row, where = np.unique(rows.ts[at], return_index=True, return_inverse=True)
    shape = ts.size, int(position.max()) + 1
    if shape[0] * shape[1] > MAX_CELLS:
        refuse(f"{symbol}: {shape[0]} snapshots of {shape[1]} levels are too many", file=None,
               remedy="give fewer files")
    matrices = []
    for side in (BID, ASK):
        chosen = rows.columns["side"][at] == side
        for name in ("price", "size"):
            matrix = np.full(shape, np.nan)
            matrix[where[chosen], position[chosen]] = rows.columns[name][at][chosen]
            matrices.append(matrix)
    ledger = BookLedger(symbol, ts, lambda i: rows.files[rows.file[at][first_row[i]]])
    sound, kept = sound_levels(Levels(*matrices), ts, ledger)
    reaches = (float("nan"), float("nan"))
    if kept.size:
        reach_finding(sound, ledger, int(kept[0]))
        reaches = reach(sound).median_bp
    findings = tuple(ledger.findings)
    book = BookSnapshots(symbol, ts[kept], sound.bid_price, sound.bid_size, sound.ask_price, sound.ask_size,
                         tuple(t.file for t in tables), findings, tuple(w for t in tables for w in t.warnings))
    measured = extent(book.ts) | {"levels": shape[1]} | {
        f"{name}_reach_bp": bp if np.isfinite(bp) else None for name, bp in zip(("bid", "ask"), reaches, strict=True)}
    return Judged(book, symbol, position.size, measured, ledger.counts, findings)
