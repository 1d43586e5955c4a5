"""The journal: every event that a venue acknowledged, durable before its effects are seen, chained, never repaired.

One SQLite file in write-ahead mode with full sync, one row a commit; beside it a head file that is synced after each
commit and before anything is acknowledged. Opening compares the two. What SQLite holds beyond the head was in doubt
when the writer stopped; it is whole, so it counts. What the head knows and SQLite does not is lost, and the journal is
refused with the place, because a venue that goes on without its newest events pays out what it no longer owes.

Promises, tests and what an operator does are in ``docs/concepts/durability.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from leverline.enforce.batch_codec import encode_batch
from leverline.enforce.disk import Connection, Disk, RealDisk
from leverline.enforce.events import Event
from leverline.enforce.head_file import Head, create_head, head_path, read_head, write_head
from leverline.enforce.journal_rows import Batch, JournalHeader
from leverline.ground.errors import LeverlineError, MalformedInputError, Place, require

APPLICATION_ID = 0x4C564C4A  # "LVLJ", where SQLite keeps whose file it is
_SMALLEST_PAGE = 512  # of SQLite, bytes
MOST_EVENTS = 100_000
"""Of one batch."""

_CREATE = ("CREATE TABLE header (content TEXT NOT NULL) STRICT",
           "CREATE TABLE batch (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, count INTEGER NOT NULL,"
           " ts_ns INTEGER NOT NULL, payload BLOB NOT NULL, chain BLOB NOT NULL) STRICT")
_COLUMNS = "first, last, count, ts_ns, payload, chain"
_TYPES = (int, int, int, int, bytes, bytes)


class DamagedJournalError(MalformedInputError):
    """A journal that cannot be trusted, with its place. Nothing is skipped and nothing repaired."""


class InDoubtError(LeverlineError):
    """A commit failed: whether ``first`` to ``last`` are durable shows when the journal is opened again."""

    def __init__(self, path: Path, first: int, last: int, why: Exception) -> None:
        super().__init__(f"{path}: events {first} to {last} are in doubt: {why}",
                         remedy="mend the disk, open the journal again, and send them anew under the same ids")
        self.first, self.last = first, last


class StoppedError(LeverlineError):
    """The writer stopped at an earlier failure and takes nothing more."""


@dataclass(frozen=True, slots=True)
class Tail:
    """Where a journal ends: the last event's number, and the chain after it."""

    seq: int
    chain: bytes


