"""What must hold of a venue after every event, by the numbers of the project's list of invariants."""

from __future__ import annotations

from collections.abc import Sequence

from leverline.enforce.effects import (
    AuctionOpened,
    Deleveraged,
    Effect,
    LiquidationClosed,
    LiquidationOrder,
    Rejected,
    Stage,
    StageRefused,
)
from leverline.enforce.ledger import SHARED_FUND
from leverline.enforce.orders import resting_of
from leverline.enforce.policies import VenuePolicies
from leverline.enforce.state import VenueState

ORDER = tuple(Stage)


def money_is_conserved(state: VenueState) -> None:
    """I1: over everybody and the outside, nothing but the cost of what is open; no house account owes anything."""
    cost = sum(amount for row in state.positions.cost for amount in row.values())
    assert state.ledger.total(state.terms.settlement) == cost
    for asset in state.terms.assets:
        assert state.ledger.total(asset) == 0
    for (holder, asset), amount in state.ledger.others.items():
        assert amount >= 0 or holder in ("outside", "fees"), (holder, asset, amount)  # rebates may exceed fees


def lots_sum_to_zero(state: VenueState) -> None:
    """I2: and open interest is the longs' lots; holders are those who hold."""
    for market in state.markets:
        rows = [row.get(market, 0) for row in state.positions.lots]
        assert sum(rows) == 0
        assert state.markets[market].open_interest == sum(lots for lots in rows if lots > 0)
        assert set(state.holders[market]) == {pool for pool, lots in enumerate(rows) if lots}


def funds_are_whole(state: VenueState) -> None:
    """I3: no fund below zero, and no more reserved than the orders behind which it stands."""
    for (holder, _), amount in state.ledger.others.items():
        assert not str(holder).startswith(SHARED_FUND) or amount >= 0
    for fund, amount in state.room("committed").items():
        assert amount == sum(o.reserved for o in state.room("orders").values() if o.fund == fund) >= 0


def orders_fit_positions(state: VenueState) -> None:
    """Nothing is sold that is not there, and every order is found from its pool."""
    found = [item.number for pool in state.room("resting") for item in resting_of(state, pool)]
    assert sorted(found) == sorted([*state.room("orders"), *state.room("auctions")])
    for pool in state.room("resting"):
        for item in resting_of(state, pool):
            held = state.positions.lots[pool].get(item.market, 0)
            assert held * item.lots > 0
            assert abs(item.lots) <= abs(held)


def stages_in_order(effects: Sequence[Effect], policies: VenuePolicies) -> None:
    """I7: a stage acts on a pool only after each earlier one of the venue's refused it in this event, or before."""
    closing = [stage.stage for stage in policies.closing_stages]
    refused: dict[object, set[Stage]] = {}
    for effect in effects:
        match effect:
            case StageRefused():
                refused.setdefault(effect.pool, set()).add(effect.stage)
            case LiquidationOrder(stage=Stage.INSURANCE_FUND) | AuctionOpened() | LiquidationClosed(order=0):
                stage = Stage.AUCTION if isinstance(effect, AuctionOpened) else effect.stage
                before = [s for s in closing if ORDER.index(s) < ORDER.index(stage)]
                came_from = refused.get(effect.pool, set())
                assert came_from or isinstance(effect, AuctionOpened), effect  # an auction may start again
                least = min((ORDER.index(s) for s in came_from), default=len(ORDER))
                assert all(s in came_from for s in before if ORDER.index(s) >= least), effect


def deleveraging_is_matched(effects: Sequence[Effect]) -> None:
    """I6: lots of winners are lots of the closed, one for one."""
    winners = sum(effect.lots for effect in effects if isinstance(effect, Deleveraged))
    closed = sum(abs(effect.lots) for effect in effects
                 if isinstance(effect, LiquidationClosed) and effect.stage is Stage.DELEVERAGING)
    assert winners == closed


def check_all(state: VenueState, effects: Sequence[Effect], policies: VenuePolicies) -> None:
    """Everything that needs no memory."""
    money_is_conserved(state)
    lots_sum_to_zero(state)
    funds_are_whole(state)
    orders_fit_positions(state)
    deleveraging_is_matched(effects)
    if not any(isinstance(effect, Rejected) for effect in effects):
        stages_in_order(effects, policies)
