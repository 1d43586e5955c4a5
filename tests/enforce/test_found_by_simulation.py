"""What the simulation found, each in as few events as show it."""

from __future__ import annotations

from dataclasses import replace

from leverline.enforce.breaker_terms import BreakerTerms
from leverline.enforce.events import Deposit, OracleUpdate, TimePassed
from leverline.enforce.margining import standing
from leverline.enforce.orders import resting_of
from leverline.enforce.venue import OUTSIDE_MARKET
from tests.enforce.worlds import ANN, BOB, BTC, ETH, World, kinds


def test_a_winner_who_is_safe_once_deleveraged_is_not_liquidated_on_top() -> None:
    """Ann's order would go on selling what she may keep: most of it was closed against Bob's in this event."""
    world = World.of()
    ann, _ = world.open(ANN, 10**8), world.open(BOB, 10**8)
    for name in (BTC, ETH):
        world.price(name, 10_000)
    world.trade(BOB, ANN, 1_000, 10_000)
    world.trade(OUTSIDE_MARKET, ANN, 500, 10_000)
    world.trade(ANN, OUTSIDE_MARKET, 1_000, 10_000, ETH)
    world.price(BTC, 8_900)  # Bob is bankrupt, and nobody takes his order
    world.price(ETH, 8_400, 1.0)
    assert standing(world.venue.state, ann).liquidatable
    resting = resting_of(world.venue.state, ann)
    assert [item.market for item in resting] == [BTC]
    assert abs(resting[0].lots) < 500
    effects = world.must(TimePassed(), 9.5)
    assert "Deleveraged" in kinds(effects)
    assert not standing(world.venue.state, ann).liquidatable
    assert resting_of(world.venue.state, ann) == []
    assert "LiquidationWithdrawn" in kinds(effects[-2:])


def test_collateral_that_was_priced_is_not_worthless_because_a_book_sees_better() -> None:
    """The first source's word under new breakers is no quorum: its collateral has no valid price, not the price 0."""
    world = World.of()
    ann = world.open(ANN, 10**7)
    world.price(BTC, 10_000)
    world.price("COIN", 10**6)
    world.must(Deposit(ANN, "COIN", 10**9))
    world.trade(ANN, OUTSIDE_MARKET, 1_000, 10_000)
    state = world.venue.state
    state.undo.put(state.book, "now", replace(state.terms, breakers=BreakerTerms()))
    state.undo.keep()
    assert world.must(OracleUpdate("COIN", "one", 10**6, 0, state.now_ns)) == ()
    assert "COIN" not in state.asset_price
    assert not standing(state, ann).priced
