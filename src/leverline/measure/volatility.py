"""Volatility per bar, known before the bar opens: EWMA and HAR; variance proxies and the loss that ranks them.

Every ``sigma_`` has one row more than its input. Row ``t`` uses rows before ``t`` only, the last row is the forecast,
and NaN says that too little has been seen.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import require
from leverline.measure._volatility_kernels import ewma_variance_kernel
from leverline.measure.estimator import Estimator


def half_life_decay(half_life_bars: float) -> float:
    """The decay under which a squared return has lost half its weight after ``half_life_bars`` bars."""
    require(half_life_bars > 0, "half_life_bars is positive", got=half_life_bars)
    return float(0.5 ** (1.0 / half_life_bars))


def ewma_variance(returns: FloatArray, decay: float, warmup: int) -> FloatArray:
    """Exponentially weighted variance, shape (n_bars + 1, n_assets), return units squared.

    ``returns`` are log returns (n_bars, n_assets), NaN where there is none. See :class:`EwmaVolatility`.
    """
    require(0.0 < decay < 1.0, "decay lies in (0, 1)", got=decay)
    require(warmup >= 1, "warmup is at least one return", got=warmup)
    require(returns.ndim == 2, "returns have shape (n_bars, n_assets)", got=returns.shape)
    require(not bool(np.isinf(returns).any()), "returns are finite, or NaN where there is none")
    variance = np.empty((returns.shape[0] + 1, returns.shape[1]))
    ewma_variance_kernel(np.ascontiguousarray(returns, np.float64), float(decay), int(warmup), variance)
    return variance


class EwmaVolatility(Estimator):
    r"""Exponentially weighted volatility with zero mean (J.P. Morgan and Reuters, RiskMetrics 1996, section 5.2).

    .. math:: \sigma^2_{t+1} = \lambda \sigma^2_t + (1 - \lambda) r_t^2

    A missing return leaves the state as it was, since a halt says nothing of calm. A newcomer is NaN through its first
    ``warmup`` returns and then starts from their mean square, never from another asset's.

    Parameters
    ----------
    decay : float, default=0.99
        :math:`\lambda`, per bar, in (0, 1); see :func:`half_life_decay`.
    warmup : int, default=30
        Returns seen before a volatility is given.

    Attributes
    ----------
    sigma_ : ndarray of shape (n_bars + 1, n_assets)
        Volatility per bar.
    """

    def __init__(self, *, decay: float = 0.99, warmup: int = 30) -> None:
        self.decay = decay
        self.warmup = warmup

    def fit(self, returns: FloatArray) -> Self:
        """Filter log ``returns`` (n_bars, n_assets)."""
        self.sigma_ = np.sqrt(ewma_variance(returns, self.decay, self.warmup))
        return self


def realised_variance(returns: FloatArray, bars_per_day: int) -> FloatArray:
    """Sum of squared log returns of each day, (n_days, n_assets), from (n_days * bars_per_day, n_assets).

    Andersen and Bollerslev (1998). Row 0 is the first bar of a day; an unfinished last day is left out. A day with
    less than half its returns is NaN; where a few are missing the sum stands as it is, because the return after a gap
    spans the gap.
    """
    require(bars_per_day >= 1, "bars_per_day is at least 1", got=bars_per_day)
    require(returns.ndim == 2, "returns have shape (n_bars, n_assets)", got=returns.shape)
    n_days = returns.shape[0] // bars_per_day
    by_day = returns[: n_days * bars_per_day].reshape(n_days, bars_per_day, returns.shape[1])
    seen = np.count_nonzero(np.isfinite(by_day), axis=1)
    return np.where(2 * seen >= bars_per_day, np.nansum(by_day**2, axis=1), np.nan)


def parkinson_variance(high: FloatArray, low: FloatArray) -> FloatArray:
    """Variance of a bar from its range, ``ln(high/low)^2 / (4 ln 2)`` (Parkinson 1980), elementwise.

    About five times as precise as the squared return of a driftless diffusion; it does not see the gap between bars.
    """
    return np.asarray(np.log(high / low) ** 2 / (4.0 * np.log(2.0)), np.float64)


def qlike(forecast_variance: FloatArray, realised: FloatArray) -> FloatArray:
    """QLIKE loss, ``ln h + v/h``, elementwise; lower is better (Patton 2011).

    It ranks forecasts as the true variance would even where ``realised`` is a noisy proxy, and it is finite at zero
    realised variance. NaN where either is.
    """
    require(not bool(np.any(forecast_variance <= 0)), "a forecast variance is positive")
    return np.asarray(np.log(forecast_variance) + realised / forecast_variance, np.float64)


class HarVolatility(Estimator):
    r"""Heterogeneous autoregression of the logarithm of realised variance (Corsi 2009; log form in its section 2.3).

    .. math:: \ln \bar v_{t+1:t+h} = b_0 + \sum_c b_c \ln \bar v^{(c)}_t + e_{t+h}, \qquad
              \hat v_{t+1:t+h} = e^{\hat b' x_t} \, \overline{e^{\hat e}}

    with :math:`\bar v^{(c)}` the mean variance of the last ``c`` days and :math:`\bar v_{t+1:t+h}` that of the next
    ``h``: a horizon of its own is regressed directly, not iterated. Fitted on logarithms by least squares: forecasts
    are positive without a floor that would have to be invented, and one crash day does not decide the coefficients,
    which in levels it would. The mean is restored by Duan's (1983) smearing factor, which assumes no normality. A
    forecast is kept inside the range of the variances it was fitted on, so that a short window cannot explode.

    Days without variance are skipped: "last 7 days" are the last 7 observed.

    Parameters
    ----------
    components : tuple of int, default=(1, 7, 30)
        Look-backs in days. Crypto trades all week, hence not (1, 5, 22).
    window : int or None, default=None
        Days a fit may use; None uses all of the past.
    refit_every : int, default=7
        Days between fits.
    minimum : int, default=100
        Days an asset must have been observed before the first fit.
    horizon : int, default=1
        Days whose mean variance is forecast. A fit uses only targets that are complete.

    Attributes
    ----------
    sigma_ : ndarray of shape (n_days + 1, n_assets)
        Volatility per day, over the ``horizon`` days from that row on.
    coefficients_ : ndarray of shape (1 + n_components, n_assets)
        Intercept and slopes of the latest fit.
    """

    def __init__(self, *, components: tuple[int, ...] = (1, 7, 30), window: int | None = None, refit_every: int = 7,
                 minimum: int = 100, horizon: int = 1) -> None:
        self.components = components
        self.window = window
        self.refit_every = refit_every
        self.minimum = minimum
        self.horizon = horizon

    def fit(self, variance: FloatArray) -> Self:
        """Walk forward through daily ``variance`` (n_days, n_assets), NaN where there is none."""
        longest = max(self.components)
        enough = longest + 2 * (len(self.components) + 1) + self.horizon - 1
        require(self.horizon >= 1, "horizon is at least one day", got=self.horizon)
        require(min(self.components) >= 1, "components are at least one day", got=self.components)
        require(self.minimum >= enough, f"minimum is at least {enough} for these components and this horizon",
                got=self.minimum)
        require(self.window is None or self.window >= self.minimum, "window is not below minimum", got=self.window)
        require(self.refit_every >= 1, "refit_every is at least one day", got=self.refit_every)
        require(variance.ndim == 2, "variance has shape (n_days, n_assets)", got=variance.shape)
        require(not bool(np.any(variance < 0)), "variances are not negative")
        n_days, n_assets = variance.shape
        forecast = np.full((n_days + 1, n_assets), np.nan)
        self.coefficients_ = np.full((1 + len(self.components), n_assets), np.nan)
        for j in range(n_assets):
            at = np.flatnonzero(np.isfinite(variance[:, j]))
            if at.size:
                ahead, self.coefficients_[:, j] = self._walk(variance[at, j])
                hold_forecasts(forecast[:, j], at, ahead)
        self.sigma_ = np.sqrt(forecast)
        return self

    def _walk(self, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Forecasts made after each observed day (n,), and the latest coefficients."""
        # A day without a trade has variance zero; its logarithm is taken at a thousandth of the past mean instead.
        past_mean = np.cumsum(variance) / np.arange(1, variance.size + 1)
        floored = np.maximum(variance, np.maximum(1e-3 * past_mean, np.finfo(float).tiny))
        regressors = _regressors(floored, self.components)
        targets = _regressors(floored, (self.horizon,))[:, 1]  # row i: the mean of the horizon that ends with day i
        ahead = np.full(variance.size, np.nan)
        coefficients = np.full(regressors.shape[1], np.nan)
        smearing = low = high = np.nan
        for i in range(self.minimum - 1, variance.size):
            if (i - self.minimum + 1) % self.refit_every == 0:
                start = max(max(self.components) - 1, 0 if self.window is None else i - self.window + 1)
                x, y = regressors[start : i + 1 - self.horizon], targets[start + self.horizon : i + 1]
                coefficients = np.linalg.lstsq(x, y, rcond=None)[0]
                smearing = float(np.mean(np.exp(y - x @ coefficients)))
                low, high = float(np.exp(y.min())), float(np.exp(y.max()))
            ceiling = max(high, float(variance[i]))
            ahead[i] = np.clip(np.exp(regressors[i] @ coefficients) * smearing, low, ceiling)
        return ahead, coefficients


def _regressors(variance: FloatArray, components: tuple[int, ...]) -> FloatArray:
    """Intercept and log mean variance of the last ``c`` days for each component, (n, 1 + n_components)."""
    total = np.concatenate([[0.0], np.cumsum(variance)])
    out = np.full((variance.size, 1 + len(components)), np.nan)
    out[:, 0] = 1.0
    for column, days in enumerate(components, start=1):
        out[days - 1 :, column] = np.log((total[days:] - total[:-days]) / days)
    return out


def hold_forecasts(forecast: FloatArray, at: IntArray, ahead: FloatArray) -> None:
    """Write what was forecast after day ``at[i]`` to the rows from ``at[i] + 1`` to the next observation, or the end.

    ``forecast`` (n_days + 1,) is written; ``at`` (n,) are the observed days ascending, ``ahead`` (n,) the forecasts.
    """
    ends = np.append(at[1:], forecast.size - 1)
    for day, end, value in zip(at, ends, ahead, strict=True):
        forecast[day + 1 : end + 1] = value
