"""A run of the real journal on a disk that writes down every change, and what the disk may hold after a crash."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import apsw

from leverline.enforce.durable_venue import DurableVenue, begin, recover
from leverline.enforce.head_file import head_path
from leverline.enforce.journal import Journal
from tests.durability.judging import NAME
from tests.durability.stream import Stream, book, draw, seeded
from tests.simulation.fake_disk import Choose, FakeDisk, Kind, Op, Survival

PATH = Path("/d") / NAME
EVENTS = 700
SNAPSHOT_EVERY = 60
WAYS = ("clean", "torn", "zeroed", "killed")


class EagerDisk(FakeDisk):
    """SQLite moves its log into the file every 60 pages instead of every 1,000."""

    def connect(self, path: Path, *, writable: bool) -> apsw.Connection:
        connection = super().connect(path, writable=writable)
        connection.execute("PRAGMA wal_autocheckpoint = 60")
        return connection


@dataclass(frozen=True)
class Recorded:
    """``ops`` of the disk; before ``ops[i]``, event ``acknowledged[i]`` was told of and ``sent[i]`` was given."""

    stream: Stream
    ops: list[Op]
    acknowledged: list[int]
    sent: list[int]


@dataclass
class Writer:
    """Somebody who writes a journal on ``disk``; ``done`` is what they did."""

    disk: FakeDisk
    done: Recorded
    told: int = 0
    given: int = 0

    def session(self, end: int) -> None:
        """Open or begin, write up to event ``end``, close."""
        self.disk.log = [] if self.disk.log is None else self.disk.log
        if self.disk.read(head_path(PATH)) is None:
            venue, journal = begin(PATH, book(), "leverline", disk=self.disk)
        else:
            journal = Journal.open(PATH, self.disk)
            venue, _ = recover(journal)
        durable = DurableVenue(venue, journal, batch_events=1_000, batch_delay_s=3600.0, snapshot_every=SNAPSHOT_EVERY)
        self.note()
        self.told = venue.state.seq
        while self.told < end:
            self.given = min(end, self.told + 1 + self.told % 3)
            for event in self.done.stream.events[self.told:self.given]:
                durable.take(event)
            durable.commit()
            self.note()
            self.told = self.given
        durable.close()
        self.note()

    def note(self) -> None:
        """What the disk did since the last time."""
        assert self.disk.log is not None
        new = self.disk.log[len(self.done.ops):]
        self.done.ops.extend(new)
        self.done.acknowledged.extend([self.told] * len(new))
        self.done.sent.extend([max(self.told, self.given)] * len(new))


@cache
def recorded(seed: int = 1) -> Recorded:
    """Batches of one to three events, snapshots, checkpoints of the log, and the journal closed and opened again."""
    writer = Writer(EagerDisk(), Recorded(draw(seed, EVENTS, digests=True), [], [], []))
    for end in (EVENTS // 7, EVENTS - 20, EVENTS):
        writer.session(end)
    return writer.done


@dataclass(frozen=True)
class CrashPoint:
    """Where it happens, how, and the files that are left."""

    place: str
    files: dict[str, bytes]
    acknowledged: int
    sent: int


def crash_points(run: Recorded, count: int, seed: int, *, again: float = 1 / 6) -> Iterator[CrashPoint]:
    """``count`` of them, drawn over the run's ops, the ways by turns; the share ``again`` crashes as it recovers."""
    rng = seeded(seed)
    disk, done = FakeDisk(), 0
    places = sorted(rng.randrange(len(run.ops)) for _ in range(count))
    for number, place in enumerate(places):
        for op in run.ops[done:place]:
            disk.do(op)
        done = place
        way = WAYS[number % len(WAYS)]
        left = crashed(disk, run.ops[place], way, rng)
        point = CrashPoint(f"op {place}, {way}: {_words(run.ops[place])}", files_of_disk(left), run.acknowledged[place],
                           run.sent[place])
        yield _crash_again(run, point, left, rng) if rng.random() < again else point


def _crash_again(run: Recorded, first: CrashPoint, left: FakeDisk, rng: random.Random) -> CrashPoint:
    """In the midst of opening, of the next commits or of closing."""
    begun = left.copy()
    writer = Writer(begun, Recorded(run.stream, [], [], []), first.acknowledged)
    writer.session(min(EVENTS, first.sent + 4))
    ops = writer.done.ops
    if not ops:
        return first
    place, way = rng.randrange(len(ops)), rng.choice(WAYS)
    for op in ops[:place]:
        left.do(op)
    left = crashed(left, ops[place], way, rng)
    where = f"{first.place}; again at op {place} of {len(ops)}, {way}: {_words(ops[place])}"
    return CrashPoint(where, files_of_disk(left), writer.done.acknowledged[place],
                      max(first.sent, writer.done.sent[place]))


def crashed(disk: FakeDisk, op: Op, way: str, rng: random.Random) -> FakeDisk:
    """The disk after a crash in the midst of ``op``; ``disk`` itself stays as it is."""
    disk = disk.copy()
    if op.kind is Kind.WRITE:
        if part := op.content[:rng.randint(0, len(op.content))]:
            disk.do(replace(op, content=part))
    elif op.kind is not Kind.SYNC and rng.random() < 0.5:
        disk.do(op)
    if way == "killed":  # the process alone: what it wrote is in the page cache
        disk.process_death()
    else:
        disk.power_cut(_chooser(way, rng), names_kept=rng.randint(0, disk.pending_names))
    return disk


def _chooser(way: str, rng: random.Random) -> Choose:
    """Of what was not synced: nothing or all of each write; parts; or parts and zeros behind them."""

    def choose(op: Op) -> Survival:
        size = 1 if op.kind is Kind.TRUNCATE else len(op.content)
        if way == "clean":
            return Survival(rng.choice((0, size)))
        return Survival(rng.randint(0, size), zeros=way == "zeroed" and op.kind is Kind.WRITE)

    return choose


def files_of_disk(disk: FakeDisk) -> dict[str, bytes]:
    """Every file, by its name."""
    return {Path(name).name: content for name, content in disk.visible().items()}


def _words(op: Op) -> str:
    return f"{op.kind.value} {op.name} at {op.offset}, {len(op.content)} bytes"
