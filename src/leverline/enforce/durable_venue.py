"""A venue whose events are durable before their effects are seen, and its recovery after any end.

Events are applied in memory, collected for a bounded time and written as one batch; their effects are shown when the
batch and the head that names it are synced. Rejected events are not journaled: they changed nothing. What stopped the
writer leaves the events of the batch in doubt; after opening again each is either there, and sent anew is refused as a
duplicate with the number it has, or was never there.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from leverline.enforce.catching_up import stride
from leverline.enforce.disk import Disk
from leverline.enforce.effects import Effect, Rejected
from leverline.enforce.events import Event
from leverline.enforce.journal import DamagedJournalError, Journal, StoppedError
from leverline.enforce.journal_rows import JournalHeader
from leverline.enforce.policy_presets import PRESETS
from leverline.enforce.snapshots import Refused, newest_valid, write_snapshot
from leverline.enforce.terms import terms_of_book
from leverline.enforce.venue import Venue
from leverline.ground.errors import LeverlineError, Place, UsageError, require
from leverline.model import LimitBook

Shown = Callable[[Event, Sequence[Effect]], None]
"""Told of each event once it may be seen, in order; rejected ones included."""

SNAPSHOT_EVERY = 1_000_000
BATCH_EVENTS = 1_000
BATCH_DELAY_S = 0.005


@dataclass(frozen=True, slots=True)
class Recovery:
    """How a venue came back: from a snapshot after event ``from_seq`` (0: the beginning), then ``replayed`` events."""

    from_seq: int
    replayed: int
    refused: tuple[Refused, ...]


@dataclass
class DurableVenue:
    """A venue and its journal.

    Parameters
    ----------
    venue : Venue
        Standing where ``journal`` ends.
    journal : Journal
        Open for writing.
    show : Shown, optional
        Told of what is durable.
    batch_events, batch_delay_s : int, float
        A commit comes with so many events, or so long after the first of them; the queue is never longer.
    snapshot_every : int
        Events between snapshots; 0 for none.
    clock : callable
        Seconds; decides when to commit and nothing else.
    """

    venue: Venue
    journal: Journal
    show: Shown | None = None
    batch_events: int = BATCH_EVENTS
    batch_delay_s: float = BATCH_DELAY_S
    snapshot_every: int = SNAPSHOT_EVERY
    clock: Callable[[], float] = time.monotonic
    snapshot_failure: str | None = None
    _waiting: list[tuple[Event, Sequence[Effect]]] = field(default_factory=list)
    _to_write: list[Event] = field(default_factory=list)
    _since: float = 0.0
    _whole: bool = True  # no event stopped half way

    def __post_init__(self) -> None:
        require(self.batch_events > 0, "a batch holds an event at least", got=self.batch_events)
        require(self.batch_delay_s >= 0, "a delay is not negative", got=self.batch_delay_s)
        require(self.snapshot_every >= 0, "snapshots come every so many events", got=self.snapshot_every)
        assert self.venue.state.seq == self.journal.tail.seq, "the venue stands where its journal ends"

    def apply(self, event: Event) -> Sequence[Effect]:
        """Effects of an event that is durable when this returns."""
        effects = self.take(event)
        self.commit()
        return effects

    def take(self, event: Event) -> Sequence[Effect]:
        """Apply an event and leave it to the next commit, which may be this call's.

        The effects are for whoever decides on further events of this same journal; nobody outside may see them before
        ``show`` is told.
        """
        self._refuse_if_stopped()
        self._whole = False
        effects = self.venue.apply(event)
        self._whole = True
        if not self._waiting:
            self._since = self.clock()
        self._waiting.append((event, effects))
        if not (effects and isinstance(effects[0], Rejected)):
            self._to_write.append(event)
        if len(self._waiting) >= self.batch_events or self.clock() - self._since >= self.batch_delay_s:
            self.commit()
        return effects

    def commit(self) -> None:
        """Write what waits as one batch, then show it; raises :class:`InDoubtError` where the disk fails."""
        self._refuse_if_stopped()
        before = self.journal.tail.seq
        if self._to_write:
            self._append(self._to_write)
        waiting, self._waiting, self._to_write = self._waiting, [], []
        if self.show is not None:
            for event, effects in waiting:
                self.show(event, effects)
        if self.snapshot_every and self.journal.tail.seq // self.snapshot_every > before // self.snapshot_every:
            self.snapshot()

    def _append(self, events: Sequence[Event]) -> None:
        """As one batch, or as two where it would be larger than a batch may be."""
        try:
            self.journal.append(events)
        except UsageError:
            if len(events) == 1:
                raise
            half = len(events) // 2
            self._append(events[:half])
            self._append(events[half:])

    def _refuse_if_stopped(self) -> None:
        """After a failed commit, and after an event that broke off: memory may hold what the journal does not."""
        if self.journal.stopped is not None:
            raise StoppedError(f"{self.journal.path} stopped: {self.journal.stopped.what}", remedy="open it again")
        if not self._whole:
            raise StoppedError(f"{self.journal.path} stopped: an event broke off half way", remedy="open it again")

    def snapshot(self) -> None:
        """Write a snapshot; where that fails the venue goes on, and ``snapshot_failure`` says why."""
        require(not self._waiting, "a snapshot comes after a commit")
        self._refuse_if_stopped()
        try:
            write_snapshot(self.journal, self.venue.state)
            self.snapshot_failure = None
        except (OSError, LeverlineError) as error:
            self.snapshot_failure = str(error)

    def close(self) -> None:
        """Commit what waits, unless the writer stopped, and let go of the files."""
        try:
            if self.journal.stopped is None and self._whole:
                self.commit()
        finally:
            self.journal.close()


def begin(path: Path, book: LimitBook, venue: str, *, disk: Disk | None = None) -> tuple[Venue, Journal]:
    """A new venue under ``book`` with the policies of preset ``venue``, and its journal."""
    made = _venue(book, venue)
    return made, Journal.create(path, JournalHeader(book.to_json(), venue), disk)


def recover(journal: Journal, venue: Venue | None = None) -> tuple[Venue, Recovery]:
    """The venue as it stood after the journal's newest event.

    ``venue``: as it was before the first event; by default what the journal's header says. From the newest snapshot
    that can be trusted; raises :class:`DamagedJournalError` where an event of the journal cannot be read, or is
    refused now though it was accepted when it was written.
    """
    venue = beginning(journal) if venue is None else venue
    with _collector_at_rest():
        snapshot, refused = newest_valid(journal)
        if snapshot is not None:
            venue.resume(snapshot.state)
        start = venue.state.seq
        _catch_up(venue, journal)
    if venue.state.seq != journal.tail.seq:
        raise DamagedJournalError(f"ends at event {venue.state.seq} where it is read through, and at event "
                                  f"{journal.tail.seq} where its end is looked for", place=Place(str(journal.path)))
    return venue, Recovery(start, venue.state.seq - start, refused)


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Loading makes a million objects and no cycles; each look for cycles would walk all that is there already."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def replay(venue: Venue, journal: Journal, *, after: int = 0, show: Shown | None = None) -> None:
    """Apply the journal's events after number ``after`` to a venue that stands there."""
    for event in journal.events(after):
        effects = venue.apply(event)
        if effects and isinstance(effects[0], Rejected):
            raise refused_now(journal, event, effects[0])
        if show is not None:
            show(event, effects)


