"""Marks from one source: whatever it says is the price, unless the book has breakers and with them a composite."""

from __future__ import annotations

from leverline.enforce.effects import Breaker, Effect, Reject
from leverline.enforce.events import OracleUpdate
from leverline.enforce.ledger import CARRIED, LIMIT
from leverline.enforce.rejection import reject_unless
from leverline.enforce.state import VenueState


def oracle_update(state: VenueState, body: OracleUpdate) -> list[Effect]:
    """Take the price as the mark of a market, or the price of an asset."""
    check_update(state, body)
    if body.name in state.terms.markets:
        now = state.markets[body.name]
        state.undo.put(state.markets, body.name, now.at(body.price, state.now_ns))
    else:
        state.undo.put(state.asset_price, body.name, body.price)
    return []


def check_update(state: VenueState, body: OracleUpdate) -> None:
    """Reject what cannot be a price, comes from the future, or is of nothing that the book names."""
    reject_unless(body.price > 0, Reject.NOT_POSITIVE)
    reject_unless(body.price < LIMIT and 0 <= body.confidence < LIMIT, Reject.OVERFLOW)
    reject_unless(body.published_ns >= 0, Reject.MALFORMED, "published before 1970")
    reject_unless(body.published_ns <= state.now_ns, Reject.MALFORMED, "published in the future")
    if body.name in state.terms.markets:
        check_carried(state, body.name, body.price)
    else:
        reject_unless(body.name in state.terms.assets, Reject.UNKNOWN_MARKET, body.name)


def check_carried(state: VenueState, market: str, price: int) -> None:
    """Reject a price, or a trade, that leaves a market too large to be closed in units of the ledger.

    Taken, every later event that looks at its holders would be refused, time among them.
    """
    notional = state.terms.markets[market].notional(state.markets[market].open_interest, price)
    reject_unless(notional < CARRIED, Reject.OVERFLOW, f"{market}: open interest at this price")


def may_liquidate(state: VenueState, market: str) -> bool:
    """At a valid price, and neither halted nor paused."""
    now = state.markets[market]
    return now.mark is not None and now.breaker is not Breaker.HALTED and not now.paused
