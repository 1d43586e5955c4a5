"""A journaled replay ends as an undisturbed one wherever it broke off, and takes no journal of another run."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from leverline.enforce import journaled_replay
from leverline.enforce.durable_venue import recover
from leverline.enforce.effects import Reject, Rejected
from leverline.enforce.events import Event, TimePassed
from leverline.enforce.journal import DamagedJournalError, InDoubtError, Journal
from leverline.enforce.journal_replay import replay_journal, snapshot_now
from leverline.enforce.journal_verification import verify
from leverline.enforce.journaled_replay import JournaledReplay
from leverline.enforce.policy_presets import PRESETS
from leverline.enforce.replay_document import replay_document
from leverline.enforce.replaying import Replay
from leverline.enforce.snapshots import snapshot_path, write_snapshot
from leverline.enforce.terms import terms_of_book
from leverline.ground.errors import LeverlineError, MalformedInputError
from leverline.model import LimitBook
from tests.durability.stream import book, draw
from tests.simulation.fake_disk import FakeDisk, Fault, Kind, Op, SimulatedCrash, by_chance

PATH = Path("/d/journal")
ACCEPTED = draw(11, 150).events
INPUT = [*ACCEPTED[:60], Event(61, ACCEPTED[59].ts_ns, ACCEPTED[7].id, TimePassed()), Event(9, 0, "late", TimePassed()),
         *ACCEPTED[60:]]
"""With two events that are rejected."""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journaled_replay, "BATCH_EVENTS", 13)
    monkeypatch.setattr(journaled_replay, "BATCH_DELAY_S", 1e9)


def run(disk: FakeDisk, events: Iterable[Event] = INPUT, limits: LimitBook | None = None,
        venue: str = "leverline") -> dict[str, Any]:
    limits = limits or book()
    done = Replay.of(terms_of_book(limits), PRESETS[venue])
    with JournaledReplay(PATH, venue, disk) as kept:
        kept.attach(done, limits)
        for event in events:
            done.apply(event)
        kept.finish()
    return replay_document(done)


def undisturbed() -> dict[str, Any]:
    done = Replay.of(terms_of_book(book()), PRESETS["leverline"])
    for event in INPUT:
        done.apply(event)
    return replay_document(done)


def test_a_run_ends_as_without_a_journal_and_a_finished_one_is_only_checked() -> None:
    """The journal would change what comes out, or the second run book everything again."""
    disk = FakeDisk()
    first = run(disk)
    assert first == undisturbed()
    assert sum(first["rejected"].values()) == 2
    with Journal.open(PATH, disk) as journal:
        assert list(journal.events()) == ACCEPTED
        rows = len(list(journal.batches()))
    assert run(disk) == first
    with Journal.open(PATH, disk) as journal:
        assert len(list(journal.batches())) == rows


@pytest.mark.parametrize("seed", range(12))
def test_broken_off_anywhere_the_same_run_goes_on_and_ends_alike(seed: int) -> None:
    """A crash replay of a night would have to begin anew, or end in a state that no run ends in."""
    stream, disk = Random(seed), FakeDisk()  # noqa: S311 - a simulation, not a secret
    for _ in range(4):
        left = stream.randrange(1, 90)

        def faults(op: Op) -> Fault | None:
            nonlocal left
            left -= op.kind is not Kind.READ
            return Fault(error=SimulatedCrash(), kept=stream.randrange(60)) if left < 0 else None

        disk.faults = faults
        with suppress(SimulatedCrash):
            run(disk)
        disk.faults = None
        disk.power_cut(by_chance(stream), names_kept=stream.randrange(3))
    assert run(disk) == undisturbed()
    found = verify(PATH, disk)
    assert found.holds, found.faults
    assert found.events == len(ACCEPTED)


def test_broken_off_by_the_keyboard_nothing_is_written_any_more() -> None:
    """A commit on the way out would outlive the wish to stop."""
    disk = FakeDisk()

    def interrupted() -> Iterable[Event]:
        yield from INPUT[:20]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(disk, interrupted())
    assert Journal.open(PATH, disk).tail.seq == 13


OTHER = [replace(event, id=f"{event.id}!") if event.seq == 40 else event for event in INPUT]


@pytest.mark.parametrize(("events", "says"), [
    (OTHER, "its event 40 is not this run's"),
    ([event for event in INPUT if event.seq != 40], "its event 40|before its event 40"),
    (INPUT[:50], "this run ends before its event 51"),
    ([], "this run ends before its event 1")])
def test_a_journal_of_another_input_is_refused_at_the_event(events: list[Event], says: str) -> None:
    """Two histories would be joined to one that never was."""
    disk = FakeDisk()
    run(disk)
    before = disk.visible()
    with pytest.raises(MalformedInputError, match=says) as refused:
        run(disk, events)
    assert refused.value.exit_code == 2
    assert str(PATH) in str(refused.value)
    assert disk.visible()[str(PATH)] == before[str(PATH)]
    assert run(disk) == undisturbed()


def test_other_limits_and_another_venue_are_refused() -> None:
    """The rest of a run would be held to limits that its beginning never had."""
    disk = FakeDisk()
    run(disk)
    with pytest.raises(MalformedInputError, match="other limits"):
        run(disk, limits=book(10))
    with pytest.raises(MalformedInputError, match="made by venue 'leverline', not 'okx'"):
        run(disk, venue="okx")


def test_an_event_that_is_refused_now_is_no_other_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever updated the program would be told to look for a wrong file."""
    disk = FakeDisk()
    run(disk)
    done = Replay.of(terms_of_book(book()), PRESETS["leverline"])
    with JournaledReplay(PATH, "leverline", disk) as kept:
        kept.attach(done, book())
        monkeypatch.setattr(done.venue, "_misplaced", lambda event: Rejected(Reject.MALFORMED, "by a new rule"))
        with pytest.raises(DamagedJournalError, match="event 1 was accepted when it was written and is refused now"):
            done.apply(INPUT[0])


