"""Trades as ccxt's ``fetchTrades`` returns them: ``{"symbol", "timestamp", "price", "amount", "side"[, "id"]}``.

``side`` is the taker's. Nothing here imports ccxt. Where an exchange counts amounts in contracts ccxt passes that on,
so multiply by the contract size first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from leverline.ground.errors import refuse
from leverline.market.columns import number_column, symbol_text
from leverline.market.observations import TypedTable
from leverline.market.sources.files import MAX_ROWS
from leverline.market.symbols import SymbolNaming
from leverline.market.times import TimeColumn, epoch_ns
from leverline.market.trade_rules import trades_of_tables
from leverline.market.trades import Trades
from leverline.model.provenance import DataFile

_FILE = "ccxt"
_SIGNS = {"buy": 1, "sell": -1}


def trades_from_ccxt(
    trades: Sequence[Mapping[str, Any]], *, naming: SymbolNaming | None = None
) -> tuple[Trades, ...]:
    """One :class:`Trades` a symbol; refused as files are, under the name ``ccxt``, rows counted from 1.

    Numbers may be numbers or text, as exchanges send them. Numbers of trades that are not whole are not used.
    """
    if not 0 < len(trades) <= MAX_ROWS:
        refuse(f"1 to {MAX_ROWS} trades are read at once", file=_FILE)
    columns = {name: [_field(trade, name, row) for row, trade in enumerate(trades, 1)]
               for name in ("symbol", "timestamp", "price", "amount", "side")}
    for row, (stamp, side) in enumerate(zip(columns["timestamp"], columns["side"], strict=True), 1):
        if type(stamp) is not int or not abs(stamp) < 2**63:
            refuse(f"{stamp!r} is no time in whole milliseconds", file=_FILE, row=row, column="timestamp")
        if side not in _SIGNS:
            refuse(f"{side!r} is none of {', '.join(_SIGNS)}", file=_FILE, row=row, column="side")
    frame = pl.DataFrame([
        symbol_text(_column("symbol", columns["symbol"], str), _FILE),
        epoch_ns(pl.Series("timestamp", columns["timestamp"], dtype=pl.Int64), TimeColumn(_FILE, "timestamp"))[0]
        .rename("ts"),
        number_column(_column("price", columns["price"], (int, float, str)), _FILE),
        number_column(_column("amount", columns["amount"], (int, float, str)), _FILE, noun="size").rename("size"),
        pl.Series("aggressor", [_SIGNS[side] for side in columns["side"]], dtype=pl.Int64),
        pl.Series("id", [_whole(trade.get("id")) for trade in trades], dtype=pl.Int64),
    ])
    return trades_of_tables([TypedTable(DataFile(name=_FILE, sha256=None, rows=len(trades)), frame)], naming)


def _field(trade: Mapping[str, Any], name: str, row: int) -> Any:
    value = trade.get(name)
    if value is None:
        refuse(f"the {name} is missing", file=_FILE, row=row, column=name)
    return value


def _column(name: str, values: Sequence[Any], kinds: type | tuple[type, ...]) -> pl.Series:
    """As text, so that the same rules read it as read a CSV."""
    for row, value in enumerate(values, 1):
        if isinstance(value, bool) or not isinstance(value, kinds):
            refuse(f"{value!r} cannot be read", file=_FILE, row=row, column=name)
    return pl.Series(name, [value if isinstance(value, str) else repr(value) for value in values], dtype=pl.String)


def _whole(number: Any) -> int:
    """The trade's number; -1 where it has none that is whole."""
    text = str(number)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else -1
