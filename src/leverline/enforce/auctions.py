"""Dutch auctions of a pool's lots: the price falls (of a short's lots it rises) until somebody bids or it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from leverline.enforce.breakers import may_liquidate
from leverline.enforce.cash import known_pool
from leverline.enforce.closing import close
from leverline.enforce.effects import AuctionOpened, Effect, Reject, Stage
from leverline.enforce.events import AuctionBid
from leverline.enforce.margining import standing
from leverline.enforce.orders import Auction, add_resting, cut, next_number
from leverline.enforce.policies import Absorbed, Closing, VenuePolicies
from leverline.enforce.rejection import RejectedError, reject_unless
from leverline.enforce.state import VenueState
from leverline.enforce.terms import PPM
from leverline.enforce.trading import reduces
from leverline.margin.dutch import exponential_price, linear_price, stairstep_price
from leverline.margin.fixed_point import RAY
from leverline.margin.rounding import ceil_div
from leverline.margin.rulebooks.maker import needs_redo

SECOND_NS = 10**9


class Curve(StrEnum):
    """Shapes of an auction's price over time."""

    LINEAR = "linear"
    STAIRSTEP = "stairstep"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True, slots=True)
class DutchAuction:
    """Lots are offered from ``premium_ppm`` above the mark downward, never below the bankruptcy price.

    ``duration_s`` is when a linear curve reaches zero and when any auction ends; a stairstep is multiplied by ``cut``
    (ray) every ``step_s`` seconds, an exponential one every second. An auction that has run out, or fallen below
    ``cusp`` (ray) of its start, starts again at the mark, ``resets`` times at most. A bid leaves nothing or at least
    ``dust`` units of notional. ``market_limit``: units of notional under auction in one market at a time.
    """

    curve: Curve = Curve.LINEAR
    premium_ppm: int = 10_000
    duration_s: int = 600
    step_s: int = 10
    cut: int = RAY * 99 // 100
    cusp: int = RAY * 4 // 10
    resets: int = 1
    dust: int = 0
    market_limit: int | None = None
    stage: Stage = Stage.AUCTION

    def take(self, state: VenueState, closings: Sequence[Closing], policies: VenuePolicies,  # noqa: ARG002 - protocol's
             ) -> list[Absorbed]:
        """Open one auction a closing, as far as the market's limit goes."""
        return [self._open(state, closing) for closing in closings]

    def _open(self, state: VenueState, closing: Closing) -> Absorbed:
        mark, terms = state.markets[closing.market].mark, state.terms.markets[closing.market]
        assert mark is not None, "a liquidatable pool is priced"
        lots = abs(closing.lots)
        start = self._start(mark, closing.lots)
        if (start - closing.bankruptcy) * closing.lots < 0:
            return Absorbed(0, 0, (), "the pool is bankrupt beyond any price of the auction")
        if self.market_limit is not None:
            under = sum(abs(a.lots) for a in state.room("auctions").values() if a.market == closing.market)
            lots = min(lots, max(0, self.market_limit - terms.notional(under, mark)) // (mark * terms.value))
        if lots == 0:
            return Absorbed(0, 0, (), "the market's auctions are at their limit")
        signed = lots if closing.lots > 0 else -lots
        number = next_number(state)
        add_resting(state, Auction(number, closing.pool, closing.market, signed, closing.bankruptcy, state.now_ns,
                                   start, lots))
        opened = AuctionOpened(number, state.pools[closing.pool].key, closing.market, signed, start)
        return Absorbed(signed, 0, (opened,), None if signed == closing.lots else "the market's limit of auctions")

    def price(self, auction: Auction, now_ns: int) -> int:
        """Ticks now: toward the limit and not past it; of a long's lots rounded up, of a short's down."""
        fallen = self._fallen(auction, now_ns)
        if auction.lots > 0:
            return max(auction.limit, ceil_div(auction.start * fallen, RAY), 1)
        return min(auction.limit, auction.start + auction.start * (RAY - fallen) // RAY)

    def is_over(self, auction: Auction, now_ns: int) -> bool:
        """Whether it has run out or fallen too far to find a bidder."""
        elapsed = (now_ns - auction.since_ns) // SECOND_NS
        return elapsed >= self.duration_s or needs_redo(elapsed, self.duration_s, self._fallen(auction, now_ns), RAY,
                                                        self.cusp)

    def restarted(self, state: VenueState, auction: Auction) -> Auction | None:
        """The auction from the mark of now, or None where it had its restarts."""
        mark = state.markets[auction.market].mark
        if auction.resets >= self.resets or mark is None:
            return None
        start = self._start(mark, auction.lots)
        if (start - auction.limit) * auction.lots < 0:
            return None
        return replace(auction, since_ns=state.now_ns, start=start, resets=auction.resets + 1)

    def _start(self, mark: int, lots: int) -> int:
        premium = mark * self.premium_ppm // PPM
        return mark + premium if lots > 0 else max(1, mark - premium)

    def _fallen(self, auction: Auction, now_ns: int) -> int:
        """Share of the start, in ray, by the curve."""
        elapsed = (now_ns - auction.since_ns) // SECOND_NS
        match self.curve:
            case Curve.LINEAR:
                return linear_price(RAY, elapsed, self.duration_s)
            case Curve.STAIRSTEP:
                return stairstep_price(RAY, elapsed, self.step_s, self.cut)
            case Curve.EXPONENTIAL:
                return exponential_price(RAY, elapsed, self.cut)


def auction_stage(policies: VenuePolicies) -> DutchAuction | None:
    """The venue's auction, if it holds any."""
    return next((stage for stage in policies.closing_stages if isinstance(stage, DutchAuction)), None)


def auction_bid(state: VenueState, body: AuctionBid, policies: VenuePolicies) -> list[Effect]:
    """Sell to a bidder who would hold the lots above its initial margin, at the price of now; not in a halt."""
    auction: Auction | None = state.room("auctions").get(body.auction)
    stage = auction_stage(policies)
    if auction is None or stage is None:
        raise RejectedError(Reject.UNKNOWN_ORDER, str(body.auction))
    bidder = known_pool(state, body.bidder)
    reject_unless(bidder != auction.pool, Reject.MALFORMED, "a pool cannot bid for its own lots")
    reject_unless(body.lots > 0 and body.limit > 0, Reject.NOT_POSITIVE)
    reject_unless(may_liquidate(state, auction.market), Reject.HALTED, auction.market)
    reject_unless(not stage.is_over(auction, state.now_ns), Reject.NOTHING_TO_DO, "the auction has ended")
    price = stage.price(auction, state.now_ns)
    reject_unless(price <= body.limit if auction.lots > 0 else price >= body.limit, Reject.PRICE_BAND,
                  f"the price is {price} ticks")
    lots = _without_dust(state, stage, auction, min(body.lots, abs(auction.lots)), price)
    reject_unless(lots > 0, Reject.NOT_POSITIVE, "so little is left that only the whole can be bought")
    signed = lots if auction.lots > 0 else -lots
    _check_limits(state, bidder, auction.market, signed)
    cut(state, auction, signed)
    effects = close(state, policies, auction.pool, auction.market, signed, price, bidder, Stage.AUCTION, auction.number)
    after = standing(state, bidder)
    reject_unless(state.pools[bidder].external or (after.priced and after.free >= 0), Reject.BELOW_INITIAL)
    return effects


def _check_limits(state: VenueState, bidder: int, market: str, lots: int) -> None:
    """Reject a bidder whom the limits keep from holding so much; open interest only changes hands."""
    terms, record, mark = state.terms.markets[market], state.pools[bidder], state.markets[market].mark
    held = state.positions.lots[bidder].get(market, 0)
    if record.external or reduces(held, lots):
        return
    assert mark is not None, "what is under auction has a mark"
    may_hold = terms.account_classes is None or record.account_class in dict(terms.account_classes)
    reject_unless(may_hold, Reject.ACCESS)
    others = sum(abs(state.positions.lots[pool].get(market, 0)) for pool in state.owners[record.owner]) - abs(held)
    owners = terms.notional(others + abs(held + lots), mark)
    reject_unless(terms.position_cap is None or owners <= terms.position_cap, Reject.POSITION_CAP)


def _without_dust(state: VenueState, stage: DutchAuction, auction: Auction, lots: int, price: int) -> int:
    """The bid, shrunk where it would leave less than the dust."""
    value = state.terms.markets[auction.market].notional(1, price)
    least = ceil_div(stage.dust, value)
    left = abs(auction.lots) - lots
    return lots if left == 0 or left >= least else max(0, abs(auction.lots) - least)
