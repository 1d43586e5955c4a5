"""Whether a journal holds: its header, both slots of its head, the whole chain with every event, and every snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from leverline.enforce.disk import Disk, RealDisk
from leverline.enforce.durable_venue import beginning
from leverline.enforce.events import Event
from leverline.enforce.head_file import head_path, read_head
from leverline.enforce.journal import DamagedJournalError, Journal, Tail, is_marked, standing
from leverline.enforce.journal_rows import JournalHeader
from leverline.enforce.snapshots import FOREIGN, Refused, read_snapshot, snapshots_of
from leverline.ground.errors import LeverlineError
from leverline.ground.progress import track


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that does not hold: in which file, and what."""

    place: str
    what: str


@dataclass(frozen=True, slots=True)
class SnapshotLook:
    """One snapshot: bytes, and the event and state it stands for; ``refused`` says why it would be passed over."""

    name: str
    bytes: int
    seq: int | None = None
    state_hash: str | None = None
    refused: str | None = None


@dataclass(slots=True)
class Verification:
    """What a journal holds, and the faults that were found; the events are counted as far as the chain holds.

    ``acknowledged``: the last event that the head knows. What lies beyond it was in doubt when its writer stopped, or
    is being written now; it is whole.
    """

    path: Path
    header: JournalHeader | None = None
    acknowledged: int | None = None
    damaged_slots: tuple[int, ...] = ()
    commits: int = 0
    events: int = 0
    first: Event | None = None
    last: Event | None = None
    chain: str | None = None
    snapshots: list[SnapshotLook] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Nothing is wrong."""
        return not self.faults

    @property
    def in_doubt(self) -> int:
        """Events beyond the head."""
        return max(0, self.events - (self.events if self.acknowledged is None else self.acknowledged))


def verify(path: Path, disk: Disk | None = None) -> Verification:
    """Look at everything, also where something is wrong already. Nothing is written, and nobody is kept from writing.

    Raises :class:`MalformedInputError` where there is nothing that could be a journal.
    """
    disk = disk or RealDisk()
    done = Verification(path)
    try:
        journal = Journal.unchecked(path, disk)
    except DamagedJournalError as error:
        if not _was_one(path, disk):
            raise
        done.faults.append(Fault(str(error.place or path), error.what))
        return done
    with journal:
        snapshots = snapshots_of(journal)  # before the head is read: whoever writes now is ahead of them
        done.header = journal.header
        with _finding(done, disk):
            beginning(journal)
        with _finding(done, disk):
            _look_at_head(done, journal)
        with _finding(done, disk):
            _walk(done, journal)
        _look_at_snapshots(done, journal, snapshots)
    return done


def _was_one(path: Path, disk: Disk) -> bool:
    """A journal leaves a head file, or its mark in SQLite's header."""
    journal, head = standing(disk, path)
    return head or (journal and is_marked(disk, path))


@contextmanager
def _finding(done: Verification, disk: Disk) -> Iterator[None]:
    """What is refused within is a fault with its place."""
    refusals: tuple[type[Exception], ...] = (*disk.errors, LeverlineError)
    try:
        yield
    except refusals as error:
        fault = Fault(str(getattr(error, "place", None) or done.path), getattr(error, "what", str(error)))
        if fault not in done.faults:  # what follows the head is looked at twice
            done.faults.append(fault)


def _look_at_head(done: Verification, journal: Journal) -> None:
    """Slots, and whether the row that the head names is there."""
    where = head_path(done.path)
    for _ in range(2):  # of a head that is being written a slot may be seen half; the second look sees it whole
        reading = read_head(journal.disk.read(where) or b"")
        if not reading.damaged_at:
            break
    done.damaged_slots = reading.damaged_at
    done.acknowledged = None if reading.newest is None else reading.newest.seq
    if reading.newest is not None:
        done.faults += [Fault(f"{where}, byte {offset}", "a slot of the head is damaged; the other one holds")
                        for offset in reading.damaged_at]
    journal.checked()


def _walk(done: Verification, journal: Journal) -> None:
    """Every row from the first one on, as far as the chain holds; every event is read."""
    seq, chain = 0, journal.header.genesis
    try:
        for batch in track(journal.batches(), "commits"):
            events = journal.read(batch)
            done.first = done.first or events[0]
            done.commits, done.events, done.last = done.commits + 1, done.events + len(events), events[-1]
            seq, chain = batch.last, batch.chain
    finally:
        done.chain = chain.hex()
        if seq > journal.tail.seq:  # the head does not hold, so the journal is not where it ends
            journal.tail = Tail(seq, chain)


def _look_at_snapshots(done: Verification, journal: Journal, paths: Iterable[Path]) -> None:
    for path in paths:
        content = journal.disk.read(path)
        if content is None:
            continue  # an old one that its writer removed meanwhile
        found = read_snapshot(journal, path)
        if not isinstance(found, Refused) and found.state.digest() != found.head.state_hash:
            found = Refused(path.name, "its state is not the one that it names")
        if isinstance(found, Refused):
            done.snapshots.append(SnapshotLook(path.name, len(content), refused=found.why))
            if found.why != FOREIGN:
                done.faults.append(Fault(str(path), found.why))
        else:
            done.snapshots.append(SnapshotLook(path.name, len(content), found.head.seq, found.head.state_hash))
