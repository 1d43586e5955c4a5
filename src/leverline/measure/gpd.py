"""The generalised Pareto law of excesses: fits of many columns at once, quantiles, shortfall.

Parametrised by shape ``xi`` (positive: power tail of index ``1/xi``) and scale ``beta`` (unit of the loss):
``P(excess > y) = (1 + xi y / beta)^(-1/xi)``, exponential at ``xi = 0``.
"""

from __future__ import annotations

import numpy as np
from scipy.special import exprel

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import require

SHAPE_LOW, SHAPE_HIGH = -0.5, 0.95
"""No fit leaves this range: below it the law has a wall just beyond the data, above it no expected shortfall."""

_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


def gpd_pwm(sorted_excesses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shape and scale of each column by probability-weighted moments, in closed form (Hosking and Wallis 1987).

    ``sorted_excesses`` is (m,) or (m, n_columns), ascending, >= 0, not all zero. With plotting positions
    ``(j - 0.35)/m`` and ``a_s`` the mean of ``x (1 - p)^s``: ``xi = 2 - a_0 / (a_0 - 2 a_1)`` and
    ``beta = 2 a_0 a_1 / (a_0 - 2 a_1)``. The shape is below 1 by construction; where it leaves [SHAPE_LOW, SHAPE_HIGH]
    it is set to the bound and the scale keeps the mean, ``beta = a_0 (1 - xi)``.
    """
    m = sorted_excesses.shape[0]
    rank = np.arange(1, m + 1).reshape((m,) + (1,) * (sorted_excesses.ndim - 1))
    a0 = sorted_excesses.mean(axis=0)
    a1 = (sorted_excesses * (1.0 - (rank - 0.35) / m)).mean(axis=0)
    spread = a0 - 2.0 * a1
    raw = 2.0 - a0 / spread
    shape = np.clip(raw, SHAPE_LOW, SHAPE_HIGH)
    scale = np.where(shape == raw, 2.0 * a0 * a1 / spread, a0 * (1.0 - shape))
    return np.asarray(shape, np.float64), np.asarray(scale, np.float64)


def gpd_penalised(excesses: FloatArray, *, prior_mean: float, prior_sd: float) -> tuple[FloatArray, FloatArray]:
    """Shape and scale of each column at the maximum of likelihood times a normal prior on the shape.

    ``excesses`` is (m, n_columns), > 0, in any order. The penalty takes the place of Coles and Dixon's (1999), which
    acts on large shapes only. For each shape the scale has a unique best value (:func:`_profile_scale`); the shape is
    found by golden section between SHAPE_LOW and SHAPE_HIGH.
    """
    require(prior_sd > 0, "prior_sd is positive", got=prior_sd)
    columns = excesses.shape[1]
    low, high = np.full(columns, SHAPE_LOW), np.full(columns, SHAPE_HIGH)

    def loss(shape: FloatArray) -> FloatArray:
        scale = _profile_scale(excesses, shape)
        return _mean_log_loss(excesses, shape, scale) + ((shape - prior_mean) / prior_sd) ** 2 / (2 * len(excesses))

    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(32):  # 0.618^32 of the range: 3e-7
        go_left = at_left < at_right
        low, high = np.where(go_left, low, left), np.where(go_left, right, high)
        kept, value = np.where(go_left, left, right), np.where(go_left, at_left, at_right)
        probe = np.where(go_left, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        at_probe = loss(probe)
        left, right = np.where(go_left, probe, kept), np.where(go_left, kept, probe)
        at_left, at_right = np.where(go_left, at_probe, value), np.where(go_left, value, at_probe)
    shape = (low + high) / 2.0
    return shape, _profile_scale(excesses, shape)


def _profile_scale(excesses: FloatArray, shape: FloatArray) -> FloatArray:
    """The scale of highest likelihood given the ``shape`` of each column.

    Its score vanishes where ``H(b) = 1 / mean(x / (b + xi x))`` equals ``1 + xi``. H is a harmonic mean of rising
    lines, so concave and rising: Newton from a point on the left of the root climbs to it and never overshoots.
    """
    m, largest = excesses.shape[0], excesses.max(axis=0)
    scale = np.maximum(excesses.min(axis=0), largest * ((1.0 + shape) / m - shape))
    for _ in range(60):
        ratio = excesses / (scale + shape * excesses)
        mean = ratio.mean(axis=0)
        # d mean / d scale = -mean(x / (b + xi x)^2); the line of 1/mean through this point
        slope = (ratio**2 / excesses).mean(axis=0) / mean**2
        step = (1.0 + shape - 1.0 / mean) / slope
        scale = scale + step
        if np.all(np.abs(step) <= 1e-11 * scale):
            break
    return np.asarray(scale, np.float64)


def _mean_log_loss(excesses: FloatArray, shape: FloatArray, scale: FloatArray) -> FloatArray:
    """Minus the mean log density of each column."""
    near_zero = np.abs(shape) < 1e-8
    safe = np.where(near_zero, 1.0, shape)
    power = (1.0 + 1.0 / safe) * np.log1p(safe * excesses / scale).mean(axis=0)
    return np.asarray(np.log(scale) + np.where(near_zero, excesses.mean(axis=0) / scale, power), np.float64)


def gpd_excess(tail_probability: FloatArray | float, shape: FloatArray, scale: FloatArray) -> FloatArray:
    """The excess exceeded with ``tail_probability`` (given that the threshold was): ``beta (p^-xi - 1) / xi``."""
    return scale * power_reach(tail_probability, shape)


def gpd_survival(excess: FloatArray | float, shape: FloatArray, scale: FloatArray) -> FloatArray:
    """Probability that an excess is larger than ``excess`` >= 0; zero beyond the end point of a negative shape."""
    return power_decay(np.asarray(excess, np.float64) / scale, shape)


def power_reach(rate: FloatArray | float, shape: FloatArray) -> FloatArray:
    """``(rate^-xi - 1) / xi``, and ``-ln rate`` at ``xi = 0``, without cancellation near it."""
    exponential = -np.log(rate)
    return np.asarray(exponential * exprel(shape * exponential), np.float64)


def power_decay(reduced: FloatArray, shape: FloatArray) -> FloatArray:
    """``(1 + xi y)^(-1/xi)``, the inverse of :func:`power_reach`; past the end point it stays at the value there."""
    inside = np.maximum(shape * reduced, -1.0)
    near_zero = np.abs(inside) < 1e-9
    with np.errstate(divide="ignore"):
        ratio = np.log1p(inside) / np.where(near_zero, 1.0, inside)
    # log(1 + xi y) / xi, written so that xi = 0 gives y and the end point infinity
    return np.asarray(np.exp(-reduced * np.where(near_zero, 1.0 - inside / 2.0, ratio)), np.float64)
