"""What a venue does with a pool below maintenance, as small objects with one question each; chosen by the rulebook.

Every policy declares what it promises, and is held to that by tests: a queue promises an order, a pro-rata rule
promises continuity, a size policy of ours never leaves an account worse off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from leverline.enforce.effects import Effect, Stage
from leverline.enforce.margining import Standing
from leverline.enforce.state import VenueState


@dataclass(frozen=True, slots=True)
class Slice:
    """What to close now: signed ``lots`` of the position (positive: a long), at no worse than ``limit`` ticks."""

    market: str
    lots: int
    limit: int
    next_ns: int  # not before this may the pool be cut again


@dataclass(frozen=True, slots=True)
class Closing:
    """What a pool must get rid of: ``lots`` (signed as the position) at no worse than ``bankruptcy`` for the venue."""

    pool: int
    market: str
    lots: int
    bankruptcy: int  # ticks: closed there, the estate has exactly nothing left, rounded for the fund


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What a stage took of a closing or of a loss, and what is left for the next."""

    lots: int
    loss: int  # units
    effects: tuple[Effect, ...]
    refused: str | None = None  # why the rest was not taken


class SizePolicy(Protocol):
    """How much of which position is closed."""

    harms_by_design: bool  # the venue's own rule may leave the account worse off

    def slices(self, state: VenueState, pool: int, now: Standing) -> list[Slice]:
        """What to close now; empty while the pool cools down."""
        ...


class WaterfallStage(Protocol):
    """One stage: takes what it can of what is left, and says what it could not."""

    stage: Stage

    def absorb(self, state: VenueState, closing: Closing, loss: int) -> Absorbed:
        """Take lots of ``closing``, or ``loss`` units that no stage before could pay."""
        ...


class DeleveragingPolicy(Protocol):
    """Who among the winners is closed against a bankrupt pool, and for how many lots."""

    promises_order: bool  # nobody is touched while a higher-ranked one has lots left
    promises_continuity: bool  # a small change of need changes every allotment a little only

    def allot(self, state: VenueState, closing: Closing, winners: list[int]) -> list[tuple[int, int]]:
        """(pool, lots) pairs, lots positive, together exactly what is needed or all there is."""
        ...


class PricePolicy(Protocol):
    """The worst price a liquidation order may take."""

    def limit(self, state: VenueState, closing: Closing, now: Standing) -> int:
        """Ticks."""
        ...
