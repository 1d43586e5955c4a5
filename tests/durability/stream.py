"""Events that a venue accepted, drawn by a seed: the same in every process, and the state after each of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from leverline.enforce.effects import Rejected
from leverline.enforce.events import (
    AdoptLimits,
    AuctionBid,
    Body,
    Convert,
    Deposit,
    DepthUpdate,
    Event,
    Fill,
    Funding,
    FundInsurance,
    Interest,
    LiquidationFill,
    OpenPool,
    OracleUpdate,
    OrderIntent,
    Pause,
    PoolKey,
    Resume,
    Settle,
    TimePassed,
    Transfer,
    Withdraw,
)
from leverline.enforce.policy_presets import PRESETS
from leverline.enforce.terms import terms_of_book
from leverline.enforce.venue import OUTSIDE_MARKET, Venue
from leverline.model import AssetLimits, LimitBook, VenueLimits
from leverline.model.accounts import Mode
from leverline.model.quantities import UNITS_PER_ONE
from tests.enforce.worlds import BTC, ETH, SECOND
from tests.model.books import fields, schedule

OLD = "OLD/USDT:USDT"
KEYS = [PoolKey(name) for name in ("ann", "bob", "cat", "dan", "ève")] + [PoolKey("ann", "apart")]
ASSETS = ("USDT", "COIN")
SMALL = 1_000 * UNITS_PER_ONE


def book(leverage: float = 20) -> LimitBook:
    """Three markets of 100 units a lot and tick, and one collateral asset."""
    given = fields()
    btc, eth = given["instruments"].values()
    tiers = schedule((0, 1_000_000, leverage, 0.02), (1_000_000, None, leverage / 2, 0.05))
    plain = {"tick": 0.1, "lot": 0.001, "tiers": tiers, "liquidation_fee_rate": 0.001, "fees": None}
    open_to_all = {"position_cap": None, "open_interest_cap": None, "price_band": None}
    instruments = {BTC: btc.model_copy(update=plain | open_to_all), ETH: eth.model_copy(update=plain | open_to_all),
                   OLD: eth.model_copy(update=plain | open_to_all)}
    return LimitBook.of(**given | {
        "settlement": "USDT", "instruments": instruments, "venue": VenueLimits(), "overrides": (), "explanations": {},
        "collateral": {"COIN": AssetLimits(ltv=0.8, liquidation_threshold=0.9)}})


def seeded(seed: int) -> random.Random:
    """Random numbers that come again."""
    return random.Random(seed)  # noqa: S311 - nothing here is a secret


@dataclass
class Stream:
    """``events`` with numbers 1 to N; ``digests[i]``: the state's after event ``i``, where they were asked for."""

    events: list[Event]
    digests: list[str]
    state_hash: str = ""  # after the last


def draw(seed: int, count: int, preset: str = "leverline", *, digests: bool = False) -> Stream:
    """``count`` events of every kind; positions are opened, fall, are liquidated and deleveraged."""
    return _Drawing(seeded(seed), Venue(terms_of_book(book()), PRESETS[preset])).run(count, digests=digests)


