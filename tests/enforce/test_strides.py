"""Strides over a book with breakers: what the eyes remember goes on, and whatever else hangs on a price ends them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.enforce.breaker_terms import BreakerTerms
from leverline.enforce.catching_up import stride
from leverline.enforce.effects import BreakerTransition, Effect, Rejected
from leverline.enforce.events import Body, DepthUpdate, Event, FundInsurance, OracleUpdate, TimePassed
from leverline.enforce.policy_presets import PRESETS
from leverline.enforce.terms import terms_of_book
from leverline.enforce.venue import Venue
from leverline.evidence.bench import drawn_venue
from leverline.evidence.bench.drawn_venue import DrawnVenue, limits
from tests.enforce.strides import must_end_alike
from tests.enforce.watched import SECOND, WatchedWorld
from tests.enforce.worlds import BTC

PRICE, LOTS = 100_000, 100
TERMS = BreakerTerms()
FLOOR = 50 * 100 * (PRICE + 10)
"""Units of half of the open interest, ten ticks up: there it has doubled."""


def calm_world(terms: BreakerTerms = TERMS) -> WatchedWorld:
    """Ann is long, all sources spoke a second ago, and every breaker rests."""
    world = WatchedWorld.of_breakers(terms)
    world.long_position(lots=LOTS, price=PRICE, cash=100_000_000)
    world.see(BTC, PRICE, after_s=1)
    return world


def word(world: WatchedWorld, source: str, price: int, *, after_s: int = 1, late_s: float = 0) -> Event:
    state = world.venue.state
    now = state.now_ns + after_s * SECOND
    said = OracleUpdate(BTC, source, price, 0, now - int(late_s * SECOND))
    return Event(state.seq + 1, now, f"event {len(world.log)}", said)


@dataclass(frozen=True)
class Case:
    """What happened before source two's word, and the word: ``after_s`` later, and ``late_s`` under way."""

    before: Sequence[Body] = ()
    price: int = PRICE
    after_s: int = 1
    late_s: float = 0
    terms: BreakerTerms = TERMS


def one_says(price: int) -> OracleUpdate:
    return OracleUpdate(BTC, "one", price, 0, SECOND)


CASES = {
    "a fall out of somebody's band": Case((one_says(94_000),), 94_000),
    "a jump that is held": Case((one_says(80_000),), 80_000),
    "the price band": Case((one_says(99_800),), 99_800, terms=replace(TERMS, move_ppm=1_000)),
    "an older word": Case(late_s=1.5),
    "latency": Case(after_s=2, late_s=0.75, terms=replace(TERMS, latency_ns=SECOND // 2, quorum=1, opening_quorum=1,
                                                          margin_age_ns=SECOND, opening_age_ns=SECOND)),
    "a window of growth that rolls on": Case(terms=replace(TERMS, growth_window_ns=4 * SECOND), after_s=2),
    "growth, for its floor is notional": Case((one_says(PRICE + 11),), PRICE + 11,
                                              terms=replace(TERMS, growth_floor=FLOOR)),
    "a tripped breaker": Case((DepthUpdate(BTC, 1_000), DepthUpdate(BTC, 1))),
    "a breaker that eases": Case((DepthUpdate(BTC, 1_000), DepthUpdate(BTC, 1), DepthUpdate(BTC, 1_000))),
    "a fund of its own that nobody looked at": Case((FundInsurance(BTC, 10**6),)),
    "one source alone": Case(after_s=70),
    "no price": Case(price=0),
}


@pytest.mark.parametrize("name", CASES)
def test_a_stride_ends_before_a_price_on_which_more_hangs(name: str) -> None:
    """A halt, a call or a rejection that happened live would not have happened after a recovery."""
    case = CASES[name]
    world = calm_world(case.terms)
    for body in case.before:
        world.must(body)
    digest = world.venue.state.digest()
    assert stride(world.venue, [word(world, "two", case.price, after_s=case.after_s, late_s=case.late_s)], 0) == 0
    assert world.venue.state.digest() == digest


@pytest.mark.parametrize("name", CASES)
def test_the_same_breakers_let_a_calm_price_pass(name: str) -> None:
    """A recovery that strides over nothing takes minutes; the test above would hold of it all the same."""
    striding, stepping = (calm_world(CASES[name].terms) for _ in range(2))
    for world in (striding, stepping):
        world.must(one_says(PRICE + 10))
    calm = word(striding, "two", PRICE + 10, after_s=0)
    assert stride(striding.venue, [calm], 0) == 1
    assert not stepping.venue.apply(calm)
    assert striding.mark() == PRICE + 10
    assert striding.venue.state.digest() == stepping.venue.state.digest()


def drawn_log(seed: int) -> tuple[list[Event], int]:
    """What a venue with breakers accepted on a wild day, and how often a breaker moved."""
    venue, log, moves = new_venue(), list[Event](), 0

    def take(event: Event) -> Sequence[Effect]:
        nonlocal moves
        effects = venue.apply(event)
        moves += sum(isinstance(effect, BreakerTransition) for effect in effects)
        if not (effects and isinstance(effects[0], Rejected)):
            log.append(event)
        return effects

    drawn = DrawnVenue(venue.state, take, pools=20, seed=seed)
    drawn.open()
    drawn.fill_everybody(20_000 * 10**6)
    for outage in range(3):
        drawn.run(400 + 400 * outage)
        drawn._now += 70 * SECOND  # nobody says anything
    return log, moves


def new_venue() -> Venue:
    return Venue(terms_of_book(limits(breakers=True)), PRESETS["leverline"])


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 97))
def test_strides_over_composites_end_where_single_steps_do(seed: int, cut: int) -> None:
    """A recovered venue would halt, call or liquidate at other prices than the one that crashed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawn_venue, "VOLATILITY_A_YEAR", 5.0)
        log, moves = drawn_log(seed)
    assert moves, "a day without a halt holds nothing together"
    striding, stepping = new_venue(), new_venue()
    must_end_alike(striding, stepping, log, cut)
    late = Event(stepping.state.seq + 1, stepping.state.now_ns + 100 * SECOND, "late", TimePassed())
    assert list(striding.apply(late)) == list(stepping.apply(late))
    assert striding.state.digest() == stepping.state.digest()
