"""Orders asked for and trades that happened."""

from __future__ import annotations

from leverline.enforce.cash import known_pool
from leverline.enforce.effects import Accepted, Breaker, Effect, Reject
from leverline.enforce.events import Fill, OrderIntent
from leverline.enforce.headroom import headroom_of
from leverline.enforce.ledger import FEES, LIMIT
from leverline.enforce.oracle import feed_of, fit_to_open
from leverline.enforce.positions import trade
from leverline.enforce.prices import check_carried
from leverline.enforce.rejection import RejectedError, reject_unless
from leverline.enforce.state import VenueState
from leverline.model.accounts import Mode

PPM = 1_000_000


def order_intent(state: VenueState, body: OrderIntent) -> list[Effect]:
    """Say whether the order may be sent, and the largest that may; nothing is changed by asking."""
    pool = known_pool(state, body.pool)
    known_market(state, body.market)
    reject_unless(body.lots != 0 and body.price > 0, Reject.NOT_POSITIVE)
    reject_unless(abs(body.lots) < LIMIT and body.price < LIMIT, Reject.OVERFLOW)
    barred = Reject.REDUCE_ONLY if body.reduce_only else closed_to(state, pool, body.market, body.price)
    held = state.positions.lots[pool].get(body.market, 0)
    side = 1 if body.lots > 0 else -1
    most, why = max(0, -held * side), barred  # a reduction to nothing is always allowed
    if barred is None:
        room = headroom_of(state, pool, body.market, body.price)
        most, why = room.largest(side, abs(body.lots)), room.refusal(body.lots)
    if why is not None and not reduces(held, body.lots):
        raise RejectedError(why, f"at most {most} lots")
    return [Accepted(body.pool, body.market, body.lots, most)]


def refusal(state: VenueState, pool: int, market: str, lots: int, price: int, *, reduce_only: bool = False,
            ) -> Reject | None:
    """Why an order of signed ``lots`` may not be sent; None if it may. A reduction always may."""
    if reduces(state.positions.lots[pool].get(market, 0), lots):
        return None
    if reduce_only:
        return Reject.REDUCE_ONLY
    return closed_to(state, pool, market, price) or headroom_of(state, pool, market, price).refusal(lots)


def reduces(held: int, lots: int) -> bool:
    """Whether an order of signed ``lots`` closes part or all of what is held, and opens nothing."""
    return held * lots < 0 and abs(lots) <= abs(held)


def closed_to(state: VenueState, pool: int, market: str, price: int) -> Reject | None:
    """What keeps a pool from opening anything in a market at this price, of any size."""
    now, terms, record = state.markets[market], state.terms.markets[market], state.pools[pool]
    if now.breaker is not Breaker.NORMAL or now.paused:
        return Reject.HALTED if now.breaker is Breaker.HALTED or now.paused else Reject.REDUCE_ONLY
    blind = state.terms.breakers is not None and not fit_to_open(feed_of(state, market), state.now_ns)
    if now.mark is None or blind:
        return Reject.NO_PRICE
    if record.mode is Mode.ISOLATED and any(m != market for m in state.positions.lots[pool]):
        return Reject.ONE_MARKET
    if terms.account_classes is not None and record.account_class not in dict(terms.account_classes):
        return Reject.ACCESS
    if terms.price_band_ppm is not None and abs(price - now.mark) * PPM > now.mark * terms.price_band_ppm:
        return Reject.PRICE_BAND
    return None


def fill(state: VenueState, body: Fill) -> list[Effect]:
    """A trade is a fact: it is booked whatever the margin, which the next look at the pools will judge."""
    buyer, seller = known_pool(state, body.buyer), known_pool(state, body.seller)
    known_market(state, body.market)
    reject_unless(body.lots > 0 and body.price > 0, Reject.NOT_POSITIVE)
    trade(state, body.market, buyer, seller, body.lots, body.price)
    check_carried(state, body.market, max(body.price, state.markets[body.market].mark or 0))
    for pool, fee in ((buyer, body.buyer_fee), (seller, body.seller_fee)):
        reject_unless(abs(fee) < LIMIT, Reject.OVERFLOW)
        state.ledger.book(FEES, pool, state.terms.settlement, fee)
    return []


def known_market(state: VenueState, market: str) -> None:
    """Reject a market that the book does not name."""
    reject_unless(market in state.terms.markets, Reject.UNKNOWN_MARKET, market)
