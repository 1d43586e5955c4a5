"""The breakers: what trips them, what a halt stops and what it does not, and how each ends."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.enforce.breaker_terms import BreakerTerms
from leverline.enforce.breakers import may_liquidate
from leverline.enforce.effects import Breaker, Effect, Reject, Rejected
from leverline.enforce.events import (
    Deposit,
    DepthUpdate,
    FundInsurance,
    LiquidationFill,
    OracleUpdate,
    OrderIntent,
    Settle,
    TimePassed,
)
from leverline.enforce.margining import standing
from leverline.enforce.venue import OUTSIDE_MARKET
from tests.enforce.watched import SOURCES, WatchedWorld, orders, transitions
from tests.enforce.worlds import ANN, BTC, ETH, market

PRICE = 100_000


def open_world(terms: BreakerTerms | None = BreakerTerms()) -> WatchedWorld:  # noqa: B008 - frozen
    """Ann is long 100 lots, 1,000 USDT of notional at 10,000 a coin, with 100 USDT."""
    world = WatchedWorld.of_breakers(terms)
    world.long_position(lots=100, price=PRICE, cash=100_000_000)
    return world


def asked(world: WatchedWorld, lots: int) -> Effect:
    return world.do(OrderIntent(ANN, BTC, lots, world.mark() or PRICE))[0]


def test_a_price_that_goes_stale_halts_and_nobody_is_liquidated_on_it() -> None:
    """An outage of the feed would sell everybody at the last price before it."""
    world = open_world()
    seen = transitions(world.must(TimePassed(), after_s=66))
    assert [(t.market, t.after) for t in seen] == [(BTC, Breaker.HALTED)]
    assert seen[0].reason == "no valid price: stale"
    assert asked(world, 1) == Rejected(Reject.HALTED, "at most 0 lots")


def test_reductions_and_top_ups_stay_open_in_a_halt() -> None:
    """A halt that locks people into their risk makes the loss that it was to prevent."""
    world = open_world()
    world.must(TimePassed(), after_s=66)
    world.must(Deposit(ANN, "USDT", 1))
    world.must(OrderIntent(ANN, BTC, -100, PRICE))
    world.must(OrderIntent(ANN, BTC, -1, PRICE, reduce_only=True))


def test_the_eyes_are_closed_before_the_breaker_has_noticed() -> None:
    """Between two looks of the breaker a stale price would still liquidate."""
    world = open_world()
    world.must(Deposit(ANN, "USDT", 1), after_s=61)
    assert world.breaker() is Breaker.NORMAL
    assert not may_liquidate(world.venue.state, BTC)


def test_liquidation_waits_for_the_grace_after_an_outage_and_then_runs() -> None:
    """Who could not see the price must have time to top up; who does not is liquidated all the same."""
    world = open_world()
    world.must(TimePassed(), after_s=66)
    assert not orders(world.see(BTC, 94_000, after_s=1))
    assert world.breaker() is Breaker.HALTED
    assert not orders(world.see(BTC, 94_000, after_s=30))
    effects = world.see(BTC, 94_000, after_s=32)
    assert world.breaker() is Breaker.REDUCE_ONLY
    assert orders(effects)


def test_no_order_rests_on_a_limit_that_protects_nobody_any_more() -> None:
    """Ann's order stood through the outage while her other position lost; filled at its old limit it harmed her."""
    world = open_world()
    world.see(ETH, PRICE)
    world.trade(ANN, OUTSIDE_MARKET, 20, PRICE, ETH)
    placed = orders(world.see(BTC, 94_500, after_s=1))
    assert [(order.market, order.pool) for order in placed] == [(BTC, ANN)]
    for price in (98_000, 97_000):
        effects = world.see(ETH, price, after_s=62)  # of BTC nobody says anything
    assert not may_liquidate(world.venue.state, BTC)
    assert not orders(effects)
    filled = world.do(LiquidationFill(placed[0].order, OUTSIDE_MARKET, 1, placed[0].limit))
    assert [e.reason for e in filled if isinstance(e, Rejected)] == [Reject.UNKNOWN_ORDER]
    for _ in range(40):
        effects = world.see(BTC, 94_500, after_s=2)
        if orders(effects):
            break
    assert orders(effects)


def test_back_to_normal_is_a_step_at_a_time() -> None:
    """A market that opens at once after a halt meets everybody's orders at the worst moment."""
    world = open_world()
    world.must(TimePassed(), after_s=66)
    seen = [world.breaker()]
    for _ in range(70):
        world.see(BTC, PRICE, after_s=2)
        if world.breaker() is not seen[-1]:
            seen.append(world.breaker())
    assert seen == [Breaker.HALTED, Breaker.REDUCE_ONLY, Breaker.NORMAL]


def test_a_cause_that_comes_back_within_the_grace_starts_it_anew() -> None:
    """A breaker that flaps tells nobody anything."""
    world = open_world()
    world.must(TimePassed(), after_s=66)
    world.see(BTC, PRICE, after_s=1)
    world.must(TimePassed(), after_s=66)
    world.see(BTC, PRICE, after_s=1)
    assert not transitions(world.see(BTC, PRICE, after_s=40))
    assert world.breaker() is Breaker.HALTED


