"""Peaks over threshold: a tail model that reaches beyond the data, by a fit that does not diverge.

Which fit is the default was decided by simulation: root mean square relative error in percent of the quantile at 0.5 %
and at 0.1 % per period, the largest tenth of n losses as exceedances, 800 samples each. Normal prior on the shape
with mean 0.2 and standard deviation 0.2; probability-weighted moments; maximum likelihood without prior; order
statistics (``-``: beyond the data).

    ============ ====  ============  ============  ============  ============
    law          n     prior         moments       likelihood    empirical
    ============ ====  ============  ============  ============  ============
    Student t(3)  365   17.3  25.0    20.7  37.2    22.8  46.8    43.5   -
    Student t(3) 1000   11.5  19.6    13.7  27.4    13.4  25.7    18.7 107.7
    Student t(3) 3000    7.2  12.7     8.2  15.4     7.7  14.1     9.7  25.5
    Student t(4) 1000    9.8  16.0    10.9  20.5    10.7  20.1    15.1  67.1
    normal        365    9.0  16.5     8.0  13.9     7.9  13.1    10.6   -
    normal       1000    5.1   8.4     5.0   8.9     4.7   7.5     6.4  12.4
    GPD xi=0.3   1000   12.1  19.7    13.5  25.0    14.4  28.6    20.7  76.0
    ============ ====  ============  ============  ============  ============

The prior loses only where the truth is normal and the year is short, and there to the safe side (it is 11 % high at
0.1 %); under t(3) with a year of data it is 9 % low at 0.1 %. A twentieth instead of a tenth gives up to 2 points more
error for heavy tails. A narrower prior (0.15) gains 2 to 3 points for t(3) and loses 7 for the normal.
"""

from __future__ import annotations

from typing import Literal, Self

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, require
from leverline.measure.estimator import Estimator
from leverline.measure.gpd import gpd_excess, gpd_penalised, gpd_pwm, gpd_survival
from leverline.measure.tails import LossColumns, order_quantile, order_shortfall


