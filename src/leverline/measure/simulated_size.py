"""P-values by simulation, for coverage statistics whose chi-squared law is a poor guide when breaches are few."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from leverline.ground.arrays import BoolArray
from leverline.ground.errors import require
from leverline.measure.coverage import LikelihoodRatio


def simulated_p_value(
    test: Callable[[BoolArray], LikelihoodRatio],
    breaches: BoolArray,
    breach_probability: float,
    *,
    rng: np.random.Generator,
    draws: int = 499,
) -> float:
    """P-value of ``test`` for ``breaches``, (n,), against records of independent breaches (Dufour 2006).

    ``test`` takes breaches of shape (n, k) and returns k statistics, large where the forecast is bad, for example
    ``lambda hit: christoffersen_conditional(hit, 0.01)``; what else it needs, such as the forecasts or the mask of
    observed rows, it holds. The record and ``draws`` records of n Bernoulli(``breach_probability``) periods are ranked
    together, ties broken by lot, so that the size is exact for any n: a fraction a of right models has p <= a. Records
    on which the statistic is undefined are left out of the ranking; NaN where it is undefined for ``breaches``.

    For a statistic with forecasts in it they are held fixed, so exactness then supposes that breaches do not feed back
    into them.
    """
    require(0.0 < breach_probability < 1.0, "a breach probability per period lies in (0, 1)", got=breach_probability)
    require(breaches.ndim == 1, "breaches have shape (n,)", got=breaches.shape)
    require(draws >= 19, "a 5 % test needs at least 19 draws", got=draws)
    observed = float(test(breaches[:, None]).statistic[0])
    if np.isnan(observed):
        return float("nan")
    null = test(rng.random((breaches.size, draws)) < breach_probability).statistic
    null = null[~np.isnan(null)]
    # Equal counts reach the same statistic by different roundings: what differs by less is a tie.
    tied = np.abs(null - observed) <= 1e-9 * (1.0 + abs(observed))
    above = np.count_nonzero((null > observed) & ~tied)
    lot = rng.integers(0, np.count_nonzero(tied) + 1)
    return float((above + lot + 1) / (null.size + 1))
