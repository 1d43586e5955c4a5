"""Each stage of the waterfall by hand, with figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from leverline.enforce.backstop import VAULT, BackstopVault
from leverline.enforce.effects import (
    CollateralOffered,
    CollateralSeized,
    Deleveraged,
    FundMovement,
    LiquidationClosed,
    LiquidationOrder,
    LiquidationWithdrawn,
    LossShared,
    MarginCall,
    Reject,
    Rejected,
    Stage,
    StageRefused,
)
from leverline.enforce.events import (
    Convert,
    Deposit,
    FundInsurance,
    LiquidationFill,
    Pause,
    Resume,
    Settle,
    TimePassed,
)
from leverline.enforce.insurance_fund import FundBackedOrder, InsuranceFund
from leverline.enforce.owing import Peril
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.socialise import SocialisedLoss, largest_remainder
from leverline.enforce.venue import OUTSIDE_MARKET
from leverline.ground.errors import UsageError
from tests.enforce.falls import QUEUE, USDT, WHOLE, fallen, order_of
from tests.enforce.worlds import ANN, BOB, BTC, CAT, DAN, ETH, World, kinds, market


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
    assert closed[0] == LiquidationClosed(1, ANN, BTC, 100, 8_900, 89_000, Stage.BOOK)
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


def test_an_insolvent_pool_is_deleveraged_against_winners_in_order_of_rank() -> None:
    """Taking from the wrong winner is what traders remember of a crash."""
    world = World.of(replace(WHOLE, patience_ns=0), market(BTC), market(ETH))
    for key, cash in ((ANN, 12), (BOB, 20), (CAT, 200), (DAN, 20)):
        world.open(key, cash * USDT)
    world.price(BTC, 10_000)
    world.trade(ANN, BOB, 60, 10_000)
    world.trade(ANN, CAT, 30, 10_000)
    world.trade(ANN, DAN, 10, 10_000)
    effects = world.price(BTC, 8_600)  # Ann's equity: 12 - 14 = -2; bankruptcy price 8,800
    assert [e for e in effects if isinstance(e, Deleveraged)] == [
        Deleveraged(BOB, ANN, BTC, 60, 8_800),  # profit 8.4 on 20: the highest score
        Deleveraged(DAN, ANN, BTC, 10, 8_800),  # 1.4 on 20
        Deleveraged(CAT, ANN, BTC, 30, 8_800),  # 4.2 on 200
    ]
    assert (world.cash(ANN), world.cash(BOB), world.cash(CAT)) == (0, 20 * USDT + 7_200_000, 200 * USDT + 3_600_000)


def test_deleveraging_takes_no_lot_beyond_the_need() -> None:
    """A winner closed without need loses a position for nothing."""
    world = World.of(replace(WHOLE, patience_ns=0), market(BTC), market(ETH))
    for key in (ANN, CAT):
        world.open(key, 12 * USDT)
    world.open(BOB, 100 * USDT)
    world.price(BTC, 10_000)
    world.trade(ANN, BOB, 100, 10_000)
    world.trade(OUTSIDE_MARKET, BOB, 50, 10_000)
    world.price(BTC, 8_600)
    assert (world.lots(ANN), world.lots(BOB)) == (0, -50)


def test_the_outside_market_is_never_deleveraged() -> None:
    """Nobody outside can be closed by a venue's rule: lots without a winner stay, and the pool is tried again."""
    world = fallen(replace(WHOLE, patience_ns=0), to=8_600)
    assert world.effects[-1] == StageRefused(Stage.DELEVERAGING, ANN, "no winner holds the other side")
    assert world.lots(ANN) == 100
    assert kinds(world.must(TimePassed())) == ["StageRefused", "StageRefused"]


