"""A long pool under a falling price, where most tests of liquidation begin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from leverline.enforce.deleveraging.queues import QueueByProfitAndLeverage
from leverline.enforce.deleveraging_stage import Deleveraging
from leverline.enforce.effects import LiquidationOrder
from leverline.enforce.policies import VenuePolicies
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.sizing import WholePool
from leverline.enforce.venue import OUTSIDE_MARKET
from tests.enforce.worlds import ANN, BTC, ETH, World, market

USDT = 10**6
QUEUE = Deleveraging(QueueByProfitAndLeverage())
WHOLE = replace(LEVERLINE, size=WholePool(), closing_stages=(QUEUE,))


def fallen(policies: VenuePolicies = WHOLE, *, to: int = 8_900, cash: int = 12 * USDT, lots: int = 100,
           **rules: Any) -> World:
    """Ann is long 100 lots from 10,000 ticks with 12 USDT; the market is on the other side; the price falls."""
    world = World.of(policies, market(BTC, **rules), market(ETH))
    world.open(ANN, cash)
    world.price(BTC, 10_000)
    world.trade(ANN, OUTSIDE_MARKET, lots, 10_000)
    world.effects = world.price(BTC, to)
    return world


def order_of(world: World) -> LiquidationOrder:
    return next(e for e in world.effects if isinstance(e, LiquidationOrder))
