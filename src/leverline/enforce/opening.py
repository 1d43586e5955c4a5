"""Accounts as the events that open them: a drawn population, or a table of who holds what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from leverline.enforce.events import Body, Deposit, Fill, FundInsurance, OpenPool, PoolKey
from leverline.enforce.ledger import LIMIT
from leverline.enforce.population import DrawnAccount
from leverline.enforce.terms import MarketTerms, VenueTerms
from leverline.enforce.venue import OUTSIDE_MARKET
from leverline.ground.errors import UsageError
from leverline.model.accounts import NO_VENUE, AccountBook, Mode
from leverline.model.quantities import UNITS_PER_ONE


def open_population(accounts: Sequence[DrawnAccount], settlement: str) -> list[Body]:
    """Cross pools with a deposit and one position each, against the outside market."""
    made: list[Body] = []
    for drawn in accounts:
        pool = PoolKey(drawn.name)
        made += [OpenPool(pool, drawn.name, Mode.CROSS), Deposit(pool, settlement, drawn.deposit)]
        made += _position(pool, drawn.market, drawn.lots, drawn.entry)
    return made


def open_accounts(book: AccountBook, terms: VenueTerms, contract_sizes: dict[str, float]) -> tuple[list[Body], int]:
    """Pools of a table of accounts, each position at its entry price; and how many sizes were rounded to whole lots.

    Raises
    ------
    UsageError
        Where an account names a market or asset without limits, owes an asset, or is margined as a portfolio.
    """
    made: list[Body] = []
    rounded = 0
    for i, pool in enumerate(book.pools):
        key = PoolKey(pool.account, pool.subaccount)
        if pool.mode is Mode.PORTFOLIO:
            raise UsageError(f"{key}: portfolio margin is not enforced here")
        if pool.venue != NO_VENUE:
            raise UsageError(f"{key}: accounts of one venue are replayed, and name none", remedy="leave venue empty")
        made.append(OpenPool(key, pool.owner, pool.mode, pool.account_class))
        made += [_holding(key, book.assets[book.holding_asset[row]].asset, float(book.amount[row]), terms)
                 for row in range(book.holding_offsets[i], book.holding_offsets[i + 1])]
        for row in range(book.position_offsets[i], book.position_offsets[i + 1]):
            symbol = book.markets[book.position_market[row]].symbol
            if symbol not in terms.markets:
                raise UsageError(f"{key} holds {symbol}, which has no limits or no bars")
            market = terms.markets[symbol]
            exact = _exact(float(book.quantity[row])) * _exact(contract_sizes[symbol]) / market.lot
            rounded += exact.denominator != 1
            made += _position(key, symbol, round(exact), _ticks(float(book.entry_price[row]), market))
    return made, rounded


def fund(amount: float) -> list[Body]:
    """What the house pays into the shared fund first, ``amount`` in settlement currency; nothing for zero."""
    if not 0.0 <= amount < math.inf:
        raise UsageError(f"--fund {amount:g} is no amount", remedy="give what the fund holds, zero if nothing")
    units = round(amount * UNITS_PER_ONE)
    if units >= LIMIT:
        raise UsageError(f"--fund {amount:g} is more than the ledger carries",
                         remedy=f"give less than {LIMIT / UNITS_PER_ONE:.2g}")
    return [FundInsurance("", units)] if units else []


def _position(pool: PoolKey, market: str, lots: int, price: int) -> list[Body]:
    if lots == 0:
        return []
    buyer, seller = (pool, OUTSIDE_MARKET) if lots > 0 else (OUTSIDE_MARKET, pool)
    return [Fill(market, buyer, seller, abs(lots), price)]


def _holding(pool: PoolKey, asset: str, amount: float, terms: VenueTerms) -> Body:
    if asset != terms.settlement and asset not in terms.assets:
        raise UsageError(f"{pool} holds {asset}, which has no limits",
                         remedy=f"the ledger settles in {terms.settlement}")
    units = round(_exact(amount) * UNITS_PER_ONE)
    if units <= 0:
        raise UsageError(f"{pool} holds {amount:g} {asset}: a replay opens accounts that owe nothing")
    return Deposit(pool, asset, units)


def _ticks(price: float, market: MarketTerms) -> int:
    return max(1, round(_exact(price) / market.tick))


def _exact(number: float) -> Fraction:
    """The decimal that a float was written as."""
    return Fraction(repr(number))
