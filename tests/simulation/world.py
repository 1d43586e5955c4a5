"""A seeded world around the real venue and journal: the same seed, the same events, the same crashes, the same end."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from leverline.enforce.codec import encode
from leverline.enforce.durable_venue import DurableVenue, begin, beginning, recover
from leverline.enforce.effects import Effect, Reject, Rejected
from leverline.enforce.events import Body, Event, TimePassed
from leverline.enforce.journal import InDoubtError, Journal, StoppedError
from leverline.enforce.policy_presets import PRESETS
from leverline.enforce.venue import Venue
from leverline.enforce.watch import SweepWatch
from leverline.ground.errors import LeverlineError
from tests.enforce.invariants import check_all
from tests.enforce.worlds import SECOND
from tests.simulation import checks
from tests.simulation.books import BREAKERS, TIGHTNESS, book
from tests.simulation.fake_disk import FakeDisk, SimulatedCrash, by_chance, everything, nothing
from tests.simulation.faults import SHOWN, End, Points, Trouble
from tests.simulation.feeds import Feeds
from tests.simulation.traders import Crowd

JOURNAL = Path("/simulated/journal")
WAITS = (0, 0, 0, SECOND // 100, SECOND // 10, SECOND, SECOND, 3 * SECOND, 11 * SECOND)
FULL_CHECK_EVERY = 500
LIVES = (200, 1_000, 3_000, 3_000)
"""Events of a life on average, where nothing ends it sooner; one of these a world."""


@dataclass
class Sent:
    """An event on its way. ``accepted`` is None where the process ended before it could know."""

    event: Event
    accepted: bool | None = None


@dataclass
class World:
    """One simulated venue. ``events``: how many are sent, retries included."""

    seed: int
    events: int
    reached: Counter[str] = field(default_factory=Counter)
    log: list[Event] | None = None  # of everything sent, where it is wanted

    def __post_init__(self) -> None:
        draw = self.draw = Random(f"{self.seed} world")
        self.preset = sorted(PRESETS)[self.seed % len(PRESETS)]
        self.policies = PRESETS[self.preset]
        self.book = book(draw.choice(TIGHTNESS), draw.randrange(len(BREAKERS)))
        self.feeds = Feeds.of(Random(f"{self.seed} feeds"))
        self.crowd = Crowd.of(Random(f"{self.seed} crowd"))
        self.chaos = Random(f"{self.seed} chaos")
        self.disk = FakeDisk()
        self.clock_s = 0.0
        self.life = draw.choice(LIVES)
        self.batch_events = draw.choice((1, 8, 16, 60, 60, 60))
        self.batch_delay_s = draw.choice((0.0, 0.002, 0.005, 0.02, 0.02))
        short = self.life < max(LIVES)  # recovery from the beginning takes its time
        self.snapshot_every = draw.choice((20, 50) if short else (20, 50, 50, 100, 100, 0))
        self.now_ns = 0
        self.sent = self.crashes = 0
        self.durable_seq: dict[str, int] = {}  # id of what is known to be durable, and its number
        self.on_its_way: deque[Sent] = deque()  # applied or not, and not shown yet
        self.again: deque[Event] = deque()
        self.not_modelled: list[tuple[Event, Sequence[Effect] | None]] = []
        self.boundary = 0  # a batch ends here, and everything up to it was shown
        self.shown: list[Event] = []  # accepted, since then
        watch = SweepWatch() if draw.random() < 1 / 6 else None  # a band hides nobody who must be looked at
        self.durable = self._begin()
        self.model = beginning(self.durable.journal)
        if watch is not None:
            self.model = Venue(self.model.state.terms, self.policies, watch=watch)
        self.trouble = Trouble(self.chaos, self.reached)
        self._live()

    # -- the run

    def run(self) -> None:
        """Send everything; raises where anything is not as it must be."""
        try:
            for body in self.crowd.beginning():
                self._send(body)
            while self.sent < self.events:
                self._next()
            self._finish()
        finally:
            self.disk.process_death()

    def _next(self) -> None:
        if self.again:
            self._deliver(self.again.popleft())
            return
        body = self.feeds.due(self.now_ns)
        if body is None:
            draw = self.draw.random()
            if draw < 0.25:
                self.feeds.step(self.now_ns)
                return
            self.now_ns += self.draw.choice(WAITS)
            if draw > 0.998:
                self.now_ns += self.draw.choice((60, 600, 2_000, 90_000)) * SECOND
            if draw < 0.27:
                self._misplace()
                return
            body = self.crowd.act(self.durable.venue.state)
        if body is not None:
            self._send(body)

    def _send(self, body: Body) -> None:
        state = self.durable.venue.state
        self.now_ns = max(self.now_ns, state.now_ns)
        self._deliver(Event(state.seq + 1, self.now_ns, f"{self.sent}", body))

    def _misplace(self) -> None:
        """I12: out of sequence, from the past, or sent twice."""
        state, draw = self.durable.venue.state, self.draw
        seq, ts, key = state.seq + 1, max(self.now_ns, state.now_ns), f"{self.sent} misplaced"
        wrong = draw.randrange(3)
        if wrong == 0:
            seq += draw.choice((-1, 1, 5))
        elif wrong == 1 and state.now_ns:
            ts = state.now_ns - 1
        elif self.durable_seq:
            key = draw.choice(list(self.durable_seq)[-50:])
        else:
            return
        self._deliver(Event(seq, ts, key, self.crowd.fill(state)), misplaced=True)

    def _deliver(self, event: Event, *, misplaced: bool = False) -> None:
        """Send one event; whatever happens to the process, the world goes on with another one."""
        venue = self.durable.venue
        before, known = venue.state.seq, self.durable_seq.get(event.id)
        if known is None and not misplaced and event.seq != before + 1:  # a retry after a crash: under a new number
            event = Event(before + 1, max(event.ts_ns, venue.state.now_ns), event.id, event.body)
        self.sent += 1
        self.clock_s += 0.0005
        self.trouble.events_left -= 1
        if self.log is not None:
            self.log.append(event)
        sent = Sent(event)
        self.on_its_way.append(sent)
        try:
            effects = self.durable.take(event)
            sent.accepted = not checks.is_rejected(effects)
            self._after(event, effects, before, known, misplaced=misplaced)
            if not self.on_its_way:
                self._settle()
            if self.trouble.events_left <= 0:
                self._end_quietly()
        except SimulatedCrash:
            self._recover(machine=self.chaos.random() < 0.5)
        except InDoubtError:
            self._stopped()

    def _settle(self) -> None:
        self.boundary = self.durable.journal.tail.seq
        self.shown.clear()

    def _after(self, event: Event, effects: Sequence[Effect], before: int, known: int | None, *, misplaced: bool,
               ) -> None:
        if known is not None:
            assert tuple(effects) == (Rejected(Reject.DUPLICATE, f"already applied as event {known}"),), effects
        elif misplaced:
            assert checks.is_rejected(effects), (event, effects)
        checks.after_event(self.durable.venue, self.policies, event, effects, before)

    def _show(self, event: Event, effects: Sequence[Effect]) -> None:
        """What the outside is told: from here on it may not be lost."""
        self.points.reached(SHOWN)
        sent = self.on_its_way.popleft()
        assert sent.event is event, "effects are shown in order"
        if not checks.is_rejected(effects):
            self.durable_seq[event.id] = event.seq
            self.shown.append(event)
            self.not_modelled.append((event, effects))
            if len(self.not_modelled) >= FULL_CHECK_EVERY:
                self._model()

    # -- ends of lives, and what comes after

    def _begin(self) -> DurableVenue:
        venue, journal = begin(JOURNAL, self.book, self.preset, disk=self.disk)
        return self._durable(venue, journal)

    def _durable(self, venue: Venue, journal: Journal) -> DurableVenue:
        self.points = Points()
        venue.policies = self.points.within(venue.policies)
        return DurableVenue(venue, journal, self._show, self.batch_events, self.batch_delay_s,
                            self.snapshot_every, clock=lambda: self.clock_s + self.disk.elapsed_s)

    def _live(self) -> None:
        """A new life, with its own trouble ahead."""
        self.trouble = Trouble.draw(self.chaos, self.reached, self.life)
        self.points.trouble = self.trouble
        self.trouble.arm(self.durable.venue.state)
        asked = self.trouble.end in (End.BYTE, End.FAILING) or self.trouble.slow
        self.disk.faults = self.trouble.disk if asked else None

    def _end_quietly(self) -> None:
        """Between two events: a proper end, a kill, or a power cut."""
        self.reached["between two events"] += 1
        draw = self.chaos.random()
        if draw < 0.3:
            self.durable.close()
            assert not self.on_its_way, "closing commits what waits"
        self._recover(machine=draw > 0.6)

    def _stopped(self) -> None:
        """A commit failed. The writer takes nothing more until the journal is opened again."""
        assert self.trouble.failed, "a commit failed on a sound disk"
        self.reached["stopped"] += 1
        try:
            self.durable.take(Event(self.durable.venue.state.seq + 1, self.now_ns, "too late", TimePassed()))
        except StoppedError:
            pass
        else:
            raise AssertionError("a writer whose commit failed goes on")
        try:
            self.durable.close()
        except SimulatedCrash:
            self._recover(machine=True)
            return
        self._recover(machine=self.chaos.random() < 0.4)

    def _recover(self, *, machine: bool) -> None:
        """Another process opens what is left; crashes and failures of the disk go on until one stands."""
        self.crashes += 1
        while True:
            if machine:
                self._power_cut()
            else:
                self.disk.process_death()
            try:
                journal = Journal.open(JOURNAL, self.disk)
                venue, recovery = recover(journal)
                break
            except SimulatedCrash:
                self.reached["recovery: crash"] += 1
                self.trouble.disarm()
            except LeverlineError as error:  # a journal that cannot be read or trusted now
                if not self.trouble.failed:
                    raise
                self.reached[f"recovery: {type(error).__name__} on a failing disk"] += 1
                self.trouble.disarm()
        self.reached["recovery: from a snapshot" if recovery.from_seq else "recovery: from the beginning"] += 1
        self.reached["recovery: a snapshot refused"] += bool(recovery.refused)
        self.trouble.disarm()
        self.disk.faults = None
        self._judge(venue, journal)
        self.durable = self._durable(venue, journal)
        self._live()

    def _power_cut(self) -> None:
        draw = self.chaos
        choose = draw.choice((nothing, everything, by_chance(draw), by_chance(draw)))
        self.disk.power_cut(choose, draw.randrange(self.disk.pending_names + 1))
        snapshots = [name for name in self.disk.visible() if "snapshot" in name]
        if snapshots and draw.random() < 0.2:  # nothing may depend on one
            name = draw.choice(snapshots)
            self.disk.damage(name, draw.randrange(len(self.disk.visible()[name]) + 1), draw.randrange(256))

    def _judge(self, venue: Venue, journal: Journal) -> None:
        """Nothing acknowledged is missing, and the state is that of a venue which had what is durable and no more."""
        shown = self.shown
        durable = list(journal.events(self.boundary))
        assert durable[:len(shown)] == shown, "an acknowledged event is missing or another one"
        in_doubt = [sent for sent in self.on_its_way if sent.accepted is not False]
        proved = durable[len(shown):]
        assert proved == [sent.event for sent in in_doubt[:len(proved)]], "nobody sent what is durable"
        for event in proved:
            self.durable_seq[event.id] = event.seq
            self.not_modelled.append((event, None))
        self.reached["in doubt: durable"] += len(proved)
        self.reached["in doubt: lost"] += len(in_doubt) - len(proved)
        self._model()
        assert venue.state.digest() == self.model.state.digest(), "the recovered state is another one"
        check_all(venue.state, (), self.policies)
        self.boundary = journal.tail.seq
        self.shown.clear()
        self.again.extendleft(reversed([sent.event for sent in self.on_its_way]))
        self.on_its_way.clear()

    def _model(self) -> None:
        """Give the model what was acknowledged since; it must answer as the venue did."""
        for event, effects in self.not_modelled:
            answer = self.model.apply(event)
            assert not checks.is_rejected(answer), (event, answer)
            assert effects is None or tuple(answer) == tuple(effects), (event, answer, effects)
        self.not_modelled.clear()

    def _finish(self) -> None:
        """The whole journal, from its beginning, is what was acknowledged; it replays to the state that stands."""
        self.trouble.disarm()
        self.disk.faults = None
        while self.again:
            self._deliver(self.again.popleft())
        self.durable.commit()
        assert not self.on_its_way
        self._model()
        state = self.durable.venue.state
        assert state.digest() == self.model.state.digest()
        self.durable.close()
        self.disk.power_cut()
        with Journal.open(JOURNAL, self.disk, writable=False) as journal:
            held = sum(batch.count for batch in journal.batches())
        assert held == state.seq == len(self.durable_seq)


def lines(world: World) -> list[str]:
    """What was sent, for people; the malformed as they are."""
    def line(event: Event) -> str:
        try:
            return encode(event)
        except (LeverlineError, TypeError, ValueError):
            return repr(event)

    return [line(event) for event in world.log or ()]
