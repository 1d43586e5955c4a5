"""Who is closed against a bankrupt pool: the allotting of lots, what each policy promises, venues' own examples."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.enforce.deleveraging.apportion import in_line, in_proportion, least_largest, level_of
from leverline.enforce.deleveraging.queues import (
    BitmexQueue,
    BybitQueue,
    HyperliquidQueue,
    OkxQueue,
    QueueByProfitAndLeverage,
    RandomStart,
)
from leverline.enforce.deleveraging.sharing import LeastLargestHaircut, Measure, ProRata, measured
from leverline.enforce.deleveraging_stage import Deleveraging
from leverline.enforce.effects import Deleveraged
from leverline.enforce.events import Deposit, OpenPool, PoolKey, TimePassed
from leverline.enforce.policies import DeleveragingPolicy
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.sizing import WholePool
from leverline.enforce.venue import OUTSIDE_MARKET
from leverline.ground.errors import UsageError
from leverline.model.accounts import Mode
from tests.enforce.invariants import lots_sum_to_zero, money_is_conserved
from tests.enforce.worlds import ANN, BTC, ETH, World, market

USDT = 10**6
QUEUES: list[QueueByProfitAndLeverage] = [QueueByProfitAndLeverage(), BitmexQueue(), BybitQueue(), HyperliquidQueue(),
                                          OkxQueue()]
SHARING: list[DeleveragingPolicy] = [*(ProRata(by) for by in Measure), *(LeastLargestHaircut(by) for by in Measure)]
POLICIES: list[DeleveragingPolicy] = [*QUEUES, RandomStart(), *SHARING]
holders = st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 50)), min_size=1, max_size=8)


def named(policy: DeleveragingPolicy) -> str:
    return f"{type(policy).__name__}-{getattr(policy, 'by', '')}"


# --- allotting ---------------------------------------------------------------------------------------------------


@given(holders, st.integers(0, 500))
def test_the_need_is_met_and_nobody_gives_more_than_it_has(rows: list[tuple[int, int]], need: int) -> None:
    """A lot too few leaves the venue one-sided; a lot too many closes somebody for nothing."""
    weights, holdings = [w for w, _ in rows], [h for _, h in rows]
    for allotted in (in_line(need, holdings), in_proportion(need, weights, holdings),
                     least_largest(need, weights, holdings)):
        assert sum(allotted) == min(need, sum(holdings))
        assert all(0 <= lots <= held for lots, held in zip(allotted, holdings, strict=True))


@given(st.lists(st.tuples(st.integers(1, 1_000), st.integers(1, 50)), min_size=1, max_size=8), st.data())
def test_every_share_is_within_a_lot_of_its_quota(rows: list[tuple[int, int]], data: st.DataObject) -> None:
    """Rounding that drifts further makes two equal winners pay differently."""
    weights, holdings = [w for w, _ in rows], [h for _, h in rows]
    need = data.draw(st.integers(0, sum(holdings)))
    level = level_of(need, weights, holdings)
    quotas = [min(Fraction(h), level * w) for w, h in rows]
    assert sum(quotas) == need
    ours = in_proportion(need, weights, holdings)
    assert all(abs(lots - quota) < 1 for lots, quota in zip(ours, quotas, strict=True))


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 4)), min_size=1, max_size=4), st.data())
def test_no_allotment_has_a_smaller_largest_haircut(rows: list[tuple[int, int]], data: st.DataObject) -> None:
    """Water-filling that is beaten by some other split takes more of somebody's equity than it had to."""
    weights, holdings = [w for w, _ in rows], [h for _, h in rows]
    need = data.draw(st.integers(0, sum(holdings)))
    best = min(max(Fraction(x, w) for x, w in zip(split, weights, strict=True))
               for split in product(*(range(h + 1) for h in holdings)) if sum(split) == need)
    ours = least_largest(need, weights, holdings)
    assert max(Fraction(x, w) for x, w in zip(ours, weights, strict=True)) == best


@given(holders, st.integers(0, 300))
def test_one_more_lot_of_need_moves_one_lot_in_water_filling(rows: list[tuple[int, int]], need: int) -> None:
    """An allotment that reshuffles everybody on the last lot is decided by noise."""
    weights, holdings = [w for w, _ in rows], [h for _, h in rows]
    before, after = (least_largest(n, weights, holdings) for n in (need, need + 1))
    moved = [b - a for a, b in zip(before, after, strict=True)]
    assert sum(abs(m) for m in moved) == sum(moved) <= 1


