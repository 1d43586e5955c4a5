"""A replay whose events are durable: broken off at any moment, the same command goes on and ends as if undisturbed.

The input is gone through from its beginning each time. What the journal holds already is compared with it and applied
without being written again; from the journal's end on events are appended. So the counts are those of the whole run,
and a journal that was made from another input, under other limits or by another venue is refused at the first event
that differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from leverline.enforce.disk import Disk, RealDisk
from leverline.enforce.durable_venue import DurableVenue, refused_now
from leverline.enforce.effects import Effect, Rejected
from leverline.enforce.events import Event
from leverline.enforce.journal import Journal, standing
from leverline.enforce.journal_rows import JournalHeader
from leverline.enforce.replaying import Replay
from leverline.enforce.venue import Venue
from leverline.ground.errors import MalformedInputError, Place
from leverline.model import LimitBook

BATCH_EVENTS = 10_000
BATCH_DELAY_S = 0.2
"""Nobody waits for single events of a replay: larger batches than a live venue's, and fewer syncs."""


class JournaledReplay:
    """The journal at ``path`` under one replay by the policies of preset ``venue``.

    :meth:`attach` it before the first event and :meth:`finish` after the last. Leaving the context without that lets go
    of the files; what was committed stands.
    """

    def __init__(self, path: Path, venue: str, disk: Disk | None = None) -> None:
        self.path = path
        self.found = 0  # events that were there already
        self._name = venue
        self._disk = disk or RealDisk()
        self._journal: Journal | None = None
        self._venue: Venue | None = None
        self._earlier: Iterator[Event] = iter(())
        self._expected: Event | None = None
        self._durable: DurableVenue | None = None

    def attach(self, replay: Replay, book: LimitBook) -> None:
        """Open the journal, or make it, and have every event of ``replay`` go through it.

        Raises :class:`MalformedInputError` where the journal was made under other limits or by another venue.
        """
        header = JournalHeader(book.to_json(), self._name)
        _, begun = standing(self._disk, self.path)
        journal = Journal.open(self.path, self._disk) if begun else Journal.create(self.path, header, self._disk)
        self._journal, self._venue, self.found = journal, replay.venue, journal.tail.seq
        if journal.header.venue != header.venue:
            self._refuse(f"was made by venue {journal.header.venue!r}, not {header.venue!r}")
        if journal.header.limits != header.limits:
            self._refuse("was made under other limits")
        self._earlier = journal.events()
        self._advance()
        replay.through = self.apply

    def apply(self, event: Event) -> Sequence[Effect]:
        """Apply an event; its effects are for the replay's own account until :meth:`finish`."""
        assert self._venue is not None, "attached before the first event"
        if self._durable is not None:
            return self._durable.take(event)
        effects = self._venue.apply(event)
        if len(effects) == 1 and isinstance(effects[0], Rejected):
            if event == self._expected:
                assert self._journal is not None
                raise refused_now(self._journal, event, effects[0])
        elif event == self._expected:
            self._advance()
        else:
            self._refuse(f"was made from other input: its event {event.seq} is not this run's")
        return effects

    def finish(self) -> None:
        """Write what waits; refuses a journal that goes beyond the input's end."""
        if self._expected is not None:
            self._refuse(f"was made from other input: this run ends before its event {self._expected.seq}")
        assert self._durable is not None, "the journal was gone through"
        self._durable.commit()

    @property
    def snapshot_failure(self) -> str | None:
        """Why the newest snapshot could not be written; None where it was, or none was due."""
        return None if self._durable is None else self._durable.snapshot_failure

    def _advance(self) -> None:
        self._expected = next(self._earlier, None)
        if self._expected is None:
            assert self._venue is not None
            assert self._journal is not None
            self._durable = DurableVenue(self._venue, self._journal, batch_events=BATCH_EVENTS,
                                         batch_delay_s=BATCH_DELAY_S)

    def _refuse(self, what: str) -> None:
        raise MalformedInputError(what, place=Place(str(self.path)),
                                  remedy="name another file, or give what it was made from")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Without a commit: whoever breaks off goes on later with the same command."""
        if self._journal is not None:
            self._journal.close()