class GpdTail(Estimator):
    r"""Generalised Pareto law above a high threshold (Pickands 1975; McNeil and Frey 2000), empirical below.

    .. math:: q(p) = u + \frac{\beta}{\xi} \left[ (p/\zeta)^{-\xi} - 1 \right], \qquad
              ES(p) = \frac{q(p) + \beta - \xi u}{1 - \xi}

    The threshold u is an order statistic and :math:`\zeta = (m + 1)/(n + 1)` with m losses above it: the exact chance
    that the next one is above. At :math:`p \ge \zeta` the type-6 empirical quantile takes over, which meets the model
    at u. :math:`\xi` stays in [-0.5, 0.95], so an expected shortfall always exists.

    Parameters
    ----------
    tail_share : float, default=0.1
        Share of losses above the threshold.
    method : {"penalised", "pwm"}, default="penalised"
        Likelihood with a normal prior on the shape, or probability-weighted moments.
    prior_mean, prior_sd : float, default=0.2, 0.2
        The prior: daily crypto and equity losses have tail indices of about 3 to 6 where enough is known of them; an
        index of 2.5 and an exponential tail lie one deviation away.
    minimum_exceedances : int, default=20
        Fewer are not fitted.

    Attributes
    ----------
    threshold_, shape_, scale_, tail_probability_ : ndarray of shape () or (n_columns,)
        u, xi, beta, zeta; NaN for a column with too few exceedances.
    """

    def __init__(self, *, tail_share: float = 0.1, method: Literal["penalised", "pwm"] = "penalised",
                 prior_mean: float = 0.2, prior_sd: float = 0.2, minimum_exceedances: int = 20) -> None:
        self.tail_share = tail_share
        self.method = method
        self.prior_mean = prior_mean
        self.prior_sd = prior_sd
        self.minimum_exceedances = minimum_exceedances

    def fit(self, losses: FloatArray) -> Self:
        """Fit each column of ``losses``; InsufficientDataError if none has enough exceedances."""
        require(0.0 < self.tail_share < 1.0, "tail_share lies in (0, 1)", got=self.tail_share)
        require(self.method in ("penalised", "pwm"), "method is penalised or pwm", got=self.method)
        require(self.minimum_exceedances >= 5, "minimum_exceedances is at least 5", got=self.minimum_exceedances)
        self.losses_ = LossColumns(losses)
        threshold, excesses = _above(self.losses_.columns, self.tail_share)
        enough = np.array([e.size >= self.minimum_exceedances for e in excesses], bool)
        if not enough.any():
            raise InsufficientDataError(
                f"a tail model needs {self.minimum_exceedances} losses above its threshold; the fullest column has "
                f"{max((e.size for e in excesses), default=0)}", remedy="take a longer history or a larger tail_share")
        shape, scale = self._fit_columns([e if ok else e[:0] for e, ok in zip(excesses, enough, strict=True)])
        n = np.array([c.size for c in self.losses_.columns], np.float64)
        exceeding = np.array([e.size for e in excesses], np.float64)
        shaped = self.losses_.shaped
        self.threshold_ = shaped(np.where(enough, threshold, np.nan))
        self.tail_probability_ = shaped(np.where(enough, (exceeding + 1.0) / (n + 1.0), np.nan))
        self.shape_, self.scale_ = shaped(shape), shaped(scale)
        return self

    def quantile(self, exceedance_per_period: float) -> FloatArray:
        """The loss exceeded with that probability."""
        _require_probability(exceedance_per_period)
        tail = np.minimum(exceedance_per_period / self.tail_probability_, 1.0)
        modelled = self.threshold_ + gpd_excess(tail, self.shape_, self.scale_)
        empirical = self.losses_.shaped([order_quantile(c, exceedance_per_period) for c in self.losses_.columns])
        return np.where(exceedance_per_period >= self.tail_probability_, empirical, modelled)

    def expected_shortfall(self, exceedance_per_period: float) -> FloatArray:
        """Mean loss in the worst ``exceedance_per_period`` of periods: never below the quantile."""
        _require_probability(exceedance_per_period)
        p, zeta = exceedance_per_period, self.tail_probability_
        in_tail = np.minimum(p, zeta)
        excess = gpd_excess(in_tail / zeta, self.shape_, self.scale_)
        beyond = self.threshold_ + excess + (self.scale_ + self.shape_ * excess) / (1.0 - self.shape_)
        # p ES(p) is the integral of the quantile: the empirical one from zeta to p, the model's below zeta
        between = self._empirical_mass(np.full_like(zeta, p)) - self._empirical_mass(zeta)
        return np.where(p >= zeta, (between + zeta * beyond) / p, beyond)

    def exceedance_per_period(self, loss: FloatArray | float) -> FloatArray:
        """Probability of a loss above ``loss`` (scalar or one a column); a PIT value is one minus it."""
        height = np.asarray(loss, np.float64) - self.threshold_
        modelled = self.tail_probability_ * gpd_survival(np.maximum(height, 0.0), self.shape_, self.scale_)
        each = np.broadcast_to(np.asarray(loss, np.float64), (len(self.losses_.columns),))
        empirical = self.losses_.shaped([_empirical_exceedance(c, x) for c, x in
                                         zip(self.losses_.columns, each, strict=True)])
        return np.where(height < 0, np.where(np.isnan(self.shape_), np.nan, empirical), modelled)

    def quantile_interval(self, exceedance_per_period: float, *, rng: np.random.Generator, confidence: float = 0.95,
                          draws: int = 400) -> tuple[FloatArray, FloatArray]:
        """Interval of :meth:`quantile` by parametric bootstrap, (low, high); below the tail probability only.

        Percentiles of the estimate. It is somewhat short: the interval of 95 % held the true quantile in 86 to 93 % of
        samples of t(3) and t(4) with n of 365 and 1000, at 0.5 % and 0.1 % (likelihood with prior).
        """
        return self._interval(exceedance_per_period, rng, confidence, draws, shortfall=False)

    def expected_shortfall_interval(self, exceedance_per_period: float, *, rng: np.random.Generator,
                                    confidence: float = 0.95, draws: int = 400) -> tuple[FloatArray, FloatArray]:
        """Interval of :meth:`expected_shortfall` by parametric bootstrap, (low, high)."""
        return self._interval(exceedance_per_period, rng, confidence, draws, shortfall=True)

    def _fit_columns(self, excesses: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
        """Shape and scale a column; columns with equally many excesses are fitted at once, empty ones are NaN."""
        sizes = np.array([e.size for e in excesses])
        shape, scale = np.full(sizes.size, np.nan), np.full(sizes.size, np.nan)
        for size in np.unique(sizes[sizes > 0]):
            at = np.flatnonzero(sizes == size)
            shape[at], scale[at] = self._fit_table(np.stack([excesses[j] for j in at], axis=1))
        return shape, scale

    def _fit_table(self, sorted_excesses: FloatArray) -> tuple[FloatArray, FloatArray]:
        if self.method == "pwm":
            return gpd_pwm(sorted_excesses)
        return gpd_penalised(sorted_excesses, prior_mean=self.prior_mean, prior_sd=self.prior_sd)

    def _empirical_mass(self, exceedance: FloatArray) -> FloatArray:
        each = zip(self.losses_.columns, np.atleast_1d(exceedance), strict=True)
        return self.losses_.shaped([np.nan if np.isnan(p) else float(p) * order_shortfall(c, float(p))
                                    for c, p in each])

    def _interval(self, exceedance: float, rng: np.random.Generator, confidence: float, draws: int, *,
                  shortfall: bool) -> tuple[FloatArray, FloatArray]:
        _require_probability(exceedance)
        require(0.0 < confidence < 1.0, "confidence lies in (0, 1)", got=confidence)
        require(draws >= 50, "draws is at least 50", got=draws)
        zeta = np.atleast_1d(self.tail_probability_)
        require(not bool(np.any(exceedance >= zeta)), "the level lies in the modelled tail", got=exceedance,
                remedy="HistoricalQuantile has the interval of a level inside the data")
        bounds = np.full((2, zeta.size), np.nan)
        for j in np.flatnonzero(np.isfinite(zeta)):
            again = self._redrawn(int(j), exceedance, rng, draws, shortfall=shortfall)
            bounds[:, j] = np.quantile(again, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
        return self.losses_.shaped(bounds[0]), self.losses_.shaped(bounds[1])

    def _redrawn(self, j: int, exceedance: float, rng: np.random.Generator, draws: int, *,
                 shortfall: bool) -> FloatArray:
        """The estimate made again from ``draws`` samples of the fitted model of column ``j``, threshold held."""
        threshold, shape, scale, zeta = (np.atleast_1d(a)[j] for a in (
            self.threshold_, self.shape_, self.scale_, self.tail_probability_))
        n = self.losses_.columns[j].size
        excesses = gpd_excess(1.0 - rng.random((round(zeta * (n + 1)) - 1, draws)), shape, scale)
        shapes, scales = self._fit_table(np.sort(excesses, axis=0))
        zetas = np.maximum((rng.binomial(n, zeta, draws) + 1.0) / (n + 1.0), exceedance)
        excess = gpd_excess(exceedance / zetas, shapes, scales)
        above = excess + (scales + shapes * excess) / (1.0 - shapes) if shortfall else excess
        return np.asarray(threshold + above, np.float64)


def _above(columns: list[FloatArray], share: float) -> tuple[FloatArray, list[FloatArray]]:
    """Threshold of each sorted column and the ascending excesses strictly above it (ties at it are not excesses)."""
    thresholds, excesses = np.full(len(columns), np.nan), []
    for j, column in enumerate(columns):
        count = int(np.ceil(share * column.size))
        if 0 < count < column.size:
            thresholds[j] = column[column.size - count - 1]
        excess = column - thresholds[j]
        excesses.append(excess[excess > 0])
    return thresholds, excesses


def _empirical_exceedance(ascending: FloatArray, loss: float) -> float:
    n = ascending.size
    if n == 0:
        return float("nan")
    return float(1.0 - np.interp(loss, ascending, np.arange(1, n + 1), left=0.0) / (n + 1))


def _require_probability(exceedance: float) -> None:
    require(0.0 < exceedance < 1.0, "exceedance_per_period lies in (0, 1)", got=exceedance)
