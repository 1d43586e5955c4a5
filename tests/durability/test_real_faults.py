"""The real process under the system's own errors: failed writes and syncs, a full disk, a file that may not grow."""

from __future__ import annotations

import errno
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from leverline.enforce.head_file import head_path
from tests.durability.judging import NAME, acknowledged_in, must_stand
from tests.durability.stream import Stream, draw

ROOT = Path(__file__).parents[2]
EVENTS = 400
BATCH = 3
SMALL_DISK = 16 * 2**20
POINTS = {"pwrite": "posix/io/rw/pwrite", "fsync": "posix/io/sync/fsync", "fdatasync": "posix/io/sync/fdatasync",
          "ftruncate": "posix/io/rw/ftruncate", "rename": "posix/io/dir/rename", "unlink": "posix/io/dir/unlink"}


@pytest.fixture(scope="module")
def stream() -> Stream:
    return draw(1, EVENTS, digests=True)


@dataclass(frozen=True)
class Run:
    """One run of the driver."""

    code: int
    acknowledged: int
    said: str
    complained: str


def run(path: Path, *prefix: str, preexec: Callable[[], None] | None = None, batch: int = BATCH) -> Run:
    """The driver on a journal, behind ``prefix`` (a launcher with its options)."""
    done = subprocess.run(  # noqa: S603
        [*prefix, sys.executable, "-m", "tests.durability.driver", str(path), "--events", str(EVENTS), "--batch",
         str(batch)], cwd=ROOT, capture_output=True, text=True, preexec_fn=preexec, timeout=120)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return Run(done.returncode, acknowledged_in(done.stdout), done.stdout, done.stderr)


def stands_and_goes_on(path: Path, stream: Stream, acknowledged: int, batch: int = BATCH) -> None:
    """Everything acknowledged is there, of the rest one batch at most, and without the fault the run ends."""
    if head_path(path).exists():
        found = must_stand(path, stream, acknowledged, EVENTS)
        assert found.seq - acknowledged <= batch, "the writer stopped within one commit"
    else:
        assert acknowledged == 0
    last = run(path, batch=batch)
    assert last.code == 0, last.complained
    assert last.said.split()[-1] == stream.digests[-1]


def under_fiu(fiu_run: str, folder: Path, stream: Stream, point: str, failure: int, chance: float) -> Run:
    path = folder / NAME
    done = run(path, fiu_run, "-x", "-c", f"enable_random name={POINTS[point]},probability={chance},failinfo={failure}")
    if done.code:
        assert "in doubt" in done.complained or "cannot" in done.complained, done.complained
    stands_and_goes_on(path, stream, done.acknowledged)
    return done


@pytest.mark.parametrize(("point", "failure"), [
    ("pwrite", errno.ENOSPC), ("pwrite", errno.EIO), ("fsync", errno.EIO), ("fdatasync", errno.EIO)])
def test_a_failed_write_or_sync_stops_the_writer_and_loses_nothing(
        fiu_run: str, quick: Path, stream: Stream, point: str, failure: int) -> None:
    """What the disk refused must not be told to anybody as done, and what was told must be there."""
    stopped = 0
    for number in range(12):  # each meets a fault nine times in ten
        folder = quick / str(number)
        folder.mkdir()
        stopped += under_fiu(fiu_run, folder, stream, point, failure, 0.02).code
        if stopped == 2:
            return
    raise AssertionError("no fault was met")


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("failure", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
def test_faults_of_every_kind_at_every_rate(fiu_run: str, quick: Path, stream: Stream, point: str,
                                            failure: int) -> None:
    """A fault while the journal is created, checkpointed or closed is another one than a fault in its midst."""
    for number, chance in enumerate([0.001, 0.003, 0.01, 0.03, 0.1, 0.3] * 2):
        folder = quick / str(number)
        folder.mkdir()
        under_fiu(fiu_run, folder, stream, point, failure, chance)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own; needs the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None or subprocess.run(  # noqa: S603
            [mount, "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "small", str(folder)], capture_output=True).returncode:
        pytest.skip("no right to mount a file system")
    try:
        yield folder
    finally:
        subprocess.run([umount, "-l", str(folder)], check=True)  # noqa: S603


@pytest.mark.parametrize("left", [20_000, 60_000, 150_000, 400_000, 800_000])
def test_a_full_disk_stops_the_writer_and_space_lets_it_go_on(small_disk: Path, stream: Stream, left: int) -> None:
    """The most usual failure of all must not cost an event, nor a night's work on the file."""
    path, ballast = small_disk / NAME, small_disk / "ballast"
    ballast.write_bytes(bytes(SMALL_DISK - left))
    acknowledged = 0
    for _ in range(2):  # again, while there is still no space
        full = run(path, batch=1)
        assert full.code == 1
        assert "full" in full.complained or "No space" in full.complained, full.complained
        assert full.acknowledged in (0, *range(acknowledged, EVENTS))
        acknowledged = max(acknowledged, full.acknowledged)
    ballast.unlink()
    stands_and_goes_on(path, stream, acknowledged, batch=1)


@pytest.mark.parametrize("most", [60_000, 300_000])
def test_a_file_that_may_not_grow_stops_the_writer(quick: Path, stream: Stream, most: int) -> None:
    """The same where a quota holds rather than the disk."""
    path = quick / NAME
    full = run(path, batch=1, preexec=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
    assert full.code == 1
    assert "in doubt" in full.complained
    assert full.acknowledged
    stands_and_goes_on(path, stream, full.acknowledged, batch=1)
