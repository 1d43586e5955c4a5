"""The stand-in for an executor: no order beyond its limit, and parts cost what the whole does."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.enforce.bar_points import PriceBar
from leverline.enforce.outside_market import OutsideMarket
from leverline.enforce.state import VenueState
from leverline.enforce.terms import MarketTerms, TierTerms, VenueTerms

SYMBOL = "BTC/USDT:USDT"
MARK = 10_000_000
TERMS = MarketTerms(SYMBOL, Fraction(1, 10), Fraction(1, 100_000), 1, (TierTerms(0, 20_000, 10_000, 0),),
                    None, None, None, None, None, 0, None, None)
BAR = PriceBar(SYMBOL, 0, MARK, MARK, MARK, MARK, sigma=0.02, turnover=1e13)


def world() -> VenueState:
    state = VenueState.of(VenueTerms("book", "USDT", {SYMBOL: TERMS}, {}))
    state.markets[SYMBOL] = replace(state.markets[SYMBOL], mark=MARK)
    return state


def market(bar: PriceBar = BAR, coefficient: float | None = 1.0) -> OutsideMarket:
    outside = OutsideMarket(coefficient)
    outside.begin([bar])
    return outside


@given(lots=st.integers(1, 10**6), sells=st.booleans(), past=st.integers(-300_000, 300_000))
def test_no_fill_is_worse_than_its_limit(lots: int, sells: bool, past: int) -> None:
    """The venue would refuse the fill, or an account would lose more than its order allowed."""
    state, signed = world(), lots if sells else -lots
    limit = MARK + past
    filled, price = market().takes(state, SYMBOL, signed, limit)
    assert 0 <= filled <= lots
    if filled:
        assert price >= limit if sells else price <= limit
        assert price <= MARK if sells else price >= MARK


def test_the_price_given_up_is_the_square_root_law() -> None:
    """The cost of forced selling would not be the one that the page states: a quarter of the turnover at 2 % gives
    up two thirds of 0.02 x 0.5."""
    filled, price = market().takes(world(), SYMBOL, 250_000, 1)
    assert filled == 250_000
    assert price == int(MARK * (1 - 2 / 3 * 0.02 * 0.5))


@given(first=st.integers(1, 400_000), second=st.integers(1, 400_000))
def test_two_orders_cost_what_one_of_both_does(first: int, second: int) -> None:
    """Cutting a liquidation into pieces would make impact disappear."""
    state, outside = world(), market()
    _, a = outside.takes(state, SYMBOL, first, 1)
    outside.took(state, SYMBOL, first)
    _, b = outside.takes(state, SYMBOL, second, 1)
    _, whole = market().takes(state, SYMBOL, first + second, 1)
    assert first * a + second * b == pytest.approx((first + second) * whole, abs=2 * (first + second))
    assert b <= a


def test_the_next_bar_forgets() -> None:
    """One bad hour would make every later one expensive."""
    state, outside = world(), market()
    outside.took(state, SYMBOL, 500_000)
    outside.begin([BAR])
    assert outside.takes(state, SYMBOL, 1_000, 1) == market().takes(state, SYMBOL, 1_000, 1)


@pytest.mark.parametrize(("bar", "coefficient"), [
    (replace(BAR, turnover=float("nan")), 1.0), (replace(BAR, sigma=float("nan")), 1.0), (BAR, None)])
def test_without_turnover_an_order_fills_at_its_limit_or_not_at_all(bar: PriceBar, coefficient: float | None) -> None:
    """An unknown impact would be taken for none, and every liquidation would look free."""
    state, outside = world(), market(bar, coefficient)
    assert outside.takes(state, SYMBOL, 7, MARK - 5) == (7, MARK - 5)
    assert outside.takes(state, SYMBOL, -7, MARK + 5) == (7, MARK + 5)
    assert outside.takes(state, SYMBOL, 7, MARK + 5)[0] == 0
    assert outside.takes(state, SYMBOL, -7, MARK - 5)[0] == 0
