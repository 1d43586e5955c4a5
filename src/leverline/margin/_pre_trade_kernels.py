"""Loops of the pre-trade check: what a fill makes of a position, what that asks for, and the largest size allowed.

Their readable twin is the whole valuation of the account's book as it stands after the fill, in the tests.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.compiled import njit
from leverline.margin._valuation_kernels import counted_collateral
from leverline.margin.curve_tables import RATE_SLACK
from leverline.margin.order_terms import (
    COIN_STEPS,
    ENTRY,
    OPEN_INTEREST,
    SIZE_LINEAR,
    SIZE_ROOT,
    CashTerms,
    MarketTerms,
)

(ALLOWED, INVALID_MARK, CLASS_MAY_NOT_OPEN, NOTHING_TO_REDUCE, BROKEN_LOT, TIERS_END, POSITION_CAP, OPEN_INTEREST_CAP,
 OPEN_INTEREST_UNKNOWN, CLASS_LEVERAGE, INITIAL_MARGIN) = range(11)
"""Codes of what decides, in the order of ``REASONS``."""

MAX_LOTS = 2**53 - 1
"""Above it floats no longer tell one lot from the next."""
STEP_GROWTH = 16
"""How much longer each step of the search for a refused size is than the one before."""
LOT_SLACK, ROUNDING = 1e-9, 1e-15
"""Share of a lot, and of the number of lots, by which the float of a whole number of lots may miss it."""
CLOSING = 1.0 + 1e-12
"""An order of no more than this times the position closes it: 3 * 0.1 is larger than 0.3 only in floats."""


class Standing(NamedTuple):
    """An account as one market sees it. Position in contracts, base units and cost; the rest settlement currency.

    ``equity_elsewhere``: counted collateral but the settlement asset, less counted debt, and counted pnl of other
    markets. ``initial_elsewhere`` and ``class_initial_elsewhere``: their initial margin by the curves alone, and with
    the leverage of the account's class. ``notional_elsewhere``: of the same owner's other pools in this market.
    ``class_rate``: 1 / highest leverage of the account's class, 0 without one, NaN where the class may not open.
    """

    quantity: float
    base: float
    cost: float
    cash: float
    equity_elsewhere: float
    initial_elsewhere: float
    class_initial_elsewhere: float
    notional_elsewhere: float
    class_rate: float


class After(NamedTuple):
    """The account after a fill: position, adjusted initial equity, initial margin by the curves and with the class."""

    quantity: float
    base: float
    equity: float
    initial: float
    class_initial: float


@njit
def unpacked(packed: FloatArray) -> tuple[MarketTerms, CashTerms]:
    """The fields out of the vector of ``OrderTerms.packed``; arrays are views of it."""
    tiers, coefficients, slices = int(packed[0]), int(packed[1]), int(packed[2])
    x = packed[3:21]
    rates = 21 + tiers
    numbers = rates + tiers
    cash = numbers + coefficients
    market = MarketTerms(int(x[0]), x[1] != 0.0, x[2], x[3], x[4] != 0.0, x[5], x[6], x[7], x[8], x[9], x[10], x[11],
                         x[12], x[13], x[14], x[15], x[16] != 0.0, x[17] != 0.0,
                         packed[21:rates], packed[rates:numbers], packed[numbers:cash])
    weights = cash + 3 + slices
    return market, CashTerms(packed[cash], packed[cash + 1], packed[cash + 2],
                             packed[cash + 3:weights], packed[weights:weights + slices])


@njit
def is_reduction(quantity: float, order: float) -> bool:
    """Whether an order only shrinks or closes what is held."""
    return quantity * order < 0.0 and abs(order) <= CLOSING * abs(quantity)


@njit
def filled(terms: MarketTerms, quantity: float, base: float, cost: float, order: float, price: float,
           ) -> tuple[float, float, float, float]:
    """Position (contracts, base units, cost) after ``order`` at ``price``, and what the closed part books as cash.

    A closed share takes its share of size and cost with it; what an inverse contract books in coins counts at the mark.
    """
    booked = 0.0
    opened = order
    if quantity * order < 0.0:
        share = min(1.0, abs(order) / abs(quantity))
        booked = share * (base * price - cost) * (terms.mark / price if terms.inverse else 1.0)
        if share < 1.0:
            return quantity + order, base * (1.0 - share), cost * (1.0 - share), booked
        if is_reduction(quantity, order):
            return 0.0, 0.0, 0.0, booked
        opened = quantity + order
        quantity = base = cost = 0.0
    value = opened * terms.contract_size
    if terms.inverse:
        return quantity + opened, base + value / price, cost + value, booked
    return quantity + opened, base + value, cost + value * price, booked


@njit
def fee(terms: MarketTerms, order: float, price: float) -> float:
    """Taker fee of a fill, settlement currency; an inverse market's is in coins, at the mark."""
    return terms.fee_rate * abs(order) * terms.contract_size * (terms.mark / price if terms.inverse else price)


