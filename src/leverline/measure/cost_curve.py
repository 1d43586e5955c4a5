"""One cost curve from three sources: the visible book, bands around mid beyond it, the square root beyond those.

A curve is the total given up, C(N), in quote currency: convex in the notional N liquidated, because the next unit is
never cheaper than the last. The average rate C(N) / N is therefore monotone and continuous wherever the parts join.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.errors import require
from leverline.measure.impact import MEAN_OVER_PEAK

Source = Literal["book", "bands", "volume"]
SOURCES: tuple[Source, ...] = ("book", "bands", "volume")
BAND_STEPS = 64
"""Knots per band, between which the total is a chord: that overstates the cost rate of uniform density by at most 1/128
of the band's width.
"""

MORE_THAN_ALL = 1e21
"""A notional beyond every market's, in any currency: what costs less than the budget there has no limit."""


@dataclass(frozen=True, slots=True)
class CostCurve:
    r"""Cost of liquidating at once, one side of one market.

    ``notional`` (k,) rises from 0 and ``given_up`` (k,) is the total cost at each knot, from 0, convex, linear between
    knots. ``part`` (k - 1,) says where each segment comes from, an index into :data:`SOURCES`. ``marginal`` is the
    displacement, a fraction of mid, of the last unit of the last knot. Beyond the last knot :math:`N_K` the marginal
    price moves on as the square root of what has been executed (Donier and Bonart 2015, arXiv 1412.4503),

    .. math:: m(N) = m_K + u (\sqrt N - \sqrt{N_K}), \qquad u = Y \sigma_D / \sqrt{V_D},

    with ``root_rate`` u in rate per square root of notional; NaN where it is unknown, and then there is no cost beyond
    the last knot: a visible book is never extrapolated by itself.
    """

    notional: FloatArray
    given_up: FloatArray
    part: IntArray
    marginal: float
    root_rate: float

    def cost_rate(self, notional: FloatArray | float) -> FloatArray:
        """Average cost of each size as a fraction of its notional; at size 0 the cost of the first unit."""
        size = np.atleast_1d(np.asarray(notional, np.float64))
        require(bool(np.all(size >= 0)), "notional is not negative")
        last = float(self.notional[-1])
        inside = np.interp(size, self.notional, self.given_up)
        beyond = np.maximum(size, last)
        root = MEAN_OVER_PEAK * (beyond**1.5 - last**1.5) - np.sqrt(last) * (beyond - last)
        tail = self.given_up[-1] + self.marginal * (beyond - last) + self.root_rate * root
        total = np.where(size <= last, inside, tail)
        first = self.given_up[1] / self.notional[1] if self.notional.size > 1 else self.marginal
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(size > 0, total / size, first)

    def parts(self, notional: FloatArray | float) -> tuple[Source, ...]:
        """The farthest source that the cost of each size rests on."""
        size = np.atleast_1d(np.asarray(notional, np.float64))
        segment = np.searchsorted(self.notional[1:], size, side="left")
        labels = np.append(self.part, SOURCES.index("volume"))
        return tuple(SOURCES[int(labels[i])] for i in segment)

    def notional_within(self, budget_rate: float) -> float:
        """Largest notional whose average cost is at most ``budget_rate``; 0 where even the first unit costs more.

        Where the tail is unknown the answer is never beyond the last knot; inf where cost never reaches the budget.
        """
        require(budget_rate >= 0, "budget_rate is not negative", got=budget_rate)
        if float(self.cost_rate(0.0)[0]) > budget_rate:
            return 0.0
        high = max(float(self.notional[-1]), 1.0)
        if not np.isfinite(self.root_rate):
            return self._bisect(0.0, high, budget_rate)
        if self.root_rate == 0.0 and self.marginal <= budget_rate:
            return float("inf")
        while float(self.cost_rate(high)[0]) <= budget_rate:
            high *= 4.0
            if high > MORE_THAN_ALL:
                return float("inf")
        return self._bisect(0.0, high, budget_rate)

    def scaled(self, factor: float) -> CostCurve:
        """The curve of a market with ``factor`` times the depth at every distance: cost'(factor N) = cost(N)."""
        require(factor > 0 and bool(np.isfinite(factor)), "a depth factor is positive", got=factor)
        return replace(self, notional=self.notional * factor, given_up=self.given_up * factor,
                       root_rate=self.root_rate / np.sqrt(factor))

    def _bisect(self, low: float, high: float, budget_rate: float) -> float:
        if float(self.cost_rate(high)[0]) <= budget_rate:
            return high
        while high - low > 1e-9 * high:
            middle = 0.5 * (low + high)
            if float(self.cost_rate(middle)[0]) <= budget_rate:
                low = middle
            else:
                high = middle
        return low


def root_rate(coefficient: float, sigma_per_day: float, volume_per_day: float) -> float:
    """Y sigma / sqrt(V): rate per square root of notional; NaN where volume or volatility is unknown."""
    if not (np.isfinite(sigma_per_day) and np.isfinite(volume_per_day) and volume_per_day > 0):
        return float("nan")
    return float(coefficient * sigma_per_day / np.sqrt(volume_per_day))


