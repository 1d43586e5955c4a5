"""Each handler by hand, with figures: what it books, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from leverline.enforce.effects import Accepted, BreakerTransition, MarginCall, Reject, Rejected
from leverline.enforce.events import (
    Body,
    Convert,
    Deposit,
    Fill,
    Funding,
    FundInsurance,
    Interest,
    OpenPool,
    OracleUpdate,
    OrderIntent,
    Pause,
    PoolKey,
    Resume,
    Settle,
    TimePassed,
    Transfer,
    Withdraw,
)
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.venue import OUTSIDE_MARKET
from leverline.model.accounts import Mode
from tests.enforce.worlds import ANN, BOB, BTC, CAT, ETH, World, market

USDT = 10**6  # units


def traders(cash: int = 100 * USDT) -> World:
    """Ann and Bob with ``cash`` each, a mark of 1,000.0 (10,000 ticks): one lot is worth 1 USDT."""
    world = World.of()
    world.open(ANN, cash)
    world.open(BOB, cash)
    world.price(BTC, 10_000)
    return world


def refused(world: World, body: Body) -> Reject:
    before = world.venue.state.digest()
    effects = world.do(body)
    assert isinstance(effects[0], Rejected), effects
    assert world.venue.state.digest() == before
    return effects[0].reason


def test_profit_that_is_not_realised_cannot_leave() -> None:
    """A price spike would let traders carry off money that the losers have not lost yet."""
    world = traders()
    world.trade(ANN, BOB, 100, 10_000)  # 100 USDT of notional, 10 of initial margin
    world.price(BTC, 12_000)  # Ann is up 20; initial margin is 12
    assert refused(world, Withdraw(ANN, "USDT", 88 * USDT + 1)) is Reject.BELOW_INITIAL
    world.must(Withdraw(ANN, "USDT", 88 * USDT))
    assert world.cash(ANN) == 12 * USDT


def test_closing_realises_what_the_price_made() -> None:
    """A closed trade that pays another sum than the price moved would make or destroy money."""
    world = traders()
    world.trade(ANN, BOB, 100, 10_000)
    world.trade(BOB, ANN, 40, 11_000)
    assert (world.cash(ANN), world.cash(BOB)) == (104 * USDT, 96 * USDT)
    world.trade(BOB, ANN, 60, 9_000)
    assert (world.cash(ANN), world.cash(BOB)) == (98 * USDT, 102 * USDT)
    assert world.venue.state.markets[BTC].open_interest == 0


def test_fees_are_booked_from_traders_to_the_house() -> None:
    """Fees that vanish would leave the house's books short of what traders paid."""
    world = traders()
    world.must(Fill(BTC, ANN, BOB, 10, 10_000, buyer_fee=500, seller_fee=-200))
    assert (world.cash(ANN), world.cash(BOB), world.fund("fees")) == (100 * USDT - 500, 100 * USDT + 200, 300)


def test_funding_moves_from_longs_to_shorts_and_residues_are_dust() -> None:
    """Rounding in the payers' favour would let the house pay out more than it collects."""
    world = traders()
    world.trade(ANN, BOB, 3, 10_000)  # notional 3,000,000 units
    world.must(Funding(BTC, 100))
    assert (world.cash(ANN), world.cash(BOB)) == (100 * USDT - 300, 100 * USDT + 300)
    world.price(BTC, 10_001)  # notional 3,000,300: 300.03 units
    world.must(Funding(BTC, 100))
    assert (world.cash(ANN), world.cash(BOB), world.fund("dust")) == (100 * USDT - 601, 100 * USDT + 600, 1)


def test_interest_goes_from_debtors_to_lenders() -> None:
    """Interest that nobody receives, or that nobody paid, would break the books."""
    world = traders()
    world.must(Deposit(ANN, "COIN", 50 * USDT))
    world.price("COIN", 10 * USDT)  # 500 USDT of collateral: Ann's debt is carried
    world.trade(ANN, BOB, 200, 10_000)
    world.trade(BOB, ANN, 200, 9_000)  # Ann's cash: 100 - 20; withdraw nothing, lose more
    world.trade(ANN, BOB, 1_000, 10_000)
    world.trade(BOB, ANN, 1_000, 9_000)
    assert (world.cash(ANN), world.cash(BOB)) == (-20 * USDT, 220 * USDT)
    world.must(Interest("USDT", 10_000))
    assert (world.cash(ANN), world.cash(BOB)) == (-20_200_000, 220_200_000)


