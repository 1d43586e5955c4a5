"""GARCH(1,1) and GJR-GARCH volatility, fitted by the library ``arch`` and walked forward by our own recursion."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import LeverlineError, require
from leverline.measure._volatility_kernels import garch_variance_kernel
from leverline.measure.estimator import Estimator
from leverline.measure.volatility import hold_forecasts

Kind = Literal["garch", "gjr"]
Distribution = Literal["t", "normal"]

_CONSTRAINT_TOLERANCE = 1e-6  # by which the optimiser oversteps the edge of stationarity
_PERCENT = 100.0  # arch's optimiser wants returns of the order of one
MEMORY_LIMIT = 0.9999
"""Persistence from which a fit counts as integrated: its long-run variance would be an accident of rounding."""


@dataclass(frozen=True, slots=True)
class GarchFit:
    r"""Parameters :math:`\omega, \alpha, \gamma, \beta` in squared returns, found on the first ``from_row`` returns."""

    omega: float
    alpha: float
    gamma: float
    beta: float
    degrees_of_freedom: float
    from_row: int

    @property
    def persistence(self) -> float:
        r""":math:`\alpha + \gamma/2 + \beta`: the share of an excess of variance that is left one bar later."""
        return self.alpha + 0.5 * self.gamma + self.beta

    @property
    def long_run_variance(self) -> float:
        r""":math:`\omega / (1 - \text{persistence})`, per bar; inf for an integrated fit, which has none."""
        return float("inf") if self.integrated else self.omega / (1.0 - self.persistence)

    @property
    def integrated(self) -> bool:
        """Does variance never return to a level? A forecast for a day is good all the same (Nelson 1990)."""
        return self.persistence >= MEMORY_LIMIT


class GarchVolatility(Estimator):
    r"""GARCH (Bollerslev 1986) and GJR (Glosten, Jagannathan and Runkle 1993) of order one, zero mean.

    .. math:: \sigma^2_{t+1} = \omega + (\alpha + \gamma 1_{r_t < 0}) r_t^2 + \beta \sigma^2_t

    with :math:`\gamma = 0` for ``garch``. Parameters are found by likelihood on past returns only and held until the
    next fit; the recursion then runs over every return. A fit that does not converge or is not finite is counted in
    ``failures_`` and the last good parameters stay; before the first good one there is no volatility. A fit at the
    edge of stationarity is good and counted in ``integrated_``: bitcoin's are, all but one of 44. Missing returns are
    skipped: "last" means last observed, and a forecast is held across a gap.

    Needs the library ``arch``: ``pip install leverline[vol]``.

    Parameters
    ----------
    kind : {"garch", "gjr"}, default="garch"
    distribution : {"t", "normal"}, default="t"
        Law of the standardised returns in the likelihood.
    refit_every : int, default=30
        Returns between fits.
    minimum : int, default=365
        Returns of an asset before the first fit.
    window : int or None, default=None
        Returns a fit may use; None uses all of the past.

    Attributes
    ----------
    sigma_ : ndarray of shape (n_bars + 1, n_assets)
        Volatility per bar. Row ``t`` uses rows before ``t`` only; the last row is the forecast.
    fits_ : tuple of tuple of GarchFit
        The good fits of each asset, oldest first.
    attempts_, failures_ : ndarray of shape (n_assets,)
        How many fits were tried, and how many of them were not used.
    integrated_ : ndarray of shape (n_assets,)
        How many of the good fits have a persistence of one.
    note_ : str
        What has to be said beside the figures; empty where every fit was good.
    """

    def __init__(self, *, kind: Kind = "garch", distribution: Distribution = "t",
                 refit_every: int = 30, minimum: int = 365, window: int | None = None) -> None:
        self.kind = kind
        self.distribution = distribution
        self.refit_every = refit_every
        self.minimum = minimum
        self.window = window

    def fit(self, returns: FloatArray) -> Self:
        """Walk forward through log ``returns`` (n_bars, n_assets), NaN where there is none."""
        require(self.kind in ("garch", "gjr"), "kind is garch or gjr", got=self.kind)
        require(self.distribution in ("t", "normal"), "distribution is t or normal", got=self.distribution)
        require(self.refit_every >= 1, "refit_every is at least one return", got=self.refit_every)
        require(self.minimum >= 100, "minimum is at least 100 returns", got=self.minimum)
        require(self.window is None or self.window >= self.minimum, "window is not below minimum", got=self.window)
        require(returns.ndim == 2, "returns have shape (n_bars, n_assets)", got=returns.shape)
        require(not bool(np.isinf(returns).any()), "returns are finite, or NaN where there is none")
        n_bars, n_assets = returns.shape
        variance = np.full((n_bars + 1, n_assets), np.nan)
        self.attempts_: IntArray = np.zeros(n_assets, np.int64)
        self.failures_: IntArray = np.zeros(n_assets, np.int64)
        fits: list[tuple[GarchFit, ...]] = []
        for j in range(n_assets):
            at = np.flatnonzero(np.isfinite(returns[:, j]))
            good = self._fits(np.ascontiguousarray(returns[at, j]), j)
            fits.append(good)
            if good:
                hold_forecasts(variance[:, j], at, walked_variance(np.ascontiguousarray(returns[at, j]), good))
        self.fits_ = tuple(fits)
        self.integrated_: IntArray = np.array([sum(f.integrated for f in good) for good in fits], np.int64)
        self.sigma_ = np.sqrt(variance)
        failed = int(self.failures_.sum())
        self.note_ = (f"{failed} of {int(self.attempts_.sum())} {self.kind} fits did not converge; the parameters "
                      "before them were kept" if failed else "")
        return self

    def _fits(self, returns: FloatArray, asset: int) -> tuple[GarchFit, ...]:
        """The good fits of one asset's observed ``returns``; ``from_row`` counts them."""
        good: list[GarchFit] = []
        for stop in range(self.minimum, returns.size + 1, self.refit_every):
            start = 0 if self.window is None else max(0, stop - self.window)
            self.attempts_[asset] += 1
            found = fit_garch(returns[start:stop], kind=self.kind, distribution=self.distribution,
                              start=good[-1] if good else None)
            if found is None:
                self.failures_[asset] += 1
            else:
                good.append(replace(found, from_row=stop))
        return tuple(good)


