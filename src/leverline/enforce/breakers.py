"""The breakers: NORMAL -> REDUCE_ONLY -> HALTED, at once on a cause, back one step at a time when it is gone.

Reductions and top-ups stay open in every state; what a halt stops is new risk and liquidation. A halt ends: after the
longest one the market resumes, reduce only, at a fallback price that the mark approaches in steps, because an endless
halt is itself the loss. An operator's halt (:mod:`leverline.enforce.operator_actions`) is the operator's to end.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from leverline.enforce import prices
from leverline.enforce.breaker_terms import PPM, BreakerTerms
from leverline.enforce.effects import Breaker, BreakerTransition, Effect, Reject
from leverline.enforce.events import Body, DepthUpdate, OracleUpdate, TimePassed
from leverline.enforce.insurance_fund import fund_of_market
from leverline.enforce.ledger import LIMIT, SHARED_FUND
from leverline.enforce.oracle import (
    NEVER,
    Feed,
    Quality,
    fallback_price,
    feed_of,
    fit_to_liquidate,
    fit_to_open,
    look_again,
    unfit_for_ns,
)
from leverline.enforce.rejection import reject_unless
from leverline.enforce.state import VenueState
from leverline.enforce.trading import known_market
from leverline.margin.rounding import ceil_div

LEVELS = NORMAL, REDUCE_ONLY, HALTED = tuple(Breaker)
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
    touched = _touched(state, body)
    causes = _venue_causes(state, terms)
    if causes or not _at_rest(state, VENUE):
        before = record_of(state, VENUE).level
        _move(state, VENUE, causes, terms)
        if record_of(state, VENUE).level is not before:
            touched = state.terms.markets
    effects: list[Effect] = []
    for market in sorted(touched):
        effects += _watch_market(state, market, terms)
    return effects


def _touched(state: VenueState, body: Body) -> Collection[str]:
    """Markets that an event may have given a cause, or taken one from."""
    markets = state.terms.markets
    if isinstance(body, OracleUpdate):  # has written of the market that it names, or nothing
        return (body.name,) if body.name in markets and state.undo.mark() else ()
    if isinstance(body, TimePassed):
        return markets
    return {name for room in (state.markets, state.room("sources"), state.room("depth"))
            for name in state.undo.before(room) if name in markets}


def _release(state: VenueState) -> list[Effect]:
    """A book without breakers was adopted: what they held is free, and what their eyes remember is nobody's."""
    for name in sorted(state.room("sources")):
        if name in state.terms.assets and name not in state.asset_price:
            _keep_price(state, name, state.room("sources")[name])
    for memory in (state.room("sources"), state.room("opening")):
        for name in sorted(memory):
            state.undo.remove(memory, name)
    room = state.room("breakers")
    if not room:
        return []
    effects: list[Effect] = []
    for market in sorted(room):
        record: BreakerRecord = room[market]
        state.undo.put(room, market, replace(record, level=NORMAL, fallback=False, clear_since_ns=None))
    for market in sorted(set(room) & set(state.markets)):
        effects += _show(state, market, "the book in force has no breakers")
        state.undo.remove(room, market)
    if VENUE in room:
        state.undo.remove(room, VENUE)
    return effects


def _keep_price(state: VenueState, asset: str, feed: Feed) -> None:
    """Of collateral that is without a price now its last one: the next source moves it, and it is not worthless."""
    redeems = None if feed.redemption is None else feed.redemption.price
    known = [price for price in (feed.price, redeems) if price is not None]
    if known:
        state.undo.put(state.asset_price, asset, min(known))


def record_of(state: VenueState, market: str) -> BreakerRecord:
    """A market's breaker, or the venue's under the empty name."""
    found: BreakerRecord = state.room("breakers").get(market, UNTRIPPED)
    return found


def _at_rest(state: VenueState, name: str) -> bool:
    """Without a cause nothing becomes of this breaker."""
    record: BreakerRecord | None = state.room("breakers").get(name)
    return record is None or (record.level is NORMAL and record.shown is NORMAL and record.clear_since_ns is None)


def _watch_market(state: VenueState, market: str, terms: BreakerTerms) -> list[Effect]:
    _roll_growth(state, market, terms)
    causes = market_causes(state, market, terms)
    if not causes and _at_rest(state, market) and _at_rest(state, VENUE):
        return []  # nearly always
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
    eased = terms.release_ppm if record_of(state, market).level is not NORMAL else PPM
    found = price_causes(feed, state.now_ns, terms, eased)
    found += _growth_causes(state, market, terms, eased)
    found += _depth_causes(state, market, terms, eased)
    fund = fund_of_market(state, market)
    if fund != SHARED_FUND:  # which speaks for the venue
        found += _fund_causes(state, fund, terms, eased)
    return sorted(found, key=lambda cause: -LEVELS.index(cause.level)) if len(found) > 1 else found