@dataclass
class _Drawing:
    rng: random.Random
    venue: Venue

    def run(self, count: int, *, digests: bool) -> Stream:
        state = self.venue.state
        done = Stream([], [state.digest()] if digests else [])
        first = iter(_beginning())
        while len(done.events) < count:
            body = next(first, None) or self.body()
            wait = self.rng.choice((0, 0, 0, SECOND // 2, 11 * SECOND))
            event = Event(state.seq + 1, state.now_ns + wait, f"{state.seq + 1} {type(body).__name__}", body)
            effects = self.venue.apply(event)
            if effects and isinstance(effects[0], Rejected):
                continue
            done.events.append(event)
            if digests:
                done.digests.append(state.digest())
        done.state_hash = state.digest()
        return done

    def body(self) -> Body:
        makers = (self.price, self.price, self.fill, self.fill, self.order, self.money, self.money, self.liquidate,
                  self.liquidate, self.seldom)
        return self.rng.choice(makers)()

    def key(self) -> PoolKey:
        return self.rng.choice(KEYS)

    def near(self, name: str, width_ppm: int) -> int:
        """A price around the mark, and back towards where it began."""
        mark = self.venue.state.markets[name].mark or 10_000
        return max(1, (mark * 3 + 10_000) // 4 * (10**6 + self.rng.randint(-width_ppm, width_ppm)) // 10**6)

    def price(self) -> Body:
        if self.rng.random() < 0.1:
            return OracleUpdate("COIN", "one", self.rng.randint(UNITS_PER_ONE // 2, 2 * UNITS_PER_ONE), 0, 0)
        name = self.rng.choice((BTC, ETH))
        width = 150_000 if self.rng.random() < 0.3 else 20_000
        return OracleUpdate(name, "one", self.near(name, width), 0, self.venue.state.now_ns)

    def fill(self) -> Body:
        name, buyer, seller = self.rng.choice((BTC, ETH)), self.key(), self.rng.choice([*KEYS, OUTSIDE_MARKET])
        return Fill(name, buyer, seller, self.rng.randint(1, 4_000), self.near(name, 5_000), self.rng.randint(-5, 500))

    def order(self) -> Body:
        name = self.rng.choice((BTC, ETH))
        return OrderIntent(self.key(), name, self.rng.choice((-50, 50)), self.near(name, 5_000),
                           self.rng.random() < 0.2)

    def money(self) -> Body:
        kind = self.rng.randrange(6)
        asset, amount = self.rng.choice(ASSETS), self.rng.randint(1, SMALL)
        if kind == 0:
            return Withdraw(self.key(), asset, amount)
        if kind == 1:
            return Transfer(KEYS[0], KEYS[-1], asset, amount)
        if kind == 2:
            return Convert(self.key(), OUTSIDE_MARKET, "COIN", amount, UNITS_PER_ONE)
        if kind == 3:
            return FundInsurance(self.rng.choice(("", BTC)), amount)
        return Deposit(self.key(), asset, amount)

    def liquidate(self) -> Body:
        state = self.venue.state
        orders, auctions = state.room("orders"), state.room("auctions")
        if orders:
            order = orders[self.rng.choice(sorted(orders))]
            return LiquidationFill(order.number, OUTSIDE_MARKET, max(1, abs(order.lots) // 2), order.limit)
        if auctions:
            auction = auctions[self.rng.choice(sorted(auctions))]
            return AuctionBid(auction.number, OUTSIDE_MARKET, abs(auction.lots), 10**9 if auction.lots > 0 else 1)
        return TimePassed()

    def seldom(self) -> Body:
        rng = self.rng
        makers: tuple[Callable[[], Body], ...] = (
            lambda: Funding(rng.choice((BTC, ETH)), rng.randint(-500, 500)),
            lambda: Interest("COIN", rng.randint(0, 500)),
            lambda: AdoptLimits(book(rng.choice((10, 20, 25))).to_json(), rng.choice((0, 60 * SECOND))),
            lambda: Pause(BTC, "by hand"), lambda: Resume(BTC, "by hand"), lambda: Resume(BTC, "by hand"),
            lambda: DepthUpdate(ETH, rng.randint(1, 10**6)), TimePassed)
        return rng.choice(makers)()


def _beginning() -> list[Body]:
    opened: list[Body] = [OpenPool(key, key.account, Mode.SEGREGATED if key.subaccount else Mode.CROSS) for key in KEYS]
    paid: list[Body] = [Deposit(key, asset, SMALL) for key in KEYS for asset in ASSETS]
    priced: list[Body] = [OracleUpdate(name, "one", price, 0, 0)
                          for name, price in ((BTC, 10_000), (ETH, 10_000), (OLD, 10_000), ("COIN", UNITS_PER_ONE))]
    return [*opened, *paid, *priced, Fill(OLD, KEYS[0], KEYS[1], 5, 10_000), Settle(OLD, 10_500)]
