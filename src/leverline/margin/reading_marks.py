"""Read marks: a table of prices at one time in, a validated :class:`MarketState` out; and which are too old to use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import UsageError, refuse
from leverline.market.columns import number_column, refuse_first, symbol_text
from leverline.market.sources.files import (
    ArrowStream,
    Layout,
    SourceTable,
    read_bytes,
    require_columns,
    table_of_arrow,
    table_of_bytes,
)
from leverline.market.times import NS_PER_S, TimeColumn, epoch_ns, first_true, iso
from leverline.model.market_state import MarketState
from leverline.model.provenance import DataFile

MARKS = Layout(("symbol", "mark", "index", "ts", "low", "high", "volatility_per_day", "open_interest"),
               "marks have the columns symbol, mark[, index, ts, low, high, volatility_per_day, open_interest]")
MAX_AGE_S = 60.0
"""Age past which a mark is stale, unless the caller says otherwise."""


@dataclass(frozen=True, slots=True)
class MarksInput:
    """Marks as read."""

    state: MarketState
    file: DataFile
    warnings: tuple[str, ...]


def read_marks(source: Path | str | ArrowStream, *, strict: bool = False) -> MarksInput:
    """Marks of a CSV or Parquet file, or of any object with ``__arrow_c_stream__``; one row a name.

    A market is named by its symbol, an asset by ``ASSET/USD``. Empty ``low`` and ``high`` are the mark. ``strict``
    refuses times without a zone instead of taking them as UTC with a warning.

    Raises
    ------
    MalformedInputError
        With file, row, column and remedy.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        table = table_of_bytes(read_bytes(path), path.name, MARKS)
    else:
        table = table_of_arrow(source, layout=MARKS)
    return marks_of_table(table, strict=strict)


def marks_of_table(table: SourceTable, *, strict: bool = False) -> MarksInput:
    """What :func:`read_marks` does once the columns are in memory."""
    require_columns(table, ("symbol", "mark"), MARKS)
    frame, file = table.frame, table.file
    names = symbol_text(frame["symbol"], file)
    again = first_true(~names.is_first_distinct())
    if again is not None:
        refuse(f"{names[again]!r} is marked in an earlier row already", file=file, row=again + 1, column="symbol",
               remedy="give one row a name")
    mark = number_column(frame["mark"], file, noun="mark").to_numpy()
    low, high = (_bound(table, name, mark) for name in ("low", "high"))
    for name, wrong, what in (("low", low > mark, "low {} is above the mark"),
                              ("high", high < mark, "high {} is below the mark")):
        if name in frame.columns:
            refuse_first(pl.Series(wrong), frame[name], what, file, name)
    ts, warnings = _times(table, strict)
    state = MarketState(
        tuple(names.to_list()), mark, low, high, _optional(table, "index", noun="index"), ts,
        _optional(table, "volatility_per_day", noun="volatility"),
        _optional(table, "open_interest", noun="open interest", zero=True))
    return MarksInput(state, DataFile(name=file, sha256=table.sha256, rows=frame.height), warnings)


def stale_marks(state: MarketState, *, as_of_ns: int | None = None, max_age_s: float = MAX_AGE_S) -> dict[str, str]:
    """Names whose mark is older than ``max_age_s`` at ``as_of_ns`` (default: the newest mark), and the reason in words.

    A mark without a time is never stale. A mark later than ``as_of_ns`` is refused: it was not known then.
    """
    timed = state.ts_ns >= 0
    if not timed.any():
        return {}
    newest = int(state.ts_ns.max())
    now = newest if as_of_ns is None else as_of_ns
    if newest > now:
        name = state.names[int(np.argmax(state.ts_ns))]
        raise UsageError(f"the mark of {name} is of {iso(newest)}, later than --as-of {iso(now)}",
                         remedy="give the marks of that time")
    old = np.flatnonzero(timed & (now - state.ts_ns > max_age_s * NS_PER_S))
    return {state.names[i]: f"the mark of {state.names[i]} is {(now - int(state.ts_ns[i])) / NS_PER_S:g} s old, more "
            f"than {max_age_s:g} s" for i in old}


def _bound(table: SourceTable, name: str, mark: FloatArray) -> FloatArray:
    given = _optional(table, name, noun=name)
    return np.where(np.isnan(given), mark, given)


def _optional(table: SourceTable, name: str, *, noun: str, zero: bool = False) -> FloatArray:
    if name not in table.frame.columns:
        return np.full(table.frame.height, np.nan)
    return number_column(table.frame[name], table.file, required=False, zero=zero, noun=noun).to_numpy()


def _times(table: SourceTable, strict: bool) -> tuple[IntArray, tuple[str, ...]]:
    """Ns UTC; -1 throughout where the input has no times."""
    frame = table.frame
    if "ts" not in frame.columns or frame["ts"].null_count() == frame.height:
        return np.full(frame.height, -1, dtype=np.int64), ()
    ts, warning = epoch_ns(frame["ts"], TimeColumn(table.file, "ts", strict))
    return ts.to_numpy(), () if warning is None else (warning,)
