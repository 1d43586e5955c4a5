"""A crash in columns: the same state and the same effects as one pool at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from leverline.enforce import band_watch
from leverline.enforce.auctions import DutchAuction
from leverline.enforce.backstop import VAULT, BackstopVault
from leverline.enforce.crash import waterfall
from leverline.enforce.deleveraging.queues import QueueByProfitAndLeverage, RandomStart
from leverline.enforce.deleveraging.sharing import LeastLargestHaircut, Measure, ProRata
from leverline.enforce.deleveraging_stage import Deleveraging
from leverline.enforce.effect_batch import EffectBatch
from leverline.enforce.effects import Effect, Reject, Rejected, Stage
from leverline.enforce.events import (
    Body,
    Deposit,
    Event,
    Fill,
    FundInsurance,
    OpenPool,
    OracleUpdate,
    PoolKey,
    TimePassed,
)
from leverline.enforce.insurance_fund import InsuranceFund
from leverline.enforce.oracle_sale import OracleSale
from leverline.enforce.owing import Peril
from leverline.enforce.policies import VenuePolicies
from leverline.enforce.policy_presets import PRESETS
from leverline.enforce.rejection import RejectedError
from leverline.enforce.sizing import CloseFactor, Portion, TargetHealth, TierStep, WholePool
from leverline.enforce.socialise import SocialisedLoss
from leverline.enforce.socialise_by_position import SocialisedByPosition
from leverline.enforce.terms import TierTerms, VenueTerms
from leverline.enforce.undo import Undo
from leverline.enforce.venue import OUTSIDE_MARKET, Venue
from leverline.enforce.watch import SweepWatch
from leverline.model.accounts import Mode
from tests.enforce.invariants import (
    deleveraging_is_matched,
    funds_are_whole,
    lots_sum_to_zero,
    money_is_conserved,
    orders_fit_positions,
    stages_in_order,
)
from tests.enforce.worlds import BTC, ETH, SECOND, market, terms

USDT = 10**6
ORACLE = PRESETS["leverline-oracle"]
TIERS = (TierTerms(0, 50_000, 25_000, 0), TierTerms(30 * USDT, 80_000, 40_000, 450_000))
WIDE = (TierTerms(0, 50_000, 25_000, 0), TierTerms(40 * USDT, 200_000, 150_000, 5 * USDT))


@dataclass
class Twins:
    """One venue in columns from the first pool on, its bands too; one that never uses them, nor bands; same events."""

    columns: Venue
    exact: Venue
    batch: EffectBatch | None = None  # of the last event that gave one

    @classmethod
    def of(cls, policies: VenuePolicies, book: VenueTerms) -> Twins:
        return cls(Venue(book, policies, columns_from=1),
                   Venue(book, policies, columns_from=None, watch=SweepWatch()))

    def do(self, body: Body, after_s: int = 0) -> tuple[Effect, ...]:
        state = self.exact.state
        event = Event(state.seq + 1, state.now_ns + after_s * SECOND, f"event {state.seq + 1}", body)
        with patch.object(band_watch, "MANY", 2):
            expected, found = self.exact.apply(event), self.columns.apply(event)
        if isinstance(found, EffectBatch):
            self.batch = found
        assert list(found) == list(expected)
        assert len(found) == len(expected)
        assert found == expected
        assert self.columns.state.digest() == state.digest()
        for check in (money_is_conserved, lots_sum_to_zero, funds_are_whole, orders_fit_positions):
            check(self.columns.state)
        deleveraging_is_matched(found)
        stages_in_order(found, self.exact.policies)
        return tuple(expected)

    def price(self, name: str, price: int, after_s: int = 0) -> tuple[Effect, ...]:
        return self.do(OracleUpdate(name, "one", price, 0, 0), after_s)

    def open(self, key: PoolKey, cash: int, coins: int = 0) -> None:
        self.do(OpenPool(key, key.account, Mode.SEGREGATED if key.subaccount else Mode.CROSS))
        if cash:
            self.do(Deposit(key, "USDT", cash))
        if coins:
            self.do(Deposit(key, "COIN", coins))

    def trade(self, key: PoolKey, name: str, lots: int, other: PoolKey = OUTSIDE_MARKET, at: int = 10_000) -> None:
        if lots:
            buyer, seller = (key, other) if lots > 0 else (other, key)
            self.do(Fill(name, buyer, seller, abs(lots), at))


@dataclass(frozen=True)
class Holder:
    """One pool of a drawn book."""

    key: PoolKey
    cash: int
    coins: int
    btc: int
    eth: int
    entry: int


@st.composite
def holders(draw: st.DrawFn) -> list[Holder]:
    """Pools with one position and cash, most of them; some with coins, with a second market, or winning."""
    found = []
    for i in range(draw(st.integers(1, 12))):
        odd = draw(st.integers(0, 5))
        key = PoolKey(f"t{i}", draw(st.sampled_from(["", "apart"])))
        btc = draw(st.sampled_from([1, 1, 1, -1])) * draw(st.integers(1, 120))
        margin = draw(st.integers(20, 400))  # thousandths of notional
        found.append(Holder(key, abs(btc) * 1000 * margin, draw(st.integers(1, 3 * USDT)) if odd == 0 else 0,
                            0 if odd == 2 else btc, draw(st.integers(-30, 30)) if odd in (1, 2) else 0,
                            draw(st.integers(9_800, 10_200))))
    return found


SIZES: st.SearchStrategy[Any] = st.sampled_from([
    WholePool(), Portion(100_000, 0), Portion(250_000, 5 * USDT), CloseFactor(), TargetHealth(),
    TargetHealth(1_300_000), TierStep(), Portion(100_000, 0, cooldown_ns=SECOND)])
SALES = st.sampled_from([OracleSale(0), OracleSale(5_000), OracleSale(5_000, 60 * USDT), OracleSale(80_000, 300 * USDT),
                         OracleSale(5_000, 0)])
LINES = st.sampled_from([
    Deleveraging(QueueByProfitAndLeverage()), Deleveraging(RandomStart()), Deleveraging(ProRata(Measure.EQUITY)),
    Deleveraging(LeastLargestHaircut()), Deleveraging(RandomStart(), only_bankrupt=True, spares_the_weak=True)])
FUNDS = st.sampled_from([InsuranceFund(), InsuranceFund(loss_cap=USDT // 2), InsuranceFund(pools_shared=False),
                         InsuranceFund(perils=frozenset({Peril.CASH}))])
SHARING = st.sampled_from([SocialisedLoss(), SocialisedByPosition()])


@st.composite
def ways(draw: st.DrawFn) -> VenuePolicies:
    """A venue without a book."""
    auction = [DutchAuction()] if draw(st.integers(0, 4)) == 0 else []
    closing: list[Any] = [draw(SALES), *auction, BackstopVault(), draw(LINES)]
    closing = closing[draw(st.integers(0, 1)):]
    losses: tuple[Any, ...] = (draw(FUNDS), draw(SHARING))[draw(st.integers(0, 1)):]
    return replace(ORACLE, size=draw(SIZES), closing_stages=tuple(closing), loss_stages=losses)


@settings(max_examples=120, deadline=None)
@given(book=holders(), way=ways(), tiers=st.sampled_from([TIERS, WIDE, TIERS[:1]]), penalty=st.integers(0, 40_000),
       vault=st.sampled_from([0, 0, 3 * USDT, 500 * USDT]),
       fund=st.sampled_from([0, 1, USDT, 200 * USDT]), own_fund=st.sampled_from([0, 0, 300_000]),
       path=st.lists(st.integers(6_000, 14_000), min_size=1, max_size=3), matched=st.booleans())
def test_columns_decide_what_the_exact_path_decides(
        book: Any, way: Any, tiers: Any, penalty: Any, vault: Any, fund: Any, own_fund: Any, path: Any,
        matched: Any) -> None:
    """A fast path that pays one unit differently makes two venues out of one log."""
    twins = Twins.of(way, terms(market(BTC, tiers=tiers, penalty_ppm=penalty), market(ETH, penalty_ppm=penalty)))
    for name, price in ((BTC, 10_000), (ETH, 10_000), ("COIN", USDT)):
        twins.price(name, price)
    for name, amount in (("", fund), (BTC, own_fund)):
        if amount:
            twins.do(FundInsurance(name, amount))
    if vault:
        twins.open(VAULT, vault)
    maker = PoolKey("maker")
    twins.open(maker, 30 * USDT)
    for row in book:
        twins.open(row.key, row.cash, row.coins)
        twins.trade(row.key, BTC, row.btc, maker if matched and row.btc % 2 else OUTSIDE_MARKET, row.entry)
        twins.trade(row.key, ETH, row.eth)
    for price in path:
        twins.price(BTC, price, 1)
    twins.do(TimePassed(), 1)


def crowd(policies: VenuePolicies, longs: int = 40, *, winners: int = 4, fund: int = 0) -> Twins:
    """Longs of 100 lots at 10,000 ticks with 6, 6.5, ... USDT, a few rich shorts, the rest against the outside."""
    twins = Twins.of(policies, terms(market(BTC), market(ETH)))
    twins.price(BTC, 10_000)
    if fund:
        twins.do(FundInsurance("", fund))
    for i in range(winners):
        twins.open(PoolKey(f"winner {i}"), 400 * USDT)
    for i in range(longs):
        twins.open(PoolKey(f"long {i}"), (12 + i) * USDT // 2 + 7 * i)
        other = PoolKey(f"winner {i % winners}") if winners and i % 3 == 0 else OUTSIDE_MARKET
        twins.trade(PoolKey(f"long {i}"), BTC, 100, other)
    return twins


def test_a_gap_goes_through_every_stage_in_columns() -> None:
    """A column path that leaves the hard cases to the slow one is fast only when nothing happens."""
    twins = crowd(replace(ORACLE, closing_stages=(OracleSale(5_000, 2_500 * USDT), *ORACLE.closing_stages[1:])),
                  fund=30 * USDT)
    effects = twins.price(BTC, 8_000)
    assert twins.batch is not None
    assert sorted({type(table).__name__ for table in twins.batch.tables}) == [
        "Closings", "Deleveragings", "FundMovements", "LossShares", "MarginCalls", "Refusals"]  # and no Singles
    assert len(effects) > 100
    assert {effect.stage for effect in effects if hasattr(effect, "stage")} >= {
        Stage.BOOK, Stage.ORACLE, Stage.BACKSTOP, Stage.DELEVERAGING, Stage.INSURANCE_FUND}


def test_shorts_on_a_rise_go_the_same_way() -> None:
    """A sign taken the wrong way round is seen on one side only."""
    twins = crowd(ORACLE, longs=0)
    for i in range(20):
        twins.open(PoolKey(f"short {i}"), (10 + i) * USDT)
        twins.trade(PoolKey(f"short {i}"), BTC, -90, PoolKey(f"winner {i % 4}") if i % 2 else OUTSIDE_MARKET)
    twins.price(BTC, 12_345)
    assert twins.batch is not None
    assert "Closings" in repr(twins.batch)


def test_a_rejected_crash_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bulk writes that are not taken back are a crash that half happened."""
    twins = crowd(ORACLE, fund=USDT)
    before = twins.columns.state.digest()
    with monkeypatch.context() as patched:
        def refuse(*_: object) -> None:
            raise RejectedError(Reject.OVERFLOW, "at the last moment")

        patched.setattr(waterfall, "EffectBatch", refuse)
        state = twins.columns.state
        refused = twins.columns.apply(Event(state.seq + 1, state.now_ns, "x", OracleUpdate(BTC, "one", 8_000, 0, 0)))
    assert isinstance(refused[0], Rejected)
    assert twins.columns.state.digest() == before
    twins.price(BTC, 8_000)
    assert twins.batch is not None
    twins.price(BTC, 9_000)