def price_causes(feed: Feed, now_ns: int, terms: BreakerTerms, eased: int) -> list[Cause]:
    """What speaks against trading at this price, now."""
    found: list[Cause] = []
    if not (fit_to_open(feed, now_ns) and fit_to_liquidate(feed, now_ns)):
        liquidating, opening = unfit_for_ns(feed, now_ns)
        if liquidating > terms.notice_ns:
            why = feed.quality.value if feed.fresh_until_ns == NEVER else Quality.STALE.value
            found.append(Cause(HALTED, f"no valid price: {why}"))
        elif opening > terms.notice_ns:
            found.append(Cause(REDUCE_ONLY, f"price: {Quality.THIN.value}"))
    moved = 0 if feed.price is None else abs(feed.price - feed.average) * PPM * PPM
    for bound, level in ((terms.halting_move_ppm, HALTED), (terms.move_ppm, REDUCE_ONLY)):
        if bound and moved > bound * eased * feed.average:
            found.append(Cause(level, f"price band: more than {bound} ppm from the average"))
            break
    if terms.latency_ns and feed.lag_ns * PPM > terms.latency_ns * eased:
        found.append(Cause(REDUCE_ONLY, f"latency: {feed.lag_ns} ns"))
    return found


def _growth_causes(state: VenueState, market: str, terms: BreakerTerms, eased: int) -> list[Cause]:
    now = state.markets[market]
    assert now.mark is not None
    if now.mark <= _highest_mark(state, market, terms, eased):
        return []
    rolled: Growth = state.room("growth")[market]
    base = max(rolled.earlier, terms.growth_floor // state.terms.markets[market].notional(1, now.mark))
    return [Cause(REDUCE_ONLY, f"open interest grew from {base} to {now.open_interest} lots")]


def _highest_mark(state: VenueState, market: str, terms: BreakerTerms, eased: int) -> int:
    """At which open interest has not grown too much: the floor is notional, so a higher mark leaves fewer lots of it.

    It has where it exceeds its base by more than the bound, eased: where the base is below ``needed``.
    """
    rolled: Growth = state.room("growth")[market]
    lots = state.markets[market].open_interest
    if lots <= rolled.earlier:
        return LIMIT
    bound, _ = _growth_bound(state, market, terms)
    needed = ceil_div(lots * PPM * PPM, PPM * PPM + bound * eased)
    if not bound or needed <= rolled.earlier:
        return LIMIT
    return terms.growth_floor // state.terms.markets[market].notional(needed, 1)


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
    return [Cause(REDUCE_ONLY, f"depth loss: {depth.lots} lots of {depth.average} on average")]


def lulls(state: VenueState) -> dict[str, tuple[int, int]]:
    """Of markets whose breakers rest (highest mark, time in ns): to that mark and before that time a price moves none
    but by its own causes (:func:`price_causes`).

    Without those where the next event trips something for another reason, or writes something down.
    """
    terms, found = state.terms.breakers, dict[str, tuple[int, int]]()
    if terms is None or not (_at_rest(state, VENUE) and _is_full(state, SHARED_FUND, terms)):
        return found
    for market in state.terms.markets:
        rolled: Growth | None = state.room("growth").get(market)
        if rolled is None or not _at_rest(state, market) or _depth_causes(state, market, terms, PPM):
            continue
        fund = fund_of_market(state, market)
        if fund == SHARED_FUND or _is_full(state, fund, terms):
            _, window = _growth_bound(state, market, terms)
            found[market] = _highest_mark(state, market, terms, PPM), rolled.since_ns + window // 2
    return found


def _venue_causes(state: VenueState, terms: BreakerTerms) -> list[Cause]:
    eased = terms.release_ppm if record_of(state, VENUE).level is not NORMAL else PPM
    return _fund_causes(state, SHARED_FUND, terms, eased)


def _fund_causes(state: VenueState, fund: str, terms: BreakerTerms, eased: int) -> list[Cause]:
    """Little is left of the most that the fund ever held."""
    left, most = _left_of_most(state, fund)
    if left > most:
        most = left
        state.undo.put(state.room("growth"), fund, most)
    if not _depleted(left, most, terms, eased):
        return []
    return [Cause(REDUCE_ONLY, f"fund depletion: {left} of {most} units")]


def _left_of_most(state: VenueState, fund: str) -> tuple[int, int]:
    """(units in a fund, the most that it held when somebody looked)."""
    return state.ledger.balance(fund, state.terms.settlement), state.room("growth").get(fund, 0)


def _depleted(left: int, most: int, terms: BreakerTerms, eased: int) -> bool:
    return terms.fund_ppm != 0 and left * eased < most * terms.fund_ppm


def _is_full(state: VenueState, fund: str, terms: BreakerTerms) -> bool:
    """No cause, and no news of what it holds at most."""
    left, most = _left_of_most(state, fund)
    return left <= most and not _depleted(left, most, terms, PPM)


def _move(state: VenueState, name: str, causes: list[Cause], terms: BreakerTerms) -> str:
    """Move one breaker by its causes; up at once, down a level after the grace. Returns the reason of this state."""
    record, now = record_of(state, name), state.now_ns
    halting = any(cause.level is HALTED for cause in causes)
    if record.fallback and not halting:
        record = replace(record, fallback=False)
    wanted = causes[0].level if causes else NORMAL
    if record.fallback:
        wanted = REDUCE_ONLY
    at, to = LEVELS.index(record.level), LEVELS.index(wanted)
    why = causes[0].reason if causes else ""
    if to > at:
        record = replace(record, level=wanted, clear_since_ns=None,
                         halted_since_ns=now if wanted is HALTED else record.halted_since_ns)
    elif record.level is HALTED and halting and now - record.halted_since_ns >= terms.longest_halt_ns:
        record = replace(record, level=REDUCE_ONLY, fallback=True, clear_since_ns=None, stepped_ns=now)
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