def test_the_fund_backs_a_second_order_as_far_as_it_can_pay() -> None:
    """A fund that promises one unit twice is insolvent in the crash it was built for."""
    world = World.of(replace(WHOLE, closing_stages=(FundBackedOrder(50_000), QUEUE)), market(BTC), market(ETH))
    for key in (ANN, BOB):
        world.open(key, 12 * USDT)
    world.must(FundInsurance("", 5 * USDT))
    world.price(BTC, 10_000)
    world.trade(ANN, OUTSIDE_MARKET, 100, 10_000)
    world.trade(BOB, OUTSIDE_MARKET, 100, 10_000)
    world.price(BTC, 8_600)
    effects = world.must(TimePassed(), after_s=10)
    backed = [e for e in effects if isinstance(e, LiquidationOrder)]
    # both are bankrupt at 8,800; the fund's 5 USDT are 500 ticks of 100 lots: 5 % below the mark is 8,170, so Ann's
    # order goes to 8,300 and nothing is left for Bob's
    assert backed == [LiquidationOrder(3, ANN, BTC, 100, 8_300, Stage.INSURANCE_FUND)]
    assert StageRefused(Stage.INSURANCE_FUND, BOB, "the fund cannot carry a sale at the mark") in effects
    filled = world.must(LiquidationFill(3, OUTSIDE_MARKET, 100, 8_500))
    assert filled[0] == LiquidationClosed(3, ANN, BTC, 100, 8_500, 0, Stage.INSURANCE_FUND)
    assert filled[1] == FundMovement("", -3 * USDT, 2 * USDT, "pays for ann")
    assert (world.cash(ANN), world.fund(), world.venue.state.room("committed")) == (0, 2 * USDT, {"fund": 0})


def test_a_market_s_own_fund_pays_before_the_shared_one() -> None:
    """A shared fund that pays first lets one bad market drain all."""
    world = fallen()
    world.must(FundInsurance(BTC, USDT))
    world.must(FundInsurance("", 10 * USDT))
    effects = world.must(Settle(BTC, 8_600))  # Ann owes 2
    assert [e for e in effects if isinstance(e, FundMovement)] == [
        FundMovement(BTC, -USDT, 0, "pays for ann"), FundMovement("", -USDT, 9 * USDT, "pays for ann")]
    assert world.cash(ANN) == 0