def test_a_reduction_is_always_open_and_an_increase_is_not() -> None:
    """A trader in trouble who may not reduce is driven into liquidation by the venue itself."""
    world = traders(20 * USDT)
    world.trade(ANN, BOB, 150, 10_000)
    world.price(BTC, 9_800)  # 17 of equity over 14.7 of initial margin: 2.3 free
    assert world.must(OrderIntent(ANN, BTC, -150, 9_800)) == (Accepted(ANN, BTC, -150, 323),)
    assert refused(world, OrderIntent(ANN, BTC, 24, 9_800)) is Reject.BELOW_INITIAL
    assert world.must(OrderIntent(ANN, BTC, 1, 9_800)) == (Accepted(ANN, BTC, 1, 23),)
    world.must(Pause("", "drill"))
    assert refused(world, OrderIntent(ANN, BTC, 1, 9_800)) is Reject.HALTED
    world.must(OrderIntent(ANN, BTC, -1, 9_800))
    world.must(Deposit(ANN, "USDT", 1))


@pytest.mark.parametrize(("extra", "body", "reason"), [
    ({"position_cap": 50 * USDT}, OrderIntent(ANN, BTC, 51, 10_000), Reject.POSITION_CAP),
    ({"open_interest_cap": 50 * USDT}, OrderIntent(ANN, BTC, 51, 10_000), Reject.OPEN_INTEREST_CAP),
    ({"price_band_ppm": 50_000}, OrderIntent(ANN, BTC, 1, 10_501), Reject.PRICE_BAND),
    ({"account_classes": (("gold", 1),)}, OrderIntent(ANN, BTC, 1, 10_000), Reject.ACCESS),
    ({}, OrderIntent(ANN, BTC, 2, 10_000, reduce_only=True), Reject.REDUCE_ONLY),
    ({}, OrderIntent(ANN, ETH, 1, 10_000), Reject.NO_PRICE),
    ({}, OrderIntent(ANN, BTC, 0, 10_000), Reject.NOT_POSITIVE),
])
def test_an_order_is_refused_for_the_reason_that_binds(extra: Any, body: Any, reason: Any) -> None:
    """A wrong reason sends a trader to fix what is not broken."""
    world = World.of(LEVERLINE, market(BTC, **extra), market(ETH))
    world.open(ANN, 100 * USDT)
    world.price(BTC, 10_000)
    assert refused(world, body) is reason


def test_one_owner_has_one_position_cap_over_all_accounts() -> None:
    """A cap that a hundred accounts of one owner escape caps nobody."""
    world = World.of(LEVERLINE, market(BTC, position_cap=50 * USDT), market(ETH))
    for key in (ANN, BOB):
        world.must(OpenPool(key, "one owner", Mode.CROSS))
        world.must(Deposit(key, "USDT", 100 * USDT))
    world.open(CAT, 100 * USDT)
    world.price(BTC, 10_000)
    world.trade(ANN, CAT, 40, 10_000)
    assert refused(world, OrderIntent(BOB, BTC, 11, 10_000)) is Reject.POSITION_CAP
    world.must(OrderIntent(BOB, BTC, 10, 10_000))


def test_an_isolated_pool_loses_what_it_holds_and_no_more() -> None:
    """Isolated margin that reaches into the rest of an account is not isolated."""
    world = traders()
    apart = PoolKey("ann", "btc")
    world.must(OpenPool(apart, "ann", Mode.ISOLATED))
    world.must(Transfer(ANN, apart, "USDT", 10 * USDT))
    world.price(ETH, 10_000)
    world.trade(apart, BOB, 90, 10_000)
    assert refused(world, OrderIntent(apart, ETH, 1, 10_000)) is Reject.ONE_MARKET
    assert refused(world, Transfer(apart, ANN, "USDT", 1 * USDT + 1)) is Reject.BELOW_INITIAL
    assert refused(world, Transfer(apart, BOB, "USDT", 1)) is Reject.OTHER_ACCOUNT
    world.price(BTC, 8_000)
    assert world.cash(ANN) == 90 * USDT


def test_collateral_counts_less_than_its_price() -> None:
    """Collateral at full value leaves nothing for the fall between its valuation and its sale."""
    world = traders(0)
    world.must(Deposit(ANN, "COIN", 10 * USDT))
    world.must(Deposit(BOB, "USDT", 100 * USDT))
    world.price("COIN", USDT)  # worth 10, counts 8 for initial margin
    assert world.must(OrderIntent(ANN, BTC, 80, 10_000)) == (Accepted(ANN, BTC, 80, 80),)
    assert refused(world, OrderIntent(ANN, BTC, 81, 10_000)) is Reject.BELOW_INITIAL


