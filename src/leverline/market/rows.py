"""Typed rows of all inputs in one set of arrays, with the place each row came from, and whether they are in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import NoReturn, Protocol

import numpy as np
import polars as pl

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.errors import refuse
from leverline.market.times import iso


class Stamped(Protocol):
    """Rows of any format with a symbol, a time and a place; arrays have shape (n_rows,)."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol."""

    @property
    def files(self) -> tuple[str, ...]:
        """Every input's name."""

    @property
    def code(self) -> IntArray:
        """Index into ``symbols``."""

    @property
    def ts(self) -> IntArray:
        """Ns UTC."""

    @property
    def file(self) -> IntArray:
        """Index into ``files``."""

    @property
    def row(self) -> IntArray:
        """Place in the file, from 1."""

    def __len__(self) -> int:
        """Rows."""

    def place(self, at: int) -> tuple[str, str, str]:
        """File, symbol and time of one row, for messages."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of several inputs. ``code`` indexes ``symbols``, ``file`` indexes ``files``; ``row`` counts from 1 there."""

    symbols: tuple[str, ...]
    files: tuple[str, ...]
    code: IntArray
    ts: IntArray  # ns UTC
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    file: IntArray
    row: IntArray

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, at: IntArray) -> Rows:
        """The rows at positions ``at``, in that order."""
        arrays = {f.name: getattr(self, f.name)[at] for f in fields(self) if f.name not in ("symbols", "files")}
        return replace(self, **arrays)

    def only(self, symbols: Sequence[str]) -> Rows:
        """The rows of ``symbols`` alone; order and codes follow the input."""
        kept = [i for i, s in enumerate(self.symbols) if s in set(symbols)]
        recode = np.full(len(self.symbols), -1, np.int64)
        recode[kept] = np.arange(len(kept))
        rows = self.take(np.flatnonzero(recode[self.code] >= 0))
        return replace(rows, symbols=tuple(self.symbols[i] for i in kept), code=recode[rows.code])

    def in_order(self) -> Rows:
        """Sorted by symbol then time; rows of equal time keep their order."""
        return self.take(np.lexsort((self.ts, self.code)))

    def place(self, at: int) -> tuple[str, str, str]:
        """File, symbol and time of one row, for messages."""
        return self.files[self.file[at]], self.symbols[self.code[at]], iso(int(self.ts[at]))


@dataclass(frozen=True, slots=True)
class Disorder:
    """Positions of rows that break the order within a symbol: input order, each row under one heading."""

    duplicates: IntArray  # repeat (symbol, ts) of an earlier row of the same file
    unsorted: IntArray  # earlier than the row before it
    overlaps: IntArray  # first row of a file's series that starts before another file's series of it has ended


def gather(frames: Sequence[pl.DataFrame], files: Sequence[str], names: Mapping[str, str]) -> Rows:
    """One set of arrays from typed frames; ``names`` gives the symbol to use, in order of first appearance."""
    whole = pl.concat(frames)
    codes = whole["symbol"].cast(pl.Enum(list(names))).to_physical().cast(pl.Int64).to_numpy()
    heights = [f.height for f in frames]
    numbers = {c: whole[c].to_numpy() for c in ("ts", "open", "high", "low", "close", "volume")}
    return Rows(
        symbols=tuple(names.values()), files=tuple(files), code=codes, **numbers,
        file=np.repeat(np.arange(len(frames)), heights),
        row=np.concatenate([np.arange(1, h + 1) for h in heights]),
    )


def disorder(rows: Stamped) -> Disorder:
    """Find what breaks the order. Files may follow each other in any order as long as they do not overlap."""
    at = np.arange(len(rows)) if bool((np.diff(rows.code) >= 0).all()) else np.argsort(rows.code, kind="stable")
    code, file, ts = rows.code[at], rows.file[at], rows.ts[at]
    together = (np.diff(code) == 0) & (np.diff(file) == 0)
    backwards = at[1:][together & (np.diff(ts) <= 0)]
    duplicates = _repeats(rows) if backwards.size else backwards
    unsorted = np.setdiff1d(backwards, duplicates)
    starts = np.flatnonzero(np.concatenate([[True], ~together]))
    return Disorder(duplicates, unsorted, _overlaps(rows, at, starts))


def refuse_disorder(rows: Stamped, found: Disorder, noun: str = "bar") -> None:
    """Refuse the first row that is out of order; ``noun`` is what a row holds."""
    for positions, what, remedy in (
        (found.duplicates, f"{{1}} has a second {noun} at {{2}}", f"keep one {noun} per symbol and time"),
        (found.unsorted, "{1} goes back in time to {2}", "sort each symbol by ts"),
        (found.overlaps, "{1} at {2} overlaps another input of the same symbol", f"give each {noun} once"),
    ):
        if positions.size:
            refuse_row(rows, int(positions[0]), what, remedy)


def same_symbol(rows: Stamped) -> BoolArray:
    """For sorted rows, True where a row and the next belong to one symbol; shape (n_rows - 1,)."""
    return np.equal(rows.code[1:], rows.code[:-1])


def refuse_row(rows: Stamped, at: int, what: str, remedy: str, *, column: str = "ts") -> NoReturn:
    """Refuse the row at ``at``; ``what`` has places for its file, symbol and time."""
    place = rows.place(at)
    refuse(what.format(*place), file=place[0], row=int(rows.row[at]), column=column, remedy=remedy)


def _repeats(rows: Stamped) -> IntArray:
    """Rows whose (symbol, time) an earlier row of the same file has."""
    at = np.lexsort((rows.ts, rows.code, rows.file))
    same = (np.diff(rows.file[at]) == 0) & (np.diff(rows.code[at]) == 0) & (np.diff(rows.ts[at]) == 0)
    return np.sort(at[1:][same])


def _overlaps(rows: Stamped, at: IntArray, starts: IntArray) -> IntArray:
    """First rows of series (``starts`` into ``at``) that begin before an earlier-beginning one of their symbol ends."""
    ts = rows.ts[at]
    first, last = np.minimum.reduceat(ts, starts), np.maximum.reduceat(ts, starts)
    code = rows.code[at][starts]
    order = np.lexsort((first, code))
    latest = np.full(len(rows.symbols), np.iinfo(np.int64).min)
    found = []
    for i in order:
        if first[i] <= latest[code[i]]:
            found.append(at[starts[i]])
        latest[code[i]] = max(latest[code[i]], last[i])
    return np.sort(np.array(found, dtype=np.int64))
