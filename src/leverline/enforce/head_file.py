"""The head file: how far a journal was acknowledged, in two slots that are written by turns.

A store that loses its newest rows without a word (SQLite does, when one bit of its write-ahead log flips) is found out
by a number kept elsewhere. Of a write that was torn the other slot stays.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from leverline.enforce.disk import Disk

MAGIC = b"LVLHEAD1"
_SLOT = struct.Struct(">8sQQ32s")
_CHECK = struct.Struct(">I")
SLOT_BYTES = _SLOT.size + _CHECK.size
SLOT_OFFSETS = (0, 4096)
"""Two blocks of the disk, so that writing one cannot tear the other."""
FILE_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Head:
    """Commit number ``commit`` acknowledged everything up to event ``seq``, where the chain was ``chain``."""

    commit: int
    seq: int
    chain: bytes


def head_path(journal: Path) -> Path:
    """The head file of a journal, beside it."""
    return journal.with_name(journal.name + "-head")


def pack(head: Head) -> bytes:
    """One slot."""
    body = _SLOT.pack(MAGIC, head.commit, head.seq, head.chain)
    return body + _CHECK.pack(zlib.crc32(body))


def unpack(slot: bytes) -> Head | None:
    """What a slot says; None where it was never written or is damaged."""
    body, check = slot[:_SLOT.size], slot[_SLOT.size:SLOT_BYTES]
    if len(slot) < SLOT_BYTES or _CHECK.pack(zlib.crc32(body)) != check:
        return None
    magic, commit, seq, chain = _SLOT.unpack(body)
    return Head(commit, seq, chain) if magic == MAGIC else None


def create_head(disk: Disk, path: Path, head: Head) -> None:
    """A new head file."""
    disk.write_whole(path, pack(head).ljust(FILE_BYTES, b"\0"))


def write_head(disk: Disk, path: Path, head: Head) -> None:
    """Write the slot whose turn it is; synced when this returns."""
    disk.write_at(path, SLOT_OFFSETS[head.commit % 2], pack(head))


@dataclass(frozen=True, slots=True)
class HeadReading:
    """The newest slot that can be read, and where (bytes from the file's beginning) those stand that cannot."""

    newest: Head | None
    damaged_at: tuple[int, ...]

    @property
    def damaged(self) -> int:
        """How many slots were written and cannot be read."""
        return len(self.damaged_at)


def read_head(content: bytes) -> HeadReading:
    """Both slots of a head file. The second is blank until the first commit, and never after it."""
    slots = {offset: content[offset:offset + SLOT_BYTES] for offset in SLOT_OFFSETS}
    heads = {offset: head for offset, slot in slots.items() if (head := unpack(slot)) is not None}
    newest = max(heads.values(), key=lambda head: head.commit, default=None)
    begun = newest is not None and newest.commit > 0
    damaged = (offset for offset, slot in slots.items() if offset not in heads and (begun or any(slot)))
    return HeadReading(newest, tuple(damaged))
