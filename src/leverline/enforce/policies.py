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
    """What to close now: signed ``lots`` of the position (positive: of a long)."""

    market: str
    lots: int


@dataclass(frozen=True, slots=True)
class Closing:
    """What a pool must get rid of: ``lots`` (signed as the position).

    ``bankruptcy``: the price in ticks at which the position's share of the pool's equity is just used up, rounded for
    the fund: whoever takes the lots there costs it nothing.
    """

    pool: int
    market: str
    lots: int
    bankruptcy: int


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What a stage took: ``lots`` (signed as the closing) and ``paid`` units of a shortfall; why it left the rest."""

    lots: int
    paid: int
    effects: tuple[Effect, ...]
    refused: str | None = None


class SizePolicy(Protocol):
    """How much of which position is closed at a time."""

    harms_by_design: bool  # the venue's own rule may leave the account worse off
    cooldown_ns: int  # between two cuts of one pool

    def slices(self, state: VenueState, pool: int, now: Standing) -> list[Slice]:
        """What to close now; never empty for a liquidatable pool with positions."""
        ...


class PricePolicy(Protocol):
    """The worst price a liquidation order may take."""

    def limit(self, state: VenueState, closing: Closing, now: Standing) -> int:
        """Ticks."""
        ...


class ClosingStage(Protocol):
    """A stage that takes lots off a pool when the book did not."""

    stage: Stage

    def take(self, state: VenueState, closing: Closing) -> Absorbed:
        """Take what it can of the lots, now or by an auction that it opens."""
        ...


class LossStage(Protocol):
    """A stage that pays for what a pool without positions still owes."""

    stage: Stage

    def pay(self, state: VenueState, pool: int, market: str, shortfall: int) -> Absorbed:
        """Pay what it can of ``shortfall`` units into the pool."""
        ...


class DeleveragingPolicy(Protocol):
    """Who among the winners is closed against a bankrupt pool, and for how many lots."""

    promises_order: bool  # nobody is touched while a higher-ranked one has lots left
    promises_continuity: bool  # a small change of need changes every allotment a little only

    def allot(self, state: VenueState, closing: Closing, winners: list[int]) -> list[tuple[int, int]]:
        """(pool, lots) pairs, lots positive, together exactly what is needed or all there is."""
        ...


@dataclass(frozen=True, slots=True)
class VenuePolicies:
    """A venue's whole way of closing positions.

    ``patience_ns``: how long a liquidation order rests in the book before the next stage takes what is left.
    ``liquidator_share_ppm``: of each penalty, to whoever filled the order; the rest goes to the fund.
    """

    size: SizePolicy
    price: PricePolicy
    closing_stages: tuple[ClosingStage, ...]
    loss_stages: tuple[LossStage, ...]
    patience_ns: int
    liquidator_share_ppm: int
