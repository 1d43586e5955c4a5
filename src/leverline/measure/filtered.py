"""Filtered historical simulation: yesterday's surprises at today's volatility.

One fit on one date, for calibration and for reading; the walk-forward form stands in ``rolling.py``.
"""

from __future__ import annotations

from typing import Literal, Self

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray
from leverline.ground.errors import InsufficientDataError, UsageError, require
from leverline.measure.estimator import Estimator
from leverline.measure.pot import GpdTail
from leverline.measure.tails import HistoricalQuantile


class FilteredHistoricalSimulation(Estimator):
    r"""Losses over the volatility known when their window opened, then times today's.

    .. math:: z_t = L_t / \sigma_t, \qquad q(p) = \sigma \, q_z(p), \qquad
              \sigma = (1 - w) \sigma_{now} + w \sigma_{stress}

    Barone-Adesi, Giannopoulos and Vosper (1999); Hull and White (1998). With ``stress_weight`` w the margin is the
    mixture of today's and that of the stressed observations, the tool of EMIR RTS 153/2013 Art. 28(1)(b):
    :math:`\sigma_{stress}` is the root mean square of the volatilities under which the stressed rows opened. Stress
    enters through volatility and not through a quantile of the stressed losses alone, since a handful of them cannot
    show a level of 99.9 %.

    Parameters
    ----------
    tail : {"historical", "gpd"}, default="historical"
        Law of the standardised losses: order statistics, which refuse to extrapolate, or :class:`GpdTail`.
    tail_share : float, default=0.1
        Share of losses above the threshold of ``gpd``.
    stress_weight : float, default=0
        w, in [0, 1].
    stressed_share : float, default=0.1
        Rows of highest volatility that count as stressed, where ``fit`` is not told which.
    interval_confidence : float, default=0.95
        Confidence of the intervals.

    Attributes
    ----------
    sigma_ : ndarray of shape () or (n_columns,)
        The volatility that quantiles are scaled by.
    tail_ : HistoricalQuantile or GpdTail
        Fitted to the standardised losses.

    Notes
    -----
    Intervals are those of the standardised quantile: they take the volatility as known. Order statistics for
    ``historical``, parametric bootstrap for ``gpd``.
    """

    def __init__(self, *, tail: Literal["historical", "gpd"] = "historical", tail_share: float = 0.1,
                 stress_weight: float = 0.0, stressed_share: float = 0.1, interval_confidence: float = 0.95) -> None:
        self.tail = tail
        self.tail_share = tail_share
        self.stress_weight = stress_weight
        self.stressed_share = stressed_share
        self.interval_confidence = interval_confidence

    def fit(self, losses: FloatArray, *, sigma: FloatArray, sigma_now: FloatArray | float,
            stressed: BoolArray | None = None) -> Self:
        """Standardise and fit.

        ``losses`` and ``sigma`` have shape (n,) or (n, n_columns): row ``t`` of ``sigma`` is the volatility known when
        the window of loss ``t`` opened, in any unit, as long as ``sigma_now`` (() or (n_columns,)) has the same.
        ``stressed`` (n,) marks rows of stress. A row where either is NaN does not count; zero volatility is refused.
        """
        require(self.tail in ("historical", "gpd"), "tail is historical or gpd", got=self.tail)
        require(0.0 <= self.stress_weight <= 1.0, "stress_weight lies in [0, 1]", got=self.stress_weight)
        require(losses.shape == sigma.shape, "losses and sigma have one shape", got=(losses.shape, sigma.shape))
        require(np.shape(sigma_now) == losses.shape[1:], "sigma_now has one value a column", got=np.shape(sigma_now))
        require(not bool(np.any(sigma <= 0) or np.any(np.asarray(sigma_now) <= 0)), "volatility is positive")
        self.sigma_ = np.asarray(sigma_now, np.float64)
        if self.stress_weight > 0:
            usable = np.where(np.isfinite(losses), sigma, np.nan)
            mask = stressed_rows(usable, self.stressed_share) if stressed is None else _as_rows(stressed, losses)
            stress = stressed_volatility(usable, mask)
            self.sigma_ = np.asarray((1.0 - self.stress_weight) * self.sigma_ + self.stress_weight * stress)
        self.tail_: HistoricalQuantile | GpdTail = (
            HistoricalQuantile(interval_confidence=self.interval_confidence) if self.tail == "historical"
            else GpdTail(tail_share=self.tail_share)).fit(losses / sigma)
        return self

    def quantile(self, exceedance_per_period: float) -> FloatArray:
        """The loss exceeded with that probability in the period now opening."""
        return np.asarray(self.sigma_ * self.tail_.quantile(exceedance_per_period), np.float64)

    def expected_shortfall(self, exceedance_per_period: float) -> FloatArray:
        """Mean loss in the worst ``exceedance_per_period`` of periods now opening."""
        return np.asarray(self.sigma_ * self.tail_.expected_shortfall(exceedance_per_period), np.float64)

    def quantile_interval(self, exceedance_per_period: float, *,
                          rng: np.random.Generator | None = None) -> tuple[FloatArray, FloatArray]:
        """(low, high) of :meth:`quantile`; ``rng`` is needed for ``gpd`` only."""
        if isinstance(self.tail_, HistoricalQuantile):
            low, high = self.tail_.quantile_interval(exceedance_per_period)
        else:
            low, high = self.tail_.quantile_interval(exceedance_per_period, rng=_given(rng),
                                                     confidence=self.interval_confidence)
        return np.asarray(self.sigma_ * low), np.asarray(self.sigma_ * high)

    def expected_shortfall_interval(self, exceedance_per_period: float, *,
                                    rng: np.random.Generator | None = None) -> tuple[FloatArray, FloatArray]:
        """(low, high) of :meth:`expected_shortfall`; ``rng`` is needed for ``gpd`` only."""
        if isinstance(self.tail_, HistoricalQuantile):
            low, high = self.tail_.expected_shortfall_interval(exceedance_per_period)
        else:
            low, high = self.tail_.expected_shortfall_interval(exceedance_per_period, rng=_given(rng),
                                                               confidence=self.interval_confidence)
        return np.asarray(self.sigma_ * low), np.asarray(self.sigma_ * high)


