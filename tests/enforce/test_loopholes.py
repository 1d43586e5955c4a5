"""Ways round the line that a trader, or bad luck, could find: each was open once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leverline.enforce.auctions import DutchAuction
from leverline.enforce.deleveraging.queues import QueueByProfitAndLeverage
from leverline.enforce.deleveraging_stage import Deleveraging
from leverline.enforce.effects import (
    CollateralOffered,
    CollateralSeized,
    LiquidationOrder,
    LossShared,
    Reject,
    Rejected,
)
from leverline.enforce.events import (
    AdoptLimits,
    AuctionBid,
    Deposit,
    Fill,
    FundInsurance,
    LiquidationFill,
    OpenPool,
    OracleUpdate,
    Pause,
    PoolKey,
    TimePassed,
    Transfer,
    Withdraw,
)
from leverline.enforce.insurance_fund import InsuranceFund
from leverline.enforce.margining import standing
from leverline.enforce.orders import resting_of
from leverline.enforce.policies import VenuePolicies
from leverline.enforce.policy_presets import LEVERLINE, LEVERLINE_AUCTION
from leverline.enforce.sizing import WholePool
from leverline.enforce.terms import AssetTerms, terms_of_book
from leverline.enforce.venue import OUTSIDE_MARKET, Venue
from leverline.model import AssetLimits, VenueLimits
from leverline.model.accounts import Mode
from leverline.model.limitbook import InstrumentLimits, LimitBook
from tests.enforce.worlds import ANN, BOB, BTC, CAT, DAN, ETH, World, market, terms
from tests.model.books import book, schedule


def reason(effects: object) -> Reject | None:
    """Why the event was refused, or None."""
    first = effects[0] if isinstance(effects, tuple) and effects else None
    return first.reason if isinstance(first, Rejected) else None


def long_ann(cash: int = 12_000_000, **rest: object) -> World:
    """Ann long 100 lots from 10,000 ticks against Bob."""
    world = World.of(LEVERLINE, market(BTC, **rest), market(ETH))  # type: ignore[arg-type]
    world.open(ANN, cash)
    world.open(BOB, 10**9)
    for name in (BTC, ETH):
        world.price(name, 10_000)
    world.trade(ANN, BOB, 100, 10_000)
    return world


@pytest.mark.parametrize("leaving", [Withdraw(ANN, "COIN", 10**8), Transfer(ANN, PoolKey("ann", "b"), "COIN", 10**8)])
def test_collateral_does_not_leave_against_unrealised_profit(leaving: Withdraw | Transfer) -> None:
    """Whoever pumps a thin market would take the collateral out and leave a profit that nobody can realise."""
    world = long_ann()
    world.open(PoolKey("ann", "b"))
    world.price("COIN", 10**6)
    world.must(Deposit(ANN, "COIN", 10**8))
    world.must(Withdraw(ANN, "USDT", 12_000_000))
    world.price(BTC, 20_000)
    assert reason(world.do(leaving)) is Reject.BELOW_INITIAL


def test_a_profit_that_counts_nothing_holds_no_cash_back() -> None:
    """With a cap on profits a winner's own money would be locked up by the profit itself."""
    world = long_ann(cash=100_000_000, profit_cap=0)
    world.price(BTC, 20_000)
    assert reason(world.do(Withdraw(ANN, "USDT", 80_000_001))) is Reject.BELOW_INITIAL
    world.must(Withdraw(ANN, "USDT", 80_000_000))


def test_nobody_withdraws_in_a_halt_what_positions_may_need() -> None:
    """Money would flee while nobody may be liquidated, and the fund would be left with the gap at the end."""
    world = long_ann(cash=100_000_000)
    world.must(Pause(BTC, "feed under repair"))
    assert reason(world.do(Withdraw(ANN, "USDT", 1))) is Reject.HALTED
    world.must(Deposit(ANN, "USDT", 1))
    world.open(CAT, 5)
    world.must(Withdraw(CAT, "USDT", 5))


