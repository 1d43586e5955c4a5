"""Liquidation orders in the book by hand: when they go out, what a fill books, when they end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from leverline.enforce.effects import (
    FundMovement,
    LiquidationClosed,
    LiquidationOrder,
    LiquidationWithdrawn,
    Reject,
    Rejected,
    Stage,
)
from leverline.enforce.events import (
    Convert,
    Deposit,
    LiquidationFill,
    Pause,
    Resume,
    TimePassed,
)
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.venue import OUTSIDE_MARKET
from tests.enforce.falls import USDT, WHOLE, fallen, order_of
from tests.enforce.worlds import ANN, BOB, BTC, ETH, World, kinds, market


def test_an_order_goes_out_at_the_price_that_uses_up_the_margin() -> None:
    """A looser limit would let the book sell a trader's position at the fund's expense."""
    assert order_of(fallen()) == LiquidationOrder(1, ANN, BTC, 100, 8_800, Stage.BOOK)


def test_a_price_exactly_at_maintenance_is_safe() -> None:
    """Equality is safe: a pool that covers its requirement to the unit must not be sold."""
    world = fallen(to=9_264)  # 4.64 of equity, 4.632 of maintenance
    assert "LiquidationOrder" not in kinds(world.effects)
    world = fallen(cash=12_360_000 - 20_000, to=9_228)  # 4.62 against 4.614
    assert "LiquidationOrder" not in kinds(world.effects)
    world = fallen(cash=12_000_000 - 6_000, to=9_264)  # 4.634 against 4.632
    assert "LiquidationOrder" not in kinds(world.effects)
    assert "LiquidationOrder" in kinds(world.price(BTC, 9_263))  # 4.624 against 4.6315


def test_a_fill_pays_the_penalty_to_taker_and_fund() -> None:
    """A penalty that is not booked leaves nothing to pay liquidators with."""
    world = fallen()
    world.open(BOB, 100 * USDT)
    closed = world.must(LiquidationFill(1, BOB, 100, 8_900))
    assert closed == (LiquidationClosed(1, ANN, BTC, 100, 8_900, 89_000, Stage.BOOK),
                      FundMovement("", 44_500, 44_500, "penalty of ann"))
    assert (world.cash(ANN), world.cash(BOB), world.fund()) == (1_000_000 - 89_000, 100 * USDT + 44_500, 44_500)
    assert world.venue.state.room("orders") == {}


@pytest.mark.parametrize(("fill", "reason"), [
    (LiquidationFill(1, BOB, 100, 8_799), Reject.PRICE_BAND),
    (LiquidationFill(1, BOB, 101, 8_900), Reject.OVERFLOW),
    (LiquidationFill(1, BOB, 0, 8_900), Reject.OVERFLOW),
    (LiquidationFill(2, BOB, 1, 8_900), Reject.UNKNOWN_ORDER),
    (LiquidationFill(1, ANN, 1, 8_900), Reject.MALFORMED),
])
def test_a_fill_that_the_order_does_not_allow_is_refused(fill: Any, reason: Any) -> None:
    """An executor's mistake must not become a trader's loss."""
    world = fallen()
    world.open(BOB, 100 * USDT)
    assert world.do(fill) == (Rejected(reason, world.do(fill)[0].detail),)  # type: ignore[union-attr]


def test_a_pool_that_recovers_keeps_its_position() -> None:
    """Selling a pool that is safe again takes a position for nothing."""
    world = fallen()
    assert world.price(BTC, 9_900) == (LiquidationWithdrawn(1, ANN, "the pool recovered"),)
    assert world.do(LiquidationFill(1, OUTSIDE_MARKET, 1, 9_900))[0].reason is Reject.UNKNOWN_ORDER  # type: ignore
    assert world.lots(ANN) == 100


def test_a_trader_who_closes_first_is_not_sold_again() -> None:
    """An order larger than what is left would turn a long into a short."""
    world = fallen()
    effects = world.trade(OUTSIDE_MARKET, ANN, 40, 8_850)
    assert effects[0] == LiquidationWithdrawn(1, ANN, "the position changed")
    again = effects[-1]
    assert isinstance(again, LiquidationOrder)
    assert (again.order, again.lots) == (2, 60)


def test_our_own_size_closes_no_more_than_it_must() -> None:
    """Closing everything at the first breach is how exchanges made cascades."""
    world = fallen(replace(WHOLE, size=LEVERLINE.size), to=9_250)  # equity 4.5, maintenance 4.625
    order = order_of(world)
    world.must(LiquidationFill(order.order, OUTSIDE_MARKET, order.lots, 9_250))
    left = 100 - order.lots
    need = left * 9_250 * 100 * 5 // 100
    assert order.lots == 12  # 4.5 less 12 penalties of 0.000925 is 4.4889; 88 lots need 1.1 * 4.07 = 4.477
    assert world.cash(ANN) - left * 750 * 100 >= need * 11 // 10
    assert world.venue.state.room("orders") == {}


def test_nothing_is_liquidated_in_a_halt_and_everything_after_it() -> None:
    """A liquidation on a price that the venue itself distrusts cannot be undone."""
    world = fallen(to=10_000)
    world.must(Pause(BTC, "odd prices"))
    assert world.price(BTC, 8_900) == (fallen().effects[0],)  # the call, no order
    assert world.must(TimePassed(), after_s=60) == ()
    assert "LiquidationOrder" in kinds(world.must(Resume(BTC, "explained")))


def test_no_more_pools_are_cut_in_one_event_than_the_venue_can_sell() -> None:
    """All of a crash sold at once is a crash of its own."""
    world = World.of(replace(WHOLE, most_cuts=1), market(BTC), market(ETH))
    world.price(BTC, 10_000)
    for key in (ANN, BOB):
        world.open(key, 12 * USDT)
        world.trade(key, OUTSIDE_MARKET, 100, 10_000)
    first = [e for e in world.price(BTC, 8_900) if isinstance(e, LiquidationOrder)]
    then = [e for e in world.must(TimePassed()) if isinstance(e, LiquidationOrder)]
    assert [[e.pool for e in row] for row in (first, then)] == [[ANN], [BOB]]


def test_a_haircut_is_no_loss_of_the_position() -> None:
    """Coins that would pay for all at the oracle's price, and not less their haircut: the order must find a buyer.

    A limit above the mark would be tried again and again, or be paid by winners, for a loss that nobody has made.
    """
    world = World.of(WHOLE, market(BTC), market(ETH))
    world.open(ANN, 0)
    world.price("COIN", USDT)
    world.must(Deposit(ANN, "COIN", 12 * USDT))
    world.price(BTC, 10_000)
    world.trade(ANN, OUTSIDE_MARKET, 100, 10_000)
    world.effects = world.price(BTC, 8_870)  # 11.3 lost; the coins are worth 12 and count 10.8
    assert order_of(world).limit == 8_870
    world.must(LiquidationFill(1, OUTSIDE_MARKET, 100, 8_870))
    world.must(Convert(ANN, OUTSIDE_MARKET, "COIN", 12 * USDT, 950_000))
    assert (world.cash(ANN), world.fund()) == (100_000, 0)


def test_coins_pay_as_far_as_their_haircut_leaves_something() -> None:
    """What is surely there goes with the position; what surely is not the fund must know of beforehand."""
    for to, limit in ((8_950, 8_920), (8_700, 8_800)):  # 10.5 lost of 10.8 counted; 13 of 12 owned
        world = World.of(WHOLE, market(BTC), market(ETH))
        world.open(ANN, 0)
        world.price("COIN", USDT)
        world.must(Deposit(ANN, "COIN", 12 * USDT))
        world.price(BTC, 10_000)
        world.trade(ANN, OUTSIDE_MARKET, 100, 10_000)
        world.effects = world.price(BTC, to)
        assert order_of(world).limit == limit
