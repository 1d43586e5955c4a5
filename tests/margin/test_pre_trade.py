"""The pre-trade check: against the whole valuation of the book after the fill, and what must hold of any answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from leverline.ground.errors import UsageError
from leverline.margin.curves import BracketCurve, CoinStepCurve, Curve, StepCurve
from leverline.margin.order_terms import order_terms
from leverline.margin.pre_trade import AccountView, Order, PreTrade, Reason, account_view, pre_trade
from leverline.margin.rules import MarketRules, VenueRules
from leverline.margin.tables import margin_tables
from leverline.margin.valuation import Valuation, value_accounts
from leverline.model.accounts import AccountBook, Asset, Market, Mode, Pool, Pools
from leverline.model.instrument import Payoff
from leverline.model.market_state import MarketState
from tests.margin.drawn_books import ASSETS, CURVES, FLOORS, SETTLEMENT, Drawn, drawn_books
from tests.margin.filled_books import after_fill, book_of_one, kept_by, position_rows

EXACT = 1e-9
FALLING = BracketCurve(FLOORS, (0.1, 0.4, 0.02, 0.5), (0.01, 0.01, 0.01, 0.25), (0.0, 0.0, 0.0, 14_400.0))
COINS = CoinStepCurve(50.0, 10.0, 0.02, 0.01, 0.005)
EVERY_CURVE: dict[str, Curve] = {**CURVES, "falling": FALLING, "coins": COINS}
SYMBOL = "X"


def view_of(drawn: Drawn, pool: int, *, open_orders: Sequence[Order] = (),
            owner_notional: dict[str, float] | None = None) -> AccountView:
    tables = margin_tables(drawn.book, drawn.rules, drawn.state)
    terms = order_terms(drawn.rules[drawn.book.pools[pool].venue], drawn.state)
    return account_view(tables, value_accounts(tables), pool, terms, open_orders=open_orders,
                        owner_notional=owner_notional)


def revalued(drawn: Drawn) -> Valuation:
    return value_accounts(margin_tables(drawn.book, drawn.rules, drawn.state))


def fill_price(drawn: Drawn, order: Order) -> float:
    mark = float(drawn.state.mark[drawn.state.names.index(order.symbol)])
    worse = max if order.quantity > 0 else min
    return mark if order.price is None else worse(order.price, mark)


@st.composite
def traded(draw: st.DrawFn) -> tuple[Drawn, Order]:
    """A drawn book whose markets charge fees and have lots and ends, and an order of its first pool."""
    drawn = draw(drawn_books(max_pools=2))
    lot, fee = draw(st.sampled_from([0.01, 0.5, 3.0])), draw(st.sampled_from([0.0, 5e-4]))
    added = {f"{k}-{payoff}": MarketRules(EVERY_CURVE[k], payoff, contract_size=2.0)
             for k in ("falling", "coins") for payoff in Payoff}
    rules = {name: replace(venue, markets={s: replace(m, lot=lot, taker_fee_rate=fee) for s, m in (
        dict(venue.markets) | added).items()}) for name, venue in drawn.rules.items()}
    names, new = drawn.state.names, tuple(added)
    extra = np.full(len(new), 100.0)
    unknown = np.full(len(new), np.nan)
    state = drawn.state
    state = MarketState(
        names + new, np.append(state.mark, extra), np.append(state.low, extra), np.append(state.high, extra),
        np.append(state.index, unknown), np.append(state.ts_ns, np.full(len(new), -1)),
        np.append(state.volatility_per_day, unknown), np.append(state.open_interest, unknown))
    book = replace(drawn.book, markets=drawn.book.markets + tuple(Market(v, s) for v in rules for s in new))
    drawn = Drawn(book, rules, state)
    venue = book.pools[0].venue
    held = [book.markets[m].symbol for m, _, _ in position_rows(book, 0)]
    symbol = draw(st.sampled_from(held * 3 + list(rules[venue].markets)))
    quantity = draw(st.integers(1, 600)) * lot * draw(st.sampled_from([1.0, -1.0]))
    price = draw(st.one_of(st.none(), st.floats(20.0, 400.0)))
    return drawn, Order(symbol, quantity, price)


@settings(max_examples=80)
@given(traded())
def test_the_answer_is_what_a_revaluation_of_the_filled_book_says(case: tuple[Drawn, Order]) -> None:
    """An order would be let in on a margin that the account's next valuation does not confirm."""
    drawn, order = case
    answer = pre_trade(view_of(drawn, 0), order)
    pools = revalued(after_fill(drawn, 0, order.symbol, order.quantity, fill_price(drawn, order))).pools
    scale = float(abs(pools.gross_notional[0]) + abs(pools.collateral_value[0]) + pools.debt_value[0]
                  + pools.initial_margin[0])
    assert answer.initial_margin == pytest.approx(pools.initial_margin[0], rel=EXACT, abs=EXACT * scale)
    assert answer.adjusted_equity_initial == pytest.approx(
        pools.adjusted_equity_initial[0], rel=EXACT, abs=EXACT * scale)
    if answer.allowed and not shrinks(drawn, order):
        assert pools.free_collateral[0] >= -EXACT * scale
    if answer.reason is Reason.INITIAL_MARGIN:
        assert pools.free_collateral[0] <= EXACT * scale


