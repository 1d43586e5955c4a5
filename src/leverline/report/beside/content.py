"""What the page shows of depth, basis, implied volatility and young listings; the conventions of the page's content.

Rates and volatilities are fractions, notionals in the settlement currency, times int64 nanoseconds UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

from leverline.ground.arrays import FloatArray, IntArray
from leverline.measure.cost_curve import Source
from leverline.model.limitbook import Basis


@dataclass(frozen=True, slots=True)
class LiquidationCost:
    """What closing a position at once costs, by its size, shape (n,) each; NaN beyond all that is known.

    ``rate`` is what the limits were made with: depth under stress, shared out among ``crowding`` accounts.
    ``calm_rate`` is the same without stress, for one account alone. ``source`` names what each size rests on.
    """

    notional: FloatArray
    rate: FloatArray
    calm_rate: FloatArray
    source: tuple[Source, ...]
    budget_rate: float
    cap: float | None
    cap_binding: str | None  # in words, what sets the cap
    most_trusted: Source
    age_s: float | None  # of the most trusted source at the as-of time; None for volume
    shape_only: bool  # too old to tell the level of depth: scaled by volume
    basis: Basis
    stress_factor: float | None  # share of the seen depth that is left; None where none was seen
    crowding: float
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MarkGap:
    """The allowance between the mark that margin is measured at and the price at which a position is closed.

    ``low`` and ``high`` bound the measured rate, ``calm_rate`` is the same quantile away from large moves; None where
    the rate is assumed.
    """

    rate: float
    basis: Basis
    why: str
    low: float | None = None
    high: float | None = None
    calm_rate: float | None = None
    observations: int = 0
    large_moves: int = 0
    interval_level: float = 0.95


@dataclass(frozen=True, slots=True)
class ImpliedPath:
    """Three forecasts of tomorrow's volatility per day, known at ``ts``, shape (n,) each; NaN where there is none.

    ``implied`` is the index corrected for its own past bias, ``blended`` what was used of both. ``factor`` is blended
    over realised at the end, ``made_of`` says in words what the last forecast is made of.
    """

    ts: IntArray
    realised: FloatArray
    implied: FloatArray
    blended: FloatArray
    factor: float
    made_of: str


@dataclass(frozen=True, slots=True)
class YoungListing:
    """A market whose tail is shared with its peers': days of its own history and the share that they weigh."""

    days: float
    own_weight: float
