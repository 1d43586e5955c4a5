"""A disk in memory that keeps apart what was written and what is there to stay, so that a power cut can be had.

It stands in for :class:`leverline.enforce.disk.Disk`, and SQLite runs on it through a VFS of ``apsw`` in exclusive
locking mode, so that there is no shared memory: every byte that the journal, its write-ahead log, its head file and its
snapshots change goes through :meth:`FakeDisk.do`, as one :class:`Op`.

How to use it
-------------
- ``disk = FakeDisk()``; any absolute path in one folder will do, and nothing touches the real disk:
  ``Journal.create(Path("/d/journal"), header, disk)``.
- ``disk.log = []`` records every :class:`Op` from then on; ``FakeDisk.of(ops)`` is the disk after them, so that one
  recorded run gives the disk at each of its moments. ``disk.copy()`` is another disk with the same content.
- ``disk.power_cut(choose)``: what survives is everything synced, and of each write that was not ``choose(op)`` says:
  a :class:`Survival`, nothing, all, a prefix, or zeros (:func:`by_chance` gives one from a ``random.Random``). Names
  (creations, renames, removals) that were not synced survive in their order up to a point.
- ``disk.process_death()``: the process is gone, the page cache is not. Both end every open connection and lock.
- ``disk.faults`` is asked before each op (reads too, which are not logged): it returns None or a :class:`Fault`, which
  lets a part of a write happen, then raises. ``Fault(error=SimulatedCrash())`` is a crash at any byte; the world then
  calls ``power_cut`` or ``process_death`` and opens the journal again. A sync that fails leaves the page cache as it
  was and forgets that it was dirty, as Linux does: a later sync has nothing to write.
- ``disk.visible()``: names to bytes as a process reads them; ``disk.damage(name, offset, byte)`` changes one for good.
"""

from __future__ import annotations

import errno
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import apsw

if TYPE_CHECKING:
    from tests.simulation.fake_vfs import FakeVfs

NUMBERS = count()
SECTOR = 512


class SimulatedCrash(BaseException):
    """The process ends here. Not an ``Exception``, so that no handler of the project goes on after it."""


class Kind(Enum):
    """What happens to a disk."""

    CREATE = "create"
    WRITE = "write"
    TRUNCATE = "truncate"
    SYNC = "sync"
    RENAME = "rename"
    REMOVE = "remove"
    SYNC_FOLDER = "sync folder"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Op:
    """One call: ``offset`` is the new size of a truncation, ``target`` the new name of a rename."""

    kind: Kind
    name: str
    offset: int = 0
    content: bytes = b""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Survival:
    """Of an unsynced write: its first ``kept`` bytes; and zeros for the others where ``zeros``."""

    kept: int
    zeros: bool = False


Choose = Callable[[Op], Survival]


def nothing(op: Op) -> Survival:
    """The write never reached the disk."""
    return Survival(0)


def everything(op: Op) -> Survival:
    """It was there already."""
    return Survival(len(op.content) or 1)