def test_the_longest_halt_ends_by_a_fallback_price_in_steps() -> None:
    """A halt without end keeps everybody in losses that grow outside: the halt is then itself the loss."""
    world = open_world()
    world.must(TimePassed(), after_s=66)
    world.must(OracleUpdate(BTC, "one", 80_000, 0, world.venue.state.now_ns))  # alone: no quorum
    seen = world.must(TimePassed(), after_s=1_800)
    assert [t.after for t in transitions(seen)] == [Breaker.REDUCE_ONLY]
    assert transitions(seen)[0].reason.startswith("longest halt")
    marks, sold = [world.mark()], orders(seen)
    for _ in range(12):
        sold += orders(world.must(TimePassed(), after_s=10))
        marks.append(world.mark())
    falls = [a - b for a, b in pairwise(marks) if a and b]
    assert marks[-1] == 80_000
    assert all(0 <= fall <= 0.02 * PRICE for fall in falls)
    assert sold


def test_after_the_fallback_a_valid_price_takes_over() -> None:
    """A market left on its fallback would liquidate at a price that nobody trades at."""
    world = open_world()
    world.must(TimePassed(), after_s=66)
    world.must(TimePassed(), after_s=1_800)
    for _ in range(80):
        world.see(BTC, 101_000, after_s=2)
    assert (world.mark(), world.breaker()) == (101_000, Breaker.NORMAL)


def test_two_sources_liquidate_but_open_nothing() -> None:
    """One dead feed would stop liquidations, or a thin composite would carry new risk."""
    world = open_world()
    world.see(BTC, PRICE, sources=SOURCES[:2], after_s=6)
    assert asked(world, 1) == Rejected(Reject.NO_PRICE, "at most 0 lots")
    world.see(BTC, PRICE, sources=SOURCES[:2], after_s=6)
    assert world.breaker() is Breaker.REDUCE_ONLY
    assert orders(world.see(BTC, 94_000, sources=SOURCES[:2], after_s=1))


@pytest.mark.parametrize(("prices", "level"), [
    ((89_500,), Breaker.REDUCE_ONLY), ((110_900,), Breaker.REDUCE_ONLY), ((95_000,), Breaker.NORMAL)])
def test_the_price_band_trips_both_ways(prices: tuple[int, ...], level: Breaker) -> None:
    """A squeeze is as good a manipulation as a dump."""
    terms = BreakerTerms(jump_ppm=900_000)
    world = open_world(terms)
    world.see(BTC, *prices, after_s=1)
    assert world.breaker() is level


def test_open_interest_that_multiplies_stops_new_positions() -> None:
    """YFI 2023: open interest grew eightyfold over days of unbroken rules."""
    world = open_world(BreakerTerms(growth_floor=10**9))
    world.must(TimePassed(), after_s=1)
    world.trade(ANN, OUTSIDE_MARKET, 250, PRICE)
    assert world.breaker() is Breaker.REDUCE_ONLY
    assert asked(world, 1) == Rejected(Reject.REDUCE_ONLY, "at most 0 lots")


def test_a_market_of_its_own_growth_cap_keeps_to_it() -> None:
    """The book's cap on growth a day would be a number that nothing reads."""
    world = WatchedWorld.of_breakers(BreakerTerms(growth_floor=10**9), market(BTC, growth_ppm_per_day=100_000))
    world.long_position(lots=100, price=PRICE, cash=10**9)
    world.trade(ANN, OUTSIDE_MARKET, 11, PRICE)
    assert world.breaker() is Breaker.REDUCE_ONLY


def test_a_price_that_arrives_late_opens_nothing() -> None:
    """Who sees the market two seconds before the venue trades against it for sure."""
    world = open_world()
    for late, level in ((1, Breaker.NORMAL), (3, Breaker.REDUCE_ONLY)):
        for source in SOURCES:
            world.must(OracleUpdate(BTC, source, PRICE, 0, world.venue.state.now_ns + (1 - late) * 10**9), after_s=1)
        assert world.breaker() is level
    assert world.breaker() is Breaker.REDUCE_ONLY


def test_a_book_that_empties_stops_new_positions() -> None:
    """What cannot be sold any more must not be bought on credit."""
    world = open_world()
    world.must(DepthUpdate(BTC, 1_000))
    world.must(DepthUpdate(BTC, 150), after_s=1)
    assert world.breaker() is Breaker.REDUCE_ONLY


def test_a_depleted_fund_stops_the_whole_venue() -> None:
    """The fund stands behind every market: when it is nearly gone, none may grow."""
    world = WatchedWorld.of_breakers()
    world.see(BTC, PRICE)
    world.see(ETH, PRICE)
    world.must(FundInsurance("", 10**9))
    world.venue.state.ledger.move("fund", "outside", "USDT", 6 * 10**8)
    world.venue.state.undo.keep()
    world.must(TimePassed())
    assert [world.breaker(name) for name in (BTC, ETH)] == [Breaker.REDUCE_ONLY] * 2
    world.must(FundInsurance("", 10**9))
    for _ in range(40):
        world.see(BTC, PRICE, after_s=2)
    assert world.breaker(BTC) is Breaker.NORMAL


