"""The venue: one event in, its effects out. No clock, no randomness, no input or output inside.

Same events, same state, byte for byte: live, in replay and in simulation. A rejected event changes nothing, not even
the sequence: the next event carries the number that the rejected one asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from leverline.enforce import adoption, cash, conversion, funding, operator_actions, trading
from leverline.enforce.effects import Effect, Reject, Rejected
from leverline.enforce.events import (
    AdoptLimits,
    Body,
    Convert,
    Deposit,
    Event,
    Fill,
    Funding,
    Interest,
    OpenPool,
    OrderIntent,
    Pause,
    Resume,
    Settle,
    TimePassed,
    Transfer,
    Withdraw,
)
from leverline.enforce.rejection import RejectedError
from leverline.enforce.state import VenueState
from leverline.enforce.terms import VenueTerms
from leverline.ground.errors import UsageError

Handler = Callable[[VenueState, Any], list[Effect]]

HANDLERS: dict[type, Handler] = {
    OpenPool: cash.open_pool,
    Deposit: cash.deposit,
    Withdraw: cash.withdraw,
    Transfer: cash.transfer,
    OrderIntent: trading.order_intent,
    Fill: trading.fill,
    Funding: funding.funding,
    Interest: funding.interest,
    Convert: conversion.convert,
    Settle: conversion.settle,
    AdoptLimits: adoption.adopt_limits,
    Pause: operator_actions.pause,
    Resume: operator_actions.resume,
}


class Venue:
    """Applies events to a :class:`VenueState`.

    Parameters
    ----------
    terms : VenueTerms
        The limits in force at the start.
    """

    def __init__(self, terms: VenueTerms) -> None:
        self.state = VenueState.of(terms)

    def apply(self, event: Event) -> tuple[Effect, ...]:
        """Effects of one event; a single :class:`Rejected` where it changed nothing."""
        state = self.state
        misplaced = self._misplaced(event)
        if misplaced is not None:
            return (misplaced,)
        before = state.seq, state.now_ns
        try:
            state.now_ns = event.ts_ns
            effects = self._handle(event.body)
            state.undo.put(state.seen, event.id, event.seq)
        except RejectedError as error:
            state.undo.take_back()
            state.seq, state.now_ns = before
            return (Rejected(error.reason, error.detail),)
        except UsageError as error:  # a balance out of range: the ledger refuses to carry it
            state.undo.take_back()
            state.seq, state.now_ns = before
            return (Rejected(Reject.OVERFLOW, str(error)),)
        state.seq = event.seq
        state.undo.keep()
        return tuple(effects)

    def _misplaced(self, event: Event) -> Rejected | None:
        """Replayed, out of sequence, or from before what is known already."""
        if event.id in self.state.seen:
            return Rejected(Reject.DUPLICATE, f"already applied as event {self.state.seen[event.id]}")
        if event.seq != self.state.seq + 1:
            return Rejected(Reject.OUT_OF_ORDER, f"event {self.state.seq + 1} comes next")
        if event.ts_ns < self.state.now_ns:
            return Rejected(Reject.OUT_OF_ORDER, "time does not go back")
        return None

    def _handle(self, body: Body) -> list[Effect]:
        handler = HANDLERS.get(type(body))
        if handler is None and not isinstance(body, TimePassed):
            raise RejectedError(Reject.MALFORMED, f"no handler for {type(body).__name__}")
        return handler(self.state, body) if handler else []
