"""The disk that worlds stand on: what a power cut may take, and what it may not."""

from __future__ import annotations

import errno
from pathlib import Path
from random import Random

import pytest

from leverline.enforce.durable_venue import DurableVenue, begin, recover
from leverline.enforce.events import Event, FundInsurance
from leverline.enforce.journal import Journal
from tests.simulation.books import book
from tests.simulation.fake_disk import FakeDisk, Fault, Kind, Op, Survival, by_chance, everything, nothing

FILE, FOLDER = Path("/d/file"), Path("/d")
NAME = str(FILE)


def disk_with(content: bytes) -> FakeDisk:
    disk = FakeDisk()
    disk.write_whole(FILE, content)
    return disk


@pytest.mark.parametrize(("survival", "left"), [
    (nothing(Op(Kind.WRITE, NAME)), b"before"), (Survival(3), b"aftore"), (Survival(5), b"aftere"),
    (Survival(2, zeros=True), b"af\0\0\0e")])
def test_of_an_unsynced_write_any_part_survives(survival: Survival, left: bytes) -> None:
    """A disk that keeps whole writes only would hide every torn one."""
    disk = disk_with(b"before")
    disk.do(Op(Kind.WRITE, NAME, 0, b"after"))
    assert disk.read(FILE) == b"aftere"
    disk.power_cut(lambda op: survival)
    assert disk.read(FILE) == left


def test_what_was_synced_survives_everything() -> None:
    """Otherwise nothing could be promised on it."""
    disk = disk_with(b"before")
    disk.write_at(FILE, 0, b"after")
    for seed in range(20):
        disk.power_cut(by_chance(Random(seed)))
    assert disk.read(FILE) == b"aftere"


def test_a_failed_sync_is_not_made_good_by_the_next_one() -> None:
    """Linux drops what it could not write; who asks again is told that all is well."""
    disk = disk_with(b"before")
    disk.do(Op(Kind.WRITE, NAME, 0, b"after!"))
    disk.faults = lambda op: Fault(OSError(errno.EIO, "simulated")) if op.kind is Kind.SYNC else None
    with pytest.raises(OSError, match="simulated"):
        disk.do(Op(Kind.SYNC, NAME))
    disk.faults = None
    disk.do(Op(Kind.SYNC, NAME))
    assert disk.read(FILE) == b"after!"
    disk.power_cut(everything)
    assert disk.read(FILE) == b"before"


def test_a_name_that_was_not_synced_may_go() -> None:
    """A file that is whole and has no name is not there."""
    for kept, content in ((0, None), (1, None), (2, b"new")):
        disk = FakeDisk()
        part = NAME + ".part"
        for op in (Op(Kind.CREATE, part), Op(Kind.WRITE, part, 0, b"new"), Op(Kind.SYNC, part),
                   Op(Kind.RENAME, part, target=NAME)):
            disk.do(op)
        disk.power_cut(names_kept=kept)
        assert disk.read(FILE) == content


def test_a_recorded_run_gives_the_disk_at_each_of_its_moments() -> None:
    """Crash points are made of it."""
    disk = FakeDisk()
    disk.log = []
    disk.write_whole(FILE, b"one")
    disk.write_at(FILE, 1, b"two")
    assert FakeDisk.of(disk.log).visible() == disk.visible() == disk.copy().visible()
    assert [FakeDisk.of(disk.log[:n]).read(FILE) for n in (3, 5, len(disk.log))] == [None, b"one", b"otwo"]


def test_a_snapshot_that_the_disk_cannot_read_is_passed_over() -> None:
    """A bad sector under a convenience must not keep a venue from coming back."""
    disk, path = FakeDisk(), FOLDER / "journal"
    venue = DurableVenue(*begin(path, book(1.0, 0), "leverline", disk=disk), batch_events=1, snapshot_every=2)
    for seq in (1, 2, 3):
        venue.take(Event(seq, 0, f"{seq}", FundInsurance("", 1)))
    venue.close()
    disk.faults = lambda op: Fault(OSError(errno.EIO, "bad sector")) if "snapshot" in op.name else None
    with Journal.open(path, disk) as journal:
        again, recovery = recover(journal)
    assert (recovery.from_seq, recovery.replayed, len(recovery.refused)) == (0, 3, 1)
    assert again.state.digest() == venue.venue.state.digest()