def shrinks(drawn: Drawn, order: Order) -> bool:
    held = {drawn.book.markets[m].symbol: q for m, q, _ in position_rows(drawn.book, 0)}.get(order.symbol, 0.0)
    return held * order.quantity < 0 and abs(order.quantity) <= abs(held)


@settings(max_examples=80)
@given(traded())
def test_the_largest_size_is_allowed_and_one_lot_more_is_not(case: tuple[Drawn, Order]) -> None:
    """A trader told a size would be refused at it, or told less than what is allowed."""
    drawn, order = case
    view = view_of(drawn, 0)
    answer = pre_trade(view, order)
    lot = drawn.rules[drawn.book.pools[0].venue].markets[order.symbol].lot
    assert lot is not None
    largest = abs(answer.largest_quantity)
    if largest > 0:
        assert pre_trade(view, order._replace(quantity=answer.largest_quantity)).allowed
    more = (math.floor(largest / lot * (1 + 1e-12)) + 1) * lot
    refused = pre_trade(view, order._replace(quantity=math.copysign(more, order.quantity)))
    assert not refused.allowed
    assert refused.reason is answer.bound_by
    if answer.allowed:
        assert abs(order.quantity) <= largest * (1 + 1e-12)


@settings(max_examples=40)
@given(st.sampled_from(sorted(EVERY_CURVE)), st.sampled_from(Payoff), st.floats(1.0, 3e4), st.integers(-300, 300),
       st.sampled_from([1.0, -1.0]))
def test_no_size_above_the_largest_is_allowed(curve: str, payoff: Payoff, cash: float, held: int, side: float) -> None:
    """The search would stop at the first refusal and miss a size that a table with a falling rate allows."""
    rules = market(EVERY_CURVE[curve], payoff=payoff, lot=1.0, taker_fee_rate=1e-3)
    view = view_of(one(rules, cash=cash, quantity=float(held)), 0)
    largest = abs(pre_trade(view, Order(SYMBOL, side)).largest_quantity)
    assume(largest < 5_000)
    allowed = [n for n in range(1, int(2 * largest) + 200) if pre_trade(view, Order(SYMBOL, side * n)).allowed]
    assert max(allowed, default=0) == largest


def market(curve: Curve, *, payoff: Payoff = Payoff.LINEAR, lot: float | None = None, taker_fee_rate: float = 0.0,
           position_cap: float | None = None, open_interest_cap: float | None = None,
           account_classes: dict[str, float] | None = None) -> MarketRules:
    return MarketRules(curve, payoff, lot=lot, taker_fee_rate=taker_fee_rate, position_cap=position_cap,
                       open_interest_cap=open_interest_cap, account_classes=account_classes)


def one(rules: MarketRules, *, cash: float, quantity: float = 0.0, entry: float = 100.0, mark: float = 100.0,
        open_interest: float = math.nan, account_class: str = "", mode: Mode = Mode.CROSS) -> Drawn:
    """One pool that holds cash and perhaps a position in X; Y is listed beside it."""
    n = int(quantity != 0)
    book = AccountBook(
        (Market("", SYMBOL), Market("", "Y")), (Asset("", SETTLEMENT),),
        Pools.of([Pool("", "a", "", "o", mode, account_class)]),
        np.array([0, n], dtype=np.int32), np.zeros(n, dtype=np.uint32), np.full(n, quantity), np.full(n, entry),
        np.array([0, 1], dtype=np.int32), np.zeros(1, dtype=np.uint32), np.array([cash]))
    venue = VenueRules("v", SETTLEMENT, {SYMBOL: rules, "Y": rules, "unmarked": rules})
    state = MarketState.of({SYMBOL: mark, "Y": mark})
    return Drawn(book, {"": venue}, replace(state, open_interest=np.full(2, open_interest)))


def asked(drawn: Drawn, quantity: float, price: float | None = None, *, reduce_only: bool = False) -> PreTrade:
    return pre_trade(view_of(drawn, 0), Order(SYMBOL, quantity, price, reduce_only))


