r"""The tail of a market that is too young for the loss model: its own estimate, and how little it is worth.

The same half-filtered Pareto tail as the loss model's (:mod:`leverline.measure.loss_models`), with two differences. The
volatility that losses are divided by is shrunk towards what peers predict, since a handful of returns hardly tell it;
and the shape is the prior's until there are excesses enough to speak of one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.measure._rolling_kernels import COUNT, FIRST_LEVEL, window_top_readable
from leverline.measure.loss_models import LossModel, gpd_tail
from leverline.measure.pooling import Posterior, shrink

MIN_WINDOWS = 10
"""Completed windows that do not overlap before a young market's own tail is heard at all."""
SHAPE_FROM_EXCESSES = 50
"""Excesses at which the shape would be all the market's own; the loss model's own weight is met on the way there."""
KURTOSIS = 8.0
"""Of daily returns of young coins, about: the sampling variance of a log volatility from n returns is (k - 1) / 4n."""


@dataclass(frozen=True, slots=True)
class YoungTail:
    """Log quantile of residuals (2, n_levels) and its sampling variance; NaN with too few windows."""

    log_quantile: FloatArray
    variance: FloatArray


def young_volatility(own: FloatArray, returns_seen: FloatArray, prior: float, prior_variance: float) -> Posterior:
    """Log volatility per day at each bar of a young market, shrunk towards what peers predict, arrays (n_bars,).

    ``own`` is the log of its own exponentially weighted volatility, NaN before there is one; ``returns_seen`` how many
    days of returns it has seen.
    """
    noise = (KURTOSIS - 1.0) / (4.0 * np.maximum(returns_seen, 1.0))
    return shrink(own, noise, np.full(own.shape, prior), np.full(own.shape, prior_variance))


def young_tail(
    residual: FloatArray, model: LossModel, exceedances: FloatArray, sharpness: FloatArray, horizon_bars: int
) -> YoungTail:
    r"""Own tail from ``residual`` (n_windows, 2), losses over volatility to the model's power.

    Its log quantile at exceedance p has variance :math:`\psi^2 (1 + \ln^2 r) / k` with :math:`r = p / \text{share}`,
    k excesses that do not overlap and :math:`\psi` the ``sharpness`` (2, n_levels) of peers' tails: the variance of a
    log exceedance in :func:`leverline.measure.loss_models.gpd_tail`, carried over to the quantile.
    """
    out = np.full((2, exceedances.size), np.nan)
    variance = np.full((2, exceedances.size), np.nan)
    for side in range(2):
        top = window_top_readable(residual[:, side], model.threshold_share, exceedances, MIN_WINDOWS * horizon_bars)
        if not np.isfinite(top[FIRST_LEVEL:]).all():
            continue
        excesses = model.threshold_share * top[COUNT] / horizon_bars
        weight = max(model.prior_weight, 1.0 - excesses / SHAPE_FROM_EXCESSES)
        bare = top.copy()
        bare[COUNT] = np.inf  # the estimate itself: its uncertainty is counted once, in the posterior
        quantile = gpd_tail(bare, exceedances, replace(model, prior_weight=weight), horizon_bars).quantile
        if (quantile > 0.0).all():
            out[side] = np.log(quantile)
            variance[side] = sharpness[side] ** 2 * (1.0 + np.log(exceedances / model.threshold_share) ** 2) / excesses
    return YoungTail(out, variance)
