"""Level-3 events, one row an event: ``order_id, price, volume, action, side, ts[, seq, symbol, market]``.

``action`` is ``created``, ``changed`` or ``deleted``, ``side`` is ``bid`` or ``ask``, ``volume`` is what is left of the
order in base units. ``seq`` is the order in which events happened; without it the rows are. A recording begins with the
``created`` events of a snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from leverline.ground.arrays import IntArray
from leverline.ground.errors import refuse
from leverline.market.book_columns import (
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
from leverline.market.book_rules import SNAPSHOT_RULES
from leverline.market.columns import number_column, refuse_first
from leverline.market.format_report import FormatReport
from leverline.market.observations import Observations, TypedTable, together
from leverline.market.order_events import ACTIONS, EVENT_RULES, OrderEvents, rebuild
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

LEVEL3 = Layout(("order_id", "price", "volume", "action", "side", "ts", "seq", "symbol", "market"),
                "columns are order_id,price,volume,action,side,ts[,seq,symbol,market]")
NEEDED = ("order_id", "price", "volume", "action", "side", "ts")
MAX_ID = 128
"""Longest order id, in characters."""


def read_level3(
    source: BarSource, *, strict: bool = False, naming: SymbolNaming | None = None, symbol: str | None = None
) -> tuple[OrderEvents, ...]:
    """Events of each symbol in order of first appearance, from CSV, Parquet or an Arrow object.

    ``strict``, ``naming`` and ``symbol`` as in :func:`leverline.market.sources.level2.read_level2`. A price of zero
    (an order without a limit) is read; :func:`leverline.market.order_events.rebuild` leaves it out of the book.

    Raises
    ------
    MalformedInputError
        With file, row and column: times or sequence numbers that go back, a sequence number that comes twice,
        negative prices or volumes, unknown words, empty ids.
    """
    tables = [table_of_arrow(source, layout=LEVEL3)] if isinstance(source, ArrowStream) else [
        _table(path) for path in paths_of(source)]
    return _events([_typed(t, symbol, strict=strict) for t in tables], naming)


def describe_level3(paths: Sequence[Path], strict: bool = False, naming: SymbolNaming | None = None) -> FormatReport:
    """Quality of level-3 files: events by action, the book they make every second, and what was odd."""
    return describe_books(paths, "level3", (*EVENT_RULES, *SNAPSHOT_RULES), _table, partial(_typed, strict=strict),
                          partial(_judged, naming=naming), strict=strict)


def _table(path: Path) -> SourceTable:
    return table_of_bytes(read_bytes(path), path.name, LEVEL3)


def _typed(table: SourceTable, symbol: str | None, *, strict: bool) -> TypedTable:
    frame, file = needed_columns(table, LEVEL3, NEEDED), table.file
    columns = [
        _ids(frame["order_id"], file), number_column(frame["price"], file, zero=True),
        number_column(frame["volume"], file, zero=True, noun="volume"), choices(frame["action"], file, ACTIONS),
        choices(frame["side"], file, SIDES),
        whole_numbers(frame["seq"], file) if "seq" in frame.columns
        else pl.Series("seq", np.arange(frame.height, dtype=np.int64)),
    ]
    return typed_table(table, LEVEL3, columns, strict=strict, symbol=symbol)


def _ids(ids: pl.Series, file: str) -> pl.Series:
    """Ids as numbers where all are, else as text: venues count them or write UUIDs."""
    if not (ids.dtype.is_integer() or isinstance(ids.dtype, pl.String | pl.Categorical)):
        refuse(f"order ids are whole numbers or text, not {ids.dtype}", file=file, column="order_id")
    text = ids.cast(pl.String)
    refuse_first(text.is_null() | (text == ""), text, "the order_id is missing", file, "order_id")
    refuse_first(text.str.len_chars() > MAX_ID, text, "an order_id is endless", file, "order_id")
    whole = text.cast(pl.Int64, strict=False)
    return whole if bool((whole.cast(pl.String) == text).fill_null(value=False).all()) else text


def _events(tables: Sequence[TypedTable], naming: SymbolNaming | None) -> tuple[OrderEvents, ...]:
    rows = together(_one_kind_of_id(tables), naming)
    refuse_backwards(rows, rows.code, "symbol")
    _refuse_sequence(rows)
    refuse_overlaps(rows)
    rows = rows.take(np.lexsort((rows.ts, rows.code)))
    files, warnings = tuple(t.file for t in tables), tuple(w for t in tables for w in t.warnings)
    columns = rows.columns
    return tuple(
        OrderEvents(symbol=symbol, ts=rows.ts[at], order=_codes(columns["order_id"][at]), side=columns["side"][at],
                    price=columns["price"][at], volume=columns["volume"][at], action=columns["action"][at],
                    files=files, warnings=warnings)
        for symbol, at in rows.groups())


def _one_kind_of_id(tables: Sequence[TypedTable]) -> Sequence[TypedTable]:
    """Ids as numbers where every input has numbers, else as text."""
    if len({t.frame["order_id"].dtype for t in tables}) == 1:
        return tables
    return [replace(t, frame=t.frame.with_columns(pl.col("order_id").cast(pl.String))) for t in tables]


def _refuse_sequence(rows: Observations) -> None:
    """Within a file and symbol, sequence numbers rise."""
    seq = rows.columns["seq"]
    at = np.lexsort((np.arange(len(rows)), rows.code, rows.file))
    same = (np.diff(rows.code[at]) == 0) & (np.diff(rows.file[at]) == 0)
    bad = at[1:][same & (np.diff(seq[at]) <= 0)]
    if bad.size:
        first = int(bad.min())
        refuse_at(rows, first, f"seq {seq[first]} does not follow the one before it", "seq",
                  "sort by seq, and give each event once")


def _codes(ids: npt.NDArray[Any]) -> IntArray:
    """Order ids as codes from 0 without gaps."""
    codes: IntArray = pl.Series(ids).rank("dense").to_numpy().astype(np.int64) - 1
    return codes


def _judged(tables: Sequence[TypedTable], naming: SymbolNaming | None) -> list[Judged[OrderEvents]]:
    out = []
    for events in _events(tables, naming):
        rebuilt = rebuild(events)
        actions = np.bincount(events.action, minlength=len(ACTIONS))
        measured = extent(rebuilt.snapshots.ts) | dict(zip(ACTIONS, actions.tolist(), strict=True)) | {
            "marketable": rebuilt.marketable}
        out.append(Judged(events, events.symbol, len(events), measured, rebuilt.counts, rebuilt.snapshots.findings))
    return out