def test_a_full_disk_ends_the_run_and_the_same_run_goes_on() -> None:
    """The document would be printed for events that are nowhere."""
    disk, written = FakeDisk(), 0

    def full(op: Op) -> Fault | None:
        nonlocal written
        written += len(op.content)
        return Fault(OSError(errno.ENOSPC, "no space left on device")) if written > 60_000 else None

    disk.faults = full
    with pytest.raises(InDoubtError, match="in doubt"):
        run(disk)
    disk.faults = None
    assert run(disk) == undisturbed()


# -- the journal by itself


def test_a_journal_replays_by_itself_and_agrees_with_its_snapshots() -> None:
    """The evidence of a day would need files that nobody kept."""
    disk = FakeDisk()
    first = run(disk, INPUT[:90])
    made = snapshot_now(PATH, disk)
    run(disk)
    again = snapshot_now(PATH, disk)
    assert (made.seq, again.seq, again.recovery.from_seq) == (88, 150, 88)
    assert made.state_hash == first["state_hash"]
    told: list[Event] = []
    done = replay_journal(PATH, disk, lambda event, effects: told.append(event))
    document = replay_document(done.replay)
    whole = undisturbed()
    assert told == ACCEPTED
    assert {key: document[key] for key in document if key not in ("events", "events_by_type", "rejected")} == \
        {key: whole[key] for key in whole if key not in ("events", "events_by_type", "rejected")}
    assert [(row.seq, row.agrees) for row in done.snapshots] == [(88, True), (150, True)]
    assert done.agrees
    assert done.recovered == whole["state_hash"]


def test_a_snapshot_of_another_state_is_found_out() -> None:
    """A snapshot written by a program with a defect would be recovered from for ever."""
    disk = FakeDisk()
    run(disk)
    with Journal.open(PATH, disk) as journal:
        state = recover(journal)[0].state
        state.ledger.cash[1] += 1
        write_snapshot(journal, state)
    done = replay_journal(PATH, disk)
    assert [row.agrees for row in done.snapshots] == [False]
    assert not done.agrees
    assert verify(PATH, disk).holds, "it is whole, and wrong: only a replay tells"


def test_a_snapshot_that_was_not_written_is_an_error_with_a_place() -> None:
    """Somebody would count on a snapshot that is not there."""
    disk = FakeDisk()
    run(disk)
    disk.faults = lambda op: Fault(OSError(errno.ENOSPC, "full")) if "-snapshot-" in op.name else None
    with pytest.raises(LeverlineError, match=r"cannot write a snapshot of /d/journal: .*full"):
        snapshot_now(PATH, disk)


def flipped(disk: FakeDisk, name: str, offset: int) -> None:
    disk.damage(name, offset, disk.visible()[name][offset] ^ 4)


def test_verification_names_everything_that_does_not_hold() -> None:
    """Somebody would restore one file and find the next one broken."""
    disk = FakeDisk()
    run(disk)
    snapshot = snapshot_path(PATH, snapshot_now(PATH, disk).seq)
    found = verify(PATH, disk)
    assert found.holds
    assert (found.events, found.acknowledged, found.in_doubt) == (150, 150, 0)
    assert found.first == ACCEPTED[0]
    assert found.last == ACCEPTED[-1]
    assert [(row.seq, row.refused) for row in found.snapshots] == [(150, None)]
    flipped(disk, f"{PATH}-head", 30)
    flipped(disk, str(snapshot), 500)
    found = verify(PATH, disk)
    assert [(fault.place, fault.what) for fault in found.faults] == [
        (f"{PATH}-head, byte 0", "a slot of the head is damaged; the other one holds"),
        (str(snapshot), "its checksum does not hold")]
    flipped(disk, f"{PATH}-head", 4100)
    assert "both slots are damaged" in [fault.what for fault in verify(PATH, disk).faults]


def test_verification_counts_as_far_as_the_chain_holds() -> None:
    """Nobody would know up to which event a backup is missing."""
    disk = FakeDisk()
    run(disk)
    connection = disk.connect(PATH, writable=True)
    connection.execute("UPDATE batch SET chain = zeroblob(32) WHERE first = 53")
    connection.close()
    found = verify(PATH, disk)
    assert not found.holds
    assert found.events == 52
    assert [fault.what for fault in found.faults] == ["events 53 to 63: the chain does not hold"]


def test_what_could_not_be_a_journal_is_not_verified() -> None:
    """A typing error would be reported as damage."""
    with pytest.raises(MalformedInputError, match="there is no journal"):
        verify(PATH, FakeDisk())


def test_a_journal_whose_head_is_gone_does_not_hold() -> None:
    """A lost file would be taken for a wrong name."""
    disk = FakeDisk()
    run(disk)
    disk.remove(Path(f"{PATH}-head"))
    assert [fault.what for fault in verify(PATH, disk).faults] == ["its head file is missing"]
