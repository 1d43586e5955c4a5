"""What Aave v3.0, v3.3, v3.6, v3.7 and v4 promise of health and liquidation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leverline.margin.fixed_point import BPS, WAD, VenueRefusesError
from leverline.margin.rounding import ceil_div
from leverline.margin.rulebooks import aave_v3_0, aave_v3_3, aave_v3_7, aave_v4
from leverline.margin.rulebooks.aave_v3 import AccountState, Collateral, Holding, Position, Seizure

USD = 10**8
Outcome = tuple[Seizure, Position, dict[str, int]]


def liquidate_3_0(position: Position, collateral: str, debt: str, cover: int | None = None) -> Outcome:
    taken, after = aave_v3_0.liquidate(position, collateral, debt, cover)
    return taken, after, {}


def liquidate_3_3(position: Position, collateral: str, debt: str, cover: int | None = None) -> Outcome:
    done = aave_v3_3.liquidate(position, collateral, debt, cover, aave_v3_3.ARITHMETIC_3_3)
    return done.taken, done.after, dict(done.deficits)


def liquidate_3_6(position: Position, collateral: str, debt: str, cover: int | None = None) -> Outcome:
    done = aave_v3_3.liquidate(position, collateral, debt, cover)
    return done.taken, done.after, dict(done.deficits)


def liquidate_3_7(position: Position, collateral: str, debt: str, cover: int | None = None) -> Outcome:
    done = aave_v3_7.liquidate(position, collateral, debt, cover)
    return done.taken, done.after, dict(done.deficits)


State = Callable[[Position], AccountState]
AAVE: dict[str, tuple[State, Callable[..., Outcome]]] = {
    "3.0": (aave_v3_0.account_state, liquidate_3_0),
    "3.3": (lambda p: aave_v3_3.account_state(p, aave_v3_3.ARITHMETIC_3_3), liquidate_3_3),
    "3.6": (aave_v3_3.account_state, liquidate_3_6),
    "3.7": (aave_v3_7.account_state, liquidate_3_7),
}
EXACT = ("3.6", "3.7")  # health without an average in between
every_version = pytest.mark.parametrize("version", AAVE)


def collateral(asset: str, amount: int, price: int, threshold: int, bonus: int = 10_500, decimals: int = 18,
               ) -> Collateral:
    return Collateral(asset, amount, 10**decimals, price, threshold - 300, threshold, bonus, 1_000)


def simple(eth: int, price: int, usdc: int, threshold: int = 8_250, bonus: int = 10_500) -> Position:
    return Position((collateral("WETH", eth, price, threshold, bonus),), (Holding("USDC", usdc, 10**6, USD),))


mixed = st.builds(
    lambda eth, ether, btc, bitcoin, usdc, dai, low, high: Position(
        (collateral("WETH", eth, ether, low), collateral("WBTC", btc, bitcoin, high, 10_700, 8)),
        (Holding("USDC", usdc, 10**6, USD), Holding("DAI", dai, 10**18, USD - 123_456))),
    eth=st.integers(10**15, 10**21), ether=st.integers(200 * USD, 5_000 * USD), btc=st.just(0) | st.integers(0, 10**10),
    bitcoin=st.integers(10_000 * USD, 90_000 * USD), usdc=st.integers(10**6, 10**13), dai=st.integers(10**18, 10**25),
    low=st.integers(5_000, 9_000), high=st.integers(5_000, 9_000))


@pytest.mark.parametrize("version", EXACT)
@given(held=mixed, more=st.integers(1, 10**20))
def test_aave_more_collateral_never_hurts_and_more_debt_never_helps(version: str, held: Position, more: int) -> None:
    """A depositor would be liquidated for depositing, or saved by borrowing."""
    state, _ = AAVE[version]
    first, second = held.collateral
    richer = replace(held, collateral=(replace(first, amount=first.amount + more), second))
    deeper = replace(held, debt=(replace(held.debt[0], amount=held.debt[0].amount + more), held.debt[1]))
    assert state(deeper).health_factor <= state(held).health_factor <= state(richer).health_factor


@pytest.mark.parametrize("version", ["3.0", "3.3"])
def test_aave_up_to_3_4_a_small_deposit_can_lower_the_health(version: str) -> None:
    """A user would trust that adding collateral is safe: the average threshold is cut to a whole basis point."""
    state, _ = AAVE[version]
    held = simple(10 * 10**18, 2_000 * USD, 16_000 * 10**6)
    dust = replace(held, collateral=(*held.collateral, collateral("WBTC", 10, 50_000 * USD, 8_200, decimals=8)))
    assert state(dust).collateral_value > state(held).collateral_value
    assert state(dust).health_factor < state(held).health_factor


@every_version
@given(eth=st.integers(10**18, 10**21), usdc=st.integers(10**8, 10**12), threshold=st.integers(5_000, 9_300),
       seen=st.lists(st.integers(1, 10**5 * USD), max_size=6))
def test_aave_one_price_decides(version: str, eth: int, usdc: int, threshold: int, seen: list[int]) -> None:
    """A borrower would be liquidated above the price that the rule gives, or be spared below it."""
    state, liquidate = AAVE[version]
    worth = ceil_div(usdc * 100 * BPS, threshold)  # smallest collateral value that carries the debt, 1e-8 USD
    line = ceil_div(worth * 10**18, eth)
    unsure = 0 if version in EXACT else 1  # earlier versions round the carried debt to the nearest unit

    def healthy(price: int) -> bool:
        return state(simple(eth, price, usdc, threshold)).health_factor >= WAD

    assert healthy(line)
    assert not healthy(line - 1 - unsure)
    assert all(healthy(price) for price in seen if price >= line)
    assert not any(healthy(price) for price in seen if price < line - unsure)
    with pytest.raises(VenueRefusesError):
        liquidate(simple(eth, line, usdc, threshold), "WETH", "USDC")


@every_version
@given(held=mixed, take=st.sampled_from(("WETH", "WBTC")), pay=st.sampled_from(("USDC", "DAI")),
       cover=st.none() | st.integers(1, 10**25))
def test_aave_liquidation_accounts_for_every_unit(
    version: str, held: Position, take: str, pay: str, cover: int | None
) -> None:
    """Collateral would vanish, debt be burnt that nobody paid or wrote off, or the other reserves be touched."""
    state, liquidate = AAVE[version]
    health = state(held).health_factor
    try:
        taken, after, deficits = liquidate(held, take, pay, cover)
    except VenueRefusesError:
        return
    assert health < WAD
    assert 0 <= taken.protocol_fee <= taken.collateral_seized
    for old, new in zip(held.collateral, after.collateral, strict=True):
        moved = taken.to_liquidator + taken.protocol_fee if old.asset == take else 0
        assert new.amount + moved == old.amount
        assert new.amount >= 0
    for owed, left in zip(held.debt, after.debt, strict=True):
        repaid = taken.debt_repaid if owed.asset == pay else 0
        assert left.amount + repaid + deficits.get(owed.asset, 0) == owed.amount
        assert left.amount >= 0
        if cover is not None and owed.asset == pay:
            assert repaid <= cover
    if deficits:
        assert all(left.amount == 0 for left in after.debt)
        assert version != "3.0"


@every_version
@given(eth=st.integers(10**18, 10**21), price=st.integers(500 * USD, 5_000 * USD), health=st.integers(900, 999),
       dai=st.integers(0, 100))
def test_aave_half_at_most_while_the_account_is_barely_unhealthy(
    version: str, eth: int, price: int, health: int, dai: int
) -> None:
    """A borrower a cent short would lose all collateral to one call; from 3.3 on half is of all that is owed."""
    state, liquidate = AAVE[version]
    owed = eth * price // 10**18 * 8_250 // BPS * 1_000 // health  # 1e-8 USD
    usdc, rest = owed * (100 - dai) // 10_000, owed * dai // 100 * 10**10
    held = Position((collateral("WETH", eth, price, 8_250),),
                    (Holding("USDC", usdc, 10**6, USD), Holding("DAI", rest, 10**18, USD)))
    assume(owed * (100 - dai) // 100 >= 2_000 * USD)  # 3.3 closes smaller reserves whole
    barely = state(held).health_factor > 95 * WAD // 100
    try:
        taken, _, _ = liquidate(held, "WETH", "USDC")
    except VenueRefusesError:
        assert version != "3.0"  # would leave dust
        return
    half = usdc // 2 if version == "3.0" else min(usdc, owed // 200)
    assert abs(taken.debt_repaid - (half if barely else usdc)) <= 1


@every_version
@given(eth=st.integers(10**20, 10**22), price=st.integers(1_000 * USD, 3_000 * USD), bonus=st.integers(10_200, 11_000),
       percent=st.integers(91, 109), share=st.integers(10, 40))
def test_aave_liquidation_worsens_the_ratio_past_one_over_the_bonus_and_only_there(
    version: str, eth: int, price: int, bonus: int, percent: int, share: int
) -> None:
    """The docstring would warn of a harm that is not there, or keep silent about one that is."""
    assume(percent != 100)
    _, liquidate = AAVE[version]
    value = eth * price // 10**18
    usdc = value * BPS * percent // (100 * bonus) // 100  # debt at ``percent`` of collateral / bonus
    held = simple(eth, price, usdc, threshold=8_000, bonus=bonus)
    taken, after, _ = liquidate(held, "WETH", "USDC", usdc * share // 100)
    assume(taken.collateral_seized < eth)
    ratio_before = Fraction(usdc, eth)
    ratio_after = Fraction(after.debt[0].amount, after.collateral[0].amount)
    assert (ratio_after > ratio_before) is (percent > 100)


aave4_rules = st.builds(
    aave_v4.Rules, target_health_factor=st.integers(1_010, 1_300).map(lambda n: n * WAD // 1_000),
    health_for_max_bonus=st.integers(800, 990).map(lambda n: n * WAD // 1_000),
    bonus_factor_bps=st.integers(0, BPS), max_bonus_bps=st.integers(10_100, 11_000),
    collateral_factor_bps=st.integers(5_000, 9_000), fee_bps=st.integers(0, 5_000))


@given(rules=aave4_rules, value=st.integers(1_500, 20_000), health=st.integers(500, 999),
       cover=st.just(2**255) | st.integers(1, 20_000).map(lambda n: n * 10**6))
def test_aave_v4_takes_what_there_is_and_leaves_no_dust(
    rules: aave_v4.Rules, value: int, health: int, cover: int
) -> None:
    """More than the balance would be seized, or a remnant stay that nobody would ever liquidate."""
    debt_usd = value * rules.collateral_factor_bps * 1_000 // (BPS * health)
    assume(debt_usd > 0)
    side = aave_v4.Side(value * 10**15, 10**18, 1_000 * USD)
    owed = aave_v4.Side(debt_usd * 10**6, 10**6, USD)
    health_factor = value * rules.collateral_factor_bps * WAD // (BPS * debt_usd)
    assume(health_factor < WAD)
    try:
        done = aave_v4.liquidate(side, owed, cover, debt_usd * 10**26, health_factor, rules)
    except VenueRefusesError:
        return
    assert 0 <= done.to_liquidator <= done.collateral <= side.balance
    assert 0 < done.debt <= min(owed.balance, cover)
    debt_left, collateral_left = owed.balance - done.debt, side.balance - done.collateral
    if debt_left and collateral_left:
        assert owed.value(debt_left) >= aave_v4.DUST
        assert side.value(collateral_left) >= aave_v4.DUST


@given(rules=aave4_rules, value=st.integers(10**6, 10**9), health=st.integers(930, 999))
def test_aave_v4_stops_at_the_target_health(rules: aave_v4.Rules, value: int, health: int) -> None:
    """A liquidation would take more than the target needs, or leave the account to be liquidated again at once."""
    debt_usd = value * rules.collateral_factor_bps * 1_000 // (BPS * health)
    side = aave_v4.Side(value * 10**15, 10**18, 1_000 * USD)
    owed = aave_v4.Side(debt_usd * 10**6, 10**6, USD)
    health_factor = value * rules.collateral_factor_bps * WAD // (BPS * debt_usd)
    assume(health_factor < WAD)
    done = aave_v4.liquidate(side, owed, 2**255, debt_usd * 10**26, health_factor, rules)
    debt_left = Fraction(owed.balance - done.debt, 10**6)
    backing = Fraction(side.balance - done.collateral, 10**15) * rules.collateral_factor_bps / BPS
    target = Fraction(rules.target_health_factor, WAD)
    if debt_left and backing:
        assert target <= backing / debt_left + Fraction(1, 10**6)
        assert backing / debt_left <= target + Fraction(1, 10**4)


@given(value=st.integers(10**6, 10**9), bonus=st.integers(10_100, 11_000), percent=st.integers(90, 110),
       share=st.integers(10, 40))
def test_aave_v4_liquidation_worsens_the_ratio_past_one_over_the_bonus_and_only_there(
    value: int, bonus: int, percent: int, share: int
) -> None:
    """The docstring would warn of a harm that is not there, or keep silent about one that is."""
    assume(percent != 100)
    rules = aave_v4.Rules(11 * WAD // 10, 99 * WAD // 100, BPS, bonus, 7_500, 1_000)
    debt_usd = value * BPS * percent // (100 * bonus)
    side = aave_v4.Side(value * 10**15, 10**18, 1_000 * USD)
    owed = aave_v4.Side(debt_usd * 10**6, 10**6, USD)
    cover = owed.balance * share // 100
    done = aave_v4.liquidate(side, owed, cover, debt_usd * 10**26, value * 7_500 * WAD // (BPS * debt_usd), rules)
    assert done.debt == cover
    worse = Fraction(owed.balance - done.debt, side.balance - done.collateral) > Fraction(owed.balance, side.balance)
    assert worse is (percent > 100)
