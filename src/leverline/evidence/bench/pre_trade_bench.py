"""The pre-trade check of single orders, one call each: the verdict, the margin after the fill and the largest size.

The account is the largest of a few thousand drawn as in :mod:`leverline.evidence.bench.million_accounts`. The other
side is plain Python: it knows the rest of the account as we do, asks the tier table for one position and bisects for
the largest size.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from functools import partial
from typing import NamedTuple

import numpy as np

from leverline.evidence.bench.million_accounts import MARKETS, drawn_rules, drawn_tables
from leverline.evidence.bench.rows import BenchRow, interleaved
from leverline.margin.curves import BracketCurve
from leverline.margin.order_terms import order_terms
from leverline.margin.pre_trade import AccountView, Order, account_view, pre_trade
from leverline.margin.tables import MarginTables
from leverline.margin.valuation import value_accounts
from leverline.model.market_state import MarketState

BASELINE = "plain Python: one position's tier by bisection, the largest size by bisection over lots"
ACCOUNTS, ORDERS = 5_000, 2_000
SEED = 11
AGREEMENT = 1e-9
ROWS = ("pre-trade", "pre-trade-view", "pre-trade-compile")


class Given(NamedTuple):
    """An account, laid out for us, and the numbers that the other side works from."""

    view: AccountView
    tables: MarginTables
    pool: int
    rest: float
    orders: list[Order]


class Answer(NamedTuple):
    """What both sides say of an order."""

    allowed: bool
    largest: float
    equity: float
    initial: float


def rows() -> list[BenchRow]:
    """CPU microseconds an order and a view, and what the first call took to compile."""
    value_accounts(drawn_tables(ACCOUNTS))  # drawn and compiled before the clock starts
    started = time.process_time()
    case = given()
    pre_trade(case.view, case.orders[0])
    compiled = time.process_time() - started
    check(ours(case), plain(case))
    fast, slow, laid = interleaved(partial(ours, case), partial(plain, case), partial(views, case))
    return [
        BenchRow("pre-trade", 1e6 * fast / ORDERS, "CPU us an order", BASELINE, slow / fast),
        BenchRow("pre-trade-view", 1e6 * laid / ORDERS, "CPU us a view of one account"),
        BenchRow("pre-trade-compile", compiled, "CPU s, first call only"),
    ]


def given() -> Given:
    """Market orders of both directions over all markets, worth a tenth of what is free to a thousand times that."""
    tables = drawn_tables(ACCOUNTS)
    valuation = value_accounts(tables)
    free = valuation.pools.free_collateral
    pool = int(np.argmax(np.where(free > 0.0, valuation.pools.gross_notional, 0.0)))
    state = MarketState.of({market.symbol: float(mark) for market, mark in
                            zip(tables.book.markets, tables.mark, strict=True)})
    view = account_view(tables, valuation, pool, order_terms(drawn_rules(), state), owner_notional={})
    rng = np.random.default_rng(SEED)
    market = rng.integers(0, MARKETS, ORDERS)
    size = free[pool] * 10.0 ** rng.uniform(-1.0, 3.0, ORDERS) / tables.mark[market] * rng.choice([1.0, -1.0], ORDERS)
    orders = [Order(tables.book.markets[m].symbol, float(q)) for m, q in zip(market, size, strict=True)]
    rest = float(valuation.pools.adjusted_equity_initial[pool])
    return Given(view, tables, pool, rest, orders)


def check(ours: list[Answer], theirs: list[Answer]) -> None:
    """Refuse to time two sides that differ in a verdict, a size or an amount."""
    assert [answer.allowed for answer in ours] == [answer.allowed for answer in theirs]  # noqa: S101
    assert 0.1 < np.mean([answer.allowed for answer in ours]) < 0.9  # noqa: S101 - one verdict for all says nothing
    for name in ("largest", "equity", "initial"):
        np.testing.assert_allclose([getattr(answer, name) for answer in ours],
                                   [getattr(answer, name) for answer in theirs], rtol=AGREEMENT, err_msg=name)


def ours(case: Given) -> list[Answer]:
    """One call an order."""
    asked = (pre_trade(case.view, order) for order in case.orders)
    return [Answer(a.allowed, a.largest_quantity, a.adjusted_equity_initial, a.initial_margin) for a in asked]


def views(case: Given) -> None:
    """The same account laid out anew for every order."""
    valuation = value_accounts(case.tables)
    for _ in case.orders:
        account_view(case.tables, valuation, case.pool, case.view.terms, owner_notional={})


def plain(case: Given) -> list[Answer]:
    """The rule as one would write it down: full profits, no fee, no caps, orders at the mark."""
    book, tables = case.tables.book, case.tables
    rows = range(book.position_offsets[case.pool], book.position_offsets[case.pool + 1])
    held = {book.markets[book.position_market[p]].symbol: float(tables.base[p]) for p in rows}
    mark = {market.symbol: float(price) for market, price in zip(book.markets, tables.mark, strict=True)}
    rules = drawn_rules().markets
    margin = {symbol: _margin(rules[symbol].curve, base * mark[symbol]) for symbol, base in held.items()}
    total = sum(margin.values())
    answers = []
    for order in case.orders:
        symbol, curve, price = order.symbol, rules[order.symbol].curve, mark[order.symbol]
        before, others = held.get(symbol, 0.0), total - margin.get(symbol, 0.0)
        after = others + _margin(curve, (before + order.quantity) * price)
        allowed = _shrinks(before, order.quantity) or after <= case.rest
        lot = case.view.terms.markets[symbol].lot
        largest = _largest(case.rest - others, curve, before, order.quantity, price, lot)
        answers.append(Answer(allowed, largest, case.rest, after))
    return answers


def _margin(curve: object, value: float) -> float:
    assert isinstance(curve, BracketCurve)  # noqa: S101 - all drawn markets have brackets
    size = abs(value)
    return curve.initial_rates[bisect_right(curve.floors, size) - 1] * size


def _shrinks(before: float, order: float) -> bool:
    return before * order < 0.0 and abs(order) <= abs(before)


def _largest(room: float, curve: object, before: float, order: float, price: float, lot: float) -> float:
    """The largest multiple of the lot whose position needs no more than ``room``; at least what closes."""
    side = 1.0 if order > 0.0 else -1.0
    closing = abs(before) if before * side < 0.0 else 0.0
    low, high = int(closing / lot), 1
    if _margin(curve, (before + side * (low + 1) * lot) * price) > room:
        return side * closing
    while _margin(curve, (before + side * (low + high) * lot) * price) <= room:
        high *= 2
    low, high = low + high // 2, low + high
    while high - low > 1:
        middle = (low + high) // 2
        if _margin(curve, (before + side * middle * lot) * price) <= room:
            low = middle
        else:
            high = middle
    return side * low * lot
