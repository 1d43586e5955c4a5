"""One closing trade of a pool below maintenance: lots change hands, the penalty is taken and shared."""

from __future__ import annotations

from leverline.enforce.effects import Effect, LiquidationClosed, Stage
from leverline.enforce.insurance_fund import fund_of_market, make_good, pay_in
from leverline.enforce.ledger import SHARED_FUND
from leverline.enforce.margining import Standing, standing
from leverline.enforce.orders import resting_of
from leverline.enforce.policies import VenuePolicies
from leverline.enforce.positions import trade
from leverline.enforce.state import VenueState
from leverline.enforce.terms import PPM
from leverline.margin.rounding import ceil_div


def close(state: VenueState, policies: VenuePolicies, pool: int, market: str, lots: int, price: int, taker: int,
          stage: Stage, order: int, *, backer: str = SHARED_FUND, made_good: int = 0) -> list[Effect]:
    """Trade signed ``lots`` of a pool's position away to ``taker`` at ``price`` ticks and collect the penalty.

    The penalty never makes a debt. Where the size policy promises not to harm, or orders in other markets rest whose
    limits count on the rest of the equity, it never lowers the pool's health ratio either: it is at most what the price
    brought above bankruptcy. Its liquidator's share goes to the taker; all of it to the fund where the outside market
    took. ``made_good`` units come from ``backer``, the fund that stood behind the order. A vault, which takes the
    equity with the position, gets no penalty on top.
    """
    before = standing(state, pool)
    buyer, seller = (taker, pool) if lots > 0 else (pool, taker)
    trade(state, market, buyer, seller, abs(lots), price)
    backing = make_good(state, pool, backer, made_good)
    after = standing(state, pool)
    terms = state.terms.markets[market]
    due = 0 if stage is Stage.BACKSTOP else ceil_div(terms.notional(lots, price) * terms.penalty_ppm, PPM)
    spoken_for = any(item.market != market for item in resting_of(state, pool))
    if after.owes and (spoken_for or not policies.size.harms_by_design):
        due = min(due, harmless(before, after))
    penalty = max(0, min(due, after.counted_maintenance, state.ledger.cash[pool]))
    reward = 0 if state.pools[taker].external else penalty * policies.liquidator_share_ppm // PPM
    settlement = state.terms.settlement
    state.ledger.move(pool, taker, settlement, reward)
    kept = pay_in(state, pool, fund_of_market(state, market), penalty - reward)
    return [LiquidationClosed(order, state.pools[pool].key, market, lots, price, penalty, stage,
                              is_worse(before, standing(state, pool))), *backing, *kept]


def harmless(before: Standing, after: Standing) -> int:
    """The largest penalty that leaves counted equity over maintenance no lower than it was, units; may be negative."""
    if before.maintenance == 0:
        return after.counted_maintenance - before.counted_maintenance
    return after.counted_maintenance - ceil_div(before.counted_maintenance * after.maintenance, before.maintenance)


def is_worse(before: Standing, after: Standing) -> bool:
    """Whether a pool that still owes something stands at a lower health ratio than before.

    What a pool without equity loses is not its owner's any more.
    """
    if not after.owes or before.counted_maintenance <= 0:
        return False
    return after.counted_maintenance * before.maintenance < before.counted_maintenance * after.maintenance
