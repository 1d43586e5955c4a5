"""Size and price policies by hand: what they close, and at what price at the worst."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from leverline.enforce.bankruptcy import BankruptcyPrice, FillablePrice, HealthDiscount, OracleMinusFee
from leverline.enforce.effects import LiquidationOrder
from leverline.enforce.events import (
    LiquidationFill,
    TimePassed,
)
from leverline.enforce.sizing import CloseFactor, Portion, StagedByTime, TierStep, TwoTiersDown, WholePool
from leverline.enforce.terms import TierTerms
from leverline.enforce.venue import OUTSIDE_MARKET
from tests.enforce.falls import USDT, WHOLE, fallen, order_of


@pytest.mark.parametrize(("size", "lots"), [
    (WholePool(), 100),
    (Portion(100_000, 0), 10),
    (Portion(100_000, 30 * USDT), 33),  # 30 USDT at 0.925 a lot, rounded up
    (CloseFactor(), 50),
    (CloseFactor(whole_below_ppm=990_000), 100),  # 4.5 of 4.625 is 97.3 %
    (StagedByTime(1_000, 375), 5),  # 0.2175 is missing, a small shortage: at once; a lot frees 0.04625
])
def test_size_policies_close_what_they_say(size: Any, lots: Any) -> None:
    """A size policy that closes another share than it declares is another venue's."""
    order = order_of(fallen(replace(WHOLE, size=size), to=9_250))
    assert order.lots == lots


TIERS = (TierTerms(0, 50_000, 25_000, 0), TierTerms(30 * USDT, 80_000, 40_000, 450_000),
         TierTerms(60 * USDT, 100_000, 50_000, 1_050_000))


@pytest.mark.parametrize(("size", "lots"), [
    (TierStep(), 34),  # 60 USDT at 0.9 a lot are 66 lots of the second tier
    (TwoTiersDown(), 67),  # 30 USDT are 33 lots of the first
])
def test_tier_steps_close_down_to_a_tier(size: Any, lots: Any) -> None:
    """A step to another tier than the rule names closes too much or too little."""
    assert order_of(fallen(replace(WHOLE, size=size), to=9_000, tiers=TIERS, cash=13 * USDT)).lots == lots


def test_a_staged_liquidation_frees_more_as_time_passes() -> None:
    """Drift frees a tenth of a large shortage at once and the rest over 150 seconds."""
    staged = replace(WHOLE, size=StagedByTime(1_000, 375), patience_ns=10**15)
    world = fallen(staged, to=9_250, cash=10_000 * USDT + 2_000 * USDT, lots=100_000)
    first = order_of(world).lots
    world.must(LiquidationFill(1, OUTSIDE_MARKET, first, 9_250))
    then = world.must(TimePassed(), after_s=75)
    assert first == pytest.approx(100_000 * 217.5 * 0.1 / 4_717.5 / 0.98, rel=0.03)
    later = next(e for e in then if isinstance(e, LiquidationOrder))
    assert later.lots > 4 * first


@pytest.mark.parametrize(("price", "limit"), [
    (BankruptcyPrice(), 8_800),
    (OracleMinusFee(10_000), 8_811),
    (HealthDiscount(), 7_565),  # 1 of 4.45 is left: the discount meets its cap of 15 %
    (HealthDiscount(slope_ppm=10_000), 8_832),  # 77.5 % is missing, a hundredth of it off
    (FillablePrice(), 8_383),  # 8,900 less 77.53 % of 1.5 times 445 ticks of maintenance
])
def test_price_policies_limit_what_they_say(price: Any, limit: Any) -> None:
    """A limit by another rule sells traders out at prices that they were never told."""
    assert order_of(fallen(replace(WHOLE, price=price))).limit == limit
