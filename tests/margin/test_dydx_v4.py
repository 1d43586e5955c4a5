"""dYdX v4: what its margin and liquidation rules promise at every size."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.ground.errors import UsageError
from leverline.margin.rulebooks.dydx_v4 import (
    LiquidityTier,
    Position,
    Risk,
    compare_risk,
    initial_margin,
    maintenance_margin,
    without_tails,
)
from leverline.margin.rulebooks.dydx_v4_liquidation import (
    Account,
    bankruptcy_quote,
    deleverage,
    fillable_price,
    price_in_subticks,
)

TIER = LiquidityTier(50_000, 600_000, 40 * 10**12, 100 * 10**12)
PRICE = Fraction(50_000)
amounts = st.integers(0, 10**16)
sizes = st.integers(1_000, 10**10)


def account(size: int, usdc: int, price: Fraction = PRICE) -> Account:
    return Account(usdc, (Position("BTC", size, price, -8, TIER),))


@given(notional=amounts, a=amounts, b=amounts)
def test_more_open_interest_never_allows_more_leverage(notional: int, a: int, b: int) -> None:
    """A crowded market must not let newcomers in on easier terms than an empty one."""
    low, high = sorted((a, b))
    assert initial_margin(notional, TIER, low) <= initial_margin(notional, TIER, high)


@given(a=amounts, b=amounts)
def test_a_larger_position_never_needs_less(a: int, b: int) -> None:
    """Growing a position could otherwise save it from liquidation."""
    low, high = sorted((a, b))
    assert maintenance_margin(low, TIER) <= maintenance_margin(high, TIER) <= initial_margin(high, TIER, 0)


@given(size=sizes, usdc=st.integers(-(10**13), 10**13), share=st.fractions(Fraction(1, 100), 1))
def test_closing_at_the_bankruptcy_price_never_makes_the_rest_poorer(size: int, usdc: int, share: Fraction) -> None:
    """The first of two partial fills would eat the collateral that the second one is owed."""
    before = account(size, usdc)
    closed = max(int(size * share), 1)
    quote = bankruptcy_quote(before, "BTC", -closed)
    old, new = before.risk(), before.after_trade("BTC", -closed, quote).risk()
    assert new.net_collateral * old.maintenance >= old.net_collateral * new.maintenance


@given(size=sizes)
def test_closing_all_at_the_bankruptcy_price_leaves_exactly_nothing(size: int) -> None:
    """The insurance fund would be owed or owe a remainder of a closed account."""
    before = account(size, -(size * 500) + 7)
    assert before.after_trade("BTC", -size, bankruptcy_quote(before, "BTC", -size)).usdc == 0


@given(size=sizes, lower=st.integers(1, 10**6), step=st.integers(0, 10**6))
def test_a_poorer_account_is_offered_at_a_worse_price(size: int, lower: int, step: int) -> None:
    """Liquidators would wait for richer accounts and leave the dangerous ones."""
    debt = -(size * 500)
    rich = fillable_price(account(size, debt + lower + step), "BTC", 10**6, 1_500_000)
    poor = fillable_price(account(size, debt + lower), "BTC", 10**6, 1_500_000)
    assert poor <= rich <= PRICE * Fraction(10) ** -2


@given(price=st.fractions(0, 10**9), tick=st.integers(1, 10**6), exponent=st.integers(-9, 2))
def test_ticks_round_against_the_liquidated_account_only_by_less_than_a_tick(
    price: Fraction, tick: int, exponent: int
) -> None:
    """A sell below or a buy above the fillable price would hand the account's money to the taker."""
    exact = price / Fraction(10) ** exponent
    sell, buy = (price_in_subticks(price, liquidating_long=long, subticks_per_tick=tick,
                                   quantum_conversion_exponent=exponent) for long in (True, False))
    assert sell % tick == buy % tick == 0
    assert exact <= sell < exact + 2 * tick
    assert buy <= exact or buy == tick  # one tick is the least there is


@given(a=st.tuples(st.integers(-99, 99), st.integers(0, 99)), b=st.tuples(st.integers(-99, 99), st.integers(0, 99)))
def test_risk_order_does_not_depend_on_who_is_named_first(a: tuple[int, int], b: tuple[int, int]) -> None:
    """Two nodes would liquidate different accounts first."""
    first, second = Risk(a[0], 0, a[1]), Risk(b[0], 0, b[1])
    assert compare_risk(first, second) == -compare_risk(second, first)


@given(bankrupt_size=sizes, held=st.lists(st.integers(-(10**9), 10**9), max_size=5))
def test_deleveraging_moves_positions_and_money_without_making_any(bankrupt_size: int, held: list[int]) -> None:
    """Longs would no longer equal shorts, or quote would appear from nowhere."""
    bankrupt = account(-bankrupt_size, bankrupt_size * 490)
    candidates = [account(size, 10**13) for size in held]
    done = deleverage(bankrupt, "BTC", bankrupt_size, candidates)
    after = (done.liquidated, *done.candidates)

    def size_of(one: Account) -> int:
        return sum(p.base_quantums for p in one.positions)

    assert sum(map(size_of, after)) == -bankrupt_size + sum(held)
    assert sum(one.usdc for one in after) == bankrupt.usdc + sum(one.usdc for one in candidates)
    assert sum(size for _, size in done.fills) + done.remaining == bankrupt_size


def test_a_counterparty_that_the_price_would_ruin_is_passed_over() -> None:
    """One bankrupt account would bankrupt the next."""
    bankrupt = account(-(10**8), 40_000 * 10**6)  # bankrupt at 40,000 with the oracle at 50,000
    thin, rich = account(10**8, -45_000 * 10**6), account(10**8, 10**12)
    done = deleverage(bankrupt, "BTC", 10**8, [thin, rich])
    assert [place for place, _ in done.fills] == [1]


def test_a_delta_that_opens_is_refused() -> None:
    """A liquidation would enlarge the position it is to close."""
    with pytest.raises(UsageError):
        bankruptcy_quote(account(10**8, 0), "BTC", 1)
    with pytest.raises(UsageError):
        bankruptcy_quote(account(10**8, 0), "BTC", -(10**8) - 1)


@given(samples=st.lists(st.integers(-100, 100), max_size=30), rate=st.integers(0, 500_000))
def test_tails_are_cut_evenly(samples: list[int], rate: int) -> None:
    """A lone false premium could move funding."""
    kept = without_tails(samples, rate)
    cut = len(samples) - len(kept)
    assert kept == sorted(samples)[cut // 2:len(samples) - (cut - cut // 2)]
    assert cut <= 2 * len(samples) * rate / 1_000_000


def test_replacing_a_tier_keeps_its_checks() -> None:
    """A tier whose bounds cross would divide by a negative width."""
    with pytest.raises(UsageError):
        replace(TIER, open_interest_lower=TIER.open_interest_upper + 1)
