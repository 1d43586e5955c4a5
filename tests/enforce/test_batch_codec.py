"""Batches of events: read as they were written, or refused, whatever bytes come in."""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from leverline.enforce import batch_codec
from leverline.enforce.batch_codec import BATCH_VERSION, KINDS, LARGEST_CONTENT, decode_batch, encode_batch
from leverline.enforce.batch_columns import ColumnReader, ColumnWriter
from leverline.enforce.codec import decode, encode
from leverline.enforce.events import Deposit, Event, OpenPool, OracleUpdate, PoolKey, TimePassed
from leverline.enforce.shape import BODIES
from leverline.ground.errors import LeverlineError, MalformedInputError, UsageError
from leverline.model.accounts import Mode
from tests.enforce.test_codec import PAGE, bodies, examples, integers, names

events = st.builds(Event, integers, st.integers(0, 2**63 - 1), names.filter(bool), bodies)
ANN = PoolKey("ann", "btc")
BATCH = [Event(7, 5, "a", OpenPool(ANN, "ann", Mode.SEGREGATED)), Event(8, 5, "b", Deposit(ANN, "USDT", 10**9)),
         Event(9, 6, "c", Deposit(PoolKey("bob"), "USDT", -1)), Event(10, 10**18, "d", TimePassed()),
         Event(11, 10**18 + 1, "e", OracleUpdate("BTC", "one", 2**62, 0, 10**18))]

WRITTEN = (
    "05000000000001010a06000708090a0b03050000000000000005000000000000000600000000000000000064a7b3b6e00d01"
    "0064a7b3b6e00d000101010101050000006162636465050000000003000403030d000000616e6e555344544254436f6e6502"
    "00000000030306000000616e6e626f620003000300000062746300000000000200010000010002020200ca9a3bffffffff00"
    "030004030000000000000040000003000064a7b3b6e00d")
"""What the writer made of ``BATCH`` on its first day, before compression."""


def packed(content: bytes) -> bytes:
    return bytes([BATCH_VERSION]) + zlib.compress(content)


def content_of(batch: bytes) -> bytes:
    return zlib.decompress(batch[1:])


@given(rows=st.lists(events, max_size=12))
def test_a_batch_written_and_read_is_the_same(rows: Any) -> None:
    """A journal that reads back another event replays another day."""
    batch = encode_batch(rows)
    assert decode_batch(batch) == rows
    assert encode_batch(decode_batch(batch)) == batch


def test_the_events_of_the_page_are_the_same_in_a_batch_and_in_lines() -> None:
    """A type that the journal writes otherwise than the stream makes replay and live differ."""
    rows = [decode(line) for line in examples()]
    assert {type(row.body) for row in rows} == set(KINDS) == set(BODIES.values())
    assert [encode(row) for row in decode_batch(encode_batch(rows))] == examples()


