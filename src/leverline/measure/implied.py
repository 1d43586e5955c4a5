r"""Implied volatility beside realised: a forward-looking index, corrected for its premium and blended by its record.

An index of the DVOL or VIX kind is the square root of the risk-neutral variance of the next 30 days, in percent per
root year of 365 days. It knows of the vote, the expiry and the rumour that no past return shows, and it is too high on
average, since sellers of variance are paid for bearing it (Carr and Wu 2009; Bollerslev, Tauchen and Zhou 2009). Both
are a matter of record: the premium is estimated and the weight chosen from past forecasts alone.
"""

from __future__ import annotations

from typing import Literal, Self

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray
from leverline.ground.errors import require
from leverline.measure.discounted import discounted_mean, recalibrated_variance
from leverline.measure.estimator import Estimator
from leverline.measure.volatility import qlike

Combination = Literal["log-linear", "convex"]

DAYS_PER_YEAR = 365.0
WEIGHTS = np.linspace(0.0, 1.0, 21)
"""Weights of the implied forecast that are tried."""


def implied_variance_per_day(index_points: FloatArray) -> FloatArray:
    """Variance per day from an index in percent points per root year, elementwise: ``(points / 100)^2 / 365``."""
    require(not bool(np.any(index_points <= 0)), "an implied volatility index is positive")
    require(not bool(np.any(index_points > 1000)), "an implied volatility index is in percent points, below 1000")
    return np.asarray((index_points / 100.0) ** 2 / DAYS_PER_YEAR, np.float64)


def variance_risk_premium(
    implied_variance: FloatArray, realised: FloatArray, half_life: float, *, horizon_days: int = 1, minimum: int = 60
) -> FloatArray:
    """Discounted past mean of realised over implied variance, (n_days + 1,): below 1 where sellers are paid.

    ``implied_variance`` (n_days + 1,) is known before its day opens; ``realised`` (n_days,) is the mean variance per
    day of the ``horizon_days`` from that day on. Row ``t`` uses only horizons that ended before day ``t``.
    """
    return discounted_mean(realised / implied_variance[:-1], half_life, minimum=minimum, delay=horizon_days)


