r"""Volatility by horizon, from an hour to a month, beside the square root of time that it replaces.

Variance returns to its level, so a horizon's variance is not the bar's times their number: after a crash the square
root of time asks for too much at long horizons, in a calm for too little. Two ways to say how fast it returns:

* a model with a persistence (GARCH, EWMA with the persistence of :func:`variance_persistence`), in closed form;
* a direct regression for every horizon (HAR), which assumes no law of return.

Within a day variance follows the clock; :func:`intraday_shares` splits a day's forecast over its bars.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, require
from leverline.measure.estimator import Estimator
from leverline.measure.garch import MEMORY_LIMIT, Kind, fit_garch, walked_variance
from leverline.measure.volatility import HarVolatility, ewma_variance, realised_variance
from leverline.model.appetite import SECONDS_PER_DAY

_MINIMUM_DAYS = 250
_LONGEST_DAYS = 30  # beyond the longest look-back of HAR there is nothing to regress on


def mean_reverting_variance(
    next_variance: FloatArray, long_run_variance: FloatArray, persistence: FloatArray, horizon_bars: FloatArray
) -> FloatArray:
    r"""Variance over each horizon when the excess over the long run decays geometrically.

    .. math:: \sum_{i=1}^{H} E[\sigma^2_{t+i}] = H V + (\sigma^2_{t+1} - V) \frac{1 - \phi^H}{1 - \phi}

    Exact for GARCH and GJR with a symmetric law (:math:`\phi` their persistence; Baillie and Bollerslev 1992). Inputs
    per bar have shape (n_assets,), ``horizon_bars`` (n_horizons,) >= 1; the result is (n_horizons, n_assets).
    """
    horizons = np.asarray(horizon_bars, np.float64)[:, None]
    require(bool(np.all(horizons >= 1)), "a horizon is at least one bar", got=horizon_bars)
    phi = np.asarray(persistence, np.float64)
    require(not bool(np.any((phi < 0) | (phi > 1))), "persistence lies in [0, 1]", got=persistence)
    unit = phi == 1.0
    decaying = np.where(unit, 0.5, phi)
    reach = np.where(unit, horizons, (1.0 - decaying**horizons) / (1.0 - decaying))
    return np.asarray(horizons * long_run_variance + (next_variance - long_run_variance) * reach, np.float64)


def variance_persistence(variance: FloatArray, *, lags: int = 30) -> FloatArray:
    r"""Persistence per bar of the logarithm of ``variance`` (n, n_assets), NaN where there is none: shape (n_assets,).

    A measured variance is the true one times noise. If the true logarithm is an AR(1), autocorrelations are
    :math:`\rho_k = c \phi^k` with :math:`c < 1` for the noise (Taylor 1986, section 3.5), so :math:`\phi` is the slope
    of :math:`\ln\rho_k` in k and the noise drops out. Lags after the first autocorrelation below 0.05 are left out;
    fewer than three lags give 0: nothing persists. Zero variances do not count. NaN for fewer than 3 ``lags`` values.
    """
    require(lags >= 3, "at least three lags are needed", got=lags)
    logs = np.log(np.where(variance > 0, variance, np.nan))
    out = np.full(variance.shape[1], np.nan)
    for j, column in enumerate(logs.T):
        if np.count_nonzero(np.isfinite(column)) < 3 * lags:
            continue
        centred = column - _mean_of_known(column)
        products = [_mean_of_known(centred[k:] * centred[: centred.size - k]) for k in range(lags + 1)]
        rho = np.array(products[1:]) / products[0]
        low = np.flatnonzero(~(rho > 0.05))
        used = int(low[0]) if low.size else lags
        k = np.arange(1, used + 1)
        out[j] = min(1.0, float(np.exp(np.polyfit(k, np.log(rho[:used]), 1)[0]))) if used >= 3 else 0.0
    return out


def intraday_shares(returns: FloatArray, bars_per_day: int) -> FloatArray:
    """Share of a day's variance in each of its bars, (bars_per_day, n_assets), columns sum to 1.

    ``returns`` are log returns (n_days * bars_per_day, n_assets) from a day's first bar on. Every day is divided by
    its own variance first, so that one crash at noon does not make noon the wild hour for ever. At most one bar in ten
    may be missing from a day that counts. NaN for an asset without such a day; refused where all are.
    """
    daily = realised_variance(returns, bars_per_day)
    n_days = daily.shape[0]
    squares = returns[: n_days * bars_per_day].reshape(n_days, bars_per_day, returns.shape[1]) ** 2
    full = np.count_nonzero(np.isfinite(squares), axis=1) >= 0.9 * bars_per_day
    share = np.where((full & (daily > 0))[:, None, :], squares / np.where(daily > 0, daily, np.nan)[:, None, :], np.nan)
    count = np.count_nonzero(np.isfinite(share), axis=0)
    seen = np.logical_and.reduce(count > 0, axis=0)
    if not bool(np.any(seen)):
        raise InsufficientDataError("no asset has a whole day", remedy="take a longer history")
    mean = np.nansum(share, axis=0) / np.where(count > 0, count, 1)
    return np.asarray(np.where(seen, mean, np.nan) / np.where(seen, mean.sum(axis=0), 1.0), np.float64)


def _mean_of_known(values: FloatArray) -> float:
    """Mean of what is not NaN; NaN, which is above no threshold, where nothing is known."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