def test_numbers_of_types_are_written_for_good() -> None:
    """A type that takes another's number makes every older journal mean something else."""
    rows = [line.split("|") for line in PAGE.read_text().splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert [kind.__name__ for kind in KINDS] == [
        name.strip() for _, number, name, *_ in sorted(rows, key=lambda row: int(row[1]))]
    assert [int(row[1]) for row in rows] == list(range(len(KINDS)))


def test_a_batch_of_an_earlier_day_is_still_read() -> None:
    """Whoever updates the program must not lose the journal."""
    written = bytes.fromhex(WRITTEN)
    assert decode_batch(packed(written)) == BATCH
    assert content_of(encode_batch(BATCH)) == written


def read_or_refused(batch: bytes) -> None:
    try:
        rows = decode_batch(batch)
    except MalformedInputError:
        return
    assert decode_batch(encode_batch(rows)) == rows


@given(raw=st.binary(max_size=300))
def test_no_bytes_break_the_reader(raw: Any) -> None:
    """Whatever stands in a journal, the reader answers with a refusal and not with a crash."""
    read_or_refused(raw)
    read_or_refused(bytes([BATCH_VERSION]) + raw)
    read_or_refused(packed(raw))


@given(rows=st.lists(events, min_size=1, max_size=6), place=st.integers(0), wrong=st.binary(max_size=9),
       gone=st.integers(0, 9))
def test_bytes_changed_beneath_the_checksum_are_read_as_written_or_refused(rows: Any, place: Any, wrong: Any,
                                                                           gone: Any) -> None:
    """A half-read batch would be a half-true past."""
    content = content_of(encode_batch(rows))
    place %= len(content)
    read_or_refused(packed(content[:place] + wrong + content[place + gone:]))


@given(place=st.integers(0), bit=st.integers(0, 7))
def test_one_flipped_bit_of_a_batch_is_noticed(place: Any, bit: Any) -> None:
    """Compression carries a sum of its own: one wrong bit never becomes another event."""
    batch = bytearray(encode_batch(BATCH))
    batch[place % len(batch)] ^= 1 << bit
    with suppress(MalformedInputError):
        assert decode_batch(bytes(batch)) == BATCH  # a bit that means nothing to the compression


@given(rows=st.lists(events, max_size=4), cut=st.integers(1, 50))
def test_a_torn_batch_is_refused(rows: Any, cut: Any) -> None:
    """A write that stopped half way is no batch."""
    batch = encode_batch(rows)
    with pytest.raises(MalformedInputError):
        decode_batch(batch[:-cut])
    with pytest.raises(MalformedInputError):
        decode_batch(batch + b"\0")


def test_a_batch_that_unpacks_to_too_much_is_refused() -> None:
    """Sixty kilobytes on disk must not become the whole memory of the machine."""
    with pytest.raises(MalformedInputError, match="too large"):
        decode_batch(packed(bytes(LARGEST_CONTENT + 1)))


def test_more_than_a_batch_holds_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is acknowledged as written must be readable."""
    monkeypatch.setattr(batch_codec, "MOST_EVENTS", 2)
    with pytest.raises(UsageError, match="a batch holds"):
        encode_batch(BATCH)
    monkeypatch.undo()
    monkeypatch.setattr(batch_codec, "LARGEST_CONTENT", 40)
    with pytest.raises(UsageError, match="a batch holds"):
        encode_batch(BATCH)


@pytest.mark.parametrize("event", [
    Event(1, -1, "a", TimePassed()), Event(1, 0, "", TimePassed()), Event(2**63, 0, "a", TimePassed()),
    Event(1, 0, "a", Deposit(ANN, "USDT", True)), Event(1, 0, "a", Deposit(ANN, "\ud800", 1)),
    Event(1, 0, "a", Deposit(("ann", ""), "USDT", 1))])  # type: ignore[arg-type]
def test_what_no_venue_would_look_at_is_not_written(event: Any) -> None:
    """The journal is no place for what lines would refuse."""
    with pytest.raises(UsageError):
        encode_batch([event])


@given(values=st.lists(integers | st.integers(-300, 300), max_size=30))
def test_a_column_of_integers_is_exact(values: Any) -> None:
    """One amount off by one is a ledger that does not add up."""
    writer = ColumnWriter()
    writer.integers(values)
    reader = ColumnReader(writer.bytes())
    assert reader.integers(len(values)) == values
    reader.end()


@pytest.mark.parametrize(("values", "size"), [
    ([0] * 100, 101), ([10**18 + i for i in range(100)], 108), ([2**62, -2**62] * 50, 801), ([300] * 2, 5)])
def test_a_column_is_as_narrow_as_it_can_be(values: Any, size: Any) -> None:
    """Sequence numbers and times are most of a journal: their steps are small where they are not."""
    writer = ColumnWriter()
    writer.integers(values)
    assert len(writer.bytes()) == size


def test_only_the_own_exception_leaves_the_reader() -> None:
    """A caller that catches the project's errors must catch these."""
    with pytest.raises(LeverlineError, match=r"journal, row 3: is no batch of events: its version is not 1"):
        decode_batch(b"\x02", file="journal", row=3)
