"""Replay: recorded events as they were, or bars as prices that a synthetic or a given book of accounts meets.

In recorded events everybody's part is written down, the executor's too. Bars have no executor: an outside market stands
in for it (:mod:`leverline.enforce.outside_market`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from leverline.enforce.auctions import auction_stage
from leverline.enforce.bar_breakers import next_look_ns
from leverline.enforce.bar_points import PriceBar
from leverline.enforce.course import Course
from leverline.enforce.effects import CollateralOffered, Effect, Rejected
from leverline.enforce.events import (
    AuctionBid,
    Body,
    Convert,
    Event,
    LiquidationFill,
    OracleUpdate,
    TimePassed,
)
from leverline.enforce.oracle import FIT
from leverline.enforce.outside_market import OutsideMarket
from leverline.enforce.policies import VenuePolicies
from leverline.enforce.replay_document import document_tables, replay_document
from leverline.enforce.tallying import Tally
from leverline.enforce.terms import VenueTerms
from leverline.enforce.venue import OUTSIDE_MARKET, Venue
from leverline.enforce.watch import WAITING
from leverline.ground.display import DisplayTable, ShownAsTables
from leverline.ground.errors import CheckFailedError, require

SOURCE = "bars"
INSTANTS = 4
SECOND_NS = 10**9
MOST_ROUNDS = 20
"""Of patience at one instant: every stage of the waterfall has its turn, and a pool is cut several times."""

Sink = Callable[[Event, Sequence[Effect]], None]


@dataclass(slots=True)
class Replay(ShownAsTables):
    """A venue, what it went through, and who is told of each event: ``sink``.

    ``through``: who applies events to the venue instead of the venue itself, such as a journal.
    """

    venue: Venue
    sink: Sink | None = None
    tally: Tally = field(default_factory=Tally)
    course: Course = field(default_factory=Course)
    through: Callable[[Event], Sequence[Effect]] | None = None

    @classmethod
    def of(cls, terms: VenueTerms, policies: VenuePolicies, sink: Sink | None = None) -> Replay:
        """A replay on an empty venue."""
        return cls(Venue(terms, policies), sink)

    def display_tables(self) -> tuple[DisplayTable, ...]:
        """How it stands, and who was closed, paid and stopped so far."""
        return document_tables(replay_document(self))

    def apply(self, event: Event) -> Sequence[Effect]:
        """One recorded event."""
        effects = self.venue.apply(event) if self.through is None else self.through(event)
        self.tally.count(self.venue.state, event, effects)
        self.course.follow(self.venue.state, event, effects, self.tally)
        if self.sink is not None:
            self.sink(event, effects)
        return effects

    def send(self, ts_ns: int, body: Body) -> Sequence[Effect]:
        """One event of the replay's own, next in the sequence."""
        seq = self.venue.state.seq + 1
        return self.apply(Event(seq, ts_ns, f"replay-{seq}", body))

    def must(self, ts_ns: int, body: Body) -> Sequence[Effect]:
        """As :meth:`send`, where a refusal means that what was given cannot stand under these limits."""
        effects = self.send(ts_ns, body)
        if effects and isinstance(effects[0], Rejected):
            raise CheckFailedError(f"{type(body).__name__} refused: {effects[0].reason.value} {effects[0].detail}")
        return effects