def test_collateral_is_sold_for_what_was_agreed() -> None:
    """A sale that gives the coin and not the money robs the pool."""
    world = traders()
    world.must(Deposit(ANN, "COIN", 3))
    world.must(Convert(ANN, BOB, "COIN", 3, 1_500_000))  # 4.5 units, rounded down
    assert (world.cash(ANN), world.cash(BOB)) == (100 * USDT + 4, 100 * USDT - 4)
    assert world.venue.state.ledger.balance(world.venue.state.number[BOB], "COIN") == 3
    assert refused(world, Convert(ANN, BOB, "COIN", 1, 1)) is Reject.INSUFFICIENT


def test_a_market_that_ends_pays_everybody_at_one_price() -> None:
    """A settlement at two prices would pay out money that nobody lost."""
    world = traders()
    world.trade(ANN, BOB, 100, 10_000)
    world.must(Settle(BTC, 10_500))
    assert (world.cash(ANN), world.cash(BOB)) == (105 * USDT, 95 * USDT)
    assert refused(world, OrderIntent(ANN, BTC, 1, 10_500)) is Reject.HALTED
    assert refused(world, Settle(BTC, 10_500)) is Reject.NOTHING_TO_DO


def test_a_margin_call_comes_once_and_again_only_after_recovery() -> None:
    """A call at every tick is a call that nobody reads."""
    world = traders(20 * USDT)
    world.open(CAT, 100 * USDT)
    world.trade(ANN, CAT, 150, 10_000)  # maintenance 7.5, called below 9.375
    assert world.price(BTC, 9_300) == ()  # equity 9.5, needs 6.975 / 0.8 = 8.71875
    assert world.price(BTC, 9_200) == (MarginCall(ANN, 625_000),)  # equity 8, level 6.9 / 0.8 = 8.625
    assert world.price(BTC, 9_180) == ()
    assert world.price(BTC, 9_250) == ()  # 8.75: above the call level of 8.671875, below the 9.25 of recovery
    assert world.price(BTC, 9_200) == ()
    assert world.price(BTC, 9_300) == ()  # 9.5 > 6.975 / 0.75 = 9.3: recovered
    assert world.price(BTC, 9_200) == (MarginCall(ANN, 625_000),)


def test_a_halt_by_hand_carries_its_reason_and_is_lifted_by_hand() -> None:
    """A halt without a reason cannot be judged, and one that lifts itself is no halt."""
    world = traders()
    assert refused(world, Pause(BTC, " ")) is Reject.MALFORMED
    effects = world.must(Pause(BTC, "odd prices"))
    assert isinstance(effects[0], BreakerTransition)
    assert effects[0].reason == "odd prices"
    world.must(TimePassed(), after_s=86_400)
    assert refused(world, OrderIntent(ANN, BTC, 1, 10_000)) is Reject.HALTED
    world.must(Resume(BTC, "explained"))
    world.must(OrderIntent(ANN, BTC, 1, 10_000))


@pytest.mark.parametrize(("body", "reason"), [
    (Deposit(CAT, "USDT", 1), Reject.UNKNOWN_POOL),
    (Deposit(ANN, "GOLD", 1), Reject.UNKNOWN_ASSET),
    (Deposit(ANN, "USDT", 0), Reject.NOT_POSITIVE),
    (Deposit(ANN, "USDT", 2**62), Reject.OVERFLOW),
    (Deposit(ANN, "USDT", True), Reject.MALFORMED),
    (Deposit(ANN, "USDT", 1.0), Reject.MALFORMED),  # type: ignore[arg-type]
    (OpenPool(ANN, "ann", Mode.CROSS), Reject.POOL_EXISTS),
    (OpenPool(CAT, "cat", Mode.ISOLATED), Reject.MALFORMED),
    (OpenPool(PoolKey("\ud800"), "cat", Mode.CROSS), Reject.MALFORMED),
    (OpenPool(PoolKey("x" * 201), "cat", Mode.CROSS), Reject.OVERFLOW),
    (Fill(BTC, ANN, ANN, 1, 1), Reject.MALFORMED),
    (Fill(BTC, ANN, BOB, 2**40, 2**40), Reject.OVERFLOW),
    (Fill("GOLD", ANN, BOB, 1, 1), Reject.UNKNOWN_MARKET),
    (OracleUpdate(BTC, "one", -1, 0, 0), Reject.NOT_POSITIVE),
    (OracleUpdate(BTC, "one", 1, 0, 10**18), Reject.MALFORMED),
    (FundInsurance("GOLD", 1), Reject.UNKNOWN_MARKET),
    (Funding(BTC, 10**6), Reject.OVERFLOW),
    (Interest("USDT", -1), Reject.OVERFLOW),
    (Withdraw(OUTSIDE_MARKET, "USDT", 1), Reject.INSUFFICIENT),
])
def test_what_cannot_be_meant_is_refused_with_its_code(body: Any, reason: Any) -> None:
    """An event that is misread changes balances that its sender never named."""
    assert refused(traders(), body) is reason
