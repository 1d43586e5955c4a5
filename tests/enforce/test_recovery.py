"""Recovery: a snapshot and the events after it, or older ones, or none: always the same state."""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from leverline.enforce import catching_up, state, state_codec
from leverline.enforce.catching_up import stride
from leverline.enforce.disk import RealDisk
from leverline.enforce.durable_venue import DurableVenue, begin, beginning, recover, replay
from leverline.enforce.effects import Effect, Rejected
from leverline.enforce.events import Event, OracleUpdate, OrderIntent, TimePassed
from leverline.enforce.journal import DamagedJournalError, Journal
from leverline.enforce.policy_presets import PRESETS
from leverline.enforce.snapshots import KEPT, newest_valid, read_snapshot, snapshot_path, snapshots_of, write_snapshot
from leverline.enforce.terms import terms_of_book
from leverline.enforce.venue import Venue
from leverline.enforce.watch import SweepWatch
from leverline.evidence.bench import drawn_venue
from leverline.evidence.bench.drawn_venue import DrawnVenue, limits
from tests.enforce.strides import must_end_alike

POOLS = 20
LEVERED = 20_000 * 10**6
"""Units of each of a pool's two positions: most have a few thousand."""


class _Unsynced(sqlite3.Connection):
    """Nothing is pulled from under these tests, and syncing takes most of a journal's time."""

    def execute(self, statement: str, values: tuple[Any, ...] = (), /) -> sqlite3.Cursor:  # type: ignore[override]
        return super().execute(statement.replace("synchronous = FULL", "synchronous = OFF"), values)


class QuickDisk(RealDisk):
    """The disk of this machine without waiting for it."""

    def connect(self, path: Path, *, writable: bool) -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, factory=_Unsynced)


QUICK = QuickDisk()


