"""A venue that shows nothing before it is durable: batches by size and delay, doubt, retries, and what stops it."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from leverline.enforce import batch_codec
from leverline.enforce.durable_venue import DurableVenue, begin, recover
from leverline.enforce.effects import Effect, Reject, Rejected
from leverline.enforce.events import Event, PoolKey, TimePassed, Withdraw
from leverline.enforce.journal import InDoubtError, Journal, StoppedError
from leverline.enforce.snapshots import KEPT, snapshots_of
from leverline.ground.errors import UsageError
from tests.durability.stream import Stream, book, draw
from tests.simulation.fake_disk import FakeDisk, Fault, Kind, Op

PATH = Path("/d/journal")
STREAM: Stream = draw(3, 120, digests=True)


@dataclass
class Shown:
    """What somebody outside was told of, and how many events were durable at that time."""

    journal: Journal
    rows: list[tuple[Event, Sequence[Effect]]] = field(default_factory=list)

    def __call__(self, event: Event, effects: Sequence[Effect]) -> None:
        if not (effects and isinstance(effects[0], Rejected)):
            assert self.journal.tail.seq >= event.seq, "shown before it was durable"
        self.rows.append((event, effects))

    @property
    def events(self) -> list[Event]:
        return [event for event, _ in self.rows]


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def durable(disk: FakeDisk, **how: object) -> tuple[DurableVenue, Shown]:
    """A new one that commits by hand unless told otherwise."""
    venue, journal = begin(PATH, book(), "leverline", disk=disk)
    shown = Shown(journal)
    chosen: dict[str, object] = {"batch_events": 10**6, "batch_delay_s": 1e9, "snapshot_every": 0, **how}
    return DurableVenue(venue, journal, show=shown, **chosen), shown  # type: ignore[arg-type]


def again(disk: FakeDisk) -> DurableVenue:
    """After the end of a process."""
    disk.process_death()
    journal = Journal.open(PATH, disk)
    return DurableVenue(recover(journal)[0], journal)


def commits(venue: DurableVenue) -> list[int]:
    return [batch.count for batch in venue.journal.batches()]


def test_a_commit_comes_with_so_many_events() -> None:
    """A burst would fill the memory and nobody would be answered."""
    venue, shown = durable(FakeDisk(), batch_events=8)
    for event in STREAM.events[:20]:
        venue.take(event)
    assert commits(venue) == [8, 8]
    assert shown.events == STREAM.events[:16]
    venue.close()
    assert shown.events == STREAM.events[:20]


def test_a_commit_comes_so_long_after_its_first_event() -> None:
    """In a quiet hour an event would wait for the next thousand."""
    clock = Clock()
    venue, shown = durable(FakeDisk(), batch_delay_s=5.0, clock=clock)
    for event, now in zip(STREAM.events, (0, 2, 4.9, 5, 8, 9.9, 13), strict=False):
        clock.now = now
        venue.take(event)
    assert commits(venue) == [4, 3]
    assert len(shown.rows) == 7


def test_the_clock_decides_nothing_but_when() -> None:
    """The same events would end in another state on a slower disk."""
    for size in (1, 7, 1_000):
        disk = FakeDisk()
        venue, _ = durable(disk, batch_events=size)
        for event in STREAM.events:
            venue.take(event)
        venue.close()
        assert recover(Journal.open(PATH, disk))[0].state.digest() == STREAM.digests[-1]


def test_rejected_events_are_shown_in_order_and_not_written() -> None:
    """An answer would overtake the one before it, or the journal would fill with what changed nothing."""
    disk = FakeDisk()
    venue, shown = durable(disk)
    twice = Event(12, STREAM.events[10].ts_ns, STREAM.events[3].id, TimePassed())
    far = Event(10**18, 0, "far", TimePassed())
    asked = [far, *STREAM.events[:11], twice, STREAM.events[11]]
    for event in asked:
        venue.take(event)
    assert not shown.rows
    venue.commit()
    assert shown.events == asked
    answers = [effects[0] for event, effects in shown.rows if event in (far, twice)]
    assert [answer.reason for answer in answers if isinstance(answer, Rejected)] == [Reject.OUT_OF_ORDER,
                                                                                     Reject.DUPLICATE]
    assert list(venue.journal.events()) == STREAM.events[:12]
    venue.take(far)
    venue.commit()
    assert commits(venue) == [12]
    assert shown.events[-1] == far


@pytest.mark.parametrize("where", ["-wal", "-head"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_what_is_in_doubt_is_not_shown_and_sent_anew_is_booked_once(where: str, code: int) -> None:
    """A deposit would be booked twice, or a client told of one that is lost."""
    disk = FakeDisk()
    venue, shown = durable(disk)
    for event in STREAM.events[:30]:
        venue.take(event)
    venue.commit()
    disk.faults = lambda op: Fault(OSError(code, "no"), kept=7) \
        if op.kind is Kind.WRITE and op.name.endswith(where) else None
    for event in STREAM.events[30:40]:
        venue.take(event)
    with pytest.raises(InDoubtError, match="events 31 to 40 are in doubt"):
        venue.commit()
    for do in (lambda: venue.take(STREAM.events[40]), venue.commit, venue.snapshot):
        with pytest.raises((StoppedError, UsageError)):
            do()
    venue.close()
    assert shown.events == STREAM.events[:30]
    disk.faults = None
    back = again(disk)
    stands = back.venue.state.seq
    assert stands in (30, 40)
    answers = [back.apply(event) for event in STREAM.events[30:40]]
    assert [answer[0].reason if answer and isinstance(answer[0], Rejected) else None for answer in answers] == \
        [Reject.DUPLICATE if event.seq <= stands else None for event in STREAM.events[30:40]]
    assert back.venue.state.digest() == STREAM.digests[40]


def test_a_duplicate_after_recovery_is_told_its_number() -> None:
    """Whoever retries after a crash would not learn as what his event stands."""
    disk = FakeDisk()
    venue, _ = durable(disk)
    for event in STREAM.events[:10]:
        venue.apply(event)
    back = again(disk)
    (said,) = back.apply(Event(11, STREAM.events[9].ts_ns, STREAM.events[4].id, TimePassed()))
    assert isinstance(said, Rejected)
    assert (said.reason, said.detail) == (Reject.DUPLICATE, "already applied as event 5")


class _BreaksOffError(Exception):
    pass


def test_an_event_that_breaks_off_half_way_stops_the_venue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an event would get into a snapshot with a checksum that holds."""
    disk = FakeDisk()
    venue, shown = durable(disk, snapshot_every=1)
    for event in STREAM.events[:30]:
        venue.take(event)

    def breaks_off(*_: object) -> None:
        venue.venue.state.undo.put(venue.venue.state.ledger.cash, 1, 10**12)
        raise _BreaksOffError

    monkeypatch.setattr(venue.venue, "_handle", breaks_off)
    with pytest.raises(_BreaksOffError):
        venue.take(STREAM.events[30])
    monkeypatch.undo()
    for do in (lambda: venue.take(STREAM.events[30]), venue.commit, venue.snapshot):
        with pytest.raises((StoppedError, UsageError)):
            do()
    venue.close()
    assert not shown.rows
    back = again(disk)
    assert not snapshots_of(back.journal)
    assert back.venue.state.seq == 0


