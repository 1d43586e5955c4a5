"""Rows of any format but bars: typed columns of all inputs together, with the place each row came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from leverline.ground.arrays import IntArray
from leverline.ground.errors import MalformedInputError, refuse
from leverline.market.bars import Finding
from leverline.market.sources.files import MAX_ROWS
from leverline.market.symbols import SymbolNaming
from leverline.market.times import iso
from leverline.model.provenance import DataFile

MAX_FINDINGS = 1_000
"""Findings kept per rule; all are counted."""

_Place = TypeVar("_Place")


@dataclass(frozen=True, slots=True)
class TypedTable:
    """One input whose every cell was read: ``symbol`` (text), ``ts`` (int64 ns UTC) and the format's own columns."""

    file: DataFile
    frame: pl.DataFrame
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observations:
    """Rows of several inputs. ``code`` indexes ``symbols``, ``file`` indexes ``files``; ``row`` counts from 1 there."""

    symbols: tuple[str, ...]
    files: tuple[str, ...]
    code: IntArray
    ts: IntArray  # ns UTC
    file: IntArray
    row: IntArray
    columns: Mapping[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, at: IntArray) -> Observations:
        """The rows at positions ``at``, in that order."""
        return replace(self, code=self.code[at], ts=self.ts[at], file=self.file[at], row=self.row[at],
                       columns={name: values[at] for name, values in self.columns.items()})

    def in_order(self) -> Observations:
        """Sorted by symbol then time; rows of equal time keep their order."""
        return self.take(np.lexsort((self.ts, self.code)))

    def place(self, at: int) -> tuple[str, str, str]:
        """File, symbol and time of one row, for messages."""
        return self.files[self.file[at]], self.symbols[self.code[at]], iso(int(self.ts[at]))

    def groups(self) -> Iterator[tuple[str, slice]]:
        """Each symbol and its rows; the rows are in order."""
        bounds = np.searchsorted(self.code, np.arange(len(self.symbols) + 1)).tolist()
        for symbol, (start, stop) in zip(self.symbols, pairwise(bounds), strict=True):
            yield symbol, slice(start, stop)


@dataclass(frozen=True, slots=True)
class Oddity:
    """A named rule, the rows (ordered positions) that it strikes, and what it says of each."""

    rule: str
    at: IntArray
    says: Callable[[int], str]


def findings_of(rows: Observations, oddities: Sequence[Oddity]) -> tuple[Finding, ...]:
    """The first :data:`MAX_FINDINGS` cases of each rule."""
    return tuple(
        Finding(odd.rule, *rows.place(i)[:2], int(rows.ts[i]), odd.says(i))
        for odd in oddities for i in odd.at[:MAX_FINDINGS].tolist()
    )


def counts_of(rows: Observations, oddities: Sequence[Oddity]) -> dict[str, dict[str, int]]:
    """Symbol -> rule -> how often, also beyond the findings kept."""
    struck = {odd.rule: np.bincount(rows.code[odd.at], minlength=len(rows.symbols)).tolist() for odd in oddities}
    return {symbol: {rule: times[i] for rule, times in struck.items()} for i, symbol in enumerate(rows.symbols)}


def together(tables: Sequence[TypedTable], naming: SymbolNaming | None) -> Observations:
    """Every table's rows in the order they were given; ``naming`` gives the symbols to use."""
    frames = [table.frame for table in tables]
    heights = [frame.height for frame in frames]
    if sum(heights) > MAX_ROWS:
        refuse(f"together the inputs have more than {MAX_ROWS} rows", file=None, remedy="give fewer files")
    whole = pl.concat(frames)
    names = (naming or SymbolNaming()).unify(whole["symbol"].unique(maintain_order=True))
    codes = whole["symbol"].cast(pl.Enum(list(names))).to_physical().cast(pl.Int64).to_numpy()
    return Observations(
        symbols=tuple(names.values()), files=tuple(table.file.name for table in tables), code=codes,
        ts=whole["ts"].to_numpy(), file=np.repeat(np.arange(len(frames)), heights),
        row=np.concatenate([np.arange(1, height + 1) for height in heights]),
        columns={name: whole[name].to_numpy() for name in whole.columns if name not in ("symbol", "ts")},
    )


def readable(
    places: Sequence[_Place], read: Callable[[_Place], TypedTable], *, strict: bool
) -> tuple[list[TypedTable], list[MalformedInputError]]:
    """The inputs whose every cell can be read, and why the others cannot; where none can, its error is raised."""
    tables: list[TypedTable] = []
    errors: list[MalformedInputError] = []
    for place in places:
        try:
            tables.append(read(place))
        except MalformedInputError as error:
            errors.append(error)
    if errors and (strict or not tables):
        raise errors[0]
    return tables, errors