def replay_bars(replay: Replay, instants: Iterable[Sequence[PriceBar]], spacing_ns: int, outside: OutsideMarket,
                opening: Sequence[Body], assets: dict[str, tuple[str, int]]) -> None:
    """Prices from bars at four instants each, a quarter of a bar apart; the accounts' ``opening`` at the first.

    ``assets``: collateral asset to the market whose price it follows and the units that one tick of it is worth.
    """
    require(spacing_ns >= INSTANTS, "a bar lasts four nanoseconds at least", got=spacing_ns)
    opened = False
    for bars in instants:
        outside.begin(bars)
        paths = [(bar, bar.path(_net_lots(replay.venue, bar.market))) for bar in bars]
        for place in range(INSTANTS):
            ts_ns = bars[0].ts_ns + place * spacing_ns // INSTANTS
            if place == 0:
                _notice(replay, ts_ns)  # bars may be missing
            said = [(bar.market, path[place]) for bar, path in paths]
            if not opened:  # the first prices: the open, or the close where the bar has no more
                said = [(bar.market, path[0] or path[-1]) for bar, path in paths]
            told = _tell(replay, ts_ns, said, assets)
            if not opened:
                told += [effect for body in opening for effect in replay.must(ts_ns, body)]
                opened = True
            _answer_in_time(replay, outside, told, ts_ns + spacing_ns // INSTANTS)
            _notice(replay, ts_ns + spacing_ns // INSTANTS)


def _notice(replay: Replay, until_ns: int) -> None:
    """Let breakers see, before the next price, that this one is unfit or none has come."""
    state = replay.venue.state
    if state.terms.breakers is not None and state.seq:
        stale_ns = [feed.fresh_until_ns + 1 for feed in state.room("sources").values() if feed.quality in FIT]
        if stale_ns and state.now_ns < min(stale_ns) < until_ns:
            replay.send(min(stale_ns), TimePassed())
        look_ns = next_look_ns(state)
        if look_ns is not None and look_ns < until_ns:
            replay.send(look_ns, TimePassed())


def _net_lots(venue: Venue, market: str) -> int:
    """Lots that all margined accounts hold together: what the outside market does not."""
    outside = venue.state.number[OUTSIDE_MARKET]
    return -venue.state.positions.lots[outside].get(market, 0)


def _tell(replay: Replay, ts_ns: int, said: Sequence[tuple[str, int | None]], assets: dict[str, tuple[str, int]],
          ) -> list[Effect]:
    """Prices of one instant, assets before the markets whose accounts hold them."""
    prices = {market: price for market, price in said if price is not None}
    updates = [(asset, prices[market] * value) for asset, (market, value) in sorted(assets.items()) if market in prices]
    told: list[Effect] = []
    for name, price in (*updates, *sorted(prices.items())):
        told += replay.must(ts_ns, OracleUpdate(name, SOURCE, price, 0, ts_ns))
    return told


def _answer_in_time(replay: Replay, outside: OutsideMarket, told: list[Effect], until_ns: int) -> None:
    """Let the outside market answer, then let time pass for what waits, as long as something comes of it."""
    venue = replay.venue
    patience = max(venue.policies.patience_ns, SECOND_NS)
    told += _answer(replay, outside, told)
    for _ in range(MOST_ROUNDS):
        waits = any(venue.state.room(name) for name in (*WAITING, "owing"))
        if not waits or venue.state.now_ns + patience >= until_ns:
            return
        told = list(replay.send(venue.state.now_ns + patience, TimePassed()))
        answered = _answer(replay, outside, told)
        if not told and not answered:
            return


def _answer(replay: Replay, outside: OutsideMarket, told: Sequence[Effect]) -> list[Effect]:
    """Fill what the outside market takes of collateral, orders and auctions, until it takes no more."""
    state, made = replay.venue.state, list[Effect]()
    ts_ns = state.now_ns
    for offer in told:
        if isinstance(offer, CollateralOffered):
            made += replay.send(ts_ns, Convert(offer.pool, OUTSIDE_MARKET, offer.asset, offer.amount, offer.price))
    while True:
        filled: list[Effect] = []
        for number in sorted(state.room("orders")):
            order = state.room("orders").get(number)
            if order is None:
                continue
            lots, price = outside.takes(state, order.market, order.lots, order.limit)
            if lots:
                filled += replay.send(ts_ns, LiquidationFill(number, OUTSIDE_MARKET, lots, price))
                outside.took(state, order.market, lots if order.lots > 0 else -lots)
        filled += _bid(replay, outside)
        made += filled
        if not any(not isinstance(effect, Rejected) for effect in filled):
            return made


def _bid(replay: Replay, outside: OutsideMarket) -> list[Effect]:
    """Bids of the outside market in auctions whose price has come to what it would pay."""
    state, made = replay.venue.state, list[Effect]()
    for number in sorted(state.room("auctions")):
        auction = state.room("auctions").get(number)
        if auction is None:
            continue
        stage = auction_stage(replay.venue.policies)
        assert stage is not None, "an auction was opened by the venue's auction stage"
        price = stage.price(auction, state.now_ns)
        lots, _ = outside.takes(state, auction.market, auction.lots, price)
        if lots:
            effects = replay.send(state.now_ns, AuctionBid(number, OUTSIDE_MARKET, lots, price))
            made += effects
            if not any(isinstance(effect, Rejected) for effect in effects):
                outside.took(state, auction.market, lots if auction.lots > 0 else -lots)
    return made
