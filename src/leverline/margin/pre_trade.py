"""May this order be placed: margin after the fill, caps, access; if not, why, and what size could be.

An order that opens is allowed if, after it, the account's initial margin is covered by its adjusted equity
(:mod:`leverline.margin.valuation`) and no cap is passed. The fill is taken at the worse of the limit price and the
mark, so that a loss from buying above or selling below the mark counts at once and a bargain that has not happened yet
counts for nothing; the taker fee is paid from the settlement asset. What only shrinks a position is always allowed,
below maintenance too; an order through zero is a reduction and an opening, and stands or falls as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from leverline.ground.errors import require
from leverline.margin import _pre_trade_kernels as kernels
from leverline.margin.order_terms import MarketTerms, OrderTerms
from leverline.margin.tables import MarginTables
from leverline.margin.valuation import Valuation
from leverline.model.accounts import Mode, Pool


class Reason(StrEnum):
    """What stops an order."""

    INVALID_MARK = "the market has no valid mark"
    CLASS_MAY_NOT_OPEN = "accounts of this class may not open in this market"
    NOTHING_TO_REDUCE = "a reducing order closes at most what is held"
    BROKEN_LOT = "the quantity is not a whole number of lots"
    TIERS_END = "the position would be larger than the tier table"
    POSITION_CAP = "the owner's position would pass its cap"
    OPEN_INTEREST_CAP = "the market's open interest would pass its cap"
    OPEN_INTEREST_UNKNOWN = "open interest is capped and not known"
    CLASS_LEVERAGE = "the leverage would be higher than the account's class allows"
    INITIAL_MARGIN = "initial margin would not be covered"
    NOT_LISTED = "the venue has no limits for this market"
    OTHER_POOL = "an isolated pool holds one market"


REASONS = (None, *Reason)
"""By code of the kernels."""


class Order(NamedTuple):
    """An order: signed contracts; limit price in quote per base unit, None for a market order."""

    symbol: str
    quantity: float
    price: float | None = None
    reduce_only: bool = False


class PreTrade(NamedTuple):
    """The answer. Amounts in settlement currency, after a fill of the whole order (reduce-only: of what it can close).

    Attributes
    ----------
    allowed : bool
    reason : why not; None if allowed
    largest_quantity : signed contracts in the order's direction at its price: the largest whole number of lots that
        is allowed, or the whole position where nothing beyond closing it is; 0 where nothing is
    bound_by : what stops one lot more than that; None where nothing does
    adjusted_equity_initial, initial_margin, free_collateral : with the class's leverage where that asks for more; NaN
        where the market has no mark
    fee : paid for the fill
    """

    allowed: bool
    reason: Reason | None
    largest_quantity: float
    bound_by: Reason | None
    adjusted_equity_initial: float
    initial_margin: float
    free_collateral: float
    fee: float


class _Sided(NamedTuple):
    """A position in contracts, base units and cost, and the cash that led to it from today's."""

    quantity: float
    base: float
    cost: float
    cash_change: float


class _Counted(NamedTuple):
    """What a position adds to the account: cash, counted pnl, initial margin by the curve and with the class."""

    cash: float
    pnl: float
    initial: float
    class_initial: float

    def free(self) -> float:
        return self.cash + self.pnl - self.class_initial


class _Position(NamedTuple):
    """What one market holds: today, after its resting buys, after its sells; ``counted``: its part of the totals."""

    now: _Sided
    after_buys: _Sided
    after_sells: _Sided
    counted: _Counted


_NOTHING = _Sided(0.0, 0.0, 0.0, 0.0)
_NO_POSITION = _Position(_NOTHING, _NOTHING, _NOTHING, _Counted(0.0, 0.0, 0.0, 0.0))


