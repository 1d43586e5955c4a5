"""Everybody who sends something but prices: traders, executors, keepers who bid, operators, and senders with bugs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from leverline.enforce.events import (
    AdoptLimits,
    AuctionBid,
    Body,
    Convert,
    Deposit,
    DepthUpdate,
    Fill,
    Funding,
    FundInsurance,
    Interest,
    LiquidationFill,
    OpenPool,
    OrderIntent,
    Pause,
    PoolKey,
    Resume,
    Settle,
    TimePassed,
    Transfer,
    Withdraw,
)
from leverline.enforce.state import VenueState
from leverline.enforce.venue import OUTSIDE_MARKET
from leverline.model.accounts import Mode
from tests.enforce.worlds import SECOND
from tests.simulation.books import BREAKERS, COINS, FIRST_PRICE, MARKETS, TIGHTNESS, document

VAULT = PoolKey("backstop vault")
DEPOSIT = 10**8
VALUE = 100  # units of a lot at a tick, in every market of these books

Act = Callable[["Crowd", VenueState], Body | None]


@dataclass
class Crowd:
    """Who is there, and how diligent their executors are."""

    stream: Random
    keys: list[PoolKey]
    diligence: float  # how often an executor does something about what rests
    reach: float  # leverage that traders like

    @classmethod
    def of(cls, stream: Random) -> Crowd:
        """A few dozen pools: cross ones, and sub-accounts, isolated and segregated."""
        names = [PoolKey(f"t{i}") for i in range(stream.randrange(8, 28))]
        apart = [PoolKey(f"t{i}", "apart") for i in range(0, len(names), 4)]
        alone = [PoolKey(f"t{i}", "alone") for i in range(0, len(names), 7)]
        return cls(stream, [*names, *apart, *alone], stream.choice((0.1, 0.6, 0.9)), stream.choice((2, 5, 15)))

    def beginning(self) -> list[Body]:
        """Pools, their money and their collateral, a fund and perhaps a vault."""
        draw, opened = self.stream, list[Body]()
        for i, key in enumerate(self.keys):
            mode = Mode.CROSS if not key.subaccount else Mode.ISOLATED if key.subaccount == "alone" else Mode.SEGREGATED
            opened += [OpenPool(key, f"owner {i % 9}" if i % 3 == 0 else "", mode),
                       Deposit(key, "USDT", draw.randrange(1, 20) * DEPOSIT // 4)]
            if draw.random() < 0.4:
                coin = draw.choice(COINS)
                opened.append(Deposit(key, coin, draw.randrange(1, 300) * 10**6))
        if draw.random() < 0.7:
            opened += [OpenPool(VAULT, "", Mode.CROSS), Deposit(VAULT, "USDT", draw.randrange(1, 40) * DEPOSIT)]
        opened.append(FundInsurance("", draw.choice((1, 10**7, 10**8, 10**9))))
        return opened

    def act(self, state: VenueState) -> Body | None:
        """One more event, or None where whoever was asked has nothing to do."""
        draw = self.stream
        if (state.room("orders") or state.room("auctions") or state.room("offered")) and draw.random() < self.diligence:
            return self._execute(state)
        place, weight = draw.random() * WEIGHT, 0.0
        for share, what in ACTS:
            weight += share
            if place < weight:
                return what(self, state)
        return TimePassed()

    def _execute(self, state: VenueState) -> Body | None:
        """Fill, bid, buy collateral; now and then at a price that must be refused."""
        draw = self.stream
        orders, auctions, offered = state.room("orders"), state.room("auctions"), state.room("offered")
        kind = draw.choice([room for room in (orders, auctions, offered) if room])
        key = draw.choice(sorted(kind))
        if kind is offered:
            return self._buy(state, key)
        chosen = kind[key]
        taker = OUTSIDE_MARKET if draw.random() < 0.5 else draw.choice(self.keys)
        part = max(1, abs(chosen.lots) * draw.choice((1, 10, 50, 100, 100, 101)) // 100)
        if kind is orders:
            better = draw.randrange(-1, 200)
            price = chosen.limit + better if chosen.lots > 0 else chosen.limit - better
            return LiquidationFill(chosen.number, taker, part, price)
        return AuctionBid(chosen.number, taker, part, 10**9 if (chosen.lots > 0) is (draw.random() < 0.9) else 1)

    def _buy(self, state: VenueState, owing: int) -> Body:
        """Some of the collateral that a pool without positions offers."""
        draw = self.stream
        offer = draw.choice(state.room("offered")[owing])
        price = (state.asset_price.get(offer.asset) or 10**6) * draw.randrange(80, 101) // 100
        buyer = OUTSIDE_MARKET if draw.random() < 0.5 else self._key()
        amount = max(1, offer.amount // draw.choice((1, 1, 3)))
        return Convert(state.pools[owing].key, buyer, offer.asset, amount, price)

    def _key(self) -> PoolKey:
        return self.keys[int(self.stream.random() * len(self.keys))]

    def fill(self, state: VenueState) -> Body:
        """A trade near the mark, as large as its buyer dares."""
        draw, market = self.stream, self.stream.choice(MARKETS)
        buyer, seller = self._key(), OUTSIDE_MARKET if draw.random() < 0.3 else self._key()
        if draw.random() < 0.5:
            buyer, seller = seller, buyer
        mark = state.markets[market].mark or FIRST_PRICE[market]
        wanted = DEPOSIT * self.reach * draw.random() / (mark * VALUE)
        price = max(1, round(mark * (1 + draw.uniform(-0.01, 0.01))))
        return Fill(market, buyer, seller, max(1, round(wanted)), price, draw.randrange(-500, 50_000), 0)

    def ask(self, state: VenueState) -> Body:
        market = self.stream.choice(MARKETS)
        lots = self.stream.choice((-1, 1)) * self.stream.randrange(1, 2_000)
        return OrderIntent(self._key(), market, lots, state.markets[market].mark or 10_000, self.stream.random() < 0.2)

    def bring(self, state: VenueState) -> Body:
        asset = self.stream.choice(("USDT", "USDT", *COINS))
        return Deposit(self._key(), asset, self.stream.randrange(1, DEPOSIT))

    def take(self, state: VenueState) -> Body:
        asset = self.stream.choice(("USDT", "USDT", *COINS))
        return Withdraw(self._key(), asset, self.stream.randrange(1, DEPOSIT))

    def move(self, state: VenueState) -> Body:
        source = self._key()
        others = [key for key in self.keys if key.account == source.account and key != source] or [self._key()]
        return Transfer(source, self.stream.choice(others), self.stream.choice(("USDT", *COINS)),
                        self.stream.randrange(1, DEPOSIT))

    def sell(self, state: VenueState) -> Body:
        return Convert(self._key(), self._key(), self.stream.choice(COINS), self.stream.randrange(1, 10**8),
                       self.stream.randrange(1, 3 * 10**6))

    def charge(self, state: VenueState) -> Body:
        if self.stream.random() < 0.7:
            return Funding(self.stream.choice(MARKETS), self.stream.randrange(-20_000, 20_000))
        return Interest(self.stream.choice(("USDT", *COINS)), self.stream.randrange(20_000))

    def observe(self, state: VenueState) -> Body:
        return DepthUpdate(self.stream.choice(MARKETS), self.stream.choice((0, 10, 1_000, 100_000)))

    def adopt(self, state: VenueState) -> Body:
        """Another book, now and then one that was edited by hand; decays of none to an hour."""
        draw = self.stream
        text = document(draw.choice(TIGHTNESS), draw.randrange(len(BREAKERS)))
        if draw.random() < 0.1:
            text = draw.choice((text.replace("0.002", "0.001"), text[:-5], "{}", ""))
        return AdoptLimits(text, draw.choice((0, 0, 10, 600, 3_600, 10**9)) * SECOND)

    def halt(self, state: VenueState) -> Body:
        draw = self.stream
        paused = [name for name in MARKETS if state.markets[name].paused]
        if paused or draw.random() < 0.5:
            return Resume(draw.choice((*paused, "")), "simulated")
        return Pause(draw.choice((*MARKETS, "")), "simulated")

    def settle(self, state: VenueState) -> Body | None:
        """One market in some worlds ends."""
        draw = self.stream
        if draw.random() > 0.03:
            return None
        return Settle(MARKETS[2], draw.randrange(1, 20_000))

    def pay_in(self, state: VenueState) -> Body:
        return FundInsurance(self.stream.choice(("", *MARKETS)), self.stream.randrange(1, DEPOSIT))

    def nonsense(self, state: VenueState) -> Body:
        """What a venue must turn away."""
        key, other = self._key(), self._key()
        chosen: object = self.stream.choice((
            Deposit(key, "USDT", True), Deposit(key, "USDT", 1.5), Deposit(key, "USDT", 2**62),  # type: ignore[arg-type]
            Deposit(key, "NOPE", 1), Deposit(PoolKey("nobody"), "USDT", 1), Fill(MARKETS[0], key, key, 1, 1),
            Fill(MARKETS[0], key, other, 2**61, 2**61), Fill("nope", key, other, 1, 1), Funding("nope", 1),
            Withdraw(key, "USDT", 2**62), LiquidationFill(10**6, key, 1, 1), AuctionBid(10**6, key, 1, 1),
            Settle(MARKETS[0], -1), OpenPool(key, "", Mode.CROSS), OpenPool(PoolKey(""), "", Mode.CROSS),
            AdoptLimits("\ud800"), "nonsense", None, FundInsurance("", -1), Interest("USDT", 2**61)))
        return chosen  # type: ignore[return-value]


ACTS: tuple[tuple[float, Act], ...] = (
    (30, Crowd.fill), (3, Crowd.ask), (6, Crowd.bring), (5, Crowd.take), (3, Crowd.move), (2, Crowd.sell),
    (3, Crowd.charge), (2, Crowd.observe), (0.7, Crowd.adopt), (1, Crowd.halt), (0.5, Crowd.settle), (1, Crowd.pay_in),
    (3, Crowd.nonsense), (8, lambda crowd, state: TimePassed()))
WEIGHT = sum(share for share, _ in ACTS)
