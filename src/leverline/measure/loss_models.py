r"""Models of the loss quantile, walked forward: what margin would have been asked for on each day of the past.

Every model here has one form. The worst loss :math:`L` of each past window is divided by a power of the volatility
:math:`\sigma` known when the window opened, a tail is read off the trailing window of such residuals, and the tail
is multiplied by today's volatility to the same power:

.. math:: q_t(p) = \sigma_t^{\gamma}\; Q_p\{L_u / \sigma_u^{\gamma} : u < t\}

:math:`\gamma = 0` is historical simulation, :math:`\gamma = 1` filtered historical simulation (Barone-Adesi,
Giannopoulos and Vosper 1999; Hull and White 1998). Between the two lies the default: full filtering takes a calm
market at its word and asks for too little before a shock and too much after it; half of it, on the logarithmic scale,
keeps coverage in the calm and in the storm and moves margin less (docs/decisions/0005-default-loss-model.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import UsageError, require
from leverline.market.bars import Panel
from leverline.measure._rolling_kernels import FIRST_LEVEL, MEAN_EXCESS, THRESHOLD, WEIGHTED_EXCESS, rolling_top
from leverline.measure.gpd import SHAPE_HIGH, SHAPE_LOW, gpd_excess
from leverline.measure.losses import Losses
from leverline.measure.volatility import ewma_variance

WARMUP_DAYS = 30
MIN_HISTORY_DAYS = 250
"""Days of completed windows before a model speaks: about one trading year, the look-back of Basel's 99 % tests."""


@dataclass(frozen=True, slots=True)
class LossModel:
    r"""One model, as data.

    Parameters
    ----------
    decays_per_day : tuple of float
        Decay per day of each exponentially weighted variance; their equal mix is :math:`\sigma^2`. Empty: none.
    filtering : float
        :math:`\gamma`, the power of volatility that losses are divided by, in [0, 1].
    window_days : int
        Trailing days whose windows form the tail.
    tail : {"order-statistics", "gpd", "normal"}
        How the tail is read: Weibull plotting positions, a generalised Pareto fit, or the normal law (the control).
    threshold_share : float
        Share of the window above the Pareto threshold.
    prior_shape, prior_weight : float
        The fitted shape is drawn towards ``prior_shape`` with this weight, so that it never diverges.
    """

    name: str
    decays_per_day: tuple[float, ...]
    filtering: float
    window_days: int
    tail: Literal["order-statistics", "gpd", "normal"]
    threshold_share: float = 0.1
    prior_shape: float = 0.2
    prior_weight: float = 0.5


CONDITIONING_DECAY = 0.97
"""Decay per day of the volatility by whose top decile conditional coverage is judged, the same for every model."""

DEFAULT_MODEL = "half-filtered-gpd"

MODELS = {
    model.name: model
    for model in (
        LossModel(DEFAULT_MODEL, (0.94, 0.99), 0.5, 500, "gpd"),
        LossModel("historical-365", (), 0.0, 365, "order-statistics"),
        LossModel("historical-1000", (), 0.0, 1000, "order-statistics"),
        LossModel("fhs-0.97", (0.97,), 1.0, 1000, "order-statistics"),
        LossModel("fhs-0.99", (0.99,), 1.0, 1000, "order-statistics"),
        LossModel("normal-ewma", (0.94,), 1.0, 1000, "normal"),
    )
}


