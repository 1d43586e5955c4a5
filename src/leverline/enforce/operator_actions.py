"""What people at the venue may do by hand: halt and resume. Reductions and top-ups stay open either way."""

from __future__ import annotations

from dataclasses import replace

from leverline.enforce.effects import Breaker, BreakerTransition, Effect, Reject
from leverline.enforce.events import Pause, Resume
from leverline.enforce.rejection import reject_unless
from leverline.enforce.state import VenueState
from leverline.enforce.trading import known_market


def pause(state: VenueState, body: Pause) -> list[Effect]:
    """Halt one market, or every market."""
    return _set_paused(state, body.market, body.reason, paused=True)


def resume(state: VenueState, body: Resume) -> list[Effect]:
    """Lift the operator's halt; a breaker that still holds stays."""
    return _set_paused(state, body.market, body.reason, paused=False)


def _set_paused(state: VenueState, market: str, reason: str, *, paused: bool) -> list[Effect]:
    reject_unless(bool(reason.strip()), Reject.MALFORMED, "a halt by hand carries its reason")
    if market:
        known_market(state, market)
    chosen = [market] if market else sorted(state.markets)
    changed = [name for name in chosen if state.markets[name].paused is not paused]
    reject_unless(bool(changed), Reject.NOTHING_TO_DO)
    effects: list[Effect] = []
    for name in changed:
        now = state.markets[name]
        state.undo.put(state.markets, name, replace(now, paused=paused))
        before, after = (now.breaker, Breaker.HALTED) if paused else (Breaker.HALTED, now.breaker)
        effects.append(BreakerTransition(name, before, after, reason))
    return effects
