"""What goes wrong in one life of a simulated process: where it crashes, or how its disk fails."""

from __future__ import annotations

import errno
from collections import Counter
from dataclasses import dataclass, fields, replace
from enum import Enum
from random import Random
from typing import Any

from leverline.enforce.policies import VenuePolicies
from leverline.enforce.state import VenueState
from leverline.enforce.undo import Undo
from tests.simulation.fake_disk import Fault, Kind, Op, SimulatedCrash, by_chance

NEVER = 1 << 60
SHOWN = "shown"
COMMON = (SHOWN, "size", "price")
"""Points that nearly every world comes to."""


class End(Enum):
    """How a life is meant to end."""

    POINT = "at a named point"
    WRITE = "at a write of the state"
    BYTE = "at a byte of the disk"
    FAILING = "on a failing disk"
    QUIET = "between two events"


class CrashingUndo(Undo):
    """Counts the state's writes down to a crash in the midst of an event."""

    __slots__ = ()
    left = NEVER

    def _count(self) -> None:
        CrashingUndo.left -= 1
        if CrashingUndo.left < 0:
            raise SimulatedCrash

    def put(self, container: Any, key: Any, value: Any) -> None:
        self._count()
        Undo.put(self, container, key, value)

    def append(self, rows: list[Any], value: Any) -> None:
        self._count()
        Undo.append(self, rows, value)

    def remove(self, container: dict[Any, Any], key: Any) -> None:
        self._count()
        Undo.remove(self, container, key)


@dataclass
class Trouble:
    """One life's end, counted down by events, points, writes or calls of the disk.

    ``reached`` is kept over the lives of a world: a point is the less likely to end a life the more it did already, so
    that those that come seldom have their turn.
    """

    stream: Random
    reached: Counter[str]
    end: End = End.QUIET
    events_left: int = NEVER  # then it ends in any case
    ops_left: int = NEVER
    failing_for: int = 0  # calls, once ``ops_left`` has run out
    what_fails: tuple[Kind, ...] = ()
    error: int = errno.EIO
    slow: bool = False
    failed: bool = False
    writes_into: int = 0

    @classmethod
    def draw(cls, stream: Random, reached: Counter[str], events: int) -> Trouble:
        """The next life's; ``events`` on average where nothing ends it sooner."""
        end = stream.choices(list(End), weights=(45, 10, 20, 15, 10))[0]
        trouble = cls(stream, reached, end, events_left=1 + int(stream.expovariate(1 / events)),
                      slow=stream.random() < 0.1)
        if end is End.POINT:
            trouble.writes_into = stream.choice((0, 1, 3, 8))
        elif end is End.BYTE:
            trouble.ops_left = int(stream.expovariate(1 / events))
        elif end is End.FAILING:
            trouble.ops_left, trouble.failing_for = int(stream.expovariate(1 / events)), stream.choice((1, 1, 5, 100))
            trouble.error = stream.choice((errno.EIO, errno.ENOSPC))
            changing = (Kind.WRITE, Kind.CREATE, Kind.TRUNCATE) if trouble.error == errno.ENOSPC else (
                Kind.WRITE, Kind.SYNC, Kind.TRUNCATE, Kind.RENAME, Kind.SYNC_FOLDER, Kind.READ)
            trouble.what_fails = changing if stream.random() < 0.5 else (stream.choice(changing),)
        return trouble

    def arm(self, state: VenueState) -> None:
        """Count the writes of this life's state, where they are what ends it."""
        CrashingUndo.left = NEVER
        if self.end is End.WRITE or (self.end is End.POINT and self.writes_into):
            state.undo.__class__ = CrashingUndo
        if self.end is End.WRITE:
            CrashingUndo.left = self.stream.randrange(3_000)

    def disarm(self) -> None:
        """Whatever it was is over; from here on the disk is sound."""
        CrashingUndo.left = NEVER
        self.failed = False
        self.end, self.ops_left, self.failing_for = End.QUIET, NEVER, 0

    def at(self, point: str) -> None:
        """A named point is reached: perhaps crash here, or some writes on; in a stage, at first, in whatever life."""
        done = self.reached[point]
        common = done or point.startswith(COMMON)
        if (common and self.end is not End.POINT) or self.stream.random() * (2 + 8 * done**2) > 1:
            return
        self.reached[point] += 1
        if not point.endswith(": in") or not self.writes_into or self.end is not End.POINT:
            raise SimulatedCrash
        CrashingUndo.left, self.end = self.writes_into, End.WRITE

    def disk(self, op: Op) -> Fault | None:
        """Asked before each call of the disk."""
        self.ops_left -= 1
        if self.ops_left >= 0:
            return Fault(delay_s=2.0) if self.slow and op.kind is Kind.SYNC and self.stream.random() < 0.05 else None
        if self.end is End.BYTE:
            self.reached[f"disk: {op.kind.value}"] += 1
            return Fault(SimulatedCrash(), kept=self.stream.randrange(len(op.content) + 1))
        if self.end is End.FAILING and op.kind in self.what_fails and self.failing_for > 0:
            self.failing_for -= 1
            self.failed = True
            self.reached[f"disk fails: {op.kind.value} {errno.errorcode[self.error]}"] += 1
            kept = self.stream.randrange(len(op.content) + 1)
            return Fault(OSError(self.error, "simulated"), kept=kept, choose=by_chance(self.stream))
        return None


@dataclass
class Points:
    """The named points of a venue's policies, and whom to tell when one is reached."""

    trouble: Trouble | None = None

    def reached(self, point: str) -> None:
        """Pass it on."""
        if self.trouble is not None:
            self.trouble.at(point)

    def within(self, policies: VenuePolicies) -> VenuePolicies:
        """The same policies with a point before, in and after each stage, cut and price."""
        return replace(
            policies, size=self._wrapped(policies.size, "slices", "size"),
            price=self._wrapped(policies.price, "limit", "price"),
            closing_stages=tuple(self._wrapped(stage, "take", stage.stage.value) for stage in policies.closing_stages),
            loss_stages=tuple(self._wrapped(stage, "pay", f"pays: {stage.stage.value}")
                              for stage in policies.loss_stages))

    def _wrapped(self, policy: Any, method: str, name: str) -> Any:
        """An object of a class of its own kind, so that whoever asks for the kind still finds it."""
        entering, leaving = f"{name}: in", f"{name}: after"
        inner = getattr(type(policy), method)

        def told(this: Any, *given: Any, **named: Any) -> Any:
            self.reached(entering)
            answer = inner(this, *given, **named)
            self.reached(leaving)
            return answer

        kind = type(type(policy).__name__, (type(policy),), {method: told, "__slots__": ()})
        return kind(**{f.name: getattr(policy, f.name) for f in fields(policy) if f.init})
