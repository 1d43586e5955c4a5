"""What perpetuals venues on chain promise at every size, price and open interest: dYdX, GMX, Synthetix."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leverline.margin.rulebooks import dydx_v4, gmx_v2, synthetix_v3
from leverline.margin.rulebooks import dydx_v4_liquidation as dydx_liquidation

PPM = dydx_v4.PPM
dydx_tiers = st.builds(
    lambda im, mf, lower, width: dydx_v4.LiquidityTier(im, mf, lower, lower + width),
    st.integers(1, PPM), st.integers(0, PPM), st.integers(0, 10**14), st.integers(0, 10**14))
notionals = st.integers(0, 10**15)


@given(tier=dydx_tiers, a=notionals, b=notionals, open_interest=st.integers(0, 10**15))
def test_dydx_requirements_grow_with_size_by_no_more_than_the_size(
    tier: dydx_v4.LiquidityTier, a: int, b: int, open_interest: int
) -> None:
    """A position would be safer for being larger, or one quantum of size would cost more than itself."""
    low, high = sorted((a, b))
    staying = [dydx_v4.maintenance_margin(n, tier) for n in (low, high)]
    opening = [dydx_v4.initial_margin(n, tier, open_interest) for n in (low, high)]
    for least, most in (staying, opening):
        assert 0 <= most - least <= high - low
    assert staying[1] <= opening[1] <= high


@given(tier=dydx_tiers, size=st.integers(-(10**9), 10**9), price=st.fractions(Fraction(1, 100), 10**5),
       a=st.integers(0, 10**12), b=st.integers(0, 10**12), custom=st.integers(0, PPM))
def test_dydx_open_interest_raises_opening_only_and_a_custom_rate_never_lowers_it(
    tier: dydx_v4.LiquidityTier, size: int, price: Fraction, a: int, b: int, custom: int
) -> None:
    """Others' trading would liquidate an open position, or a wish for more leverage than allowed be granted."""
    calm, crowded = (dydx_v4.position_risk(dydx_v4.Position("BTC", size, price, -8, tier, oi)) for oi in sorted((a, b)))
    assert calm.initial <= crowded.initial
    assert calm.maintenance == crowded.maintenance
    value = abs(calm.net_collateral)
    assert dydx_v4.initial_margin(value, tier, a, custom) >= dydx_v4.initial_margin(value, tier, a)


@given(tier=dydx_tiers, size=st.integers(1, 10**10), side=st.sampled_from((1, -1)), equity=st.integers(-(10**9), 10**9),
       p=st.fractions(Fraction(1, 100), 10**5), q=st.fractions(Fraction(1, 100), 10**5))
def test_dydx_a_price_that_is_worse_never_saves_an_account(
    tier: dydx_v4.LiquidityTier, size: int, side: int, equity: int, p: Fraction, q: Fraction
) -> None:
    """There would be no one price from which on an account is liquidated."""
    worse, better = sorted((p, q)) if side > 0 else sorted((p, q), reverse=True)
    entry = dydx_v4.notional(side * size, (p + q) / 2, -8)

    def missing(price: Fraction) -> int:
        risk = dydx_v4.account_risk(equity - entry, [dydx_v4.Position("BTC", side * size, price, -8, tier)])
        assert risk.liquidatable is (risk.maintenance > 0 and not risk.maintained)
        return risk.maintenance - risk.net_collateral

    assert missing(better) <= missing(worse)


@given(tier=dydx_tiers, size=st.integers(1, 10**10))
def test_dydx_one_quantum_decides(tier: dydx_v4.LiquidityTier, size: int) -> None:
    """An account that has exactly what it needs would be liquidated, or one that lacks a quantum left alone."""
    position = dydx_v4.Position("BTC", size, Fraction(50_000), -8, tier)
    needs = dydx_v4.position_risk(position)
    assume(needs.maintenance > 0)
    exact = needs.maintenance - needs.net_collateral
    assert not dydx_v4.account_risk(exact, [position]).liquidatable
    assert dydx_v4.account_risk(exact - 1, [position]).liquidatable


legs = st.lists(st.tuples(st.integers(-(10**9), 10**9).filter(lambda n: abs(n) > 1000), st.integers(1, 10**5)),
                min_size=1, max_size=4)
FLAT_TIER = dydx_v4.LiquidityTier(50_000, 600_000)


def dydx_account(held: list[tuple[int, int]], equity: int) -> dydx_liquidation.Account:
    positions = tuple(dydx_v4.Position(str(n), size, Fraction(price), -8, FLAT_TIER)
                      for n, (size, price) in enumerate(held))
    return dydx_liquidation.Account(equity - dydx_v4.account_risk(0, positions).net_collateral, positions)


