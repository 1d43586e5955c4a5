"""Liquidation orders that rest: written, found again by pool, cut by fills, and withdrawn; one number for each."""

from __future__ import annotations

from dataclasses import dataclass, replace

from leverline.enforce.effects import AuctionClosed, Effect, LiquidationOrder, LiquidationWithdrawn, Stage
from leverline.enforce.policies import Closing
from leverline.enforce.state import VenueState


@dataclass(frozen=True, slots=True)
class Order:
    """A liquidation order in the book: ``lots`` still to close, signed as the position, no worse than ``limit`` ticks.

    ``reserved`` units of the insurance fund ``fund`` stand behind a limit beyond the ``bankruptcy`` price: what a fill
    brings less than that, the fund makes good at once.
    """

    number: int
    pool: int
    market: str
    lots: int
    limit: int
    since_ns: int
    stage: Stage = Stage.BOOK
    fund: str = ""
    reserved: int = 0
    bankruptcy: int = 0


@dataclass(frozen=True, slots=True)
class Auction:
    """A Dutch auction: ``lots`` still to sell, signed as the position, from ``start`` ticks toward ``limit``."""

    number: int
    pool: int
    market: str
    lots: int
    limit: int
    since_ns: int  # of the present start
    start: int
    offered: int  # lots at first, unsigned
    resets: int = 0  # restarts so far


Resting = Order | Auction


def place_order(state: VenueState, closing: Closing, limit: int, stage: Stage, *, fund: str = "", reserved: int = 0,
                ) -> LiquidationOrder:
    """Write an order for a closing and return what the executor is told."""
    number = next_number(state)
    add_resting(state, Order(number, closing.pool, closing.market, closing.lots, limit, state.now_ns, stage, fund,
                             reserved, closing.bankruptcy))
    _commit(state, fund, reserved)
    return LiquidationOrder(number, state.pools[closing.pool].key, closing.market, closing.lots, limit, stage)


def tighten(state: VenueState, order: Order, limit: int) -> list[Effect]:
    """Replace an order whose limit no longer protects its pool; its time in the book goes on."""
    ended = withdraw_resting(state, order, "the margin changed")
    number = next_number(state)
    add_resting(state, replace(order, number=number, limit=limit))
    return [ended, LiquidationOrder(number, state.pools[order.pool].key, order.market, order.lots, limit, order.stage)]


def add_resting(state: VenueState, item: Resting) -> None:
    """Write an order or auction and its place in the pool's list."""
    index = state.room("resting")
    state.undo.put(_room(state, item), item.number, item)
    state.undo.put(index, item.pool, (*index.get(item.pool, ()), item.number))


def resting_of(state: VenueState, pool: int) -> list[Resting]:
    """Orders and auctions of one pool, oldest first."""
    numbers = state.room("resting").get(pool)
    if numbers is None:
        return []
    orders, auctions = state.room("orders"), state.room("auctions")
    return [orders[n] if n in orders else auctions[n] for n in numbers]


def cut(state: VenueState, item: Resting, lots: int) -> None:
    """Take ``lots`` (signed as the item) off it; at none it is gone, and so is its part of a fund's reserve."""
    left = item.lots - lots
    assert 0 <= left * item.lots <= item.lots**2, "a fill is part of the order"
    if isinstance(item, Order) and item.reserved:
        kept = item.reserved * left // item.lots
        _commit(state, item.fund, kept - item.reserved)
        item = replace(item, reserved=kept)
    if left:
        state.undo.put(_room(state, item), item.number, replace(item, lots=left))
        return
    state.undo.remove(_room(state, item), item.number)
    index = state.room("resting")
    others = tuple(n for n in index[item.pool] if n != item.number)
    if others:
        state.undo.put(index, item.pool, others)
    else:
        state.undo.remove(index, item.pool)


def withdraw_resting(state: VenueState, item: Resting, reason: str) -> Effect:
    """End an order or auction, and say so."""
    cut(state, item, item.lots)
    if isinstance(item, Auction):
        return AuctionClosed(item.number, item.offered - abs(item.lots), abs(item.lots))
    return LiquidationWithdrawn(item.number, state.pools[item.pool].key, reason)


def next_number(state: VenueState) -> int:
    """A number that no order or auction had before."""
    room = state.room("numbers")
    number = int(room.get("next", 1))
    state.undo.put(room, "next", number + 1)
    return number


def committed(state: VenueState, fund: str) -> int:
    """Units of a fund that stand behind resting orders."""
    return int(state.room("committed").get(fund, 0))


def _commit(state: VenueState, fund: str, change: int) -> None:
    if change:
        now = committed(state, fund) + change
        assert now >= 0, "no more is released than was reserved"
        state.undo.put(state.room("committed"), fund, now)


def _room(state: VenueState, item: Resting) -> dict[int, Resting]:
    return state.room("auctions" if isinstance(item, Auction) else "orders")
