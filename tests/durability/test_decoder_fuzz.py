"""What reads a journal, fuzzed beneath the checksums: documented refusals alone leave it, in bounded memory."""

from __future__ import annotations

import json
import random
import tracemalloc
import zlib
from dataclasses import asdict

import hypothesis.strategies as st
import pytest
from hypothesis import given

from leverline.enforce.batch_codec import BATCH_VERSION, KINDS, LARGEST_CONTENT, decode_batch, encode_batch
from leverline.enforce.batch_columns import ColumnWriter
from leverline.enforce.codec import decode, encode
from leverline.enforce.durable_venue import DurableVenue, begin
from leverline.enforce.events import Event, TimePassed
from leverline.enforce.snapshots import Refused, Snapshot, SnapshotHead, read_snapshot, snapshots_of
from leverline.enforce.state_codec import decode_state, encode_state
from leverline.ground.errors import MalformedInputError
from tests.durability.decoders import CORPUS, TARGETS, kept, read_batch
from tests.durability.judging import NAME, quick_folder
from tests.durability.mutations import mutated
from tests.durability.stream import book, draw, seeded

QUICK = ("lines", "batches", "packed", "states", "headers")


def fuzz(target: str, seed: int, runs: int) -> None:
    rng, corpus, read = seeded(seed), list(kept(target).values()), TARGETS[target]
    for _ in range(runs):
        content = mutated(rng, corpus)
        try:
            read(content)
        except BaseException as error:
            error.add_note(f"{target}: {content!r}"[:20_000])
            raise


@pytest.mark.parametrize("target", QUICK)
def test_changed_bytes_are_read_as_written_or_refused(target: str) -> None:
    """A checksum that a broken program wrote over broken bytes must not end the next program."""
    fuzz(target, 1, 400)


@pytest.mark.slow
@pytest.mark.parametrize("target", QUICK)
def test_changed_bytes_for_long(target: str) -> None:
    """The same, until the rare ones have come."""
    fuzz(target, random.SystemRandom().getrandbits(32), 50_000)


@given(content=st.binary(max_size=500))
def test_bytes_out_of_nowhere_are_read_or_refused(content: bytes) -> None:
    """Whatever stands in the file."""
    for target in QUICK:
        TARGETS[target](content)


def test_the_corpus_is_read_and_has_every_kind() -> None:
    """A corpus that nothing reads any more fuzzes the first line of the reader."""
    lines = {path.name: decode(path.read_bytes()) for path in (CORPUS / "lines").iterdir()}
    batches = {path.name.rpartition("-")[0]: decode_batch(path.read_bytes()) for path in (CORPUS / "packed").iterdir()}
    assert {type(event.body) for event in lines.values()} == set(KINDS)
    assert set(batches) == {kind.__name__ for kind in KINDS} | {"everything"}
    for name, event in lines.items():
        assert batches[name.rpartition("-")[0]][0] == event
        assert encode(event).encode() == (CORPUS / "lines" / name).read_bytes()


def bomb(names: int, pools: int) -> bytes:
    """A batch of one event whose tables are long: beneath the compression 64 MiB of zeros."""
    head = ColumnWriter()
    head.number(1)
    for values in ([KINDS.index(TimePassed)], [1], [0]):
        head.integers(values)
    head.texts(["a"])
    head.number(names)
    empty = bytes([0]) + bytes(names) + bytes(4)
    return head.bytes() + empty + pools.to_bytes(4, "little") + 2 * (bytes([0]) + bytes(pools) + bytes(4))


@pytest.mark.parametrize(("names", "pools"), [(60_000_000, 0), (0, 30_000_000)], ids=["names", "pools"])
def test_a_small_batch_does_not_unpack_to_a_large_memory(names: int, pools: int) -> None:
    """64 KB that fill the machine's memory end every other venue on it, too."""
    content = bomb(names, pools)
    assert len(content) <= LARGEST_CONTENT
    batch = bytes([BATCH_VERSION]) + zlib.compress(content)
    assert len(batch) < 300_000
    tracemalloc.start()
    try:
        with pytest.raises(MalformedInputError):
            decode_batch(batch)
        assert tracemalloc.get_traced_memory()[1] < 4 * LARGEST_CONTENT
    finally:
        tracemalloc.stop()


def test_the_bomb_without_its_charge_is_a_batch() -> None:
    """Otherwise the bomb would be refused for another reason."""
    content = bomb(0, 0)
    assert decode_batch(bytes([BATCH_VERSION]) + zlib.compress(content)) == [Event(1, 0, "a", TimePassed())]
    read_batch(content)


def test_a_snapshot_with_a_good_checksum_over_bad_bytes_is_passed_over() -> None:
    """A program that wrote nonsense, carefully, must not stop the venue from starting by an older snapshot."""
    rng, stream, refused = seeded(6), draw(4, 60), 0
    with quick_folder() as folder:
        venue, journal = begin(folder / NAME, book(), "leverline")
        durable = DurableVenue(venue, journal, batch_events=1_000, batch_delay_s=3600.0)
        for event in stream.events:
            durable.take(event)
        durable.commit()
        durable.snapshot()
        (path,) = snapshots_of(journal)
        body = zlib.compress(encode_state(venue.state), 1)
        good = read_snapshot(journal, path)
        assert isinstance(good, Snapshot)
        for number in range(150):
            content = mutated(rng, [zlib.decompress(body)])
            wrong = zlib.compress(content, 1) if number % 3 else mutated(rng, [body])
            head = SnapshotHead.of(good.head.seq, good.head.chain, good.head.state_hash, wrong)
            path.write_bytes(json.dumps(asdict(head)).encode() + b"\n" + wrong)
            found = read_snapshot(journal, path)
            refused += isinstance(found, Refused)
            if isinstance(found, Snapshot):
                assert found.head.seq == good.head.seq == found.state.seq
        journal.close()
    assert refused > 75


def test_what_a_snapshot_reads_is_what_was_written() -> None:
    """The state codec of the day reads its own writing; everything else here would be in vain."""
    for name, content in kept("states").items():
        assert encode_state(decode_state(content)) == content, name


def test_equal_events_give_equal_batches() -> None:
    """Two journals of the same events are the same journal."""
    rows = draw(5, 100).events
    assert encode_batch(rows) == encode_batch([decode(encode(event)) for event in rows])
