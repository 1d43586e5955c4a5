"""Generalised extreme value law of block maxima, with its two readings of "one per cent" kept apart.

A loss exceeded in one block of 21 days out of a hundred lies far above one exceeded on one day out of a hundred, and
margins have been published under the name of the one that were the other. Every method here names its unit.
"""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import gamma

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import InsufficientDataError, require
from leverline.measure.estimator import Estimator
from leverline.measure.gpd import power_decay, power_reach

SHAPE_LOW, SHAPE_HIGH = -0.5, 0.5
"""No fit leaves this range: 70 blocks cannot tell a tail without variance (shape 0.5 and more) from one bad month."""


class GevBlockMaxima(Estimator):
    r"""GEV law fitted to the largest loss of each block of ``days_per_block`` days (Longin 1999).

    .. math:: m(p_{day}) = \mu + \frac{\sigma}{\xi} \left[ (-n \ln(1 - p_{day}))^{-\xi} - 1 \right]

    and the same with n = 1 for a probability per block. The fit is by L-moments (Hosking, Wallis and Wood 1985) or by
    likelihood with a normal prior on the shape; plain likelihood diverges on samples of this size. Days are taken as
    independent: volatility that clusters makes the per-day quantile too low for large n.

    Parameters
    ----------
    days_per_block : int, default=21
        n. Blocks are counted back from the newest row; the oldest days that fill no block are left out.
    method : {"lmoments", "penalised"}, default="lmoments"
        How the shape is found.
    prior_mean, prior_sd : float, default=0.2, 0.2
        Prior of the shape under ``penalised``, the same as for excesses: both laws share their shape.
    minimum_blocks : int, default=30
        Fewer are not fitted.

    Attributes
    ----------
    location_, scale_, shape_ : ndarray of shape () or (n_columns,)
        mu, sigma, xi; NaN for a column with too few blocks.
    n_blocks_ : ndarray of int
        Blocks with at least half of their days.
    """

    def __init__(self, *, days_per_block: int = 21, method: Literal["lmoments", "penalised"] = "lmoments",
                 prior_mean: float = 0.2, prior_sd: float = 0.2, minimum_blocks: int = 30) -> None:
        self.days_per_block = days_per_block
        self.method = method
        self.prior_mean = prior_mean
        self.prior_sd = prior_sd
        self.minimum_blocks = minimum_blocks

    def fit(self, losses: FloatArray) -> Self:
        """Fit ``losses``, one row a day, shape (n_days,) or (n_days, n_columns), NaN where there is none."""
        require(self.days_per_block >= 1, "days_per_block is at least 1", got=self.days_per_block)
        require(self.method in ("lmoments", "penalised"), "method is lmoments or penalised", got=self.method)
        require(self.minimum_blocks >= 10, "minimum_blocks is at least 10", got=self.minimum_blocks)
        require(losses.ndim in (1, 2), "losses have shape (n_days,) or (n_days, n_columns)", got=losses.shape)
        require(not bool(np.isinf(losses).any()), "losses are finite, or NaN where there is none")
        table = losses[:, None] if losses.ndim == 1 else losses
        maxima = block_maxima(table, self.days_per_block)
        counts = np.count_nonzero(np.isfinite(maxima), axis=0)
        if not (counts >= self.minimum_blocks).any():
            raise InsufficientDataError(
                f"block maxima need {self.minimum_blocks} blocks; the fullest column has {counts.max(initial=0)}",
                remedy="take a longer history or shorter blocks")
        fits = np.full((3, table.shape[1]), np.nan)
        for j in np.flatnonzero(counts >= self.minimum_blocks):
            fits[:, j] = self._fit_column(np.sort(maxima[np.isfinite(maxima[:, j]), j]))
        alone = (..., 0) if losses.ndim == 1 else ...
        self.location_, self.scale_, self.shape_ = (np.asarray(row[alone]) for row in fits)
        self.n_blocks_: IntArray = np.asarray(counts[alone], np.int64)
        return self

    def quantile_per_block(self, exceedance_per_block: float) -> FloatArray:
        """The loss that the largest of a block exceeds with that probability."""
        _require_probability(exceedance_per_block, "exceedance_per_block")
        return self._quantile(-np.log1p(-exceedance_per_block))

    def quantile_per_day(self, exceedance_per_day: float) -> FloatArray:
        """The loss exceeded with that probability on one day, days independent."""
        _require_probability(exceedance_per_day, "exceedance_per_day")
        return self._quantile(-self.days_per_block * np.log1p(-exceedance_per_day))

    def exceedance_per_block(self, loss: FloatArray | float) -> FloatArray:
        """Probability that the largest loss of a block exceeds ``loss``."""
        return np.asarray(-np.expm1(-self._rate(loss)), np.float64)

    def exceedance_per_day(self, loss: FloatArray | float) -> FloatArray:
        """Probability that the loss of one day exceeds ``loss``, days independent."""
        return np.asarray(-np.expm1(-self._rate(loss) / self.days_per_block), np.float64)

    def _quantile(self, rate: float) -> FloatArray:
        """``mu + sigma (rate^-xi - 1) / xi``."""
        return np.asarray(self.location_ + self.scale_ * power_reach(rate, self.shape_), np.float64)

    def _rate(self, loss: FloatArray | float) -> FloatArray:
        """``(1 + xi (x - mu) / sigma)^(-1/xi)``, the inverse of :meth:`_quantile`."""
        return power_decay((np.asarray(loss, np.float64) - self.location_) / self.scale_, self.shape_)

    def _fit_column(self, ascending: FloatArray) -> tuple[float, float, float]:
        location, scale, shape = gev_lmoments(ascending)
        if self.method == "lmoments":
            return location, scale, shape

        def loss(at: FloatArray) -> float:
            shift, log_factor, shape_at = (float(x) for x in at)
            penalty = (shape_at - self.prior_mean) ** 2 / (2.0 * self.prior_sd**2)
            return penalty + _log_loss(ascending, location + scale * shift, scale * np.exp(log_factor), shape_at)

        # From the Gumbel law, which has no end point: everywhere near it the likelihood is finite.
        simplex = [[0.0, 0.0, 0.0], [0.3, 0.0, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 0.1]]
        best = minimize(loss, simplex[0], method="Nelder-Mead", bounds=[(-10, 10), (-10, 10), (SHAPE_LOW, SHAPE_HIGH)],
                        options={"xatol": 1e-6, "fatol": 1e-8, "maxiter": 2000, "initial_simplex": simplex})
        return float(location + scale * best.x[0]), float(scale * np.exp(best.x[1])), float(best.x[2])