TEN_TIMES = BracketCurve((0.0,), (0.1,), (0.05,), (0.0,))

scaled = st.floats(1.0, 3.0)


@settings(max_examples=80)
@given(traded(), scaled, st.floats(0.0, 1e-2))
def test_asking_for_more_never_allows_more(case: tuple[Drawn, Order], factor: float, fee: float) -> None:
    """A venue that tightens a limit would let larger orders through."""
    drawn, order = case
    venue = drawn.book.pools[0].venue
    old = drawn.rules[venue].markets[order.symbol]
    stricter = [replace(old, taker_fee_rate=old.taker_fee_rate + fee), replace(old, position_cap=2e4 / factor),
                replace(old, account_classes={"": 10.0 / factor})]
    if isinstance(old.curve, BracketCurve | StepCurve):
        raised = tuple(rate * factor for rate in old.curve.initial_rates)
        stricter += [replace(old, curve=replace(old.curve, initial_rates=raised)),
                     replace(old, curve=replace(old.curve, cap=5e4 / factor))]
    before = abs(pre_trade(view_of(drawn, 0), order).largest_quantity)
    for rules in stricter:
        changed = {**drawn.rules, venue: replace(drawn.rules[venue], markets={
            **drawn.rules[venue].markets, order.symbol: rules})}
        after = abs(pre_trade(view_of(drawn._replace(rules=changed), 0), order).largest_quantity)
        assert after <= before * (1 + 1e-9)


@settings(max_examples=80)
@given(traded(), st.sampled_from([SETTLEMENT, *ASSETS]), st.floats(0.01, 5e3))
def test_more_collateral_never_allows_less(case: tuple[Drawn, Order], asset: str, more: float) -> None:
    """A deposit would take buying power away."""
    drawn, order = case
    book = drawn.book
    at = book.assets.index(Asset(book.pools[0].venue, asset))
    kept = kept_by(book, 0)
    held = {int(m): (float(q), float(e)) for m, q, e in position_rows(book, 0)}
    poor = Drawn(book_of_one(book, 0, held, kept), drawn.rules, drawn.state)
    rich = Drawn(book_of_one(book, 0, held, {**kept, at: kept.get(at, 0.0) + more}), drawn.rules, drawn.state)
    before, after = (abs(pre_trade(view_of(who, 0), order).largest_quantity) for who in (poor, rich))
    assert after >= before


@settings(max_examples=40)
@given(traded(), st.floats(0.01, 1.0), st.booleans())
def test_what_only_shrinks_a_position_is_always_allowed(case: tuple[Drawn, Order], share: float, only: bool) -> None:
    """A trader in trouble could not get out, and would be liquidated instead."""
    drawn, _ = case
    shut = {name: replace(venue, markets={s: replace(m, position_cap=0.0, open_interest_cap=0.0, account_classes={})
                                          for s, m in venue.markets.items()}) for name, venue in drawn.rules.items()}
    view = view_of(drawn._replace(rules=shut), 0)
    for m, quantity, _ in position_rows(drawn.book, 0):
        symbol = drawn.book.markets[m].symbol
        answer = pre_trade(view, Order(symbol, -share * quantity, reduce_only=only))
        assert answer.allowed
        assert answer.reason is None
        assert answer.largest_quantity == -quantity
        assert not pre_trade(view, Order(symbol, quantity)).allowed


def test_hand_figures_of_a_plain_order() -> None:
    """1,000 at ten times leverage buy 100 units at 100; the fee of one in a thousand takes one of them."""
    drawn = one(market(TEN_TIMES, lot=1.0, taker_fee_rate=1e-3), cash=1_000.0)
    answer = asked(drawn, 50.0)
    assert answer == PreTrade(True, None, 99.0, Reason.INITIAL_MARGIN, 995.0, 500.0, 495.0, 5.0)


def test_a_flip_is_a_reduction_and_an_opening() -> None:
    """A long of 10 that lost 100 of 500 leaves 400: enough for a short of 44 at 90 and not of 45."""
    drawn = one(market(TEN_TIMES, lot=1.0), cash=500.0, quantity=10.0, mark=90.0)
    answer = asked(drawn, -54.0)
    assert answer.allowed
    assert answer.largest_quantity == -54.0
    assert answer.initial_margin == pytest.approx(44 * 9.0)
    assert answer.adjusted_equity_initial == pytest.approx(400.0)
    assert asked(drawn, -55.0).reason is Reason.INITIAL_MARGIN


