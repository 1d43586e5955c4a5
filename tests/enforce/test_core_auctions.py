"""Dutch auctions of a pool's lots by hand, with figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from leverline.enforce.auctions import Curve, DutchAuction
from leverline.enforce.effects import (
    AuctionClosed,
    AuctionOpened,
    LiquidationClosed,
    Reject,
    Rejected,
    Stage,
    StageRefused,
)
from leverline.enforce.events import (
    AuctionBid,
    Pause,
    Resume,
    TimePassed,
)
from leverline.enforce.orders import Auction
from tests.enforce.falls import QUEUE, USDT, WHOLE, fallen
from tests.enforce.worlds import ANN, BOB, BTC, CAT, SECOND, World


def auction_world(**rules: object) -> World:
    """An auction for Ann's 100 lots from 1 % above 8,900, 8,989 ticks, over 100 seconds."""
    stage = DutchAuction(**{"duration_s": 100, "resets": 0, **rules})  # type: ignore[arg-type]
    world = fallen(replace(WHOLE, closing_stages=(stage, QUEUE)))
    world.open(BOB, 100 * USDT)
    world.effects = world.must(TimePassed(), after_s=10)
    return world


def test_an_auction_falls_until_somebody_bids() -> None:
    """A price that does not fall finds no bidder in a crash; one that falls past bankruptcy costs the fund."""
    world = auction_world()
    assert world.effects[-1] == AuctionOpened(2, ANN, BTC, 100, 8_989)
    refused = world.do(AuctionBid(2, BOB, 10, 8_900))
    assert refused == (Rejected(Reject.PRICE_BAND, "the price is 8989 ticks"),)
    closed = world.must(AuctionBid(2, BOB, 10, 8_900), after_s=1)  # 99 % of 8,989, rounded up
    assert closed[0] == LiquidationClosed(2, ANN, BTC, 10, 8_900, 8_900, Stage.AUCTION)
    closed = world.must(AuctionBid(2, BOB, 200, 8_900), after_s=20)  # never below 8,800
    assert closed[0] == LiquidationClosed(2, ANN, BTC, 90, 8_800, 79_200, Stage.AUCTION)  # of the 0.0911 that is left
    assert world.venue.state.room("auctions") == {}


def test_an_auction_without_bidders_ends_and_the_next_stage_takes_over() -> None:
    """An auction that never ends is a loss that nobody meets."""
    world = auction_world()
    effects = world.must(TimePassed(), after_s=100)
    assert effects[0] == AuctionClosed(2, 0, 100)
    assert effects[-1] == StageRefused(Stage.DELEVERAGING, ANN, "no winner holds the other side")


def test_a_stalled_auction_starts_again_at_the_mark_of_now() -> None:
    """A start from a stale price falls through a market that has moved on."""
    world = auction_world(resets=1)
    world.price(BTC, 8_850)
    effects = world.must(TimePassed(), after_s=100)
    assert effects == (AuctionOpened(2, ANN, BTC, 100, 8_938),)
    assert world.must(TimePassed(), after_s=100)[0] == AuctionClosed(2, 0, 100)


def test_a_bid_leaves_no_dust_and_needs_margin() -> None:
    """What is too small to sell stays on the venue; a bidder without margin is the next liquidation."""
    world = auction_world(dust=20 * USDT)
    world.open(CAT, USDT)
    assert world.do(AuctionBid(2, CAT, 77, 9_000))[0].reason is Reject.BELOW_INITIAL  # type: ignore[union-attr]
    effects = world.must(AuctionBid(2, BOB, 90, 9_000))  # would leave 10 lots, 9 USDT: shrinks to leave 23
    assert isinstance(effects[0], LiquidationClosed)
    assert effects[0].lots == 77


@pytest.mark.parametrize(("curve", "price"), [(Curve.LINEAR, 9_000), (Curve.STAIRSTEP, 9_900),
                                              (Curve.EXPONENTIAL, 9_044)])
def test_curves_fall_as_the_rulebook_says(curve: Any, price: Any) -> None:
    """Ten seconds into an auction from 10,000 ticks."""
    stage = DutchAuction(curve, duration_s=100, step_s=10)
    assert stage.price(Auction(1, 1, BTC, 5, 1, 0, 10_000, 5), 10 * SECOND) == price
    assert stage.price(Auction(1, 1, BTC, -5, 10**9, 0, 10_000, 5), 10 * SECOND) == 20_000 - price


def test_no_bid_is_taken_in_a_halt() -> None:
    """A bidder would take new risk, and a pool be sold, at a curve from a price that the venue distrusts."""
    world = auction_world()
    world.must(Pause(BTC, "odd prices"))
    assert world.do(AuctionBid(2, BOB, 10, 9_000)) == (Rejected(Reject.HALTED, BTC),)
    world.must(Resume(BTC, "explained"))
    world.must(AuctionBid(2, BOB, 10, 9_000))
