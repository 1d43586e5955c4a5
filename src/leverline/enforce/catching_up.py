"""Recovery in strides: what a venue accepted once and what moves nobody is taken without being handled.

Most of a journal are prices that leave no pool's safe band and no breaker's rest, and questions whether an order may be
sent. All that is left of the first is the mark and what the eyes remember, of the second nothing, and of both the
number, the time and the key. A stride ends before anything else, which the venue then handles as it did; so the state
is the one that handling every event gives, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leverline.enforce.band_watch import BandWatch
from leverline.enforce.breaker_terms import PPM, BreakerTerms
from leverline.enforce.breakers import lulls, price_causes
from leverline.enforce.events import Event, OracleUpdate, OrderIntent
from leverline.enforce.ledger import LIMIT
from leverline.enforce.oracle import FIT, Feed, feed_of, heard
from leverline.enforce.rejection import RejectedError
from leverline.enforce.state import KEYS_KEPT, VenueState
from leverline.enforce.venue import Venue


@dataclass(slots=True)
class SingleSource:
    """A market where one source's word is the mark: from ``low`` to ``high`` ticks it is nothing more."""

    low: int
    high: int
    mark: int | None = None  # the last that was taken
    marked_ns: int = 0

    def takes(self, body: OracleUpdate, now_ns: int) -> bool:
        """Take a price that does nothing but become the mark."""
        if not self.low <= body.price <= self.high:
            return False
        self.mark, self.marked_ns = body.price, now_ns
        return True

    def leave(self, state: VenueState, market: str) -> None:
        """Write down what was taken."""
        if self.mark is not None:
            state.markets[market] = state.markets[market].at(self.mark, self.marked_ns)


@dataclass(slots=True)
class Composite:
    """A market whose breakers rest: until ``until_ns`` only its price's own causes move them, from ``low`` to ``high``
    ticks it moves nobody.
    """

    low: int
    high: int
    until_ns: int
    feed: Feed
    terms: BreakerTerms
    marked_ns: int | None = None

    def takes(self, body: OracleUpdate, now_ns: int) -> bool:
        """Take one source's word after which the composite is fit and gives no cause."""
        if now_ns >= self.until_ns or not 0 < body.price < LIMIT:
            return False
        try:
            feed = heard(self.feed, body, now_ns, self.terms)
        except RejectedError:
            return False
        if (feed.price is None or feed.quality not in FIT or not self.low <= feed.price <= self.high
                or price_causes(feed, now_ns, self.terms, PPM)):
            return False
        self.feed, self.marked_ns = feed, now_ns
        return True

    def leave(self, state: VenueState, market: str) -> None:
        """Write down what was taken."""
        if self.marked_ns is not None and self.feed.price is not None:
            state.room("sources")[market] = self.feed
            state.markets[market] = state.markets[market].at(self.feed.price, self.marked_ns)


def stride(venue: Venue, events: Sequence[Event], start: int) -> int:
    """Take as many of ``events`` from place ``start`` on as move nobody; the place of the first that was not taken.

    Only of events that a batch was decoded to and that were accepted once: whether a question still has the same answer
    is not asked. One that is out of place is never taken, so that the venue says what is wrong with it. What is written
    here stands, and so goes past the undo.
    """
    state = venue.state
    calm = _calm_markets(venue)
    keys, seen, seq, now = state.keys, state.seen, state.seq, state.now_ns
    place = start
    for place in range(start, len(events)):
        event = events[place]
        body, ts_ns = event.body, event.ts_ns
        if event.seq != seq + 1 or ts_ns < now or event.id in seen:
            break
        if type(body) is OracleUpdate:
            market = calm.get(body.name)
            if (market is None or not (0 <= body.published_ns <= ts_ns and 0 <= body.confidence < LIMIT)
                    or not market.takes(body, ts_ns)):
                break
        elif type(body) is not OrderIntent:
            break
        slot = seq % KEYS_KEPT
        if slot == len(keys):
            keys.append(event.id)
        else:
            del seen[keys[slot]]
            keys[slot] = event.id
        seq, now = event.seq, ts_ns
        seen[event.id] = seq
    else:
        place = len(events)
    for name, market in calm.items():
        market.leave(state, name)
    state.seq, state.now_ns = seq, now
    return place


def _calm_markets(venue: Venue) -> dict[str, SingleSource] | dict[str, Composite]:
    """Markets of which there are prices that do nothing but become the mark."""
    state, watch = venue.state, venue.watch
    if type(watch) is not BandWatch or state.room("decay"):
        return {}
    bands = {name: (max(low, 1), min(high, LIMIT - 1))
             for name, market in state.markets.items() if market.mark is not None and name in state.terms.markets
             for low, high in [watch.calm(name)]}
    if state.terms.breakers is not None:
        return _composites(state, bands, state.terms.breakers)
    return {} if state.room("breakers") else {name: SingleSource(low, high) for name, (low, high) in bands.items()}


def _composites(state: VenueState, bands: dict[str, tuple[int, int]], terms: BreakerTerms) -> dict[str, Composite]:
    found: dict[str, Composite] = {}
    for name, (highest, until_ns) in lulls(state).items():
        feed = feed_of(state, name)
        if feed is not None and name in bands and name not in state.terms.assets:
            low, high = bands[name]
            found[name] = Composite(low, min(high, highest), until_ns, feed, terms)
    return found
