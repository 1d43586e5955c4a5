"""The eyes: one price of several sources, and whether it is fit to open, fit to liquidate, or no price at all.

The composite is the weighted median of the sources that are young and sure enough, no source weighing half. It is
the median of all of them and not of those that agree: with fewer than half of the weight wrong it then lies between
two honest prices, whatever the wrong ones say. Sources that stray from it count toward no quorum. Integers throughout.

Collateral that redeems into something else has a source named ``redemption``: its ratio times the other's price. It
is liquidated at the redemption price while that is fresh, and opens new risk at the lower of the two, because a thin
book of a sound asset must not liquidate its holders, and must not lend against a promise either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from leverline.enforce.breaker_terms import PPM, BreakerTerms
from leverline.enforce.effects import Effect, Reject
from leverline.enforce.events import OracleUpdate
from leverline.enforce.prices import check_update
from leverline.enforce.prices import oracle_update as single_source
from leverline.enforce.rejection import RejectedError, reject_unless
from leverline.enforce.state import VenueState

REDEMPTION = "redemption"
MOST_SOURCES = 32
NEVER = -1
SIGMAS = 6
SIGMA_PER_MEAN_MOVE = (5, 4)
"""A normal move's standard deviation over its mean size, sqrt(pi / 2) = 1.2533, as a ratio of integers."""
MEMORY_MOVES = 16


class Quality(StrEnum):
    """What the composite is good for; only ``VALID`` opens, ``VALID`` and ``THIN`` liquidate."""

    VALID = "valid"
    THIN = "too few young sources to open"
    HELD = "jump held"
    DISAGREE = "sources disagree"
    UNCERTAIN = "confidence too wide"
    STALE = "stale"


VALID, THIN = Quality.VALID, Quality.THIN  # looking a member up in its class takes as long as adding up weights
FIT = VALID, THIN


@dataclass(frozen=True, slots=True)
class Reading:
    """What one source said last."""

    source: str
    price: int
    confidence: int
    published_ns: int
    received_ns: int


@dataclass(frozen=True, slots=True)
class Feed:
    """Everything known of one price. ``price``: the last composite that was fit; ``readings`` by source name."""

    readings: tuple[Reading, ...] = ()
    redemption: Reading | None = None
    price: int | None = None
    quality: Quality = Quality.STALE
    unfit_since_ns: int = 0  # for liquidating
    closed_since_ns: int = 0  # for opening
    average: int = 0  # time-weighted, of every candidate
    average_ns: int = 0
    mean_move_ppm: int = 0  # of the fit composites, exponentially weighted
    held: int | None = None  # a candidate beyond the jump, waiting to be believed
    held_since_ns: int = 0
    fresh_until_ns: int = NEVER  # a quorum stays young enough until then, if nothing more comes
    opens_until_ns: int = NEVER
    lag_ns: int = 0  # of the fastest agreeing source


def feed_of(state: VenueState, name: str) -> Feed | None:
    """The feed of a market or asset; None before its first reading."""
    found: Feed | None = state.room("sources").get(name)
    return found


def never_priced(state: VenueState, name: str) -> bool:
    """Whether nothing that was ever said of an asset without a price now was fit to be one."""
    feed = feed_of(state, name)
    return feed is None or (feed.price is None and feed.redemption is None)


def oracle_update(state: VenueState, body: OracleUpdate) -> list[Effect]:
    """Take one source's word, and move the price if the sources together carry it."""
    terms = state.terms.breakers
    if terms is None:
        return single_source(state, body)
    check_update(state, body)
    feed = feed_of(state, body.name) or _unheard(state, body.name)
    if body.source == REDEMPTION and body.name in state.terms.assets:
        reading = Reading(body.source, body.price, body.confidence, body.published_ns, state.now_ns)
        _check_order(feed.redemption, reading)
        feed = judge(replace(feed, redemption=reading), feed.readings, state.now_ns, terms)
    else:
        feed = heard(feed, body, state.now_ns, terms)
    _publish(state, body.name, feed, terms)
    return []