@dataclass(frozen=True, slots=True)
class TermStructure:
    """Volatility over each horizon, as a fraction of price and not per year.

    Attributes
    ----------
    horizon_s : ndarray of shape (n_horizons,)
        Seconds, ascending.
    sigma, square_root_of_time : ndarray of shape (n_horizons, n_assets)
        Ours, and one day's volatility times the root of the horizon in days.
    basis : tuple of str
        How each horizon was reached.
    """

    horizon_s: FloatArray
    sigma: FloatArray
    square_root_of_time: FloatArray
    basis: tuple[str, ...]

    @property
    def ratio(self) -> FloatArray:
        """Ours over the square root of time, (n_horizons, n_assets): above 1 where that rule asks for too little."""
        return np.asarray(self.sigma / self.square_root_of_time, np.float64)

    def annualised(self) -> FloatArray:
        """Volatility per root year of 365 days, (n_horizons, n_assets)."""
        return np.asarray(self.sigma * np.sqrt(365.0 * SECONDS_PER_DAY / self.horizon_s[:, None]), np.float64)


class VolatilityTermStructure(Estimator):
    """The term structure as of the end of a history.

    Whole days by the named method; parts of a day from the one-day forecast and the clock (:func:`intraday_shares`),
    from midnight UTC on where the history ends with a whole day, and refused where bars are too coarse.

    Parameters
    ----------
    method : {"har", "ewma", "garch", "gjr"}, default="har"
        HAR by a direct regression for each horizon; EWMA with the persistence of realised variance; GARCH and GJR with
        their own (they need the library ``arch``).
    decay : float, default=0.94
        Of EWMA, per day.

    Attributes
    ----------
    structure_ : TermStructure
    """

    def __init__(self, *, method: Literal["har", "ewma", "garch", "gjr"] = "har", decay: float = 0.94) -> None:
        self.method = method
        self.decay = decay

    def fit(self, returns: FloatArray, *, bars_per_day: int, horizon_s: tuple[float, ...]) -> Self:
        """Log ``returns`` (n_days * bars_per_day, n_assets) from a day's first bar on; horizons from a bar to 30 days.

        Bars after the last whole day are not used. NaN for an asset with too little history for the method.
        """
        require(self.method in ("har", "ewma", "garch", "gjr"), "method is har, ewma, garch or gjr", got=self.method)
        require(bool(horizon_s) and list(horizon_s) == sorted(set(horizon_s)), "horizons ascend", got=horizon_s)
        require(horizon_s[-1] <= _LONGEST_DAYS * SECONDS_PER_DAY, "a horizon is at most 30 days", got=horizon_s[-1])
        if horizon_s[0] * bars_per_day < SECONDS_PER_DAY:
            raise InsufficientDataError(f"a horizon of {horizon_s[0]:g} s is shorter than a bar",
                                        remedy="take finer bars or a longer horizon")
        daily = realised_variance(returns, bars_per_day)
        days = np.array([max(1.0, h / SECONDS_PER_DAY) for h in horizon_s])
        require(bool(np.all(days == np.round(days))), "a horizon beyond a day is whole days", got=horizon_s)
        whole = np.unique(np.concatenate([[1.0], days]))
        by_days = dict(zip(whole.tolist(), self._variance(daily, returns, bars_per_day, whole), strict=True))
        sigma, basis = [], []
        shares = intraday_shares(returns, bars_per_day) if horizon_s[0] < SECONDS_PER_DAY else None
        for seconds, n_days in zip(horizon_s, days.tolist(), strict=True):
            variance, how = by_days[n_days], str(self.method)
            if shares is not None and seconds < SECONDS_PER_DAY:
                n_bars = round(seconds / SECONDS_PER_DAY * bars_per_day)
                variance, how = variance * shares[:n_bars].sum(axis=0), f"{self.method}, split by the clock"
            sigma.append(np.sqrt(variance))
            basis.append(how)
        horizons = np.asarray(horizon_s, np.float64)
        root = np.sqrt(by_days[1.0] * horizons[:, None] / SECONDS_PER_DAY)
        self.structure_ = TermStructure(horizons, np.asarray(sigma), root, tuple(basis))
        return self

    def _variance(self, daily: FloatArray, returns: FloatArray, bars_per_day: int, days: FloatArray) -> FloatArray:
        """Variance over each number of ``days``, (n, n_assets), from the last day on."""
        if self.method == "har":
            fits = [HarVolatility(horizon=int(d), minimum=_MINIMUM_DAYS).fit(daily) for d in days]
            return np.array([d * fit.sigma_[-1] ** 2 for d, fit in zip(days, fits, strict=True)])
        if self.method == "ewma":
            now = ewma_variance(np.sqrt(daily), self.decay, 30)[-1]
            level = np.array([_mean_of_known(column) for column in daily.T])
            return mean_reverting_variance(now, level, variance_persistence(daily), days)
        return _garch_variance(daily_returns(returns, bars_per_day), self.method, days)


