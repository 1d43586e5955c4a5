"""Depth when it is needed: how much of a calm market's depth is left at the volatility of a margin-quantile move.

Depth is regressed on volatility in logarithms and a low quantile of the residuals is taken on top, so that neither the
average storm nor the average minute is relied upon. A short calm sample cannot say how depth answers to a storm; then
an assumed slope stands in and is reported as assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import require
from leverline.market.bars import NS_PER_S
from leverline.measure.estimator import Estimator
from leverline.measure.impact import SECONDS_PER_DAY
from leverline.measure.resampling import resampled_sums
from leverline.model.limitbook import Basis

DEFAULT_SLOPE = -1.0
"""Elasticity of depth to volatility where it cannot be measured: makers who hold the value at risk of what they quote
constant quote in inverse proportion to volatility (Adrian and Shin 2010, J. Financial Intermediation 19:418-437;
Brunnermeier and Pedersen 2009, Rev. Financial Studies 22:2201-2238). An assumption, not a measurement.
"""
MIN_OBSERVATIONS = 100
MIN_BLOCKS = 10
"""A sample of fewer blocks has seen too few states of volatility to tell a slope from a coincidence; one of a single
block, drawn in circles, has no spread at all."""
MIN_RETURNS = 5


@dataclass(frozen=True, slots=True)
class StressFactor:
    """Share of the sample's typical depth that is left under stress, in (0, 1], and how it came about.

    ``volatility_part`` and ``residual_part`` multiply to the factor unless that exceeds one. ``extrapolated`` says that
    the stressed volatility lies above all that the sample has seen.
    """

    factor: float
    volatility_part: float
    residual_part: float
    slope: float
    slope_low: float
    slope_high: float
    basis: Basis
    extrapolated: bool
    why: str


class StressedDepth(Estimator):
    r"""Low quantile of depth conditional on volatility.

    .. math:: \log D = \overline{\log D} + b (\log \sigma - \overline{\log \sigma}) + e

    Stressed depth over typical depth is :math:`\exp(b (\log \sigma^* - \overline{\log \sigma}) + q(e))`, where q is
    the empirical ``quantile`` of the residuals. The slope is *identified* if the whole of its interval, by blocks of
    consecutive observations, lies below zero. Where it is not, ``default_slope`` takes its place; where it is, it holds
    up to the largest volatility of the sample, and beyond it the steeper of both. Volatility over a window is itself an
    estimate, which pulls a measured slope towards zero; this is not corrected.

    Parameters
    ----------
    quantile : float, default=0.05
        Of the residuals, per observation, in (0, 0.5].
    default_slope : float, default=-1
        Assumed elasticity of depth to volatility, not positive.
    confidence : float, default=0.95
        Of the slope's interval.
    draws : int, default=1000
        Bootstrap resamples.

    Attributes
    ----------
    slope_, slope_low_, slope_high_ : float
        b by least squares and its interval; NaN where volatility does not vary, or where observations, or the blocks
        that they fill, are too few.
    identified_ : bool
    residual_quantile_ : float
        q(e), in log depth.
    observations_ : int
    """

    def __init__(self, *, quantile: float = 0.05, default_slope: float = DEFAULT_SLOPE, confidence: float = 0.95,
                 draws: int = 1000) -> None:
        self.quantile = quantile
        self.default_slope = default_slope
        self.confidence = confidence
        self.draws = draws

    def fit(self, depth: FloatArray, sigma: FloatArray, *, block: int, rng: np.random.Generator) -> Self:
        """Fit ``depth`` (n,), notional, on ``sigma`` (n,), volatility known when the depth was seen; NaN rows are left.

        ``block`` is the observations that one volatility window spans, at least: inside it they are not independent.
        """
        require(0.0 < self.quantile <= 0.5, "quantile lies in (0, 0.5]", got=self.quantile)
        require(self.default_slope <= 0.0, "default_slope is not positive", got=self.default_slope)
        require(depth.shape == sigma.shape and depth.ndim == 1, "depth and sigma have shape (n,)")
        require(block >= 1, "block is at least one observation", got=block)
        known = (depth > 0) & (sigma > 0) & np.isfinite(depth) & np.isfinite(sigma)
        require(bool(known.any()), "no observation of both depth and volatility")
        x, y = np.log(sigma[known]), np.log(depth[known])
        self.observations_ = int(known.sum())
        self._centre, self._highest = float(x.mean()), float(x.max())
        self.slope_, self.slope_low_, self.slope_high_ = self._slope(x, y, block, rng)
        fitted = self.slope_ if np.isfinite(self.slope_) else 0.0
        residual = y - y.mean() - fitted * (x - x.mean())
        self.residual_quantile_ = float(np.quantile(residual, self.quantile))
        self.identified_ = bool(self.slope_high_ < 0.0)
        return self

    def factor(self, sigma: float) -> StressFactor:
        """What is left of typical depth at volatility ``sigma``, in the unit of the fit; never more than all of it."""
        require(sigma > 0 and bool(np.isfinite(sigma)), "sigma is positive", got=sigma)
        target = float(np.log(sigma))
        extrapolated = target > self._highest
        if self.identified_:
            seen = self.slope_ * (min(target, self._highest) - self._centre)
            unseen = min(self.slope_, self.default_slope) * max(0.0, target - self._highest)
            logged = seen + unseen
            why = "slope measured" + (", beyond the sample's volatility the steeper of it and the assumed one"
                                      if extrapolated else "")
        else:
            logged = self.default_slope * (target - self._centre)
            why = f"slope not identified by {self.observations_} observations; assumed {self.default_slope:g}"
        measured = self.identified_ and not extrapolated
        by_volatility, by_residual = float(np.exp(logged)), float(np.exp(self.residual_quantile_))
        return StressFactor(
            factor=min(1.0, by_volatility * by_residual), volatility_part=by_volatility, residual_part=by_residual,
            slope=self.slope_, slope_low=self.slope_low_, slope_high=self.slope_high_,
            basis=Basis.MEASURED if measured else Basis.ASSUMED, extrapolated=extrapolated, why=why)

    def _slope(self, x: FloatArray, y: FloatArray, block: int, rng: np.random.Generator) -> tuple[float, float, float]:
        """Least-squares slope and its percentile interval by circular blocks of observations."""
        if x.size < max(MIN_OBSERVATIONS, MIN_BLOCKS * block) or float(np.ptp(x)) == 0.0:
            return float("nan"), float("nan"), float("nan")
        a, b = x - x.mean(), y - y.mean()
        slope = float(a @ b / (a @ a))
        sums = resampled_sums(np.column_stack([np.ones_like(a), a, b, a * b, a * a]), block, self.draws, rng)
        n, sum_a, sum_b, sum_ab, sum_aa = sums.T
        drawn = (sum_ab - sum_a * sum_b / n) / np.maximum(sum_aa - sum_a**2 / n, np.finfo(np.float64).tiny)
        tail = 0.5 * (1.0 - self.confidence)
        low, high = np.quantile(drawn, [tail, 1.0 - tail])
        return slope, float(low), float(high)


def trailing_volatility(known_ns: IntArray, price: FloatArray, at_ns: IntArray, window_s: float) -> FloatArray:
    """Realised volatility per square root of day over the ``window_s`` seconds before each of ``at_ns``, shape (m,).

    ``price`` (n,) became known at ``known_ns`` (n,), rising; only prices known by the time asked enter. NaN where the
    window holds fewer than five returns. A return across a gap counts whole, by the squares that make up the move.
    """
    require(window_s > 0, "window_s is positive", got=window_s)
    require(known_ns.shape == price.shape and bool(np.all(np.diff(known_ns) > 0)), "times rise, one a price")
    require(bool(np.all(price > 0)), "prices are positive")
    squares = np.concatenate([[0.0], np.cumsum(np.diff(np.log(price)) ** 2)])
    last = np.searchsorted(known_ns, at_ns, side="right") - 1
    first = np.searchsorted(known_ns, at_ns - int(window_s * NS_PER_S), side="left")
    enough = last - first >= MIN_RETURNS
    end, start = np.maximum(last, 0), np.minimum(first, squares.size - 1)
    seconds = (known_ns[end] - known_ns[start]) / NS_PER_S
    with np.errstate(invalid="ignore", divide="ignore"):
        per_day = (squares[end] - squares[start]) * (SECONDS_PER_DAY / seconds)
    return np.where(enough, np.sqrt(np.maximum(per_day, 0.0)), np.nan)


def volatility_of_move(loss_rate: float, horizon_s: float) -> float:
    """Volatility per square root of day that belongs to a move of ``loss_rate`` within ``horizon_s`` seconds.

    The realised volatility of a path that makes the move in one jump: the largest a path without reversals can have.
    """
    require(loss_rate > 0 and horizon_s > 0, "a move and its horizon are positive", got=(loss_rate, horizon_s))
    return float(loss_rate / np.sqrt(horizon_s / SECONDS_PER_DAY))


def crowding_factor(expected_notional: float, account_notional: float) -> float:
    """How many accounts' worth is expected to be liquidated in the same interval as this one; at least 1.

    ``expected_notional`` counts every liquidation expected on the same side in the interval, this account's included.
    What one account can count upon is the depth divided by this.
    """
    require(account_notional > 0, "account_notional is positive", got=account_notional)
    require(expected_notional >= 0, "expected_notional is not negative", got=expected_notional)
    return max(1.0, expected_notional / account_notional)
