"""Who pays by hand: the debtor's collateral, the funds, then everybody, with figures."""

from __future__ import annotations

from dataclasses import replace

from leverline.enforce.effects import (
    CollateralOffered,
    CollateralSeized,
    FundMovement,
    LiquidationClosed,
    LiquidationOrder,
    LossShared,
    MarginCall,
    Stage,
    StageRefused,
)
from leverline.enforce.events import (
    Convert,
    Deposit,
    FundInsurance,
    LiquidationFill,
    Settle,
    TimePassed,
)
from leverline.enforce.insurance_fund import FundBackedOrder, InsuranceFund
from leverline.enforce.owing import Peril
from leverline.enforce.socialise import SocialisedLoss, largest_remainder
from leverline.enforce.venue import OUTSIDE_MARKET
from tests.enforce.falls import QUEUE, USDT, WHOLE, fallen
from tests.enforce.worlds import ANN, BOB, BTC, CAT, DAN, ETH, World, kinds, market


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


def test_a_debt_is_told_that_the_fund_is_spoken_for() -> None:
    """A fund with money that does not pay looks like a broken promise unless it says whose the money is."""
    world = World.of(replace(WHOLE, closing_stages=(FundBackedOrder(50_000), QUEUE)), market(BTC), market(ETH))
    for key in (ANN, BOB):
        world.open(key, 12 * USDT)
    world.must(FundInsurance("", 5 * USDT))
    world.price(BTC, 10_000)
    world.price(ETH, 10_000)
    world.trade(ANN, OUTSIDE_MARKET, 100, 10_000)
    world.trade(BOB, OUTSIDE_MARKET, 100, 10_000, ETH)
    world.price(BTC, 8_600)
    world.must(TimePassed(), after_s=10)
    assert world.venue.state.room("committed") == {"fund": 5 * USDT}
    effects = world.must(Settle(ETH, 8_600))
    assert StageRefused(Stage.INSURANCE_FUND, BOB, "what is left stands behind resting orders") in effects
    world.price(BTC, 10_000)  # Ann's order ends, and frees what stood behind it
    assert FundMovement("", -2 * USDT, 3 * USDT, "pays for bob") in world.must(TimePassed())


def test_coins_worth_less_than_a_unit_are_taken_without_a_payment() -> None:
    """A path of the fund with rows of nothing hides those of something."""
    world = World.of(WHOLE, market(BTC), market(ETH))
    world.open(ANN, 12 * USDT)
    world.must(Deposit(ANN, "COIN", 100))
    world.must(FundInsurance("", 50 * USDT))
    world.price("COIN", 1)
    world.price(BTC, 10_000)
    world.trade(ANN, OUTSIDE_MARKET, 100, 10_000)
    world.must(Settle(BTC, 8_600))
    effects = world.must(TimePassed(), after_s=10)
    assert effects == (CollateralSeized(ANN, "COIN", 100, 0),
                       FundMovement("", -2 * USDT, 48 * USDT, "pays for ann"))
