"""Bits that flip on the disk: the state is the undisturbed one, or opening is refused with its place."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from leverline.enforce.durable_venue import DurableVenue, begin, recover
from leverline.enforce.head_file import SLOT_BYTES, SLOT_OFFSETS
from leverline.enforce.journal import DamagedJournalError, Journal
from leverline.enforce.journal_verification import verify
from leverline.enforce.snapshots import snapshot_path, write_snapshot
from leverline.ground.errors import MalformedInputError
from tests.durability.judging import NAME, Refused, Stands, files_of, lay_out, opened, quick_folder
from tests.durability.stream import book, draw, seeded

EVENTS = 600
WAL_HEADER, FRAME_HEADER = 32, 24


@dataclass(frozen=True)
class Undisturbed:
    """A journal's files and where it stands."""

    files: dict[str, bytes]
    stands: Stands


@cache
def undisturbed(*, checkpointed: bool) -> Undisturbed:
    """All in SQLite's file after a close; or half in it and half in the log, as a process leaves it that is killed."""
    stream = draw(3, EVENTS, digests=True)
    with quick_folder() as folder:
        path = folder / NAME
        venue, journal = begin(path, book(), "leverline")
        durable = DurableVenue(venue, journal, batch_events=2, batch_delay_s=3600.0, snapshot_every=185)
        for number, event in enumerate(stream.events):
            durable.take(event)
            if number == EVENTS // 2 and not checkpointed:
                with closing(sqlite3.connect(path)) as other:
                    other.execute("PRAGMA wal_checkpoint(PASSIVE)")
        if checkpointed:
            durable.close()
        else:
            durable.commit()
        files = {name: content for name, content in files_of(folder).items() if not name.endswith("-shm")}
        journal.close()
    return Undisturbed(files, Stands(EVENTS, stream.digests[EVENTS]))


def flip(content: bytes, place: int, bit: int) -> bytes:
    flipped = bytearray(content)
    flipped[place] ^= 1 << bit
    return bytes(flipped)


def check(kept: Undisturbed, folder: Path, changed: dict[str, bytes]) -> bool:
    """Whether the journal was refused; then it is refused again, and what could not be opened stays as it is."""
    files = kept.files | changed
    path = lay_out(folder, files)
    found = opened(path)
    if isinstance(found, Stands):
        assert found == kept.stands
        return False
    if not found.recovering:
        left = files_of(folder)
        assert {name: left.get(name) for name in files} == files, "a refusal changes nothing"
    assert isinstance(opened(path), Refused)
    assert not verified(path), "what is refused does not hold"
    return True


def verified(path: Path) -> bool:
    """What ``leverline journal verify`` says."""
    try:
        return verify(path).holds
    except MalformedInputError:  # nothing that could be a journal
        return False


def flips(files: dict[str, bytes], count: int, rng: random.Random) -> Iterator[tuple[str, int, int]]:
    """As many in each file, small or large."""
    names = sorted(files)
    for number in range(count):
        name = names[number % len(names)]
        yield name, rng.randrange(len(files[name])), rng.randrange(8)


