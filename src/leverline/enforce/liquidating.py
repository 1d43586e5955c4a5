"""Liquidation: cut a pool by its venue's size policy, sell in the book, and hand on what the book does not take."""

from __future__ import annotations

from dataclasses import dataclass, replace

from leverline.enforce.bankruptcy import closing_of
from leverline.enforce.cash import known_pool
from leverline.enforce.effects import Effect, LiquidationClosed, LiquidationOrder, Reject, Stage
from leverline.enforce.events import LiquidationFill
from leverline.enforce.ledger import SHARED_FUND, fund_of
from leverline.enforce.margining import standing
from leverline.enforce.policies import VenuePolicies
from leverline.enforce.positions import trade
from leverline.enforce.rejection import RejectedError, reject_unless
from leverline.enforce.state import VenueState
from leverline.enforce.terms import PPM
from leverline.enforce.waterfall import cover_shortfall, take_closing
from leverline.margin.rounding import ceil_div


@dataclass(frozen=True, slots=True)
class Order:
    """A liquidation order that rests in the book: ``lots`` still to close, signed as the position."""

    number: int
    pool: int
    market: str
    lots: int
    limit: int
    since_ns: int


def liquidate(state: VenueState, pool: int, policies: VenuePolicies) -> list[Effect]:
    """One look at a pool that may be below maintenance: new orders, or the next stage for those that rest too long.

    Nothing happens to a pool that recovered, except that its resting orders are withdrawn.
    """
    now = standing(state, pool)
    resting = orders_of(state, pool)
    if not now.liquidatable:
        for order in resting:
            state.undo.remove(state.room("orders"), order.number)
        return []
    if resting:
        late = [order for order in resting if state.now_ns - order.since_ns >= policies.patience_ns]
        return [effect for order in late for effect in _hand_on(state, order, policies)]
    if state.room("cooling").get(pool, state.now_ns) > state.now_ns:
        return []
    effects: list[Effect] = []
    for cut in policies.size.slices(state, pool, now):
        closing = closing_of(state, pool, cut.market, cut.lots)
        limit = policies.price.limit(state, closing, now)
        number = next_number(state)
        state.undo.put(state.room("orders"), number, Order(number, pool, cut.market, cut.lots, limit, state.now_ns))
        effects.append(LiquidationOrder(number, state.pools[pool].key, cut.market, cut.lots, limit, Stage.BOOK))
    if policies.size.cooldown_ns:
        state.undo.put(state.room("cooling"), pool, state.now_ns + policies.size.cooldown_ns)
    if not effects:  # debts without positions: nothing to sell in a book
        return cover_shortfall(state, pool, "", policies)
    return effects


def liquidation_fill(state: VenueState, body: LiquidationFill, policies: VenuePolicies) -> list[Effect]:
    """Book one fill of a resting order: no worse than its limit, penalty from what equity is left."""
    order: Order | None = state.room("orders").get(body.order)
    if order is None:
        raise RejectedError(Reject.UNKNOWN_ORDER, str(body.order))
    taker = known_pool(state, body.counterparty)
    reject_unless(taker != order.pool, Reject.MALFORMED, "a pool cannot fill its own liquidation")
    reject_unless(0 < body.lots <= abs(order.lots), Reject.OVERFLOW, f"{abs(order.lots)} lots are left")
    better = body.price >= order.limit if order.lots > 0 else 0 < body.price <= order.limit
    reject_unless(better, Reject.PRICE_BAND, f"the limit is {order.limit} ticks")
    signed = body.lots if order.lots > 0 else -body.lots
    closed = close(state, policies, order.pool, order.market, signed, body.price, taker, Stage.BOOK, order.number)
    left = order.lots - signed
    if left:
        state.undo.put(state.room("orders"), order.number, replace(order, lots=left))
    else:
        state.undo.remove(state.room("orders"), order.number)
    return [*closed, *cover_shortfall(state, order.pool, order.market, policies)]


def close(state: VenueState, policies: VenuePolicies, pool: int, market: str, lots: int, price: int, taker: int,
          stage: Stage, order: int) -> list[Effect]:
    """Trade signed ``lots`` of a pool's position away to ``taker`` and collect the penalty."""
    before = standing(state, pool)
    buyer, seller = (taker, pool) if lots > 0 else (pool, taker)
    trade(state, market, buyer, seller, abs(lots), price)
    terms = state.terms.markets[market]
    due = ceil_div(terms.notional(lots, price) * terms.penalty_ppm, PPM)
    penalty = max(0, min(due, standing(state, pool).equity, state.ledger.cash[pool]))
    reward = 0 if state.pools[taker].external else penalty * policies.liquidator_share_ppm // PPM
    state.ledger.move(pool, taker, state.terms.settlement, reward)
    state.ledger.move(pool, _fund(state, market), state.terms.settlement, penalty - reward)
    after = standing(state, pool)
    worse = after.owes and after.health * max(before.maintenance, 1) < before.health * max(after.maintenance, 1)
    return [LiquidationClosed(order, state.pools[pool].key, market, lots, price, penalty, stage, worse)]


def orders_of(state: VenueState, pool: int) -> list[Order]:
    """Resting orders of one pool, oldest first."""
    return [order for _, order in sorted(state.room("orders").items())
            if isinstance(order, Order) and order.pool == pool]


def next_number(state: VenueState) -> int:
    """A number that no order or auction had before: the event's own, and how many this event made already."""
    room = state.room("numbers")
    number = int(room.get("next", 1))
    state.undo.put(room, "next", number + 1)
    return number


def _hand_on(state: VenueState, order: Order, policies: VenuePolicies) -> list[Effect]:
    """The book had its time: the next stages take what is left of the order."""
    state.undo.remove(state.room("orders"), order.number)
    held = state.positions.lots[order.pool].get(order.market, 0)
    lots = min(abs(order.lots), abs(held)) * (1 if order.lots > 0 else -1)
    if held * order.lots <= 0:
        return []
    closing = closing_of(state, order.pool, order.market, lots)
    return [*take_closing(state, closing, policies), *cover_shortfall(state, order.pool, order.market, policies)]


def _fund(state: VenueState, market: str) -> str:
    """The market's own fund where it has one, else the shared one."""
    return fund_of(market) if (fund_of(market), state.terms.settlement) in state.ledger.others else SHARED_FUND