@given(held=legs, equity=st.integers(-(10**9), 10**9), order=st.randoms(use_true_random=False))
def test_dydx_closing_everything_at_bankruptcy_prices_leaves_nothing_in_any_order(
    held: list[tuple[int, int]], equity: int, order: Random
) -> None:
    """The order of liquidations would decide what the insurance fund is left with."""
    account = dydx_account(held, equity)
    assume(account.risk().maintenance > 0)
    markets = [p.market for p in account.positions if dydx_v4.position_risk(p).maintenance > 0]
    assume(len(markets) == len(held))
    order.shuffle(markets)
    for market in markets:
        position = account.position(market)
        assert position is not None
        quote = dydx_liquidation.bankruptcy_quote(account, market, -position.base_quantums)
        account = account.after_trade(market, -position.base_quantums, quote)
    assert account.positions == ()
    assert account.usdc == 0


@given(size=st.integers(10**6, 10**9), side=st.sampled_from((1, -1)), equity=st.integers(-(10**9), 10**9),
       subticks=st.integers(1, 10**7), fee=st.integers(0, 50_000))
def test_dydx_fund_pays_exactly_the_hole_and_takes_no_more_than_its_fee(
    size: int, side: int, equity: int, subticks: int, fee: int
) -> None:
    """A closed account would keep a debt that nobody owes, or the fund would take what is the account's."""
    account = dydx_account([(side * size, 50_000)], equity)
    filled = size * subticks // 10**3
    assume(filled > 0)
    delta = dydx_liquidation.insurance_fund_delta(
        account, "0", is_buy=side < 0, fill_base_quantums=size, subticks=subticks, quantum_conversion_exponent=-3,
        max_liquidation_fee_ppm=fee)
    left = account.after_trade("0", -side * size, side * filled).usdc - delta
    assert delta <= filled * fee // PPM
    assert left == 0 if delta < 0 else left >= 0
    assert dydx_liquidation.fund_can_pay(max(-delta, 0), delta)
    assert delta >= 0 or not dydx_liquidation.fund_can_pay(-delta - 1, delta)


@given(value=st.integers(-(10**13), 10**13), least=st.integers(0, 10**12), portion=st.integers(0, PPM))
def test_dydx_a_block_takes_no_more_than_there_is(value: int, least: int, portion: int) -> None:
    """A partial liquidation would overshoot the position, or forbid every size."""
    smallest, largest = dydx_liquidation.notional_limits(value, least, portion)
    assert 0 <= smallest <= largest <= abs(value)


def exact_line(safe: Callable[[Fraction], bool], line: Fraction, side: int, seen: list[Fraction]) -> None:
    """``safe`` at the line and before it, not one tick beyond it; checked at every positive price seen."""
    tick = Fraction(1, 10**12)
    assert safe(line)
    assert safe(line + side * tick)
    assert not safe(line - side * tick)
    for price in seen:
        assert safe(price) is ((price - line) * side >= 0)


positive = st.integers(1, 10**7).map(lambda n: Fraction(n, 100))
grids = st.lists(positive, max_size=8)


@given(size=positive, entry=positive, share=st.integers(2, 60), is_long=st.booleans(), fees=st.integers(0, 100),
       impact=st.integers(-100, 100), seen=grids)
def test_gmx_one_price_decides(size: Fraction, entry: Fraction, share: int, is_long: bool, fees: int, impact: int,
                               seen: list[Fraction]) -> None:
    """A position would be closed while it has the collateral that its size asks for; gains from impact do not count."""
    factor, least = Fraction(1, 100), Fraction(1)
    fee, closing = size * fees / 100_000, size * impact / 100_000
    position = gmx_v2.Position(size, entry, size * share / 100, is_long)

    def safe(price: Fraction) -> bool:
        left = gmx_v2.remaining_collateral(position, Fraction(1), price, closing, fee)
        return not gmx_v2.liquidatable(position, left, factor, least)

    side = 1 if is_long else -1
    room = position.collateral_tokens - fee + min(closing, Fraction(0)) - max(size * factor, least)
    line = entry * (1 - side * room / size)
    assume(line > Fraction(1, 1000))
    exact_line(safe, line, side, seen)


@given(size=positive, more=positive, left=st.integers(-10, 10**6))
def test_gmx_a_larger_position_never_needs_less(size: Fraction, more: Fraction, left: int) -> None:
    """Size would buy safety."""
    small, large = (gmx_v2.Position(s, Fraction(1), Fraction(1), is_long=True) for s in (size, size + more))
    if gmx_v2.liquidatable(small, Fraction(left), Fraction(1, 100), Fraction(1)):
        assert gmx_v2.liquidatable(large, Fraction(left), Fraction(1, 100), Fraction(1))


@given(size=positive, entry=positive, price=positive, tokens=positive, collateral_price=positive, is_long=st.booleans(),
       fees=st.integers(0, 10**6), impact=st.integers(-(10**6), 10**6))
