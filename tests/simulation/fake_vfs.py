"""SQLite's calls of its files, as ops of a :class:`~tests.simulation.fake_disk.FakeDisk`."""

from __future__ import annotations

import errno
import weakref
from itertools import count
from typing import Any

import apsw

from tests.simulation.fake_disk import FakeDisk, Kind, Op

NUMBERS = count()


class FakeVfs(apsw.VFS):
    """SQLite's calls, as ops of the disk."""

    def __init__(self, disk: FakeDisk) -> None:
        self.vfs_name = f"leverline-fake-{next(NUMBERS)}"
        self._disk = weakref.ref(disk)
        super().__init__(self.vfs_name, "")

    def disk(self) -> FakeDisk:
        found = self._disk()
        assert found is not None
        return found

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802 - SQLite's name
        return pathname in self.disk()._names

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        return name

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        disk = self.disk()
        if filename in disk._names:
            _for_sqlite(disk, Op(Kind.REMOVE, filename))
        if syncdir:
            _for_sqlite(disk, Op(Kind.SYNC_FOLDER, ""))

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802
        disk = self.disk()
        path = name if isinstance(name, str) or name is None else name.filename()
        assert path is not None, "the journal needs no temporary files"
        made = path not in disk._names
        if made:
            if not flags[0] & apsw.SQLITE_OPEN_CREATE:
                raise apsw.CantOpenError(f"no file {path}")
            _for_sqlite(disk, Op(Kind.CREATE, path))
        flags[1] = flags[0]
        return _OpenFile(disk, path, named_by_sync=made and bool(flags[0] & apsw.SQLITE_OPEN_WAL))


def _for_sqlite(disk: FakeDisk, op: Op) -> None:
    """Do an op; the system's errors as SQLite's."""
    try:
        disk.do(op)
    except OSError as error:
        raise (apsw.FullError if error.errno == errno.ENOSPC else apsw.IOError)(str(error)) from error


class _OpenFile:
    """One file that SQLite holds open. What an earlier life opened fails at every call."""

    def __init__(self, disk: FakeDisk, path: str, *, named_by_sync: bool) -> None:
        self.disk, self.path, self.life = disk, path, disk.life
        self.file = disk._names[path]
        self.named_by_sync = named_by_sync  # as SQLite's own: the first sync of a new log syncs its folder, too

    def do(self, op: Op) -> None:
        if self.life != self.disk.life:
            raise apsw.IOError("of an earlier life")
        _for_sqlite(self.disk, op)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        self.do(Op(Kind.READ, self.path, offset))
        return bytes(self.file.cached[offset:offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self.do(Op(Kind.WRITE, self.path, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self.do(Op(Kind.TRUNCATE, self.path, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802
        self.do(Op(Kind.SYNC, self.path))
        if self.named_by_sync:
            self.do(Op(Kind.SYNC_FOLDER, ""))
            self.named_by_sync = False

    def xFileSize(self) -> int:  # noqa: N802
        return len(self.file.cached)

    def xClose(self) -> None:  # noqa: N802
        return

    def xLock(self, level: int) -> None:  # noqa: N802
        return

    def xUnlock(self, level: int) -> None:  # noqa: N802
        return

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xFileControl(self, op: int, pointer: int) -> bool:  # noqa: N802
        return False

    def xSectorSize(self) -> int:  # noqa: N802
        return 4096

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return int(apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE)  # as SQLite assumes of POSIX