def _catch_up(venue: Venue, journal: Journal) -> None:
    """As :func:`replay` from where the venue stands, for its state alone."""
    for batch in journal.batches(venue.state.seq):
        events, place = journal.read(batch), 0
        while (place := stride(venue, events, place)) < len(events):
            effects = venue.apply(events[place])
            if effects and isinstance(effects[0], Rejected):
                raise refused_now(journal, events[place], effects[0])
            place += 1


def refused_now(journal: Journal, event: Event, why: Rejected) -> DamagedJournalError:
    """An event of the journal that a venue does not take: rules have changed since it was written."""
    return DamagedJournalError(
        f"event {event.seq} was accepted when it was written and is refused now: {why.reason.value}",
        place=Place(str(journal.path)), remedy="read it by the version of leverline that wrote it")


def beginning(journal: Journal) -> Venue:
    """The venue before its first event, as the journal's header says."""
    try:
        book = LimitBook.from_json(journal.header.limits)
        return _venue(book, journal.header.venue)
    except LeverlineError as error:
        raise DamagedJournalError(f"its header cannot be used: {error.what}", place=Place(str(journal.path))) from error


def _venue(book: LimitBook, name: str) -> Venue:
    if name not in PRESETS:
        raise UsageError(f"venue {name!r} is unknown", remedy=f"choose one of {', '.join(PRESETS)}")
    return Venue(terms_of_book(book), PRESETS[name])
