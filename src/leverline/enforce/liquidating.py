"""Liquidation: cut a pool by its venue's size policy, sell in the book, and hand on what the book does not take."""

from __future__ import annotations

from collections.abc import Sequence

from leverline.enforce.auctions import auction_stage
from leverline.enforce.bankruptcy import closing_of
from leverline.enforce.calling import call_margin
from leverline.enforce.cash import known_pool
from leverline.enforce.closing import close
from leverline.enforce.effects import AuctionOpened, Effect, Reject, Stage, StageRefused
from leverline.enforce.events import LiquidationFill
from leverline.enforce.ledger import SHARED_FUND
from leverline.enforce.margining import Standing, standing
from leverline.enforce.orders import Auction, Order, Resting, cut, place_order, resting_of, tighten, withdraw_resting
from leverline.enforce.owing import Owing, Peril, note_owing
from leverline.enforce.policies import Closing, LiquidationGate, VenuePolicies
from leverline.enforce.rejection import RejectedError, reject_unless
from leverline.enforce.state import VenueState
from leverline.enforce.waterfall import take_closings

Handed = list[tuple[Closing, Stage]]


def look_at(state: VenueState, pools: Sequence[int], policies: VenuePolicies, gate: LiquidationGate) -> list[Effect]:
    """Look at ``pools`` in the order given, then run the waterfall once."""
    effects, handed = look_at_each(state, pools, policies, gate)
    return effects + take_closings(state, handed, policies)


def look_at_each(state: VenueState, pools: Sequence[int], policies: VenuePolicies, gate: LiquidationGate,
                 ) -> tuple[list[Effect], Handed]:
    """Call margin, and liquidate where it is allowed: effects, and what goes on to the waterfall."""
    effects: list[Effect] = []
    handed: Handed = []
    cuts = 0
    for pool in pools:
        now = standing(state, pool)
        effects += call_margin(state, pool, now)
        if pool in state.room("pending"):
            state.undo.remove(state.room("pending"), pool)
        effects += trim_resting(state, pool)
        if not now.liquidatable:
            effects += _forget(state, pool, now)
            continue
        if not state.positions.lots[pool]:
            follow_up(state, pool)  # a debt without positions meets the loss stages
            continue
        resting = resting_of(state, pool)
        for item in resting:
            effects += _continue(state, item, policies, gate, handed)
        if resting or state.room("cooling").get(pool, 0) > state.now_ns:
            continue
        if policies.most_cuts is not None and cuts >= policies.most_cuts:
            state.undo.put(state.room("pending"), pool, state.now_ns)
            continue
        made = _cut_pool(state, pool, now, policies, gate, handed)
        cuts += bool(made)
        effects += made
    return effects, handed


def _cut_pool(state: VenueState, pool: int, now: Standing, policies: VenuePolicies, gate: LiquidationGate,
              handed: Handed) -> list[Effect]:
    """Orders for what the size policy names; where a market may not be liquidated its lots wait."""
    effects: list[Effect] = []
    for piece in policies.size.slices(state, pool, now):
        if not gate(state, piece.market):
            state.undo.put(state.room("pending"), pool, state.now_ns)
            continue
        closing = closing_of(state, pool, piece.market, piece.lots)
        if policies.patience_ns == 0:
            handed.append((closing, Stage.BOOK))
            effects.append(StageRefused(Stage.BOOK, state.pools[pool].key, "the venue has no book"))
        else:
            limit = policies.price.limit(state, closing, now)
            effects.append(place_order(state, closing, limit, Stage.BOOK))
    if effects and policies.size.cooldown_ns:
        state.undo.put(state.room("cooling"), pool, state.now_ns + policies.size.cooldown_ns)
    return effects


def _continue(state: VenueState, item: Resting, policies: VenuePolicies, gate: LiquidationGate, handed: Handed,
              ) -> list[Effect]:
    """Leave an order or auction alone while it has time; then restart it or hand on what is left of it.

    In a market that may not be liquidated now an order is withdrawn, for its limit protects the pool no more once its
    other positions lose; an auction stays, and takes no bid.
    """
    if not gate(state, item.market):
        if isinstance(item, Auction):
            return []
        state.undo.put(state.room("pending"), item.pool, state.now_ns)
        return [withdraw_resting(state, item, "the market may not be liquidated now")]
    if isinstance(item, Auction):
        stage = auction_stage(policies)
        if stage is not None and not stage.is_over(item, state.now_ns):
            return []
        again = stage.restarted(state, item) if stage is not None else None
        if again is not None:
            state.undo.put(state.room("auctions"), item.number, again)
            return [AuctionOpened(item.number, state.pools[item.pool].key, item.market, item.lots, again.start)]
        came_from = Stage.AUCTION
    else:
        if state.now_ns - item.since_ns < policies.patience_ns:
            return _tightened(state, item, policies)
        came_from = item.stage
    ended = withdraw_resting(state, item, "not filled in time")
    handed.append((closing_of(state, item.pool, item.market, item.lots), came_from))
    return [ended, StageRefused(came_from, state.pools[item.pool].key, "not filled in time")]


def _tightened(state: VenueState, order: Order, policies: VenuePolicies) -> list[Effect]:
    """Other positions may have lost since the order went out: what it may cost now is less."""
    if order.stage is not Stage.BOOK:
        return []
    closing = closing_of(state, order.pool, order.market, order.lots)
    limit = policies.price.limit(state, closing, standing(state, order.pool))
    stricter = limit > order.limit if order.lots > 0 else limit < order.limit
    return tighten(state, order, limit) if stricter else []


def trim_resting(state: VenueState, pool: int) -> list[Effect]:
    """End orders and auctions for more than the pool still holds, because somebody else closed it meanwhile."""
    if pool not in state.room("resting"):
        return []
    held = state.positions.lots[pool]
    return [withdraw_resting(state, item, "the position changed") for item in resting_of(state, pool)
            if held.get(item.market, 0) * item.lots <= 0 or abs(item.lots) > abs(held[item.market])]


def _forget(state: VenueState, pool: int, now: Standing) -> list[Effect]:
    """A pool that recovered leaves liquidation; one whose price is missing stays as it is."""
    if not now.priced:
        return []
    for name in ("cooling", "staged"):
        if pool in state.room(name):
            state.undo.remove(state.room(name), pool)
    return [withdraw_resting(state, item, "the pool recovered") for item in resting_of(state, pool)]


def let_go(state: VenueState, pool: int) -> list[Effect]:
    """End what rests of a pool that this event made safe after it was looked at: deleveraged as a winner, say."""
    if not resting_of(state, pool):
        return []
    now = standing(state, pool)
    return [] if now.liquidatable else _forget(state, pool, now)


def follow_up(state: VenueState, pool: int) -> None:
    """Of a pool without positions: note what it owes, or forget that it was called."""
    if state.positions.lots[pool]:
        return
    if state.ledger.cash[pool] < 0 and pool not in state.room("owing"):
        note_owing(state, pool, Owing("", Peril.CASH))
    if state.ledger.cash[pool] >= 0 and pool in state.room("calls"):
        state.undo.remove(state.room("calls"), pool)


def forget_debt(state: VenueState, pool: int) -> None:
    """It is paid."""
    for room in ("owing", "offered"):
        if pool in state.room(room):
            state.undo.remove(state.room(room), pool)


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
    cut(state, order, signed)
    missing = max(0, (order.bankruptcy - body.price) * signed) if order.reserved else 0
    return close(state, policies, order.pool, order.market, signed, body.price, taker, order.stage, order.number,
                 backer=order.fund or SHARED_FUND, made_good=missing * state.terms.markets[order.market].value)
