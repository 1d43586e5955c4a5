"""Another limit book comes into force: for new risk at once, for open positions along an announced schedule."""

from __future__ import annotations

from dataclasses import replace

from pydantic import ValidationError

from leverline.enforce.effects import Effect, LimitStep, Reject
from leverline.enforce.events import AdoptLimits
from leverline.enforce.margining import Decay
from leverline.enforce.rejection import RejectedError, reject_unless
from leverline.enforce.state import MarketState, VenueState
from leverline.enforce.terms import MarketTerms, VenueTerms, terms_of_book
from leverline.ground.errors import LeverlineError
from leverline.model.limitbook import LimitBook

STEPS = 10
"""Equal steps of a schedule: a requirement rises by a tenth of the way at a time."""
LONGEST_DECAY_NS = 90 * 86_400 * 10**9
"""A line that takes longer than a quarter to arrive protects nobody."""
MOST_SCHEDULES = 8
"""Books adopted before an earlier one had arrived; the next one comes at once or waits."""


def adopt_limits(state: VenueState, body: AdoptLimits) -> list[Effect]:
    """Replace the terms; where maintenance rises for open positions, start its decay.

    A market that somebody holds must stay in the book with the same tick and lot, and so must an asset somebody holds.
    """
    reject_unless(0 <= body.decay_ns <= LONGEST_DECAY_NS, Reject.LIMITS, "a schedule lasts at most 90 days")
    terms = _terms(body.book)
    _check_carried(state, terms)
    for symbol, market in sorted(state.terms.markets.items()):
        if body.decay_ns and symbol in terms.markets and state.holders[symbol]:
            old: Decay | MarketTerms = state.room("decay").get(symbol) or market
            decay = Decay(old, terms.markets[symbol], state.now_ns, state.now_ns + body.decay_ns, 0, STEPS)
            reject_unless(decay.depth <= MOST_SCHEDULES, Reject.LIMITS, f"{symbol}: too many schedules are under way")
            state.undo.put(state.room("decay"), symbol, decay)
        elif symbol in state.room("decay"):
            state.undo.remove(state.room("decay"), symbol)
    for symbol in sorted(terms.markets):
        if symbol not in state.markets:
            state.undo.put(state.markets, symbol, MarketState())
            state.undo.put(state.holders, symbol, {})
        elif _counts_otherwise(state.terms.markets.get(symbol), terms.markets[symbol]):
            _forget_prices(state, symbol)
    state.undo.put(state.book, "now", terms)
    return [LimitStep(symbol, 0, STEPS) for symbol in sorted(state.room("decay"))]


def _counts_otherwise(old: MarketTerms | None, new: MarketTerms) -> bool:
    """Whether ticks or lots of a market that nobody holds are others now, or it comes back into the book."""
    return old is None or (old.tick, old.lot) != (new.tick, new.lot)


def _forget_prices(state: VenueState, symbol: str) -> None:
    """What was said of a market in other ticks and lots is no price of it; who halted it still does."""
    state.undo.put(state.markets, symbol, replace(state.markets[symbol], mark=None, marked_ns=0))
    for room in ("sources", "growth", "depth"):
        if symbol in state.room(room):
            state.undo.remove(state.room(room), symbol)


def step_decays(state: VenueState) -> list[Effect]:
    """Move every schedule to where it stands now; a finished one is forgotten."""
    effects: list[Effect] = []
    room = state.room("decay")
    for symbol in sorted(room):
        decay: Decay = room[symbol]
        gone = min(STEPS, (state.now_ns - decay.start_ns) * STEPS // (decay.end_ns - decay.start_ns))
        if gone == decay.step:
            continue
        effects.append(LimitStep(symbol, gone, STEPS))
        if gone == STEPS:
            state.undo.remove(room, symbol)
        else:
            state.undo.put(room, symbol, replace(decay, step=gone))
    return effects


def _terms(document: str) -> VenueTerms:
    """Integers of a published book; rejected where it is not one, was edited, or cannot be carried."""
    try:
        book = LimitBook.model_validate_json(document)
        reject_unless(book.id == book.content_hash(), Reject.LIMITS, "the id does not match the content")
        return terms_of_book(book)
    except (ValidationError, LeverlineError) as error:
        raise RejectedError(Reject.LIMITS, str(error).splitlines()[0]) from error


def _check_carried(state: VenueState, terms: VenueTerms) -> None:
    now = state.terms
    reject_unless(terms.settlement == now.settlement, Reject.LIMITS, "the settlement asset stays")
    reject_unless(terms.book_id != now.book_id, Reject.NOTHING_TO_DO, "this book is in force")
    for symbol in sorted(now.markets):
        if state.holders[symbol]:
            reject_unless(symbol in terms.markets, Reject.LIMITS, f"{symbol} is held and must stay")
            new, old = terms.markets[symbol], now.markets[symbol]
            reject_unless((new.tick, new.lot) == (old.tick, old.lot), Reject.LIMITS, f"{symbol}: tick and lot stay")
    held = {asset for (_, asset), amount in state.ledger.others.items() if amount and asset != now.settlement}
    for asset in sorted(held):
        reject_unless(asset in terms.assets, Reject.LIMITS, f"{asset} is held and must stay")

