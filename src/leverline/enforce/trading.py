"""Orders asked for and trades that happened."""

from __future__ import annotations

from leverline.enforce.cash import known_pool
from leverline.enforce.effects import Accepted, Breaker, Effect, Reject
from leverline.enforce.events import Fill, OrderIntent
from leverline.enforce.ledger import FEES, LIMIT
from leverline.enforce.margining import standing
from leverline.enforce.oracle import feed_of, fit_to_open
from leverline.enforce.positions import change_position, trade
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
    why = refusal(state, pool, body.market, body.lots, body.price, reduce_only=body.reduce_only)
    if why is not None:
        raise RejectedError(why, f"at most {largest(state, pool, body)} lots")
    return [Accepted(body.pool, body.market, body.lots, largest(state, pool, body))]


def refusal(state: VenueState, pool: int, market: str, lots: int, price: int, *, reduce_only: bool = False,
            ) -> Reject | None:
    """Why an order of signed ``lots`` may not be sent; None if it may. A reduction always may."""
    held = state.positions.lots[pool].get(market, 0)
    if held * lots < 0 and abs(lots) <= abs(held):
        return None
    if reduce_only:
        return Reject.REDUCE_ONLY
    now, terms, record = state.markets[market], state.terms.markets[market], state.pools[pool]
    if now.breaker is not Breaker.NORMAL or now.paused:
        return Reject.HALTED if now.breaker is Breaker.HALTED or now.paused else Reject.REDUCE_ONLY
    blind = state.terms.breakers is not None and not fit_to_open(feed_of(state, market), state.now_ns)
    if now.mark is None or blind:
        return Reject.NO_PRICE
    others = [m for m in state.positions.lots[pool] if m != market]
    if record.mode is Mode.ISOLATED and others:
        return Reject.ONE_MARKET
    if terms.account_classes is not None and record.account_class not in dict(terms.account_classes):
        return Reject.ACCESS
    if terms.price_band_ppm is not None and abs(price - now.mark) * PPM > now.mark * terms.price_band_ppm:
        return Reject.PRICE_BAND
    if terms.position_cap is not None and owner_notional(state, pool, market, lots) > terms.position_cap:
        return Reject.POSITION_CAP
    return _market_wide(state, pool, market, held, lots) or _after(state, pool, market, lots, price)


def _market_wide(state: VenueState, pool: int, market: str, held: int, lots: int) -> Reject | None:
    """Caps on the whole market, counted as if the order opened against somebody who opens too."""
    now, terms = state.markets[market], state.terms.markets[market]
    assert now.mark is not None
    growth = max(0, abs(held + lots) - abs(held))
    interest = now.open_interest + growth
    if terms.open_interest_cap is not None and terms.notional(interest, now.mark) > terms.open_interest_cap:
        return Reject.OPEN_INTEREST_CAP
    if terms.owner_share_ppm is not None and now.open_interest:
        share = owner_notional(state, pool, market, lots) * PPM
        if share > terms.notional(interest, now.mark) * terms.owner_share_ppm and interest > growth:
            return Reject.OWNER_SHARE
    return None


def _after(state: VenueState, pool: int, market: str, lots: int, price: int) -> Reject | None:
    """Whether initial margin would be covered after the fill, its loss against the mark counted at once."""
    undo = state.undo
    place = undo.mark()
    try:
        change_position(state, pool, market, lots, price)
        after = standing(state, pool)
    except RejectedError as error:
        return error.reason
    finally:
        undo.take_back(place)
    if not after.priced:
        return Reject.NO_PRICE
    return None if after.free >= 0 else Reject.BELOW_INITIAL


def largest(state: VenueState, pool: int, body: OrderIntent) -> int:
    """The most lots that would be allowed in the order's direction, by bisection: smaller orders ask for less."""
    sign = 1 if body.lots > 0 else -1
    held = state.positions.lots[pool].get(body.market, 0)
    allowed = max(0, -held * sign)  # a reduction to nothing always is
    if body.reduce_only:
        return allowed

    def fits(size: int) -> bool:
        return refusal(state, pool, body.market, sign * size, body.price) is None

    step = max(1, abs(body.lots))
    too_large = allowed + step
    while fits(too_large) and too_large < LIMIT // 4:
        allowed, too_large = too_large, too_large * 2
    while too_large - allowed > 1:
        middle = (allowed + too_large) // 2
        allowed, too_large = (middle, too_large) if fits(middle) else (allowed, middle)
    return allowed


def owner_notional(state: VenueState, pool: int, market: str, lots: int) -> int:
    """Notional of the pool's owner in a market after ``lots`` more, units: accounts of one owner count together."""
    mark = state.markets[market].mark
    assert mark is not None
    owner = state.pools[pool].owner
    of_others = sum(abs(state.positions.lots[i][market]) for i in owned_by(state, owner)
                    if i != pool and market in state.positions.lots[i])
    own = abs(state.positions.lots[pool].get(market, 0) + lots)
    return state.terms.markets[market].notional(of_others + own, mark)


def owned_by(state: VenueState, owner: str) -> list[int]:
    """Pools of one owner, ascending."""
    return sorted(state.owners.get(owner, {}))


def fill(state: VenueState, body: Fill) -> list[Effect]:
    """A trade is a fact: it is booked whatever the margin, which the next look at the pools will judge."""
    buyer, seller = known_pool(state, body.buyer), known_pool(state, body.seller)
    known_market(state, body.market)
    reject_unless(body.lots > 0 and body.price > 0, Reject.NOT_POSITIVE)
    for pool in (buyer, seller):
        isolated = state.pools[pool].mode is Mode.ISOLATED
        reject_unless(not isolated or not set(state.positions.lots[pool]) - {body.market}, Reject.ONE_MARKET)
    trade(state, body.market, buyer, seller, body.lots, body.price)
    for pool, fee in ((buyer, body.buyer_fee), (seller, body.seller_fee)):
        reject_unless(abs(fee) < LIMIT, Reject.OVERFLOW)
        state.ledger.book(FEES, pool, state.terms.settlement, fee)
    return []


def known_market(state: VenueState, market: str) -> None:
    """Reject a market that the book does not name."""
    reject_unless(market in state.terms.markets, Reject.UNKNOWN_MARKET, market)