def test_a_fund_pays_for_the_perils_it_covers_up_to_its_cap() -> None:
    """A fund that pays for everything without a bound is everybody's money without a rule."""
    capped = replace(WHOLE, loss_stages=(InsuranceFund(loss_cap=USDT // 2), SocialisedLoss()))
    world = fallen(capped)
    world.open(BOB, 10 * USDT)
    world.must(FundInsurance("", 10 * USDT))
    effects = world.must(Settle(BTC, 8_600))
    assert StageRefused(Stage.INSURANCE_FUND, ANN, "the cap of one loss") in effects
    assert LossShared(BOB, 1_500_000) in effects
    narrow = replace(WHOLE, loss_stages=(InsuranceFund(perils=frozenset({Peril.LIQUIDATION})), SocialisedLoss()))
    world = fallen(narrow)
    world.open(BOB, 10 * USDT)
    world.must(FundInsurance("", 10 * USDT))
    effects = world.must(Settle(BTC, 8_600))
    assert StageRefused(Stage.INSURANCE_FUND, ANN, "the fund does not cover settlement") in effects
    assert LossShared(BOB, 2 * USDT) in effects


def test_a_shared_loss_sums_to_the_loss_to_the_unit() -> None:
    """A unit lost in rounding is a unit that somebody finds missing."""
    world = fallen()
    for key, cash in ((BOB, 1), (CAT, 1), (DAN, 1)):
        world.open(key, cash * USDT)
    effects = world.must(Settle(BTC, 8_600))  # 2,000,000 units over three equal pools
    shares = [e for e in effects if isinstance(e, LossShared)]
    assert [(e.pool, e.amount) for e in shares] == [(BOB, 666_667), (CAT, 666_667), (DAN, 666_666)]
    assert world.cash(ANN) == 0


def test_a_loss_beyond_everybody_s_equity_stays_owed() -> None:
    """Money that nobody has must not appear."""
    world = fallen()
    world.open(BOB, USDT)
    effects = world.must(Settle(BTC, 8_600))
    assert StageRefused(Stage.SOCIALISED, ANN, "nobody has equity left") in effects
    assert (world.cash(ANN), world.cash(BOB)) == (-USDT, 0)
    world.must(FundInsurance("", 3 * USDT))
    world.must(TimePassed())
    assert (world.cash(ANN), world.fund()) == (0, 2 * USDT)


def test_largest_remainder_gives_the_odd_units_to_the_largest_parts() -> None:
    """Rounding everybody down loses units; rounding everybody up charges too much."""
    assert largest_remainder(10, [1, 1, 1]) == [4, 3, 3]
    assert largest_remainder(7, [5, 3, 2]) == [4, 2, 1]  # 3.5, 2.1, 1.4
    assert largest_remainder(0, []) == []


def test_a_vault_takes_what_its_own_money_carries_and_no_more() -> None:
    """A vault that shares its neighbours' collateral is how a small market drained a large one."""
    world = World.of(replace(WHOLE, closing_stages=(BackstopVault(), QUEUE)), market(BTC), market(ETH))
    world.open(VAULT, 5 * USDT)
    world.open(ANN, 12 * USDT)
    world.must(FundInsurance("", 100 * USDT))
    world.price(BTC, 10_000)
    world.trade(ANN, OUTSIDE_MARKET, 100, 10_000)
    world.price(BTC, 8_900)
    effects = world.must(TimePassed(), after_s=10)
    # at 8,800 each lot brings the vault 0.01 of profit and asks 0.089 of initial margin: 5 / 0.079 = 63 lots
    assert LiquidationClosed(0, ANN, BTC, 63, 8_800, 0, Stage.BACKSTOP) in effects
    assert StageRefused(Stage.BACKSTOP, ANN, "the vault is full") in effects
    assert (world.lots(VAULT), world.cash(VAULT), world.fund()) == (63, 5 * USDT, 100 * USDT)


def test_a_vault_by_the_two_thirds_rule_leaves_healthier_pools_to_the_book() -> None:
    """Hyperliquid's vault takes only below two thirds of maintenance."""
    policies = replace(WHOLE, closing_stages=(BackstopVault(below_two_thirds=True), QUEUE))
    for to, taken in ((9_200, False), (9_090, True)):  # equity 4 against 4.6, 2.9 against 4.545
        world = World.of(policies, market(BTC), market(ETH))
        world.open(VAULT, 500 * USDT)
        world.open(ANN, 12 * USDT)
        world.price(BTC, 10_000)
        world.trade(ANN, OUTSIDE_MARKET, 100, 10_000)
        world.price(BTC, to)
        world.must(TimePassed(), after_s=10)
        assert (world.lots(VAULT) == 100) is taken


def test_a_bankrupt_pool_s_collateral_is_sold_before_the_fund_pays() -> None:
    """A fund that pays while the debtor still owns coins gives them away."""
    world = World.of(WHOLE, market(BTC), market(ETH))
    world.open(ANN, 2 * USDT)
    world.must(Deposit(ANN, "COIN", 10 * USDT))
    world.must(FundInsurance("", 50 * USDT))
    world.price("COIN", USDT)
    world.price(BTC, 10_000)
    world.trade(ANN, OUTSIDE_MARKET, 90, 10_000)
    effects = world.must(Settle(BTC, 8_800))  # 10.8 lost: 8.8 owed, carried by coins that count 9
    assert (kinds(effects), world.cash(ANN)) == ([], -8_800_000)
    effects = world.price("COIN", 950_000)  # they count 8.55 now
    assert effects == (MarginCall(ANN, 250_000), CollateralOffered(ANN, "COIN", 10 * USDT, 855_000))
    effects = world.must(TimePassed(), after_s=10)
    assert effects == (CollateralSeized(ANN, "COIN", 10 * USDT, 8_550_000),
                       FundMovement("", -8_550_000, 41_450_000, "buys collateral of ann"),
                       FundMovement("", -250_000, 41_200_000, "pays for ann"))
    assert world.cash(ANN) == 0


def test_offered_collateral_may_be_bought_by_anybody() -> None:
    """A sale to the market saves the fund its cash."""
    world = World.of(WHOLE, market(BTC), market(ETH))
    world.open(ANN, 2 * USDT)
    world.open(BOB, 50 * USDT)
    world.must(Deposit(ANN, "COIN", 10 * USDT))
    world.price("COIN", USDT)
    world.price(BTC, 10_000)
    world.trade(ANN, OUTSIDE_MARKET, 90, 10_000)
    world.must(Settle(BTC, 8_800))
    world.price("COIN", 950_000)
    world.must(Convert(ANN, BOB, "COIN", 10 * USDT, 940_000))
    assert world.cash(ANN) == 600_000
    assert world.venue.state.room("owing") == world.venue.state.room("offered") == {}


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


def test_stages_stand_in_the_order_of_the_waterfall() -> None:
    """A fund behind deleveraging would take from winners what it was paid to bear."""
    with pytest.raises(UsageError, match="order of the waterfall"):
        replace(LEVERLINE, closing_stages=(QUEUE, FundBackedOrder()))
