"""What a lower floor is handed of a higher one: a policy that moves limits, and the state it moves them in.

A simulation of a market stands below the governor that would move its limits; it takes any :class:`LimitPolicy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from leverline.model.accounts import AccountBook
from leverline.model.limitbook import LimitBook, Tier
from leverline.model.market_state import MarketState

TIGHTENED, LOOSENED, UNMOVED = 1, -1, 0


@dataclass(frozen=True, slots=True)
class ParameterHistory:
    """What a policy remembers of one parameter. Times in ns UTC; None: never.

    ``levels`` are its latest (time, level) pairs, a level being how much it asks relative to when it was first seen.
    """

    changed_ns: int | None = None
    emergency_ns: int | None = None
    direction: int = UNMOVED
    levels: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Announcement:
    """Tiers that new risk meets already and open positions meet along a straight line that ends at ``until_ns``.

    The part of the line up to ``since_ns`` is in the book's maintenance rates.
    """

    tiers: tuple[Tier, ...]
    since_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class PolicyState:
    """What a policy knows beside the two books: the time, the past, and (where they are known) who holds what.

    ``parameters`` are by JSON pointer, ``announcements`` by symbol. ``adopted_ns``: nothing has changed since the book
    in force was adopted then; None: no delay is running.
    """

    now_ns: int
    adopted_ns: int | None = None
    parameters: Mapping[str, ParameterHistory] = field(default_factory=dict)
    announcements: Mapping[str, Announcement] = field(default_factory=dict)
    accounts: AccountBook | None = None
    marks: MarketState | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """One parameter's step, or why there is none.

    Values are rates or, for ledger amounts, units; for an instrument's tiers how much more the new schedule asks than
    the old one at the size where that is most, and how much more the target does.
    """

    pointer: str
    old: float | None
    new: float | None
    target: float | None
    reason: str
    due_ns: int | None = None  # when the next step may follow, where time is all that is missing

    @property
    def moved(self) -> bool:
        """Whether the number changes."""
        return self.old != self.new


@dataclass(frozen=True, slots=True)
class PolicyStep:
    """The next book, one decision a parameter that is not yet at its target, and the state to go on from."""

    book: LimitBook
    decisions: tuple[Decision, ...]
    state: PolicyState


class LimitPolicy(Protocol):
    """Moves a book in force towards the one that a calibration asks for."""

    def next_book(self, current: LimitBook, target: LimitBook, state: PolicyState) -> PolicyStep:
        """The book that holds from ``state.now_ns`` on; ``current`` itself where nothing may move."""
        ...