def fit_garch(
    returns: FloatArray, *, kind: Kind = "garch", distribution: Distribution = "t", start: GarchFit | None = None
) -> GarchFit | None:
    """Maximum likelihood on ``returns`` (n,), finite; None where it does not converge.

    ``start`` is where the search begins, such as the fit before.
    """
    model = _arch_model()(_PERCENT * returns, mean="Zero", vol="GARCH", p=1, o=int(kind == "gjr"), q=1,
                          dist=distribution, rescale=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the optimiser's complaints are judged by its flag below
        try:
            result = model.fit(disp="off", show_warning=False,
                               starting_values=None if start is None else _starting_values(start, kind, distribution))
        except (ValueError, FloatingPointError, np.linalg.LinAlgError):
            return None
    values = {name: float(result.params[name]) for name in result.params.index}
    found = GarchFit(values["omega"] / _PERCENT**2, values["alpha[1]"], values.get("gamma[1]", 0.0),
                     values["beta[1]"], values.get("nu", float("inf")), returns.size)
    usable = (result.convergence_flag == 0 and np.isfinite(result.loglikelihood) and found.omega > 0
              and 0.0 <= found.persistence <= 1.0 + _CONSTRAINT_TOLERANCE)
    return found if usable else None


def _starting_values(before: GarchFit, kind: Kind, distribution: Distribution) -> FloatArray:
    asymmetry = [before.gamma] if kind == "gjr" else []
    shape = [before.degrees_of_freedom] if distribution == "t" else []
    return np.array([before.omega * _PERCENT**2, before.alpha, *asymmetry, before.beta, *shape])


def walked_variance(returns: FloatArray, fits: tuple[GarchFit, ...]) -> FloatArray:
    """Variance forecast after each of one asset's observed ``returns`` (n,), shape (n,); NaN before the first fit.

    At each fit the recursion starts anew from the mean square of what that fit had seen, so that the state belongs to
    the parameters in force.
    """
    ahead = np.full(returns.size, np.nan)
    for i, fit in enumerate(fits):
        stop = fits[i + 1].from_row if i + 1 < len(fits) else returns.size + 1
        path = np.empty(min(stop - 1, returns.size))
        garch_variance_kernel(returns[: path.size], fit.omega, fit.alpha, fit.gamma, fit.beta,
                              float(np.mean(returns[: fit.from_row] ** 2)), path)
        ahead[fit.from_row - 1 : path.size] = path[fit.from_row - 1 :]
    return ahead


def _arch_model() -> Any:
    """The library's constructor; it is large, so it is imported on first use."""
    try:
        from arch import arch_model
    except ImportError as error:
        raise LeverlineError("GARCH needs the library arch", remedy="pip install leverline[vol]") from error
    return arch_model
