"""Trades from files: our own layout, Bitstamp's, and Binance's public trades and aggTrades (CSV, zip, Parquet).

Source of Binance's columns: github.com/binance/binance-public-data, README (2025). Its older files have no header and
say by their name what they are: ``BTCUSDT-aggTrades-2024-01-01.csv``, ``BTCUSDT-trades-2024-01.zip``. Coin-margined
markets count ``qty`` in contracts, so their base size is ``base_qty``, which aggTrades lack: those are refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from leverline.ground.errors import refuse, require
from leverline.market.columns import number_column, refuse_first, symbol_text
from leverline.market.format_report import FormatReport
from leverline.market.observations import TypedTable, readable
from leverline.market.sources.files import (
    ArrowStream,
    Layout,
    SourceTable,
    csv_frame,
    read_bytes,
    table_of_arrow,
    table_of_bytes,
)
from leverline.market.sources.klines import one_csv
from leverline.market.symbols import SymbolNaming
from leverline.market.times import TimeColumn, epoch_ns
from leverline.market.trade_rules import describe_tables, trades_of_tables
from leverline.market.trades import Trades
from leverline.model.provenance import DataFile

MAX_FILES = 10_000

TIMES = ("ts", "exchange_timestamp", "transact_time", "time", "timestamp")
"""Time of the match; an exchange's own stamp goes before the recorder's."""
SIZES = ("size", "base_qty", "amount", "quantity", "qty")
SIDES = ("side", "buyer_is_maker", "is_buyer_maker")
IDS = ("trade_id", "agg_trade_id", "id")
LAYOUT = Layout(
    ("symbol", "market", "price", *TIMES, *SIZES, *SIDES, *IDS),
    "trades have the columns ts, price, size and side (buy, sell) or buyer_is_maker (true, false)[, symbol, market, "
    "trade_id]; Binance's and Bitstamp's names are known",
)
_NAME = re.compile(r"(?P<symbol>[A-Z0-9]+(?:_(?:PERP|\d{6}))?)-(?P<form>aggTrades|trades)-\d{4}-\d{2}(?:-\d{2})?"
                   r"\.(?:csv|zip)")
_HEADERLESS = {
    "aggTrades": ("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time",
                  "is_buyer_maker", "is_best_match"),
    "trades": ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker", "is_best_match"),
}
_COIN_MARGINED = re.compile(r"USD_(?:PERP|\d{6})")
_AGGRESSOR = {"buy": 1, "sell": -1}
_MAKER = {"true": -1, "false": 1}  # where the buyer is the maker, the seller took
_ID_LIMIT = 2**62


def read_trades(
    source: Sequence[Path] | Path | ArrowStream,
    *,
    strict: bool = False,
    naming: SymbolNaming | None = None,
    symbol: str | None = None,
) -> tuple[Trades, ...]:
    """Trades of files or of an Arrow object, one :class:`Trades` a market.

    Several files may continue each other, in any order, but not overlap.

    Parameters
    ----------
    source : paths, or an Arrow object
        A column ``market`` beside ``symbol`` keeps markets of one symbol apart: they become ``MARKET:SYMBOL``.
    strict : bool
        Refuse times without a zone instead of taking them as UTC with a warning.
    naming : SymbolNaming, optional
        How symbols become unified ones; without it they come out as they came in.
    symbol : str, optional
        The market of inputs that name none.

    Raises
    ------
    MalformedInputError
        With file, row, column and remedy: also where time falls, or a trade's id comes twice.
    """
    return trades_of_tables([_typed(table, strict, symbol) for table in _tables(source)], naming)


def describe_trades(
    paths: Sequence[Path], strict: bool = False, naming: SymbolNaming | None = None, symbol: str | None = None
) -> FormatReport:
    """Describe files of trades; one that names no market is described under its own name, with a warning."""
    tables, errors = readable(paths, lambda path: _described(_table(Path(path)), strict, symbol), strict=strict)
    return describe_tables(tables, naming, errors, strict=strict)


def is_binance_trades(file: str) -> bool:
    """True where a file is named as Binance names trades or aggTrades."""
    return _NAME.fullmatch(file) is not None


def _tables(source: Sequence[Path] | Path | ArrowStream) -> list[SourceTable]:
    if isinstance(source, ArrowStream):
        return [table_of_arrow(source, layout=LAYOUT)]
    paths = [Path(source)] if isinstance(source, str | Path) else list(source)
    require(0 < len(paths) <= MAX_FILES, f"1 to {MAX_FILES} files are read at once", got=len(paths))
    return [_table(Path(path)) for path in paths]


def _table(path: Path) -> SourceTable:
    content, file = read_bytes(path), path.name
    named = _NAME.fullmatch(file)
    if content[:4] == b"PK\x03\x04" and named is None:
        refuse("an archive is read only as Binance trades, and its name is not theirs", file=file,
               remedy="name it like BTCUSDT-aggTrades-2024-01-01.zip, or unpack it")
    if named is None:
        return table_of_bytes(content, file, LAYOUT)
    text = one_csv(content, file) if content[:2] == b"PK" else content
    if not text:
        refuse("is empty", file=file)
    names = _HEADERLESS[named["form"]]
    width = text.split(b"\n", 1)[0].count(b",") + 1
    bare = text[:1].isdigit()
    if bare and width not in (len(names) - 1, len(names)):
        refuse(f"{named['form']} have {len(names) - 1} or {len(names)} columns, not {width}", file=file, row=1)
    frame = csv_frame(text, file, names=names[:width] if bare else None, layout=LAYOUT)
    if _COIN_MARGINED.search(named["symbol"]):
        frame = _in_base_units(frame, named["form"], file)
    if "symbol" not in frame.columns:
        frame = frame.with_columns(symbol=pl.lit(named["symbol"]))
    known = frame.select([name for name in LAYOUT.known if name in frame.columns])
    return SourceTable(file, hashlib.sha256(content).hexdigest(), known, tuple(frame.columns))


def _in_base_units(frame: pl.DataFrame, form: str, file: str) -> pl.DataFrame:
    if form == "aggTrades":
        refuse("coin-margined aggTrades count contracts and carry no base size", file=file, column="quantity",
               remedy="use the trades files of the market, which have base_qty")
    return frame.rename({"quote_qty": "base_qty"}) if "quote_qty" in frame.columns else frame  # headerless: same place


def _described(table: SourceTable, strict: bool, symbol: str | None) -> TypedTable:
    if symbol is not None or "symbol" in table.columns_seen:
        return _typed(table, strict, symbol)
    stem = Path(table.file).stem
    typed = _typed(table, strict, stem)
    said = f"{table.file}: the file names no market and is described as {stem}"
    return TypedTable(typed.file, typed.frame, (*typed.warnings, said))


def _typed(table: SourceTable, strict: bool, symbol: str | None) -> TypedTable:
    """``symbol, ts, price, size, aggressor`` (+1, -1) and ``id`` (-1 where there is none)."""
    frame, file = table.frame, table.file
    time, price, size, side = (_chosen(table, names, what) for names, what in (
        (TIMES, "ts"), (("price",), "price"), (SIZES, "size"), (SIDES, "side")))
    if "symbol" in frame.columns:
        symbols = symbol_text(frame["symbol"], file)
        if "market" in frame.columns:
            symbols = symbol_text(frame["market"], file) + ":" + symbols
    elif symbol is not None:
        symbols = pl.repeat(symbol, frame.height, dtype=pl.String, eager=True)
    else:
        refuse("column 'symbol' is missing", file=file, column="symbol",
               remedy="name the market of the file with --symbol, or add the column")
    ts, warning = epoch_ns(frame[time], TimeColumn(file, time, strict))
    number = next((name for name in IDS if name in frame.columns), None)
    columns = [
        symbols.rename("symbol"), ts.rename("ts"), number_column(frame[price], file).rename("price"),
        number_column(frame[size], file, noun="size").rename("size"), _aggressors(frame[side], file),
        _ids(frame[number], file) if number else pl.repeat(-1, frame.height, dtype=pl.Int64, eager=True).rename("id"),
    ]
    source = DataFile(name=file, sha256=table.sha256, rows=frame.height)
    return TypedTable(source, pl.DataFrame(columns), (warning,) if warning else ())


def _chosen(table: SourceTable, names: Sequence[str], what: str) -> str:
    found = next((name for name in names if name in table.columns_seen), None)
    if found is None:
        refuse(f"column {what!r} is missing", file=table.file, column=what,
               remedy=f"{LAYOUT.schema}; this file has {', '.join(table.columns_seen[:20])}")
    return found


def _aggressors(cells: pl.Series, file: str) -> pl.Series:
    """Int64, +1 where a buyer took and -1 where a seller did; Binance says instead whether the buyer was the maker."""
    named = cells.name == "side"
    if cells.dtype == pl.Boolean:
        words = cells.cast(pl.Int8).replace_strict({1: "true", 0: "false"}, return_dtype=pl.String)
    elif isinstance(cells.dtype, pl.String | pl.Categorical | pl.Enum):
        words = cells.cast(pl.String).str.to_lowercase()
    else:
        refuse(f"{'buy or sell' if named else 'true or false'} is wanted, not {cells.dtype}", file=file,
               column=cells.name)
    known = _AGGRESSOR if named else _MAKER
    signs = words.replace_strict(known, default=None, return_dtype=pl.Int64)
    refuse_first(words.is_null(), cells, f"the {cells.name} is missing", file, cells.name)
    refuse_first(signs.is_null(), cells, f"{{!r}} is none of {', '.join(known)}", file, cells.name)
    return signs.rename("aggressor")


def _ids(cells: pl.Series, file: str) -> pl.Series:
    """Int64 trade numbers from 0."""
    if not (cells.dtype.is_integer() or cells.dtype == pl.String):
        refuse(f"trade numbers are whole, not {cells.dtype}", file=file, column=cells.name)
    numbers = cells.cast(pl.Int64, strict=False)
    refuse_first(numbers.is_null() | (numbers < 0) | (numbers >= _ID_LIMIT), cells, "{!r} is no trade number", file,
                 cells.name)
    return numbers.rename("id")
