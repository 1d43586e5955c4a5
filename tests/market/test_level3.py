"""Level-3 events: what is refused, and the book they make, which never crosses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.evidence.bench.level3_bench import drawn_events, plain_loop, sides_of
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.market.books import BookSnapshots
from leverline.market.order_events import ACTIONS, OrderEvents, rebuild, unit_digits
from leverline.market.sources.level3 import describe_level3, read_level3
from tests.market.books import START_NS, Case, assert_refused, at, csv, shapes

HEAD = "order_id,price,volume,action,side,ts,seq,symbol"
GOOD = f"7,99,2,created,bid,{at(0)},0,A"


def second(row: str, head: str = HEAD) -> bytes:
    return csv(head, GOOD, row)


CASES = [
    *shapes(HEAD, GOOD, {c: HEAD.replace(c, "x") for c in ("order_id", "price", "volume", "action", "side", "symbol")}),
    Case("action a word", second(f"8,99,2,amended,bid,{at(1)},1,A"), 2, "action", "is no action"),
    Case("action empty", second(f"8,99,2,,bid,{at(1)},1,A"), 2, "action", "is missing"),
    Case("side a word", second(f"8,99,2,created,B,{at(1)},1,A"), 2, "side", "is no side"),
    Case("id missing", second(f",99,2,created,bid,{at(1)},1,A"), 2, "order_id", "missing"),
    Case("id endless", second(f"{'x' * 200},99,2,created,bid,{at(1)},1,A"), 2, "order_id", "endless"),
    Case("price negative", second(f"8,-99,2,created,bid,{at(1)},1,A"), 2, "price", "negative"),
    Case("price NaN", second(f"8,NaN,2,created,bid,{at(1)},1,A"), 2, "price", "not finite"),
    Case("volume negative", second(f"8,99,-2,created,bid,{at(1)},1,A"), 2, "volume", "negative"),
    Case("volume missing", second(f"8,99,,created,bid,{at(1)},1,A"), 2, "volume", "missing"),
    Case("volume infinite", second(f"8,99,inf,created,bid,{at(1)},1,A"), 2, "volume", "not finite"),
    Case("seq twice", second(f"8,99,2,created,bid,{at(1)},0,A"), 2, "seq", "does not follow"),
    Case("seq falls", csv(HEAD, f"7,99,2,created,bid,{at(0)},5,A", f"8,99,2,created,bid,{at(1)},4,A"), 2, "seq",
         "does not follow"),
    Case("seq a fraction", second(f"8,99,2,created,bid,{at(1)},1.5,A"), 2, "seq", "whole number"),
    Case("goes back", csv(HEAD, f"7,99,2,created,bid,{at(5)},0,A", f"8,99,2,created,bid,{at(1)},1,A"), 2, "ts",
         "back in time"),
    Case("time a word", second("8,99,2,created,bid,noon,1,A"), 2, "ts", "not a time"),
    Case("mixed epochs", csv(HEAD, "7,99,2,created,bid,1760054400,0,A", "8,99,2,created,bid,1760054400000,1,A"), 2,
         "ts", "in ms"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_malformed_events_are_refused_with_their_place(case: Case, tmp_path: Path) -> None:
    """A book would be built from events that never were."""
    assert_refused(case, tmp_path, read_level3)


def events_of(*rows: tuple[float, int, str, str, float, float]) -> OrderEvents:
    """Events (second, id, action, side, price, volume)."""
    second, order, action, side, price, volume = zip(*rows, strict=True)
    return OrderEvents(
        "A", START_NS + np.rint(np.array(second) * 1e9).astype(np.int64), np.array(order, np.int64),
        np.array([s == "ask" for s in side], np.int8), np.array(price, np.float64), np.array(volume, np.float64),
        np.array([ACTIONS[a] for a in action], np.int8))


QUIET = ((0, 0, "created", "bid", 99.0, 2.0), (0, 1, "created", "ask", 101.0, 3.0),
         (0, 2, "created", "ask", 102.0, 4.0))


def tops(book: BookSnapshots) -> list[tuple[float, float]]:
    return list(zip(book.bid_price[:, 0].tolist(), book.ask_price[:, 0].tolist(), strict=True))


def test_an_order_that_is_about_to_match_is_not_in_the_book() -> None:
    """A feed that reports the taker before its fills would show a bid above the asks."""
    rebuilt = rebuild(events_of(*QUIET, (0.9, 3, "created", "bid", 101.5, 3.0), (1.1, 1, "deleted", "ask", 101.0, 0.0),
                                (1.1, 3, "deleted", "bid", 101.5, 0.0), (2, 9, "deleted", "bid", 1.0, 1.0)), levels=2)
    assert tops(rebuilt.snapshots) == [(99.0, 101.0), (99.0, 101.0), (99.0, 102.0)]
    assert rebuilt.marketable == 1
    assert rebuilt.counts["unknown-order"] == 1


def test_what_is_left_of_a_taker_rests_once_nothing_crosses_it() -> None:
    """The rest of a large order would be missing from the book that it now leads."""
    rebuilt = rebuild(events_of(*QUIET, (0.9, 3, "created", "bid", 101.5, 5.0), (0.9, 1, "deleted", "ask", 101.0, 0.0),
                                (0.9, 3, "changed", "bid", 101.5, 2.0), (2, 9, "deleted", "bid", 1.0, 1.0)), levels=2)
    assert tops(rebuilt.snapshots)[1:] == [(101.5, 102.0)] * 2
    assert rebuilt.snapshots.bid_size[1].tolist() == [2.0, 2.0]


def test_an_order_whose_removal_was_lost_gives_way_after_the_patience() -> None:
    """One lost message would hold the best ask of a market for hours."""
    rebuilt = rebuild(events_of(*QUIET, (0.5, 3, "created", "bid", 101.0, 5.0), (4, 4, "created", "bid", 98.0, 1.0)),
                      levels=2)
    assert tops(rebuilt.snapshots) == [(99.0, 101.0), (99.0, 101.0)] + [(101.0, 102.0)] * 3
    assert rebuilt.counts["ghost-order"] == 1
    assert [f.rule for f in rebuilt.snapshots.findings] == ["ghost-order", "thin-levels"]


def test_a_recording_that_ends_by_deleting_all_is_not_an_empty_market() -> None:
    """The end of a recording would be the worst liquidity ever seen."""
    rebuilt = rebuild(events_of(*QUIET, *((2, i, "deleted", "bid", 99.0, 1.0) for i in range(3))), levels=2)
    assert tops(rebuilt.snapshots) == [(99.0, 101.0)] * 2
    assert rebuilt.counts["one-sided-book"] == 1


ORDERS = st.lists(st.tuples(
    st.sampled_from([0.0, 0.05, 0.3, 1.2]), st.integers(0, 12), st.sampled_from(list(ACTIONS)),
    st.sampled_from(["bid", "ask"]), st.integers(0, 9).map(float), st.sampled_from([0.0, 0.5, 1.25, 3.0])),
    min_size=1, max_size=80)


@given(ORDERS)
@settings(max_examples=150, deadline=None)
def test_the_engine_never_crosses_and_agrees_with_a_plain_loop(
    steps: list[tuple[float, int, str, str, float, float]],
) -> None:
    """A crossed book gives a negative cost of liquidation; two engines that differ are both in doubt."""
    seconds = np.cumsum([step[0] for step in steps])
    events = events_of((0, 90, "created", "bid", 0.5, 1.0), (0, 91, "created", "ask", 9.5, 1.0),
                       *((float(s), *step[1:]) for s, step in zip(seconds, steps, strict=True)))
    book = rebuild(events, every_s=0.1, levels=4).snapshots
    assert (book.bid_price[:, 0] < book.ask_price[:, 0]).all()
    for ours, plain in zip(sides_of(book), plain_loop(events, 4, book), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-12, equal_nan=True)


def test_the_engine_agrees_with_a_plain_loop_on_a_long_run() -> None:
    """An order lost in a linked list shows only after thousands of events."""
    events = drawn_events(20_000)
    book = rebuild(events, levels=20).snapshots
    for ours, plain in zip(sides_of(book), plain_loop(events, 20, book), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-12, equal_nan=True)


def test_ids_may_be_text(tmp_path: Path) -> None:
    """Venues that name orders by UUID would not be readable."""
    (tmp_path / "e.csv").write_bytes(csv(HEAD, f"a-1,99,2,created,bid,{at(0)},0,A", f"b,101,2,created,ask,{at(0)},1,A",
                                         f"a-1,99,1,changed,bid,{at(1)},2,A"))
    (events,) = read_level3(tmp_path / "e.csv")
    assert events.order.tolist() == [0, 1, 0]
    assert rebuild(events).snapshots.bid_size[-1, 0] == 1.0


def test_volumes_of_any_size_are_counted_without_overflow() -> None:
    """A coin of 10^14 units would show negative depth."""
    assert unit_digits(np.array([1.0])) == 8
    events = events_of((0, 0, "created", "bid", 1e-6, 4e14), (0, 1, "created", "bid", 1e-6, 4e14),
                       (0, 2, "created", "ask", 2e-6, 1e14), (1, 9, "deleted", "ask", 1.0, 1.0))
    assert rebuild(events).snapshots.bid_size[0, 0] == 8e14


def test_what_cannot_be_rebuilt_is_said() -> None:
    """A spacing beyond the recording would give a book without a snapshot and no reason."""
    with pytest.raises(InsufficientDataError):
        rebuild(events_of((0.4, 0, "created", "bid", 1.0, 1.0), (0.6, 1, "created", "ask", 2.0, 1.0)), every_s=60)
    with pytest.raises(UsageError):
        rebuild(events_of(*QUIET), levels=0)


@pytest.mark.shared_data
def test_a_real_recording_never_crosses_and_its_lost_removals_are_found(shared_data: Path) -> None:
    """Played naively this feed is crossed for nine tenths of its events."""
    path = shared_data / "l3_events_bitstamp_btcusd_2026_05_02.parquet"
    (events,) = read_level3(path, symbol="BTC/USD")
    rebuilt = rebuild(events)
    book = rebuilt.snapshots
    assert len(events) == 314_057
    assert len(book) == 1_800
    assert (book.bid_price[:, 0] < book.ask_price[:, 0]).all()
    assert rebuilt.counts["unknown-order"] == 13
    assert rebuilt.counts["ghost-order"] == 2
    trades = pl.read_parquet(shared_data / "trades_bitstamp_btcusd_2026_05_02.parquet").sort("ts")
    after = np.searchsorted(book.ts, trades["ts"].dt.epoch("ns").to_numpy(), side="left")
    low = np.minimum(book.bid_price[after - 1, 0], book.bid_price[np.minimum(after, 1_799), 0])
    high = np.maximum(book.ask_price[after - 1, 0], book.ask_price[np.minimum(after, 1_799), 0])
    outside = np.maximum(low - trades["price"].to_numpy(), trades["price"].to_numpy() - high)
    assert np.quantile(outside, 0.95) < 10  # ticks: prints happen where the book says that the market is
    (line,) = describe_level3([path]).symbols
    assert line.measured["created"] == 156_889