def written(eyes: dict[str, float] | None, tick: float = 0.1, lot: float = 0.001) -> LimitBook:
    """A book of one market, of the tick and lot given, with breakers or without."""
    limits = InstrumentLimits(tiers=schedule((0, None, 10.0, 0.05)), tick=tick, lot=lot, liquidation_fee_rate=0.001)
    return book(settlement="USDT", instruments={BTC: limits}, explanations={}, overrides=(),
                collateral={"COIN": AssetLimits(ltv=0.8, liquidation_threshold=0.9)}, venue=VenueLimits(breakers=eyes))


def test_nobody_withdraws_at_a_price_that_is_not_valid() -> None:
    """The mark of before a crash would say that the money is free."""
    world = World(Venue(terms_of_book(written({}))))
    world.open(ANN, 10**8)
    world.open(BOB, 10**9)
    for source in ("one", "two", "three"):
        world.must(OracleUpdate(BTC, source, 10_000, 0, 0))
    world.trade(ANN, BOB, 100, 10_000)
    world.must(Withdraw(ANN, "USDT", 1))
    assert reason(world.do(Withdraw(ANN, "USDT", 1), after_s=90)) is Reject.NO_PRICE


def test_collateral_that_never_had_a_price_shields_nobody() -> None:
    """One unit of an asset that no feed serves would make a pool safe from liquidation for ever."""
    world = long_ann()
    world.must(Deposit(ANN, "COIN", 1))
    effects = world.price(BTC, 8_900)
    assert any(isinstance(effect, LiquidationOrder) for effect in effects)
    world.price("COIN", 10**6)
    assert standing(world.venue.state, 1).priced


def test_an_isolated_pool_takes_no_second_market_from_a_liquidation() -> None:
    """Its owner's loss would no longer be bounded by one market."""
    apart = PoolKey("dan", "eth")
    for policies in (LEVERLINE, LEVERLINE_AUCTION):
        world = World.of(policies)
        for key in (ANN, BOB):
            world.open(key, 12_000_000 if key == ANN else 10**9)
        world.must(OpenPool(apart, "dan", Mode.ISOLATED))
        world.must(Deposit(apart, "USDT", 10**9))
        for name in (BTC, ETH):
            world.price(name, 10_000)
        world.trade(apart, BOB, 10, 10_000, ETH)
        world.trade(ANN, BOB, 100, 10_000)
        order = next(e for e in world.price(BTC, 8_900) if isinstance(e, LiquidationOrder)).order
        if policies is LEVERLINE:
            assert reason(world.do(LiquidationFill(order, apart, 1, 8_900))) is Reject.ONE_MARKET
            continue
        world.must(TimePassed(), 11)
        number = min(world.venue.state.room("auctions"))
        assert reason(world.do(AuctionBid(number, apart, 1, 10**6))) is Reject.ONE_MARKET


@pytest.mark.parametrize(("rest", "why"), [
    ({"position_cap": 10 * 8_900 * 100}, Reject.POSITION_CAP), ({"account_classes": (("pro", 0),)}, Reject.ACCESS)])
def test_a_bidder_is_held_to_the_limits_too(rest: dict[str, object], why: Reject) -> None:
    """An auction would be the way to a position that no order could open."""
    world = World.of(LEVERLINE_AUCTION, market(BTC, **rest))  # type: ignore[arg-type]
    for key, cash in ((ANN, 12_000_000), (BOB, 10**9), (DAN, 10**9)):
        world.open(key, cash)
    world.price(BTC, 10_000)
    world.trade(ANN, BOB, 100, 10_000)
    world.price(BTC, 8_900)
    world.must(TimePassed(), 11)
    number = min(world.venue.state.room("auctions"))
    assert reason(world.do(AuctionBid(number, DAN, 11, 10**6))) is why
    world.must(AuctionBid(number, BOB, 11, 10**6))  # who is short there reduces


