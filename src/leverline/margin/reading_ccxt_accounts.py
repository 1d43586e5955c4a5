"""Accounts as ccxt's ``fetchPositions`` and ``fetchBalance`` return them. Nothing here imports ccxt.

ccxt gives one account at a time, so its name is the caller's. ``contracts`` is a number of contracts, as here. Of an
isolated position ``collateral`` is, by ccxt's manual, affected by profit and loss, so ``unrealizedPnl`` is taken off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from leverline.ground.errors import refuse
from leverline.margin.account_rows import ACCOUNTS
from leverline.margin.reading_accounts import AccountInput, accounts_of_table
from leverline.market.sources.files import MAX_ROWS, SourceTable
from leverline.market.symbols import is_unified, parse_unified
from leverline.model.accounts import Mode

_FILE = "ccxt"
_SIGNS = {"long": 1, "short": -1}

Cell = str | float | int | None


def accounts_of_ccxt(
    positions: Sequence[Mapping[str, Any]], balances: Mapping[str, Any], *, account: str, venue: str = "",
    owner: str | None = None,
) -> AccountInput:
    """One account at one venue; refused as files are, under the name ``ccxt``, positions counted from 1.

    Parameters
    ----------
    positions : sequence of mappings
        With ``symbol`` (unified), ``side``, ``contracts``, ``entryPrice``, ``marginMode``; isolated ones also with
        ``collateral`` and ``unrealizedPnl``. A position of 0 contracts is closed and left out.
    balances : mapping
        Asset -> amount, or what ``fetchBalance`` returns, of which ``total`` and ``debt`` are read. Amounts of the
        cross account before unrealised profit: some exchanges' totals contain it, which would count it twice.
    account, venue, owner : str
        Names in the book.
    """
    if len(positions) > MAX_ROWS:
        refuse(f"more than {MAX_ROWS} positions", file=_FILE)
    rows: list[dict[str, Cell]] = []
    for number, position in enumerate(positions, 1):
        rows += _rows(position, number)
    rows += [{"asset": asset, "amount": amount} for asset, amount in _balances(balances).items()]
    if not rows:
        refuse("has neither positions nor balances", file=_FILE)
    whole = {"account": account, "venue": venue, "owner": owner}
    frame = pl.DataFrame({name: pl.Series([_text({**row, **whole}.get(name)) for row in rows], dtype=pl.String)
                          for name in ACCOUNTS.known})
    return accounts_of_table(SourceTable(_FILE, None, frame, tuple(frame.columns)))


def _rows(position: Mapping[str, Any], number: int) -> list[dict[str, Cell]]:
    """A position, and the collateral posted to it where it is isolated."""
    contracts = _number(position, "contracts", number)
    if contracts == 0.0:
        return []
    side, mode = position.get("side"), position.get("marginMode") or Mode.CROSS.value
    if side not in _SIGNS:
        refuse(f"{side!r} is none of {', '.join(_SIGNS)}", file=_FILE, row=number, column="side")
    symbol = position.get("symbol")
    if not isinstance(symbol, str) or not is_unified(symbol):
        refuse(f"{symbol!r} is not a unified symbol", file=_FILE, row=number, column="symbol")
    row: dict[str, Cell] = {"symbol": symbol, "quantity": _SIGNS[side] * abs(contracts),
                            "entry_price": _number(position, "entryPrice", number), "mode": str(mode)}
    if mode != Mode.ISOLATED:
        return [row]
    posted = _number(position, "collateral", number) - _number(position, "unrealizedPnl", number)
    subaccount = f"{symbol} {side}"  # both sides of a market may be held apart
    settled = parse_unified(symbol).settlement_asset
    return [{**row, "subaccount": subaccount},
            {"asset": settled, "amount": posted, "mode": Mode.ISOLATED.value, "subaccount": subaccount}]


def _balances(balances: Mapping[str, Any]) -> dict[str, float]:
    """Amounts that are not 0 by asset, debts taken off."""
    totals = balances.get("total")
    if not isinstance(totals, Mapping):
        return {asset: _number(balances, asset, None) for asset in balances}
    debts = balances.get("debt")
    owed = debts if isinstance(debts, Mapping) else {}
    amounts = {asset: (_number(totals, asset, None) if totals.get(asset) is not None else 0.0)
               - (_number(owed, asset, None) if owed.get(asset) is not None else 0.0)
               for asset in dict.fromkeys((*totals, *owed))}
    return {asset: amount for asset, amount in amounts.items() if amount != 0.0}


def _number(fields: Mapping[str, Any], name: str, row: int | None) -> float:
    """A number or a number as text, as exchanges send them."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        refuse(f"{value!r} is not a number" if value is not None else f"the {name} is missing", file=_FILE, row=row,
               column=name)
    try:
        return float(value)
    except (ValueError, OverflowError):
        refuse(f"{value!r} is not a number", file=_FILE, row=row, column=name)


def _text(cell: Cell) -> str | None:
    """As a CSV would hold it, so that the same rules read it."""
    return cell if cell is None or isinstance(cell, str) else repr(cell)
