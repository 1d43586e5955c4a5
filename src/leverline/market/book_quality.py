"""How good book files are: what ``data describe`` says of snapshots, events and depth bands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from leverline.ground.arrays import IntArray
from leverline.ground.errors import MalformedInputError
from leverline.market.bars import Finding
from leverline.market.format_report import FormatReport, SymbolLine
from leverline.market.observations import MAX_FINDINGS, TypedTable, readable
from leverline.market.sources.files import SourceTable
from leverline.market.times import NS_PER_S, iso

_Series = TypeVar("_Series")


@dataclass(frozen=True, slots=True)
class Judged(Generic[_Series]):
    """One symbol's series as it can be used, and what a description says of it."""

    series: _Series
    symbol: str
    rows: int
    measured: Mapping[str, str | int | float | None]
    counts: Mapping[str, int]  # rule -> how often, also beyond the findings kept
    findings: tuple[Finding, ...]


def describe_books(
    paths: Sequence[Path], kind: str, rules: tuple[str, ...], table: Callable[[Path], SourceTable],
    typed: Callable[[SourceTable, str | None], TypedTable],
    judged: Callable[[Sequence[TypedTable]], Sequence[Judged[_Series]]], *, strict: bool,
) -> FormatReport:
    """A report of all inputs that can be read together; under ``strict`` the first refusal is raised.

    An input that is refused is named in ``refused`` and left out; where none is left, its error is raised. One that
    names no market is described under its own name, with a warning.
    """
    def read(path: Path) -> TypedTable:
        cells = table(Path(path))
        if "symbol" in cells.columns_seen:
            return typed(cells, None)
        stem = Path(cells.file).stem
        found = typed(cells, stem)
        said = f"{cells.file}: the file names no market and is described as {stem}"
        return TypedTable(found.file, found.frame, (*found.warnings, said))

    tables, errors = readable(paths, read, strict=strict)
    while True:
        try:
            seen = judged(tables)
            break
        except MalformedInputError as error:
            left = [t for t in tables if error.place is not None and t.file.name != error.place.file]
            if strict or not left or len(left) == len(tables):
                raise
            tables = left
            errors.append(error)
    kept = (islice((f for one in seen for f in one.findings if f.rule == rule), MAX_FINDINGS) for rule in rules)
    return FormatReport(
        format=kind, files=tuple(t.file for t in tables),
        symbols=tuple(SymbolLine(one.symbol, one.rows, one.measured, one.counts) for one in seen), rules=rules,
        findings=tuple(f for firsts in kept for f in firsts),
        warnings=tuple(said for t in tables for said in t.warnings), refused=tuple(map(str, errors)))


def extent(ts: IntArray) -> dict[str, str | int | float | None]:
    """Number of snapshots that can be used, first and last, median and longest time between two."""
    steps = np.diff(ts) / NS_PER_S
    return {
        "snapshots": ts.size, "first": iso(int(ts[0])) if ts.size else None,
        "last": iso(int(ts[-1])) if ts.size else None, "spacing_s": float(np.median(steps)) if steps.size else None,
        "longest_gap_s": float(steps.max()) if steps.size else None,
    }
