"""Same events, same state: whatever the process, its hash seed, threads or Python; live, replayed, recovered."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from leverline.enforce.durable_venue import DurableVenue, begin, beginning, recover, replay
from leverline.enforce.head_file import head_path
from leverline.enforce.journal import Journal
from leverline.enforce.policy_presets import PRESETS
from leverline.enforce.snapshots import snapshots_of
from tests.durability.judging import NAME
from tests.durability.stream import Stream, book, draw

ROOT = Path(__file__).parents[2]
OTHER_PYTHONS = os.environ.get("LEVERLINE_OTHER_PYTHONS", "")
"""Commands separated by semicolons, each a Python that has the project's dependencies; it is run in this folder."""

SCRIPT = """
import sys
from tests.durability.stream import draw
for preset in {presets}:
    stream = draw(11, {count}, preset)
    print(preset, stream.state_hash)
"""
PRESETS_RUN = ("leverline", "leverline-auction", "okx", "drift-v2")


def answer(*python: str, environment: dict[str, str] | None = None, count: int = 600) -> str:
    """Preset and state hash, a line each."""
    done = subprocess.run([*python, "-c", SCRIPT.format(presets=PRESETS_RUN, count=count)],  # noqa: S603
                          cwd=ROOT, env=os.environ | (environment or {}), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def here(count: int = 600) -> str:
    return "".join(f"{preset} {draw(11, count, preset).state_hash}\n" for preset in PRESETS_RUN)


@pytest.mark.parametrize("environment", [
    {"PYTHONHASHSEED": "0"}, {"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "random"},
    {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}, {"NUMBA_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"},
    {"PYTHONOPTIMIZE": "2"}], ids=lambda given: "-".join(f"{key}={value}" for key, value in given.items()))
def test_another_process_comes_to_the_same_state(environment: dict[str, str]) -> None:
    """Two machines that replay one journal and differ are two ledgers."""
    assert answer(sys.executable, environment=environment) == here()


@pytest.mark.skipif(not OTHER_PYTHONS, reason="LEVERLINE_OTHER_PYTHONS names no other Python with the dependencies")
@pytest.mark.parametrize("python", list(filter(None, OTHER_PYTHONS.split(";"))))
def test_another_python_comes_to_the_same_state(python: str) -> None:
    """A journal outlives the Python that wrote it."""
    assert answer(*python.split(), count=3_000) == here(3_000)


@pytest.mark.skipif(not OTHER_PYTHONS, reason="LEVERLINE_OTHER_PYTHONS names no other Python with the dependencies")
@pytest.mark.parametrize("python", list(filter(None, OTHER_PYTHONS.split(";"))))
def test_pythons_take_turns_at_one_journal(python: str, quick: Path) -> None:
    """An upgrade of the Python is no reason to begin a new journal, and neither is its undoing."""
    for turn, command in enumerate((sys.executable, python, sys.executable, python), 1):
        done = subprocess.run([*command.split(), "-m", "tests.durability.driver", str(quick / NAME),  # noqa: S603
                               "--events", str(100 * turn)], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[-1] == draw(1, 100 * turn).state_hash


def written(folder: Path, stream: Stream, preset: str, snapshot_every: int) -> Path:
    venue, journal = begin(folder / NAME, book(), preset)
    durable = DurableVenue(venue, journal, batch_events=40, batch_delay_s=3600.0, snapshot_every=snapshot_every)
    for event in stream.events:
        durable.take(event)
    durable.close()
    assert venue.state.digest() == stream.state_hash
    return folder / NAME


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_live_replayed_and_recovered_are_one_state(quick: Path, preset: str) -> None:
    """What a venue was, what its journal says, and what comes back after a crash must be one thing."""
    stream = draw(12, 500, preset, digests=True)
    path = written(quick, stream, preset, snapshot_every=130)
    with Journal.open(path) as journal:
        newest, *older = snapshots_of(journal)
        assert len(older) == 2
        for snapshot in (newest, *older):  # each in its turn is the newest there is, then none is left
            venue, recovery = recover(journal)
            assert recovery.from_seq == int(snapshot.name[-19:])
            assert venue.state.digest() == stream.state_hash
            snapshot.unlink()
        venue, recovery = recover(journal)
        assert (recovery.from_seq, venue.state.digest()) == (0, stream.state_hash)
        again = beginning(journal)
        hashes = [again.state.digest()]
        replay(again, journal, show=lambda event, effects: hashes.append(again.state.digest()))
    assert hashes == stream.digests


def test_the_same_events_are_the_same_journal(quick: Path) -> None:
    """A journal written again from its own events is the same, to the chain's last byte."""
    stream = draw(12, 300)
    heads = []
    for name in ("first", "second"):
        (quick / name).mkdir()
        heads.append(head_path(written(quick / name, stream, "leverline", 0)).read_bytes())
    assert heads[0] == heads[1]


def test_a_copy_in_another_place_recovers(quick: Path) -> None:
    """A backup is opened elsewhere, by another name of its folder."""
    stream = draw(13, 200)
    (quick / "here").mkdir()
    written(quick / "here", stream, "leverline", 50)
    shutil.copytree(quick / "here", quick / "over there #1?")
    with Journal.open(quick / "over there #1?" / NAME) as journal:
        venue, recovery = recover(journal)
    assert recovery.from_seq == 200
    assert venue.state.digest() == stream.state_hash
