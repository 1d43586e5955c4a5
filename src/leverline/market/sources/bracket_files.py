"""Exchange brackets from files: ccxt's ``fetchLeverageTiers`` and Binance's ``leverageBracket`` as JSON, or a table.

A place in JSON is named as in a table: the row is the bracket's number over the whole file, from 1, and the column the
field's own name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import polars as pl

from leverline.ground.errors import MalformedInputError, refuse
from leverline.market.bars import Finding
from leverline.market.bracket_rules import RULES, checked_brackets, examined
from leverline.market.brackets import ExchangeBrackets
from leverline.market.columns import number_column, symbol_text
from leverline.market.format_report import FormatReport, SymbolLine
from leverline.market.sources.files import MAX_ROWS, Layout, SourceTable, read_bytes, table_of_bytes
from leverline.model.provenance import DataFile

OPEN_CAP = 2**63 - 1
"""What Binance prints as the cap of a last bracket that has none."""
NAMES: Mapping[str, tuple[str, ...]] = {
    "symbol": ("symbol", "market"),
    "tier": ("tier", "bracket"),
    "currency": ("currency",),
    "notional_floor": ("notional_floor", "min_notional", "minNotional", "notionalFloor"),
    "notional_cap": ("notional_cap", "max_notional", "maxNotional", "notionalCap"),
    "maintenance_margin_rate": ("maintenance_margin_rate", "maintenanceMarginRate", "maintMarginRatio"),
    "max_leverage": ("max_leverage", "maxLeverage", "initialLeverage"),
    "maintenance_deduction": ("maintenance_deduction", "maint_amount", "cum"),
}
"""Our name of each field and what files call it."""
OPTIONAL = ("currency", "maintenance_deduction")
_MAY_BE_ZERO = ("notional_floor", "maintenance_deduction")
LAYOUT = Layout(
    tuple(dict.fromkeys(("market", *(name for names in NAMES.values() for name in names)))),
    "brackets have the columns symbol, tier, notional_floor, notional_cap, maintenance_margin_rate, max_leverage"
    "[, currency, maintenance_deduction], or ccxt's or Binance's JSON")
MAX_JSON_BYTES = 64 << 20


def read_brackets(source: Path | SourceTable) -> ExchangeBrackets:
    """Brackets of one file, all markets; what is odd is in ``findings``.

    Raises
    ------
    MalformedInputError
        With file, row and column, where a field is missing or no number in range, a market's tiers do not count from 1,
        or its notionals do not join from 0 on.
    """
    table = _table(source) if isinstance(source, Path) else source
    return checked_brackets(*_typed(table))


def describe_brackets(paths: Sequence[Path], strict: bool = False) -> FormatReport:
    """Describe files of brackets, one line a market; a file that would be refused is named and left out."""
    read: list[ExchangeBrackets] = []
    refused: list[str] = []
    for path in paths:
        try:
            read.append(read_brackets(Path(path)))
        except MalformedInputError as error:
            if strict or (len(refused) == len(paths) - 1):
                raise
            refused.append(str(error))
    lines: list[SymbolLine] = []
    findings: list[Finding] = []
    for brackets in read:
        struck, counts = examined(brackets)
        findings += struck
        for symbol, rows in brackets.by_symbol().items():
            lines.append(SymbolLine(symbol, len(rows), {
                "currency": rows[0].currency, "max_leverage": rows[0].max_leverage,
                "lowest_maintenance_rate": rows[0].maintenance_margin_rate, "largest_cap": rows[-1].notional_cap,
            }, counts[symbol]))
    return FormatReport(
        "brackets", tuple(file for brackets in read for file in brackets.files), tuple(lines), RULES, tuple(findings),
        tuple(said for brackets in read for said in brackets.warnings), tuple(refused), timed=False)


def table_of_json(content: bytes, file: str) -> SourceTable:
    """JSON of ccxt (symbol -> tiers) or Binance (list of ``{"symbol", "brackets"}``) as a table of cells as written."""
    if len(content) > MAX_JSON_BYTES:
        refuse(f"has {len(content)} bytes, more than {MAX_JSON_BYTES}", file=file)

    def constant(word: str) -> NoReturn:
        refuse(f"{word} is not a number", file=file, remedy="JSON has no NaN and no infinity")

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
            refuse(f"{twice[:128]!r} is named twice", file=file, column=twice[:128])
        return found

    try:
        document = json.loads(content.decode("utf-8-sig"), parse_constant=constant, object_pairs_hook=members)
    except (ValueError, RecursionError) as error:
        refuse(f"is not readable JSON: {error}", file=file)
    rows = list(_rows(document, file))
    if not rows:
        refuse("has no rows", file=file)
    if len(rows) > MAX_ROWS:
        refuse(f"has more than {MAX_ROWS} rows", file=file)
    seen = tuple(name for name in LAYOUT.known if any(name in row for row in rows))
    frame = pl.DataFrame({name: pl.Series([_cell(row.get(name), name, file, number)
                                           for number, row in enumerate(rows, 1)], dtype=pl.String) for name in seen})
    return SourceTable(file, hashlib.sha256(content).hexdigest(), frame, seen)


def _table(path: Path) -> SourceTable:
    content = read_bytes(path)
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return table_of_json(content, path.name)
    return table_of_bytes(content, path.name, LAYOUT)


def _rows(document: object, file: str) -> Iterator[dict[str, Any]]:
    """One flat mapping a bracket, with the symbol."""
    if isinstance(document, dict):
        markets = list(document.items())
    elif isinstance(document, list) and all(isinstance(entry, dict) for entry in document):
        markets = [(entry.get("symbol"), entry.get("brackets")) for entry in document]
    else:
        refuse("is neither ccxt's nor Binance's form of brackets", file=file, remedy=LAYOUT.schema)
    for symbol, brackets in markets:
        if not isinstance(brackets, list) or not brackets or not all(isinstance(entry, dict) for entry in brackets):
            refuse(f"{str(symbol)[:128]!r} has no list of brackets", file=file, remedy=LAYOUT.schema)
        for entry in brackets:
            info = entry.get("info")
            deduction = {"cum": info["cum"]} if isinstance(info, dict) and "cum" in info else {}
            if entry.get("symbol", symbol) != symbol:
                refuse(f"a bracket of {str(entry['symbol'])[:128]!r} stands under {str(symbol)[:128]!r}", file=file,
                       column="symbol")
            yield {**deduction, **entry, "symbol": symbol}


def _cell(value: object, name: str, file: str, row: int) -> str | None:
    """The cell as a CSV would hold it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(f"{str(value)[:128]} cannot be read", file=file, row=row, column=name)
    return repr(value)


