"""Orders judged by arithmetic are judged as if they were booked and the pool valued after it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from leverline.enforce.effects import Accepted, Reject, Rejected
from leverline.enforce.events import Deposit, OpenPool, OrderIntent, PoolKey
from leverline.enforce.margining import standing
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.positions import change_position
from leverline.enforce.rejection import RejectedError
from leverline.enforce.state import VenueState
from leverline.enforce.terms import TierTerms
from leverline.enforce.trading import closed_to, refusal
from leverline.enforce.venue import OUTSIDE_MARKET
from leverline.model.accounts import Mode
from tests.enforce.worlds import ANN, BTC, ETH, World, market

USDT = 10**6
TIERS = (TierTerms(0, 50_000, 25_000, 0), TierTerms(30 * USDT, 80_000, 40_000, 450_000),
         TierTerms(200 * USDT, 150_000, 75_000, 7_450_000))
APART = PoolKey("ann", "apart")
caps = st.none() | st.integers(1, 300 * USDT)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Ann holds any of BTC, ETH and coins; her owner's other pool holds BTC too; caps bind here and there."""
    row = market(BTC, tiers=TIERS, position_cap=draw(caps), open_interest_cap=draw(caps), profit_cap=draw(caps),
                 owner_share_ppm=draw(st.none() | st.integers(1, 10**6)),
                 account_classes=draw(st.none() | st.just((("", 70_000),))))
    world = World.of(LEVERLINE, row, market(ETH))
    world.open(ANN, draw(st.integers(1, 60 * USDT)))
    world.must(OpenPool(APART, "ann", Mode.SEGREGATED))
    world.must(Deposit(APART, "USDT", 10**9))
    if draw(st.booleans()):
        world.must(Deposit(ANN, "COIN", draw(st.integers(1, 20 * USDT))))
    for name in (BTC, ETH, "COIN")[:draw(st.integers(2, 3))]:
        world.price(name, USDT if name == "COIN" else 10_000)
    for key, name in ((ANN, BTC), (ANN, ETH), (APART, BTC)):
        size = draw(st.integers(-150, 150))
        if size:
            pair = (key, OUTSIDE_MARKET) if size > 0 else (OUTSIDE_MARKET, key)
            world.trade(*pair, abs(size), draw(st.integers(9_500, 10_500)), name)
    return world


def by_booking(state: VenueState, pool: int, lots: int, price: int) -> Reject | None:
    """Caps in the order in which they are named, then the trade booked, valued and taken back."""
    row, now = state.terms.markets[BTC], state.markets[BTC]
    held, others = (state.positions.lots[i].get(BTC, 0) for i in (pool, state.number[APART]))
    assert now.mark is not None
    owner = row.notional(abs(held + lots) + abs(others), now.mark)
    interest = row.notional(now.open_interest + max(0, abs(held + lots) - abs(held)), now.mark)
    if row.position_cap is not None and owner > row.position_cap:
        return Reject.POSITION_CAP
    if row.open_interest_cap is not None and interest > row.open_interest_cap:
        return Reject.OPEN_INTEREST_CAP
    if row.owner_share_ppm is not None and now.open_interest and owner * 10**6 > interest * row.owner_share_ppm:
        return Reject.OWNER_SHARE
    place = state.undo.mark()
    try:
        change_position(state, pool, BTC, lots, price)
        after = standing(state, pool)
    except RejectedError as error:
        return error.reason
    finally:
        state.undo.take_back(place)
    return Reject.NO_PRICE if not after.priced else None if after.free >= 0 else Reject.BELOW_INITIAL


sizes = st.integers(-400, 400).filter(bool) | st.sampled_from([2**61, -(2**61), 2**50])


@given(world=worlds(), lots=sizes, price=st.integers(1, 20_000))
def test_an_order_is_judged_as_if_it_were_booked(world: Any, lots: Any, price: Any) -> None:
    """An order waved through by a shortcut opens what the ledger then liquidates."""
    state = world.venue.state
    pool = state.number[ANN]
    held = state.positions.lots[pool].get(BTC, 0)
    before = state.digest()
    if held * lots < 0 and abs(lots) <= abs(held):
        assert refusal(state, pool, BTC, lots, price) is None
    else:
        assert refusal(state, pool, BTC, lots, price) == by_booking(state, pool, lots, price)
    assert state.digest() == before


@given(world=worlds(), lots=sizes, price=st.integers(9_000, 11_000))
def test_the_largest_order_is_one_that_one_lot_more_would_spoil(world: Any, lots: Any, price: Any) -> None:
    """A trader told too little leaves money idle; told too much he is refused what was promised."""
    state = world.venue.state
    pool = state.number[ANN]
    answer = world.do(OrderIntent(ANN, BTC, lots, price))[0]
    largest = answer.largest if isinstance(answer, Accepted) else int(answer.detail.split()[2])
    side = 1 if lots > 0 else -1
    assert largest == 0 or refusal(state, pool, BTC, side * largest, price) is None
    assert refusal(state, pool, BTC, side * (largest + 1), price) is not None
    if isinstance(answer, Accepted):
        assert abs(lots) <= largest or price * side < 10_000 * side  # better than the mark: a larger one may ask less
    assert isinstance(answer, Accepted | Rejected)


def test_what_a_pool_is_shut_out_of_is_said_before_any_size() -> None:
    """A halted market that answers with a number invites the next order."""
    world = World.of(LEVERLINE, replace(market(BTC), price_band_ppm=10_000))
    world.open(ANN, 10 * USDT)
    state = world.venue.state
    assert closed_to(state, state.number[ANN], BTC, 10_000) is Reject.NO_PRICE
    world.price(BTC, 10_000)
    assert closed_to(state, state.number[ANN], BTC, 10_101) is Reject.PRICE_BAND
    assert closed_to(state, state.number[ANN], BTC, 10_100) is None
    refused = world.do(OrderIntent(ANN, BTC, 1, 10_101))
    assert refused == (Rejected(Reject.PRICE_BAND, "at most 0 lots"),)