def test_equals_are_served_in_the_order_given() -> None:
    """Two replays that break a tie differently are two different histories."""
    assert in_proportion(2, [1, 1, 1], [5, 5, 5]) == [1, 1, 0]
    assert least_largest(2, [1, 1, 1], [5, 5, 5]) == [1, 1, 0]


def test_who_has_no_weight_gives_only_after_all_others() -> None:
    """A winner without equity that is closed first is bankrupted for somebody else's loss."""
    assert in_proportion(6, [0, 3], [5, 5]) == [1, 5]
    assert least_largest(5, [0, 3], [5, 5]) == [0, 5]


def test_negative_lots_are_refused() -> None:
    """A sign error upstream would open positions instead of closing them."""
    with pytest.raises(UsageError):
        in_proportion(-1, [1], [1])


# --- policies ----------------------------------------------------------------------------------------------------

WINNERS = [PoolKey(name) for name in ("eve", "flo", "gus", "hal", "ida")]
CASH = [400, 90, 1_000, 60, 300]
LOTS = [50, 30, 20, 40, 10]
ENTRY = [9_000, 9_500, 8_000, 9_900, 10_000]


def crowd(policy: DeleveragingPolicy = POLICIES[0], *, cash: list[int] = CASH) -> World:
    """Five longs of several entries and leverages, and Ann short 60 lots: bankrupt at a mark of 10,400."""
    stages = replace(LEVERLINE, size=WholePool(), closing_stages=(Deleveraging(policy),), patience_ns=0)
    world = World.of(stages, market(BTC, initial_ppm=20_000, maintenance_ppm=10_000, penalty_ppm=0), market(ETH))
    for key, amount, lots, entry in zip(WINNERS, cash, LOTS, ENTRY, strict=True):
        world.open(key, amount * USDT)
        world.price(BTC, entry)
        world.trade(key, OUTSIDE_MARKET, lots, entry)
    world.open(ANN, 2 * USDT)
    world.price(BTC, 10_000)
    world.trade(OUTSIDE_MARKET, ANN, 60, 10_000)
    return world


def allotted(world: World, policy: DeleveragingPolicy, need: int) -> dict[int, int]:
    state = world.venue.state
    winners = [state.number[key] for key in WINNERS]
    return dict(policy.allot(state, BTC, -need, winners))


@pytest.mark.parametrize("policy", POLICIES, ids=named)
def test_lots_are_matched_one_for_one_at_the_bankruptcy_price(policy: DeleveragingPolicy) -> None:
    """A venue that closes more winners than losers is left holding a position itself."""
    world = crowd(policy)
    held = {key: world.lots(key) for key in WINNERS}
    effects = [e for e in world.price(BTC, 10_400) if isinstance(e, Deleveraged)]
    assert sum(e.lots for e in effects) == 60
    assert world.lots(ANN) == 0
    assert {e.price for e in effects} == {10_333}  # 2 USDT over 60 lots of 100 units: 333 ticks
    for key in WINNERS:
        assert held[key] - world.lots(key) == sum(e.lots for e in effects if e.pool == key)
    money_is_conserved(world.venue.state)
    lots_sum_to_zero(world.venue.state)


@pytest.mark.parametrize("policy", POLICIES, ids=named)
@pytest.mark.parametrize("need", [1, 59, 150, 151])
def test_the_need_is_met_or_everybody_is_closed(policy: DeleveragingPolicy, need: int) -> None:
    """Deleveraging is the last stage with counterparties: what it leaves is socialised."""
    given_lots = allotted(crowd(), policy, need)
    assert sum(given_lots.values()) == min(need, sum(LOTS))
    assert all(lots > 0 for lots in given_lots.values())


@pytest.mark.parametrize("policy", QUEUES, ids=named)
@pytest.mark.parametrize("need", [1, 40, 77, 120])
def test_a_queue_touches_nobody_while_a_higher_one_has_lots(policy: QueueByProfitAndLeverage, need: int) -> None:
    """The order is what traders are shown by their indicator lights."""
    world = crowd()
    world.price(BTC, 10_100)
    state = world.venue.state
    given_lots = allotted(world, policy, need)
    assert policy.promises_order
    order = sorted((state.number[key] for key in WINNERS), key=lambda pool: policy.rank(state, BTC, pool))
    left = [state.positions.lots[pool][BTC] - given_lots.get(pool, 0) for pool in order]
    touched = [given_lots.get(pool, 0) > 0 for pool in order]
    assert all(not any(touched[i + 1:]) for i, lots in enumerate(left) if lots)


