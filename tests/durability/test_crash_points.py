"""A crash at any byte of any file: what was acknowledged is there, and the state is that of the events that are."""

from __future__ import annotations

from dataclasses import replace
from itertools import compress
from pathlib import Path

import pytest

from leverline.enforce.durable_venue import DurableVenue, begin, recover
from leverline.enforce.head_file import head_path
from leverline.enforce.journal import Journal
from tests.durability.judging import lay_out, must_stand, quick_folder
from tests.durability.recorded import (
    WAYS,
    CrashPoint,
    Recorded,
    Writer,
    crash_points,
    crashed,
    files_of_disk,
    recorded,
)
from tests.durability.stream import book, seeded
from tests.simulation.fake_disk import FakeDisk, Fault, Kind, by_chance


def check(point: CrashPoint, run: Recorded, folder: Path, *, go_on: bool) -> None:
    """Nothing lost, nothing wrong; and, where asked, the venue takes the next events."""
    path = lay_out(folder, point.files)
    try:
        if head_path(path).exists():
            seq = must_stand(path, run.stream, point.acknowledged, point.sent).seq
        else:
            assert point.acknowledged == 0
            begin(path, book(), "leverline")[1].close()  # a creation that broke off is finished
            seq = must_stand(path, run.stream, 0, 0).seq
        if go_on:
            with Journal.open(path) as journal:
                venue, _ = recover(journal)
                durable = DurableVenue(venue, journal)
                for event in run.stream.events[seq:seq + 5]:
                    durable.apply(event)
            must_stand(path, run.stream, min(seq + 5, len(run.stream.events)), seq + 5)
    except Exception as error:
        error.add_note(point.place)
        raise


def check_many(count: int, seed: int) -> None:
    run = recorded()
    with quick_folder() as folder:
        for number, point in enumerate(crash_points(run, count, seed)):
            check(point, run, folder, go_on=number % 10 == 0)


@pytest.mark.parametrize("seed", range(3))
def test_no_crash_loses_what_was_acknowledged(seed: int) -> None:
    """A machine that loses its power in the wrong microsecond must not cost a member their deposit."""
    check_many(500, seed)


def check_twice(run: Recorded, place: int, left: FakeDisk, folder: Path) -> None:
    """``left`` is the disk of a process that ended before ``run.ops[place]``; the next one ends at each of its ops."""
    writer = Writer(left.copy(), Recorded(run.stream, [], [], []), run.acknowledged[place])
    writer.session(run.sent[place] + 4)
    rng = seeded(place)
    for number, op in enumerate(writer.done.ops):
        for way in WAYS:
            files = files_of_disk(crashed(left, op, way, rng))
            check(CrashPoint(f"op {place}, then {number} {way}: {op.kind.value} {op.name}", files,
                             writer.done.acknowledged[number], max(run.sent[place], writer.done.sent[number])),
                  run, folder, go_on=False)
        left.do(op)


def places_of(run: Recorded, name: str, kind: Kind) -> list[int]:
    return [place for place, op in enumerate(run.ops) if op.name.endswith(name) and op.kind is kind]


def test_a_kill_in_the_midst_of_a_sync_and_a_power_cut_soon_after_lose_nothing(quick: Path) -> None:
    """The next process reads what is in memory alone; to build on it would leave neither slot, or no name, to stand."""
    run = recorded()
    first_name = next(place for place, op in enumerate(run.ops) if op.target.endswith("-head")) + 1
    for place in (first_name, *places_of(run, "-head", Kind.SYNC)[5:400:190], places_of(run, "-wal", Kind.SYNC)[77]):
        disk = FakeDisk.of(run.ops[:place])
        disk.process_death()
        check_twice(run, place, disk, quick)


@pytest.mark.parametrize("every", [190, pytest.param(29, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["-wal", "-head"])
def test_a_failed_sync_and_a_power_cut_soon_after_lose_nothing(quick: Path, name: str, every: int) -> None:
    """After a failed sync the next process reads bytes that the disk will never hold."""
    run = recorded()
    for number, place in enumerate(places_of(run, name, Kind.SYNC)[20:400:every]):
        disk = FakeDisk.of(run.ops[:place])
        # the pages count as clean and may be lost
        disk._spoil(run.ops[place], Fault(OSError(), choose=by_chance(seeded(number))))
        disk.process_death()
        check_twice(run, place, disk, quick)


@pytest.mark.slow
def test_ten_thousand_crashes() -> None:
    """The wrong microsecond is found by looking at many."""
    check_many(10_000, 99)


def test_the_recorded_run_does_everything_a_journal_does() -> None:
    """A run without checkpoints or snapshots would be cut at harmless places only."""
    ops = [(op.kind.value, op.name.rpartition("/")[2].removeprefix("venue.journal")[:5]) for op in recorded().ops]
    for kind, name, least in (("write", "", 40), ("write", "-wal", 800), ("sync", "-wal", 350), ("write", "-head", 350),
                              ("rename", "-snap", 10), ("remove", "-snap", 7), ("remove", "-wal", 3)):
        assert ops.count((kind, name)) >= least, (kind, name, ops.count((kind, name)))


def lost(run: Recorded, count: int) -> int:
    """How many of ``count`` crashes are found to have cost something."""
    found = 0
    with quick_folder() as folder:
        for point in crash_points(run, count, 7, again=0.0):
            try:
                check(point, run, folder, go_on=False)
            except AssertionError:
                found += 1
    return found


def test_a_journal_that_tells_too_early_is_found_out() -> None:
    """A test of crashes that no crash can fail proves nothing."""
    run = recorded()
    assert lost(replace(run, acknowledged=run.sent), 100) > 10


def test_a_log_that_is_not_synced_is_found_out() -> None:
    """The same, where SQLite is told to take it easy."""
    run = recorded()
    kept = [not (op.kind is Kind.SYNC and op.name.endswith("-wal")) for op in run.ops]
    easy = Recorded(run.stream, list(compress(run.ops, kept)), list(compress(run.acknowledged, kept)),
                    list(compress(run.sent, kept)))
    assert lost(easy, 100) > 10
