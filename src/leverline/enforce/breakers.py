"""The breakers: NORMAL -> REDUCE_ONLY -> HALTED, at once on a cause, back one step at a time when it is gone.

Reductions and top-ups stay open in every state; what a halt stops is new risk and liquidation. A halt ends: after the
longest one the market resumes, reduce only, at a fallback price that the mark approaches in steps, because an endless
halt is itself the loss. An operator's halt (:mod:`leverline.enforce.operator_actions`) is the operator's to end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from leverline.enforce import prices
from leverline.enforce.breaker_terms import PPM, BreakerTerms
from leverline.enforce.effects import Breaker, BreakerTransition, Effect, Reject
from leverline.enforce.events import Body, DepthUpdate, TimePassed
from leverline.enforce.insurance_fund import fund_of_market
from leverline.enforce.ledger import LIMIT, SHARED_FUND
from leverline.enforce.oracle import (
    NEVER,
    Feed,
    Quality,
    fallback_price,
    feed_of,
    fit_to_liquidate,
    look_again,
    unfit_for_ns,
)
from leverline.enforce.rejection import reject_unless
from leverline.enforce.state import VenueState
from leverline.enforce.trading import known_market

LEVELS = tuple(Breaker)
"""From open to shut."""
VENUE = ""
DAY_NS = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class BreakerRecord:
    """One market's breaker, or the venue's. ``shown``: the level that its market last wore because of it."""

    level: Breaker = Breaker.NORMAL
    shown: Breaker = Breaker.NORMAL
    clear_since_ns: int | None = None  # no cause for this level since then
    halted_since_ns: int = 0
    fallback: bool = False  # resumed after the longest halt
    stepped_ns: int = 0


UNTRIPPED = BreakerRecord()
"""What a breaker is that never moved."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Open interest (lots) half a window ago and a window ago; the windows roll on by halves."""

    earlier: int
    later: int
    since_ns: int


@dataclass(frozen=True, slots=True)
class Depth:
    """Depth of the thinner side, lots, and its time-weighted average."""

    lots: int
    average: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a breaker should stand at a level."""

    level: Breaker
    reason: str


def may_liquidate(state: VenueState, market: str) -> bool:
    """Not halted or paused, and at a price that is valid at this moment, or at the fallback's."""
    if not prices.may_liquidate(state, market):
        return False
    return (state.terms.breakers is None or record_of(state, market).fallback
            or fit_to_liquidate(feed_of(state, market), state.now_ns))


def depth_update(state: VenueState, body: DepthUpdate) -> list[Effect]:
    """Note how much the book of a market would take."""
    known_market(state, body.market)
    reject_unless(body.lots >= 0, Reject.NOT_POSITIVE)
    reject_unless(body.lots < LIMIT, Reject.OVERFLOW)
    window = BreakerTerms().depth_window_ns if state.terms.breakers is None else state.terms.breakers.depth_window_ns
    before: Depth | None = state.room("depth").get(body.market)
    average = body.lots
    if before is not None:
        gone = min(state.now_ns - before.at_ns, window)
        average = before.average + (body.lots - before.average) * gone // window
    state.undo.put(state.room("depth"), body.market, Depth(body.lots, average, state.now_ns))
    return []


def give_up(state: VenueState, market: str) -> None:
    """Somebody else halts the market for good: a breaker that recovers must not open it again."""
    if market in state.room("breakers"):
        state.undo.remove(state.room("breakers"), market)


def watch(state: VenueState, body: Body) -> list[Effect]:
    """After an event, before anybody is looked at: move the breakers of the venue and of the markets it touched."""
    terms = state.terms.breakers
    if terms is None:
        return _release(state)
    if isinstance(body, TimePassed):
        look_again(state)
    touched = set(state.terms.markets) if isinstance(body, TimePassed) else {
        name for room in (state.markets, state.room("sources"), state.room("depth"))
        for name in state.undo.before(room) if name in state.terms.markets}
    before = record_of(state, VENUE).level
    _move(state, VENUE, _venue_causes(state, terms), terms)
    if record_of(state, VENUE).level is not before:
        touched = set(state.terms.markets)
    effects: list[Effect] = []
    for market in sorted(touched):
        effects += _watch_market(state, market, terms)
    return effects