def check_flips(count: int, seed: int) -> int:
    """How many were refused, of ``count`` over all files, half of them with a log that is not checkpointed."""
    rng, refused = seeded(seed), 0
    with quick_folder() as folder:
        for checkpointed in (True, False):
            kept = undisturbed(checkpointed=checkpointed)
            for name, place, bit in flips(kept.files, count // 2, rng):
                try:
                    refused += check(kept, folder, {name: flip(kept.files[name], place, bit)})
                except BaseException as error:
                    error.add_note(f"{name}, byte {place}, bit {bit}, checkpointed: {checkpointed}")
                    raise
    return refused


def test_a_flipped_bit_is_harmless_or_refused() -> None:
    """A bit that flips in the night must not become another balance in the morning."""
    assert check_flips(400, 1) > 20


@pytest.mark.slow
def test_two_thousand_flipped_bits() -> None:
    """The bit that matters is one of many."""
    assert check_flips(2_000, 2) > 100


def test_every_flip_in_an_event_is_found_when_the_journal_is_verified() -> None:
    """What recovery passes over, because a snapshot stands behind it, is the past that an auditor asks for."""
    kept, rng = undisturbed(checkpointed=True), seeded(6)
    with quick_folder() as folder:
        path = lay_out(folder, kept.files)
        assert verified(path)
        with closing(sqlite3.connect(path)) as rows:
            payloads = [payload for payload, in rows.execute("SELECT payload FROM batch")]
        for payload in rng.sample([payload for payload in payloads if len(payload) < 500], 40):
            place = kept.files[NAME].index(payload) + rng.randrange(len(payload))
            check(kept, folder, {NAME: flip(kept.files[NAME], place, rng.randrange(8))})
            assert not verified(path)


def delicate_places(files: dict[str, bytes]) -> Iterator[tuple[str, int]]:
    """Bytes that SQLite steers by: its header, the schema, page headers and cell pointers, the log's salts and sums."""
    page = int.from_bytes(files[NAME][16:18])
    yield from ((NAME, place) for place in range(min(page, 108)))
    for start in range(0, len(files[NAME]), page):
        yield from ((NAME, place) for place in range(start, start + 40))
    log = files.get(NAME + "-wal", b"")
    yield from ((NAME + "-wal", place) for place in range(min(len(log), WAL_HEADER)))
    frames = range(WAL_HEADER, len(log), FRAME_HEADER + page)
    for start in (*frames[:2], *frames[-2:]):
        yield from ((NAME + "-wal", place) for place in range(start, start + FRAME_HEADER + 40))
    yield from ((NAME + "-head", start + place) for start in SLOT_OFFSETS for place in range(SLOT_BYTES))


@pytest.mark.parametrize("checkpointed", [
    pytest.param(True, marks=pytest.mark.slow), pytest.param(False, marks=pytest.mark.slow)])
def test_every_delicate_byte(checkpointed: bool) -> None:
    """A page that points into the wrong place must neither end the process nor hide a row."""
    kept = undisturbed(checkpointed=checkpointed)
    with quick_folder() as folder:
        for name, place in delicate_places(kept.files):
            for bit in range(8):
                try:
                    check(kept, folder, {name: flip(kept.files[name], place, bit)})
                except BaseException as error:
                    error.add_note(f"{name}, byte {place}, bit {bit}")
                    raise


@pytest.mark.parametrize("filled", [b"\0", b"\xff"], ids=["zeros", "ones"])
@pytest.mark.parametrize("checkpointed", [True, False])
def test_a_sector_that_is_gone_is_harmless_or_refused(checkpointed: bool, filled: bytes) -> None:
    """Disks lose sectors, not bits."""
    kept, rng = undisturbed(checkpointed=checkpointed), seeded(4)
    with quick_folder() as folder:
        for name, content in kept.files.items():
            places = range(0, len(content), 512)
            for place in rng.sample(places, min(8, len(places))):
                check(kept, folder, {name: (content[:place] + filled * 512 + content[place + 512:])[:len(content)]})


@pytest.mark.parametrize("checkpointed", [True, False])
def test_a_file_that_is_cut_off_or_gone_is_harmless_or_refused(checkpointed: bool) -> None:
    """A copy that was broken off is no backup."""
    kept, rng = undisturbed(checkpointed=checkpointed), seeded(5)
    with quick_folder() as folder:
        for name, content in kept.files.items():
            for place in (0, 1, 511, 512, 4096, len(content) - 1, *(rng.randrange(len(content)) for _ in range(3))):
                check(kept, folder, {name: content[:place]})
            rest = {other: kept.files[other] for other in kept.files if other != name}
            check(Undisturbed(rest, kept.stands), folder, {})


def test_snapshots_of_a_lost_future_push_out_no_new_one() -> None:
    """After a restore every recovery would begin at the beginning, for ever."""
    kept = undisturbed(checkpointed=True)
    with quick_folder() as folder:
        path = lay_out(folder, kept.files)
        for number in range(4):
            snapshot_path(path, EVENTS + 1 + number).write_bytes(b"of a journal that was lost")
        with Journal.open(path) as journal:
            venue, recovery = recover(journal)
            assert len(recovery.refused) == 4
            new = write_snapshot(journal, venue.state)
            assert new.exists()
            assert recover(journal)[1].from_seq == EVENTS


def test_both_slots_of_the_head_gone_is_refused() -> None:
    """Without its head nobody knows whether the newest events are still there."""
    kept = undisturbed(checkpointed=True)
    head = kept.files[NAME + "-head"]
    for slot in SLOT_OFFSETS:
        head = flip(head, slot + 9, 3)
    with quick_folder() as folder:
        assert check(kept, folder, {NAME + "-head": head})


def test_sqlite_alone_loses_acknowledged_rows_without_a_word_and_the_journal_does_not() -> None:
    """Why there is a head file: after one flipped bit SQLite says that all is well, with fewer rows."""
    kept = undisturbed(checkpointed=False)
    log = kept.files[NAME + "-wal"]
    changed = {NAME + "-wal": flip(log, len(log) // 2, 2)}
    with quick_folder() as folder:
        path = lay_out(folder, kept.files)
        with closing(sqlite3.connect(path)) as alone:
            rows = alone.execute("SELECT count(*), max(last) FROM batch").fetchone()
        path = lay_out(folder, kept.files | changed)
        with closing(sqlite3.connect(path)) as alone:
            left = alone.execute("SELECT count(*), max(last) FROM batch").fetchone()
            assert alone.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert rows == (EVENTS // 2, EVENTS)
        assert left[0] < rows[0] - 10
        path = lay_out(folder, kept.files | changed)
        with pytest.raises(DamagedJournalError, match=f"ends at event {left[1]}, but event {EVENTS} was acknowledged"):
            Journal.open(path)
        assert check(kept, folder, changed)