@njit
def notional(terms: MarketTerms, quantity: float, base: float, price: float) -> float:
    """Size of a position at ``price``; of an inverse one its constant quote value."""
    return abs(quantity) * terms.contract_size if terms.inverse else abs(base) * price


@njit
def worth(terms: MarketTerms, base: float) -> float:
    """What a position of this side is valued at, quote per base unit."""
    return terms.price_long if base > 0.0 else terms.price_short


@njit
def tier_of(terms: MarketTerms, driver: float) -> int:
    """The last tier whose floor is not above ``driver``."""
    k = 0
    while k + 1 < terms.floors.size and driver >= terms.floors[k + 1]:
        k += 1
    return k


@njit
def driver_of(terms: MarketTerms, quantity: float, base: float) -> float:
    """What picks the tier of a position: contracts or notional."""
    return abs(quantity) if terms.by_contracts else notional(terms, quantity, base, worth(terms, base))


@njit
def cut(rate: float, unit: float) -> float:
    """``rate`` down to a multiple of ``unit``."""
    return rate if unit == 0.0 else np.floor(rate / unit + RATE_SLACK) * unit


@njit
def initial_margin(terms: MarketTerms, quantity: float, base: float, cost: float, open_interest: float) -> float:
    """Initial margin of one position by its market's curve; ``open_interest`` in contracts, NaN counts as none."""
    size = notional(terms, quantity, base, worth(terms, base))
    if size == 0.0:
        return 0.0
    c = terms.coefficients
    if terms.kind == OPEN_INTEREST:
        rate, lower, upper, unit = c[0], c[1], c[2], c[3]
        interest = open_interest * terms.contract_size * (1.0 if terms.inverse else terms.mark)
        if upper != 0.0 and interest > lower:
            rate += cut((1.0 - rate) * min(1.0, (interest - lower) / (upper - lower)), unit)
        return float(rate * size)
    if terms.kind == SIZE_LINEAR:
        return float((c[0] + c[1] * abs(base)) * size + c[2])
    if terms.kind == SIZE_ROOT:
        return root_rate(c[0], c[1], c[2], c[3], abs(base)) * size
    if terms.kind == ENTRY:
        return float(max(abs(cost) * c[0], c[1]) + abs(cost) * c[2])
    if terms.kind == COIN_STEPS:
        steps = max(0.0, np.ceil((abs(cost) / terms.mark - c[1]) / c[2]))
        return float((c[0] + steps * c[3]) * size)
    return float(terms.initial_rates[tier_of(terms, driver_of(terms, quantity, base))] * size)


@njit
def root_rate(rate: float, factor: float, unit: float, rate_unit: float, size: float) -> float:
    """A listed rate, or four fifths of it and the root of size (base units) where that is more."""
    if rate_unit == 0.0:
        root = factor * np.sqrt(10.0 * size + 1.0 / unit)
    else:
        root = cut(factor * np.floor(np.sqrt(10.0 * np.round(size * unit) + 1.0)) / np.sqrt(unit), rate_unit)
    return max(rate, 0.8 * rate + root) if root != 0.0 else rate


@njit
def class_margin(terms: MarketTerms, quantity: float, base: float, initial: float, class_rate: float) -> float:
    """Initial margin where the account's class allows less leverage than the curve; NaN may hold but not open."""
    if np.isnan(class_rate):
        return initial
    return max(initial, class_rate * notional(terms, quantity, base, worth(terms, base)))


@njit
def counted_pnl(terms: MarketTerms, base: float, cost: float) -> float:
    """Unrealised profit towards initial margin: losses whole, profits weighted and capped."""
    gain = base * worth(terms, base) - cost if base != 0.0 else 0.0
    return min(gain, terms.profit_weight * gain, terms.profit_cap)