@pytest.mark.parametrize("policy", [p for p in POLICIES if p.promises_continuity], ids=named)
def test_a_little_more_need_or_money_changes_allotments_a_little(policy: DeleveragingPolicy) -> None:
    """A trader who deposits one unit must not go from untouched to closed out, or the other way."""
    world = crowd()
    world.price(BTC, 10_100)
    for need in range(1, sum(LOTS)):
        before, after = (allotted(world, policy, n) for n in (need, need + 1))
        assert all(abs(after.get(p, 0) - before.get(p, 0)) <= 2 for p in {*before, *after})
    before = allotted(world, policy, 77)
    world.must(Deposit(WINNERS[1], "USDT", 1))
    after = allotted(world, policy, 77)
    assert all(abs(after.get(p, 0) - before.get(p, 0)) <= 2 for p in {*before, *after})


@pytest.mark.parametrize("policy", QUEUES, ids=named)
def test_a_queue_is_not_continuous_and_does_not_say_so(policy: QueueByProfitAndLeverage) -> None:
    """A promise that a rule cannot keep misleads whoever sizes a hedge by it: here one unit of money moves 20 lots."""
    world = World.of(LEVERLINE, market(BTC))
    world.price(BTC, 10_000)
    twins = WINNERS[:2]
    for key in twins:
        world.open(key, 100 * USDT)
        world.trade(key, OUTSIDE_MARKET, 20, 10_000)
    world.price(BTC, 10_400)
    state = world.venue.state
    pools = [state.number[key] for key in twins]
    before = policy.allot(state, BTC, -20, pools)
    world.must(Deposit(twins[0], "USDT", 1))
    assert (before, policy.allot(state, BTC, -20, pools)) == ([(pools[0], 20)], [(pools[1], 20)])
    assert not policy.promises_continuity


def test_a_pool_without_equity_stands_last_in_every_queue() -> None:
    """Closing somebody who has nothing at a loss only moves the hole."""
    world = crowd()
    world.price(BTC, 10_100)
    state = world.venue.state
    poor = state.number[WINNERS[3]]
    state.ledger.cash[poor] = -10**9
    for policy in QUEUES:
        assert policy.rank(state, BTC, poor)[0]
        assert poor not in allotted(world, policy, 110)


def test_an_isolated_position_is_scored_by_its_own_margin_and_a_cross_one_by_the_account_s() -> None:
    """Scored by the account, an isolated position hides behind money that does not stand behind it."""
    world = World.of(replace(LEVERLINE, patience_ns=0), market(BTC), market(ETH))
    apart, together = PoolKey("eve", "apart"), PoolKey("flo")
    world.must(OpenPool(apart, "eve", Mode.ISOLATED))
    world.must(Deposit(apart, "USDT", 20 * USDT))
    for key, cash in ((PoolKey("eve"), 1_000), (together, 1_020)):
        world.open(key, cash * USDT)
    world.price(BTC, 10_000)
    for key in (apart, together):
        world.trade(key, OUTSIDE_MARKET, 100, 10_000)
    world.price(BTC, 10_500)
    state, half = world.venue.state, Fraction(1, 2)  # 5 of profit on an initial margin of 10.5 and on an entry of 100
    numbers = [state.number[key] for key in (apart, together)]
    need = Fraction(105 * 5, 100)
    expected = {
        "QueueByProfitAndLeverage": [Fraction(5, wallet) * need / (wallet + 5) for wallet in (20, 1_020)],
        "BitmexQueue": [Fraction(5, 100) * 105 / (wallet + 5) for wallet in (20, 1_020)],
        "BybitQueue": [half * Fraction(100, 105) * 105 / (wallet + 5) for wallet in (20, 1_020)],
        "OkxQueue": [half * Fraction(100, 105) * 105 / (wallet + 5) for wallet in (20, 1_020)],
        "HyperliquidQueue": [Fraction(105, 100) * 105 / (wallet + 5) for wallet in (20, 1_020)],
    }
    for queue in QUEUES:
        assert [queue.score(state, BTC, pool) for pool in numbers] == expected[type(queue).__name__]


