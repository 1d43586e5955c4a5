"""Real processes that write a journal, killed at any moment: the same command goes on to the same end."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from leverline.enforce.codec import encode
from leverline.enforce.head_file import head_path
from tests.durability.judging import NAME, Stands, acknowledged_in, must_stand, opened
from tests.durability.stream import Stream, book, draw, seeded

ROOT = Path(__file__).parents[2]
EVENTS = 1_500
BATCH = 3
REPLAYED = 12_000


@pytest.fixture(scope="module")
def stream() -> Stream:
    return draw(1, EVENTS, digests=True)


def killed(path: Path, after_s: float) -> str:
    """The driver's answer until it was killed, so long after its first word."""
    with subprocess.Popen([sys.executable, "-m", "tests.durability.driver", path, "--events", str(EVENTS),  # noqa: S603
                           "--batch", str(BATCH)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(after_s)
        process.kill()
        return first + process.stdout.read()


def kill_and_resume(folder: Path, stream: Stream, rng: random.Random, kills: int) -> int:
    """Kill a run until it has ended or ``kills`` is reached, then let it end; how often it was killed in its work."""
    path = folder / NAME
    acknowledged = done = 0
    for _ in range(kills):
        said = killed(path, rng.uniform(0, 0.25))
        acknowledged = max(acknowledged, acknowledged_in(said))
        if "end" in said:
            assert said.split()[-1] == stream.state_hash
            return done
        done += 1
        if head_path(path).exists():
            found = must_stand(path, stream, acknowledged, EVENTS)
            assert found.seq - acknowledged <= BATCH, "one batch at most was in doubt"
        else:
            assert acknowledged == 0
    last = subprocess.run([sys.executable, "-m", "tests.durability.driver", path, "--events", str(EVENTS)],  # noqa: S603
                          cwd=ROOT, check=True, capture_output=True, text=True)
    assert last.stdout.split()[-1] == stream.state_hash
    return done


def test_a_killed_process_goes_on_where_it_was(tmp_path: Path, stream: Stream) -> None:
    """A venue that is restarted must not have forgotten what it told its members, nor take it for done twice."""
    assert kill_and_resume(tmp_path, stream, seeded(1), 8) >= 2


@pytest.mark.slow
def test_two_hundred_kills_of_a_writer(tmp_path: Path, stream: Stream) -> None:
    """A moment that is wrong once in a hundred comes every few months."""
    rng, kills = seeded(2), 0
    while kills < 200:
        folder = tmp_path / str(kills)
        folder.mkdir()
        kills += kill_and_resume(folder, stream, rng, min(12, 200 - kills))


@dataclass(frozen=True)
class Undisturbed:
    """A replay without a journal: its command, what it prints, how long it took, and the state's hash."""

    command: list[str]
    document: str
    took_s: float
    state_hash: str


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("input")
    stream = draw(21, REPLAYED)
    (folder / "events.jsonl").write_text("".join(encode(event) + "\n" for event in stream.events))
    (folder / "limits.json").write_text(book().to_json())
    command = [sys.executable, "-m", "leverline", "replay", str(folder / "events.jsonl"), "--limits",
               str(folder / "limits.json"), "--json"]
    begun = time.monotonic()
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return Undisturbed(command, done.stdout, time.monotonic() - begun, stream.state_hash)


def kill_replay(run: Undisturbed, path: Path, rng: random.Random, kills: int) -> int:
    """Kill ``leverline replay --journal``, then let it end; how often it had begun to write."""
    begun = 0
    command = [*run.command, "--journal", str(path)]
    for _ in range(kills):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # noqa: S603
            time.sleep(rng.uniform(0.3, 1.1) * run.took_s)
            process.kill()
        if head_path(path).exists():
            assert isinstance(opened(path), Stands)
            begun += 1
    last = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    assert last.returncode == 0, last.stderr
    assert last.stdout == run.document
    found = opened(path)
    assert isinstance(found, Stands)
    assert (found.seq, found.digest) == (REPLAYED, run.state_hash)
    return begun


def test_a_killed_replay_goes_on_to_the_same_document(tmp_path: Path, undisturbed: Undisturbed) -> None:
    """Whoever starts the command again after a crash must get what they would have got without it."""
    assert kill_replay(undisturbed, tmp_path / NAME, seeded(3), 6) >= 1


@pytest.mark.slow
def test_two_hundred_kills_of_a_replay(tmp_path: Path, undisturbed: Undisturbed) -> None:
    """The same, for the moment that is wrong once in a hundred."""
    rng = seeded(4)
    begun = sum(kill_replay(undisturbed, tmp_path / f"{number}.journal", rng, 4) for number in range(50))
    assert begun > 50