def loss_model(name: str) -> LossModel:
    """The model called ``name``."""
    if name not in MODELS:
        raise UsageError(f"there is no method {name!r}", remedy=f"choose one of {', '.join(MODELS)}")
    return MODELS[name]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a model said at each refit row, for positions opened from there on.

    Attributes
    ----------
    refits : ndarray of shape (n_refits,)
        Panel rows; everything here uses what was known at the close of that row.
    quantile, shortfall : ndarray of shape (n_refits, n_listings, 2, n_levels)
        Loss quantile and expected loss beyond it, as fractions of notional, long then short. NaN where history is
        too short.
    exceedances : tuple of float
        Probability per horizon of a loss beyond the quantile, one a level.
    volatility : ndarray of shape (n_refits, n_listings)
        Forecast volatility per day; NaN for models without one.
    residual : ndarray of shape (n_bars, n_listings, 2)
        Losses divided by the power of volatility known when their window opened.
    shape : ndarray of shape (n_refits, n_listings, 2)
        Shape of the Pareto tail; NaN for other tails.
    """

    model: LossModel
    refits: IntArray
    quantile: FloatArray
    shortfall: FloatArray
    exceedances: tuple[float, ...]
    volatility: FloatArray
    residual: FloatArray
    shape: FloatArray


def daily_volatility(panel: Panel, decays_per_day: tuple[float, ...]) -> FloatArray:
    """Volatility per day from the equal mix of exponentially weighted variances, shape (n_bars, n_listings).

    Row ``t`` is known at the close of row ``t``. NaN during the first 30 days of a listing.
    """
    returns = panel.log_returns()
    warmup = max(2, round(WARMUP_DAYS * panel.bars_per_day))
    variances = [ewma_variance(returns, d ** (1.0 / panel.bars_per_day), warmup)[1:] for d in decays_per_day]
    return np.asarray(np.sqrt(np.mean(variances, axis=0) * panel.bars_per_day))


def days_in_look_back(panel: Panel, model: LossModel, row: int) -> FloatArray:
    """Days of bars of each listing among the last ``window_days`` at the close of ``row``, shape (n_listings,).

    What a model can know of a listing: one that was halted for a year has hardly more to show than a new one.
    """
    first = max(0, row + 1 - round(model.window_days * panel.bars_per_day))
    seen = np.count_nonzero(np.isfinite(panel.close[first : row + 1]), axis=0)
    return np.asarray(seen / panel.bars_per_day, np.float64)


def walk_forward(
    panel: Panel, losses: Losses, model: LossModel, refits: IntArray, exceedances: tuple[float, ...]
) -> Forecast:
    """Loss quantiles of ``model`` at every refit row, without look-ahead.

    ``exceedances`` are probabilities per horizon in (0, 1), each below the model's threshold share.
    """
    require(all(0.0 < p < 1.0 for p in exceedances), "an exceedance probability lies in (0, 1)", got=exceedances)
    require(model.tail != "gpd" or max(exceedances) <= model.threshold_share,
            f"{model.name} speaks of the tail beyond {model.threshold_share:g} per horizon only", got=max(exceedances),
            remedy="choose higher confidences, or a method that reads its tail from order statistics")
    n_refits, n_listings, levels = refits.size, len(panel.symbols), np.asarray(exceedances)
    if model.decays_per_day:
        per_day = daily_volatility(panel, model.decays_per_day)
        # a price that never moved says nothing of its risk: no residual and no margin, rather than a margin of zero
        scale = np.where(per_day > 0.0, per_day**model.filtering, np.nan)
        volatility = per_day[refits]
    else:
        scale = np.ones_like(panel.close)
        volatility = np.full((n_refits, n_listings), np.nan)
    residual = losses.loss / scale[:, :, None]
    if model.tail == "normal":
        days = losses.horizon_bars / panel.bars_per_day
        standard, beyond = _normal_tail(levels, days)
        standing = np.broadcast_to(standard, (n_refits, n_listings, 2, levels.size))
        tail = Tail(standing, np.broadcast_to(beyond, standing.shape), np.full(standing.shape[:-1], np.nan))
    else:
        tail = _rolling_tail(panel, losses, residual, model, refits, levels)
    now = scale[refits][:, :, None, None]
    return Forecast(model, refits, tail.quantile * now, tail.shortfall * now, exceedances, volatility, residual,
                    tail.shape)


@dataclass(frozen=True, slots=True)
class Tail:
    """Quantile and expected shortfall of residuals (n_refits, n_listings, 2, n_levels), and the tail's shape."""

    quantile: FloatArray
    shortfall: FloatArray
    shape: FloatArray