def by_chance(stream: Random) -> Choose:
    """Nothing, all, a prefix (half of the time of whole sectors), or as many bytes with zeros behind."""

    def choose(op: Op) -> Survival:
        draw, size = stream.random(), len(op.content)
        if draw < 0.3:
            return nothing(op)
        if draw < 0.55:
            return everything(op)
        kept = stream.randrange(size + 1)
        if stream.random() < 0.5:
            kept -= kept % SECTOR
        return Survival(kept, zeros=draw > 0.8)

    return choose


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with an op: ``kept`` bytes of a write happen, ``delay_s`` pass, then ``error`` is raised.

    Of what a failed sync should have written is there to stay what ``choose`` says.
    """

    error: BaseException | None = None
    kept: int = 0
    delay_s: float = 0.0
    choose: Choose = nothing


@dataclass(slots=True)
class File:
    """``cached``: what reads see; ``stable``: what is there to stay; ``pending``: what a sync has yet to do."""

    cached: bytearray = field(default_factory=bytearray)
    stable: bytearray = field(default_factory=bytearray)
    pending: list[Op] = field(default_factory=list)

    def change(self, op: Op) -> None:
        """A write or truncation, seen at once."""
        _apply(self.cached, op, len(op.content))
        self.pending.append(op)

    def sync(self) -> None:
        """Everything pending is there to stay."""
        for op in self.pending:
            _apply(self.stable, op, len(op.content))
        self.pending.clear()

    def settle(self, choose: Choose) -> None:
        """What becomes of everything pending where no sync does it."""
        for op in self.pending:
            survival = choose(op)
            if op.kind is Kind.TRUNCATE:
                if survival.kept:
                    _apply(self.stable, op, 0)
            elif survival.zeros:
                _apply(self.stable, Op(Kind.WRITE, op.name, op.offset,
                                       op.content[:survival.kept].ljust(len(op.content), b"\0")), len(op.content))
            elif survival.kept:
                _apply(self.stable, op, survival.kept)
        self.pending.clear()

    def copy(self) -> File:
        """Another one with the same content."""
        return File(bytearray(self.cached), bytearray(self.stable), list(self.pending))


def _apply(content: bytearray, op: Op, kept: int) -> None:
    """Do the first ``kept`` bytes of a write, or a truncation."""
    if op.kind is Kind.TRUNCATE:
        if op.offset < len(content):
            del content[op.offset:]
        else:
            content.extend(bytes(op.offset - len(content)))
        return
    if op.offset > len(content):
        content.extend(bytes(op.offset - len(content)))
    content[op.offset:op.offset + kept] = op.content[:kept]


class FakeDisk:
    """See the module's docstring. Times of ``slow`` faults add up in ``elapsed_s``."""

    errors: tuple[type[Exception], ...] = (apsw.Error, OSError)

    def __init__(self, faults: Callable[[Op], Fault | None] | None = None) -> None:
        self.faults = faults
        self.log: list[Op] | None = None
        self.elapsed_s = 0.0
        self.life = 0  # raised by each crash; what an earlier life opened does nothing any more
        self._names: dict[str, File] = {}
        self._stable_names: dict[str, File] = {}
        self._pending_names: list[tuple[Op, File | None]] = []  # with the file that was made
        self._locks: dict[int, str] = {}
        self._connections: list[apsw.Connection] = []
        self._vfs: FakeVfs | None = None

    @classmethod
    def of(cls, ops: Iterable[Op]) -> FakeDisk:
        """The disk after ``ops`` of another one's log."""
        disk = cls()
        for op in ops:
            disk._happen(op)
        return disk

    def copy(self) -> FakeDisk:
        """Another disk with the same content, without faults, log or open files."""
        other, copies = FakeDisk(), dict[int, File]()
        for names, copied in ((self._names, other._names), (self._stable_names, other._stable_names)):
            for name, file in names.items():
                copied[name] = copies.setdefault(id(file), file.copy())
        other._pending_names = [(op, file and copies.setdefault(id(file), file.copy()))
                                for op, file in self._pending_names]
        return other

    # -- crashes

    def process_death(self) -> None:
        """The process is gone; what it wrote is still in the page cache."""
        self.life += 1
        for connection in self._connections:
            try:
                connection.close(True)
            except (apsw.Error, SimulatedCrash):  # its disk is gone
                continue
        self._connections.clear()
        self._locks.clear()

    def power_cut(self, choose: Choose = nothing, names_kept: int = 0) -> None:
        """The machine is gone: of writes that were not synced stays what ``choose`` says, of changes to names the
        first ``names_kept``."""
        self.process_death()
        for op, made in self._pending_names[:names_kept]:
            _change_names(self._stable_names, op, made)
        self._pending_names.clear()
        for file in {id(file): file for file in (*self._names.values(), *self._stable_names.values())}.values():
            file.settle(choose)
            file.cached[:] = file.stable
        self._names = dict(self._stable_names)

    @property
    def pending_names(self) -> int:
        """Changes to names that a power cut may take back."""
        return len(self._pending_names)

    def visible(self) -> dict[str, bytes]:
        """Every file as a process reads it."""
        return {name: bytes(file.cached) for name, file in sorted(self._names.items())}

    def damage(self, name: str, offset: int, byte: int) -> None:
        """Change one byte for good."""
        for content in (self._names[name].cached, self._names[name].stable):
            if offset < len(content):
                content[offset] = byte

    # -- everything that changes it

    def do(self, op: Op) -> None:
        """Ask for a fault, then do it."""
        fault = self.faults(op) if self.faults is not None else None
        if fault is None:
            self._record(op)
            return
        self.elapsed_s += fault.delay_s
        if fault.error is None:
            self._record(op)
        else:
            self._spoil(op, fault)
            raise fault.error

    def _spoil(self, op: Op, fault: Fault) -> None:
        """A part of a write; a failed sync leaves dirty pages that nobody will write any more."""
        if op.kind is Kind.WRITE and fault.kept:
            self._record(Op(op.kind, op.name, op.offset, op.content[:fault.kept]))
        elif op.kind is Kind.SYNC and isinstance(fault.error, OSError):
            self._names[op.name].settle(fault.choose)

    def _record(self, op: Op) -> None:
        if self.log is not None and op.kind is not Kind.READ:
            self.log.append(op)
        self._happen(op)

    def _happen(self, op: Op) -> None:
        match op.kind:
            case Kind.READ:
                return
            case Kind.WRITE | Kind.TRUNCATE:
                self._names[op.name].change(op)
            case Kind.SYNC:
                self._names[op.name].sync()
            case Kind.SYNC_FOLDER:
                self._stable_names = dict(self._names)
                self._pending_names.clear()
            case _:
                made = File() if op.kind is Kind.CREATE else None
                _change_names(self._names, op, made)
                self._pending_names.append((op, made))

    # -- the interface that the journal asks for

    def connect(self, path: Path, *, writable: bool) -> apsw.Connection:
        """SQLite on this disk, in exclusive locking mode."""
        if self._vfs is None:
            from tests.simulation.fake_vfs import FakeVfs  # it is made of this module's ops

            self._vfs = FakeVfs(self)
            weakref.finalize(self, self._vfs.unregister)
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE if writable else apsw.SQLITE_OPEN_READONLY
        connection = apsw.Connection(str(path.absolute()), flags=flags, vfs=self._vfs.vfs_name)
        connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
        if not writable:  # as on a real disk, where a connection for reading cannot lock out the others
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._connections.append(connection)
        return connection

    def size(self, path: Path) -> int:
        """Bytes of a file that is there."""
        return len(self._names[str(path.absolute())].cached)

    def read(self, path: Path) -> bytes | None:
        """A whole file."""
        name = str(path.absolute())
        if name not in self._names:
            return None
        self.do(Op(Kind.READ, name))
        return bytes(self._names[name].cached)

    def write_at(self, path: Path, offset: int, content: bytes) -> None:
        """Overwrite, then sync."""
        name = str(path.absolute())
        if name not in self._names:
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        self.do(Op(Kind.WRITE, name, offset, content))
        self.do(Op(Kind.SYNC, name))

    def write_whole(self, path: Path, content: bytes) -> None:
        """Another file, synced, put in its place; then the folder."""
        name = str(path.absolute())
        part = name + ".part"
        if part in self._names:
            self.do(Op(Kind.TRUNCATE, part))
        else:
            self.do(Op(Kind.CREATE, part))
        self.do(Op(Kind.WRITE, part, 0, content))
        self.do(Op(Kind.SYNC, part))
        self.do(Op(Kind.RENAME, part, target=name))
        self.sync_folder(path.parent)

    def sync_folder(self, folder: Path) -> None:
        """Names are there to stay. There is one folder."""
        self.do(Op(Kind.SYNC_FOLDER, str(folder.absolute())))

    def names(self, folder: Path) -> list[str]:
        """Files of a folder, sorted."""
        return sorted(Path(name).name for name in self._names if Path(name).parent == folder.absolute())

    def remove(self, path: Path) -> None:
        """Delete a file if it is there."""
        name = str(path.absolute())
        if name in self._names:
            self.do(Op(Kind.REMOVE, name))

    def lock(self, path: Path) -> int:
        """One holder at a time."""
        name = str(path.absolute())
        if name not in self._names:
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        if name in self._locks.values():
            raise BlockingIOError(errno.EWOULDBLOCK, "held", name)
        held = next(NUMBERS)
        self._locks[held] = name
        return held

    def unlock(self, held: int) -> None:
        """Let go of it; a lock of an earlier life went with it."""
        self._locks.pop(held, None)


def _change_names(names: dict[str, File], op: Op, made: File | None) -> None:
    """Do a creation, renaming or removal; what it speaks of may not have survived."""
    if made is not None:
        names[op.name] = made
    elif op.kind is Kind.REMOVE:
        names.pop(op.name, None)
    elif op.name in names:
        names[op.target] = names.pop(op.name)
