"""One file, read once and whole: its bytes are hashed, its kind is told by its first bytes, its columns come as text
(CSV) or typed (Parquet). Nothing is interpreted here; see :mod:`leverline.market.columns`.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from leverline.ground.errors import refuse

MAX_BYTES = 2 << 30
"""Largest file, and largest member of an archive, that is read."""
MAX_ROWS = 50_000_000
"""Most rows of one input: forty years of minutes for two markets, or 1,000 markets hourly for five years."""
MAX_FIELD = 4_096
"""Longest cell of a CSV, in characters."""

_BLOCK = 1 << 24
"""Bytes of a CSV that are looked at together."""
_REMEDY_CSV = "save it as UTF-8 CSV separated by commas, or as Parquet"


@dataclass(frozen=True, slots=True)
class Layout:
    """What columns a kind of input may have; ``schema`` says it in errors. Other columns are ignored."""

    known: tuple[str, ...]
    schema: str


BARS = Layout(("symbol", "ts", "open", "high", "low", "close", "volume"),
              "columns are symbol,ts,close[,open,high,low,volume]")


@runtime_checkable
class ArrowStream(Protocol):
    """Anything that exports an Arrow stream: a table of polars, pyarrow, pandas, DuckDB."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A PyCapsule, as the Arrow PyCapsule interface defines it."""


@dataclass(frozen=True, slots=True)
class SourceTable:
    """Columns of one input as they were written, known names only; ``columns_seen`` has all names."""

    file: str
    sha256: str | None
    frame: pl.DataFrame
    columns_seen: tuple[str, ...]


def read_bytes(path: Path) -> bytes:
    """The file's content; refuses what is missing, unreadable, empty or absurdly large."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            refuse(f"has {size} bytes, more than {MAX_BYTES}", file=path.name, remedy="split the file")
        content = path.read_bytes()
    except OSError as error:
        refuse(f"cannot be read: {error.strerror}", file=path.name or str(path))
    if not content:
        refuse("is empty", file=path.name)
    return content


def table_of_bytes(content: bytes, file: str, layout: Layout = BARS) -> SourceTable:
    """A CSV or Parquet file from its bytes; ``file`` is its name in errors and provenance."""
    is_parquet = content[:4] == b"PAR1"
    if file.lower().endswith((".parquet", ".pq")) and not is_parquet:
        refuse("is not Parquet: it does not begin with PAR1", file=file)
    if is_parquet:
        frame, seen = _parquet(content, file, layout)
    else:
        frame = csv_frame(content, file, layout=layout)
        seen = tuple(frame.columns)
    known = frame.select([c for c in layout.known if c in seen])
    return SourceTable(file, hashlib.sha256(content).hexdigest(), known, seen)


def table_of_arrow(source: ArrowStream, file: str = "arrow", layout: Layout = BARS) -> SourceTable:
    """An Arrow object; it has no file, so no hash."""
    try:
        frame = pl.DataFrame(source)
    except (PolarsError, TypeError, ValueError) as error:
        refuse(f"the Arrow stream cannot be read: {error}", file=file)
    if frame.height > MAX_ROWS:
        refuse(f"has {frame.height} rows, more than {MAX_ROWS}", file=file)
    if not frame.height:
        refuse("has no rows", file=file)
    return SourceTable(file, None, frame.select([c for c in layout.known if c in frame.columns]), tuple(frame.columns))


def require_columns(table: SourceTable, needed: Sequence[str] = ("symbol", "ts", "close"),
                    layout: Layout = BARS) -> None:
    """Refuse a table without the columns ``needed``, naming those it has."""
    for name in needed:
        if name not in table.columns_seen:
            seen = ", ".join(table.columns_seen[:20])
            hint = "separate by commas; " if any(s in seen for s in (";", "\t", "|")) else ""
            refuse(f"column {name!r} is missing", file=table.file, column=name,
                   remedy=f"{hint}{layout.schema}; this file has {seen}")


def _parquet(content: bytes, file: str, layout: Layout) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The known columns, and the names of all."""
    try:
        rows = pl.scan_parquet(io.BytesIO(content)).select(pl.len()).collect().item()
        if rows > MAX_ROWS:
            refuse(f"has {rows} rows, more than {MAX_ROWS}", file=file, remedy="split the file")
        if not rows:
            refuse("has no rows", file=file)
        names = tuple(pl.read_parquet_schema(io.BytesIO(content)))
        return pl.read_parquet(io.BytesIO(content), columns=[n for n in names if n in layout.known]), names
    except (PolarsError, OSError, ValueError, pl.exceptions.PanicException) as error:
        refuse(f"is not readable Parquet: {_first_line(error)}", file=file)


