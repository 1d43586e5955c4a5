"""What a venue does with a pool below maintenance, as small objects with one question each; chosen by the rulebook.

Every policy declares what it promises, and is held to that by tests: a queue promises an order, a pro-rata rule
promises continuity, a size policy of ours never leaves an account worse off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from leverline.enforce.effects import Effect, Stage
from leverline.enforce.margining import Standing
from leverline.enforce.owing import Owing
from leverline.enforce.state import VenueState
from leverline.enforce.terms import PPM
from leverline.ground.errors import require

ORDER = tuple(Stage)
"""Stages as a loss meets them."""


@dataclass(frozen=True, slots=True)
class Debt:
    """``owed`` units that a pool without positions and collateral cannot pay."""

    pool: int
    owing: Owing
    owed: int


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
    """What a stage took of one closing (``lots``, signed) or paid of one debt (``paid``); why it left the rest."""

    lots: int
    paid: int
    effects: tuple[Effect, ...]
    refused: str | None = None


class SizePolicy(Protocol):
    """How much of which position is closed at a time."""

    @property
    def harms_by_design(self) -> bool:
        """Whether the venue's own rule may leave the account worse off."""
        ...

    @property
    def cooldown_ns(self) -> int:
        """Between two cuts of one pool."""
        ...

    def slices(self, state: VenueState, pool: int, now: Standing) -> list[Slice]:
        """What to close now; empty where the rule lets some time pass first."""
        ...


class PricePolicy(Protocol):
    """The worst price a liquidation order may take."""

    def limit(self, state: VenueState, closing: Closing, now: Standing) -> int:
        """Ticks."""
        ...


class ClosingStage(Protocol):
    """A stage that takes lots off pools when the book did not; all that an event hands on come at once."""

    @property
    def stage(self) -> Stage:
        """Its place in the waterfall."""
        ...

    def take(self, state: VenueState, closings: Sequence[Closing], policies: VenuePolicies) -> list[Absorbed]:
        """One answer a closing, in order: what it took of the lots, now or by an order or auction that it opened."""
        ...


class LossStage(Protocol):
    """A stage that pays for what pools without positions and collateral still owe."""

    @property
    def stage(self) -> Stage:
        """Its place in the waterfall."""
        ...

    def pay(self, state: VenueState, debts: Sequence[Debt]) -> list[Absorbed]:
        """One answer a debt, in order: what it paid into the pool."""
        ...


class DeleveragingPolicy(Protocol):
    """Who among the winners is closed against bankrupt pools, and for how many lots."""

    @property
    def promises_order(self) -> bool:
        """Nobody is touched while a higher-ranked one has lots left."""
        ...

    @property
    def promises_continuity(self) -> bool:
        """A small change of need changes every allotment a little only."""
        ...

    def allot(self, state: VenueState, market: str, need: int, winners: Sequence[int]) -> list[tuple[int, int]]:
        """(pool, lots) pairs in the order of matching, lots positive, together ``need`` or all that there is.

        ``need`` is signed as the positions that are closed (positive: longs); ``winners``, ascending, hold the other
        side.
        """
        ...


class LiquidationGate(Protocol):
    """Whether positions of a market may be liquidated now: not on an invalid price, not in a halt."""

    def __call__(self, state: VenueState, market: str) -> bool:
        """True where they may."""
        ...


@dataclass(frozen=True, slots=True)
class VenuePolicies:
    """A venue's whole way of closing positions.

    ``patience_ns``: how long a liquidation order rests in the book before the next stage takes what is left; at 0 there
    is no book and the stages take over at once. ``liquidator_share_ppm``: of each penalty, to whoever filled the
    order; the rest goes to the fund. ``most_cuts``: pools cut in one event, None without a bound; the others wait for
    the next.
    """

    size: SizePolicy
    price: PricePolicy
    closing_stages: tuple[ClosingStage, ...]
    loss_stages: tuple[LossStage, ...]
    patience_ns: int
    liquidator_share_ppm: int
    most_cuts: int | None = None

    def __post_init__(self) -> None:
        require(self.patience_ns >= 0, "patience is not negative", got=self.patience_ns)
        require(0 <= self.liquidator_share_ppm <= PPM, "a share lies in [0, 1e6] ppm", got=self.liquidator_share_ppm)
        require(self.most_cuts is None or self.most_cuts > 0, "some pool may be cut", got=self.most_cuts)
        for stages in (self.closing_stages, self.loss_stages):
            places = [ORDER.index(stage.stage) for stage in stages]
            require(places == sorted(set(places)), "stages stand in the order of the waterfall", got=stages)