def _release(state: VenueState) -> list[Effect]:
    """A book without breakers was adopted: what they held is free, and what their eyes remember is nobody's."""
    for memory in (state.room("sources"), state.room("opening")):
        for name in sorted(memory):
            state.undo.remove(memory, name)
    room = state.room("breakers")
    if not room:
        return []
    effects: list[Effect] = []
    for market in sorted(room):
        record: BreakerRecord = room[market]
        state.undo.put(room, market, replace(record, level=Breaker.NORMAL, fallback=False, clear_since_ns=None))
    for market in sorted(set(room) & set(state.markets)):
        effects += _show(state, market, "the book in force has no breakers")
        state.undo.remove(room, market)
    if VENUE in room:
        state.undo.remove(room, VENUE)
    return effects


def record_of(state: VenueState, market: str) -> BreakerRecord:
    """A market's breaker, or the venue's under the empty name."""
    found: BreakerRecord = state.room("breakers").get(market, UNTRIPPED)
    return found


def _watch_market(state: VenueState, market: str, terms: BreakerTerms) -> list[Effect]:
    _roll_growth(state, market, terms)
    causes = market_causes(state, market, terms)
    why = _move(state, market, causes, terms)
    if record_of(state, market).fallback:
        _step_mark(state, market, terms)
    return _show(state, market, why)


def market_causes(state: VenueState, market: str, terms: BreakerTerms) -> list[Cause]:
    """Everything that speaks against trading as usual, worst first; thresholds ease off while a breaker is tripped."""
    now = state.markets[market]
    if now.mark is None:
        return []  # nothing has a price yet, so nothing is open
    # a mark from before a book with breakers was adopted: no source has spoken to these eyes
    feed = feed_of(state, market) or Feed(unfit_since_ns=now.marked_ns, closed_since_ns=now.marked_ns)
    eased = terms.release_ppm if record_of(state, market).level is not Breaker.NORMAL else PPM
    found = [*_price_causes(state, feed, terms, eased), *_growth_causes(state, market, terms, eased),
             *_depth_causes(state, market, terms, eased),
             *_fund_causes(state, fund_of_market(state, market), terms, eased, market)]
    return sorted(found, key=lambda cause: -LEVELS.index(cause.level))


def _price_causes(state: VenueState, feed: Feed, terms: BreakerTerms, eased: int) -> list[Cause]:
    found: list[Cause] = []
    liquidating, opening = unfit_for_ns(feed, state.now_ns)
    if liquidating > terms.notice_ns:
        why = feed.quality.value if feed.fresh_until_ns == NEVER else Quality.STALE.value
        found.append(Cause(Breaker.HALTED, f"no valid price: {why}"))
    elif opening > terms.notice_ns:
        found.append(Cause(Breaker.REDUCE_ONLY, f"price: {Quality.THIN.value}"))
    moved = 0 if feed.price is None else abs(feed.price - feed.average) * PPM * PPM
    for bound, level in ((terms.halting_move_ppm, Breaker.HALTED), (terms.move_ppm, Breaker.REDUCE_ONLY)):
        if bound and moved > bound * eased * feed.average:
            found.append(Cause(level, f"price band: more than {bound} ppm from the average"))
            break
    if terms.latency_ns and feed.lag_ns * PPM > terms.latency_ns * eased:
        found.append(Cause(Breaker.REDUCE_ONLY, f"latency: {feed.lag_ns} ns"))
    return found