def _unheard(state: VenueState, name: str) -> Feed:
    """Before the first reading. Collateral keeps the price that a book without breakers left: it was priced once."""
    return Feed(price=state.asset_price.get(name), unfit_since_ns=state.now_ns, closed_since_ns=state.now_ns)


def heard(feed: Feed, body: OracleUpdate, now_ns: int, terms: BreakerTerms) -> Feed:
    """The feed with one source's word; raises ``RejectedError`` on an older one, and on one source too many."""
    reading = Reading(body.source, body.price, body.confidence, body.published_ns, now_ns)
    before = feed.readings
    for place, known in enumerate(before):
        if known.source == reading.source:
            _check_order(known, reading)
            return judge(feed, (*before[:place], reading, *before[place + 1:]), now_ns, terms)
    reject_unless(len(before) < MOST_SOURCES, Reject.OVERFLOW, f"at most {MOST_SOURCES} sources")
    return judge(feed, tuple(sorted([*before, reading], key=lambda r: r.source)), now_ns, terms)


def look_again(state: VenueState) -> None:
    """Time alone makes prices stale, held ones believed, and unfit collateral fall back."""
    terms = state.terms.breakers
    if terms is None:
        return
    for name in sorted(state.room("sources")):
        feed = state.room("sources")[name]
        if name in state.terms.markets or name in state.terms.assets:
            _publish(state, name, judge(feed, feed.readings, state.now_ns, terms), terms)


def fit_to_liquidate(feed: Feed | None, now_ns: int) -> bool:
    """Enough agreeing sources are young enough at this moment."""
    return feed is not None and feed.quality in FIT and now_ns <= feed.fresh_until_ns


def fit_to_open(feed: Feed | None, now_ns: int) -> bool:
    """The same for new risk."""
    return feed is not None and feed.quality is VALID and now_ns <= feed.opens_until_ns


def unfit_for_ns(feed: Feed, now_ns: int) -> tuple[int, int]:
    """How long the price has been unfit to liquidate and unfit to open, ns; 0 while it is fit."""
    liquidating = opening = 0
    if not fit_to_liquidate(feed, now_ns):
        liquidating = now_ns - (feed.fresh_until_ns if feed.quality in FIT else feed.unfit_since_ns)
    if not fit_to_open(feed, now_ns):
        opening = now_ns - (feed.opens_until_ns if feed.quality is VALID else feed.closed_since_ns)
    return liquidating, opening


def judge(feed: Feed, readings: tuple[Reading, ...], now_ns: int, terms: BreakerTerms) -> Feed:
    """The feed at ``now_ns`` with ``readings`` as the last words: age, confidence, agreement, jump, in this order.

    The feed of a fit price is made at one go, because that is what nearly every event of a venue asks for.
    """
    oldest_ns, widest_ppm = now_ns - terms.margin_age_ns, terms.confidence_ppm
    fresh = [r for r in readings if r.published_ns >= oldest_ns]
    sure = [r for r in fresh if r.confidence * PPM <= r.price * widest_ppm]
    if len(sure) < terms.quorum:
        quality = Quality.STALE if len(fresh) < terms.quorum else Quality.UNCERTAIN
        return _unfit(replace(feed, readings=readings), quality, now_ns)
    weights = capped_weights(sure, terms)
    candidate = weighted_median(sure, weights)
    average, average_ns = _averaged(feed, candidate, now_ns, terms)
    agreeing = _agreeing(sure, weights, candidate, _allowed_deviation(feed, terms))
    disagree = len(agreeing) < terms.quorum
    if disagree or _jumps(feed, candidate, average, terms):
        feed = replace(feed, readings=readings, average=average, average_ns=average_ns)
        if disagree:
            return _unfit(feed, Quality.DISAGREE, now_ns)
        if feed.held is None or _beyond(candidate, feed.held, terms.jump_ppm):
            return _unfit(replace(feed, held=candidate, held_since_ns=now_ns), Quality.HELD, now_ns)
        if now_ns - feed.held_since_ns < terms.jump_hold_ns or _far(candidate, average, terms):
            return _unfit(feed, Quality.HELD, now_ns)
    published = sorted([r.published_ns for r in agreeing], reverse=True)
    fresh_until_ns, opens_until_ns = published[terms.quorum - 1] + terms.margin_age_ns, NEVER
    if len(published) >= terms.opening_quorum:
        opens_until_ns = published[terms.opening_quorum - 1] + terms.opening_age_ns
    return Feed(readings, feed.redemption, candidate, VALID if now_ns <= opens_until_ns else THIN, feed.unfit_since_ns,
                _closed_since(feed, now_ns), average, average_ns, _mean_move(feed, candidate), None, 0, fresh_until_ns,
                opens_until_ns, min([r.received_ns - r.published_ns for r in agreeing]))