def _typed(table: SourceTable) -> tuple[DataFile, pl.DataFrame, dict[str, str]]:
    """Columns under our names, and how the file spells each; a cap that is open is NaN."""
    frame, file = table.frame, table.file
    spelled = {ours: found for ours, names in NAMES.items()
               if (found := next((name for name in names if name in table.columns_seen), None))}
    for ours, names in NAMES.items():
        if ours not in spelled and ours not in OPTIONAL:
            refuse(f"column {names[0]!r} is missing", file=file, column=names[0],
                   remedy=f"{LAYOUT.schema}; this file has {', '.join(table.columns_seen[:20])}")
    columns = [symbol_text(frame[spelled["symbol"]], file).rename("symbol")]
    if "currency" in spelled:
        columns.append(symbol_text(frame[spelled["currency"]], file).rename("currency"))
    for ours in ("tier", "notional_floor", "notional_cap", "maintenance_margin_rate", "max_leverage",
                 "maintenance_deduction"):
        if ours in spelled:
            cells = frame[spelled[ours]]
            if ours == "notional_cap":
                cells = _without_open_caps(cells)
            columns.append(number_column(cells, file, required=ours != "notional_cap", zero=ours in _MAY_BE_ZERO,
                                         noun=spelled[ours]).rename(ours))
    source = DataFile(name=file, sha256=table.sha256, rows=frame.height)
    return source, pl.DataFrame(columns), spelled


def _without_open_caps(cells: pl.Series) -> pl.Series:
    """Caps of 2^63 - 1 and beyond as empty cells."""
    numbers = cells.cast(pl.Float64, strict=False)
    is_open = (numbers.is_finite() & (numbers >= float(OPEN_CAP))).fill_null(value=False)
    return pl.select(pl.when(~is_open).then(cells)).to_series().rename(cells.name)
