"""Events by the batch, for a journal: columns of narrow integers and tables of names, compressed.

:func:`encode_batch` and :func:`decode_batch` are to a journal what ``encode`` and ``decode`` of
:mod:`leverline.enforce.codec` are to a stream of lines: the same events, several times smaller and faster. As strict:
whatever bytes come in, a batch is read as it was written or refused. The layout stands in ``docs/formats/events.md``.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from leverline.enforce.batch_columns import ColumnReader, ColumnWriter, UnreadableColumnError
from leverline.enforce.events import (
    AdoptLimits,
    AuctionBid,
    Body,
    Convert,
    Deposit,
    DepthUpdate,
    Event,
    Fill,
    Funding,
    FundInsurance,
    Interest,
    LiquidationFill,
    OpenPool,
    OracleUpdate,
    OrderIntent,
    Pause,
    PoolKey,
    Resume,
    Settle,
    TimePassed,
    Transfer,
    Withdraw,
)
from leverline.enforce.shape import LARGEST, LONGEST_BOOK, LONGEST_NAME, SHAPES, shape_fault
from leverline.ground.errors import UsageError, refuse, require
from leverline.model.accounts import Mode

BATCH_VERSION = 1
"""First byte of a batch; raised when the layout, the fields of a type or the meaning of a number changes."""

KINDS: tuple[type, ...] = (
    OpenPool, Deposit, Withdraw, Transfer, OrderIntent, Fill, OracleUpdate, Funding, Interest, AdoptLimits, TimePassed,
    Pause, Resume, LiquidationFill, AuctionBid, Settle, Convert, FundInsurance, DepthUpdate)
"""A type's number is its place here, from 0. Written for good: new types go to the end."""
MODES = (Mode.CROSS, Mode.ISOLATED, Mode.SEGREGATED, Mode.PORTFOLIO)
"""The same for margin modes."""

MOST_EVENTS = 1 << 20
LARGEST_CONTENT = 1 << 26
"""Bytes before compression: any one event fits, and a small file that would unpack to more is refused."""

_MOST_NAMES = max(sum(hint is str for _, hint in SHAPES[kind]) for kind in KINDS)
_MOST_POOLS = max(sum(hint is PoolKey for _, hint in SHAPES[kind]) for kind in KINDS)
"""Of one event: tables hold no more than the events can name, or a few bytes would unpack to gigabytes of them."""
_LEVEL = 1
_NUMBER = {kind: number for number, kind in enumerate(KINDS)}
_PLACES: dict[type, dict[Any, int]] = {bool: {False: 0, True: 1}, Mode: {mode: i for i, mode in enumerate(MODES)}}


def encode_batch(events: Sequence[Event]) -> bytes:
    """At most ``MOST_EVENTS`` events in their order; equal events give equal bytes under one zlib.

    Raises :class:`UsageError` for an event that no venue would look at, and for more than a batch holds.
    """
    require(len(events) <= MOST_EVENTS, "a batch holds 2^20 events", got=len(events))
    rows: dict[type, list[Body]] = {}
    for event in events:
        wrong = shape_fault(event)
        if wrong is not None:
            raise UsageError(f"an event is not one of this version: {wrong.detail}")
        rows.setdefault(type(event.body), []).append(event.body)
    names: dict[str, int] = {}
    pools: dict[PoolKey, int] = {}
    bodies = ColumnWriter()
    for kind in KINDS:
        for name, hint in SHAPES[kind] if kind in rows else ():
            _write_field(bodies, name, hint, [getattr(row, name) for row in rows[kind]], names, pools)
    head = ColumnWriter()
    head.number(len(events))
    head.integers([_NUMBER[type(event.body)] for event in events])
    head.integers([event.seq for event in events])
    head.integers([event.ts_ns for event in events])
    head.texts([event.id for event in events])
    head.number(len(names))
    head.texts(list(names))
    head.number(len(pools))
    head.texts([pool.account for pool in pools])
    head.texts([pool.subaccount for pool in pools])
    content = head.bytes() + bodies.bytes()
    require(len(content) <= LARGEST_CONTENT, "a batch holds 64 MiB before compression", got=len(content))
    return bytes([BATCH_VERSION]) + zlib.compress(content, _LEVEL)


def decode_batch(batch: bytes, *, file: str | None = None, row: int | None = None) -> list[Event]:
    """Events in their order; raises :class:`MalformedInputError` with ``file`` and ``row`` for anything else."""
    try:
        return _read_events(ColumnReader(_unpacked(batch)))
    except UnreadableColumnError as error:
        refuse(f"is no batch of events: {error}", file=file, row=row)


def _unpacked(batch: bytes) -> bytes:
    """The content, whole and no larger than a batch may be."""
    if batch[:1] != bytes([BATCH_VERSION]):
        raise UnreadableColumnError(f"its version is not {BATCH_VERSION}")
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(batch[1:], LARGEST_CONTENT)
    except zlib.error as error:
        raise UnreadableColumnError("it does not unpack") from error
    if not unpacking.eof or unpacking.unused_data:
        raise UnreadableColumnError("it is cut off, too large, or followed by something")
    return content


def _read_events(content: ColumnReader) -> list[Event]:
    count = content.number(MOST_EVENTS)
    kinds = content.chosen(count, KINDS)
    seqs = content.integers(count)
    times = content.integers(count, lowest=0)
    ids = content.texts(count, LONGEST_NAME, shortest=1)
    names = content.texts(content.number(count * _MOST_NAMES), LONGEST_NAME)
    held = content.number(count * _MOST_POOLS)
    pools = list(map(PoolKey, content.texts(held, LONGEST_NAME), content.texts(held, LONGEST_NAME)))
    bodies: dict[type, Iterator[Body]] = {}
    present = set(kinds)
    for kind in KINDS:
        if kind in present:
            rows = kinds.count(kind)
            fields = [_read_field(content, name, hint, rows, names, pools) for name, hint in SHAPES[kind]]
            bodies[kind] = map(kind, *fields) if fields else iter([kind()] * rows)
    content.end()
    return list(map(Event, seqs, times, ids, [next(bodies[kind]) for kind in kinds]))


def _write_field(bodies: ColumnWriter, name: str, hint: Any, values: list[Any], names: dict[str, int],
                 pools: dict[PoolKey, int]) -> None:
    """One column: integers as they are, names and pools by their places in the tables, books in full."""
    if hint is int:
        bodies.integers(values)
    elif name == "book":
        bodies.texts(values)
    else:
        table: dict[Any, int] = names if hint is str else pools if hint is PoolKey else _PLACES[hint]
        bodies.integers([table.setdefault(value, len(table)) for value in values])


def _read_field(content: ColumnReader, name: str, hint: Any, rows: int, names: list[str], pools: list[PoolKey],
                ) -> list[Any]:
    if hint is int:
        return content.integers(rows, -LARGEST, LARGEST)
    if name == "book":
        return content.texts(rows, LONGEST_BOOK)
    tables: dict[Any, Sequence[Any]] = {str: names, PoolKey: pools, bool: (False, True), Mode: MODES}
    return content.chosen(rows, tables[hint])