def test_amounts_beyond_the_columns_go_the_exact_way() -> None:
    """An integer that wraps around turns a debt into a fortune."""
    twins = crowd(ORACLE)
    whale = PoolKey("whale")
    twins.open(whale, 2**61)
    twins.trade(whale, BTC, 2**40)
    assert twins.price(BTC, 8_000)
    assert twins.price(BTC, 200)
    assert twins.batch is None


def test_a_batch_reads_as_its_effects() -> None:
    """Whoever counts, indexes or walks the effects must not care which path made them."""
    twins = crowd(ORACLE)
    effects = twins.price(BTC, 8_000)
    batch = twins.batch
    assert batch is not None
    assert (batch[0], batch[-1], batch[1:3]) == (effects[0], effects[-1], effects[1:3])
    assert list(reversed(batch)) == list(reversed(effects))
    assert effects == batch
    assert batch != effects[:-1]
    assert batch != "effects"


@given(writes=st.lists(st.tuples(st.sampled_from(["put", "remove", "all", "gone", "each", "none"]),
                                 st.sets(st.integers(0, 5), min_size=1), st.integers(0, 9)), max_size=12),
       asked=st.integers(0, 12))
def test_many_writes_at_once_are_taken_back_like_one(writes: Any, asked: Any) -> None:
    """A pool that a refused event emptied must have its position again."""
    undo, rooms, rows = Undo(), {k: k for k in range(3)}, [{"a": k} for k in range(6)]
    before, before_rows = dict(rooms), [dict(row) for row in rows]
    touched = set()
    for i, (how, keys, value) in enumerate(writes):
        there, held = sorted(keys & set(rooms)), [k for k in sorted(keys) if rows[k]]
        match how:
            case "put":
                undo.put(rooms, min(keys), value)
                touched.add(min(keys))
            case "remove" if there:
                undo.remove(rooms, there[0])
                touched.add(there[0])
            case "all":
                undo.put_all(rooms, sorted(keys), [value] * len(keys))
                touched |= keys
            case "gone":
                undo.remove_all(rooms, there)
                touched |= set(there)
            case "each":
                undo.put_in_each(rows, held, "a", [value] * len(held))
            case "none":
                undo.remove_from_each(rows, held, "a")
        if i == asked:
            assert undo.keys(rooms) == touched
            assert undo.before(rooms) == {k: before.get(k) for k in touched}
    assert undo.before(rooms) == {k: before.get(k) for k in touched}
    undo.take_back()
    assert (rooms, rows) == (before, before_rows)
