"""Collateral turned into the settlement asset, and markets that end."""

from __future__ import annotations

from dataclasses import replace

from leverline.enforce.breakers import give_up
from leverline.enforce.cash import check_amount, check_asset, known_pool
from leverline.enforce.effects import Breaker, Effect, Reject
from leverline.enforce.events import Convert, Settle
from leverline.enforce.margining import ONE_ASSET
from leverline.enforce.owing import Owing, Peril
from leverline.enforce.positions import change_position
from leverline.enforce.rejection import reject_unless
from leverline.enforce.state import VenueState
from leverline.enforce.trading import known_market


def convert(state: VenueState, body: Convert) -> list[Effect]:
    """The pool gives ``amount`` of an asset and gets its price, rounded down; the counterparty must have the money."""
    pool, other = known_pool(state, body.pool), known_pool(state, body.counterparty)
    check_asset(state, body.asset)
    check_amount(body.amount)
    settlement = state.terms.settlement
    reject_unless(pool != other and body.asset != settlement, Reject.NOTHING_TO_DO)
    reject_unless(body.price > 0, Reject.NOT_POSITIVE)
    paid = body.amount * body.price // ONE_ASSET
    reject_unless(state.ledger.balance(pool, body.asset) >= body.amount, Reject.INSUFFICIENT)
    external = state.pools[other].external
    reject_unless(external or state.ledger.balance(other, settlement) >= paid, Reject.INSUFFICIENT)
    state.ledger.move(pool, other, body.asset, body.amount)
    state.ledger.move(other, pool, settlement, paid)
    return []


def settle(state: VenueState, body: Settle) -> list[Effect]:
    """Close every position of a market at one price, then halt it: longs' gains are shorts' losses, to the unit."""
    known_market(state, body.market)
    reject_unless(body.price > 0, Reject.NOT_POSITIVE)
    reject_unless(bool(state.holders[body.market]), Reject.NOTHING_TO_DO)
    for pool in sorted(state.holders[body.market]):
        change_position(state, pool, body.market, -state.positions.lots[pool][body.market], body.price)
        if pool in state.room("owing"):
            state.undo.put(state.room("owing"), pool, Owing(body.market, Peril.SETTLEMENT))
    closed = replace(state.markets[body.market], mark=body.price, open_interest=0, breaker=Breaker.HALTED,
                     breaker_since_ns=state.now_ns)
    state.undo.put(state.markets, body.market, closed)
    give_up(state, body.market)
    return []
