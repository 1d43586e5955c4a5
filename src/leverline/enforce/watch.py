"""Which pools an event may have moved: they, and no others, are looked at again, in the order of their numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from leverline.enforce.calling import call_level
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
from leverline.enforce.margining import standing
from leverline.enforce.pool_columns import PoolColumns
from leverline.enforce.state import OUTSIDE_POOL, VenueState

WAITING = ("pending", "resting", "cooling", "staged")
"""Rooms of pools that time alone may move."""

RESTLESS_ROOMS = (*WAITING, "calls", "owing")
"""Rooms of pools that something is wanted of: they are looked at whenever a price that they depend on moves."""

NAMED: dict[type, tuple[str, ...]] = {
    Deposit: ("pool",), Withdraw: ("pool",), Transfer: ("source", "target"), Convert: ("pool", "counterparty"),
    Fill: ("buyer", "seller"), LiquidationFill: ("counterparty",)}
"""Fields of an event that name pools which it moves."""


class Watch(Protocol):
    """Who may be moved by a price; every watch gives the same effects, and differs only in how many it looks at."""

    def exposed(self, state: VenueState, name: str) -> Iterable[int]:
        """Pools that the new price of a market or asset may bring to a call, to liquidation, or back from either."""
        ...

    def columns(self, state: VenueState) -> PoolColumns:
        """All pools as columns, as the last event that stands left them."""
        ...

    def accepted(self, state: VenueState, looked: Collection[int]) -> None:
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

    def columns(self, state: VenueState) -> PoolColumns:
        """See :class:`Watch`; read anew each time."""
        return PoolColumns.of(state)

    def accepted(self, state: VenueState, looked: Collection[int]) -> None:
        """Nothing is remembered."""

    def rejected(self) -> None:
        """Nothing is remembered."""


def moved(state: VenueState, body: Body, watch: Watch) -> list[int]:
    """Pools whose equity or requirement ``body`` changed, ascending; the outside market is never among them.

    Asked after the event was handled: prices and balances that it wrote are read off the list of writes. A deposit into
    a pool that nothing is wanted of, before and after, needs no look.
    """
    written = state.undo.containers()
    pools = _moved_by_prices(state, watch, written) if written else set()
    if not isinstance(body, Deposit) or not is_settled(state, state.number[body.pool]):
        pools |= named(state, body)
        pools |= _with_other_balances(state, written)
    if isinstance(body, TimePassed):
        pools.update(*[state.room(name) for name in WAITING])
    if isinstance(body, AdoptLimits):
        pools.update(range(len(state.pools)))
    pools.discard(OUTSIDE_POOL)
    return sorted(pools)


def is_restless(state: VenueState, pool: int) -> bool:
    """Whether anything is wanted of a pool: it was called, is being liquidated, or owes."""
    rooms = state.rooms
    return any(pool in rooms[name] for name in RESTLESS_ROOMS)


def is_settled(state: VenueState, pool: int) -> bool:
    """Whether a look at a pool would do nothing: nothing is wanted of it, and it stands above its call level."""
    if is_restless(state, pool) or state.ledger.cash[pool] < 0:
        return False
    now = standing(state, pool)
    return not now.owes or (now.priced and now.counted_maintenance >= call_level(now))


def _moved_by_prices(state: VenueState, watch: Watch, written: Collection[int]) -> set[int]:
    """Pools that a schedule or a price which was written may have moved."""
    undo, pools = state.undo, set[int]()
    if id(state.markets) in written:
        for market in repriced(state):
            pools.update(watch.exposed(state, market))
    if id(state.asset_price) in written:
        for asset in undo.before(state.asset_price):
            pools.update(watch.exposed(state, asset))
    if id(state.room("decay")) in written:
        for market in undo.before(state.room("decay")):
            pools.update(state.holders.get(market, ()))
    return pools


def _with_other_balances(state: VenueState, written: Collection[int]) -> set[int]:
    pools = set[int]()
    if id(state.ledger.cash) in written:
        pools.update(state.undo.before(state.ledger.cash))
    if id(state.ledger.others) in written:
        pools.update(holder for holder, _ in state.undo.before(state.ledger.others) if isinstance(holder, int))
    return pools


def repriced(state: VenueState) -> list[str]:
    """Markets whose mark or halt the event changed; a trade changes their open interest only."""
    return [name for name, before in state.undo.before(state.markets).items()
            if before is None or state.markets[name].trades_otherwise(before)]


def named(state: VenueState, body: Body) -> set[int]:
    """Pools that the event itself names."""
    names = NAMED.get(type(body))
    if names is not None:
        return {state.number[getattr(body, name)] for name in names}
    return set(state.holders[body.market]) if isinstance(body, Funding) else set()


def owners_of_asset(state: VenueState, name: str) -> list[int]:
    """Pools that own or owe an asset."""
    return [holder for (holder, asset), amount in state.ledger.others.items()
            if asset == name and amount and isinstance(holder, int)]
