"""Opening and closing lots: the only place where positions and their cost change."""

from __future__ import annotations

from leverline.enforce.effects import Reject
from leverline.enforce.ledger import LIMIT
from leverline.enforce.owing import Owing, Peril, note_owing
from leverline.enforce.rejection import RejectedError, reject_unless
from leverline.enforce.state import VenueState
from leverline.margin.rounding import truncated_div
from leverline.model.accounts import Mode


def trade(state: VenueState, market: str, buyer: int, seller: int, lots: int, price: int) -> None:
    """``buyer`` takes ``lots`` (positive) from ``seller`` at ``price`` ticks; open interest follows.

    What one side realises the other pays through its cost, so money is conserved to the unit.
    """
    reject_unless(buyer != seller, Reject.MALFORMED, "a pool cannot trade with itself")
    for pool in (buyer, seller):
        if state.pools[pool].mode is Mode.ISOLATED:
            reject_unless(not set(state.positions.lots[pool]) - {market}, Reject.ONE_MARKET)
    grown = (change_position(state, buyer, market, lots, price) + change_position(state, seller, market, -lots, price))
    state.undo.put(state.markets, market, state.markets[market].grown(grown))


def change_position(state: VenueState, pool: int, market: str, lots: int, price: int) -> int:
    """Add signed ``lots`` at ``price``; what closes is realised into the pool's cash. Lots that its long side grew."""
    held = state.positions.lots[pool].get(market, 0)
    cost = state.positions.cost[pool].get(market, 0)
    realised, now_held, now_cost = after_trade(held, cost, lots, price, state.terms.markets[market].value)
    if held * lots < 0:
        state.undo.put(state.ledger.cash, pool, _bounded(state.ledger.cash[pool] + realised))
    store_position(state, pool, market, now_held, _bounded(now_cost))
    return max(0, now_held) - max(0, held)


def after_trade(held: int, cost: int, lots: int, price: int, value: int) -> tuple[int, int, int]:
    """(units realised, lots held, their cost) of a position after signed ``lots`` at ``price``.

    Closing releases cost in proportion to the lots closed, toward zero: the remainder stays with what is open, so that
    closing in parts or at once realises the same in the end.
    """
    if held * lots >= 0:
        return 0, held + lots, cost + lots * price * value
    closing = -held if abs(lots) >= abs(held) else lots
    released = truncated_div(cost * abs(closing), abs(held))
    proceeds = -closing * price * value  # of a long sold positive, of a short bought back negative
    return proceeds - released, held + lots, cost - released + (lots - closing) * price * value


def store_position(state: VenueState, pool: int, market: str, lots: int, cost: int) -> None:
    """Write one position as it stands now, none at no lots; what its pool then owes is noted."""
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


def _bounded(amount: int) -> int:
    if -LIMIT < amount < LIMIT:
        return amount
    raise RejectedError(Reject.OVERFLOW)