def block_maxima(losses: FloatArray, days_per_block: int) -> FloatArray:
    """Largest loss of each block, (n_blocks, n_columns), newest last; NaN where over half its days are missing."""
    n_blocks = losses.shape[0] // days_per_block
    blocks = losses[losses.shape[0] - n_blocks * days_per_block :].reshape(n_blocks, days_per_block, losses.shape[1])
    seen = np.isfinite(blocks)
    largest = np.max(blocks, axis=1, where=seen, initial=-np.inf)
    return np.where(2 * np.count_nonzero(seen, axis=1) >= days_per_block, largest, np.nan)


def gev_lmoments(ascending: FloatArray) -> tuple[float, float, float]:
    """Location, scale and shape from the first three L-moments of sorted maxima (Hosking, Wallis and Wood 1985).

    Their approximation of the shape, ``-xi = 7.8590 c + 2.9554 c^2`` with ``c = 2 / (3 + tau_3) - ln 2 / ln 3``, is
    good to 0.0009 in the range used; beyond SHAPE_LOW or SHAPE_HIGH the shape is the bound, and location and scale
    still match the first two L-moments.
    """
    n = ascending.size
    rank = np.arange(n)
    b0 = ascending.mean()
    b1 = np.mean(ascending * rank / (n - 1))
    b2 = np.mean(ascending * rank * (rank - 1) / ((n - 1) * (n - 2)))
    l2, l3 = 2.0 * b1 - b0, 6.0 * b2 - 6.0 * b1 + b0
    if l2 <= 0:
        raise InsufficientDataError("all block maxima are equal", remedy="check the losses: a frozen feed has no tail")
    c = 2.0 / (3.0 + l3 / l2) - np.log(2.0) / np.log(3.0)
    k = float(np.clip(7.8590 * c + 2.9554 * c**2, -SHAPE_HIGH, -SHAPE_LOW))
    if abs(k) < 1e-6:  # Gumbel
        scale = l2 / np.log(2.0)
        return float(b0 - np.euler_gamma * scale), float(scale), 0.0
    scale = l2 * k / (-np.expm1(-k * np.log(2.0)) * gamma(1.0 + k))
    return float(b0 - scale * (1.0 - gamma(1.0 + k)) / k), float(scale), -k


def _log_loss(maxima: FloatArray, location: float, scale: float, shape: float) -> float:
    """Minus the log likelihood; inf where a maximum lies beyond the law's end point."""
    reduced = (maxima - location) / scale
    if np.any(1.0 + shape * reduced <= 0):
        return float("inf")
    exponent = reduced if abs(shape) < 1e-8 else np.log1p(shape * reduced) / shape
    return float(maxima.size * np.log(scale) + np.sum((1.0 + shape) * exponent + np.exp(-exponent)))


def _require_probability(exceedance: float, name: str) -> None:
    require(0.0 < exceedance < 1.0, f"{name} lies in (0, 1)", got=exceedance)