def test_the_random_start_is_drawn_from_the_event_and_moves_with_it() -> None:
    """A start that anybody can choose is a queue that anybody can leave; one that replay draws anew forks history."""
    world = crowd()
    starts = []
    for _ in range(20):
        assert allotted(world, RandomStart(), 1) == allotted(world, RandomStart(), 1)
        starts += list(allotted(world, RandomStart(), 1))
        world.must(TimePassed(), after_s=1.0)
    assert len(set(starts)) > 2


def test_a_second_account_of_one_owner_gains_nothing_under_wealth() -> None:
    """Rules by account are void where one owner opens a hundred."""
    world = crowd()
    eve = WINNERS[0]
    rest = PoolKey("eve", "savings")
    world.must(OpenPool(rest, eve.account, Mode.SEGREGATED))
    world.must(Deposit(rest, "USDT", 500 * USDT))
    state = world.venue.state
    by_equity, by_wealth = (measured(state, BTC, state.number[eve], by) for by in (Measure.EQUITY, Measure.WEALTH))
    assert by_wealth == by_equity + 500 * USDT


def test_a_winner_without_the_means_is_passed_over_where_the_rule_says_so() -> None:
    """Closing somebody at a price beyond its own bankruptcy makes two holes of one."""
    for spares, hal_keeps in ((True, 40), (False, 0)):
        stage = Deleveraging(ProRata(Measure.LOTS), spares_the_weak=spares)
        stages = replace(LEVERLINE, size=WholePool(), closing_stages=(stage,), patience_ns=0)
        world = World.of(stages, market(BTC, initial_ppm=20_000, maintenance_ppm=10_000, penalty_ppm=0))
        hal, ida = WINNERS[3:]
        world.price(BTC, 10_000)
        world.open(hal, 1 * USDT)  # 250 ticks over 40 lots
        world.open(ida, 100 * USDT)
        world.open(ANN, 2 * USDT)
        for key in (hal, ida):
            world.trade(key, ANN, 40, 10_000)  # Ann: 80 lots short, bankrupt from 10,250 on
        state = world.venue.state
        state.ledger.move(state.number[hal], "outside", "USDT", 5 * USDT)  # Hal owes 4 and is carried by profit alone
        effects = [e for e in world.price(BTC, 11_500) if isinstance(e, Deleveraged)]
        assert sum(e.lots for e in effects if e.pool == ida) == 40
        assert world.lots(hal) == hal_keeps
        money_is_conserved(state)


@given(st.sampled_from(POLICIES), st.lists(
    st.tuples(st.integers(100, 5_000), st.integers(1, 60), st.integers(9_000, 10_400)), min_size=1, max_size=5),
    st.integers(1, 120), st.integers(10_500, 13_000))