class Journal:
    """An open journal; :meth:`create` and :meth:`open` make one."""

    def __init__(self, path: Path, disk: Disk, connection: Connection, header: JournalHeader, *, lock: int | None,
                 ) -> None:
        self.path = path
        self.disk = disk
        self.header = header
        self.tail = Tail(0, header.genesis)
        self.stopped: InDoubtError | None = None
        self._connection = connection
        self._head = Head(0, 0, header.genesis)
        self._lock = lock
        self.damaged_slots = 0

    @classmethod
    def create(cls, path: Path, header: JournalHeader, disk: Disk | None = None) -> Journal:
        """A new journal, held for writing; refuses where one stands, and a file that is another program's.

        A creation that broke off is finished.
        """
        disk = disk or RealDisk()
        with ExitStack() as held:
            try:
                _refuse_standing(disk, path)
                connection = disk.connect(path, writable=True)
                held.callback(connection.close)
                begun = _begun(connection, path)
                _prepare(connection)
                _write_header(disk, connection, path, header, begun=begun)
                disk.sync_folder(path.absolute().parent)
                lock = _write_first_head(disk, connection, path, header)
            except disk.errors as error:
                if "not a database" in str(error):
                    raise _damaged(path, "is not a journal", remedy="name another file") from error
                raise LeverlineError(f"cannot create {path}: {error}", remedy="choose another place") from error
            held.pop_all()
        return cls(path, disk, connection, header, lock=lock)

    @classmethod
    def open(cls, path: Path, disk: Disk | None = None, *, writable: bool = True) -> Journal:
        """Open an existing journal; its newest rows are checked against the head file.

        Raises :class:`DamagedJournalError` where the two disagree or a row is not whole.
        """
        disk = disk or RealDisk()
        try:
            _refuse_halves(disk, path)
            with ExitStack() as held:
                lock = _locked(disk, path) if writable else None
                if lock is not None:
                    held.callback(disk.unlock, lock)
                if writable:  # what may write moves, as it closes, what it can read of the log: not before it is judged
                    with cls(path, disk, *_connected(path, disk, writable=False), lock=None) as judged:
                        judged.checked()
                    judged.rewrite_doubt()
                connection, header = _connected(path, disk, writable=writable)
                held.callback(connection.close)
                journal = cls(path, disk, connection, header, lock=lock).checked()
                held.pop_all()
        except disk.errors as error:
            raise LeverlineError(f"cannot open {path}: {error}", remedy="see to the file and its folder") from error
        return journal

    @classmethod
    def unchecked(cls, path: Path, disk: Disk | None = None) -> Journal:
        """For reading, and not :meth:`checked` yet: for who wants to know what is wrong with it."""
        disk = disk or RealDisk()
        try:
            _refuse_halves(disk, path)
            return cls(path, disk, *_connected(path, disk, writable=False), lock=None)
        except disk.errors as error:
            raise LeverlineError(f"cannot open {path}: {error}", remedy="see to the file and its folder") from error

    def checked(self) -> Self:
        """Stand at the tail: the newest acknowledged row is there as the head says, and what follows it is whole.

        Opened for reading it stays there, whatever another process appends from now on.
        """
        reading = read_head(self.disk.read(head_path(self.path)) or b"")
        if self._lock is None:
            self._connection.execute("BEGIN")  # the rows of one moment, and of none before the head was read
        if reading.newest is None:
            raise _damaged(head_path(self.path), "both slots are damaged", remedy="restore both files from one backup")
        self._head, self.damaged_slots = reading.newest, reading.damaged
        self.tail = Tail(self._head.seq, self.chain_at(self._head.seq))
        if self.tail.chain != self._head.chain:
            raise _damaged(self.path, f"event {self._head.seq} is not the one that was acknowledged")
        for batch in self.batches(after=self._head.seq):
            self.tail = Tail(batch.last, batch.chain)
        if self._lock is not None:
            self._settle()
        return self

    def _settle(self) -> None:
        """Write once more what a process that ended in the midst of a sync may have left in memory alone.

        The files' names; the slot that was read, while the other one still stands, or else the one that is damaged; and
        rows that were in doubt count from now on. A head before the first commit was synced before it had a name.
        """
        self.disk.sync_folder(self.path.absolute().parent)
        if self.damaged_slots:
            self._head = replace(self._head, commit=self._head.commit + 1)
        if self._head.commit:
            write_head(self.disk, head_path(self.path), self._head)
        if self.tail.seq > self._head.seq:
            self._advance_head()

    def rewrite_doubt(self) -> None:
        """Write SQLite's log anew where it holds rows beyond the head, while no connection of ours has it open.

        After a failed sync they may stand in memory alone, on pages that no later sync writes; moved into the file
        instead, they would mix with the older pages that the disk's log still holds.
        """
        log = self.path.with_name(self.path.name + "-wal")
        try:
            if self.tail.seq > self._head.seq and (content := self.disk.read(log)):
                self.disk.write_whole(log, content)
        except self.disk.errors as error:
            raise InDoubtError(self.path, self._head.seq + 1, self.tail.seq, error) from error

    def chain_at(self, seq: int) -> bytes:
        """The chain after event ``seq``, as its row says; refuses where no batch ends there."""
        if seq == 0:
            return self.header.genesis
        found = list(self._rows("WHERE first <= ? ORDER BY first DESC LIMIT 1", seq))
        if found and found[0].last == seq:
            return found[0].chain
        newest = max((batch.last for batch in self._rows("ORDER BY first DESC LIMIT 1")), default=0)
        raise _damaged(self.path, f"ends at event {newest}, but event {seq} was acknowledged" if newest < seq
                 else f"no batch ends at event {seq}",
                 remedy="restore the journal from a copy that holds it; it must not go on without")

    def batches(self, after: int = 0) -> Iterator[Batch]:
        """Rows after event ``after``, which ends a batch; each is checked against the chain before it is given."""
        seq, chain = after, self.chain_at(after)
        for batch in self._rows("WHERE first > ? ORDER BY first", after):
            where = f"events {batch.first} to {batch.last}"
            if batch.first != seq + 1 or batch.count != batch.last - batch.first + 1 or batch.count < 1:
                raise _damaged(self.path, f"{where} do not follow event {seq}")
            if batch.chained(chain) != batch.chain:
                raise _damaged(self.path, f"{where}: the chain does not hold")
            seq, chain = batch.last, batch.chain
            yield batch

    def events(self, after: int = 0) -> Iterator[Event]:
        """Events after number ``after``, which ends a batch."""
        for batch in self.batches(after):
            yield from self.read(batch)

    def read(self, batch: Batch) -> list[Event]:
        """Events of one row."""
        try:
            events = batch.events()
        except MalformedInputError as error:
            raise _damaged(self.path, f"events {batch.first} to {batch.last}: {error.what}") from error
        if [events[0].seq, events[-1].seq, len(events)] != [batch.first, batch.last, batch.count]:
            raise _damaged(self.path, f"events {batch.first} to {batch.last}: the batch holds others")
        return events

    def between(self, first: int, last: int) -> Iterator[Event]:
        """Events ``first`` to ``last``, wherever batches end; the chain is checked from the first one's batch on."""
        held = list(self._rows("WHERE first <= ? ORDER BY first DESC LIMIT 1", first))
        for event in self.events(held[0].first - 1 if held else 0):
            if event.seq > last:
                return
            if event.seq >= first:
                yield event

    def append(self, events: Sequence[Event]) -> None:
        """Make a batch durable: the row, then the head. When this returns it may be acknowledged.

        Raises :class:`InDoubtError` where either could not be written; from then on nothing more is taken.
        """
        require(self._lock is not None, "a journal opened for reading takes no events")
        if self.stopped is not None:
            raise StoppedError(f"{self.path} stopped: {self.stopped.what}", remedy="open it again")
        require(0 < len(events) <= MOST_EVENTS, f"a batch holds 1 to {MOST_EVENTS} events", got=len(events))
        first, last = events[0].seq, events[-1].seq
        assert (first, last) == (self.tail.seq + 1, self.tail.seq + len(events)), "events follow one another"
        row = Batch(first, last, len(events), events[-1].ts_ns, encode_batch(events), b"")
        chain = row.chained(self.tail.chain)
        try:
            self._connection.execute(f"INSERT INTO batch ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608
                                     (first, last, row.count, row.ts_ns, row.payload, chain))
            self.tail = Tail(last, chain)
            self._advance_head()
        except Exception as error:
            self.stopped = InDoubtError(self.path, first, last, error)
            raise self.stopped from error

    def _advance_head(self) -> None:
        head = Head(self._head.commit + 1, self.tail.seq, self.tail.chain)
        write_head(self.disk, head_path(self.path), head)
        self._head = head

    def _rows(self, condition: str, *values: int) -> Iterator[Batch]:
        try:
            for row in self._connection.execute(f"SELECT {_COLUMNS} FROM batch {condition}", values):  # noqa: S608
                if tuple(map(type, row)) != _TYPES or min(row[:4]) < 0:
                    raise _damaged(self.path, f"a row is not one of a journal: {row[:4]!r}")
                yield Batch(*row)
        except self.disk.errors as error:
            raise _damaged(self.path, f"cannot be read: {error}") from error

    def close(self) -> None:
        """Let go of the files; what was appended stands."""
        with suppress(*self.disk.errors):  # a failing disk was reported by the append that met it
            self._connection.close()
        if self._lock is not None:
            self.disk.unlock(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _connected(path: Path, disk: Disk, *, writable: bool) -> tuple[Connection, JournalHeader]:
    unreadable: tuple[type[Exception], ...] = (*disk.errors, ValueError, IndexError, TypeError)
    with ExitStack() as held:
        try:
            connection = disk.connect(path, writable=writable)
            held.callback(connection.close)
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise _damaged(path, "is not a journal, or stands here without its -wal file",
                               remedy="restore all files of one backup")
            header = JournalHeader.decoded(connection.execute("SELECT content FROM header").fetchall()[0][0])
            if writable:
                _prepare(connection)
        except unreadable as error:
            raise _damaged(path, f"cannot be read: {error}") from error
        held.pop_all()
    return connection, header


def _prepare(connection: Connection) -> None:
    """Write-ahead log; synced at every commit and checkpoint."""
    (mode,), = connection.execute("PRAGMA journal_mode = WAL").fetchall()
    require(mode == "wal", "the disk can hold SQLite's write-ahead log", got=mode, remedy="choose another place")
    connection.execute("PRAGMA synchronous = FULL")


def _refuse_standing(disk: Disk, path: Path) -> None:
    if disk.read(head_path(path)) is not None:
        raise LeverlineError(f"{path} exists", remedy="open it, or name another file")


def _refuse_halves(disk: Disk, path: Path) -> None:
    """Both files are there; where one is missing nothing is made in its place."""
    found = standing(disk, path)
    if all(found):
        if disk.size(path) < _SMALLEST_PAGE:
            raise _damaged(path, "is cut off at its beginning", remedy="restore both files from one backup")
        return
    if not any(found):
        raise _damaged(path, "there is no journal")
    if found[0] and not is_marked(disk, path):
        raise _damaged(path, "is not a journal")
    what = "its head file is missing" if found[0] else "the journal is missing, its head file is there"
    raise _damaged(path, what, remedy="restore both files from one backup")


def standing(disk: Disk, path: Path) -> tuple[bool, bool]:
    """Whether the journal's file is there, and its head file."""
    try:
        names = disk.names(path.absolute().parent)
    except (FileNotFoundError, NotADirectoryError):
        return False, False
    return path.name in names, head_path(path).name in names


def is_marked(disk: Disk, path: Path) -> bool:
    """Whether a file that is there says of itself that it is a journal.

    SQLite takes a file without a page for a new one and removes the log beside it, which may be all that is left.
    """
    if disk.size(path) < _SMALLEST_PAGE:
        return False
    try:
        with closing(disk.connect(path, writable=False)) as connection:
            return bool(connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID)
    except disk.errors:
        return False


def _begun(connection: Connection, path: Path) -> bool:
    """Whether a creation broke off here before its head was written; refuses what is no such thing and not empty."""
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema").fetchall()}
    if not names:
        return False
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise _damaged(path, "is not a journal", remedy="name another file")
    if connection.execute("SELECT first FROM batch LIMIT 1").fetchone():
        raise _damaged(path, "its head file is missing", remedy="restore both files from one backup")
    return True


def _write_first_head(disk: Disk, connection: Connection, path: Path, header: JournalHeader) -> int:
    """The head of a new journal, under SQLite's lock: of two that create one at the same time the second is refused."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        _refuse_standing(disk, path)
        if connection.execute("SELECT content FROM header").fetchall() != [(header.encoded(),)]:
            raise LeverlineError(f"{path} is being created by another process", remedy="name another file")
        create_head(disk, head_path(path), Head(0, 0, header.genesis))
        return _locked(disk, path)
    finally:
        connection.execute("ROLLBACK")


def _write_header(disk: Disk, connection: Connection, path: Path, header: JournalHeader, *, begun: bool) -> None:
    """Tables and header in one transaction; those of a creation that broke off before its head are replaced."""
    connection.execute("BEGIN IMMEDIATE")
    _refuse_standing(disk, path)
    if begun:
        connection.execute("DROP TABLE header")
        connection.execute("DROP TABLE batch")
    for statement in _CREATE:
        connection.execute(statement)
    connection.execute("INSERT INTO header (content) VALUES (?)", (header.encoded(),))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("COMMIT")


def _locked(disk: Disk, path: Path) -> int:
    try:
        return disk.lock(head_path(path))
    except BlockingIOError as error:
        raise LeverlineError(f"{path} is being written by another process", remedy="stop that one first") from error


def _damaged(path: Path, what: str, remedy: str | None = None) -> DamagedJournalError:
    return DamagedJournalError(what, place=Place(str(path)), remedy=remedy)
