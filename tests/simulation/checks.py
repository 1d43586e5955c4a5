"""What is held against a simulated venue after every event, and against its model at every recovery."""

from __future__ import annotations

from collections.abc import Sequence

from leverline.enforce.breakers import may_liquidate
from leverline.enforce.effects import (
    Accepted,
    AuctionOpened,
    Deleveraged,
    Effect,
    LiquidationOrder,
    Rejected,
    Stage,
)
from leverline.enforce.events import Event, OracleUpdate, OrderIntent, Withdraw
from leverline.enforce.margining import standing
from leverline.enforce.oracle import FIT, REDEMPTION, feed_of
from leverline.enforce.policies import VenuePolicies
from leverline.enforce.state import VenueState
from leverline.enforce.venue import Venue
from tests.enforce.invariants import (
    check_effects,
    check_state,
    funds_are_whole,
    lots_sum_to_zero,
    money_is_conserved,
    orders_fit_positions,
)

WHOLE_EVERY = 64
"""Events between two checks of what is dear to recompute."""


def is_rejected(effects: Sequence[Effect]) -> bool:
    """Whether the event changed nothing."""
    return bool(effects) and isinstance(effects[0], Rejected)


def after_event(venue: Venue, policies: VenuePolicies, event: Event, effects: Sequence[Effect], seq: int) -> None:
    """Everything that one event may break; ``seq``: where the venue stood before it."""
    state = venue.state
    assert not state.undo.containers(), "nothing is pending between two events"
    if is_rejected(effects):
        assert len(effects) == 1
        assert state.seq == seq, "I13: a rejected event takes no number"
        return
    assert state.seq == event.seq == seq + 1, "I12: numbers follow one another"
    assert state.now_ns == event.ts_ns
    assert state.seen[event.id] == event.seq
    body = event.body
    if seq % WHOLE_EVERY == 0:
        check_state(state)
    else:
        money_is_conserved(state)
    if effects or not isinstance(body, OracleUpdate):  # a price that moves nobody moves no lots and no funds
        lots_sum_to_zero(state)
        funds_are_whole(state)
        orders_fit_positions(state)
        check_effects(state, effects, policies)
        _liquidates_with_cause(state, effects)
    if isinstance(body, Withdraw):
        now = standing(state, state.number[body.pool])
        assert not now.owes or now.free >= 0 or effects, "nobody leaves below initial margin"
    elif isinstance(body, OracleUpdate):
        median_is_honest(state, body.name)
    elif isinstance(body, OrderIntent):
        assert isinstance(effects[0], Accepted)


def _liquidates_with_cause(state: VenueState, effects: Sequence[Effect]) -> None:
    """I4 and I14: orders only for pools below maintenance, and nothing is closed on an invalid price or in a halt."""
    orders = state.room("orders")
    for effect in effects:
        match effect:
            case LiquidationOrder(stage=Stage.BOOK) if effect.order in orders:  # else it ended in the same event
                assert standing(state, state.number[effect.pool]).liquidatable, effect
                assert may_liquidate(state, effect.market), effect
            case LiquidationOrder() | AuctionOpened() | Deleveraged():
                assert may_liquidate(state, effect.market), effect


def median_is_honest(state: VenueState, name: str) -> None:
    """The composite of three sources or more that are young and sure lies within what they say without any one."""
    terms, feed = state.terms.breakers, feed_of(state, name)
    if terms is None or feed is None or feed.quality not in FIT or feed.price is None:
        return
    said = sorted(r.price for r in feed.readings if state.now_ns - r.published_ns <= terms.margin_age_ns
                  and r.confidence * 10**6 <= r.price * terms.confidence_ppm and r.source != REDEMPTION)
    if len(said) >= 3:
        assert said[1] <= feed.price <= said[-2], (name, said, feed.price)
    else:
        assert said[0] <= feed.price <= said[-1], (name, said, feed.price)