def test_buying_above_the_mark_costs_at_once_and_below_it_gains_nothing() -> None:
    """Orders far from the mark would open positions that are under water, or count a gain nobody has."""
    drawn = one(market(TEN_TIMES, lot=1.0), cash=1_000.0)
    assert asked(drawn, 10.0, 110.0).adjusted_equity_initial == pytest.approx(900.0)
    assert asked(drawn, 10.0, 110.0).largest_quantity == 50.0  # each unit costs 10 at once and 10 of margin
    assert asked(drawn, 10.0, 50.0) == asked(drawn, 10.0)
    assert asked(drawn, -10.0, 90.0).adjusted_equity_initial == pytest.approx(900.0)
    assert asked(drawn, -10.0, 200.0) == asked(drawn, -10.0)


STEPS = StepCurve((0.0, 5.0), (0.1, 0.2), (0.05, 0.1), by_contracts=True, cap=8.0)
REFUSALS: dict[Reason, tuple[Drawn, float, float]] = {
    Reason.TIERS_END: (one(market(STEPS, lot=1.0), cash=1e6), 9.0, 8.0),
    Reason.POSITION_CAP: (one(market(TEN_TIMES, lot=1.0, position_cap=700.0), cash=1e6), 8.0, 7.0),
    Reason.OPEN_INTEREST_CAP: (
        one(market(TEN_TIMES, lot=1.0, open_interest_cap=700.0), cash=1e6, open_interest=4.0), 4.0, 3.0),
    Reason.OPEN_INTEREST_UNKNOWN: (one(market(TEN_TIMES, lot=1.0, open_interest_cap=700.0), cash=1e6), 4.0, 0.0),
    Reason.CLASS_LEVERAGE: (
        one(market(TEN_TIMES, lot=1.0, account_classes={"retail": 2.0}), cash=100.0, account_class="retail"), 3.0, 2.0),
    Reason.CLASS_MAY_NOT_OPEN: (
        one(market(TEN_TIMES, lot=1.0, account_classes={"retail": 2.0}), cash=100.0, account_class="other"), 1.0, 0.0),
    Reason.INITIAL_MARGIN: (one(market(TEN_TIMES, lot=1.0), cash=100.0), 11.0, 10.0),
}


@pytest.mark.parametrize("reason", REFUSALS, ids=lambda reason: reason.name.lower())
def test_every_rule_refuses_with_its_own_reason(reason: Reason) -> None:
    """A trader would be told to post margin where a cap is what stops the order."""
    drawn, quantity, largest = REFUSALS[reason]
    for side in (1.0, -1.0):
        answer = asked(drawn, side * quantity)
        assert (answer.allowed, answer.reason, answer.bound_by) == (False, reason, reason)
        assert answer.largest_quantity == side * largest


def test_an_order_that_no_rule_can_judge_is_refused() -> None:
    """A market without a mark or without limits would be traded unchecked."""
    drawn = one(market(TEN_TIMES, lot=0.1), cash=100.0)
    for symbol, reason in (("unmarked", Reason.INVALID_MARK), ("Z", Reason.NOT_LISTED)):
        answer = pre_trade(view_of(drawn, 0), Order(symbol, 1.0))
        assert (answer.allowed, answer.reason, answer.largest_quantity) == (False, reason, 0.0)
    assert asked(drawn, 0.25).reason is Reason.BROKEN_LOT
    assert asked(drawn, 0.3).allowed
    assert asked(drawn, 1.0).largest_quantity == 10.0
    for quantity in (0.0, math.nan, math.inf):
        with pytest.raises(UsageError, match="finite and not 0"):
            asked(drawn, quantity)
    with pytest.raises(UsageError, match="limit price"):
        asked(drawn, 1.0, -1.0)


def test_a_withheld_mark_opens_nothing() -> None:
    """A stale price would decide what may be opened."""
    drawn = one(market(TEN_TIMES, lot=1.0), cash=1e6)
    tables = margin_tables(drawn.book, drawn.rules, drawn.state)
    terms = order_terms(drawn.rules[""], drawn.state, withheld=[SYMBOL])
    view = account_view(tables, value_accounts(tables), 0, terms)
    assert pre_trade(view, Order(SYMBOL, 1.0)).reason is Reason.INVALID_MARK
    assert pre_trade(view, Order("Y", 1.0)).allowed


def test_a_curve_that_asks_less_of_more_is_refused() -> None:
    """The search for the largest size rests on it."""
    drawn = one(market(BracketCurve((0.0,), (-0.1,), (0.05,), (0.0,))), cash=100.0)
    with pytest.raises(UsageError, match="not negative"):
        order_terms(drawn.rules[""], drawn.state)