def square_root_curve(rate: float) -> CostCurve:
    """The curve where only volume is known: exactly :func:`leverline.measure.impact.slippage_rate`."""
    return CostCurve(np.zeros(1), np.zeros(1), np.empty(0, np.int64), 0.0, rate)


def curve_from_costs(notional: FloatArray, cost_rate: FloatArray, tail: float) -> CostCurve:
    """A curve through average cost rates of rising sizes, as walked in a book; NaN sizes are left out.

    Rates of one book are those of a convex cost; so is their average over snapshots. What rounding, or a mean over
    different snapshots per size, bends the other way is straightened upward: the marginal price never falls.
    """
    known = np.isfinite(cost_rate)
    size, rate = notional[known], cost_rate[known]
    require(bool(np.all(np.diff(size) > 0)) and bool(np.all(size > 0)), "sizes are positive and rise")
    if not size.size:
        return square_root_curve(tail)
    marginal = np.maximum.accumulate(np.diff(size * rate, prepend=0.0) / np.diff(size, prepend=0.0))
    knots = np.concatenate([[0.0], size])
    total = np.concatenate([[0.0], np.cumsum(marginal * np.diff(knots))])
    return CostCurve(knots, total, np.full(size.size, SOURCES.index("book")), float(marginal[-1]), tail)


def extend_with_bands(curve: CostCurve, distance: FloatArray, cumulative: FloatArray) -> CostCurve:
    """Continue ``curve`` by bands: ``cumulative`` (k,) notional stands within ``distance`` (k,), both rising.

    Between two known depths the density is taken as uniform, so the marginal price moves linearly in the notional.
    Bands that hold no more than the book already does, or that end nearer, say nothing new and are left out.
    """
    usable = np.isfinite(cumulative) & (cumulative > curve.notional[-1]) & (distance > curve.marginal)
    depth, far = cumulative[usable], distance[usable]
    rising = _strictly_rising(depth)
    if not rising.any():
        return curve
    knots = np.concatenate([[curve.notional[-1]], depth[rising]])
    edge = np.concatenate([[curve.marginal], far[rising]])
    share = np.arange(1, BAND_STEPS + 1) / BAND_STEPS
    size = (knots[:-1, None] + np.diff(knots)[:, None] * share).ravel()
    displacement = (edge[:-1, None] + np.diff(edge)[:, None] * share).ravel()
    before = np.concatenate([[curve.marginal], displacement[:-1]])
    steps = np.diff(size, prepend=curve.notional[-1])
    total = curve.given_up[-1] + np.cumsum(steps * 0.5 * (before + displacement))
    return CostCurve(
        np.concatenate([curve.notional, size]), np.concatenate([curve.given_up, total]),
        np.concatenate([curve.part, np.full(size.size, SOURCES.index("bands"))]), float(displacement[-1]),
        curve.root_rate)


@dataclass(frozen=True, slots=True)
class BandCosts:
    """What bands say of the cost rate of each size, each (k,), NaN beyond the outermost band.

    Within a band nobody knows where the orders stand: ``lower`` puts all of them at its near edge, ``upper`` at its
    far edge, ``uniform`` spreads them evenly.
    """

    notional: FloatArray
    lower: FloatArray
    uniform: FloatArray
    upper: FloatArray


def band_costs(distance: FloatArray, cumulative: FloatArray, notional: FloatArray) -> BandCosts:
    """Bounds and interpolation of the cost of ``notional`` (k,) from bands of one side of one snapshot.

    ``distance`` (b,) rises, fractions of mid, positive; ``cumulative`` (b,) is the notional within each and does not
    fall. Bands value depth at its own prices; taking that for notional at mid errs by at most the band's distance.
    """
    require(distance.ndim == 1 and distance.shape == cumulative.shape, "one cumulative depth a distance")
    require(bool(np.all(np.diff(distance) > 0)) and bool(np.all(distance > 0)), "distances are positive and rise")
    known = np.isfinite(cumulative)
    require(bool(np.all(np.diff(cumulative[known]) >= 0)), "cumulative depth does not fall with distance")
    depth = np.concatenate([[0.0], cumulative[known]])
    edge = np.concatenate([[0.0], distance[known]])
    parts = np.diff(depth)
    size = np.asarray(notional, np.float64)
    beyond = size > depth[-1]
    filled = np.clip(size[:, None] - depth[:-1], 0.0, parts)
    lower, upper = filled @ edge[:-1], filled @ edge[1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        reached = np.where(parts > 0, filled / parts, 0.0)
        even = (filled * (edge[:-1] + 0.5 * reached * np.diff(edge))).sum(axis=1)
        return BandCosts(size, *(np.where(beyond, np.nan, total / size) for total in (lower, even, upper)))


def _strictly_rising(values: FloatArray) -> BoolArray:
    """Which values exceed all before them."""
    if not values.size:
        return np.zeros(0, np.bool_)
    highest = np.concatenate([[-np.inf], np.maximum.accumulate(values)[:-1]])
    return np.asarray(values > highest, np.bool_)
