"""What the journal asks of a disk: every call has happened for good when it returns, or raises.

One small interface, so that a simulation can stand in with a disk that tears, forgets, fills up and fails.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Any, Protocol

from leverline.ground.errors import LeverlineError


class Connection(Protocol):
    """The part of an SQLite connection that the journal uses; every statement commits unless a BEGIN went before."""

    def execute(self, statement: str, values: tuple[Any, ...] = (), /) -> Any:
        """Rows as tuples."""
        ...

    def close(self) -> None:
        """Let go of the files."""
        ...


class Disk(Protocol):
    """A place for files. ``errors``: what it and its SQLite raise."""

    errors: tuple[type[Exception], ...]

    def connect(self, path: Path, *, writable: bool) -> Connection:
        """SQLite on a file; created if it is absent and ``writable``."""
        ...

    def size(self, path: Path) -> int:
        """Bytes of a file that is there. (To read a file that SQLite holds open would drop SQLite's locks.)"""
        ...

    def read(self, path: Path) -> bytes | None:
        """A whole file; None where there is none."""
        ...

    def write_at(self, path: Path, offset: int, content: bytes) -> None:
        """Overwrite a part of a file that exists, synced."""
        ...

    def write_whole(self, path: Path, content: bytes) -> None:
        """Make or replace a file: the whole of it or nothing, synced with its folder."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Names in a folder are there to stay."""
        ...

    def names(self, folder: Path) -> list[str]:
        """Files of a folder, sorted."""
        ...

    def remove(self, path: Path) -> None:
        """Delete a file if it is there."""
        ...

    def lock(self, path: Path) -> int:
        """Hold a file for one writer until :meth:`unlock`; raises ``BlockingIOError`` where another one holds it."""
        ...

    def unlock(self, held: int) -> None:
        """Let go of it."""
        ...


class RealDisk:
    """The disk of this machine (POSIX)."""

    errors: tuple[type[Exception], ...] = (sqlite3.Error, OSError)

    def connect(self, path: Path, *, writable: bool) -> sqlite3.Connection:
        """See :class:`Disk`. ``#`` and ``?`` are letters of a name, not of an address."""
        mode = "mode=rwc" if writable else "mode=ro"
        if not writable and not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists():
            mode += "&immutable=1"  # a copy at rest: SQLite would make its -wal and -shm files, and may not
        return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None, timeout=5.0)

    def size(self, path: Path) -> int:
        """See :class:`Disk`."""
        return path.stat().st_size

    def read(self, path: Path) -> bytes | None:
        """See :class:`Disk`."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def write_at(self, path: Path, offset: int, content: bytes) -> None:
        """See :class:`Disk`. The sync is asked of the descriptor that wrote: a failed write-back is reported to it."""
        handle = os.open(path, os.O_WRONLY)
        try:
            _write_all(handle, content, offset)
            os.fsync(handle)
        finally:
            os.close(handle)

    def write_whole(self, path: Path, content: bytes) -> None:
        """See :class:`Disk`."""
        part = path.with_name(path.name + ".part")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            _write_all(handle, content, 0)
            os.fsync(handle)
        finally:
            os.close(handle)
        part.replace(path)
        self.sync_folder(path.parent)

    def sync_folder(self, folder: Path) -> None:
        """See :class:`Disk`."""
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def names(self, folder: Path) -> list[str]:
        """See :class:`Disk`."""
        return sorted(path.name for path in folder.iterdir())

    def remove(self, path: Path) -> None:
        """See :class:`Disk`."""
        path.unlink(missing_ok=True)

    def lock(self, path: Path) -> int:
        """See :class:`Disk`."""
        handle = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise
        return handle

    def unlock(self, held: int) -> None:
        """See :class:`Disk`."""
        os.close(held)


def _write_all(handle: int, content: bytes, offset: int) -> None:
    """A write may take a part only, on a disk that is nearly full."""
    view = memoryview(content)
    while view:
        written = os.pwrite(handle, view, offset)
        if written <= 0:
            raise LeverlineError("the disk takes no more")
        view, offset = view[written:], offset + written