def capped_weights(readings: Sequence[Reading], terms: BreakerTerms) -> list[int]:
    """Ppm; of three sources or more none weighs half, so that no single one decides."""
    if not terms.weights:
        return [PPM] * len(readings)  # equal ones need no cap
    weights = [terms.weight(r.source) for r in readings]
    total = sum(weights)
    if len(weights) < 3:
        return weights
    return [min(w, total - w - 1) if 2 * w >= total else w for w in weights]


def weighted_median(readings: Sequence[Reading], weights: Sequence[int]) -> int:
    """The price with half of the weight on either side; between two such prices the middle, down."""
    if weights.count(weights[0]) == len(weights):
        prices, half = sorted([r.price for r in readings]), len(weights) // 2
        return prices[half] if len(weights) % 2 else (prices[half - 1] + prices[half]) // 2
    rows = sorted(zip((r.price for r in readings), weights, strict=True))
    total, below = sum(weights), 0
    for index, (price, weight) in enumerate(rows):
        below += weight
        if 2 * below > total:
            return price
        if 2 * below == total:
            return (price + rows[index + 1][0]) // 2
    raise AssertionError("the weights add up to their total")


def fallback_price(feed: Feed | None, terms: BreakerTerms) -> int | None:
    """The median of what was said last (within the margin age of the newest word), unchecked; None of nothing."""
    if feed is None or not feed.readings:
        return None
    newest = max(r.published_ns for r in feed.readings)
    chosen = [r for r in feed.readings if newest - r.published_ns <= terms.margin_age_ns]
    return weighted_median(chosen, capped_weights(chosen, terms))


def _publish(state: VenueState, name: str, feed: Feed, terms: BreakerTerms) -> None:
    """Write the feed and, where it is fit, the mark; an asset's prices for liquidating and for opening."""
    room = state.room("sources")
    before: Feed | None = room.get(name)
    if before is None or before.average_ns != feed.average_ns or before != feed:  # the second is cheap, and mostly so
        state.undo.put(room, name, feed)
    fit = fit_to_liquidate(feed, state.now_ns)
    if name in state.terms.markets:
        now = state.markets[name]
        if fit and feed.price is not None and (now.mark != feed.price or now.marked_ns != state.now_ns):
            state.undo.put(state.markets, name, now.at(feed.price, state.now_ns))
        return
    market = feed.price if fit else None
    waited = market is None and state.now_ns - feed.unfit_since_ns >= terms.longest_halt_ns
    if waited:
        known = [p for p in (feed.price, fallback_price(feed, terms)) if p is not None]
        market = min(known, default=None)  # of what is left the low side: collateral that nobody can price any more
    redeems = feed.redemption
    if redeems is not None and state.now_ns - redeems.published_ns <= terms.redemption_age_ns \
            and redeems.confidence * PPM <= redeems.price * terms.confidence_ppm:
        _set(state, state.asset_price, name, redeems.price)
        _set(state, state.room("opening"), name, min(redeems.price, market if market is not None else 0))
        return
    if waited and redeems is not None:
        market = redeems.price if market is None else min(market, redeems.price)
    _set(state, state.asset_price, name, market)
    _set(state, state.room("opening"), name, None)