@pytest.fixture(autouse=True)
def wild(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices so wild that bands are left, margin is called and pools are liquidated; fewer keys than events."""
    monkeypatch.setattr(drawn_venue, "VOLATILITY_A_YEAR", 150.0)
    monkeypatch.setattr(drawn_venue, "TRADE_SHARE", 0.03)
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    for module in (state, state_codec, catching_up):
        monkeypatch.setattr(module, "KEYS_KEPT", 300)


def fresh(preset: str = "leverline", *, breakers: bool = False) -> Venue:
    return Venue(terms_of_book(limits(breakers=breakers)), PRESETS[preset])


def written(path: Path, count: int, *, preset: str = "leverline", breakers: bool = False, every: int = 400,
            seed: int = 1) -> str:
    """A journal of ``count`` events with a snapshot each ``every``; the digest of the state at its end."""
    venue, journal = begin(path, limits(breakers=breakers), preset, disk=QUICK)
    durable = DurableVenue(venue, journal, batch_events=200, batch_delay_s=1e9, snapshot_every=every)
    drawn = DrawnVenue(venue.state, durable.take, POOLS, seed)
    drawn.open()
    drawn.fill_everybody(LEVERED)
    drawn.run(count)
    durable.close()
    return venue.state.digest()


def recovered(path: Path) -> tuple[str, int, list[str]]:
    """Digest, the event of the snapshot, and the names of what was refused."""
    with Journal.open(path, QUICK, writable=False) as journal:
        venue, how = recover(journal)
        assert how.from_seq + how.replayed == venue.state.seq == journal.tail.seq
    return venue.state.digest(), how.from_seq, [row.name for row in how.refused]


@pytest.mark.parametrize(("preset", "breakers"), [("leverline", False), ("leverline", True), ("drift-v2", False),
                                                  ("leverline-auction", False), ("dydx-v4", True)])
def test_a_snapshot_and_its_tail_are_the_whole_journal(tmp_path: Path, preset: str, breakers: bool) -> None:
    """A venue would come back with other balances than it acknowledged."""
    digest = written(tmp_path / "j", 1_500, preset=preset, breakers=breakers)
    found, start, refused = recovered(tmp_path / "j")
    assert (found, refused) == (digest, [])
    assert 0 < start < 1_500
    with Journal.open(tmp_path / "j", QUICK, writable=False) as journal:
        venue = beginning(journal)
        replay(venue, journal)
    assert venue.state.digest() == digest


@pytest.mark.parametrize("damaged", range(1, KEPT + 1))
def test_a_damaged_snapshot_is_passed_over_for_an_older_one(tmp_path: Path, damaged: int) -> None:
    """One bad file would keep a venue shut whose events are all there, or open it in a wrong state."""
    digest = written(tmp_path / "j", 1_700)
    with Journal.open(tmp_path / "j", QUICK, writable=False) as journal:
        snapshots = snapshots_of(journal)
    assert len(snapshots) == KEPT
    wounds: list[Callable[[bytes], bytes]] = [
        lambda content: content[:-1] + bytes([content[-1] ^ 1]), lambda content: content[:len(content) // 2],
        lambda _: b""]
    for path, wound in zip(snapshots[:damaged], wounds, strict=False):
        path.write_bytes(wound(path.read_bytes()))
    found, start, refused = recovered(tmp_path / "j")
    assert found == digest
    assert refused == [path.name for path in snapshots[:damaged]]
    assert (start == 0) == (damaged == KEPT)


def test_a_snapshot_of_another_journal_is_refused(tmp_path: Path) -> None:
    """A file copied into the wrong folder would give one venue the balances of another."""
    digest = written(tmp_path / "j", 900)
    written(tmp_path / "other", 900, seed=2)
    with (Journal.open(tmp_path / "other", QUICK, writable=False) as other,
          Journal.open(tmp_path / "j", QUICK, writable=False) as own):
        for path in snapshots_of(own):
            path.unlink()
        for foreign in snapshots_of(other):
            shutil.copy(foreign, snapshot_path(own.path, int(foreign.name.rpartition("-")[2])))
        found, refused = newest_valid(own)
    assert found is None
    assert len(refused) == 2
    assert all("another one" in row.why or "no batch ends" in row.why for row in refused), refused
    assert recovered(tmp_path / "j")[:2] == (digest, 0)


def test_a_snapshot_past_the_journals_end_is_refused(tmp_path: Path) -> None:
    """A journal restored from an older backup would go on with events that it does not have."""
    written(tmp_path / "j", 700, every=0)
    with Journal.open(tmp_path / "j", QUICK) as journal:
        venue, _ = recover(journal)
        place = write_snapshot(journal, venue.state)
    written(tmp_path / "k", 600, every=0)
    with Journal.open(tmp_path / "k", QUICK, writable=False) as journal:
        found = read_snapshot(journal, place)
    assert "ends before" in getattr(found, "why", "")


def test_the_collector_runs_again_after_a_recovery(tmp_path: Path) -> None:
    """A long-lived venue would leak whatever refers to itself, after a recovery that failed too."""
    written(tmp_path / "j", 500)
    assert gc.isenabled()
    recovered(tmp_path / "j")
    assert gc.isenabled()
    with Journal.open(tmp_path / "j", QUICK, writable=False) as journal:
        venue = fresh(breakers=True)
        for path in snapshots_of(journal):
            path.unlink()
        venue.state.undo.put(venue.state.seen, "a key", 1)
        venue.state.seq = 0
        venue.state.now_ns = 2**62
        with pytest.raises(DamagedJournalError, match="refused now"):
            recover(journal, venue)
    assert gc.isenabled()


def log_of(count: int, seed: int) -> tuple[list[Event], int]:
    """What a wild venue accepted, and how many of it were prices that had effects."""
    venue, log, moved = fresh(), list[Event](), 0

    def take(event: Event) -> Sequence[Effect]:
        nonlocal moved
        effects = venue.apply(event)
        moved += bool(effects) and isinstance(event.body, OracleUpdate)
        if not (effects and isinstance(effects[0], Rejected)):
            log.append(event)
        return effects

    drawn = DrawnVenue(venue.state, take, POOLS, seed)
    drawn.open()
    drawn.fill_everybody(LEVERED)
    drawn.run(count)
    return log, moved


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 97))
def test_strides_end_where_single_steps_do(seed: int, cut: int) -> None:
    """Recovery would skip a price at which somebody was called or liquidated when it was live."""
    log, moved = log_of(800, seed)
    assume(moved)  # a world in which no price has an effect holds nothing together
    striding, stepping = fresh(), fresh()
    must_end_alike(striding, stepping, log, cut)
    now = stepping.state.now_ns
    for name, market in sorted(stepping.state.markets.items()):
        assert market.mark is not None
        fall = Event(stepping.state.seq + 1, now, f"fall of {name}", OracleUpdate(name, "a", market.mark // 2, 0, now))
        assert list(striding.apply(fall)) == list(stepping.apply(fall)), "the bands stand where they should"


@pytest.mark.parametrize("change", [
    {"seq": 10**6}, {"ts_ns": 1}, {"id": "a-1"}, {"body": TimePassed()},
    {"body": OracleUpdate("BTC/USDT:USDT", "a", 0, 0, 0)}, {"body": OracleUpdate("BTC/USDT:USDT", "a", 2**62, 0, 0)},
    {"body": OracleUpdate("BTC/USDT:USDT", "a", 600_000, -1, 0)}, {"body": OracleUpdate("nothing", "a", 1, 0, 0)},
    {"body": OracleUpdate("BTC/USDT:USDT", "a", 600_000, 0, 2**62)}])
def test_a_stride_takes_nothing_that_a_venue_would_refuse(change: dict[str, object]) -> None:
    """A damaged or foreign event would pass unseen because it looks like a price."""
    venue = fresh()
    drawn = DrawnVenue(venue.state, venue.apply, POOLS)
    drawn.open()
    seq, now = venue.state.seq, venue.state.now_ns
    mark = venue.state.markets["BTC/USDT:USDT"].mark
    assert mark is not None
    venue.apply(Event(seq + 1, now, "known", TimePassed()))
    calm = Event(seq + 2, now, "calm", OracleUpdate("BTC/USDT:USDT", "a", mark, 0, now))
    if "id" in change:
        change = {"id": "known"}
    digest = venue.state.digest()
    assert stride(venue, [replace(calm, **change)], 0) == 0  # type: ignore[arg-type]
    assert venue.state.digest() == digest
    assert stride(venue, [calm, replace(calm, seq=seq + 3, id="asked", body=OrderIntent(drawn.keys[0], "any", 1, 1))],
                  0) == 2
    assert (venue.state.seq, venue.state.seen["asked"]) == (seq + 3, seq + 3)


@pytest.mark.parametrize("why", ["decay", "a watch of somebody else"])
def test_no_price_is_strode_over_while_more_hangs_on_it_than_a_mark(why: str) -> None:
    """A schedule would not step, and whoever counts prices would miss some."""
    venue = fresh()
    drawn = DrawnVenue(venue.state, venue.apply, POOLS)
    drawn.open()
    name, market = next(iter(sorted(venue.state.markets.items())))
    assert market.mark is not None
    seq, now = venue.state.seq, venue.state.now_ns
    price = Event(seq + 1, now, "calm", OracleUpdate(name, "a", market.mark, 0, now))
    if why == "decay":
        venue.state.room("decay")[name] = "a schedule"
    if why == "a watch of somebody else":
        assert stride(venue, [price], 0) == 1, "the price is calm otherwise"
        venue.watch = SweepWatch()
        price = replace(price, seq=seq + 2, id="calm too")
    assert stride(venue, [price], 0) == 0
