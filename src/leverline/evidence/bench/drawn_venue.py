"""Days of a venue, drawn: the events of six markets and a thousand pools as a journal meets them.

Of a hundred events 95 are prices, each of 18 feeds (three sources a market) about once a second; three or four are
trades, the question whether an order may be sent and then its fill; the others are deposits and withdrawals, time,
depth and money for the fund. A market pays funding every eight hours. What the venue sells off the outside market takes
at the limit. Prices are geometric random walks of 60 % a year. Nothing of it is measured at a venue.

Prices carry ids that count (``b-1042``), everything else 16 hexadecimal digits that nobody can compress.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from leverline.enforce.effects import CollateralOffered, Effect, LiquidationOrder, Rejected
from leverline.enforce.events import (
    Body,
    Convert,
    Deposit,
    DepthUpdate,
    Event,
    Fill,
    Funding,
    FundInsurance,
    LiquidationFill,
    OpenPool,
    OracleUpdate,
    OrderIntent,
    PoolKey,
    TimePassed,
    Withdraw,
)
from leverline.enforce.state import VenueState
from leverline.enforce.venue import OUTSIDE_MARKET, Venue
from leverline.model import LimitBook
from leverline.model.accounts import Mode
from leverline.model.collateral import AssetLimits
from leverline.model.limitbook import InstrumentLimits, Tier
from leverline.model.provenance import Provenance
from leverline.model.quantities import UNITS_PER_ONE
from leverline.model.venue import VenueLimits

POOLS = 1_000
SOURCES = ("a", "b", "c")
PRESET = "leverline"
COINS = {"BTC": (60_000.0, 0.1, 0.001), "ETH": (3_000.0, 0.01, 0.01), "SOL": (150.0, 0.01, 0.1),
         "XRP": (0.5, 0.0001, 10.0), "BNB": (600.0, 0.1, 0.01), "DOGE": (0.1, 0.0001, 100.0)}
"""First price, tick and lot."""
PRICE_SHARE, TRADE_SHARE = 0.967, 0.018
"""Of what happens; a trade is two events."""
EVENTS_A_SECOND = 20
FUNDING_NS = 8 * 3_600 * 10**9
VOLATILITY_A_YEAR = 0.6
START_NS = 1_760_000_000 * 10**9
_SECOND = 10**9

Take = Callable[[Event], Sequence[Effect]]


def limits(*, breakers: bool) -> LimitBook:
    """Two tiers a market, one collateral coin; with ``breakers`` three sources together are the price."""
    tiers = (Tier(notional_floor=0, notional_cap=10**12, max_leverage=20.0, initial_margin_rate=0.05,
                  maintenance_margin_rate=0.025, maintenance_deduction=0),
             Tier(notional_floor=10**12, notional_cap=None, max_leverage=10.0, initial_margin_rate=0.1,
                  maintenance_margin_rate=0.05, maintenance_deduction=25 * 10**9))
    as_of = datetime(2025, 10, 1, tzinfo=UTC)
    return LimitBook.of(
        as_of=as_of, settlement="USDT", collateral={"BTC": AssetLimits(ltv=0.8, liquidation_threshold=0.85)},
        venue=VenueLimits(breakers={} if breakers else None),
        instruments={f"{coin}/USDT:USDT": InstrumentLimits(tick=tick, lot=lot, tiers=tiers, liquidation_fee_rate=0.005)
                     for coin, (_, tick, lot) in COINS.items()},
        provenance=Provenance(software="leverline bench", versions={}, data=(), as_of=as_of, appetite={},
                              estimators={}))


def accepted_events(venue: Venue, count: int) -> list[Event]:
    """The first ``count`` events that ``venue``, which is new, accepts of a drawn one."""
    kept: list[Event] = []

    def take(event: Event) -> Sequence[Effect]:
        effects = venue.apply(event)
        if not (effects and isinstance(effects[0], Rejected)):
            kept.append(event)
        return effects

    drawn = DrawnVenue(venue.state, take, POOLS)
    drawn.open()
    drawn.run(count)
    return kept[:count]


@dataclass
class DrawnVenue:
    """Sends events to whoever ``take`` is, and answers what it says; ``state`` is that venue's."""

    state: VenueState
    take: Take
    pools: int
    seed: int = 31
    stream: Random = field(init=False)
    price: dict[str, float] = field(init=False)
    _said: int = 0

    def __post_init__(self) -> None:
        self.stream = Random(self.seed)  # noqa: S311 - a simulation, not a secret
        self.price = {f"{coin}/USDT:USDT": first / tick for coin, (first, tick, _) in COINS.items()}
        self._names = list(self.price)
        self.keys = [PoolKey(f"account-{i:06}") for i in range(self.pools)]
        self._makers = [*self.keys[:self.pools // 5], OUTSIDE_MARKET]
        self._now = START_NS
        self._funded = START_NS // FUNDING_NS
        self._step = VOLATILITY_A_YEAR * math.sqrt(len(COINS) / (EVENTS_A_SECOND * 365 * 86_400))

    def open(self) -> None:
        """Prices, pools and their money: seven events for each market, three for each pool at most."""
        for name in self._names:
            for source in SOURCES:
                self._say(name, source)
        self._price_coin()
        for i, key in enumerate(self.keys):
            self._send(OpenPool(key, key.account, Mode.CROSS))
            self._send(Deposit(key, "USDT", int(UNITS_PER_ONE * math.exp(self.stream.gauss(9.0, 1.0)))))
            if i % 10 == 0:
                self._send(Deposit(key, "BTC", self.stream.randrange(10_000, 500_000)))
        self._send(FundInsurance("", 10**12))

    def run(self, until: int) -> None:
        """Go on until event number ``until`` was taken, and no further."""
        kinds = self._kinds()
        while self.state.seq < until:
            self._now += self.stream.randrange(2 * _SECOND // EVENTS_A_SECOND)
            next(kinds)
            if self.state.seq < until and self._now // FUNDING_NS > self._funded:
                self._funded = self._now // FUNDING_NS
                self._send(Funding(self.stream.choice(self._names), self.stream.randrange(-100, 200)))

    def fill_everybody(self, notional: int = 1_000 * UNITS_PER_ONE) -> None:
        """Positions of ``notional`` units in two markets for each pool, against the outside market."""
        for i, key in enumerate(self.keys):
            for name in (self._names[i % len(self._names)], self._names[(i + 1) % len(self._names)]):
                mark = round(self.price[name])
                size = max(1, notional // self.state.terms.markets[name].notional(1, mark))
                self._send(Fill(name, *((key, OUTSIDE_MARKET) if i % 2 else (OUTSIDE_MARKET, key)), size, mark))

    def _kinds(self) -> Iterator[None]:
        """One thing that happens for each value asked for."""
        draw = self.stream.random
        while True:
            what = draw()
            if what < PRICE_SHARE:
                self._say(self._names[int(draw() * len(self._names))], SOURCES[int(draw() * len(SOURCES))])
            elif what < PRICE_SHARE + TRADE_SHARE:
                self._trade()
            else:
                self._seldom()
            yield

    def _say(self, name: str, source: str) -> None:
        """The price moves, and a source says it, a basis point off."""
        moved = self.price[name] * math.exp(self.stream.gauss(0.0, self._step))
        self.price[name] = moved
        ticks = max(1, round(moved * (1.0 + 1e-4 * (self.stream.random() - 0.5))))
        self._said += 1
        self._send(OracleUpdate(name, source, ticks, 0, self._now - 5_000_000), f"{source}-{self._said}")

    def _price_coin(self) -> None:
        price = round(self.price["BTC/USDT:USDT"] * COINS["BTC"][1] * UNITS_PER_ONE)
        for source in SOURCES:
            self._send(OracleUpdate("BTC", source, price, 0, self._now - 5_000_000))

    def _trade(self) -> None:
        """A pool asks for an order against what it holds rather than for more, and is filled by another one."""
        stream, state = self.stream, self.state
        key, other = stream.choice(self.keys), stream.choice(self._makers)
        name = stream.choice(self._names)
        if key == other:
            return
        mark = max(1, round(self.price[name]))
        one = state.terms.markets[name].notional(1, mark)
        size = max(1, int(UNITS_PER_ONE * math.exp(stream.gauss(6.5, 1.0)) / one))
        held = state.positions.lots[state.number[key]].get(name, 0)
        buys = stream.random() < (0.5 if held == 0 else 0.35 if held > 0 else 0.65)
        effects = self._send(OrderIntent(key, name, size if buys else -size, mark))
        if isinstance(effects[0], Rejected):
            return
        fee = size * one // 2_000
        buyer, seller = (key, other) if buys else (other, key)
        self._send(Fill(name, buyer, seller, size, mark, fee if buys else 0, 0 if buys else fee))

    def _seldom(self) -> None:
        """Money in and out, time, depth, the coin's price, the fund."""
        stream, key = self.stream, self.stream.choice(self.keys)
        what = stream.randrange(8)
        if what < 3:
            self._send(Deposit(key, "USDT", stream.randrange(1, 1_000 * UNITS_PER_ONE)))
        elif what < 5:
            self._send(Withdraw(key, "USDT", stream.randrange(1, 500 * UNITS_PER_ONE)))
        elif what == 5:
            self._send(TimePassed())
        elif what == 6:
            self._send(DepthUpdate(stream.choice(self._names), stream.randrange(5_000, 10_000)))
        elif stream.random() < 0.9:
            self._price_coin()
        else:
            self._send(FundInsurance("", stream.randrange(1, 100 * UNITS_PER_ONE)))

    def _send(self, body: Body, name: str | None = None) -> Sequence[Effect]:
        """The next event, and the outside market's answers to what comes of it."""
        effects = self._one(body, name)
        waiting = list(effects)
        while waiting:
            effect = waiting.pop(0)
            if isinstance(effect, LiquidationOrder) and effect.order in self.state.room("orders"):
                waiting += self._one(LiquidationFill(effect.order, OUTSIDE_MARKET, abs(effect.lots), effect.limit))
            elif isinstance(effect, CollateralOffered):
                waiting += self._one(Convert(effect.pool, OUTSIDE_MARKET, effect.asset, effect.amount, effect.price))
        return effects

    def _one(self, body: Body, name: str | None = None) -> Sequence[Effect]:
        seq, now = self.state.seq + 1, max(self._now, self.state.now_ns)
        return self.take(Event(seq, now, name or f"{self.stream.getrandbits(64):016x}", body))