def _growth_causes(state: VenueState, market: str, terms: BreakerTerms, eased: int) -> list[Cause]:
    bound, _ = _growth_bound(state, market, terms)
    row, now = state.terms.markets[market], state.markets[market]
    assert now.mark is not None
    rolled: Growth = state.room("growth")[market]
    base = max(rolled.earlier, terms.growth_floor // row.notional(1, now.mark))
    if not bound or (now.open_interest - base) * PPM * PPM <= bound * eased * base:
        return []
    return [Cause(Breaker.REDUCE_ONLY, f"open interest grew from {base} to {now.open_interest} lots")]


def _growth_bound(state: VenueState, market: str, terms: BreakerTerms) -> tuple[int, int]:
    """(ppm, window ns): the market's own cap on growth a day, or the venue's breaker."""
    own = state.terms.markets[market].growth_ppm_per_day
    if terms.growth_ppm == 0 or own is None:
        return terms.growth_ppm, terms.growth_window_ns
    return own, DAY_NS


def _roll_growth(state: VenueState, market: str, terms: BreakerTerms) -> None:
    _, window = _growth_bound(state, market, terms)
    lots, room = state.markets[market].open_interest, state.room("growth")
    now: Growth | None = room.get(market)
    if now is None:
        state.undo.put(room, market, Growth(lots, lots, state.now_ns))
    elif state.now_ns - now.since_ns >= window // 2:
        state.undo.put(room, market, Growth(now.later, lots, state.now_ns))


def _depth_causes(state: VenueState, market: str, terms: BreakerTerms, eased: int) -> list[Cause]:
    depth: Depth | None = state.room("depth").get(market)
    if depth is None or not terms.depth_ppm or depth.lots * eased >= depth.average * terms.depth_ppm:
        return []
    return [Cause(Breaker.REDUCE_ONLY, f"depth loss: {depth.lots} lots of {depth.average} on average")]


def _venue_causes(state: VenueState, terms: BreakerTerms) -> list[Cause]:
    eased = terms.release_ppm if record_of(state, VENUE).level is not Breaker.NORMAL else PPM
    return _fund_causes(state, SHARED_FUND, terms, eased, VENUE)


def _fund_causes(state: VenueState, fund: str, terms: BreakerTerms, eased: int, market: str) -> list[Cause]:
    """Little is left of the most that the fund ever held; the shared fund speaks for the venue, not for a market."""
    if (fund == SHARED_FUND) != (market == VENUE):
        return []
    room, left = state.room("growth"), state.ledger.balance(fund, state.terms.settlement)
    most = max(int(room.get(fund, 0)), left)
    if most != room.get(fund, 0):
        state.undo.put(room, fund, most)
    if not terms.fund_ppm or left * eased >= most * terms.fund_ppm:
        return []
    return [Cause(Breaker.REDUCE_ONLY, f"fund depletion: {left} of {most} units")]


def _move(state: VenueState, name: str, causes: list[Cause], terms: BreakerTerms) -> str:
    """Move one breaker by its causes; up at once, down a level after the grace. Returns the reason of this state."""
    record, now = record_of(state, name), state.now_ns
    halting = any(cause.level is Breaker.HALTED for cause in causes)
    if record.fallback and not halting:
        record = replace(record, fallback=False)
    wanted = causes[0].level if causes else Breaker.NORMAL
    if record.fallback:
        wanted = Breaker.REDUCE_ONLY
    at, to = LEVELS.index(record.level), LEVELS.index(wanted)
    why = causes[0].reason if causes else ""
    if to > at:
        record = replace(record, level=wanted, clear_since_ns=None,
                         halted_since_ns=now if wanted is Breaker.HALTED else record.halted_since_ns)
    elif record.level is Breaker.HALTED and halting and now - record.halted_since_ns >= terms.longest_halt_ns:
        record = replace(record, level=Breaker.REDUCE_ONLY, fallback=True, clear_since_ns=None, stepped_ns=now)
        why = f"longest halt: resumed at the fallback price in steps, though {why}"
    elif to == at:
        record = record if record.clear_since_ns is None else replace(record, clear_since_ns=None)
    elif record.clear_since_ns is None:
        record = replace(record, clear_since_ns=now)
    elif now - record.clear_since_ns >= terms.grace_ns:
        record = replace(record, level=LEVELS[at - 1], clear_since_ns=now)
        why = f"the cause is gone for {terms.grace_ns // 10**9} s"
    if record != record_of(state, name):
        state.undo.put(state.room("breakers"), name, record)
    return why


def _step_mark(state: VenueState, market: str, terms: BreakerTerms) -> None:
    """Bring the mark toward the fallback price, a step for each ``step_ns`` that is gone."""
    record, now = record_of(state, market), state.markets[market]
    steps = (state.now_ns - record.stepped_ns) // terms.step_ns
    target = fallback_price(feed_of(state, market), terms)
    if not steps or target is None or now.mark is None:
        return
    reach = max(1, now.mark * terms.step_ppm // PPM) * steps
    mark = min(max(target, now.mark - reach, 1), now.mark + reach)
    state.undo.put(state.room("breakers"), market,
                   replace(record, stepped_ns=record.stepped_ns + steps * terms.step_ns))
    if mark != now.mark:
        state.undo.put(state.markets, market, replace(now, mark=mark, marked_ns=state.now_ns))


def _show(state: VenueState, market: str, why: str) -> list[Effect]:
    """Let the market wear the worse of its own level and the venue's; one that another part halted stays halted."""
    record, venue, now = record_of(state, market), record_of(state, VENUE), state.markets[market]
    worse = max(record.level, venue.level, key=LEVELS.index)
    if worse is record.shown or now.breaker is not record.shown:
        return []
    if LEVELS.index(venue.level) > LEVELS.index(record.level):
        why = "the venue: fund depletion"
    state.undo.put(state.room("breakers"), market, replace(record, shown=worse))
    state.undo.put(state.markets, market, replace(now, breaker=worse, breaker_since_ns=state.now_ns))
    return [BreakerTransition(market, record.shown, worse, why or "the venue: the fund has recovered")]