def _set(state: VenueState, prices: dict[str, int], name: str, price: int | None) -> None:
    """Write a price, or take it away: collateral without a valid price liquidates nobody and opens nothing."""
    if price is not None and prices.get(name) != price:
        state.undo.put(prices, name, price)
    elif price is None and name in prices:
        state.undo.remove(prices, name)


def _check_order(before: Reading | None, now: Reading) -> None:
    if before is not None and now.published_ns < before.published_ns:
        raise RejectedError(Reject.OUT_OF_ORDER, f"{now.source} has said something newer")


def _unfit(feed: Feed, quality: Quality, now_ns: int) -> Feed:
    since = min(now_ns, feed.fresh_until_ns) if feed.quality in FIT else feed.unfit_since_ns
    held = feed if quality is Quality.HELD else replace(feed, held=None, held_since_ns=0)
    return replace(held, quality=quality, unfit_since_ns=since, closed_since_ns=_closed_since(feed, now_ns),
                   fresh_until_ns=NEVER, opens_until_ns=NEVER)


def _closed_since(feed: Feed, now_ns: int) -> int:
    return min(now_ns, feed.opens_until_ns) if feed.quality is VALID else feed.closed_since_ns


def _mean_move(feed: Feed, price: int) -> int:
    """Ppm: the composite's moves, exponentially weighted; one that was fit is ``price`` next."""
    mean = feed.mean_move_ppm
    if feed.price is None:
        return mean
    return mean + (abs(price - feed.price) * PPM // feed.price - mean) // MEMORY_MOVES


def _averaged(feed: Feed, candidate: int, now_ns: int, terms: BreakerTerms) -> tuple[int, int]:
    """Time-weighted average with a memory of ``average_ns``, and its time; a first candidate is its own average."""
    if feed.average == 0:
        return candidate, now_ns
    gone = min(now_ns - feed.average_ns, terms.average_ns)
    if gone == 0:
        return feed.average, feed.average_ns
    return feed.average + (candidate - feed.average) * gone // terms.average_ns, now_ns


def _agreeing(sure: Sequence[Reading], weights: Sequence[int], candidate: int, bound_ppm: int) -> list[Reading]:
    """Readings within ``bound_ppm`` of the candidate; none where they do not carry more than half of the weight."""
    reach = bound_ppm * candidate
    agreeing = [r for r in sure if abs(r.price - candidate) * PPM <= reach]
    if len(agreeing) == len(sure):
        return agreeing
    carried = sum(w for r, w in zip(sure, weights, strict=True) if abs(r.price - candidate) * PPM <= reach)
    return agreeing if 2 * carried > sum(weights) else []


def _allowed_deviation(feed: Feed, terms: BreakerTerms) -> int:
    """Ppm: six standard deviations of the composite's own moves, within the set deviation and the jump."""
    above, below = SIGMA_PER_MEAN_MOVE
    return max(terms.deviation_ppm, min(SIGMAS * feed.mean_move_ppm * above // below, terms.jump_ppm))


def _jumps(feed: Feed, candidate: int, average: int, terms: BreakerTerms) -> bool:
    if feed.price is None:
        return False
    return _beyond(candidate, feed.price, terms.jump_ppm) or _far(candidate, average, terms)


def _beyond(price: int, other: int, bound_ppm: int) -> bool:
    return abs(price - other) * PPM > other * bound_ppm


def _far(candidate: int, average: int, terms: BreakerTerms) -> bool:
    return candidate > average * terms.average_multiple or candidate * terms.average_multiple < average
