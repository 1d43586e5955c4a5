"""What durability costs: a commit, events committed together against one by one, and bytes an event.

These rows are wall time, because a sync is waiting and no work. They are taken in the cache directory, on whatever disk
that is; beside them stands what two bare syncs take there, the least that a commit of a row and its head can take.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from leverline.enforce.disk import RealDisk
from leverline.enforce.durable_venue import BATCH_EVENTS
from leverline.enforce.events import Event, Fill, OracleUpdate, OrderIntent
from leverline.enforce.head_file import SLOT_BYTES
from leverline.enforce.journal import Journal
from leverline.enforce.journal_rows import JournalHeader
from leverline.enforce.policy_presets import PRESETS
from leverline.enforce.terms import terms_of_book
from leverline.enforce.venue import Venue
from leverline.evidence.bench.drawn_venue import PRESET, accepted_events, limits
from leverline.evidence.bench.rows import ROUNDS, BenchRow
from leverline.ground.errors import require
from leverline.ground.files import cache_directory

ROWS = ("journal", "journal-commit", "journal-commit-p99", "journal-bytes")
BASELINE = "the same events, one commit each"
TOGETHER = 1_000
"""Events of the ratio: one commit of ours, so many of the baseline."""
COMMITS = 500
BYTES_EVENTS = 100_000
BATCHES = (1, 10, 100, BATCH_EVENTS)
_BLOCK = 4_096


def rows() -> list[BenchRow]:
    """Events per second and ratio, milliseconds a commit, bytes an event."""
    book = terms_of_book(limits(breakers=False))
    events = accepted_events(Venue(book, PRESETS[PRESET]), max(TOGETHER, BYTES_EVENTS))
    with _folder() as folder:
        return [_ratio(folder, events[:TOGETHER]), *_commits(folder, events), _bytes(folder, events)]


@contextmanager
def _folder() -> Iterator[Path]:
    """On a disk, which a temporary folder need not be."""
    cache_directory().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_directory()) as folder:
        yield Path(folder)


def _written(path: Path, events: Sequence[Event], batch: int) -> tuple[Journal, list[float]]:
    """A journal of ``events``, still open, and the seconds of each commit."""
    journal = Journal.create(path, JournalHeader(limits(breakers=False).to_json(), PRESET))
    taken = []
    for start in range(0, len(events), batch):
        started = time.perf_counter()
        journal.append(events[start:start + batch])
        taken.append(time.perf_counter() - started)
    return journal, taken


def _ratio(folder: Path, events: Sequence[Event]) -> BenchRow:
    """Median of five rounds, by turns; each journal is read back and holds the same events."""
    seconds: dict[int, list[float]] = {len(events): [], 1: []}
    for k in range(ROUNDS):
        for batch, taken in seconds.items():
            journal, each = _written(folder / f"ratio-{batch}-{k}", events, batch)
            with journal:
                require(list(journal.events()) == list(events), "a journal holds what was written")
            taken.append(sum(each))
    ours, baseline = (float(np.median(taken)) for taken in seconds.values())
    return BenchRow("journal", len(events) / ours, "events / wall s, synced", BASELINE, baseline / ours,
                    notes={"events": len(events), "baseline events / s": round(len(events) / baseline)})


def _commits(folder: Path, events: Sequence[Event]) -> list[BenchRow]:
    """Commits of a thousand events, those that a checkpoint of the write-ahead log falls into included."""
    journal = Journal.create(folder / "commits", JournalHeader(limits(breakers=False).to_json(), PRESET))
    taken = []
    with journal:
        for k in range(COMMITS):
            start = k * BATCH_EVENTS % max(1, len(events) - BATCH_EVENTS)
            following = _numbered(events[start:start + BATCH_EVENTS], journal.tail.seq)
            started = time.perf_counter()
            journal.append(following)
            taken.append(1e3 * (time.perf_counter() - started))
    bare = 1e3 * _two_syncs(folder)
    p50, p99 = np.quantile(taken, (0.5, 0.99)).tolist()
    said = {"events a commit": BATCH_EVENTS, "commits": COMMITS, "two bare syncs, ms": round(bare, 3),
            "where": "the cache directory"}
    return [BenchRow("journal-commit", p50, "wall ms, median, both syncs", limit_fraction=bare / p50, notes=said),
            BenchRow("journal-commit-p99", p99, "wall ms, both syncs", notes=said)]


def _numbered(events: Sequence[Event], after: int) -> list[Event]:
    """The same events as they follow number ``after``."""
    return [replace(event, seq=after + 1 + i, id=f"{event.id}.{after}") for i, event in enumerate(events)]


def _two_syncs(folder: Path) -> float:
    """Seconds, median, of what is left of a commit without its work: a block appended and one overwritten, synced."""
    disk, log, head = RealDisk(), folder / "log", folder / "head"
    disk.write_whole(log, b"")
    disk.write_whole(head, bytes(_BLOCK))
    taken = []
    for k in range(100):
        started = time.perf_counter()
        disk.write_at(log, k * 4 * _BLOCK, os.urandom(4 * _BLOCK))
        disk.write_at(head, 0, os.urandom(SLOT_BYTES))
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


def _bytes(folder: Path, events: Sequence[Event]) -> BenchRow:
    """Of the whole mix in full batches; in the notes of smaller ones, of other ids, and of some kinds alone."""
    by_batch = {f"batches of {batch}": _size(folder, events[:20 * batch + 2_000], batch) for batch in BATCHES}
    prices, trades = ([event for event in events if isinstance(event.body, kinds)]
                      for kinds in ((OracleUpdate,), (OrderIntent, Fill)))
    random_ids = [replace(event, id=f"{(event.seq * 0x9E3779B97F4A7C15) % 2**64:016x}") for event in events]
    notes: dict[str, Any] = {
        "mix": "95 % prices with ids that count, the rest with 16 random hexadecimal digits",
        "events": len(events), "prices alone": _size(folder, prices), "trades alone": _size(folder, trades),
        "mix, all ids random": _size(folder, random_ids), **by_batch}
    return BenchRow("journal-bytes", _size(folder, events), "bytes / event, closed; database and head", notes=notes)


def _size(folder: Path, events: Sequence[Event], batch: int = BATCH_EVENTS) -> float:
    """Bytes an event of all files of a journal after it was closed, which leaves no write-ahead log."""
    path = folder / "size"
    journal, _ = _written(path, _numbered(events, 0), batch)
    journal.close()
    files = list(folder.glob("size*"))
    total = sum(file.stat().st_size for file in files)
    for file in files:
        file.unlink()
    return round(total / len(events), 2)
