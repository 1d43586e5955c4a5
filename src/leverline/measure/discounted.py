"""Means that forget, of what was known at the time: for choosing and correcting forecasts by their past scores."""

from __future__ import annotations

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import require


def discounted_mean(values: FloatArray, half_life: float, *, minimum: int = 1, delay: int = 1) -> FloatArray:
    """Exponentially discounted mean of past ``values``, shape (n + 1, ...) from (n, ...), in their unit.

    Row ``t`` uses rows up to ``t - delay`` only: ``delay`` is the number of rows after which a value is known, 1 where
    it is known when the next row begins. NaN values are left out and the clock runs on. Fewer than ``minimum`` values
    give NaN. ``half_life`` is in rows.
    """
    require(half_life > 0, "half_life is positive", got=half_life)
    require(minimum >= 1 and delay >= 1, "minimum and delay are at least 1", got=(minimum, delay))
    seen = np.isfinite(values)
    keep = 0.5 ** (1.0 / half_life)
    known = np.where(seen, values, 0.0)
    out = np.full((values.shape[0] + 1, *values.shape[1:]), np.nan)
    total, weight, count = (np.zeros(values.shape[1:]) for _ in range(3))
    for t in range(values.shape[0] + 1 - delay):
        total = keep * total + known[t]
        weight = keep * weight + seen[t]
        count = count + seen[t]
        enough = count >= minimum
        out[t + delay] = np.where(enough, total / np.where(enough, weight, 1.0), np.nan)
    return out


def recalibrated_variance(
    forecast_variance: FloatArray, realised: FloatArray, half_life: float, *, minimum: int = 60, delay: int = 1
) -> FloatArray:
    r"""Variance forecasts times the discounted past mean of realised over forecast, shape of ``forecast_variance``.

    .. math:: h'_t = h_t \, \overline{v_u / h_u}, \qquad u \le t - \text{delay}

    That factor is the one constant of least discounted QLIKE. It brings a forecast built from ranges or option prices
    to the level of the variance that is scored. ``forecast_variance`` has shape (n + 1, ...), row ``t`` made before
    row ``t`` of ``realised`` (n, ...) begins; ``delay`` rows later that one is known. NaN until ``minimum`` ratios are.
    """
    require(forecast_variance.shape == (realised.shape[0] + 1, *realised.shape[1:]),
            "forecast_variance has one row more than realised", got=(forecast_variance.shape, realised.shape))
    factor = discounted_mean(realised / forecast_variance[:-1], half_life, minimum=minimum, delay=delay)
    return np.asarray(forecast_variance * factor, np.float64)
