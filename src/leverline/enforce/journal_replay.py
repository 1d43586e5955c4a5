"""A journal replayed from its beginning, and what its snapshots say compared with it; and a snapshot made now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from leverline.enforce.disk import Disk, RealDisk
from leverline.enforce.durable_venue import Recovery, beginning, recover, refused_now
from leverline.enforce.effects import Rejected
from leverline.enforce.journal import Journal
from leverline.enforce.replaying import Replay, Sink
from leverline.enforce.snapshots import Refused, Snapshot, read_snapshot, snapshots_of, write_snapshot
from leverline.ground.errors import LeverlineError
from leverline.ground.progress import track


@dataclass(frozen=True, slots=True)
class Comparison:
    """A snapshot after event ``seq``: the state's hash as it says, as its state has, and as the replay had there.

    One that would be passed over has none of them, and ``refused`` says why.
    """

    name: str
    seq: int | None = None
    said: str | None = None
    held: str | None = None
    replayed: str | None = None
    refused: str | None = None

    @property
    def agrees(self) -> bool:
        """All three are one; nothing is asked of a snapshot that is passed over."""
        return self.refused is not None or self.said == self.held == self.replayed


@dataclass(frozen=True, slots=True)
class JournalReplay:
    """A replay from the beginning by ``venue``'s policies, and its snapshots.

    ``recovered``: the state's hash after recovery from the newest snapshot; None where there is none to begin from.
    """

    venue: str
    replay: Replay
    snapshots: tuple[Comparison, ...]
    recovered: str | None

    @property
    def agrees(self) -> bool:
        """From wherever one begins, the same state comes out."""
        final = self.replay.venue.state.digest()
        return all(row.agrees for row in self.snapshots) and self.recovered in (None, final)


def replay_journal(path: Path, disk: Disk | None = None, sink: Sink | None = None) -> JournalReplay:
    """Every event of a journal through the venue that its header names, up to where it ended at the time of the call.

    Raises :class:`DamagedJournalError` where it cannot be trusted, or an event is refused now.
    """
    with Journal.unchecked(path, disk) as journal:
        paths = snapshots_of(journal)  # before the head is read: whoever writes now is ahead of them
        journal.checked()
        found = [_look(journal, each) for each in reversed(paths)]
        wanted = {row.seq for row in found}
        hashes: dict[int | None, str] = {}
        done = Replay(beginning(journal), sink)
        for event in track(journal.events(), "events", total=journal.tail.seq):
            effects = done.apply(event)
            if len(effects) == 1 and isinstance(effects[0], Rejected):
                raise refused_now(journal, event, effects[0])
            if event.seq in wanted:
                hashes[event.seq] = done.venue.state.digest()
        compared = tuple(Comparison(row.name, row.seq, row.said, row.held, hashes.get(row.seq), row.refused)
                         for row in found)
        recovered = recover(journal)[0].state.digest() if any(row.refused is None for row in found) else None
    return JournalReplay(journal.header.venue, done, compared, recovered)


def _look(journal: Journal, path: Path) -> Comparison:
    """One snapshot without keeping its state."""
    found = read_snapshot(journal, path)
    if isinstance(found, Refused):
        return Comparison(path.name, refused=found.why)
    return Comparison(path.name, found.head.seq, found.head.state_hash, found.state.digest())


@dataclass(frozen=True, slots=True)
class MadeSnapshot:
    """A new snapshot: its file, size in bytes, event and state, and how the state was recovered."""

    path: Path
    bytes: int
    seq: int
    state_hash: str
    recovery: Recovery


def snapshot_now(path: Path, disk: Disk | None = None) -> MadeSnapshot:
    """Recover a journal that nobody writes, and write a snapshot of where it ends."""
    disk = disk or RealDisk()
    with Journal.open(path, disk) as journal:
        venue, recovery = recover(journal)
        try:
            made = write_snapshot(journal, venue.state)
        except disk.errors as error:
            raise LeverlineError(f"cannot write a snapshot of {path}: {error}", remedy="see to the disk") from error
        written = read_snapshot(journal, made)
        if not isinstance(written, Snapshot):
            raise LeverlineError(f"{made} cannot be read back: {written.why}", remedy="see to the disk")
        return MadeSnapshot(made, len(disk.read(made) or b""), written.head.seq, written.head.state_hash, recovery)