def test_a_batch_that_would_be_too_large_becomes_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two large limit books within a few milliseconds would stop the venue for ever."""
    disk = FakeDisk()
    venue, shown = durable(disk)
    for event in STREAM.events[:24]:
        venue.take(event)
    monkeypatch.setattr(batch_codec, "LARGEST_CONTENT", 300)
    venue.commit()
    assert sum(commits(venue)) == 24
    assert len(commits(venue)) > 1
    assert shown.events == STREAM.events[:24]
    monkeypatch.undo()
    assert again(disk).venue.state.digest() == STREAM.digests[24]


def test_snapshots_come_every_so_many_events_and_the_oldest_go() -> None:
    """Recovery would take as long as the venue has lived, or the disk would fill."""
    disk = FakeDisk()
    venue, _ = durable(disk, batch_events=7, snapshot_every=20)
    for event in STREAM.events:
        venue.take(event)
    venue.close()
    seqs = [int(path.name[-19:]) for path in snapshots_of(Journal.open(PATH, disk))]
    assert len(seqs) == KEPT
    assert seqs == sorted(seqs, reverse=True)
    assert all(low <= seq < low + 7 for seq, low in zip(seqs, (120, 100, 80), strict=True))


def test_a_rejected_event_brings_no_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old duplicates would have the whole state written at each of them."""
    venue, _ = durable(FakeDisk(), snapshot_every=50)
    for event in STREAM.events[:60]:
        venue.take(event)
    venue.commit()
    monkeypatch.setattr(DurableVenue, "snapshot", lambda self: pytest.fail("a snapshot of nothing new"))
    for event in (STREAM.events[0], Event(0, 0, "", TimePassed()), STREAM.events[49],
                  Event("no number", 0, "x", TimePassed())):  # type: ignore[arg-type]
        venue.apply(event)


def test_a_snapshot_that_cannot_be_written_stops_nobody() -> None:
    """A convenience would cost the venue its day."""
    disk = FakeDisk()
    venue, shown = durable(disk, batch_events=10, snapshot_every=20)
    disk.faults = lambda op: Fault(OSError(errno.ENOSPC, "full")) if "-snapshot-" in op.name else None
    for event in STREAM.events:
        venue.take(event)
    assert venue.snapshot_failure is not None
    assert "full" in venue.snapshot_failure
    assert shown.events == STREAM.events
    disk.faults = None
    venue.snapshot()
    assert venue.snapshot_failure is None
    assert again(disk).venue.state.digest() == STREAM.digests[-1]


@pytest.mark.parametrize("how", [{"batch_events": 0}, {"batch_delay_s": -1.0}, {"snapshot_every": -1}])
def test_a_bound_is_a_bound(how: dict[str, object]) -> None:
    """A batch of no events would never be written."""
    with pytest.raises(UsageError):
        durable(FakeDisk(), **how)


def test_an_unknown_venue_makes_no_journal() -> None:
    """A mistyped name would leave a journal that nobody can open."""
    disk = FakeDisk()
    with pytest.raises(UsageError, match="choose one of"):
        begin(PATH, book(), "nowhere", disk=disk)
    assert not disk.visible()


def test_a_withdrawal_is_durable_before_it_is_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Money would leave for which the books, after a power cut, know no withdrawal."""
    disk = FakeDisk()
    venue, _ = durable(disk)
    for event in STREAM.events[:40]:
        venue.apply(event)
    state = venue.venue.state
    effects = venue.apply(Event(41, state.now_ns, "pay", Withdraw(PoolKey("dan"), "USDT", 1)))
    assert not any(isinstance(effect, Rejected) for effect in effects)
    disk.power_cut()
    journal = Journal.open(PATH, disk)
    assert list(journal.events())[-1].id == "pay"


def _never(op: Op) -> Fault | None:
    return Fault(OSError(errno.EIO, "no"))


def test_closing_after_a_failure_hides_no_error() -> None:
    """The files would stay locked, or the true cause be lost behind another."""
    disk = FakeDisk()
    venue, _ = durable(disk)
    venue.take(STREAM.events[0])
    disk.faults = _never
    with pytest.raises(InDoubtError):
        venue.close()
    disk.faults = None
    again(disk).close()
