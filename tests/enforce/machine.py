"""A venue under random events, good and malformed, with its invariants after each; other parts add their rules."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from leverline.enforce.codec import decode, encode
from leverline.enforce.effects import Effect, LiquidationOrder, Rejected, Stage
from leverline.enforce.events import (
    AuctionBid,
    Body,
    Convert,
    Deposit,
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
from leverline.enforce.margining import standing
from leverline.enforce.policy_presets import PRESETS
from leverline.enforce.trading import refusal
from leverline.enforce.venue import OUTSIDE_MARKET, Venue
from leverline.enforce.watch import SweepWatch
from leverline.model.accounts import Mode
from tests.enforce.invariants import check_all
from tests.enforce.worlds import BTC, ETH, SECOND, market, terms

POOLS = [OUTSIDE_MARKET, *(PoolKey(name) for name in "abcde"), PoolKey("a", "apart"), PoolKey("backstop vault"),
         PoolKey("nobody")]
pools = st.sampled_from(POOLS)
traders = st.sampled_from(POOLS[:5])
markets = st.sampled_from([BTC, ETH])
prices = st.integers(1, 40_000) | st.integers(9_000, 11_000)
lots = st.integers(1, 400) | st.integers(200, 2_000)
amounts = st.integers(1, 5 * 10**8)
assets = st.sampled_from(["USDT", "COIN"])
shift = st.integers(-400_000, 400_000)


class VenueMachine(RuleBasedStateMachine):
    """Rules are events; whatever the venue answers, it must stay sound."""

    def make(self) -> Venue:
        """A fresh venue of this run's policies."""
        eth = market(ETH, initial_ppm=50_000, maintenance_ppm=20_000, open_interest_cap=10**10)
        return Venue(terms(market(BTC), eth), self.policies)

    @initialize(name=st.sampled_from(sorted(PRESETS)))
    def start(self, name: str) -> None:
        self.policies = PRESETS[name]
        self.venue = self.make()
        self.sweeping = Venue(self.venue.state.terms, self.policies, watch=SweepWatch())
        self.log: list[Event] = []
        self.effects: tuple[Effect, ...] = ()
        self.digests = [self.venue.state.digest()]
        for key in POOLS[1:-1]:
            self.send(OpenPool(key, key.account, Mode.SEGREGATED if key.subaccount else Mode.CROSS))
            self.send(Deposit(key, "USDT", 10**8))
        for name in (BTC, ETH):
            self.send(OracleUpdate(name, "one", 10_000, 0, 0))
        self.send(OracleUpdate("COIN", "one", 10**6, 0, 0))
        self.send(FundInsurance("", 10**7))

    def send(self, body: Body, after_ns: int = 0) -> tuple[Effect, ...]:
        state = self.venue.state
        event = Event(state.seq + 1, state.now_ns + after_ns, f"event {len(self.log)}", body)
        return self.apply(event)

    def apply(self, event: Event) -> tuple[Effect, ...]:
        state = self.venue.state
        before = self.digests[-1]
        self.effects = self.venue.apply(event)
        assert self.sweeping.apply(event) == self.effects, "a band hides nobody who must be looked at"
        if self.effects and isinstance(self.effects[0], Rejected):
            assert state.digest() == before, "I13: a rejected event changes nothing"
        else:
            self.log.append(event)
            self.digests.append(state.digest())
            assert self.sweeping.state.digest() == self.digests[-1]
            assert state.seq == event.seq
        for effect in self.effects:  # I4 at the price used: orders only for pools that were below maintenance
            if isinstance(effect, LiquidationOrder) and effect.stage is Stage.BOOK:
                assert standing(state, state.number[effect.pool]).liquidatable
        check_all(state, self.effects, self.policies)
        return self.effects

    @rule(key=pools, asset=assets, amount=amounts)
    def deposit(self, key: PoolKey, asset: str, amount: int) -> None:
        self.send(Deposit(key, asset, amount))

    @rule(key=pools, asset=assets, amount=amounts)
    def withdraw(self, key: PoolKey, asset: str, amount: int) -> None:
        pool = self.venue.state.number.get(key)
        owed = pool is not None and standing(self.venue.state, pool).owes
        effects = self.send(Withdraw(key, asset, amount))
        if not effects and owed and pool and self.venue.state.positions.lots[pool]:
            assert standing(self.venue.state, pool).free >= 0, "nobody leaves below initial margin"

    @rule(asset=assets, amount=amounts)
    def transfer(self, asset: str, amount: int) -> None:
        self.send(Transfer(PoolKey("a"), PoolKey("a", "apart"), asset, amount))

    @rule(buyer=traders, seller=traders, name=markets, size=lots, move=shift, fee=st.integers(-1000, 10_000))
    def fill(self, buyer: PoolKey, seller: PoolKey, name: str, size: int, move: int, fee: int) -> None:
        price = max(1, (self.venue.state.markets[name].mark or 10_000) * (10**6 + move // 20) // 10**6)
        self.send(Fill(name, buyer, seller, size, price, fee, 0))

    @rule(name=markets, down=st.integers(20_000, 400_000), size=lots, buyer=traders, seller=traders)
    def crash(self, name: str, down: int, size: int, buyer: PoolKey, seller: PoolKey) -> None:
        """A position, a fall or a rise, and time for each stage to have its turn."""
        mark = self.venue.state.markets[name].mark or 10_000
        self.send(Fill(name, buyer, seller, size, mark))
        self.send(OracleUpdate(name, "one", max(1, mark * (10**6 - down) // 10**6), 0, self.venue.state.now_ns))
        for _ in range(3):
            self.send(TimePassed(), 11 * SECOND)
        self.send(OracleUpdate(name, "one", mark, 0, self.venue.state.now_ns))

    @rule(key=pools, name=markets, size=st.integers(-10**6, 10**6), price=prices, reduce_only=st.booleans())
    def ask(self, key: PoolKey, name: str, size: int, price: int, reduce_only: bool) -> None:
        effects = self.send(OrderIntent(key, name, size, price, reduce_only))
        pool = self.venue.state.number.get(key)
        if pool is None or size == 0:
            return
        held = self.venue.state.positions.lots[pool].get(name, 0)
        if held * size < 0 and abs(size) <= abs(held):
            assert not isinstance(effects[0], Rejected), "I9: a reduction is always open"
        elif not isinstance(effects[0], Rejected):
            assert refusal(self.venue.state, pool, name, size, price, reduce_only=reduce_only) is None

    @rule(name=markets, move=shift, wait=st.integers(0, 30))
    def price_moves(self, name: str, move: int, wait: int) -> None:
        mark = self.venue.state.markets[name].mark or 10_000
        after = max(1, mark * (10**6 + move) // 10**6)
        self.send(OracleUpdate(name, "one", after, 0, self.venue.state.now_ns), wait * SECOND)

    @rule(price=st.integers(1, 3 * 10**6))
    def collateral_moves(self, price: int) -> None:
        self.send(OracleUpdate("COIN", "one", price, 0, self.venue.state.now_ns))

    @rule(name=markets, rate=st.integers(-20_000, 20_000))
    def fund(self, name: str, rate: int) -> None:
        self.send(Funding(name, rate))

    @rule(asset=assets, rate=st.integers(0, 20_000))
    def interest(self, asset: str, rate: int) -> None:
        self.send(Interest(asset, rate))

    @rule(wait=st.integers(0, 100))
    def time_passes(self, wait: int) -> None:
        self.send(TimePassed(), wait * SECOND)

    @precondition(lambda self: self.venue.state.room("orders"))
    @rule(picked=st.integers(0, 100), taker=pools, share=st.integers(1, 100), better=st.integers(0, 50))
    def liquidation_fill(self, picked: int, taker: PoolKey, share: int, better: int) -> None:
        orders = self.venue.state.room("orders")
        order = orders[sorted(orders)[picked % len(orders)]]
        price = order.limit + better if order.lots > 0 else order.limit - better
        self.send(LiquidationFill(order.number, taker, max(1, abs(order.lots) * share // 100), price))

    @precondition(lambda self: self.venue.state.room("auctions"))
    @rule(picked=st.integers(0, 100), bidder=pools, size=lots)
    def bid(self, picked: int, bidder: PoolKey, size: int) -> None:
        auctions = self.venue.state.room("auctions")
        auction = auctions[sorted(auctions)[picked % len(auctions)]]
        self.send(AuctionBid(auction.number, bidder, size, 10**9 if auction.lots > 0 else 1))

    @rule(key=pools, other=pools, amount=amounts, price=st.integers(1, 2 * 10**6))
    def convert(self, key: PoolKey, other: PoolKey, amount: int, price: int) -> None:
        self.send(Convert(key, other, "COIN", amount, price))

    @rule(name=st.sampled_from(["", BTC, ETH]), move=shift)
    def halt(self, name: str, move: int) -> None:
        """A halt, a price inside it, and its end."""
        self.send(Pause(name, "by hand"))
        self.price_moves(BTC, move, 0)
        self.send(Resume(name, "by hand"))

    @rule(name=st.sampled_from(["", BTC]), amount=amounts)
    def pay_in(self, name: str, amount: int) -> None:
        self.send(FundInsurance(name, amount))

    @rule(name=markets, price=prices, sure=st.integers(0, 30))
    def settle(self, name: str, price: int, sure: int) -> None:
        if sure == 0:
            self.send(Settle(name, price))

    @rule(body=st.sampled_from([
        Deposit(PoolKey("a"), "USDT", True), Deposit(PoolKey("a"), "USDT", 1.5),  # type: ignore[arg-type]
        Deposit(PoolKey("a"), "USDT", 2**62), Deposit(PoolKey("a"), "NOPE", 1), Deposit(PoolKey("a"), "USDT", -1),
        Fill(BTC, PoolKey("a"), PoolKey("a"), 1, 1), Fill(BTC, PoolKey("a"), PoolKey("b"), 2**61, 2**61),
        OracleUpdate(BTC, "one", 0, 0, 0), OracleUpdate(BTC, "one", 2**62, 0, 0), Funding("nope", 1),
        LiquidationFill(10**6, PoolKey("a"), 1, 1), AuctionBid(10**6, PoolKey("a"), 1, 1), Settle(BTC, -1),
        "nonsense"]))
    def malformed(self, body: Body) -> None:
        effects = self.send(body)
        assert isinstance(effects[0], Rejected)

    @rule(ahead=st.sampled_from([-1, 0, 2, 10]), back=st.booleans(), again=st.booleans())
    def misplaced(self, ahead: int, back: bool, again: bool) -> None:
        """I12: replayed, out of sequence or from the past."""
        state = self.venue.state
        event = Event(state.seq + ahead, state.now_ns, "misplaced", TimePassed())
        assert isinstance(self.apply(event)[0], Rejected)
        if again:
            assert isinstance(self.apply(replace(self.log[-1], seq=state.seq + 1))[0], Rejected)
        if back and state.now_ns:
            assert isinstance(self.apply(Event(state.seq + 1, state.now_ns - 1, "back", TimePassed()))[0], Rejected)

    @invariant()
    def replays(self) -> None:
        """I11, at intervals: the log written and read gives the same state, and the same effects at its end."""
        if not hasattr(self, "log") or len(self.log) % 25:
            return
        again = self.make()
        for event in self.log:
            again.apply(decode(encode(event)))
        assert again.state.digest() == self.digests[-1]
