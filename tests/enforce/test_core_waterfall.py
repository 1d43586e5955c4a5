"""Who takes what the book does not, by hand: the vault and the winners, with figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leverline.enforce.backstop import VAULT, BackstopVault
from leverline.enforce.effects import (
    Deleveraged,
    LiquidationClosed,
    Stage,
    StageRefused,
)
from leverline.enforce.events import (
    FundInsurance,
    TimePassed,
)
from leverline.enforce.insurance_fund import FundBackedOrder
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.venue import OUTSIDE_MARKET
from leverline.ground.errors import UsageError
from tests.enforce.falls import QUEUE, USDT, WHOLE, fallen
from tests.enforce.worlds import ANN, BOB, BTC, CAT, DAN, ETH, World, kinds, market


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


def test_stages_stand_in_the_order_of_the_waterfall() -> None:
    """A fund behind deleveraging would take from winners what it was paid to bear."""
    with pytest.raises(UsageError, match="order of the waterfall"):
        replace(LEVERLINE, closing_stages=(QUEUE, FundBackedOrder()))


def test_who_is_being_closed_is_nobody_s_winner() -> None:
    """Bob's bankrupt short was closed against Ann's bankrupt long: his loss became hers, and then the fund's."""
    world = World.of(WHOLE, market(BTC), market(ETH))
    world.open(ANN, 12 * USDT)
    world.open(BOB, 200 * USDT)
    for name in (BTC, ETH):
        world.price(name, 10_000)
    world.trade(ANN, BOB, 90, 10_000)
    world.trade(ANN, OUTSIDE_MARKET, 10, 10_000)
    world.trade(BOB, OUTSIDE_MARKET, 500, 10_000, ETH)
    world.price(ETH, 5_400)
    world.price(BTC, 8_700)
    effects = world.must(TimePassed(), after_s=11)
    assert "Deleveraged" not in kinds(effects)
    assert [e.pool for e in effects if isinstance(e, StageRefused) and e.stage is Stage.DELEVERAGING] == [ANN, BOB, BOB]