def _garch_variance(by_day: FloatArray, kind: Kind, days: FloatArray) -> FloatArray:
    """Variance over each number of ``days``, (n, n_assets); NaN where there is no fit."""
    out = np.full((days.size, by_day.shape[1]), np.nan)
    for j, column in enumerate(by_day.T):
        seen = np.ascontiguousarray(column[np.isfinite(column)])
        fit = fit_garch(seen, kind=kind) if seen.size >= _MINIMUM_DAYS else None
        if fit is not None:
            now = walked_variance(seen, (fit,))[-1:]
            memory = min(fit.persistence, MEMORY_LIMIT)  # an integrated fit grows by omega a day, as it should
            level = np.array([fit.omega / (1.0 - memory)])
            out[:, j] = mean_reverting_variance(now, level, np.array([memory]), days)[:, 0]
    return out


def daily_returns(returns: FloatArray, bars_per_day: int) -> FloatArray:
    """Sum of each day's log returns, (n_days, n_assets); NaN for a day without any. An unfinished day is left out."""
    n_days = returns.shape[0] // bars_per_day
    by_day = returns[: n_days * bars_per_day].reshape(n_days, bars_per_day, returns.shape[1])
    return np.where(np.isfinite(by_day).any(axis=1), np.nansum(by_day, axis=1), np.nan)
