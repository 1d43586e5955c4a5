"""Safe bands: a price looks at whom it must, and at hardly anybody else. Equality with the sweep is in the machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from leverline.enforce.band_watch import BandWatch
from leverline.enforce.breakers import may_liquidate
from leverline.enforce.effects import LiquidationOrder, MarginCall, Rejected
from leverline.enforce.events import (
    Body,
    Deposit,
    Event,
    Fill,
    Funding,
    LiquidationFill,
    OracleUpdate,
    PoolKey,
    TimePassed,
    Withdraw,
)
from leverline.enforce.liquidating import look_at
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.state import VenueState
from leverline.enforce.venue import OUTSIDE_MARKET, Venue
from leverline.enforce.watch import SweepWatch, is_settled
from tests.enforce.worlds import ANN, BTC, ETH, World, terms

USDT = 10**6


class Counting(BandWatch):
    """Remembers how many pools the last price exposed."""

    count = 0

    def exposed(self, state: VenueState, name: str) -> Iterable[int]:
        found = set(super().exposed(state, name))
        self.count = len(found)
        return found


def crowd(watch: BandWatch | SweepWatch) -> World:
    """Longs and shorts of 100 lots with 12, 13, ... 61 USDT each: fifty liquidation prices a side."""
    world = World(Venue(terms(), LEVERLINE, watch=watch))
    world.price(BTC, 10_000)
    for i in range(50):
        for side in (1, -1):
            key = PoolKey(f"{'long' if side > 0 else 'short'} {i}")
            world.open(key, (12 + i) * USDT)
            pair = (key, OUTSIDE_MARKET) if side > 0 else (OUTSIDE_MARKET, key)
            world.trade(*pair, 100, 10_000)
    return world


def test_a_calm_tick_looks_at_nobody() -> None:
    """A venue that values everybody at every tick falls behind the market in the crash."""
    watch = Counting()
    world = crowd(watch)
    for price in (10_010, 9_990, 10_020, 9_900):
        world.price(BTC, price)
        assert watch.count == 0


def test_a_fall_looks_at_those_it_endangers_and_no_more() -> None:
    """One pool passed over is one bankruptcy; all of them looked at is a slow venue."""
    watch = Counting()
    world, swept = crowd(watch), crowd(SweepWatch())
    for price in (9_400, 9_000, 8_800, 9_500, 10_500, 11_200, 10_000):
        effects = world.price(BTC, price)
        assert swept.price(BTC, price) == effects
        endangered = sum(isinstance(effect, MarginCall | LiquidationOrder) for effect in effects)
        assert watch.count <= 2 * endangered + len(world.venue.state.room("calls")) + len(
            world.venue.state.room("resting")) + 12
    assert world.venue.state.digest() == swept.venue.state.digest()


def test_a_rejected_price_hides_nobody_from_the_next() -> None:
    """A band that is used up by a price which never was would leave its pool unwatched."""
    watch = Counting()
    world = crowd(watch)
    state = world.venue.state
    state.undo.put(state.markets, BTC, state.markets[BTC])  # as if an event were under way
    assert set(watch.exposed(state, BTC)) == set()
    watch.rejected()
    state.undo.take_back()
    refused = world.venue.apply(Event(state.seq + 1, state.now_ns, "late", OracleUpdate(BTC, "one", 8_000, 0, 10**18)))
    assert isinstance(refused[0], Rejected)
    assert "LiquidationOrder" in [type(effect).__name__ for effect in world.price(BTC, 8_900)]


def test_a_deposit_moves_the_band() -> None:
    """A trader who topped up must not be looked at by the old price, nor missed by the new one."""
    watch = Counting()
    world = World(Venue(terms(), LEVERLINE, watch=watch))
    world.price(BTC, 10_000)
    world.price(ETH, 10_000)
    world.open(ANN, 12 * USDT)
    world.trade(ANN, OUTSIDE_MARKET, 100, 10_000)
    world.must(Deposit(ANN, "USDT", 10 * USDT))
    world.price(BTC, 9_200)
    assert watch.count == 0
    world.price(BTC, 8_340)  # 5.4 of equity over a call level of 5.2125: looked at, and left alone
    world.price(BTC, 8_330)
    assert watch.count == 0
    assert [type(effect) for effect in world.price(BTC, 8_300)] == [MarginCall]  # 5 of equity, 5.1875 at the call level
    assert "LiquidationOrder" in [type(effect).__name__ for effect in world.price(BTC, 8_200)]


def test_bands_take_no_more_room_than_the_venue() -> None:
    """A list that grows with every event fills the memory of a venue that runs for months."""
    watch = Counting()
    world = crowd(watch)
    for _ in range(60):
        world.must(Funding(BTC, 1))
    assert sum(len(heap) for heap in (*watch.falls.values(), *watch.rises.values())) <= 2 * (64 + 4 * 100 + 1)
    assert watch.count == 0
    assert "MarginCall" in [type(effect).__name__ for effect in world.price(BTC, 9_000)]


KINDS = ["price", "trade", "deposit", "withdraw", "coin", "coins", "time", "fund", "fee", "fill"]
HAPPENINGS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 3), st.integers(1, 120),
                                st.integers(-300_000, 300_000)), max_size=30)


@given(happenings=HAPPENINGS)
def test_a_look_at_a_settled_pool_does_nothing(happenings: Any) -> None:
    """A deposit into such a pool is not looked at: were it due a call or a liquidation, it would slip through."""
    world = World.of()
    for name, price in ((BTC, 10_000), (ETH, 10_000), ("COIN", USDT)):
        world.price(name, price)
    keys = [PoolKey(name) for name in "abcd"]
    for key in keys:
        world.open(key, 20 * USDT)
    state = world.venue.state
    for name, who, size, move in happenings:
        key, other = keys[who], keys[who - 1]
        mark = state.markets[BTC].mark or 1
        orders = state.room("orders")
        bodies: dict[str, Body] = {
            "price": OracleUpdate(BTC, "one", max(1, mark * (10**6 + move) // 10**6), 0, state.now_ns),
            "trade": Fill(BTC, key, other, size, mark), "deposit": Deposit(key, "USDT", size * USDT // 10),
            "withdraw": Withdraw(key, "USDT", size * USDT // 10), "coins": Deposit(key, "COIN", size * USDT // 10),
            "coin": OracleUpdate("COIN", "one", USDT + 2 * move, 0, state.now_ns), "time": TimePassed(),
            "fund": Funding(BTC, move // 20), "fee": Fill(ETH, key, OUTSIDE_MARKET, 1, 10_000, size * USDT // 4),
            "fill": LiquidationFill(min(orders, default=1), OUTSIDE_MARKET, 1, max(
                1, orders[min(orders)].limit if orders else 1)),
        }
        world.do(bodies[name], after_s=size)
        before = state.digest()
        for pool in range(1, len(keys) + 1):
            if is_settled(state, pool):
                assert look_at(state, [pool], LEVERLINE, may_liquidate) == []
        assert state.digest() == before