def _rolling_tail(
    panel: Panel, losses: Losses, residual: FloatArray, model: LossModel, refits: IntArray, levels: FloatArray
) -> Tail:
    """Order statistics and threshold moments of every trailing window, then the model's tail."""
    window = round(model.window_days * panel.bars_per_day)
    min_count = round(MIN_HISTORY_DAYS * panel.bars_per_day)
    require(window - losses.horizon_bars >= min_count,
            f"a look-back holds {MIN_HISTORY_DAYS} days of completed windows", got=f"{model.window_days} days",
            remedy="choose a longer look-back or a shorter horizon")
    share = model.threshold_share if model.tail == "gpd" else min(1.0, 1.5 * float(levels.max()))
    top = np.empty((refits.size, len(panel.symbols), 2, FIRST_LEVEL + 2 * levels.size))
    for j in range(len(panel.symbols)):
        known = np.ascontiguousarray(losses.known[:, j])
        for side in range(2):
            values = np.ascontiguousarray(residual[:, j, side])
            order = np.argsort(-values, kind="stable")  # NaN sorts last
            out = np.empty((refits.size, top.shape[-1]))
            rolling_top(values, order, known, refits, window, share, levels, min_count, out)
            top[:, j, side] = out
    if model.tail == "order-statistics":
        split = FIRST_LEVEL + levels.size
        return Tail(top[..., FIRST_LEVEL:split], top[..., split:], np.full(top.shape[:-1], np.nan))
    return gpd_tail(top, levels, model, losses.horizon_bars)


def gpd_tail(top: FloatArray, levels: FloatArray, model: LossModel, horizon_bars: int) -> Tail:
    r"""Generalised Pareto tail from probability-weighted moments (Hosking and Wallis 1987), made predictive.

    With mean excess :math:`a_0` and :math:`a_1 = E[X(1 - F(X))]`, shape :math:`\xi = 2 - a_0/(a_0 - 2 a_1)`, drawn
    towards its prior, and scale :math:`\beta = a_0 (1 - \xi)`. A quantile estimated from ``k`` excesses is exceeded
    more often than its level says: for an exponential tail the logarithm of its true exceedance probability has
    variance about :math:`(1 + \ln^2 r)/k` at :math:`r = p/\text{share}`, so the level is lowered by
    :math:`\exp(-\tfrac12 (1 + \ln^2 r)/k)`, which makes the *expected* exceedance the stated one. Windows that
    overlap count once per horizon in ``k``.
    """
    share = model.threshold_share
    threshold, mean, weighted = top[..., THRESHOLD], top[..., MEAN_EXCESS], top[..., WEIGHTED_EXCESS]
    with np.errstate(invalid="ignore", divide="ignore"):
        fitted = np.clip(2.0 - mean / (mean - 2.0 * weighted), SHAPE_LOW, SHAPE_HIGH)
        shape = (1.0 - model.prior_weight) * fitted + model.prior_weight * model.prior_shape
        scale = mean * (1.0 - shape)
        excesses = np.maximum(share * top[..., 0] / horizon_bars, 1.0)[..., None]
        ratio = levels / share
        predictive = ratio * np.exp(-0.5 * (1.0 + np.log(ratio) ** 2) / excesses)
        xi, beta = shape[..., None], scale[..., None]
        quantile = threshold[..., None] + gpd_excess(predictive, xi, beta)
        shortfall = (quantile + beta - xi * threshold[..., None]) / (1.0 - xi)
    return Tail(quantile, shortfall, shape)


def _normal_tail(levels: FloatArray, days: float) -> tuple[FloatArray, FloatArray]:
    """Quantile and shortfall of a normal loss of unit volatility per day over ``days``: the control."""
    z = -ndtri(levels)
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    return z * np.sqrt(days), density / levels * np.sqrt(days)