@dataclass(frozen=True, slots=True)
class AccountView:
    """One pool, laid out once for many orders; it stands until the pool trades or the terms change.

    ``collateral``: counted collateral but the settlement asset, less counted debt. ``totals``: of all positions with
    the resting orders that cost most filled, ``cash`` with the settlement asset held.
    """

    pool: Pool
    terms: OrderTerms
    collateral: float
    totals: _Counted
    positions: Mapping[str, _Position]
    owner_notional: Mapping[str, float]


def account_view(
    tables: MarginTables, valuation: Valuation, pool: int, terms: OrderTerms, *,
    owner_notional: Mapping[str, float] | None = None, open_orders: Iterable[Order] = (),
) -> AccountView:
    """Lay out pool ``pool`` of ``tables`` for orders under the terms of its venue at the same prices.

    Parameters
    ----------
    tables, valuation : the book and its value
    owner_notional : settlement currency by symbol
        What the owner holds in this venue's other pools, which the position cap counts too; None sums it from the book.
    open_orders : resting orders of this pool
        Of each market the side that costs more collateral counts as filled; in the order's own market the side that it
        joins. Reduce-only orders open nothing and count for nothing.
    """
    book = tables.book
    require(0 <= pool < book.n_pools, "the book holds the pool", got=pool)
    held = {}
    for p in range(book.position_offsets[pool], book.position_offsets[pool + 1]):
        symbol = book.markets[book.position_market[p]].symbol
        require(symbol in terms.markets, f"the terms of {terms.venue} name what the pool holds", got=symbol)
        held[symbol] = _Sided(float(book.quantity[p]), float(tables.base[p]), float(tables.cost[p]), 0.0)
    cash = _cash(tables, pool, terms)
    who = book.pools[pool]
    positions = _with_resting(held, open_orders, terms, who.account_class)
    pnl = sum(float(kernels.counted_pnl(terms.markets[s], now.base, now.cost)) for s, now in held.items())
    adjusted = float(valuation.pools.adjusted_equity_initial[pool])
    return AccountView(
        pool=who, terms=terms,
        collateral=adjusted - float(kernels.counted_cash(terms.cash, cash)) - pnl,
        totals=_Counted(*(sum(column) for column in zip(
            _Counted(cash, 0.0, 0.0, 0.0), *(position.counted for position in positions.values()), strict=True))),
        positions=positions,
        owner_notional=_elsewhere(tables, pool, terms) if owner_notional is None else dict(owner_notional),
    )


def pre_trade(account: AccountView, order: Order) -> PreTrade:
    """Whether ``order`` may be placed, why not, and how large it could be; see the module for the rules."""
    symbol, quantity, limit, reduce_only = order
    if not (math.isfinite(quantity) and quantity != 0.0):
        require(False, "an order's quantity is finite and not 0", got=quantity)
    if limit is not None and not 0.0 < limit < math.inf:
        require(False, "a limit price is positive", got=limit)
    terms = account.terms.markets.get(symbol)
    if terms is None:
        return _refused(Reason.NOT_LISTED)
    position = account.positions.get(symbol, _NO_POSITION)
    if position is _NO_POSITION and account.positions and account.pool.mode is Mode.ISOLATED:
        return _refused(Reason.OTHER_POOL)
    side = position.now if reduce_only else position.after_buys if quantity > 0 else position.after_sells
    totals, counted = account.totals, position.counted
    code, bound, largest, equity, initial, fee = kernels.judged(
        account.terms.packed[symbol], side.quantity, side.base, side.cost,
        totals.cash - counted.cash + side.cash_change, account.collateral + totals.pnl - counted.pnl,
        totals.initial - counted.initial, totals.class_initial - counted.class_initial,
        account.owner_notional.get(symbol, 0.0), _class_rate(account.terms, symbol, account.pool.account_class),
        float(quantity), _worse(terms, quantity, limit), reduce_only)
    return PreTrade(code == 0, REASONS[code], largest, REASONS[bound], equity, initial, equity - initial, fee)


