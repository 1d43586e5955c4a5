"""Which pools an event may have moved: they, and no others, are looked at again, in the order of their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from leverline.enforce.events import (
    AdoptLimits,
    Body,
    Convert,
    Deposit,
    Fill,
    Funding,
    LiquidationFill,
    TimePassed,
    Transfer,
    Withdraw,
)
from leverline.enforce.state import VenueState

WAITING = ("pending", "resting", "cooling", "staged")
"""Rooms of pools that time alone may move."""


class Watch(Protocol):
    """Who may be moved by a price; every watch gives the same effects, and differs only in how many it looks at."""

    def exposed(self, state: VenueState, name: str) -> Iterable[int]:
        """Pools that the new price of a market or asset may bring to a call, to liquidation, or back from either."""
        ...

    def accepted(self, state: VenueState, looked: Iterable[int]) -> None:
        """The event stands: what it wrote can still be read off the list of writes."""
        ...

    def rejected(self) -> None:
        """The event was taken back."""
        ...


class SweepWatch:
    """Everybody who holds the market, or owns or owes the asset."""

    def exposed(self, state: VenueState, name: str) -> Iterable[int]:
        """See :class:`Watch`."""
        return {*state.holders.get(name, ()), *owners_of_asset(state, name)}

    def accepted(self, state: VenueState, looked: Iterable[int]) -> None:
        """Nothing is remembered."""

    def rejected(self) -> None:
        """Nothing is remembered."""


def moved(state: VenueState, body: Body, watch: Watch) -> list[int]:
    """Pools whose equity or requirement ``body`` changed, ascending; the outside market is never among them.

    Asked after the event was handled: prices and balances that it wrote are read off the list of writes.
    """
    undo = state.undo
    pools = set(undo.before(state.ledger.cash)) | named(state, body)
    pools.update(holder for holder, _ in undo.before(state.ledger.others) if isinstance(holder, int))
    for market in undo.before(state.room("decay")):
        pools.update(state.holders.get(market, ()))
    for name in (*repriced(state), *undo.before(state.asset_price)):
        pools.update(watch.exposed(state, name))
    if isinstance(body, TimePassed):
        for room in WAITING:
            pools.update(state.room(room))
    if isinstance(body, AdoptLimits):
        pools.update(range(len(state.pools)))
    return sorted(pool for pool in pools if not state.pools[pool].external)


def repriced(state: VenueState) -> list[str]:
    """Markets whose mark or halt the event changed; a trade changes their open interest only."""
    rows = ((name, before, state.markets[name]) for name, before in state.undo.before(state.markets).items())
    return [name for name, before, now in rows if before is None
            or (before.mark, before.breaker, before.paused) != (now.mark, now.breaker, now.paused)]


def named(state: VenueState, body: Body) -> set[int]:
    """Pools that the event itself names."""
    match body:
        case Deposit() | Withdraw():
            return {state.number[body.pool]}
        case Transfer():
            return {state.number[body.source], state.number[body.target]}
        case Convert():
            return {state.number[body.pool], state.number[body.counterparty]}
        case Fill():
            return {state.number[body.buyer], state.number[body.seller]}
        case LiquidationFill():
            return {state.number[body.counterparty]}
        case Funding():
            return set(state.holders[body.market])
        case _:
            return set()


def owners_of_asset(state: VenueState, name: str) -> list[int]:
    """Pools that own or owe an asset."""
    return [holder for (holder, asset), amount in state.ledger.others.items()
            if asset == name and amount and isinstance(holder, int)]