class BlendedVolatility(Estimator):
    r"""Realised and implied forecasts combined by past QLIKE, walked forward.

    .. math:: \ln h_t = (1 - w_t) \ln h^{R}_t + w_t \ln h^{I}_t + c_t, \qquad
              w_t = \arg\min_w \sum_{u} \delta^{t - u} \, \text{QLIKE}(h_u(w), v_u)

    over horizons that ended before ``t`` (``convex``: the weights act on variances). Every candidate is brought to the
    level of the realised variance by its own past record (:func:`recalibrated_variance`) except the first, ``w = 0``,
    which is the realised forecast as it came: the blend can return to it. Where the index is absent, or before
    ``minimum`` days of joint record, the forecast is the realised one and ``basis_`` says so. A value of the index
    counts for the next day only: an old one is an absent one.

    Bates and Granger (1969) on combination; Patton (2011) on the loss. Weights are held between 0 and 1 and discounted
    rather than regressed, since forecasts this alike give regressions without a memory wild weights.

    Parameters
    ----------
    combination : {"log-linear", "convex"}, default="log-linear"
    half_life : float, default=180
        Days after which a past score, or a past premium, has lost half its weight.
    minimum : int, default=60
        Days of joint record before the index has a weight.
    horizon_days : int, default=1
        Days over which variance is forecast.

    Attributes
    ----------
    sigma_ : ndarray of shape (n_days + 1,)
        Volatility per day over the horizon from that day on. NaN where there is no realised forecast.
    weight_ : ndarray of shape (n_days + 1,)
        Weight of the implied forecast; 0 where it is not used.
    blended_ : ndarray of shape (n_days + 1,)
        True where the index was there and had a record.
    implied_only_ : ndarray of shape (n_days + 1,)
        Volatility per day from the index alone, corrected for its premium.
    basis_ : str
        What the last row is made of, in words.
    """

    def __init__(self, *, combination: Combination = "log-linear", half_life: float = 180.0, minimum: int = 60,
                 horizon_days: int = 1) -> None:
        self.combination = combination
        self.half_life = half_life
        self.minimum = minimum
        self.horizon_days = horizon_days

    def fit(self, sigma: FloatArray, realised: FloatArray, index_points: FloatArray | None = None) -> Self:
        """Walk forward.

        Parameters
        ----------
        sigma : ndarray of shape (n_days + 1,)
            Realised forecast per day: row ``t`` made before day ``t``, for the ``horizon_days`` from it on.
        realised : ndarray of shape (n_days,)
            Realised variance of each day.
        index_points : ndarray of shape (n_days,), optional
            The index at the *end* of each day, percent per root year; NaN where absent, None where there is no index.
        """
        require(self.combination in ("log-linear", "convex"), "combination is log-linear or convex",
                got=self.combination)
        require(self.horizon_days >= 1, "horizon_days is at least 1", got=self.horizon_days)
        require(realised.ndim == 1 and sigma.shape == (realised.size + 1,), "sigma has one row more than realised",
                got=(sigma.shape, realised.shape))
        require(not bool(np.any(sigma <= 0)), "volatility is positive")
        index = np.full(realised.size, np.nan) if index_points is None else index_points
        require(index.shape == realised.shape, "index_points has the shape of realised", got=index.shape)
        base = sigma**2
        implied = np.concatenate([[np.nan], implied_variance_per_day(index)])  # known at the end of the day before
        ahead = horizon_mean(realised, self.horizon_days)
        candidates = self._candidates(base, implied, ahead)
        scores = np.full((realised.size, WEIGHTS.size), np.nan)
        joint = np.isfinite(candidates[:-1]).all(axis=1) & np.isfinite(ahead)
        scores[joint] = qlike(candidates[:-1][joint], ahead[joint, None])
        record = discounted_mean(scores, self.half_life, minimum=self.minimum, delay=self.horizon_days)
        self.blended_: BoolArray = np.logical_and.reduce(np.isfinite(np.hstack([candidates, record])), axis=1)
        best = np.where(self.blended_, np.argmin(np.where(np.isfinite(record), record, np.inf), axis=1), 0)
        self.weight_ = np.asarray(WEIGHTS[best], np.float64)
        self.sigma_ = np.sqrt(np.where(best > 0, np.take_along_axis(candidates, best[:, None], axis=1)[:, 0], base))
        self.implied_only_ = np.sqrt(candidates[:, -1])
        self.basis_ = self._said(no_index=not bool(np.isfinite(index).any()), absent_now=bool(np.isnan(implied[-1])))
        return self

    def _candidates(self, base: FloatArray, implied: FloatArray, ahead: FloatArray) -> FloatArray:
        """Variance forecasts at every weight, (n_days + 1, n_weights), each at its own past level."""
        known = base[:, None] + np.zeros(WEIGHTS.size)
        if self.combination == "log-linear":
            mixed = np.exp((1.0 - WEIGHTS) * np.log(base)[:, None] + WEIGHTS * np.log(implied)[:, None])
            level = recalibrated_variance(mixed, np.broadcast_to(ahead[:, None], (ahead.size, WEIGHTS.size)),
                                          self.half_life, minimum=self.minimum, delay=self.horizon_days)
        else:
            corrected = recalibrated_variance(implied, ahead, self.half_life, minimum=self.minimum,
                                              delay=self.horizon_days)
            level = (1.0 - WEIGHTS) * base[:, None] + WEIGHTS * corrected[:, None]
        level[:, 0] = known[:, 0]
        return np.asarray(level, np.float64)

    def _said(self, *, no_index: bool, absent_now: bool) -> str:
        if no_index:
            return "realised only: there is no implied volatility index"
        if absent_now:
            return "realised only: the index has no value for the last day"
        if not self.blended_[-1]:
            return f"realised only: the index has less than {self.minimum} days of record"
        weight = self.weight_[-1]
        return f"{weight:.0%} implied, {1.0 - weight:.0%} realised ({self.combination}), chosen by past QLIKE"


def horizon_mean(realised: FloatArray, horizon_days: int) -> FloatArray:
    """Mean variance per day of the ``horizon_days`` from each day on, (n_days,); NaN unless all are there."""
    out = np.full(realised.size, np.nan)
    if realised.size >= horizon_days:
        windows = np.lib.stride_tricks.sliding_window_view(realised, horizon_days)
        out[: windows.shape[0]] = windows.mean(axis=1)
    return out
