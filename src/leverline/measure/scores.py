r"""Scores of forecasts, for losses counted positive: the smaller the mean, the better the forecast.

A score is *consistent* when no forecast has a smaller expected score than the truth, and *strictly* so when no other
reaches it; only such scores may rank forecasts (Gneiting 2011, JASA 106(494):746-762). All functions work element by
element, broadcast, and pass NaN on. ``breach_probability`` is per observation period.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import require


def quantile_score(loss: npt.ArrayLike, quantile: npt.ArrayLike, breach_probability: float) -> FloatArray:
    r"""Quantile (pinball, check) score, in the unit of the loss.

    .. math:: S(q, x) = (1\{x > q\} - p)(x - q)

    Strictly consistent for the quantile passed with probability p (Koenker and Bassett 1978): a breach costs 1 - p for
    every unit of loss beyond the forecast, a calm period p for every unit of margin not needed.
    """
    _require_probability(breach_probability)
    excess = np.asarray(loss, dtype=np.float64) - np.asarray(quantile, dtype=np.float64)
    return np.where(excess > 0.0, 1.0 - breach_probability, -breach_probability) * excess


def fz0_score(
    loss: npt.ArrayLike, quantile: npt.ArrayLike, shortfall: npt.ArrayLike, breach_probability: float
) -> FloatArray:
    r"""Joint score of a quantile and the expected shortfall beyond it; dimensionless.

    .. math:: S(q, s, x) = \frac{(x - q)^+}{p\, s} + \frac{q}{s} + \ln s - 1

    This is the member of the Fissler-Ziegel class (2016, Ann. Stat. 44(4):1680-1707) whose differences do not depend on
    the unit, FZ0 of Patton, Ziegel and Chen (2019, J. Econometrics 211(2):388-413, eq. 6), in which the outcome y, the
    quantile v and the shortfall e of the lower tail are negative; set x = -y, q = -v, s = -e. Strictly consistent for
    losses with a continuous law. To see it: at given s the first two terms are the quantile score over p s plus x / s;
    at the true q their mean is E[x | breach] / s, and m / s + ln s is least at s = m.

    ``shortfall`` must be positive; where it is not, no score is defined and the result is NaN.
    """
    _require_probability(breach_probability)
    x, q, s = (np.asarray(each, dtype=np.float64) for each in (loss, quantile, shortfall))
    positive = np.where(s > 0.0, s, np.nan)
    excess = np.maximum(x - q, 0.0)
    return np.asarray((excess / breach_probability + q) / positive + np.log(positive) - 1.0, dtype=np.float64)


def _require_probability(p: float) -> None:
    require(0.0 < p < 1.0, "a breach probability per period lies in (0, 1)", got=p)
