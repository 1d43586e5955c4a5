"""Rows of accounts from cells as written: each a position or a holding, numbers finite, names sound.

Every refusal names file, row and column. What a row means for its neighbours (pools, duplicates) is not judged here;
see :mod:`leverline.margin.reading_accounts`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from leverline.ground.errors import refuse
from leverline.market.columns import number_column, refuse_first, symbol_text
from leverline.market.sources.files import Layout, SourceTable, require_columns
from leverline.market.times import first_true
from leverline.model.accounts import Mode

ACCOUNTS = Layout(
    ("account", "symbol", "quantity", "entry_price", "asset", "amount", "owner", "venue", "mode", "subaccount",
     "account_class"),
    "accounts have the columns account and symbol, quantity, entry_price or asset, amount or all of them"
    "[, owner, venue, mode, subaccount, account_class]")
SIZE_END = 2**63
"""Quantities and amounts lie below it in magnitude: a ledger of 64-bit integers could not hold more."""
_LARGEST = float(np.nextafter(float(SIZE_END), 0.0))
_OF_POSITIONS, _OF_HOLDINGS = ("quantity", "entry_price"), ("amount",)
_NOUNS = {"account": "name of an account", "symbol": "symbol", "asset": "name of an asset",
          "owner": "name of an owner", "venue": "name of a venue", "mode": "mode",
          "subaccount": "name of a subaccount", "account_class": "class of accounts"}


@dataclass(frozen=True, slots=True)
class AccountRows:
    """Typed columns in the order of the input, all of one length.

    Attributes
    ----------
    table : SourceTable
        Where the rows come from; its frame holds the typed columns that the input has: names as text, ``quantity``,
        ``entry_price`` and ``amount`` as float64. A cell without a value is null (names) or NaN (numbers).
    is_position : bool series
        True where the row is a position, False where it is a holding.
    """

    table: SourceTable
    is_position: pl.Series

    def names(self, column: str) -> pl.Series | None:
        """A column of names; None where the input has none or leaves it empty throughout."""
        frame = self.table.frame
        found = frame[column] if column in frame.columns else None
        return None if found is None or found.null_count() == frame.height else found

    def refuse(self, row: int, what: str, column: str, remedy: str | None = None) -> None:
        """Refuse the 0-based ``row``."""
        refuse(what, file=self.table.file, row=row + 1, column=column, remedy=remedy)

    def refuse_first(self, flags: pl.Series, what: str, column: str, remedy: str | None = None) -> None:
        """Refuse the first flagged row, if any."""
        row = first_true(flags)
        if row is not None:
            self.refuse(row, what, column, remedy)


def typed_rows(table: SourceTable) -> AccountRows:
    """Validate ``table`` cell by cell; refuses rows that are not exactly one of position and holding."""
    _require_known(table)
    frame, file = table.frame, table.file
    columns = [_names(frame[c], file) for c in _NOUNS if c in frame.columns]
    cells = {c.name: c for c in columns}
    is_position = _is_position(cells, frame.height, file)
    for name in (*_OF_POSITIONS, *_OF_HOLDINGS):
        if name in frame.columns:
            wanted = is_position if name in _OF_POSITIONS else ~is_position
            columns.append(_numbers(frame[name], wanted, file))
    typed = SourceTable(file, table.sha256, pl.DataFrame(columns), table.columns_seen)
    rows = AccountRows(typed, is_position)
    mode = rows.names("mode")
    if mode is not None:
        unknown = ~mode.is_in(list(Mode)).fill_null(value=True)
        refuse_first(unknown, mode, f"{{!r}} is not a mode; there are {', '.join(Mode)}", file, "mode")
    return rows


def _require_known(table: SourceTable) -> None:
    require_columns(table, ("account",), ACCOUNTS)
    kinds = [c for c in ("symbol", "asset") if c in table.columns_seen]
    if not kinds:
        require_columns(table, ("symbol",), ACCOUNTS)
    require_columns(table, [c for kind in kinds for c in (_OF_POSITIONS if kind == "symbol" else _OF_HOLDINGS)],
                    ACCOUNTS)


def _names(cells: pl.Series, file: str) -> pl.Series:
    """Names as text; whole numbers, as account numbers are, become text."""
    if cells.dtype.is_integer():
        cells = cells.cast(pl.String)
    return symbol_text(cells, file, noun=_NOUNS[cells.name], required=cells.name == "account")


def _is_position(cells: dict[str, pl.Series], height: int, file: str) -> pl.Series:
    """Whether each row names a symbol; it names an asset otherwise, and never both."""
    nowhere = pl.repeat(value=False, n=height, dtype=pl.Boolean, eager=True)
    has_symbol, has_asset = (cells[c].is_not_null() if c in cells else nowhere for c in ("symbol", "asset"))
    for wrong, what in ((has_symbol & has_asset, "both symbol and asset are given"),
                        (~(has_symbol | has_asset), "neither symbol nor asset is given")):
        row = first_true(wrong)
        if row is not None:
            refuse(what, file=file, row=row + 1, column="symbol",
                   remedy="a row is a position in a symbol or a holding of an asset")
    return has_symbol


def _numbers(cells: pl.Series, wanted: pl.Series, file: str) -> pl.Series:
    """A column of numbers, each given where its kind of row wants it and empty elsewhere."""
    name = cells.name
    given = cells.is_not_null() if cells.dtype != pl.String else (cells.is_not_null() & (cells != ""))
    refuse_first(given & ~wanted, cells, f"a {'holding' if name in _OF_POSITIONS else 'position'} has no {name}",
                 file, name)
    refuse_first(wanted & ~given, cells, f"the {name} is missing", file, name)
    if name == "entry_price":
        return number_column(cells, file, required=False)
    sizes = size_column(cells, file)
    if name == "quantity":
        refuse_first(sizes == 0.0, cells, "a position of quantity {} is none", file, name)
    return sizes


def size_column(cells: pl.Series, file: str) -> pl.Series:
    """Signed sizes as float64, NaN where empty; refuses what is no number, not finite, or 2^63 and more in magnitude.

    Whole numbers up to 2^63 - 1 are told exactly, as the float next to them is 2^63; they become the largest below.
    """
    name = cells.name
    if cells.dtype == pl.String:
        cells = pl.select(pl.when(cells != "").then(cells)).to_series().rename(name)
    elif not (cells.dtype.is_numeric() or cells.dtype == pl.Null):
        refuse(f"numbers are wanted, not {cells.dtype}", file=file, column=name)
    numbers = cells.cast(pl.Float64, strict=False)
    refuse_first(numbers.is_null() & cells.is_not_null(), cells, "{!r} is not a number", file, name)
    refuse_first(~numbers.is_finite(), cells, "{} is not finite", file, name)
    large = numbers.abs() >= float(SIZE_END)
    if not large.any():
        return numbers.fill_null(float("nan"))
    whole = pl.select(pl.when(large).then(cells)).to_series().cast(pl.Int64, strict=False)
    beyond = large & (whole.is_null() | (whole == -SIZE_END)) if not cells.dtype.is_float() else large
    refuse_first(beyond, cells, "{} is 2^63 or more in magnitude", file, name)
    return numbers.clip(-_LARGEST, _LARGEST).fill_null(float("nan"))