@njit
def counted_cash(cash_terms: CashTerms, cash: float) -> float:
    """What an amount of the settlement asset counts towards initial margin; negative is debt."""
    if cash <= 0.0:
        return cash * cash_terms.debt_weight
    discount = cash_terms.root_discount
    weight_cap = 1.1 / (1.0 + discount * np.sqrt(10.0 * cash)) if discount > 0.0 else np.inf
    return counted_collateral(cash, cash_terms.weights, cash_terms.floors, 0, cash_terms.floors.size,
                              cash_terms.value_cap, weight_cap)


@njit
def after_fill(terms: MarketTerms, cash_terms: CashTerms, at: Standing, order: float, price: float) -> After:
    """The account after ``order`` (contracts, signed) is filled at ``price`` and has paid its fee."""
    quantity, base, cost, booked = filled(terms, at.quantity, at.base, at.cost, order, price)
    cash = at.cash + booked - fee(terms, order, price)
    initial = initial_margin(terms, quantity, base, cost,
                             terms.open_interest + opened_contracts(at.quantity, quantity))
    return After(quantity, base,
                 at.equity_elsewhere + counted_cash(cash_terms, cash) + counted_pnl(terms, base, cost),
                 at.initial_elsewhere + initial,
                 at.class_initial_elsewhere + class_margin(terms, quantity, base, initial, at.class_rate))


@njit
def opened_contracts(before: float, after: float) -> float:
    """By how much open interest may grow: the whole of a position that is new or on the other side."""
    return max(0.0, abs(after) - abs(before)) if before * after > 0.0 else abs(after)


@njit
def verdict(terms: MarketTerms, cash_terms: CashTerms, at: Standing, order: float, price: float) -> tuple[int, float]:
    """The first rule that refuses the order, or 0, and the collateral it leaves free; NaN where that was not asked.

    Whatever compares false because of a NaN refuses.
    """
    if is_reduction(at.quantity, order):
        return ALLOWED, np.nan
    if not terms.mark > 0.0:
        return INVALID_MARK, np.nan
    if np.isnan(at.class_rate):
        return CLASS_MAY_NOT_OPEN, np.nan
    after = after_fill(terms, cash_terms, at, order, price)
    if not driver_of(terms, after.quantity, after.base) <= terms.size_cap:
        return TIERS_END, np.nan
    if not notional(terms, after.quantity, after.base, terms.mark) + at.notional_elsewhere <= terms.position_cap:
        return POSITION_CAP, np.nan
    if terms.open_interest_cap < np.inf:
        if np.isnan(terms.open_interest):
            return OPEN_INTEREST_UNKNOWN, np.nan
        interest = terms.open_interest + opened_contracts(at.quantity, after.quantity)
        if not interest * terms.contract_size * (1.0 if terms.inverse else terms.mark) <= terms.open_interest_cap:
            return OPEN_INTEREST_CAP, np.nan
    free = after.equity - after.class_initial
    if not after.equity >= after.initial:
        return INITIAL_MARGIN, free
    return (ALLOWED if after.equity >= after.class_initial else CLASS_LEVERAGE), free


@njit
def lots(terms: MarketTerms, count: int) -> float:
    """Contracts in ``count`` lots."""
    if terms.lots_per_contract > 0.0:
        return count / terms.lots_per_contract
    return count * terms.lot


@njit
def is_whole(terms: MarketTerms, order: float) -> bool:
    """Whether the order is a whole number of lots; any size is where the lot is not known."""
    if not terms.lot_known:
        return True
    count = abs(order) / terms.lot
    return bool(abs(count - np.round(count)) <= LOT_SLACK + ROUNDING * count)


@njit
def first_opening(terms: MarketTerms, held: float) -> int:
    """The smallest number of lots above a position of ``held`` contracts that an order would have to close first."""
    count = max(1, int(min(held / lots(terms, 1), float(MAX_LOTS))))
    while count > 1 and lots(terms, count - 1) > held:
        count -= 1
    while lots(terms, count) <= held and count <= MAX_LOTS:
        count += 1
    return count


