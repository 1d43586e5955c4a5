"""Which pools an event may have moved: they, and no others, are looked at again, in the order of their numbers."""

from __future__ import annotations

from leverline.enforce.cash import known_pool
from leverline.enforce.events import (
    Body,
    Convert,
    Deposit,
    Fill,
    Funding,
    Interest,
    LiquidationFill,
    OracleUpdate,
    Transfer,
    Withdraw,
)
from leverline.enforce.state import VenueState


def touched(state: VenueState, body: Body) -> list[int]:
    """Pools whose equity or requirement ``body`` changed, ascending; the outside market is never among them."""
    match body:
        case Deposit() | Withdraw():
            pools = [known_pool(state, body.pool)]
        case Transfer():
            pools = [known_pool(state, body.source), known_pool(state, body.target)]
        case Convert():
            pools = [known_pool(state, body.pool), known_pool(state, body.counterparty)]
        case Fill():
            pools = [known_pool(state, body.buyer), known_pool(state, body.seller)]
        case LiquidationFill():
            pools = [known_pool(state, body.counterparty)]
        case Funding():
            pools = list(state.holders[body.market])
        case OracleUpdate():
            pools = of_name(state, body.name)
        case Interest():
            pools = of_name(state, body.asset)
        case _:
            pools = []
    return sorted(pool for pool in set(pools) if not state.pools[pool].external)


def of_name(state: VenueState, name: str) -> list[int]:
    """Pools that hold a market, or own or owe an asset."""
    if name in state.holders:
        return list(state.holders[name])
    return [holder for (holder, asset), amount in state.ledger.others.items()
            if asset == name and amount and isinstance(holder, int)]
