"""From cells as written to columns with one meaning: text symbols, int64 ns, finite positive prices.

Every refusal names file, row and column. An empty cell in ``open``, ``high``, ``low`` or ``volume`` means that the
source has no value there and becomes NaN; a NaN or an infinity that is *written* is refused.
"""

from __future__ import annotations

import polars as pl

from leverline.ground.errors import refuse
from leverline.market.sources.files import SourceTable, require_columns
from leverline.market.times import TimeColumn, epoch_ns, first_true

PRICES = ("open", "high", "low", "close")
MAX_SYMBOL = 128
"""Longest symbol, in characters."""
MAX_PRICE = 1e18
"""Prices and volumes beyond this are units mistaken for another."""
_BLANK_EDGE_OR_CONTROL = r"^\s|\s$|[\x00-\x1f\x7f]"


def typed_columns(table: SourceTable, *, strict: bool) -> tuple[pl.DataFrame, list[str]]:
    """``symbol`` (text), ``ts`` (int64 ns UTC) and five float64 columns in the order of the rows, and warnings."""
    require_columns(table)
    frame = table.frame
    symbols = symbol_text(frame["symbol"], table.file)
    ts, warning = epoch_ns(frame["ts"], TimeColumn(table.file, "ts", strict))
    columns = [symbols, ts.rename("ts")]
    for name in (*PRICES, "volume"):
        if name in frame.columns:
            columns.append(number_column(frame[name], table.file, required=name == "close", zero=name == "volume",
                                         noun="volume" if name == "volume" else "price"))
        else:
            columns.append(pl.repeat(float("nan"), frame.height, dtype=pl.Float64, eager=True).rename(name))
    return pl.DataFrame(columns), [warning] if warning else []


def symbol_text(symbols: pl.Series, file: str, *, noun: str = "symbol", required: bool = True) -> pl.Series:
    """Symbols as text; refuses the first that is missing, endless or holds control characters or blank edges.

    Where they are not ``required`` a missing one is null. ``noun`` is what a refusal calls one.
    """
    if not isinstance(symbols.dtype, pl.String | pl.Categorical | pl.Enum | pl.Null):
        refuse(f"a {noun} is text, not {symbols.dtype}", file=file, column=symbols.name)
    text = symbols.cast(pl.String)
    distinct = text.unique(maintain_order=True)
    missing = distinct.is_null() | (distinct == "")
    odd = distinct.str.contains(_BLANK_EDGE_OR_CONTROL) | (distinct.str.len_chars() > MAX_SYMBOL)
    bad = (missing | odd).fill_null(value=True) if required else odd.fill_null(value=False)
    if bad.any():
        row = first_true(text.is_in(distinct.filter(bad).to_list(), nulls_equal=True)) or 0
        what = f"the {noun} is missing" if not text[row] else f"{text[row][:MAX_SYMBOL]!r} is not a {noun}"
        refuse(what, file=file, row=row + 1, column=symbols.name,
               remedy=f"it has 1 to {MAX_SYMBOL} characters, no control characters, no blank at its ends")
    if not required and bool((distinct == "").any()):
        return pl.select(pl.when(text != "").then(text)).to_series().rename(symbols.name)
    return text


def number_column(
    cells: pl.Series, file: str, *, required: bool = True, zero: bool = False, negative: bool = False,
    noun: str = "price",
) -> pl.Series:
    """Float64, finite and not absurdly large; positive unless ``zero`` or ``negative`` numbers have a meaning.

    An empty cell is refused where ``required`` and becomes NaN elsewhere. ``noun`` is what a refusal calls a number.
    """
    name = cells.name
    if cells.dtype == pl.Null:
        numbers = cells.cast(pl.Float64)
    elif cells.dtype == pl.String:
        cells = pl.select(pl.when(cells != "").then(cells)).to_series().rename(name)  # a quoted empty cell is empty
        numbers = cells.cast(pl.Float64, strict=False)
        refuse_first(numbers.is_null() & cells.is_not_null(), cells, "{!r} is not a number", file, name)
    elif cells.dtype.is_numeric():
        numbers = cells.cast(pl.Float64)
    else:
        refuse(f"numbers are wanted, not {cells.dtype}", file=file, column=name)
    if required:
        refuse_first(numbers.is_null(), cells, f"the {name} is missing", file, name)
    refuse_first(~numbers.is_finite(), cells, "{} is not finite", file, name)
    if not negative:
        wrong, is_ = (numbers < 0, "negative") if zero else (numbers <= 0, "not positive")
        refuse_first(wrong, cells, f"{noun} {{}} is {is_}", file, name)
    refuse_first(numbers.abs() > MAX_PRICE, cells, "{} is absurdly large", file, name)
    return numbers.fill_null(float("nan"))


def refuse_first(flags: pl.Series, cells: pl.Series, what: str, file: str, column: str) -> None:
    """Refuse the first flagged row; ``what`` is formatted with its cell."""
    row = first_true(flags)
    if row is not None:
        refuse(what.format(cells[row]), file=file, row=row + 1, column=column)
