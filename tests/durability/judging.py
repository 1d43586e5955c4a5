"""What must hold of a journal after whatever happened to it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from leverline.enforce.durable_venue import recover
from leverline.enforce.journal import DamagedJournalError, Journal
from tests.durability.stream import Stream

NAME = "venue.journal"


@dataclass(frozen=True)
class Stands:
    """The journal opened, and a venue came back from it."""

    seq: int
    digest: str


@dataclass(frozen=True)
class Refused:
    """It was turned away; ``why`` names the file and the place. ``recovering``: it opened, and did not come back."""

    why: str
    recovering: bool


def opened(path: Path) -> Stands | Refused:
    """Open and recover, as a process that goes on does."""
    recovering = False
    try:
        with Journal.open(path) as journal:
            recovering = True
            venue, _ = recover(journal)
            return Stands(venue.state.seq, venue.state.digest())
    except DamagedJournalError as error:
        refused = Refused(str(error), recovering)
    assert str(path.parent) in refused.why, "a refusal names the file"
    return refused


def must_stand(path: Path, stream: Stream, acknowledged: int, written: int) -> Stands:
    """Nothing acknowledged is lost, nothing is there that was never sent, and the state is that of these events."""
    found = opened(path)
    assert isinstance(found, Stands), found
    assert acknowledged <= found.seq <= written, (acknowledged, found.seq, written)
    assert found.digest == stream.digests[found.seq]
    return found


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of states are opened, and no sync is waited for."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:  # noqa: S108
        yield Path(folder)


def lay_out(folder: Path, files: dict[str, bytes]) -> Path:
    """The folder holds these files and nothing else; gives the journal's path."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / NAME


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file, by its name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def acknowledged_in(said: str) -> int:
    """The newest number of a driver's whole lines."""
    numbers = [int(line) for line in said.split("\n")[:-1] if line.isdigit()]
    assert numbers == sorted(numbers)
    return numbers[-1] if numbers else 0