def _refused(reason: Reason) -> PreTrade:
    return PreTrade(False, reason, 0.0, reason, math.nan, math.nan, math.nan, math.nan)


def _worse(terms: MarketTerms, quantity: float, limit: float | None) -> float:
    """The price a fill is taken at: the worse of limit and mark."""
    if limit is None:
        return terms.mark
    return max(float(limit), terms.mark) if quantity > 0 else min(float(limit), terms.mark)


def _class_rate(terms: OrderTerms, symbol: str, account_class: str) -> float:
    """Least initial rate of a class; 0 where classes do not matter, NaN where this one may not open."""
    classes = terms.classes[symbol]
    if classes is None:
        return 0.0
    return 1.0 / classes[account_class] if account_class in classes else math.nan


def _cash(tables: MarginTables, pool: int, terms: OrderTerms) -> float:
    """Amount of the settlement asset that the pool holds or owes."""
    book = tables.book
    rows = range(book.holding_offsets[pool], book.holding_offsets[pool + 1])
    return sum(float(book.amount[h]) for h in rows if book.assets[book.holding_asset[h]].asset == terms.settlement)


def _with_resting(held: Mapping[str, _Sided], open_orders: Iterable[Order], terms: OrderTerms, account_class: str,
                  ) -> dict[str, _Position]:
    """Every market that is held or ordered in, with the side of its resting orders that leaves least free."""
    resting: dict[str, list[Order]] = {}
    for order in open_orders:
        require(order.symbol in terms.markets, "an open order is in a listed market", got=order.symbol)
        if not order.reduce_only:
            resting.setdefault(order.symbol, []).append(order)
    positions = {}
    for symbol in dict.fromkeys((*held, *resting)):
        now, market = held.get(symbol, _NOTHING), terms.markets[symbol]
        orders = resting.get(symbol, [])
        after_buys = _after([order for order in orders if order.quantity > 0], now, market)
        after_sells = _after([order for order in orders if order.quantity < 0], now, market)
        rate = _class_rate(terms, symbol, account_class)
        counted = min((_counted(side, market, rate) for side in {now, after_buys, after_sells}), key=_Counted.free)
        positions[symbol] = _Position(now, after_buys, after_sells, counted)
    return positions


def _after(orders: Iterable[Order], side: _Sided, terms: MarketTerms) -> _Sided:
    """The position once ``orders`` are filled, one after the other."""
    for order in orders:
        price = _worse(terms, order.quantity, order.price)
        quantity, base, cost, booked = kernels.filled(
            terms, side.quantity, side.base, side.cost, float(order.quantity), price)
        paid = float(kernels.fee(terms, float(order.quantity), price))
        side = _Sided(quantity, base, cost, side.cash_change + booked - paid)
    return side


def _counted(side: _Sided, terms: MarketTerms, class_rate: float) -> _Counted:
    quantity, base, cost, cash_change = side
    initial = float(kernels.initial_margin(terms, quantity, base, cost, terms.open_interest))
    return _Counted(cash_change, float(kernels.counted_pnl(terms, base, cost)), initial,
                    float(kernels.class_margin(terms, quantity, base, initial, class_rate)))


def _elsewhere(tables: MarginTables, pool: int, terms: OrderTerms) -> dict[str, float]:
    """Notional of the same owner's other pools at this venue, by symbol; an inverse market's is its quote value."""
    book = tables.book
    same = (book.pools.owner == book.pools.owner[pool]) & (book.pools.venue == book.pools.venue[pool])
    same[pool] = False
    found: dict[str, float] = {}
    for i in np.flatnonzero(same):
        for p in range(book.position_offsets[i], book.position_offsets[i + 1]):
            symbol = book.markets[book.position_market[p]].symbol
            market = terms.markets[symbol]
            size = float(kernels.notional(market, float(book.quantity[p]), float(tables.base[p]), market.mark))
            found[symbol] = found.get(symbol, 0.0) + size
    return found
