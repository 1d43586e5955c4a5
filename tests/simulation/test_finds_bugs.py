"""Bugs put in on purpose: a simulation that finds none of them is no proof of anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import pytest

from leverline.enforce import insurance_fund, journal
from leverline.enforce.band_watch import BandWatch
from leverline.enforce.batch_codec import encode_batch
from leverline.enforce.durable_venue import DurableVenue
from leverline.enforce.events import Event
from leverline.enforce.insurance_fund import InsuranceFund
from leverline.enforce.journal import Journal
from leverline.enforce.journal_rows import Batch
from leverline.enforce.policies import Absorbed, Debt
from leverline.enforce.state import VenueState
from leverline.enforce.undo import Undo
from leverline.enforce.venue import Venue
from tests.simulation.run import simulate

MOST_SEEDS = 30
EVENTS = 1_000

Patch = pytest.MonkeyPatch


def head_before_the_row(patch: Patch) -> None:
    """The head names a batch that SQLite does not hold yet."""
    append = Journal.append

    def early(self: Journal, events: Sequence[Event]) -> None:
        tail = self.tail
        row = Batch(events[0].seq, events[-1].seq, len(events), events[-1].ts_ns,
                            encode_batch(events), b"")
        before, self.tail = self._head, journal.Tail(events[-1].seq, row.chained(tail.chain))
        with suppress(OSError):
            self._advance_head()
        self._head, self.tail = before, tail
        append(self, events)

    patch.setattr(Journal, "append", early)


def shown_before_it_is_durable(patch: Patch) -> None:
    """Effects are shown, and only then written."""
    def commit(self: DurableVenue) -> None:
        waiting, to_write = list(self._waiting), list(self._to_write)
        self._waiting.clear()
        self._to_write.clear()
        for event, effects in waiting:
            assert self.show is not None
            self.show(event, effects)
        if to_write:
            self.journal.append(to_write)

    patch.setattr(DurableVenue, "commit", commit)


def no_sync(patch: Patch) -> None:
    """SQLite is told to leave syncing to the system."""
    prepare = journal._prepare

    def careless(connection: Any) -> None:
        prepare(connection)
        connection.execute("PRAGMA synchronous = OFF")

    patch.setattr(journal, "_prepare", careless)


def shown_although_in_doubt(patch: Patch) -> None:
    """A failed commit is taken for a good one."""
    append = Journal.append

    def hopeful(self: Journal, events: Sequence[Event]) -> None:
        try:
            append(self, events)
        except journal.InDoubtError:
            self.stopped = None

    patch.setattr(Journal, "append", hopeful)


def a_skipped_row(patch: Patch) -> None:
    """One batch in twenty is not written; its successor follows the one before."""
    append = Journal.append

    def skipping(self: Journal, events: Sequence[Event]) -> None:
        if events[0].seq % 20 == 0:
            tail = self.tail
            self.tail = journal.Tail(events[-1].seq, tail.chain)
        else:
            append(self, events)

    patch.setattr(Journal, "append", skipping)


def doubt_forgotten(patch: Patch) -> None:
    """Recovery stops at the head: what was in doubt and is durable is not applied."""
    checked = Journal.batches

    def short(self: Journal, after: int = 0) -> Iterable[Any]:
        return (batch for batch in checked(self, after) if batch.last <= self._head.seq)

    patch.setattr(Journal, "batches", short)


def a_stage_that_overpays(patch: Patch) -> None:
    """The fund pays a unit more than it says."""
    pay = InsuranceFund.pay

    def generous(self: InsuranceFund, state: VenueState, debts: Sequence[Debt]) -> list[Absorbed]:
        answers = pay(self, state, debts)
        if answers and answers[0].paid and state.ledger.balance("fund", "USDT"):
            state.ledger.move("fund", debts[0].pool, "USDT", 1)
        return answers

    patch.setattr(InsuranceFund, "pay", generous)


def a_unit_from_nowhere(patch: Patch) -> None:
    """Who is backed by the fund gets a unit that nobody paid."""
    make_good = insurance_fund.make_good

    def generous(state: VenueState, pool: int, fund: str, amount: int) -> Any:
        state.ledger.cash[pool] += amount > 0
        return make_good(state, pool, fund, amount)

    for module in ("closing", "insurance_fund"):
        patch.setattr(f"leverline.enforce.{module}.make_good", generous)


def a_trace_of_the_rejected(patch: Patch) -> None:
    """The first write of a rejected event stays."""
    take_back = Undo.take_back

    def forgetful(self: Undo, place: int = 0) -> None:
        take_back(self, place or min(1, self.mark()))
        self.keep()

    patch.setattr(Undo, "take_back", forgetful)


def twice_by_one_id(patch: Patch) -> None:
    """An event sent again is applied again."""
    misplaced = Venue._misplaced

    def blind(self: Venue, event: Event) -> Any:
        seen, self.state.seen = self.state.seen, {}
        try:
            return misplaced(self, event)
        finally:
            self.state.seen = seen

    patch.setattr(Venue, "_misplaced", blind)


def a_band_that_hides(patch: Patch) -> None:
    """Somebody whom a price brought below maintenance is not looked at."""
    exposed = BandWatch.exposed

    def shortsighted(self: BandWatch, state: VenueState, name: str) -> Any:
        return sorted(exposed(self, state, name))[1:]

    patch.setattr(BandWatch, "exposed", shortsighted)


PLANTED: tuple[Callable[[Patch], None], ...] = (
    head_before_the_row, shown_before_it_is_durable, no_sync, shown_although_in_doubt, a_skipped_row, doubt_forgotten,
    a_stage_that_overpays, a_unit_from_nowhere, a_trace_of_the_rejected, twice_by_one_id, a_band_that_hides)


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    """What would not find this one would not find the next one either."""
    plant(monkeypatch)
    assert any(simulate(seed, EVENTS)[1] is not None for seed in range(MOST_SEEDS))