def test_a_crash_leaves_lots_and_money_whole(policy: DeleveragingPolicy, rows: list[tuple[int, int, int]], short: int,
                                             mark: int) -> None:
    """Whatever the crowd, a venue must never hold a position itself, nor close more for one side than for the other."""
    stages = replace(LEVERLINE, size=WholePool(), closing_stages=(Deleveraging(policy),), patience_ns=0)
    world = World.of(stages, market(BTC, initial_ppm=20_000, maintenance_ppm=10_000, penalty_ppm=0))
    for key, (cash, lots, entry) in zip(WINNERS, rows, strict=False):
        world.open(key, cash * USDT // 10)
        world.price(BTC, entry)
        world.trade(key, OUTSIDE_MARKET, lots, entry)
    world.open(ANN, 4 * USDT)
    world.price(BTC, 10_400)
    world.trade(OUTSIDE_MARKET, ANN, short, 10_400)
    held = {key: world.lots(key) for key in WINNERS[:len(rows)]}
    effects = [e for e in world.price(BTC, mark) if isinstance(e, Deleveraged)]
    closed = short + world.lots(ANN)
    assert sum(e.lots for e in effects) == closed == sum(held.values()) - sum(world.lots(key) for key in held)
    assert closed in (0, min(short, sum(held.values())))
    assert all(0 <= world.lots(key) <= held[key] for key in held)
    money_is_conserved(world.venue.state)
    lots_sum_to_zero(world.venue.state)


# --- venues' own examples, through the venue ---------------------------------------------------------------------

DYDX = Deleveraging(RandomStart(), spares_the_weak=True)
GOLDEN = Path(__file__).parents[1] / "golden"


def golden(stem: str, family: str) -> list[dict[str, Any]]:
    cases = json.loads((GOLDEN / f"{stem}.json").read_text(encoding="utf-8"))["cases"]
    return [case for case in cases if case["id"].startswith(family)]


@pytest.mark.parametrize("case", golden("perp-bitmex", "bitmex-adl"), ids=lambda case: case["id"])
def test_bitmex_example_through_the_venue(case: dict[str, Any]) -> None:
    """The venue's own queue would close other accounts than ours does.

    Everybody is long from 55 to a mark of 660: a profit of 11 on the entry. Leverage, hence money, is what gives each
    its published score; the short is bankrupt at the published price.
    """
    stages = replace(LEVERLINE, size=WholePool(), closing_stages=(Deleveraging(BitmexQueue()),), patience_ns=0)
    world = World.of(stages, market(BTC, initial_ppm=20_000, maintenance_ppm=10_000, penalty_ppm=0))
    entry, mark, value = 55, 660, 100
    world.price(BTC, entry)
    for account, lots, score in case["inputs"]["longs"]:
        equity = Fraction((mark - entry) * mark, entry * score)  # ticks a lot: profit * leverage = score
        key = PoolKey(str(account))
        world.open(key, int((equity - (mark - entry)) * lots * value))
        world.trade(key, OUTSIDE_MARKET, lots, entry)
    size, bankruptcy = case["inputs"]["liquidated_short_size"], case["inputs"]["bankruptcy_price"]
    world.price(BTC, 600)
    world.open(ANN, size * (bankruptcy - 600) * value)
    world.trade(OUTSIDE_MARKET, ANN, size, 600)
    state = world.venue.state
    effects = [e for e in world.price(BTC, mark) if isinstance(e, Deleveraged)]
    assert [[int(e.pool.account), e.lots] for e in effects] == case["expected"]["fills"]
    assert {e.price for e in effects} == {bankruptcy}
    assert world.cash(ANN) == 0
    money_is_conserved(state)
    lots_sum_to_zero(state)


@pytest.mark.parametrize("case", golden("perp-dydx-v4", "dydx-adl"), ids=lambda case: case["id"])
def test_dydx_cases_through_the_venue(case: dict[str, Any]) -> None:
    """Ours would offset other subaccounts than the chain does, or leave them other balances.

    A chain balance is our cash less the cost of what is open; positions are opened at half the later price, because at
    an initial margin of 100 % nobody could open them otherwise. Where two are offset the start decides who comes first.
    """
    ppm = case["inputs"]["initial_margin_ppm"]
    whole = {"initial_ppm": ppm, "maintenance_ppm": ppm, "penalty_ppm": 0}
    stages = replace(LEVERLINE, size=WholePool(), closing_stages=(DYDX,), patience_ns=0)
    world = World.of(stages, market(BTC, **whole), market(ETH, **whole))
    symbols, quantums = {"BTC": BTC, "ETH": ETH}, {"BTC": 10**4, "ETH": 10**5}  # a lot is 0.0001 coins, a tick 1 USD
    opened = {"BTC": 27_499, "ETH": 3_000}
    for coin, price in opened.items():
        world.price(symbols[coin], price)
    people = [("liquidated", case["inputs"]["liquidated"]),
              *((c["id"], c) for c in case["inputs"]["candidates_in_order"])]
    for name, stated in people:
        usdc = stated["usdc"] if stated["usdc"] is not None else 200_000 * USDT
        lots = {p["market"]: p["base_quantums"] // quantums[p["market"]] for p in stated["positions"]}
        world.open(PoolKey(name), usdc + sum(n * opened[coin] * 100 for coin, n in lots.items()))
        for coin, n in lots.items():
            pair = (PoolKey(name), OUTSIDE_MARKET) if n > 0 else (OUTSIDE_MARKET, PoolKey(name))
            world.trade(*pair, abs(n), opened[coin], symbols[coin])
    effects = [e for e in world.price(BTC, case["inputs"]["oracle"]["BTC"]) if isinstance(e, Deleveraged)]
    fills = [[e.pool.account, e.lots * quantums["BTC"]] for e in effects]
    assert sorted(fills) == sorted(case["expected"]["fills"])
    assert abs(world.lots(PoolKey("liquidated"))) * quantums["BTC"] == case["expected"]["remaining"]
    for name, usdc in case["expected"]["final_usdc"].items():
        pool = world.venue.state.number[PoolKey(name)]
        assert world.cash(PoolKey(name)) - sum(world.venue.state.positions.cost[pool].values()) == usdc
    money_is_conserved(world.venue.state)
