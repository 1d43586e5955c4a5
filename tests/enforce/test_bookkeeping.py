"""What a venue keeps about itself: writes that can be taken back, keys that it has seen, one number for its state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from leverline.enforce import state as state_module
from leverline.enforce.effects import Breaker, Reject, Rejected
from leverline.enforce.events import Deposit, Event, Interest, PoolKey, TimePassed
from leverline.enforce.ledger import Ledger
from leverline.enforce.margining import standing
from leverline.enforce.owing import Owing, Peril
from leverline.enforce.state import VenueState
from leverline.enforce.undo import Undo
from leverline.enforce.venue import OUTSIDE_MARKET
from tests.enforce.worlds import ANN, BOB, BTC, ETH, World

USDT = 10**6
steps = st.lists(st.tuples(st.sampled_from(["put", "remove", "append", "ask", "mark", "back"]), st.integers(0, 3),
                           st.integers(0, 9)), max_size=40)


@given(steps=steps)
def test_what_was_written_is_told_and_taken_back(steps: Any) -> None:
    """An index that lags behind its writes hides a pool from whoever looks at what changed."""
    undo, table, rows = Undo(), {0: 0, 1: 1}, [0]
    first: dict[int, int | None] = {}
    places: list[tuple[int, dict[int, int], list[int], dict[int, int | None]]] = []
    for name, key, value in steps:
        if name == "put" or (name == "remove" and key in table):
            first.setdefault(key, table.get(key))
            if name == "put":
                undo.put(table, key, value)
            else:
                undo.remove(table, key)
        elif name == "append":
            undo.append(rows, value)
        elif name == "ask":
            assert undo.before(table) == first
            assert (id(table) in undo.containers()) == bool(first)
            assert (id(rows) in undo.containers()) == (len(rows) > 1)
        elif name == "mark":
            places.append((undo.mark(), dict(table), list(rows), dict(first)))
        elif name == "back" and places:
            place, was, row, told = places.pop()
            undo.take_back(place)
            assert (table, rows) == (was, row)
            first = told
    assert undo.before(table) == first
    undo.take_back()
    assert (table, rows) == ({0: 0, 1: 1}, [0])
    assert not undo.before(table)


@given(steps=steps)
def test_what_was_worked_out_is_forgotten_with_the_next_write(steps: Any) -> None:
    """A pool valued before a trade and liquidated by that value after it is liquidated by mistake."""
    undo, table, places = Undo(), {0: 0}, list[int]()
    for name, _, value in steps:
        if name == "put":
            undo.put(table, 0, value)
        elif name == "mark":
            places.append(undo.mark())
        elif name == "back" and places:
            undo.take_back(places.pop())
        elif name == "append":
            undo.keep()
            places.clear()
        assert undo.worked_out().setdefault("value", table[0]) == table[0]


def test_a_pool_is_valued_anew_after_each_write_of_an_event() -> None:
    """The same, where it matters."""
    world = World.of()
    world.price(BTC, 10_000)
    pool = world.open(ANN, 50 * USDT)
    state = world.venue.state
    for cash in (7, 9, 7):
        state.undo.put(state.ledger.cash, pool, cash)
        assert standing(state, pool).equity == cash
    state.undo.take_back()
    assert standing(state, pool).equity == 50 * USDT
    state.ledger.cash[pool] = 3  # nobody should, but between events nothing is remembered
    assert standing(state, pool).equity == 3


def test_keys_are_remembered_as_long_as_promised_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of everything ever seen fills the memory; one that forgets early books a retry twice."""
    monkeypatch.setattr(state_module, "KEYS_KEPT", 3)
    world = World.of()
    venue, state = world.venue, world.venue.state

    def send(key: str, body: Any = TimePassed()) -> Any:  # noqa: B008 - frozen
        return venue.apply(Event(state.seq + 1, state.now_ns, key, body))

    for key in "abc":
        assert send(key) == ()
    assert [send(key)[0].reason for key in "abc"] == [Reject.DUPLICATE] * 3
    before = state.digest()
    assert send("x", Deposit(ANN, "USDT", 1)) == (Rejected(Reject.UNKNOWN_POOL, "ann"),)
    assert state.digest() == before
    assert send("d") == ()  # forgets a
    assert sorted(state.seen) == sorted(state.keys) == ["b", "c", "d"]
    assert [send(key)[0].reason for key in "bcd"] == [Reject.DUPLICATE] * 3
    assert venue.apply(Event(1, state.now_ns, "a", TimePassed()))[0] == Rejected(  # as it was sent: its number is gone
        Reject.OUT_OF_ORDER, "event 5 comes next")
    assert send("a") == ()  # under a new number it is a new event
    assert send("b") == ()
    for count in range(20):
        send(str(count))
    assert len(state.seen) == len(state.keys) == 3
    assert {key: state.seen[key] for key in state.keys} == {"17": 24, "18": 25, "19": 26}