def stressed_rows(sigma: FloatArray, share: float) -> BoolArray:
    """The ``share`` of rows of each column with the highest volatility, at least one; NaN is never stressed."""
    require(0.0 < share <= 1.0, "the stressed share lies in (0, 1]", got=share)
    table = sigma[:, None] if sigma.ndim == 1 else sigma
    out = np.zeros(table.shape, bool)
    for j, column in enumerate(table.T):
        seen = np.flatnonzero(np.isfinite(column))
        count = int(np.ceil(share * seen.size))
        out[seen[np.argsort(-column[seen], kind="stable")[:count]], j] = True
    return out[:, 0] if sigma.ndim == 1 else out


def stressed_volatility(sigma: FloatArray, stressed: BoolArray) -> FloatArray:
    """Root mean square of ``sigma`` over the ``stressed`` rows; NaN for a column without one, refused if all are."""
    counted = stressed & np.isfinite(sigma)
    count = np.count_nonzero(counted, axis=0)
    if not np.any(count):
        raise InsufficientDataError("no observation is stressed", remedy="take a longer history, or mark other rows")
    total = np.sum(np.square(sigma, where=counted, out=np.zeros(sigma.shape)), axis=0)
    return np.asarray(np.sqrt(total / np.where(count > 0, count, np.nan)), np.float64)


def _as_rows(stressed: BoolArray, losses: FloatArray) -> BoolArray:
    require(stressed.shape == losses.shape[:1], "stressed has one value a row", got=stressed.shape)
    return np.broadcast_to(stressed.reshape((-1,) + (1,) * (losses.ndim - 1)), losses.shape)


def _given(rng: np.random.Generator | None) -> np.random.Generator:
    if rng is None:
        raise UsageError("the interval of a gpd tail is drawn: it takes an rng")
    return rng