def test_a_reducing_order_never_opens() -> None:
    """A stop order would turn the account around."""
    drawn = one(market(TEN_TIMES, lot=1.0), cash=1e6, quantity=10.0)
    answer = asked(drawn, -25.0, reduce_only=True)
    assert (answer.allowed, answer.largest_quantity, answer.initial_margin) == (True, -10.0, 0.0)
    assert asked(drawn, 5.0, reduce_only=True).reason is Reason.NOTHING_TO_REDUCE


def test_closing_everything_closes_everything() -> None:
    """Three times 0.1 is more than 0.3 by the last digit: dust would be left, or the exit refused as an opening."""
    drawn = one(market(TEN_TIMES, lot=0.1), cash=-1e6, quantity=0.3)
    answer = asked(drawn, -3 * 0.1)
    assert (answer.allowed, answer.largest_quantity, answer.initial_margin) == (True, -0.3, 0.0)


def test_an_isolated_pool_takes_no_second_market() -> None:
    """Its collateral would stand for a loss that it was posted to be apart from."""
    drawn = one(market(TEN_TIMES, lot=1.0), cash=1e6, quantity=10.0, mode=Mode.ISOLATED)
    assert pre_trade(view_of(drawn, 0), Order("Y", 1.0)).reason is Reason.OTHER_POOL
    assert asked(drawn, 1.0).allowed


def test_the_position_cap_counts_what_the_owner_holds_elsewhere() -> None:
    """Ten accounts of one owner would hold ten times the cap."""
    drawn = one(market(TEN_TIMES, lot=1.0, position_cap=1_000.0), cash=1e6, quantity=2.0)
    book = drawn.book
    twice = replace(
        book, pools=Pools.of([Pool("", name, "", owner, Mode.CROSS, "") for name, owner in ("ao", "bo", "cp")]),
        position_offsets=np.array([0, 1, 2, 3], dtype=np.int32), position_market=np.zeros(3, dtype=np.uint32),
        quantity=np.array([2.0, -3.0, 9.0]), entry_price=np.full(3, 100.0),
        holding_offsets=np.array([0, 1, 1, 1], dtype=np.int32))
    owned = drawn._replace(book=twice)
    assert asked(drawn, 1.0).largest_quantity == 8.0
    assert asked(owned, 1.0).largest_quantity == 5.0
    named = view_of(owned, 0, owner_notional={SYMBOL: 600.0})
    assert pre_trade(named, Order(SYMBOL, 1.0)).largest_quantity == 2.0


def test_resting_orders_hold_their_margin() -> None:
    """The same collateral would be promised to two orders."""
    drawn = one(market(TEN_TIMES, lot=1.0), cash=1_000.0)
    buys = [Order(SYMBOL, 30.0), Order(SYMBOL, 20.0, 110.0), Order("Y", -10.0)]
    view = view_of(drawn, 0, open_orders=[*buys, Order(SYMBOL, -99.0, reduce_only=True)])
    # 1,000 less 200 lost by the dear buy, 500 for its side of X and 100 for Y
    assert pre_trade(view, Order(SYMBOL, 1.0)).largest_quantity == 20.0
    # the other side of X does not need what its buys hold
    assert pre_trade(view, Order(SYMBOL, -1.0)).largest_quantity == -90.0
    assert pre_trade(view, Order("Y", -1.0)).largest_quantity == -20.0


@settings(max_examples=40)
@given(traded(), st.lists(st.tuples(st.integers(-40, 40).filter(bool), st.floats(50.0, 200.0)), max_size=3))
def test_an_order_beside_resting_ones_is_covered_when_all_of_its_side_fill(
    case: tuple[Drawn, Order], rest: list[tuple[int, float]],
) -> None:
    """Orders that are each affordable would together leave the account below initial margin."""
    drawn, order = case
    resting = [Order(order.symbol, float(lots), price) for lots, price in rest]
    answer = pre_trade(view_of(drawn, 0, open_orders=resting), order)
    state = drawn
    for fill in [r for r in resting if r.quantity * order.quantity > 0]:
        state = after_fill(state, 0, fill.symbol, fill.quantity, fill_price(drawn, fill))
        state = state._replace(state=drawn.state)  # resting orders are not open interest yet
    assume(answer.allowed and not shrinks(state, order))
    pools = revalued(after_fill(state, 0, order.symbol, order.quantity, fill_price(drawn, order))).pools
    scale = float(pools.gross_notional[0] + abs(pools.collateral_value[0]) + pools.initial_margin[0])
    assert pools.free_collateral[0] >= -EXACT * scale
