r"""How far forced trades move the price, as a function of all that has been forced so far.

Impact is taken of the *cumulative* notional, never batch by batch: with a concave law the sum of the square roots of
two halves exceeds the square root of the whole, so a batch-wise model would make the outcome depend on how the trades
are cut. No decay is modelled: a cascade is over in minutes, and a price that comes back earlier releases less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import require
from leverline.measure.cost_curve import CostCurve, root_rate


class Impact(Protocol):
    """A non-decreasing displacement of the price, a fraction of the mark, by cumulative notional in quote currency."""

    def move(self, notional: FloatArray) -> FloatArray:
        """Displacement once ``notional`` has been forced through; NaN where it is not known."""

    def notional_reaching(self, move: FloatArray) -> FloatArray:
        """Least notional that displaces the price by ``move`` or more; infinite where none is known to."""


@dataclass(frozen=True, slots=True)
class PowerImpact:
    r""":math:`I(Q) = k Q^\delta` with ``rate`` k and ``exponent`` delta: 1 is a line, 1/2 the square-root law."""

    rate: float
    exponent: float

    def __post_init__(self) -> None:
        require(self.rate >= 0 and np.isfinite(self.rate), "an impact rate is finite and not negative", got=self.rate)
        require(0 < self.exponent <= 1, "the exponent of impact lies in (0, 1]", got=self.exponent)

    def move(self, notional: FloatArray) -> FloatArray:
        """Displacement, fraction of the mark."""
        return np.asarray(self.rate * np.asarray(notional, np.float64) ** self.exponent)

    def notional_reaching(self, move: FloatArray) -> FloatArray:
        """The power law turned round; 0 for no move, infinite where nothing moves the price."""
        move = np.asarray(move, np.float64)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.where(move > 0, (move / self.rate) ** (1.0 / self.exponent), 0.0)


@dataclass(frozen=True, slots=True)
class CurveImpact:
    """Displacement of the marginal price along a depth curve: where the next unit trades after ``notional`` is gone.

    Within the curve's knots the marginal price is that of the segment (a level of the book, or a part of a band);
    beyond them it goes on as the square root, and is unknown where the curve has no such tail.
    """

    curve: CostCurve

    def move(self, notional: FloatArray) -> FloatArray:
        """Displacement, fraction of mid."""
        size = np.asarray(notional, np.float64)
        steps, last = self._steps(), float(self.curve.notional[-1])
        within = steps[np.minimum(np.searchsorted(self.curve.notional[1:], size, side="right"), steps.size - 1)]
        beyond = np.where(size > last, self.curve.root_rate * (np.sqrt(np.maximum(size, last)) - np.sqrt(last)), 0.0)
        return np.where(size < last, within, steps[-1] + beyond)

    def notional_reaching(self, move: FloatArray) -> FloatArray:
        """First knot whose marginal price lies that far, or a point of the tail."""
        move = np.asarray(move, np.float64)
        steps, last = self._steps(), float(self.curve.notional[-1])
        within = self.curve.notional[np.searchsorted(steps[:-1], move, side="left")]
        known_tail = np.isfinite(self.curve.root_rate)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            further = (np.sqrt(last) + (move - steps[-1]) / self.curve.root_rate) ** 2
        beyond = np.where(known_tail & (self.curve.root_rate > 0), further, np.inf)
        return np.where(move <= steps[-1], within, beyond)

    def _steps(self) -> FloatArray:
        """Marginal displacement of each segment, and of the end of the last."""
        inside = np.diff(self.curve.given_up) / np.diff(self.curve.notional)
        return np.maximum.accumulate(np.append(inside, self.curve.marginal))  # rounding must not bend it back


def square_root_impact(*, coefficient: float, sigma_per_day: float, volume_per_day: float) -> PowerImpact:
    r"""The square-root law :math:`I(Q) = Y \sigma_D \sqrt{Q / V_D}` (Donier and Bonart 2015, arXiv 1412.4503).

    ``coefficient`` is Y, of order one; ``sigma_per_day`` and ``volume_per_day`` (quote currency) are those of the
    stress that forces the trades, :func:`leverline.measure.impact.stressed_volume`: an average day is the wrong one.
    """
    rate = root_rate(coefficient, sigma_per_day, volume_per_day)
    require(np.isfinite(rate), "volatility and volume are known and positive", got=(sigma_per_day, volume_per_day))
    return PowerImpact(rate, 0.5)
