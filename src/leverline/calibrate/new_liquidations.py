"""Who would be liquidated by a change of limits alone, at unchanged prices: nobody, or the change is refused.

In March 2026 a cap on an exchange rate, moved ahead of its time stamp, liquidated 10,938 wstETH of healthy borrowers by
decree. A check of the proposed book against the accounts in force would have refused it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leverline.ground.arrays import BoolArray
from leverline.margin.limits import rules_of_book
from leverline.margin.tables import MarginTables, margin_tables
from leverline.margin.valuation import value_accounts
from leverline.model.accounts import AccountBook
from leverline.model.limitbook import LimitBook
from leverline.model.market_state import MarketState


@dataclass(frozen=True, slots=True)
class NewLiquidation:
    """A pool that is safe under the book in force and would not be under the proposed one, and what it holds."""

    account: str
    symbols: tuple[str, ...]
    assets: tuple[str, ...]


def newly_liquidated(
    current: LimitBook, proposed: LimitBook, accounts: AccountBook, marks: MarketState
) -> tuple[NewLiquidation, ...]:
    """Pools with maintenance met under ``current`` and missed under ``proposed``, at the prices of ``marks``.

    Pools that cannot be valued under either book are not judged.
    """
    before, after = (_tables(book, accounts, marks) for book in (current, proposed))
    unsafe = {pool: _liquidatable(tables) for pool, tables in (("before", before), ("after", after))}
    was = dict(zip(before.book.pools, unsafe["before"].tolist(), strict=True))
    out = []
    for i, pool in enumerate(after.book.pools):
        if unsafe["after"][i] and not was.get(pool, True):
            held = slice(*after.book.position_offsets[i : i + 2].tolist())
            owned = slice(*after.book.holding_offsets[i : i + 2].tolist())
            out.append(NewLiquidation(
                pool.account, tuple(after.book.markets[m].symbol for m in after.book.position_market[held]),
                tuple(after.book.assets[a].asset for a in after.book.holding_asset[owned])))
    return tuple(out)


def _tables(book: LimitBook, accounts: AccountBook, marks: MarketState) -> MarginTables:
    venues = {venue for venue, _ in accounts.markets} | {venue for venue, _ in accounts.assets}
    return margin_tables(accounts, {venue: rules_of_book(book, venue) for venue in venues}, marks)


def _liquidatable(tables: MarginTables) -> BoolArray:
    """A NaN health is unsafe."""
    health = value_accounts(tables).pools.health
    unsafe: BoolArray = ~(health >= 0.0)
    return unsafe & (np.diff(tables.book.position_offsets) + np.diff(tables.book.holding_offsets) > 0)
