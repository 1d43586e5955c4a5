"""A venue under random events, good and malformed, with its invariants after each; other parts add their rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from leverline.enforce.bankruptcy import BankruptcyPrice
from leverline.enforce.codec import decode, encode
from leverline.enforce.effects import (
    CollateralSeized,
    Deleveraged,
    Effect,
    LiquidationClosed,
    LossShared,
    Rejected,
    Stage,
)
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
from leverline.enforce.margining import Standing, standing
from leverline.enforce.policy_presets import PRESETS
from leverline.enforce.terms import VenueTerms, terms_of_book
from leverline.enforce.trading import refusal
from leverline.enforce.venue import OUTSIDE_MARKET, Venue
from leverline.enforce.watch import SweepWatch
from leverline.model import AssetLimits, VenueLimits
from leverline.model.accounts import Mode
from leverline.model.limitbook import InstrumentLimits, LimitBook
from tests.enforce.invariants import check_effects, check_state, eyes_raise_alarms, funds_are_told
from tests.enforce.witnesses import CheckingWatch, witnessed
from tests.enforce.worlds import BTC, ETH, SECOND
from tests.model.books import book, schedule

POOLS = [OUTSIDE_MARKET, *(PoolKey(name) for name in "abcde"), PoolKey("a", "apart"), PoolKey("backstop vault"),
         PoolKey("nobody")]
pools = st.sampled_from(POOLS)
traders = st.sampled_from(POOLS[:5])
markets = st.sampled_from([BTC, ETH])
names = st.sampled_from([BTC, ETH, "COIN"])
prices = st.integers(1, 40_000) | st.integers(9_000, 11_000)
lots = st.integers(1, 400) | st.integers(200, 2_000)
amounts = st.integers(1, 5 * 10**8)
assets = st.sampled_from(["USDT", "COIN"])
shift = st.integers(-400_000, 400_000)
SOURCES = ("one", "two", "three", "redemption")
EYES = {"margin_age_s": 60.0, "opening_age_s": 20.0, "redemption_age_s": 600.0, "longest_halt_s": 300.0,
        "grace_s": 20.0, "growth_floor": 1_000.0, "growth_window_s": 600.0, "depth_window_s": 600.0}
"""Breakers quick enough to trip, halt and resume within a run."""
WHOLE_CHECK_EVERY = 7
DAY = 86_400


def written(leverage: float, eyes: dict[str, float] | None, fee: float = 0.001) -> LimitBook:
    """Two markets of two tiers each, one collateral asset at a 10 % haircut, with or without breakers."""
    def limits(most: float, **rest: int) -> InstrumentLimits:
        tiers = schedule((0, 500, most, 0.4 / most), (500, None, most / 2, 0.7 / most))
        return InstrumentLimits(tiers=tiers, tick=0.1, lot=0.001, liquidation_fee_rate=fee, **rest)

    return book(settlement="USDT", instruments={BTC: limits(leverage), ETH: limits(2 * leverage,
                                                                                   open_interest_cap=10**10)},
                collateral={"COIN": AssetLimits(ltv=0.8, liquidation_threshold=0.9)}, explanations={}, overrides=(),
                venue=VenueLimits(breakers=eyes))


BOOKS = {(leverage, seeing): written(leverage, EYES if seeing else None, fee)
         for leverage, fee in ((5.0, 0.002), (10.0, 0.001), (20.0, 0.0)) for seeing in (False, True)}
"""Tighter and looser, seeing and blind; adopted one over the other."""
JSON = {key: limits.to_json() for key, limits in BOOKS.items()}


class VenueMachine(RuleBasedStateMachine):
    """Rules are events; whatever the venue answers, it must stay sound.

    ``presets``: what a run may draw its policies from; ``starts``: whether its first book has breakers.
    """

    presets = tuple(sorted(PRESETS))
    starts = (False, True)

    @initialize(at_random=st.data())
    def start(self, at_random: st.DataObject) -> None:
        self.seeing = at_random.draw(st.sampled_from(self.starts))
        self.first_terms: VenueTerms = terms_of_book(BOOKS[10.0, self.seeing])
        self.policies = PRESETS[at_random.draw(st.sampled_from(self.presets))]
        self.venue = Venue(self.first_terms, witnessed(self.policies), watch=CheckingWatch())
        self.sweeping = Venue(self.first_terms, self.policies, watch=SweepWatch())
        self.log: list[Event] = []
        self.funds: dict[str, int] = {}
        self.digest = self.venue.state.digest()
        for key in POOLS[1:-1]:
            mode = {"apart": Mode.SEGREGATED, "": Mode.CROSS}[key.subaccount]
            self.send(OpenPool(key, key.account, mode))
            self.send(Deposit(key, "USDT", 10**8))
        for market in (BTC, ETH):
            self.see(market, 10_000)
        self.see("COIN", 10**6)
        self.send(FundInsurance("", 10**7))

    def send(self, body: Body, after_ns: int = 0) -> Sequence[Effect]:
        state = self.venue.state
        event = Event(state.seq + 1, state.now_ns + after_ns, f"event {len(self.log)}", body)
        return self.apply(event)

    def see(self, name: str, *said: int, after_s: int = 0) -> None:
        """A price from as many sources as speak: one, or each its own."""
        said = said * 3 if len(said) == 1 else said
        for place, (source, price) in enumerate(zip(SOURCES, said, strict=False)):
            gap = 0 if place else after_s * SECOND
            self.send(OracleUpdate(name, source, price, 0, self.venue.state.now_ns + gap), gap)

    def mark(self, name: str) -> int:
        return self.venue.state.markets[name].mark or 10_000

    def apply(self, event: Event) -> Sequence[Effect]:
        state = self.venue.state
        was_ns = state.now_ns
        effects = self.venue.apply(event)
        assert tuple(self.sweeping.apply(event)) == tuple(effects), "a band hides nobody who must be looked at"
        if effects and isinstance(effects[0], Rejected):
            assert state.digest() == self.digest, "I13: a rejected event changes nothing"
        else:
            self.log.append(event)
            self.digest = state.digest()
            assert state.seq == event.seq
            if isinstance(event.body, TimePassed):
                eyes_raise_alarms(state, state.now_ns - was_ns)
        check_effects(state, effects, self.policies)
        funds_are_told(state, effects, self.funds)
        if len(self.log) % WHOLE_CHECK_EVERY == 0:
            self.check_whole()
        return effects

    def check_whole(self) -> None:
        """Everything from the whole state, and against the venue that looks at everybody."""
        check_state(self.venue.state)
        assert self.sweeping.state.digest() == self.digest

    def teardown(self) -> None:
        if hasattr(self, "digest"):
            self.check_whole()

    @rule(key=pools, asset=assets, amount=amounts)
    def deposit(self, key: PoolKey, asset: str, amount: int) -> None:
        effects = self.send(Deposit(key, asset, amount))
        assert key == POOLS[-1] or not any(isinstance(e, Rejected) for e in effects), "I14: top-ups are always open"

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
        price = max(1, self.mark(name) * (10**6 + move // 20) // 10**6)
        self.send(Fill(name, buyer, seller, size, price, fee, 0))

    @rule(name=markets, down=st.integers(20_000, 400_000), size=lots, buyer=traders, seller=traders)
    def crash(self, name: str, down: int, size: int, buyer: PoolKey, seller: PoolKey) -> None:
        """A position, a fall or a rise, and time for each stage to have its turn."""
        mark = self.mark(name)
        self.send(Fill(name, buyer, seller, size, mark))
        self.see(name, max(1, mark * (10**6 - down) // 10**6))
        for _ in range(3):
            self.send(TimePassed(), 11 * SECOND)
            if self.seeing:
                self.see(name, max(1, mark * (10**6 - down) // 10**6))
        self.see(name, mark)

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
        self.see(name, max(1, self.mark(name) * (10**6 + move) // 10**6), after_s=wait)

    @rule(price=st.integers(1, 3 * 10**6))
    def collateral_moves(self, price: int) -> None:
        self.see("COIN", price)

    @rule(name=names, said=st.lists(prices, min_size=2, max_size=4), wait=st.integers(0, 30))
    def sources_disagree(self, name: str, said: list[int], wait: int) -> None:
        """Two to four words, the fourth by who redeems: wide apart, or one of them absurd."""
        self.see(name, *(price * (100 if name == "COIN" else 1) for price in said), after_s=wait)

    @rule(name=names, source=st.sampled_from(SOURCES), price=st.sampled_from([1, 10**3, 10**5, 10**9, 2**61]),
          width=st.sampled_from([0, 1, 10**5, 2**61]), late=st.sampled_from([0, 3, 30, 90]))
    def odd_word(self, name: str, source: str, price: int, width: int, late: int) -> None:
        """One source that is absurd, unsure, late or stale."""
        self.send(OracleUpdate(name, source, price, width, max(0, self.venue.state.now_ns - late * SECOND)))

    @rule(name=markets, size=st.integers(0, 10**6))
    def depth(self, name: str, size: int) -> None:
        self.send(DepthUpdate(name, size))

    @rule(wait=st.sampled_from([6, 61, 301, 400, 1_000]), name=markets, move=shift)
    def outage(self, wait: int, name: str, move: int) -> None:
        """Silence until prices are stale or past the longest halt; then steps toward the last word, then good ones."""
        self.send(OracleUpdate(name, "one", max(1, self.mark(name) * (10**6 + move) // 10**6), 0,
                               self.venue.state.now_ns))
        for gap in (6, wait, 11, 11):
            self.send(TimePassed(), gap * SECOND)
        for _ in range(3):
            self.see(name, self.mark(name), after_s=15)

    @rule(leverage=st.sampled_from([5.0, 10.0, 20.0]), days=st.sampled_from([0, 1, 10]), seeing=st.booleans(),
          wait=st.sampled_from([0, DAY // 3, DAY, 3 * DAY]))
    def adopt(self, leverage: float, days: int, seeing: bool, wait: int) -> None:
        """Another line over the one in force, which may be under way itself, and some of its steps."""
        effects = self.send(AdoptLimits(JSON[leverage, seeing], days * DAY * SECOND))
        if not any(isinstance(effect, Rejected) for effect in effects):
            self.seeing = seeing
        if wait:
            self.send(TimePassed(), wait * SECOND)
            for name in (BTC, ETH):
                self.see(name, self.mark(name))

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
        before, marks = standing(self.venue.state, order.pool), self.marks()
        effects = self.send(LiquidationFill(order.number, taker, max(1, abs(order.lots) * share // 100), price))
        if marks == self.marks():  # a breaker's fallback price may step within the event
            self.judge_harm(order.pool, before, effects)

    def marks(self) -> list[int | None]:
        return [row.mark for _, row in sorted(self.venue.state.markets.items())]

    def judge_harm(self, pool: int, before: Standing, effects: Sequence[Effect]) -> None:
        """I4: no larger deficit over maintenance than before, unless the rule harms, and then the effect says so."""
        closed = [e for e in effects if isinstance(e, LiquidationClosed)]
        elsewhere = any(isinstance(e, Deleveraged | LossShared | CollateralSeized) for e in effects)
        if len(closed) != 1 or elsewhere or closed[0].stage is not Stage.BOOK or before.counted_maintenance <= 0:
            return
        after = standing(self.venue.state, pool)
        ratios = after.counted_maintenance * before.maintenance, before.counted_maintenance * after.maintenance
        assert not after.owes or ratios[0] >= ratios[1] or closed[0].worse_off
        gentle = isinstance(self.policies.price, BankruptcyPrice) and not self.policies.size.harms_by_design
        assert not (closed[0].worse_off and gentle)

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
        """A halt, a price and a fill inside it, and its end."""
        self.send(Pause(name, "by hand"))
        self.see(BTC, max(1, self.mark(BTC) * (10**6 + move) // 10**6))
        self.send(TimePassed(), 5 * SECOND)
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
        again = Venue(self.first_terms, self.policies)
        for event in self.log:
            again.apply(decode(encode(event)))
        assert again.state.digest() == self.digest
