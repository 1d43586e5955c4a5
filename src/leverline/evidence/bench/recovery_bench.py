"""How long a venue is away after a crash: the newest snapshot, then half a million events.

The journal is that of a drawn venue (:mod:`leverline.evidence.bench.drawn_venue`), written as any other: every event
applied, batches of a thousand, a snapshot every million. Making it takes minutes, so it stays in the cache directory
until the code that it depends on is another. Recovery runs in a process of its own and ends, which is checked, in the
state that the writer ended in; a snapshot's writing and loading are of a larger venue.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

import leverline.enforce
from leverline.enforce.durable_venue import BATCH_EVENTS, DurableVenue, begin
from leverline.enforce.journal import Journal
from leverline.enforce.policy_presets import PRESETS
from leverline.enforce.snapshots import Snapshot, read_snapshot, snapshots_of, write_snapshot
from leverline.enforce.terms import terms_of_book
from leverline.enforce.venue import Venue
from leverline.evidence.bench import drawn_venue
from leverline.evidence.bench.drawn_venue import PRESET, DrawnVenue, accepted_events, limits
from leverline.evidence.bench.rows import ROUNDS, BenchRow
from leverline.ground.errors import require
from leverline.ground.files import cache_directory, write_text
from leverline.ground.progress import track

ROWS = ("recovery", "recovery-memory", "snapshot-write", "snapshot-load")
EVENTS, EVERY, TAIL = 10_000_000, 1_000_000, 500_000
"""Events up to the newest snapshot, between snapshots, and after the newest."""
LIMIT_S = 5.0
LARGE = 100_000
"""Pools of the venue whose snapshot is timed."""
HANDLED = 50_000
"""Events handled one by one for the notes."""
_MEGABYTE = 1e6
_CHILD = """
import json, resource, sys, time
from pathlib import Path
from leverline.enforce.durable_venue import recover
from leverline.enforce.journal import Journal
started, began = time.process_time(), time.perf_counter()
with Journal.open(Path(sys.argv[1]), writable=False) as journal:
    venue, how = recover(journal)
used, waited = time.process_time() - started, time.perf_counter() - began
status = Path("/proc/self/status")  # where there is none, a peak that may be the parent's
peak = int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024 if status.exists() else \\
    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([used, waited, peak, how.from_seq, how.replayed, venue.state.digest()]))
"""


def rows() -> list[BenchRow]:
    """CPU seconds and peak memory of a recovery; CPU seconds of a large venue's snapshot."""
    path, made = standing_journal()
    runs = [_alone(path) for _ in range(ROUNDS)]
    for _, _, _, start, replayed, digest in runs:
        require((start, replayed, digest) == (made["snapshot"], made["tail"], made["digest"]),
                "a recovery ends in the writer's state", got=(start, replayed))
    used, waited, peak = (float(np.median(column)) for column in list(zip(*runs, strict=True))[:3])
    return [
        BenchRow("recovery", used, "CPU s", limit_fraction=used / LIMIT_S,
                 notes={**made, "wall s": round(waited, 2), "us CPU / event handled one by one": _one_by_one()}),
        BenchRow("recovery-memory", peak / _MEGABYTE, "MB, peak of a process that recovers"),
        *_snapshots(),
    ]


def standing_journal() -> tuple[Path, dict[str, Any]]:
    """The journal and how it was made; from the cache where the same code made it."""
    kept = cache_directory() / "bench-journals"
    folder = kept / f"{EVENTS}-{_fingerprint()}"
    said = folder / "made.json"
    if not said.exists():
        for older in kept.glob(f"{EVENTS}-*"):
            shutil.rmtree(older)
        folder.mkdir(parents=True)
        write_text(said, json.dumps(make_journal(folder / "journal"), indent=1))
    made: dict[str, Any] = json.loads(said.read_text(encoding="utf-8"))
    return folder / "journal", made