@njit
def largest_between(terms: MarketTerms, cash_terms: CashTerms, at: Standing, side: float, price: float, low: int,
                    free: float, high: int) -> int:
    """The largest allowed number of lots in [low, high], of which ``low`` is allowed and none is beyond a refused one.

    Steps grow from ``low`` until one is refused. Between the two, what they leave free tells where the line crosses 0,
    which within a tier is nearly the answer; every third step halves, so that a bad guess costs little.
    """
    step, refused, short = 1, high + 1, np.nan
    while low + 1 < refused and refused > high:
        tried = low + step if step < high - low else high
        code, left = verdict(terms, cash_terms, at, side * lots(terms, tried), price)
        if code != ALLOWED:
            refused, short = tried, left
        else:
            low, free = tried, left
            step *= STEP_GROWTH
    turn = 0
    while refused - low > 1:
        turn += 1
        tried = (low + refused) // 2
        if turn % 3 != 0 and free >= 0.0 and short < 0.0:
            guess = low + int((refused - low) * (free / (free - short)))
            tried = min(max(guess, low + 1), refused - 1)
        code, left = verdict(terms, cash_terms, at, side * lots(terms, tried), price)
        if code == ALLOWED:
            low, free = tried, left
        else:
            refused, short = tried, left
    return low


@njit
def first_in_tier(terms: MarketTerms, at: Standing, side: float, price: float, tier: int, low: int, high: int) -> int:
    """The smallest number of lots in [low, high] that leads to this tier or a higher one; ``high + 1`` if none does."""
    while low <= high:
        middle = (low + high) // 2
        quantity, base, _, _ = filled(terms, at.quantity, at.base, at.cost, side * lots(terms, middle), price)
        if tier_of(terms, driver_of(terms, quantity, base)) >= tier:
            high = middle - 1
        else:
            low = middle + 1
    return low


@njit
def largest_lots(terms: MarketTerms, cash_terms: CashTerms, at: Standing, side: float, price: float, first: int) -> int:
    """The largest allowed number of lots from ``first``, the smallest that opens; ``first - 1`` if none is.

    Within a tier free collateral falls with size, so allowed sizes come before refused ones. Over a table whose initial
    rate falls somewhere they need not: there each tier is asked, from the last down.
    """
    high = MAX_LOTS
    tier = 0 if terms.ascending else terms.floors.size - 1
    while tier >= 0:
        low = first if tier == 0 else first_in_tier(terms, at, side, price, tier, first, high)
        if low <= high:
            code, free = verdict(terms, cash_terms, at, side * lots(terms, low), price)
            if code == ALLOWED:
                return largest_between(terms, cash_terms, at, side, price, low, free, high)
        high = low - 1
        tier -= 1
    return first - 1


@njit
def judged(
    packed: FloatArray, quantity: float, base: float, cost: float, cash: float, equity_elsewhere: float,
    initial_elsewhere: float, class_initial_elsewhere: float, notional_elsewhere: float, class_rate: float,
    order: float, price: float, reduce_only: bool,
) -> tuple[int, int, float, float, float, float]:
    """Verdict, what stops a larger order, largest order (signed contracts), equity, initial margin and fee after.

    The fields of :class:`Standing` come one by one, which costs a call half of what the tuple does.
    """
    terms, cash_terms = unpacked(packed)
    at = Standing(quantity, base, cost, cash, equity_elsewhere, initial_elsewhere, class_initial_elsewhere,
                  notional_elsewhere, class_rate)
    side = 1.0 if order > 0.0 else -1.0
    against = at.quantity * order < 0.0
    if reduce_only:
        order = side * min(abs(order), abs(at.quantity)) if against else 0.0
        after = after_fill(terms, cash_terms, at, order, price)
        return (ALLOWED if against else NOTHING_TO_REDUCE, NOTHING_TO_REDUCE, -at.quantity if against else 0.0,
                after.equity, after.class_initial, fee(terms, order, price))
    code, _ = verdict(terms, cash_terms, at, order, price)
    if code == ALLOWED and not (is_reduction(at.quantity, order) or is_whole(terms, order)):
        code = BROKEN_LOT
    first = first_opening(terms, CLOSING * abs(at.quantity) if against else 0.0)
    count = largest_lots(terms, cash_terms, at, side, price, first) if first <= MAX_LOTS else MAX_LOTS
    whole = -at.quantity if against else 0.0
    largest = side * lots(terms, count) if count >= first else whole
    bound = ALLOWED
    if count < MAX_LOTS:
        bound, _ = verdict(terms, cash_terms, at, side * lots(terms, count + 1), price)
    after = after_fill(terms, cash_terms, at, order, price)
    return code, bound, largest, after.equity, after.class_initial, fee(terms, order, price)