CHANGES: dict[str, Callable[[VenueState], object]] = {
    "time": lambda state: setattr(state, "now_ns", 1 + state.now_ns),
    "sequence": lambda state: setattr(state, "seq", 1 + state.seq),
    "cash": lambda state: state.ledger.cash.__setitem__(1, 7),
    "house": lambda state: state.ledger.others.__setitem__(("fund", "USDT"), 7),
    "coins": lambda state: state.ledger.others.__setitem__((1, "COIN"), 7),
    "assets held": lambda state: state.ledger.assets_of.__setitem__(2, ("COIN",)),
    "pool": lambda state: state.pools.__setitem__(1, replace(state.pools[1], account_class="retail")),
    "number": lambda state: state.number.__setitem__(PoolKey("zoe"), 9),
    "owner": lambda state: state.owners.__setitem__("zoe", {1: None}),
    "lots": lambda state: state.positions.lots[1].__setitem__(BTC, 5),
    "cost": lambda state: state.positions.cost[1].__setitem__(BTC, 5),
    "holder": lambda state: state.holders[ETH].__setitem__(1, None),
    "mark": lambda state: state.markets.__setitem__(BTC, state.markets[BTC].at(9_999, 0)),
    "breaker": lambda state: state.markets.__setitem__(BTC, replace(state.markets[BTC], breaker=Breaker.HALTED)),
    "paused": lambda state: state.markets.__setitem__(BTC, replace(state.markets[BTC], paused=True)),
    "asset price": lambda state: state.asset_price.__setitem__("COIN", 5),
    "terms": lambda state: state.book.__setitem__("now", replace(state.terms, book_id="another")),
    "room": lambda state: state.room("owing").__setitem__(1, Owing(BTC, Peril.CASH)),
    "another room": lambda state: state.room("calls").__setitem__(1, 0),
    "a third room": lambda state: state.room("pending").__setitem__(1, 0),
    "key": lambda state: state.keys.__setitem__(0, "another"),
    "seen": lambda state: state.seen.__setitem__("another", 1),
}


def traded() -> World:
    world = World.of()
    world.price(BTC, 10_000)
    world.price("COIN", USDT)
    for key in (ANN, BOB):
        world.open(key, 50 * USDT)
    world.must(Deposit(ANN, "COIN", USDT))
    world.trade(ANN, BOB, 10, 10_000)
    world.must(Interest("COIN", 10))
    return world


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_digest_sees_every_part_of_the_state(change: Any) -> None:
    """What the digest does not see may differ between two machines that call themselves equal."""
    state = traded().venue.state
    before = state.digest()
    assert before == traded().venue.state.digest()
    change(state)
    assert state.digest() != before


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    """A rejected event may leave a dictionary in another order, and must leave the same digest."""
    state = traded().venue.state
    before = state.digest()
    tables: list[dict[Any, Any]] = [
        state.ledger.others, state.number, state.owners, state.holders, state.seen, state.markets, state.rooms,
        *state.positions.lots]
    for table in tables:
        rows = list(table.items())[::-1]
        table.clear()
        table.update(rows)
    assert state.digest() == before


def test_assets_held_are_known_again_from_the_balances() -> None:
    """A venue that wakes up from a snapshot and forgets who holds coins values them at nothing."""
    ledger = traded().venue.state.ledger
    assert ledger.assets_of == {1: ("COIN",)}
    assert Ledger("USDT", Undo(), ledger.cash, dict(ledger.others)).assets_of == ledger.assets_of


def test_coins_that_come_in_a_rejected_event_are_not_held() -> None:
    """The same for what was taken back."""
    world = World.of()
    world.price(BTC, 10_000)
    pool = world.open(ANN)
    state = world.venue.state
    state.ledger.move("outside", pool, "COIN", 5)
    assert state.ledger.assets_of == {pool: ("COIN",)}
    state.undo.take_back()
    assert state.ledger.assets_of == {}
    assert world.venue.state.pools[0].key == OUTSIDE_MARKET