def test_ticks_that_change_take_the_old_price_with_them() -> None:
    """A mark of 10,000 old ticks read in new ones is a tenth of the price, and would liquidate every long."""
    world = World(Venue(terms_of_book(written(None))))
    world.open(ANN, 10**9)
    world.open(BOB, 10**9)
    world.price(BTC, 10_000)
    world.must(AdoptLimits(written(None, tick=0.01, lot=0.01).to_json()))
    assert world.venue.state.markets[BTC].mark is None
    world.trade(ANN, BOB, 10, 100_000)
    assert world.price(BTC, 100_000) == ()


def two_coins(fund: int) -> World:
    """Ann owes 6 USDT, has 4.5 in two assets after haircuts and 5 before, and Bob and Cat have equity."""
    gold = AssetTerms("GOLD", (0,), (800_000,), (900_000,), None)
    both = terms()
    world = World(Venue(replace(both, assets={**both.assets, "GOLD": gold})))
    for key, cash in ((ANN, 12_000_000), (BOB, 10**9), (CAT, 10**9)):
        world.open(key, cash)
    if fund:
        world.must(FundInsurance("", fund))
    for name, price in ((BTC, 10_000), ("COIN", 10**6), ("GOLD", 10**6)):
        world.price(name, price)
    world.must(Deposit(ANN, "COIN", 2_000_000))
    world.must(Deposit(ANN, "GOLD", 3_000_000))
    world.trade(ANN, BOB, 100, 10_000)
    world.effects = world.must(Fill(BTC, BOB, ANN, 100, 8_200))
    return world


def test_two_assets_are_both_sold() -> None:
    """Offering one would start the other's time anew, and a bankrupt pool of two assets would never be wound up."""
    world = two_coins(10**9)
    assert [e.asset for e in world.effects if isinstance(e, CollateralOffered)] == ["COIN", "GOLD"]
    assert world.must(TimePassed(), 5) == ()  # told once
    taken = world.must(TimePassed(), 6)
    assert [(e.asset, e.paid) for e in taken if isinstance(e, CollateralSeized)] == [("COIN", 1_800_000),
                                                                                     ("GOLD", 2_700_000)]
    assert world.cash(ANN) == 0
    assert not world.venue.state.room("offered")


def test_collateral_that_nobody_buys_does_not_hold_up_the_loss_beyond_it() -> None:
    """With the fund empty one unit of collateral would keep any debt from being met, and the books would not close."""
    world = two_coins(0)
    met = world.must(TimePassed(), 11)
    assert sum(e.amount for e in met if isinstance(e, LossShared)) == 1_000_000  # 6 owed, 5 there before haircuts
    assert world.cash(ANN) == -5_000_000
    assert world.must(TimePassed(), 11) == ()  # what collateral carries is left alone


def test_a_winner_who_is_safe_once_deleveraged_ends_its_auctions_in_columns_too() -> None:
    """What is sold of a pool would hang on how many others fell in the same event."""
    policies = VenuePolicies(WholePool(), LEVERLINE.price, (DutchAuction(), Deleveraging(QueueByProfitAndLeverage())),
                             (InsuranceFund(),), 0, 0)
    worlds = [World(Venue(terms(), policies, columns_from=count)) for count in (1, None)]
    answers = []
    for world in worlds:
        ann = world.open(ANN, 10**8)
        world.open(BOB, 10**8)
        for name in (BTC, ETH):
            world.price(name, 10_000)
        world.trade(BOB, ANN, 1_000, 10_000)
        world.trade(OUTSIDE_MARKET, ANN, 500, 10_000)
        world.trade(ANN, OUTSIDE_MARKET, 1_000, 10_000, ETH)
        assert [item.market for item in resting_of(world.venue.state, ann)] == [BTC, ETH]
        world.price(ETH, 8_400)
        answers.append(world.price(BTC, 8_900))  # Bob is bankrupt; Ann's gain on her short alone does not save her
        assert not standing(world.venue.state, ann).liquidatable
        assert resting_of(world.venue.state, ann) == []
    assert answers[0] == answers[1]
    assert worlds[0].venue.state.digest() == worlds[1].venue.state.digest()