def test_a_settled_market_stays_shut_when_its_breaker_recovers() -> None:
    """JELLY 2025 ended by settlement in a halt: reopened by a fresh price it would trade again."""
    world = open_world()
    world.must(TimePassed(), after_s=66)
    world.must(Settle(BTC, PRICE))
    for _ in range(20):
        world.see(BTC, PRICE, after_s=10)
    assert world.breaker() is Breaker.HALTED


def test_a_book_without_breakers_frees_what_they_held() -> None:
    """A halt whose breaker no longer exists would never end."""
    world = open_world()
    world.must(TimePassed(), after_s=66)
    state = world.venue.state
    state.undo.put(state.book, "now", replace(state.terms, breakers=None))
    state.undo.keep()
    assert [t.after for t in transitions(world.must(TimePassed()))] == [Breaker.NORMAL]
    assert not state.room("breakers")


def test_without_breakers_one_source_is_the_price() -> None:
    """A book that sets none must not be judged by settings that nobody signed."""
    world = WatchedWorld.of_breakers(None)
    world.see(BTC, 5, sources=("one",))
    assert world.mark() == 5
    world.must(TimePassed(), after_s=10**6)
    assert world.breaker() is Breaker.NORMAL


def test_a_rejected_price_leaves_no_trace() -> None:
    """A refused event that moved the eyes would make two replays of one journal differ."""
    world = open_world()
    before = world.venue.state.digest()
    assert isinstance(world.do(OracleUpdate(BTC, "one", 1, 0, -1), after_s=5)[0], Rejected)
    assert world.venue.state.digest() == before


events = st.lists(st.tuples(st.sampled_from(SOURCES), st.integers(60_000, 140_000), st.integers(0, 120)),
                  max_size=25)


@given(moves=events)
def test_a_level_never_skips_a_step_down_and_every_change_says_why(moves: list[tuple[str, int, int]]) -> None:
    """Opening without the grace, or a change that nobody can explain, is what people lose trust over."""
    world = open_world(replace(BreakerTerms(), growth_ppm=0))
    order = list(Breaker)
    for source, price, gap in moves:
        for t in transitions(world.must(OracleUpdate(BTC, source, price, 0, world.venue.state.now_ns), after_s=gap)):
            assert order.index(t.after) >= order.index(t.before) - 1
            assert t.reason
        assert world.venue.state.ledger.total("USDT") == sum(
            sum(held.values()) for held in world.venue.state.positions.cost)


def test_a_book_that_sees_is_adopted_over_one_that_did_not() -> None:
    """The venue broke on the first price of a second source: its mark came from before the eyes were opened."""
    world = WatchedWorld.of_breakers(None)
    world.see(BTC, PRICE, sources=("one",))
    world.open(ANN, 100_000_000)
    world.trade(ANN, OUTSIDE_MARKET, 100, PRICE)
    adopt(world, BreakerTerms())
    world.must(OracleUpdate(BTC, "one", 2 * PRICE, 0, world.venue.state.now_ns))
    assert asked(world, 1) == Rejected(Reject.NO_PRICE, "at most 0 lots")
    seen = transitions(world.must(TimePassed(), after_s=6))
    assert [(t.after, t.reason) for t in seen] == [(Breaker.HALTED, "no valid price: stale")]
    world.see(BTC, PRICE, after_s=1)
    assert world.mark() == PRICE


def test_a_mark_that_no_source_repeats_halts_and_resumes() -> None:
    """After a book with breakers was adopted nobody spoke any more: without an end the halt is itself the loss."""
    world = WatchedWorld.of_breakers(None)
    world.see(BTC, PRICE, sources=("one",))
    adopt(world, BreakerTerms())
    assert [t.after for t in transitions(world.must(TimePassed(), after_s=6))] == [Breaker.HALTED]
    assert [t.after for t in transitions(world.must(TimePassed(), after_s=1_800))] == [Breaker.REDUCE_ONLY]
    assert may_liquidate(world.venue.state, BTC)


def test_a_book_without_breakers_forgets_what_their_eyes_saw() -> None:
    """Collateral would open at the low price of a source that nobody listens to any more."""
    world = open_world()
    world.see("COIN", 700_000)
    world.must(OracleUpdate("COIN", "redemption", 1_000_000, 0, world.venue.state.now_ns))
    pool = world.venue.state.number[ANN]
    world.must(Deposit(ANN, "COIN", 100_000_000))
    free = standing(world.venue.state, pool).counted_initial
    adopt(world, None)
    world.see("COIN", 1_000_000, sources=("one",))
    assert standing(world.venue.state, pool).counted_initial == free + 24_000_000  # 0.3 of 100 at a weight of 0.8
    assert not world.venue.state.room("sources")


def adopt(world: WatchedWorld, breakers: BreakerTerms | None) -> None:
    """Other eyes, as a book's adoption writes them, and an event in which they are first used."""
    state = world.venue.state
    state.undo.put(state.book, "now", replace(state.terms, breakers=breakers))
    state.undo.keep()
    world.must(TimePassed())