def _fingerprint() -> str:
    """Changes with the sizes asked for, with how events are drawn, and with any module of the venue."""
    hasher = hashlib.sha256(repr((EVERY, TAIL, drawn_venue.POOLS)).encode())
    folder = Path(leverline.enforce.__file__).parent
    for path in [Path(drawn_venue.__file__), *sorted(folder.rglob("*.py"))]:
        hasher.update(path.read_bytes())
    return hasher.hexdigest()[:16]


def make_journal(path: Path) -> dict[str, Any]:
    """Write it, and say how it was made."""
    started = time.process_time()
    venue, journal = begin(path, limits(breakers=False), PRESET)
    durable = DurableVenue(venue, journal, batch_delay_s=math.inf, snapshot_every=EVERY)
    drawn = DrawnVenue(venue.state, durable.take, drawn_venue.POOLS)
    drawn.open()
    for goal in track(range(EVERY, EVENTS + 1, EVERY), "a journal for the bench"):
        drawn.run(goal)
    durable.commit()
    newest = int(snapshots_of(journal)[0].name.rpartition("-")[2])
    drawn.run(newest + TAIL)
    durable.close()
    with Journal.open(path, writable=False) as written:
        kinds = Counter(type(event.body).__name__ for event in written.events(newest))
    return {"events": venue.state.seq, "snapshot": newest, "tail": venue.state.seq - newest,
            "events between snapshots": EVERY, "pools": len(venue.state.pools) - 1, "events a batch": BATCH_EVENTS,
            "preset": PRESET, "prices": "each is the mark at once: a book without breakers",
            "tail by kind": dict(kinds.most_common()), "MB, database": round(path.stat().st_size / _MEGABYTE, 1),
            "MB, snapshot": round(snapshots_of(journal)[0].stat().st_size / _MEGABYTE, 1),
            "CPU s to make": round(time.process_time() - started), "digest": venue.state.digest()}


def _alone(path: Path) -> list[Any]:
    """CPU seconds, wall seconds, bytes at the peak, first and count of the events replayed, and the digest."""
    done = subprocess.run([sys.executable, "-c", _CHILD, str(path)], capture_output=True, text=True,  # noqa: S603
                          check=True)
    found: list[Any] = json.loads(done.stdout)
    return found


def _one_by_one() -> dict[str, float]:
    """What an event takes that recovery does not take in strides, with one source a price and with three."""
    taken: dict[str, float] = {}
    for said, breakers in (("this book", False), ("a book with breakers, a composite price of three sources", True)):
        book = terms_of_book(limits(breakers=breakers))
        log = accepted_events(Venue(book, PRESETS[PRESET]), HANDLED)
        venue = Venue(book, PRESETS[PRESET])
        started = time.process_time()
        for event in log:
            venue.apply(event)
        taken[said] = round(1e6 * (time.process_time() - started) / len(log), 1)
    return taken


def _snapshots() -> list[BenchRow]:
    """Writing is what a commit waits for once in a million events: encoding, the digest and the sync."""
    with tempfile.TemporaryDirectory() as folder:
        venue, journal = begin(Path(folder) / "large", limits(breakers=False), PRESET)
        with closing(DurableVenue(venue, journal, batch_delay_s=math.inf, snapshot_every=0)) as durable:
            drawn = DrawnVenue(venue.state, durable.take, pools=LARGE)
            drawn.open()
            drawn.fill_everybody()
            durable.commit()
            used = np.empty((2, ROUNDS))
            for k in range(ROUNDS):
                started = time.process_time()
                path = write_snapshot(journal, venue.state)
                written = time.process_time()
                found = read_snapshot(journal, path)
                used[:, k] = written - started, time.process_time() - written
                require(isinstance(found, Snapshot) and found.state.digest() == venue.state.digest(),
                        "a snapshot is what was written")
            size = path.stat().st_size / _MEGABYTE
    write, load = np.median(used, axis=1).tolist()
    said = {"pools": LARGE, "positions": sum(map(len, venue.state.positions.lots)), "MB": round(size, 1)}
    return [BenchRow("snapshot-write", write, "CPU s", notes=said),
            BenchRow("snapshot-load", load, "CPU s", notes=said)]
