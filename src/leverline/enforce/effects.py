"""What leaves a venue: decisions and movements, frozen, in the units of :mod:`leverline.enforce.events`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from leverline.enforce.events import PoolKey


class Reject(StrEnum):
    """Why an event was refused; the state is then byte for byte what it was."""

    MALFORMED = "malformed"
    OUT_OF_ORDER = "out of order"
    DUPLICATE = "duplicate"
    UNKNOWN_POOL = "unknown pool"
    UNKNOWN_MARKET = "unknown market"
    UNKNOWN_ASSET = "unknown asset"
    UNKNOWN_ORDER = "unknown order"
    POOL_EXISTS = "pool exists"
    NOT_POSITIVE = "amount is not positive"
    OVERFLOW = "amount out of range"
    INSUFFICIENT = "insufficient balance"
    BELOW_INITIAL = "below initial margin"
    POSITION_CAP = "position cap"
    OPEN_INTEREST_CAP = "open-interest cap"
    OWNER_SHARE = "owner's share of open interest"
    ACCESS = "account class may not open here"
    REDUCE_ONLY = "reduce only"
    HALTED = "halted"
    NO_PRICE = "no valid price"
    ONE_MARKET = "an isolated pool holds one market"
    OTHER_ACCOUNT = "another account"
    LIMITS = "limits refused"
    PRICE_BAND = "outside the price band"
    NOTHING_TO_DO = "nothing to do"


class Breaker(StrEnum):
    """State of a market or of the venue. Reductions and top-ups stay open in every state."""

    NORMAL = "normal"
    REDUCE_ONLY = "reduce only"
    HALTED = "halted"


class Stage(StrEnum):
    """Stages of the waterfall, in the order in which a loss meets them."""

    BOOK = "book"
    ORACLE = "sale at the oracle's price"
    AUCTION = "auction"
    BACKSTOP = "backstop"
    INSURANCE_FUND = "insurance fund"
    DELEVERAGING = "deleveraging"
    SOCIALISED = "socialised"


@dataclass(frozen=True, slots=True)
class Rejected:
    """The event changed nothing."""

    reason: Reject
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An order intent may be sent; ``largest`` lots would be allowed in its direction."""

    pool: PoolKey
    market: str
    lots: int
    largest: int


@dataclass(frozen=True, slots=True)
class MarginCall:
    """``deficit``: settlement units that would bring the pool back above its call level."""

    pool: PoolKey
    deficit: int


@dataclass(frozen=True, slots=True)
class LiquidationOrder:
    """Sell (positive ``lots``: the pool was long) or buy back, no worse than ``limit`` ticks."""

    order: int
    pool: PoolKey
    market: str
    lots: int
    limit: int
    stage: Stage


@dataclass(frozen=True, slots=True)
class LiquidationWithdrawn:
    """An order or auction ends before it was filled: its pool recovered, or the next stage takes over."""

    order: int
    pool: PoolKey
    reason: str


@dataclass(frozen=True, slots=True)
class CollateralOffered:
    """A pool without positions owes money: ``amount`` of its collateral is for sale, by a ``Convert``, at ``price``.

    ``price`` in settlement units for one whole asset. What nobody buys in time the insurance fund takes.
    """

    pool: PoolKey
    asset: str
    amount: int
    price: int


@dataclass(frozen=True, slots=True)
class CollateralSeized:
    """The insurance fund took ``amount`` of a bankrupt pool's collateral and ``paid`` settlement units for it."""

    pool: PoolKey
    asset: str
    amount: int
    paid: int


@dataclass(frozen=True, slots=True)
class LiquidationClosed:
    """``lots`` of a pool's position are gone at ``price``; ``paid`` penalty; ``worse_off``: the rule harmed it."""

    order: int
    pool: PoolKey
    market: str
    lots: int
    price: int
    penalty: int
    stage: Stage
    worse_off: bool = False


@dataclass(frozen=True, slots=True)
class AuctionOpened:
    """``lots`` are offered, starting at ``price`` ticks."""

    auction: int
    pool: PoolKey
    market: str
    lots: int
    price: int


@dataclass(frozen=True, slots=True)
class AuctionClosed:
    """``sold`` of the auction's lots were bought; the rest goes to the next stage."""

    auction: int
    sold: int
    left: int


@dataclass(frozen=True, slots=True)
class FundMovement:
    """The insurance fund of ``market`` (empty: shared) paid (negative) or received; ``balance`` after it."""

    market: str
    amount: int
    balance: int
    why: str


@dataclass(frozen=True, slots=True)
class Deleveraged:
    """A winner's ``lots`` were closed against a bankrupt pool's at ``price``."""

    pool: PoolKey
    against: PoolKey
    market: str
    lots: int
    price: int


@dataclass(frozen=True, slots=True)
class LossShared:
    """Units that a pool bears of a loss which nothing else covered."""

    pool: PoolKey
    amount: int


@dataclass(frozen=True, slots=True)
class StageRefused:
    """Why a stage did not take the rest, so that the next one may run."""

    stage: Stage
    pool: PoolKey
    reason: str


@dataclass(frozen=True, slots=True)
class BreakerTransition:
    """Of a market, or of the whole venue where ``market`` is empty."""

    market: str
    before: Breaker
    after: Breaker
    reason: str


@dataclass(frozen=True, slots=True)
class LimitStep:
    """Open positions of ``market`` now stand on step ``step`` of ``steps`` of an adopted book."""

    market: str
    step: int
    steps: int


Effect = (Rejected | Accepted | MarginCall | LiquidationOrder | LiquidationWithdrawn | LiquidationClosed
          | CollateralOffered | CollateralSeized | AuctionOpened | AuctionClosed | FundMovement | Deleveraged
          | LossShared | StageRefused | BreakerTransition | LimitStep)
