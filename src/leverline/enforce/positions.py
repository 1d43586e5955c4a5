"""Opening and closing lots: the only place where positions and their cost change."""

from __future__ import annotations

from dataclasses import replace

from leverline.enforce.effects import Reject
from leverline.enforce.ledger import LIMIT
from leverline.enforce.owing import Owing, Peril, note_owing
from leverline.enforce.rejection import reject_unless
from leverline.enforce.state import VenueState
from leverline.margin.rounding import truncated_div


def trade(state: VenueState, market: str, buyer: int, seller: int, lots: int, price: int) -> None:
    """``buyer`` takes ``lots`` (positive) from ``seller`` at ``price`` ticks; open interest follows.

    What one side realises the other pays through its cost, so money is conserved to the unit.
    """
    reject_unless(buyer != seller, Reject.MALFORMED, "a pool cannot trade with itself")
    before = _long(state, buyer, market) + _long(state, seller, market)
    change_position(state, buyer, market, lots, price)
    change_position(state, seller, market, -lots, price)
    after = _long(state, buyer, market) + _long(state, seller, market)
    now = state.markets[market]
    state.undo.put(state.markets, market, replace(now, open_interest=now.open_interest + after - before))


def change_position(state: VenueState, pool: int, market: str, lots: int, price: int) -> None:
    """Add signed ``lots`` at ``price``; what closes is realised into the pool's cash.

    Closing releases cost in proportion to the lots closed, toward zero: the remainder stays with what is open, so that
    closing in parts or at once realises the same in the end.
    """
    held = state.positions.lots[pool].get(market, 0)
    cost = state.positions.cost[pool].get(market, 0)
    value = state.terms.markets[market].value
    reduces = held != 0 and (held > 0) != (lots > 0)
    closing = (-held if abs(lots) >= abs(held) else lots) if reduces else 0
    released = truncated_div(cost * abs(closing), abs(held)) if reduces else 0
    proceeds = -closing * price * value  # of a long sold positive, of a short bought back negative
    if closing:
        state.undo.put(state.ledger.cash, pool, _bounded(state.ledger.cash[pool] + proceeds - released))
    opening = lots - closing
    _store(state, pool, market, held + lots, _bounded(cost - released + opening * price * value))


def _store(state: VenueState, pool: int, market: str, lots: int, cost: int) -> None:
    undo, rows = state.undo, state.positions
    if lots:
        undo.put(rows.lots[pool], market, _bounded(lots))
        undo.put(rows.cost[pool], market, cost)
        if pool not in state.holders[market]:
            undo.put(state.holders[market], pool, None)
    elif market in rows.lots[pool]:
        undo.remove(rows.lots[pool], market)
        undo.remove(rows.cost[pool], market)
        undo.remove(state.holders[market], pool)
        if not rows.lots[pool] and state.ledger.cash[pool] < 0:
            note_owing(state, pool, Owing(market, Peril.LIQUIDATION))


def _long(state: VenueState, pool: int, market: str) -> int:
    return max(0, state.positions.lots[pool].get(market, 0))


def _bounded(amount: int) -> int:
    reject_unless(-LIMIT < amount < LIMIT, Reject.OVERFLOW)
    return amount