def csv_frame(
    content: bytes, file: str, *, names: Sequence[str] | None = None, layout: Layout = BARS
) -> pl.DataFrame:
    """All cells of a CSV as text, empty cells null; ``names`` stand in for a header row that is not there."""
    _require_text(content, file)
    content = content.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
    header = list(names) if names else _header(content, file, layout.schema)
    if names is None and b"\n" not in content:
        refuse("has a header but no rows", file=file)
    if content.count(b"\n") > MAX_ROWS:
        refuse(f"has more than {MAX_ROWS} rows", file=file, remedy="split the file")
    try:
        frame = pl.read_csv(io.BytesIO(content), infer_schema=False, has_header=names is None, new_columns=names)
    except PolarsError as error:
        _row_by_row(content, file, len(header), has_header=names is None)
        quote = content.find(b'"')
        row = content.count(b"\n", 0, quote) + (0 if names is None else 1) if quote >= 0 else None
        refuse(f"is not readable CSV: {_first_line(error)}", file=file, row=row or None,
               remedy=_REMEDY_CSV if quote < 0 else "a quotation mark inside a cell is doubled, and the cell quoted")
    if frame.columns != header:
        refuse("the header cannot be read", file=file, remedy="look for a stray quotation mark")
    # A row with too few cells reads as nulls at its end, and a stray quotation mark swallows line ends; only where one
    # of these may be are rows looked at one by one.
    lines = content.count(b"\n") + (0 if names is None else 1)
    if frame.height != lines or (frame.to_series(frame.width - 1).null_count() and not _is_even(content, len(header))):
        rows = _row_by_row(content, file, len(header), has_header=names is None)
        if rows != frame.height:
            refuse(f"reads as {frame.height} or {rows} rows", file=file, remedy="look for a stray quotation mark")
    return frame


def _require_text(content: bytes, file: str) -> None:
    if content[:2] == b"\x1f\x8b":
        refuse("is gzip, not CSV or Parquet", file=file, remedy="unpack it first")
    if b"\0" in content:
        refuse("is not CSV: it holds NUL bytes", file=file, remedy=_REMEDY_CSV)
    if content.isascii():  # much cheaper than decoding, and nearly always true
        return
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start)
        refuse(f"is not UTF-8: byte 0x{content[error.start]:02x}", file=file, row=row or None, remedy=_REMEDY_CSV)


def _header(content: bytes, file: str, schema: str) -> list[str]:
    end = content.find(b"\n")
    line = content[: end if end >= 0 else len(content)].decode("utf-8").rstrip("\r")
    try:
        header = next(csv.reader([line]), [])
    except csv.Error as error:
        refuse(f"the header cannot be read: {error}", file=file, remedy=_REMEDY_CSV)
    if any(_is_number(name) for name in header):
        refuse("the first row holds numbers, not column names", file=file,
               remedy=f"{schema}; klines without a header are named like BTCUSDT-1h-2023-01.csv")
    for name in header:
        if header.count(name) > 1:
            refuse(f"the header names {name!r} twice", file=file, column=name, remedy=schema)
    if not any(header):
        refuse("the header is empty", file=file, remedy=schema)
    return header


def _is_number(cell: str) -> bool:
    return cell.replace(".", "", 1).isdecimal()


def _is_even(content: bytes, width: int) -> bool:
    """Whether every line surely has ``width`` cells, none of them too long: told from commas, block by block.

    False where a quotation mark, a single column or a long line leaves it open. Columns that are empty in most rows are
    common where rows are of two kinds, and millions of rows are slow to look at one by one.
    """
    if width == 1 or b'"' in content:
        return False
    start = 0
    while start < len(content):
        end = content.find(b"\n", start + _BLOCK) + 1 or len(content)
        block = np.frombuffer(content, np.uint8, end - start, start)
        ends = np.flatnonzero(block == ord("\n"))
        ends = ends if ends.size and ends[-1] == block.size - 1 else np.append(ends, block.size - 1)
        starts = np.concatenate(([0], ends[:-1] + 1))
        cells = np.add.reduceat(block == ord(","), starts, dtype=np.int64) + 1
        if not bool((cells == width).all()) or int((ends - starts).max()) > MAX_FIELD:
            return False
        start = end
    return True


def _row_by_row(content: bytes, file: str, width: int, *, has_header: bool) -> int:
    """Refuse the first row that has not ``width`` cells or is torn; where there is none, the number of rows."""
    reader = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
    first = 0 if has_header else 1
    row = first - 1
    try:
        for row, cells in enumerate(reader, start=first):
            if len(cells) != width:
                refuse(f"the row has {len(cells)} cells, the header {width}", file=file, row=row)
            if any(len(cell) > MAX_FIELD for cell in cells):
                refuse(f"a cell is longer than {MAX_FIELD} characters", file=file, row=row,
                       remedy="look for an unclosed quotation mark")
    except csv.Error as error:
        refuse(f"is not readable CSV: {error}", file=file, row=row + 1, remedy="look for an unclosed quotation mark")
    return row


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
