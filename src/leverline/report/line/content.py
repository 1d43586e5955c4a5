"""What the page shows of the line beyond margins; the conventions of the page's content.

Rates are fractions, amounts in the settlement currency. What the limits are is read from the book; this is what stands
behind them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from leverline.ground.arrays import FloatArray
from leverline.model.limitbook import Basis

KINDS = ("forced trades", "manipulation", "volume", "share of float", "fund")
"""What bounds open interest."""


@dataclass(frozen=True, slots=True)
class CapBound:
    """One constraint on open interest: the largest it allows, what it is in words, how it came about, and its kind.

    ``kind`` is one of :data:`KINDS`.
    """

    notional: float
    binding: str
    basis: Basis
    kind: str


@dataclass(frozen=True, slots=True)
class MarketBounds:
    """Bounds on the open interest of one market, ascending: the first binds. ``unknown`` says what could not bound."""

    symbol: str
    bounds: tuple[CapBound, ...]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeeCurve:
    """Taker fee over volatility, shape (n,) each; ``ratio`` is volatility over its median of a year.

    ``low`` and ``high`` are the fee at either end of the range of demand elasticity. ``markets`` has each market's
    own ratio and fee today.
    """

    ratio: FloatArray
    fee: FloatArray
    low: FloatArray
    high: FloatArray
    elasticity: float
    why: str
    markets: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True, slots=True)
class FundPicture:
    """The insurance fund's event: shortfall by source, its interval, the largest owners, each market's own."""

    sources: tuple[tuple[str, float], ...]
    low: float
    high: float
    cover: float
    owners: int
    by_market: tuple[tuple[str, float], ...]
    markets_at_once: int
    on_accounts: bool


@dataclass(frozen=True, slots=True)
class PairPoint:
    """Two markets in the stressed window: correlation, its lower bound, and the credit given."""

    first: str
    second: str
    correlation: float
    lower: float
    credit: float


@dataclass(frozen=True, slots=True)
class FactorPath:
    """The factor on margins through time, (n_steps + 1,), with its clip and what came of coverage under it."""

    factor: FloatArray
    lowest: float
    highest: float
    nominal: float
    realised: float
    clipped_share: float


@dataclass(frozen=True, slots=True)
class LineContent:
    """All of it; what is None or empty was not asked for. ``is_drawn`` says whether there is more than margins."""

    is_drawn: bool = False
    bounds: tuple[MarketBounds, ...] = ()
    fees: FeeCurve | None = None
    fund: FundPicture | None = None
    pairs: tuple[PairPoint, ...] | None = None
    factor: FactorPath | None = None
    refused: tuple[tuple[str, str], ...] = field(default=())  # assets that are not accepted, and why
