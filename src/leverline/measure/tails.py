"""The empirical tail: quantile and expected shortfall of losses, with intervals, and a refusal to extrapolate.

Losses are fractions of notional, positive when money is lost, one row a period: shape (n_periods,) or
(n_periods, n_columns), NaN where there is none. Probabilities are per period, whatever a period is to the caller.
Results have shape () or (n_columns,).
"""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy.special import bdtr, ndtri

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import InsufficientDataError, require
from leverline.measure.estimator import Estimator


class LossColumns:
    """Losses sorted upwards within each column, without their NaN; remembers whether one column came alone."""

    def __init__(self, losses: FloatArray) -> None:
        require(losses.ndim in (1, 2), "losses have shape (n_periods,) or (n_periods, n_columns)", got=losses.shape)
        require(not bool(np.isinf(losses).any()), "losses are finite, or NaN where there is none")
        self.alone = losses.ndim == 1
        table = losses[:, None] if self.alone else losses
        self.columns = [np.sort(column[np.isfinite(column)]) for column in table.T]

    def shaped(self, values: FloatArray | list[float]) -> FloatArray:
        """One value a column, in the shape that results have."""
        out = np.asarray(values, np.float64)
        return np.asarray(out[0]) if self.alone else out


class HistoricalQuantile(Estimator):
    r"""Quantile and expected shortfall of the losses as they were, at plotting position :math:`i/(n+1)`.

    The chance that the next loss exceeds the i-th smallest of n exchangeable ones is exactly :math:`1 - i/(n+1)`,
    whatever their law. So this position (Weibull's, type 6 in Hyndman and Fan 1996), and no other, gives the exceedance
    rate that was asked for; the common type 7 gives more. Between order statistics it interpolates; beyond the largest
    loss, at probabilities below :math:`1/(n+1)`, it refuses: that takes a model of the tail.

    Parameters
    ----------
    interval_confidence : float, default=0.95
        Confidence of the intervals.

    Attributes
    ----------
    n_observations_ : ndarray of int
        Losses that are not NaN.
    """

    def __init__(self, *, interval_confidence: float = 0.95) -> None:
        self.interval_confidence = interval_confidence

    def fit(self, losses: FloatArray) -> Self:
        """Sort ``losses``."""
        require(0.0 < self.interval_confidence < 1.0, "interval_confidence lies in (0, 1)",
                got=self.interval_confidence)
        self.losses_ = LossColumns(losses)
        self.n_observations_: IntArray = self.losses_.shaped([c.size for c in self.losses_.columns]).astype(np.int64)
        return self

    def quantile(self, exceedance_per_period: float) -> FloatArray:
        """The loss exceeded with that probability; NaN for a column too short, refused if all are."""
        self._refuse_beyond_data(exceedance_per_period)
        return self.losses_.shaped([order_quantile(c, exceedance_per_period) for c in self.losses_.columns])

    def quantile_interval(self, exceedance_per_period: float) -> tuple[FloatArray, FloatArray]:
        """Two losses between which the true quantile lies, with at least the confidence asked for, under any law.

        The number of losses below the quantile is binomial, so order statistics bound it exactly (David and Nagaraja
        2003, section 7.1), each side with half the error. inf where even the largest loss may be too small.
        """
        self._refuse_beyond_data(exceedance_per_period)
        bounds = [self._order_interval(c, exceedance_per_period) for c in self.losses_.columns]
        return self.losses_.shaped([b[0] for b in bounds]), self.losses_.shaped([b[1] for b in bounds])

    def expected_shortfall(self, exceedance_per_period: float) -> FloatArray:
        """Mean loss in the worst ``exceedance_per_period`` of periods: never below the quantile.

        The integral of :meth:`quantile` over smaller probabilities, which is held at the largest loss where there are
        no data: in a heavy tail this is too small, a model of the tail is not.
        """
        self._refuse_beyond_data(exceedance_per_period)
        return self.losses_.shaped([order_shortfall(c, exceedance_per_period) for c in self.losses_.columns])

    def expected_shortfall_interval(self, exceedance_per_period: float) -> tuple[FloatArray, FloatArray]:
        r"""Asymptotic interval, variance :math:`[V(L | L > q) + (1 - p)(ES - q)^2] / (np)`.

        Manistre and Hancock (2005). Too short where the tail has no variance (index below 2) or ``n p`` is below ten.
        """
        shortfall = np.atleast_1d(self.expected_shortfall(exceedance_per_period))
        p, reach = exceedance_per_period, ndtri(0.5 + self.interval_confidence / 2.0)
        half = np.full(shortfall.shape, np.nan)
        for j, column in enumerate(self.losses_.columns):
            quantile = order_quantile(column, p)
            if np.isfinite(quantile):
                beyond = column[column.size - int(np.ceil(column.size * p - 1e-9)) :]
                variance = beyond.var() + (1.0 - p) * (shortfall[j] - quantile) ** 2
                half[j] = reach * np.sqrt(variance / (column.size * p))
        return self.losses_.shaped(shortfall - half), self.losses_.shaped(shortfall + half)

    def _order_interval(self, column: FloatArray, exceedance: float) -> tuple[float, float]:
        n, tail = column.size, (1.0 - self.interval_confidence) / 2.0
        if np.isnan(order_quantile(column, exceedance)):
            return np.nan, np.nan
        below = bdtr(np.arange(n), n, 1.0 - exceedance)  # P(at most i losses lie below the quantile), i = 0..n-1
        # loss number ``low`` lies above the quantile with probability at most ``tail``, loss ``high`` + 1 below it
        low = int(np.searchsorted(below, tail, side="right"))
        high = int(np.searchsorted(below, 1.0 - tail, side="left"))
        return (float(column[low - 1]) if low else -np.inf), (float(column[high]) if high < n else np.inf)

    def _refuse_beyond_data(self, exceedance: float) -> None:
        require(0.0 < exceedance < 1.0, "exceedance_per_period lies in (0, 1)", got=exceedance)
        refuse_unless_seen(max((c.size for c in self.losses_.columns), default=0), exceedance)


