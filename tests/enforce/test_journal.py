"""The journal: what is appended stands, two writers are refused, and whatever does not fit together has a place."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from leverline.enforce.disk import RealDisk
from leverline.enforce.events import Event, TimePassed
from leverline.enforce.head_file import FILE_BYTES, SLOT_OFFSETS, Head, head_path, pack, read_head
from leverline.enforce.journal import MOST_EVENTS, DamagedJournalError, InDoubtError, Journal, StoppedError
from leverline.enforce.journal_rows import JournalHeader
from leverline.ground.errors import LeverlineError, MalformedInputError, UsageError
from tests.simulation.fake_disk import FakeDisk, Fault, Kind, Op, SimulatedCrash, everything, nothing

HEADER = JournalHeader('{"id": "a book"}', "leverline")
D = Path("/d/journal")
EVENTS = [Event(seq, 1_000 * seq, f"event {seq}", TimePassed()) for seq in range(1, 41)]


def written(path: Path, disk: RealDisk | FakeDisk | None = None, size: int = 4) -> Path:
    """All the events, ``size`` a commit."""
    with Journal.create(path, HEADER, disk) as journal:
        for begin in range(0, len(EVENTS), size):
            journal.append(EVENTS[begin:begin + size])
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("whole") / "journal")


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    """A copy of one journal: making it anew takes twenty syncs."""
    for each in (whole, head_path(whole)):
        shutil.copy(each, tmp_path)
    return tmp_path / whole.name


def test_what_was_appended_is_read_back(path: Path) -> None:
    """A venue would come back without its past, or with another one."""
    with Journal.open(path) as journal:
        assert list(journal.events()) == EVENTS
        assert journal.header == HEADER
        assert journal.header.book_id == "a book"
        assert journal.tail.seq == len(EVENTS)
        journal.append([Event(41, 50_000, "one more", TimePassed())])
    with Journal.open(path, writable=False) as journal:
        assert journal.tail.seq == 41


def test_a_range_is_read_wherever_batches_end(path: Path) -> None:
    """Somebody who looks for event 6 would be shown another one."""
    with Journal.open(path, writable=False) as journal:
        for first, last in ((1, 40), (1, 1), (6, 6), (6, 9), (4, 5), (39, 99), (41, 50)):
            assert list(journal.between(first, last)) == EVENTS[first - 1:last]


def test_whoever_reads_stays_at_one_moment(path: Path) -> None:
    """A reader of a journal that is being written would see its end run away, and take that for damage."""
    with Journal.open(path, writable=False) as reader, Journal.open(path) as writer:
        writer.append([Event(41, 50_000, "later", TimePassed())])
        assert list(reader.events()) == EVENTS
        with pytest.raises(UsageError):
            reader.append([Event(41, 50_000, "later", TimePassed())])


def test_two_writers_are_refused(path: Path) -> None:
    """Two venues would each pay out of the same money."""
    with Journal.open(path), pytest.raises(LeverlineError, match="written by another"):
        Journal.open(path)
    with Journal.open(path), pytest.raises(LeverlineError, match="exists"):
        Journal.create(path, HEADER)
    Journal.open(path).close()


def test_of_two_that_create_one_journal_the_second_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would hold a lock on a head file of its own, and both would write."""
    path, other = tmp_path / "journal", JournalHeader('{"id": "other"}', "okx")
    made: list[Journal] = []
    sync = RealDisk.sync_folder

    def another_is_faster(disk: RealDisk, folder: Path) -> None:
        sync(disk, folder)
        if not made:
            monkeypatch.setattr(RealDisk, "sync_folder", sync)
            made.append(Journal.create(path, other))

    monkeypatch.setattr(RealDisk, "sync_folder", another_is_faster)
    with pytest.raises(LeverlineError, match="exists"):
        Journal.create(path, HEADER)
    made[0].close()
    assert Journal.open(path, writable=False).header == other


@pytest.mark.parametrize("survive", [nothing, everything])
def test_a_creation_that_broke_off_anywhere_is_finished(survive: Callable[[Op], object]) -> None:
    """A power cut in the first second would leave a file that neither opens nor can be made."""
    whole = FakeDisk()
    whole.log = []
    Journal.create(D, HEADER, whole).close()
    for step in range(len(whole.log)):
        left = step

        def faults(op: Op) -> Fault | None:
            nonlocal left
            left -= op.kind is not Kind.READ
            return Fault(error=SimulatedCrash()) if left < 0 else None

        disk = FakeDisk(faults)
        with suppress(SimulatedCrash):  # SQLite keeps to itself what goes wrong as it closes
            Journal.create(D, HEADER, disk).close()
        disk.faults = None
        disk.power_cut(survive, names_kept=99 if survive is everything else 0)  # type: ignore[arg-type]
        if head_path(D).name in disk.names(D.parent):
            journal = Journal.open(D, disk)
        else:
            journal = Journal.create(D, HEADER, disk)
        journal.append(EVENTS[:2])
        journal.close()
        assert list(Journal.open(D, disk).events()) == EVENTS[:2]


