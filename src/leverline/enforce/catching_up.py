"""Recovery in strides: what a venue accepted once and what moves nobody is taken without being handled.

Most of a journal are prices that leave no pool's safe band, and questions whether an order may be sent. All that is
left of the first is the mark, of the second nothing, and of both the number, the time and the key. A stride ends before
anything else, which the venue then handles as it did; so the state is the one that handling every event gives, and a
test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence

from leverline.enforce.band_watch import BandWatch
from leverline.enforce.events import Event, OracleUpdate, OrderIntent
from leverline.enforce.ledger import LIMIT
from leverline.enforce.state import KEYS_KEPT, VenueState
from leverline.enforce.venue import Venue

NOBODY = 1, 0
"""Bounds that hold no price."""


def stride(venue: Venue, events: Sequence[Event], start: int) -> int:
    """Take as many of ``events`` from place ``start`` on as move nobody; the place of the first that was not taken.

    Only of events that a batch was decoded to and that were accepted once: whether a question still has the same answer
    is not asked. One that is out of place is never taken, so that the venue says what is wrong with it. What is written
    here stands, and so goes past the undo.
    """
    state = venue.state
    bounds = _bounds(venue)
    keys, seen, seq, now = state.keys, state.seen, state.seq, state.now_ns
    marks: dict[str, tuple[int, int]] = {}
    place = start
    for place in range(start, len(events)):
        event = events[place]
        body = event.body
        if type(body) is OracleUpdate:
            low, high = bounds.get(body.name, NOBODY)
            if not (low <= body.price <= high and 0 <= body.published_ns <= event.ts_ns
                    and 0 <= body.confidence < LIMIT):
                break
        elif type(body) is not OrderIntent:
            break
        if event.seq != seq + 1 or event.ts_ns < now or event.id in seen:
            break
        if type(body) is OracleUpdate:
            marks[body.name] = body.price, event.ts_ns
        slot = seq % KEYS_KEPT
        if slot == len(keys):
            keys.append(event.id)
        else:
            del seen[keys[slot]]
            keys[slot] = event.id
        seq, now = event.seq, event.ts_ns
        seen[event.id] = seq
    else:
        place = len(events)
    for name, (price, ts_ns) in marks.items():
        state.markets[name] = state.markets[name].at(price, ts_ns)
    state.seq, state.now_ns = seq, now
    return place


def _bounds(venue: Venue) -> dict[str, tuple[int, int]]:
    """Of each market the lowest and the highest price at which nothing happens but that it is the mark."""
    state = venue.state
    watch = venue.watch
    if type(watch) is not BandWatch or not _only_prices(state):
        return {}
    return {name: (max(low, 1), min(high, LIMIT - 1))
            for name, market in state.markets.items() if market.mark is not None and name in state.terms.markets
            for low, high in [watch.calm(name)]}


def _only_prices(state: VenueState) -> bool:
    """Whether a price is the mark at once, and no schedule, no breaker and nothing else goes on beside it."""
    return state.terms.breakers is None and not state.room("decay") and not state.room("breakers")
