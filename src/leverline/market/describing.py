"""Which format a file has, told by its columns, and a description of files of any format, one report a format."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import polars as pl
from polars.exceptions import PolarsError

from leverline.ground.errors import MalformedInputError, refuse, require
from leverline.market import quality
from leverline.market.format_report import FormatReport, Report
from leverline.market.reading import MAX_FILES
from leverline.market.series_kinds import KINDS
from leverline.market.sources import bracket_files, depth_bands, level2, level3, series_files, trade_files
from leverline.market.sources.klines import COLUMNS as KLINE_COLUMNS
from leverline.market.sources.klines import is_klines
from leverline.market.symbols import SymbolNaming

_PEEK_BYTES = 1 << 16
"""Enough for any header and the first row."""
_BOOK_DEPTH = re.compile(r".*-bookDepth-\d{4}-\d{2}(?:-\d{2})?\.(?:csv|zip)")
_BINANCE_SERIES = MappingProxyType({"fundingRate": "funding", "metrics": "open-interest"})


@dataclass(frozen=True, slots=True)
class Described:
    """The files of one format in the order they were given, and what was seen in them."""

    format: str
    files: tuple[str, ...]
    report: Report


_Describe = Callable[[Sequence[Path], bool, SymbolNaming | None], Report]


def _series(kind: str) -> _Describe:
    return lambda paths, strict, naming: series_files.describe_series(paths, kind, strict, naming)


FORMATS: Mapping[str, _Describe] = MappingProxyType({
    "bars": quality.describe,
    "level2": level2.describe_level2,
    "level3": level3.describe_level3,
    "bands": depth_bands.describe_bands,
    "trades": trade_files.describe_trades,
    **{kind: _series(kind) for kind in KINDS},
    "brackets": lambda paths, strict, _: bracket_files.describe_brackets(paths, strict),
})
"""Every format and what describes its files."""


def describe_any(
    paths: Sequence[Path], strict: bool = False, naming: SymbolNaming | None = None
) -> tuple[Described, ...]:
    """Describe files of any format, one report a format, in the order in which the formats appear.

    Files that cannot be read are named in the ``refused`` of their report; where no file can, and under ``strict``,
    the first error is raised.
    """
    require(0 < len(paths) <= MAX_FILES, f"1 to {MAX_FILES} files are described at once", got=len(paths))
    groups: dict[str, list[Path]] = {}
    unknown: list[MalformedInputError] = []
    for path in map(Path, paths):
        try:
            groups.setdefault(format_of(path), []).append(path)
        except MalformedInputError as error:
            if strict or len(paths) == 1:
                raise
            unknown.append(error)
    described, errors = [], list(unknown)
    for name, members in groups.items():
        files = tuple(path.name for path in members)
        try:
            described.append(Described(name, files, FORMATS[name](members, strict, naming)))
        except MalformedInputError as error:
            if strict:
                raise
            errors.append(error)
            described.append(Described(name, files, _refused(name, [error])))
    if not any(one.report.rows() for one in described):
        raise errors[0]
    return (*described, *([Described("unknown", (), _refused("unknown", unknown))] if unknown else []))


def format_of(path: Path) -> str:
    """The format of one file, a name of :data:`FORMATS`; refuses a file whose columns belong to none."""
    try:
        with path.open("rb") as stream:
            start = stream.read(_PEEK_BYTES)
    except OSError as error:
        refuse(f"cannot be read: {error.strerror}", file=path.name or str(path))
    by_name = _by_name(path.name)
    if by_name is not None:
        return by_name
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return "brackets"
    if not start or is_klines(start, path.name):
        return "bars"  # whose reader says what is wrong with an empty file or a foreign archive
    columns, side = _head(path, start)
    found = by_columns(columns, side)
    if found is None:
        refuse("no format has these columns", file=path.name, remedy=(
            "bars have symbol,ts,close; trades ts,price,size,side; level 2 ts,side,price,size; level 3 "
            "order_id,action; bands percentage,depth; series funding_rate, oi_close, dvol or market_cap; this file has "
            + ", ".join(columns[:20])))
    return found


def by_columns(columns: Sequence[str], side: str | None) -> str | None:
    """The format with these columns; ``side`` is the first value of that column, which tells quotes from trades."""
    names = frozenset(columns)
    has = names.issuperset
    sized = names.intersection(trade_files.SIZES)
    if has({"order_id", "action"}) or has({"id", "action", "direction"}):
        return "level3"
    if "percentage" in names and names & {"depth", "notional"}:
        return "bands"
    if names.intersection(bracket_files.NAMES["maintenance_margin_rate"]):
        return "brackets"
    if "price" in names and sized and names.intersection(trade_files.SIDES):
        quoted = "level" in names or (side or "").lower() in ("bid", "ask")
        return "level2" if quoted else "trades"
    if has({"close"}) or has(KLINE_COLUMNS):
        return "bars"
    return next((kind for column, kind in series_files.known_columns().items() if column in names), None)


def _by_name(file: str) -> str | None:
    """What Binance's own file names say; its older files have no header."""
    if trade_files.is_binance_trades(file):
        return "trades"
    if _BOOK_DEPTH.fullmatch(file):
        return "bands"
    if series_files.is_binance_series(file):
        return next(kind for word, kind in _BINANCE_SERIES.items() if f"-{word}-" in file)
    return None


def _head(path: Path, start: bytes) -> tuple[tuple[str, ...], str | None]:
    """The columns, and the first value of ``side`` where there is one."""
    try:
        if start[:4] == b"PAR1":
            columns = tuple(pl.read_parquet_schema(path))
            if "side" not in columns:
                return columns, None
            first = pl.scan_parquet(path).select(pl.col("side").cast(pl.String)).head(1).collect()
        else:
            lines = b"\n".join(start.removeprefix(b"\xef\xbb\xbf").split(b"\n")[:2])
            first = pl.read_csv(io.BytesIO(lines), infer_schema=False, truncate_ragged_lines=True)
            columns = tuple(first.columns)
    except (PolarsError, OSError, ValueError, pl.exceptions.PanicException):
        return ("close",), None  # a torn file is read as bars, whose reader says where it is torn
    return columns, first["side"][0] if "side" in first.columns and first.height else None


def _refused(name: str, errors: Sequence[MalformedInputError]) -> FormatReport:
    return FormatReport(name, (), (), (), (), (), tuple(map(str, errors)))