@pytest.mark.parametrize("content", [b"account,symbol\n", b"SQLite format 3\0 and no more", b"\0" * 8192])
def test_a_file_of_somebody_else_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    """A mistyped name would cost somebody a table."""
    (tmp_path / "mine").write_bytes(content)
    with pytest.raises(MalformedInputError, match="is not a journal"):
        Journal.create(tmp_path / "mine", HEADER)
    with pytest.raises(MalformedInputError, match="is not a journal"):
        Journal.open(tmp_path / "mine")
    assert (tmp_path / "mine").read_bytes() == content
    assert len(list(tmp_path.iterdir())) == 1


def test_another_programs_database_is_left_as_it_is(tmp_path: Path) -> None:
    """Tables of ours would be put between theirs."""
    with sqlite3.connect(tmp_path / "theirs") as theirs:
        theirs.execute("CREATE TABLE batch (first INTEGER)")
    before = (tmp_path / "theirs").read_bytes()
    with pytest.raises(DamagedJournalError, match="is not a journal"):
        Journal.create(tmp_path / "theirs", HEADER)
    assert (tmp_path / "theirs").read_bytes() == before


def test_half_a_journal_is_refused_and_nothing_made_in_its_place(path: Path) -> None:
    """With one of the two files gone a venue would begin anew, or trust rows that nobody acknowledged."""
    kept = head_path(path).read_bytes()
    head_path(path).unlink()
    with pytest.raises(DamagedJournalError, match="its head file is missing"):
        Journal.open(path)
    with pytest.raises(DamagedJournalError, match="its head file is missing"):
        Journal.create(path, HEADER)
    assert not head_path(path).exists()
    head_path(path).write_bytes(kept)
    path.unlink()
    with pytest.raises(DamagedJournalError, match="the journal is missing"):
        Journal.open(path)
    assert not path.exists()
    head_path(path).unlink()
    with pytest.raises(DamagedJournalError, match="there is no journal"):
        Journal.open(path)


