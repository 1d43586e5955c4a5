"""What our own way of liquidating promises, on random pools."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
from hypothesis import assume, given

from leverline.enforce.effects import LiquidationClosed, LiquidationOrder
from leverline.enforce.events import Deposit, FundInsurance, LiquidationFill
from leverline.enforce.margining import standing
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.sizing import CloseFactor, Portion, StagedByTime, TargetHealth, WholePool
from leverline.enforce.socialise import largest_remainder
from leverline.enforce.terms import TierTerms
from leverline.enforce.venue import OUTSIDE_MARKET
from tests.enforce.worlds import ANN, BTC, ETH, World, market

USDT = 10**6
TIERS = (TierTerms(0, 50_000, 25_000, 0), TierTerms(30 * USDT, 80_000, 40_000, 450_000))
SIZES = st.sampled_from([TargetHealth(), Portion(100_000, 0), CloseFactor(), StagedByTime(1_000, 375)])
sides = st.sampled_from([-1, 1])


def liquidated(size: object, btc: int, eth: int, cash: int, coins: int, to: int, penalty_ppm: int) -> World:
    """A pool with positions in two markets and some coins, after BTC moved from 10,000 to ``to`` ticks."""
    world = World.of(replace(LEVERLINE, size=size, closing_stages=()),  # type: ignore[arg-type]
                     market(BTC, tiers=TIERS, penalty_ppm=penalty_ppm), market(ETH, penalty_ppm=penalty_ppm))
    world.open(ANN, cash)
    if coins:
        world.must(Deposit(ANN, "COIN", coins))
    world.must(FundInsurance("", 10**15))
    world.price("COIN", USDT)
    world.price(ETH, 10_000)
    world.price(BTC, 10_000)
    for name, lots in ((BTC, btc), (ETH, eth)):
        pair = (ANN, OUTSIDE_MARKET) if lots > 0 else (OUTSIDE_MARKET, ANN)
        if lots:
            effects = world.trade(*pair, abs(lots), 10_000, name)
            assume(not any(isinstance(e, LiquidationOrder) for e in effects))
    world.effects = world.price(BTC, to)
    return world


@st.composite
def sinking(draw: st.DrawFn) -> dict[str, int]:
    """A pool that was safe at 10,000 ticks and stands anywhere between 20 % short of nothing and maintenance now."""
    side, btc, drop = draw(sides), draw(st.integers(1, 200)), draw(st.integers(600, 2_000))
    eth, coins = draw(sides) * draw(st.integers(0, 20)), draw(st.integers(0, 3 * USDT))
    to = 10_000 - side * drop
    row = market(BTC, tiers=TIERS)
    need = row.maintenance(row.notional(btc, to)) + market(ETH).maintenance(abs(eth) * USDT)
    cash = btc * drop * 100 + need * draw(st.integers(-20, 99)) // 100 - coins * 9 // 10
    return {"btc": side * btc, "eth": eth, "cash": max(1, cash), "coins": coins, "to": to,
            "penalty_ppm": draw(st.integers(0, 50_000))}


pools = sinking()


@given(pool=pools, size=SIZES, better=st.integers(0, 500), share=st.integers(1, 100))
def test_our_own_sizes_never_leave_a_pool_worse_off(pool: Any, size: Any, better: Any, share: Any) -> None:
    """A liquidation that makes its own next one is how a dip becomes a wipe-out."""
    world = liquidated(size, **pool)
    placed = [e for e in world.effects if isinstance(e, LiquidationOrder)]
    assume(placed)
    order = placed[0]
    before = standing(world.venue.state, world.venue.state.number[ANN])
    price = order.limit + better if order.lots > 0 else max(1, order.limit - better)
    effects = world.must(LiquidationFill(order.order, OUTSIDE_MARKET, max(1, abs(order.lots) * share // 100), price))
    closed = next(e for e in effects if isinstance(e, LiquidationClosed))
    assert not closed.worse_off
    after = standing(world.venue.state, world.venue.state.number[ANN])
    if after.owes and before.counted_maintenance > 0:
        assert (after.counted_maintenance * before.maintenance
                >= before.counted_maintenance * after.maintenance - before.maintenance)


@given(pool=pools, late=st.booleans())
def test_closing_at_the_bankruptcy_price_costs_the_fund_nothing(pool: Any, late: Any) -> None:
    """I5: a price rounded the wrong way takes a unit from the fund in every liquidation."""
    world = liquidated(WholePool(), **pool)
    placed = [e for e in world.effects if isinstance(e, LiquidationOrder)]
    assume(placed and all(order.limit > 1 for order in placed))
    before = world.fund()
    for order in reversed(placed) if late else placed:
        world.do(LiquidationFill(order.order, OUTSIDE_MARKET, abs(order.lots), order.limit))
    if not world.venue.state.positions.lots[world.venue.state.number[ANN]]:
        assert world.fund() >= before
        held = standing(world.venue.state, world.venue.state.number[ANN])
        assert held.equity >= 0
        assert held.counted_maintenance >= 0 or pool["coins"]  # what a haircut takes the sale of the coins will show


@given(total=st.integers(0, 10**18), weights=st.lists(st.integers(0, 10**18), min_size=1, max_size=20))
def test_shares_sum_to_the_loss_and_nobody_bears_more_than_it_has(total: Any, weights: Any) -> None:
    """I3: shares that sum to another figure leave somebody's money missing."""
    total = min(total, sum(weights))
    shares = largest_remainder(total, weights)
    assert sum(shares) == total
    whole = max(1, sum(weights))
    for share, weight in zip(shares, weights, strict=True):
        assert 0 <= share <= weight
        assert abs(share * whole - total * weight) < whole
