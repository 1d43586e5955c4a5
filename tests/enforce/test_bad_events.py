"""Each kind of event with each fault: malformed, out of range, of nothing known, out of order, replayed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from leverline.enforce.effects import Reject, Rejected
from leverline.enforce.events import (
    AdoptLimits,
    AuctionBid,
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
from leverline.enforce.policy_presets import LEVERLINE_AUCTION, PRESETS
from leverline.enforce.shape import BODIES
from leverline.enforce.terms import terms_of_book
from leverline.enforce.venue import OUTSIDE_MARKET, Venue
from leverline.model.accounts import Mode
from tests.enforce.machine import BOOKS, JSON
from tests.enforce.worlds import ANN, BOB, BTC, CAT, DAN, ETH, SECOND, World

USDT = 10**6
EVE = PoolKey("eve")
VALID: dict[type, Any] = {
    OpenPool: OpenPool(PoolKey("fay", "apart"), "fay", Mode.ISOLATED),
    Deposit: Deposit(ANN, "USDT", 5),
    Withdraw: Withdraw(BOB, "USDT", 5),
    Transfer: Transfer(BOB, PoolKey("bob", "apart"), "USDT", 5),
    OrderIntent: OrderIntent(BOB, BTC, 1, 9_100),
    Fill: Fill(BTC, BOB, CAT, 1, 9_100),
    OracleUpdate: OracleUpdate(BTC, "one", 9_200, 0, 10 * SECOND),
    Funding: Funding(BTC, 100),
    Interest: Interest("COIN", 100),
    AdoptLimits: AdoptLimits(JSON[5.0, True], 86_400 * SECOND),
    TimePassed: TimePassed(),
    Pause: Pause(BTC, "odd prices"),
    Resume: Resume(ETH, "explained"),
    LiquidationFill: LiquidationFill(3, CAT, 1, 9_000),
    AuctionBid: AuctionBid(2, CAT, 1, 20_000),
    Settle: Settle(BTC, 9_000),
    Convert: Convert(BOB, CAT, "COIN", 5, USDT),
    FundInsurance: FundInsurance("", 5),
    DepthUpdate: DepthUpdate(BTC, 5),
}
"""Of each kind one that :func:`ready` takes."""


def ready() -> World:
    """A venue where lots of Ann's are in an auction and lots of Dan's in the book; another market is halted."""
    world = World(Venue(terms_of_book(BOOKS[10.0, False]), LEVERLINE_AUCTION))
    for key, cash in ((ANN, 12), (BOB, 100), (CAT, 100), (DAN, 12), (PoolKey("bob", "apart"), 1)):
        world.open(key, cash * USDT)
    world.must(Deposit(BOB, "COIN", 100 * USDT))
    for name in (BTC, ETH):
        world.price(name, 10_000)
    world.price("COIN", USDT)
    world.trade(ANN, OUTSIDE_MARKET, 100, 10_000)
    world.price(BTC, 9_100)
    world.must(TimePassed(), after_s=10)
    world.trade(DAN, OUTSIDE_MARKET, 100, 9_100)
    world.price(BTC, 8_200)
    world.must(Pause(ETH, "odd prices"))
    assert sorted(world.venue.state.room("auctions")) == [2]
    assert sorted(world.venue.state.room("orders")) == [3]
    return world


BY_HINT: dict[str, dict[Any, Reject]] = {
    "int": {True: Reject.MALFORMED, 1.5: Reject.MALFORMED, None: Reject.MALFORMED, "5": Reject.MALFORMED,
            2**63: Reject.OVERFLOW, -(2**63): Reject.OVERFLOW},
    "str": {5: Reject.MALFORMED, b"a": Reject.MALFORMED, None: Reject.MALFORMED, "\ud800": Reject.MALFORMED,
            "x" * 16_000_001: Reject.OVERFLOW},
    "PoolKey": {("ann", ""): Reject.MALFORMED, None: Reject.MALFORMED, PoolKey("x" * 201): Reject.OVERFLOW,
                PoolKey("a", "\udfff"): Reject.MALFORMED, PoolKey(5): Reject.MALFORMED},  # type: ignore[arg-type]
    "bool": {1: Reject.MALFORMED, None: Reject.MALFORMED},
    "Mode": {"cross": Reject.MALFORMED, None: Reject.MALFORMED},
}
"""What no field of a type may hold."""

LARGE = 2**62
OUT_OF_RANGE: dict[tuple[type, str], dict[int, Reject | None]] = {
    (Deposit, "amount"): {0: Reject.NOT_POSITIVE, -1: Reject.NOT_POSITIVE, LARGE: Reject.OVERFLOW},
    (Withdraw, "amount"): {0: Reject.NOT_POSITIVE, -1: Reject.NOT_POSITIVE, LARGE: Reject.OVERFLOW,
                           LARGE - 1: Reject.INSUFFICIENT},
    (Transfer, "amount"): {0: Reject.NOT_POSITIVE, -1: Reject.NOT_POSITIVE, LARGE: Reject.OVERFLOW,
                           LARGE - 1: Reject.INSUFFICIENT},
    (OrderIntent, "lots"): {0: Reject.NOT_POSITIVE, LARGE: Reject.OVERFLOW, -LARGE: Reject.OVERFLOW,
                            LARGE - 1: Reject.OVERFLOW},
    (OrderIntent, "price"): {0: Reject.NOT_POSITIVE, -1: Reject.NOT_POSITIVE, LARGE: Reject.OVERFLOW},
    (Fill, "lots"): {0: Reject.NOT_POSITIVE, -1: Reject.NOT_POSITIVE, LARGE: Reject.OVERFLOW},
    (Fill, "price"): {0: Reject.NOT_POSITIVE, -1: Reject.NOT_POSITIVE, LARGE: Reject.OVERFLOW},
    (Fill, "buyer_fee"): {LARGE: Reject.OVERFLOW, -LARGE: Reject.OVERFLOW},
    (Fill, "seller_fee"): {LARGE: Reject.OVERFLOW, -LARGE: Reject.OVERFLOW},
    (OracleUpdate, "price"): {0: Reject.NOT_POSITIVE, -1: Reject.NOT_POSITIVE, LARGE: Reject.OVERFLOW},
    (OracleUpdate, "confidence"): {-1: Reject.OVERFLOW, LARGE: Reject.OVERFLOW},
    (OracleUpdate, "published_ns"): {-1: Reject.MALFORMED, 11 * SECOND: Reject.MALFORMED, LARGE: Reject.MALFORMED},
    (Funding, "rate_ppm"): {10**6: Reject.OVERFLOW, -(10**6): Reject.OVERFLOW, LARGE: Reject.OVERFLOW},
    (Interest, "rate_ppm"): {10**6: Reject.OVERFLOW, -1: Reject.OVERFLOW, LARGE: Reject.OVERFLOW},
    (AdoptLimits, "decay_ns"): {-1: Reject.LIMITS, LARGE: Reject.LIMITS},
    (LiquidationFill, "order"): {0: Reject.UNKNOWN_ORDER, -1: Reject.UNKNOWN_ORDER, LARGE: Reject.UNKNOWN_ORDER,
                                 2: Reject.UNKNOWN_ORDER},  # an auction's
    (LiquidationFill, "lots"): {0: Reject.OVERFLOW, -1: Reject.OVERFLOW, LARGE: Reject.OVERFLOW},
    (LiquidationFill, "price"): {0: Reject.PRICE_BAND, -1: Reject.PRICE_BAND, LARGE: Reject.OVERFLOW},
    (AuctionBid, "auction"): {0: Reject.UNKNOWN_ORDER, -1: Reject.UNKNOWN_ORDER, LARGE: Reject.UNKNOWN_ORDER,
                              3: Reject.UNKNOWN_ORDER},  # an order's
    (AuctionBid, "lots"): {0: Reject.NOT_POSITIVE, -1: Reject.NOT_POSITIVE, LARGE: None},  # of what is left
    (AuctionBid, "limit"): {0: Reject.NOT_POSITIVE, -1: Reject.NOT_POSITIVE, LARGE: None},
    (Settle, "price"): {0: Reject.NOT_POSITIVE, -1: Reject.NOT_POSITIVE, LARGE: Reject.OVERFLOW},
    (Convert, "amount"): {0: Reject.NOT_POSITIVE, -1: Reject.NOT_POSITIVE, LARGE: Reject.OVERFLOW,
                          LARGE - 1: Reject.INSUFFICIENT},
    (Convert, "price"): {0: Reject.NOT_POSITIVE, -1: Reject.NOT_POSITIVE, LARGE: Reject.INSUFFICIENT},
    (FundInsurance, "amount"): {0: Reject.NOT_POSITIVE, -1: Reject.NOT_POSITIVE, LARGE: Reject.OVERFLOW},
    (DepthUpdate, "lots"): {-1: Reject.NOT_POSITIVE, LARGE: Reject.OVERFLOW},
}
"""Integers of the right type that mean nothing; None: taken as far as there is anything to take."""

UNKNOWN: dict[str, Reject] = {"pool": Reject.UNKNOWN_POOL, "source": Reject.UNKNOWN_POOL, "target": Reject.UNKNOWN_POOL,
                              "buyer": Reject.UNKNOWN_POOL, "seller": Reject.UNKNOWN_POOL,
                              "counterparty": Reject.UNKNOWN_POOL, "bidder": Reject.UNKNOWN_POOL,
                              "market": Reject.UNKNOWN_MARKET, "name": Reject.UNKNOWN_MARKET,
                              "asset": Reject.UNKNOWN_ASSET}
FIELDS = [(kind, name, hint) for kind in VALID for name, hint in kind.__annotations__.items()]
NAMED = [(kind, name) for kind, name, _ in FIELDS
         if name in UNKNOWN and kind is not OpenPool and (kind, name) != (OracleUpdate, "source")]


WRITTEN = JSON[5.0, True]


def rejects(event: Event, reason: Reject | None) -> None:
    """The code, one effect and no trace; and the sender may send the right event under the same number."""
    world = ready()
    before = world.venue.state.digest()
    effects = world.venue.apply(event)
    if reason is None:
        assert not any(isinstance(effect, Rejected) for effect in effects)
        return
    assert [effect.reason for effect in effects if isinstance(effect, Rejected)] == [reason], effects
    assert len(effects) == 1
    assert world.venue.state.digest() == before
    kind = type(event.body) if type(event.body) in VALID else Deposit
    assert not any(isinstance(effect, Rejected) for effect in world.do(VALID[kind]))


def event(body: Any, *, ahead: int = 1, later_ns: int = 0, key: Any = "a new one") -> Event:
    """One event of a sender who knows where the venue stands."""
    state = ready().venue.state
    return Event(state.seq + ahead, state.now_ns + later_ns, key, body)


def test_every_kind_is_here() -> None:
    """A new kind of event would come in without a test of what it refuses."""
    assert {kind.__name__ for kind in VALID} == set(BODIES)
    assert set(OUT_OF_RANGE) == {(kind, name) for kind, name, hint in FIELDS if hint == "int"}


@pytest.mark.parametrize("body", VALID.values(), ids=lambda body: type(body).__name__)
def test_each_is_taken_without_a_fault(body: Any) -> None:
    """A fault could not be told from a body that is refused anyway."""
    assert not any(isinstance(effect, Rejected) for effect in ready().do(body))


@pytest.mark.parametrize(("kind", "name", "hint"), FIELDS)
def test_a_field_of_another_type_or_size_is_malformed(kind: type, name: str, hint: str) -> None:
    """A number read as another number is money moved by mistake."""
    for value, reason in BY_HINT[hint].items():
        if hint != "str" or name == "book" or value != "x" * 16_000_001:
            rejects(event(replace(VALID[kind], **{name: value})), reason)
    if hint == "str" and name != "book":
        rejects(event(replace(VALID[kind], **{name: "x" * 201})), Reject.OVERFLOW)


@pytest.mark.parametrize(("kind", "name", "value", "reason"), [
    (kind, name, value, reason) for (kind, name), row in OUT_OF_RANGE.items() for value, reason in row.items()])
def test_an_integer_that_means_nothing_has_its_code(kind: type, name: str, value: int, reason: Reject | None) -> None:
    """What overflows or is negative must not reach a balance, or be told as something else."""
    rejects(event(replace(VALID[kind], **{name: value})), reason)


@pytest.mark.parametrize(("kind", "name"), NAMED)
def test_what_is_named_is_known(kind: type, name: str) -> None:
    """A name with a misspelling would become an account, a market or an asset of its own."""
    stranger: Any = EVE if kind.__annotations__[name] == "PoolKey" else "GOLD"
    rejects(event(replace(VALID[kind], **{name: stranger})), UNKNOWN[name])


@pytest.mark.parametrize("body", VALID.values(), ids=lambda body: type(body).__name__)
def test_out_of_place_is_refused(body: Any) -> None:
    """I12: a journal with a gap, a repetition or time running back is not the journal."""
    for ahead in (-1, 0, 2, 2**40):
        rejects(event(body, ahead=ahead), Reject.OUT_OF_ORDER)
    rejects(event(body, later_ns=-1), Reject.OUT_OF_ORDER)
    rejects(event(body, key="event 0"), Reject.DUPLICATE)


@pytest.mark.parametrize("body", VALID.values(), ids=lambda body: type(body).__name__)
def test_the_same_command_twice_is_once(body: Any) -> None:
    """I12: a sender who did not hear the answer sends again; under a new number too it must not move money twice."""
    world = ready()
    sent = event(body)
    world.venue.apply(sent)
    before = world.venue.state.digest()
    for again in (sent, replace(sent, seq=sent.seq + 1), replace(sent, seq=sent.seq + 1, body=TimePassed())):
        effects = world.venue.apply(again)
        assert [e.reason for e in effects if isinstance(e, Rejected)] == [Reject.DUPLICATE]
        assert world.venue.state.digest() == before


@pytest.mark.parametrize(("changed", "reason"), [
    ({"seq": True}, Reject.MALFORMED), ({"seq": 2**63}, Reject.OVERFLOW), ({"ts_ns": -1}, Reject.MALFORMED),
    ({"ts_ns": 1.5}, Reject.MALFORMED), ({"id": ""}, Reject.MALFORMED), ({"id": 5}, Reject.MALFORMED),
    ({"id": "x" * 201}, Reject.OVERFLOW), ({"id": "\ud800"}, Reject.MALFORMED),
    ({"body": "nonsense"}, Reject.MALFORMED), ({"body": None}, Reject.MALFORMED), ({"body": 5}, Reject.MALFORMED)])
def test_an_envelope_is_judged_before_what_is_in_it(changed: dict[str, Any], reason: Reject) -> None:
    """A sequence that can be spoilt from outside stops the venue for everybody."""
    rejects(replace(event(VALID[Deposit]), **changed), reason)


@pytest.mark.parametrize("document", [
    "", "{}", "[]", "null", WRITTEN[:-3], WRITTEN.replace('"lot": 0.001', '"lot": 1')])
def test_limits_that_are_no_book_are_refused(document: str) -> None:
    """Half a book in force is no line at all."""
    rejects(event(AdoptLimits(document)), Reject.LIMITS)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_price_that_no_ledger_carries_does_not_stop_the_venue(preset: str) -> None:
    """Taken, it would make every later look at its holders overflow: time itself was refused, and with it top-ups."""
    world = World(Venue(terms_of_book(BOOKS[10.0, False]), PRESETS[preset]))
    for key in (ANN, BOB):
        world.open(key, 100 * USDT)
    world.price(BTC, 10_000)
    world.trade(ANN, BOB, 1_771, 10_000)
    for price in (2**61, 2**55, 2**50, 2**44, 2**43, 2**42, 2**41, 2**40):
        said = world.do(OracleUpdate(BTC, "one", price, 0, world.venue.state.now_ns), after_s=2)
        if not any(isinstance(effect, Rejected) for effect in said):
            break
        assert [e.reason for e in said if isinstance(e, Rejected)] == [Reject.OVERFLOW]
    for body in (Deposit(BOB, "USDT", 5), TimePassed(), TimePassed(), Deposit(ANN, "USDT", 5), TimePassed()):
        world.must(body, after_s=61)


def test_a_trade_that_no_ledger_carries_at_the_mark_is_refused() -> None:
    """Small at its own price, it would be as large at the mark as the price that is refused."""
    world = World(Venue(terms_of_book(BOOKS[10.0, False]), LEVERLINE_AUCTION))
    for key in (ANN, BOB):
        world.open(key, 100 * USDT)
    world.price(BTC, 2**50)
    assert [e.reason for e in world.do(Fill(BTC, ANN, BOB, 1_000, 1)) if isinstance(e, Rejected)] == [Reject.OVERFLOW]
