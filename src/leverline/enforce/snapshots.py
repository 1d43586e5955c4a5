"""Snapshots: the state after some event, so that recovery need not begin at the first one.

A snapshot is a convenience: nothing depends on it. One that is damaged, half-written, of another program's format or of
another journal is passed over for an older one, and at last for the journal's beginning.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from leverline.enforce.journal import DamagedJournalError, Journal
from leverline.enforce.state import VenueState
from leverline.enforce.state_codec import SHAPE, decode_state, encode_state

FORMAT = "leverline.snapshot/1"
KEPT = 3
"""Newest snapshots that stay: one may be damaged, one may be half-written."""
FOREIGN = "another program's format"
"""Why a snapshot is passed over that nothing is wrong with: this version of the program does not read it."""


@dataclass(frozen=True, slots=True)
class SnapshotHead:
    """First line of the file: which event it stands after, the chain there, and the state's digest.

    ``shape`` is that of the program's records, so that a newer program does not read an older state as its own;
    ``sha256`` is over everything else, the state included.
    """

    format: str
    shape: str
    seq: int
    chain: str
    state_hash: str
    sha256: str

    @classmethod
    def of(cls, seq: int, chain: str, state_hash: str, body: bytes) -> SnapshotHead:
        """With the checksum of all of it."""
        bare = cls(FORMAT, SHAPE, seq, chain, state_hash, "")
        return replace(bare, sha256=hashlib.sha256(json.dumps(asdict(bare)).encode() + body).hexdigest())


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state, and where it stands."""

    head: SnapshotHead
    state: VenueState


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was passed over, and why."""

    name: str
    why: str


def snapshot_path(journal: Path, seq: int) -> Path:
    """Beside the journal; names sort by event."""
    return journal.with_name(f"{journal.name}-snapshot-{seq:019d}")


def write_snapshot(journal: Journal, state: VenueState) -> Path:
    """Write the state as it stands after the journal's newest event, and drop the oldest beyond ``KEPT``.

    Those of later events, left over where an older backup was restored, take nobody's place.
    """
    assert state.seq == journal.tail.seq, "a snapshot stands where the journal does"
    body = zlib.compress(encode_state(state), 1)
    head = SnapshotHead.of(state.seq, journal.tail.chain.hex(), state.digest(), body)
    path = snapshot_path(journal.path, state.seq)
    journal.disk.write_whole(path, json.dumps(asdict(head)).encode() + b"\n" + body)
    for old in [found for found in snapshots_of(journal) if found.name <= path.name][KEPT:]:
        journal.disk.remove(old)
    return path


def snapshots_of(journal: Journal) -> list[Path]:
    """Newest first."""
    prefix = snapshot_path(journal.path, 0).name[:-19]
    folder = journal.path.absolute().parent
    return [folder / name for name in reversed(journal.disk.names(folder))
            if name.startswith(prefix) and name[len(prefix):].isdigit()]


def read_snapshot(journal: Journal, path: Path) -> Snapshot | Refused:
    """One file, checked against itself and against the journal's chain."""
    try:
        content = journal.disk.read(path) or b""
    except journal.disk.errors as error:
        return Refused(path.name, f"cannot be read: {error}")
    line, _, body = content.partition(b"\n")
    try:
        head = SnapshotHead(**json.loads(line))
        if (head.format, head.shape) != (FORMAT, SHAPE):
            return Refused(path.name, FOREIGN)
        if SnapshotHead.of(head.seq, head.chain, head.state_hash, body) != head:
            return Refused(path.name, "its checksum does not hold")
        if head.seq > journal.tail.seq:
            return Refused(path.name, f"the journal ends before event {head.seq}")
        if journal.chain_at(head.seq).hex() != head.chain:
            return Refused(path.name, f"event {head.seq} of the journal is another one")
        state = decode_state(zlib.decompress(body))
    except DamagedJournalError as error:
        return Refused(path.name, error.what)
    except (ValueError, TypeError, KeyError, IndexError, zlib.error, RecursionError) as error:
        return Refused(path.name, f"cannot be read: {type(error).__name__}: {str(error)[:200]}")
    if state.seq != head.seq:
        return Refused(path.name, "its state stands after another event")
    return Snapshot(head, state)


def newest_valid(journal: Journal) -> tuple[Snapshot | None, tuple[Refused, ...]]:
    """The newest snapshot that can be trusted, and the newer ones that cannot."""
    refused: list[Refused] = []
    for found in _readings(journal):
        if isinstance(found, Snapshot):
            return found, tuple(refused)
        refused.append(found)
    return None, tuple(refused)


def _readings(journal: Journal) -> Iterator[Snapshot | Refused]:
    return (read_snapshot(journal, path) for path in snapshots_of(journal))