def refuse_unless_seen(n_observations: int, exceedance_per_period: float) -> None:
    """Raise unless ``n_observations`` losses reach out to that probability without a model."""
    if (n_observations + 1) * exceedance_per_period < 1.0 - 1e-12:
        raise InsufficientDataError(
            f"{n_observations} losses cannot show what is exceeded with probability {exceedance_per_period:g}",
            remedy=f"take {int(np.ceil(1.0 / exceedance_per_period)) - 1} or more, or a tail model")


def order_quantile(ascending: FloatArray, exceedance: float) -> float:
    """Type-6 quantile of sorted losses; NaN beyond the largest, the smallest itself below it."""
    n = ascending.size
    position = (n + 1) * (1.0 - exceedance)
    if n == 0 or position > n + 1e-9:
        return float("nan")
    lower = int(np.clip(np.floor(position), 1, n))
    fraction = np.clip(position - lower, 0.0, 1.0) if lower < n else 0.0
    return float(ascending[lower - 1] + (fraction * (ascending[lower] - ascending[lower - 1]) if fraction else 0.0))


def order_shortfall(ascending: FloatArray, exceedance: float) -> float:
    """Mean of :func:`order_quantile` over probabilities up to ``exceedance``, held at the largest below 1/(n+1)."""
    n = ascending.size
    quantile = order_quantile(ascending, exceedance)
    if np.isnan(quantile):
        return quantile
    position = (n + 1) * (1.0 - exceedance)
    above = np.arange(int(np.clip(np.floor(position), 0, n)) + 1, n + 1)
    heights = np.concatenate([[quantile], ascending[above - 1], ascending[-1:]])
    at = np.concatenate([[position], above, [n + 1.0]])
    # relative to the quantile, so that rounding never takes the mean below it
    return float(quantile + np.trapezoid(heights - quantile, at) / ((n + 1) * exceedance))