def test_gmx_holder_gets_collateral_and_profit_less_costs_and_never_pays_in(
    size: Fraction, entry: Fraction, price: Fraction, tokens: Fraction, collateral_price: Fraction, is_long: bool,
    fees: int, impact: int
) -> None:
    """A position that is liquidated for its fallen collateral would lose its profit, or the pool pay it twice."""
    position = gmx_v2.Position(size, entry, tokens, is_long)
    now = collateral_price, price, Fraction(impact), Fraction(fees)
    back, profit = gmx_v2.returned_tokens(position, *now), gmx_v2.profit_paid(position, *now)
    worth = tokens * collateral_price + gmx_v2.pnl(position, price) + impact - fees
    assert back * collateral_price + profit == max(worth, 0)
    assert 0 <= back <= tokens
    assert profit >= 0


def test_gmx_a_liquidated_position_keeps_its_profit() -> None:
    """A short whose collateral coin fell would forfeit what it won."""
    position = gmx_v2.Position(Fraction(450_000), Fraction(15), Fraction(1), is_long=False)
    now = Fraction(2_500), Fraction("14.99"), Fraction(0), Fraction(0)
    left = gmx_v2.remaining_collateral(position, *now)
    assert gmx_v2.liquidatable(position, left, Fraction(1, 100), Fraction(1))
    assert gmx_v2.returned_tokens(position, *now) == 1
    assert gmx_v2.profit_paid(position, *now) == 300


@given(a=positive, b=positive, factor=st.fractions(0, 1), multiplier=st.fractions(0, Fraction(1, 10**6)))
def test_gmx_orders_are_never_asked_less_for_a_crowded_market(
    a: Fraction, b: Fraction, factor: Fraction, multiplier: Fraction
) -> None:
    """Crowding would ease the terms of those who come last."""
    low, high = sorted((a, b))
    calm, crowded = (gmx_v2.order_collateral_factor(factor, oi, multiplier) for oi in (low, high))
    assert factor <= calm <= crowded


SNX = synthetix_v3.Market(Fraction(1_000), Fraction(2), Fraction(1, 100), Fraction(1, 2), Fraction(50))
snx_sizes = st.integers(0, 10**5).map(lambda n: Fraction(n, 100))


@given(a=snx_sizes, b=snx_sizes, price=positive)
def test_synthetix_margins_grow_with_size_and_opening_asks_more(a: Fraction, b: Fraction, price: Fraction) -> None:
    """A position would be safer for being larger, or be liquidated as soon as it is opened."""
    low, high = sorted((a, b))
    for lesser, greater in zip(synthetix_v3.margins(SNX, low, price), synthetix_v3.margins(SNX, high, price),
                               strict=True):
        assert lesser <= greater
    assert synthetix_v3.margins(SNX, -high, price) == synthetix_v3.margins(SNX, high, price)
    initial, maintenance = synthetix_v3.margins(SNX, high, price)
    assert initial >= maintenance


@given(size=st.integers(1, 10**4).map(lambda n: Fraction(n, 100)), entry=positive, side=st.sampled_from((1, -1)),
       share=st.integers(2, 60), reward=st.integers(0, 100), seen=grids)
def test_synthetix_one_price_decides(size: Fraction, entry: Fraction, side: int, share: int, reward: int,
                                     seen: list[Fraction]) -> None:
    """An account that can pay its margin and its keeper would be liquidated, or one that cannot left alone."""
    deposit = size * entry * share / 100 + SNX.minimum_position_margin

    def safe(price: Fraction) -> bool:
        available = deposit + synthetix_v3.pnl(side * size, entry, price)
        return not synthetix_v3.liquidatable(available, synthetix_v3.margins(SNX, side * size, price)[1],
                                             Fraction(reward))

    rate = (synthetix_v3.margins(SNX, size, entry)[1] - SNX.minimum_position_margin) / (size * entry)
    line = (deposit - SNX.minimum_position_margin - reward - side * size * entry) / (size * (rate - side))
    assume(line > Fraction(1, 1000))
    exact_line(safe, line, side, seen)


@given(size=st.integers(-(10**5), 10**5).map(Fraction), skew=st.integers(-(10**5), 10**5).map(Fraction), price=positive)
def test_synthetix_a_round_trip_costs_no_premium(size: Fraction, skew: Fraction, price: Fraction) -> None:
    """A trader could win from the pool by going in and out, or be charged for standing still."""
    scale = Fraction(10**6)
    assert synthetix_v3.fill_price(price, size, skew, scale) == synthetix_v3.fill_price(
        price, -size, skew + size, scale)


@pytest.mark.parametrize("first", [Fraction(30), Fraction(100)])
def test_synthetix_a_window_is_shared_by_all_accounts(first: Fraction) -> None:
    """Two whales would be sold at once into a market that can bear one."""
    window = synthetix_v3.LiquidationWindow(Fraction(100), Fraction(30))
    assert window.liquidate(Fraction(0), first) == first
    assert window.liquidate(Fraction(1), Fraction(100)) == 100 - first
    assert window.liquidate(Fraction(29), Fraction(1)) == 0
