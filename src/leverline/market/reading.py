"""Read bars: files or an Arrow object in, validated :class:`Bars` out.

What is malformed is refused whole, with file, row, column and remedy; what is suspicious is accepted and marked by the
rules of :mod:`leverline.market.suspicion`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from leverline.ground.errors import InsufficientDataError, UsageError, refuse, require
from leverline.market.bars import Bars
from leverline.market.columns import typed_columns
from leverline.market.rows import Rows, disorder, gather, refuse_disorder
from leverline.market.sources.files import (
    MAX_ROWS,
    ArrowStream,
    SourceTable,
    read_bytes,
    table_of_arrow,
    table_of_bytes,
)
from leverline.market.sources.klines import is_klines, table_of_klines
from leverline.market.spacing import common_spacing
from leverline.market.suspicion import examine
from leverline.market.symbols import SymbolNaming
from leverline.model.provenance import DataFile

MAX_FILES = 10_000
"""Most files of one call: ten years of daily klines of two symbols."""

BarSource = Sequence[Path] | Path | ArrowStream


@dataclass(frozen=True, slots=True)
class Input:
    """What was read, in the order it was given, before order and plausibility are judged."""

    rows: Rows
    files: tuple[DataFile, ...]
    warnings: tuple[str, ...]


def read_bars(
    source: BarSource,
    *,
    strict: bool = False,
    naming: SymbolNaming | None = None,
    symbols: Sequence[str] | None = None,
    until_ns: int | None = None,
) -> Bars:
    """Bars of CSV, Parquet and Binance kline files (CSV, zip), or of any object with ``__arrow_c_stream__``.

    Parameters
    ----------
    source : paths, or an Arrow object
        Columns ``symbol, ts, close[, open, high, low, volume]``; others are ignored. Several files may continue each
        other, in any order, but not overlap.
    strict : bool
        Refuse times without a zone instead of taking them as UTC with a warning.
    naming : SymbolNaming, optional
        How symbols become unified ones; without it they come out as they came in.
    symbols : sequence of str, optional
        Keep only these, by their names after ``naming``; the whole input is validated all the same.
    until_ns : int, optional
        Examine only bars whose close is known by then, so that no rule looks past it; all are validated.

    Raises
    ------
    MalformedInputError
        With file, row (1 = first data row), column and remedy.
    InsufficientDataError
        Where no symbol has two bars, or no bar is known by ``until_ns``.
    """
    return bars_of_tables(tables_of(source), strict=strict, naming=naming, symbols=symbols, until_ns=until_ns)


def bars_of_tables(
    tables: Sequence[SourceTable],
    *,
    strict: bool = False,
    naming: SymbolNaming | None = None,
    symbols: Sequence[str] | None = None,
    until_ns: int | None = None,
) -> Bars:
    """What :func:`read_bars` does once the columns are in memory; every source of bars passes here."""
    typed = [typed_columns(table, strict=strict) for table in tables]
    found = joined(tables, typed, naming)
    refuse_disorder(found.rows, disorder(found.rows))
    rows = found.rows if symbols is None else _selected(found.rows, symbols)
    rows = rows.in_order()
    spacing = common_spacing(rows)
    rows = _known(rows, spacing, until_ns)
    examined = examine(rows, spacing)
    rows = examined.rows
    bars = Bars(
        symbols=rows.symbols,
        offsets=np.searchsorted(rows.code, np.arange(len(rows.symbols) + 1)).astype(np.int64),
        ts=rows.ts, open=rows.open, high=rows.high, low=rows.low, close=rows.close, volume=rows.volume,
        masked=examined.masked, listing=examined.listing, spacing_ns=spacing, files=found.files,
        findings=examined.findings, counts=examined.counts, warnings=(*found.warnings, *examined.warnings),
    )
    return bars if symbols is None else bars.select([s for s in symbols if s in bars.symbols])


def _known(rows: Rows, spacing_ns: int, until_ns: int | None) -> Rows:
    """Rows whose close is known by ``until_ns``, so that no rule looks past it."""
    if until_ns is None:
        return rows
    kept = rows.take(np.flatnonzero(rows.ts + spacing_ns <= until_ns))
    if not len(kept):
        raise InsufficientDataError("no bar is known at the as-of time", remedy="choose a later --as-of")
    return kept.only([rows.symbols[i] for i in np.unique(kept.code)])


def joined(
    tables: Sequence[SourceTable], typed: Sequence[tuple[pl.DataFrame, list[str]]], naming: SymbolNaming | None
) -> Input:
    """Rows of every table together, from the typed columns and warnings of each; order is not judged yet."""
    frames = [frame for frame, _ in typed]
    if sum(f.height for f in frames) > MAX_ROWS:
        refuse(f"together the inputs have more than {MAX_ROWS} rows", file=None, remedy="give fewer files")
    seen = dict.fromkeys(s for f in frames for s in f["symbol"].unique(maintain_order=True))
    names = (naming or SymbolNaming()).unify(seen)
    files = tuple(DataFile(name=t.file, sha256=t.sha256, rows=t.frame.height) for t in tables)
    return Input(gather(frames, [t.file for t in tables], names), files, tuple(w for _, said in typed for w in said))


def tables_of(source: BarSource) -> list[SourceTable]:
    """One table per input, cells as they were written."""
    if isinstance(source, str):
        source = Path(source)
    if isinstance(source, Path):
        return [_table(source)]
    if isinstance(source, ArrowStream):
        return [table_of_arrow(source)]
    require(0 < len(source) <= MAX_FILES, f"1 to {MAX_FILES} files are read at once", got=len(source))
    return [_table(Path(path)) for path in source]


def _table(path: Path) -> SourceTable:
    content = read_bytes(path)
    return table_of_klines(content, path.name) if is_klines(content, path.name) else table_of_bytes(content, path.name)


def _selected(rows: Rows, symbols: Sequence[str]) -> Rows:
    unknown = [s for s in symbols if s not in rows.symbols]
    if unknown or not symbols:
        raise UsageError(f"no bars of {', '.join(unknown) or 'no symbol'}",
                         remedy=f"the input has {', '.join(rows.symbols[:12])}")
    return rows.only(symbols)
