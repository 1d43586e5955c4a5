"""A book after an order is filled, told in what a venue's ledger holds: contracts, average entry and cash."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from leverline.model.accounts import AccountBook, Asset, Market, Pools
from leverline.model.instrument import Payoff
from tests.margin.drawn_books import SETTLEMENT, Drawn


def after_fill(drawn: Drawn, pool: int, symbol: str, order: float, price: float) -> Drawn:
    """One pool alone, after ``order`` at ``price`` and its fee; open interest grows by what it opens."""
    book, venue = drawn.book, drawn.book.pools[pool].venue
    rules = drawn.rules[venue].markets[symbol]
    market = book.markets.index(Market(venue, symbol))
    held = {int(m): (float(q), float(e)) for m, q, e in position_rows(book, pool)}
    before, entry = held.pop(market, (0.0, price))
    now = float(drawn.state.mark[drawn.state.names.index(symbol)])
    inverse = rules.payoff is Payoff.INVERSE
    closed = min(abs(order), abs(before)) * math.copysign(1.0, before) if before * order < 0 else 0.0
    after = before + order
    if inverse:
        profit = closed * rules.contract_size * (1.0 / entry - 1.0 / price) * now
        paid = rules.taker_fee_rate * abs(order) * rules.contract_size / price * now
    else:
        profit = closed * rules.contract_size * (price - entry)
        paid = rules.taker_fee_rate * abs(order) * rules.contract_size * price
    if after != 0:
        if before * order > 0:
            mean = ((before + order) / (before / entry + order / price) if inverse
                    else (before * entry + order * price) / (before + order))
        else:
            mean = entry if abs(order) < abs(before) else price
        held[market] = (after, mean)
    kept = kept_by(book, pool)
    cash = book.assets.index(Asset(venue, SETTLEMENT))
    kept[cash] = kept.get(cash, 0.0) + profit - paid
    opened = max(0.0, abs(after) - abs(before)) if before * after > 0 else abs(after)
    interest = drawn.state.open_interest + opened * (np.array(drawn.state.names) == symbol)
    return Drawn(book_of_one(book, pool, held, kept), drawn.rules, replace(drawn.state, open_interest=interest))


def position_rows(book: AccountBook, pool: int) -> zip[tuple[np.uint32, float, float]]:
    rows = slice(book.position_offsets[pool], book.position_offsets[pool + 1])
    return zip(book.position_market[rows], book.quantity[rows], book.entry_price[rows], strict=True)


def kept_by(book: AccountBook, pool: int) -> dict[int, float]:
    rows = slice(book.holding_offsets[pool], book.holding_offsets[pool + 1])
    return {int(a): float(x) for a, x in zip(book.holding_asset[rows], book.amount[rows], strict=True)}


def book_of_one(book: AccountBook, pool: int, held: dict[int, tuple[float, float]], kept: dict[int, float],
                ) -> AccountBook:
    """A book of this pool alone that holds contracts and entry by market, and amounts by asset."""
    return replace(
        book, pools=Pools.of([book.pools[pool]]), position_offsets=np.array([0, len(held)], dtype=np.int32),
        position_market=np.array(sorted(held), dtype=np.uint32),
        quantity=np.array([held[m][0] for m in sorted(held)]),
        entry_price=np.array([held[m][1] for m in sorted(held)]),
        holding_offsets=np.array([0, len(kept)], dtype=np.int32),
        holding_asset=np.array(sorted(kept), dtype=np.uint32), amount=np.array([kept[a] for a in sorted(kept)]))