def altered(path: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(statement, values)
    connection.close()


@pytest.mark.parametrize(("statement", "says"), [
    ("DELETE FROM batch WHERE first = 37", "ends at event 36, but event 40 was acknowledged"),
    ("DELETE FROM batch", "ends at event 0, but event 40 was acknowledged"),
    ("UPDATE batch SET chain = zeroblob(32) WHERE first = 37", "event 40 is not the one that was acknowledged"),
    ("UPDATE batch SET last = 41 WHERE first = 37", "no batch ends at event 40|ends at event 41"),
    ("UPDATE batch SET count = -1 WHERE first = 37", "not one of a journal"),
    ("UPDATE header SET content = '{}'", "cannot be read"),
    ("UPDATE header SET content = replace(content, '/1', '/2')", "cannot be read"),
    ("UPDATE header SET content = replace(content, ', ', ',')", "cannot be read"),
    ("DELETE FROM header", "cannot be read"),
    ("DROP TABLE batch", "cannot be read"),
    ("PRAGMA application_id = 7", "is not a journal")])
def test_a_journal_that_was_altered_is_refused_when_it_is_opened(path: Path, statement: str, says: str) -> None:
    """A venue would go on from a past that is not the acknowledged one."""
    altered(path, statement)
    for writable in (True, False):
        with pytest.raises(DamagedJournalError, match=says) as refused:
            Journal.open(path, writable=writable)
        assert refused.value.place is not None
        assert refused.value.exit_code == 2


@pytest.mark.parametrize(("statement", "says"), [
    ("DELETE FROM batch WHERE first = 9", "events 13 to 16 do not follow event 8"),
    ("UPDATE batch SET ts_ns = ts_ns + 1 WHERE first = 9", "events 9 to 12: the chain does not hold"),
    ("UPDATE batch SET payload = (SELECT payload FROM batch WHERE first = 5) WHERE first = 9",
     "events 9 to 12: the chain does not hold"),
    ("UPDATE batch SET count = 5 WHERE first = 9", "events 9 to 12 do not follow event 8")])
def test_a_row_in_the_middle_is_refused_when_it_is_read(path: Path, statement: str, says: str) -> None:
    """A damaged row would be skipped, and nobody would know which deposit is gone."""
    altered(path, statement)
    with Journal.open(path) as journal:
        events = journal.events()
        assert [next(events) for _ in range(8)] == EVENTS[:8]
        with pytest.raises(DamagedJournalError, match=says):
            next(events)


def test_a_batch_that_says_other_numbers_than_its_row_is_refused(path: Path) -> None:
    """Whoever can compute the chain could still put one event's number on another."""
    with Journal.open(path) as journal:
        rows = list(journal.batches())
        swapped = replace(rows[0], payload=rows[1].payload)
        with pytest.raises(DamagedJournalError, match="the batch holds others"):
            journal.read(swapped)
        with pytest.raises(DamagedJournalError, match="events 1 to 4"):
            journal.read(replace(rows[0], payload=b"\1\2\3"))


def test_rows_beyond_the_head_count(path: Path) -> None:
    """An event whose commit was broken off after it was durable would be sent again and be booked twice."""
    older = head_path(path).read_bytes()
    with Journal.open(path) as journal:
        journal.append([Event(41, 50_000, "in doubt", TimePassed())])
    head_path(path).write_bytes(older)
    with Journal.open(path, writable=False) as journal:
        assert journal.tail.seq == 41
    assert head_path(path).read_bytes() == older
    Journal.open(path).close()
    newest = read_head(head_path(path).read_bytes()).newest
    assert newest is not None
    assert newest.seq == 41


@pytest.mark.parametrize("kind", [Kind.WRITE, Kind.SYNC])
@pytest.mark.parametrize("where", ["-wal", "-head"])
def test_a_failed_commit_is_in_doubt_and_stops_the_writer(kind: Kind, where: str) -> None:
    """A client would be told that an event is booked, or that it is not, and neither is known."""
    disk = FakeDisk()
    journal = Journal.create(D, HEADER, disk)
    journal.append(EVENTS[:4])
    disk.faults = lambda op: Fault(OSError(errno.EIO, "input/output error")) \
        if op.kind is kind and op.name.endswith(where) else None
    with pytest.raises(InDoubtError) as doubt:
        journal.append(EVENTS[4:8])
    assert (doubt.value.first, doubt.value.last) == (5, 8)
    disk.faults = None
    with pytest.raises(StoppedError):
        journal.append(EVENTS[4:8])
    journal.close()
    with Journal.open(D, disk) as again:
        seq = again.tail.seq
        assert seq in (4, 8)
        assert list(again.events()) == EVENTS[:seq]
        again.append(EVENTS[seq:seq + 4])


def test_a_batch_has_a_size(path: Path) -> None:
    """An empty commit would be a row without a number, and an endless one would not fit into memory."""
    with Journal.open(path) as journal:
        for events in ([], [EVENTS[0]] * (MOST_EVENTS + 1)):
            with pytest.raises(UsageError, match="a batch holds"):
                journal.append(events)
        assert journal.stopped is None


def test_slots_of_the_head_take_turns() -> None:
    """A torn write of the newest head would take the older one with it."""
    first, second = (pack(Head(n, n, bytes(32))) for n in (4, 5))
    content = bytearray(FILE_BYTES)
    content[:len(first)] = first
    assert read_head(bytes(content)).damaged_at == (SLOT_OFFSETS[1],), "blank, though five commits were made"
    content[SLOT_OFFSETS[1]:SLOT_OFFSETS[1] + len(second)] = second
    assert read_head(bytes(content)) == read_head(bytes(content))
    newest = read_head(bytes(content)).newest
    assert newest is not None
    assert newest.commit == 5
    content[SLOT_OFFSETS[1] + 20] ^= 1
    torn = read_head(bytes(content))
    assert torn.newest is not None
    assert (torn.newest.commit, torn.damaged_at, torn.damaged) == (4, (SLOT_OFFSETS[1],), 1)
    assert read_head(b"").newest is None


def test_a_new_head_has_one_slot() -> None:
    """A journal that nobody wrote to yet would be called damaged."""
    reading = read_head(pack(Head(0, 0, bytes(32))).ljust(FILE_BYTES, b"\0"))
    assert reading.damaged_at == ()


@pytest.mark.parametrize("name", ["a b", "100%", "what?", "#1", "größe"])
def test_any_name_of_a_file_will_do(tmp_path: Path, name: str) -> None:
    """A name with a question mark would be another file."""
    written(tmp_path / name)
    assert {each.name for each in tmp_path.iterdir()} == {name, f"{name}-head"}
    assert Journal.open(tmp_path / name).tail.seq == 40
