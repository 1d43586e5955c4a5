"""The top of a moving window, kept while it moves: the loop behind walk-forward quantiles, and its readable twin.

A plain loop sorts every window anew. Here the ranks of a whole series are computed once, a flag a rank says whether
that observation is in the window, and the largest observations are read off the flags from the top. A rank is only a
name for an observation's place in the final order: no flag is set before the observation is known, so nothing of the
future enters a window.
"""

from __future__ import annotations

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.compiled import njit

COUNT, THRESHOLD, MEAN_EXCESS, WEIGHTED_EXCESS, FIRST_LEVEL = 0, 1, 2, 3, 4
"""Columns of the result; then one quantile a level, then one mean beyond the quantile a level."""


@njit
def rolling_top(
    values: FloatArray, order: IntArray, known: IntArray, refits: IntArray, window: int, share: float,
    exceedances: FloatArray, min_count: int, out: FloatArray,
) -> None:
    """Statistics of the largest values of each window, into ``out`` of shape (n_refits, 4 + 2 n_levels).

    ``values`` (n,) in time order, NaN where there is none; ``order`` their indices from largest to smallest, NaN
    last; ``known`` (n,) the row at which each becomes known, never falling. The window of refit row ``r`` holds the
    values known by ``r`` whose row is later than ``r - window``. Columns: count; threshold, the value that a
    ``share`` of the window exceeds; mean excess over it, and the same weighted by the share of excesses above each
    (plotting positions of Hosking and Wallis 1987, as in :func:`leverline.measure.gpd.gpd_pwm`); for each exceedance
    probability the order-statistic quantile and the mean of the values at or beyond it.
    """
    n, n_levels = values.size, exceedances.size
    rank = np.empty(n, np.int64)
    descending = np.empty(n + 1)  # one spare: the branch-free copy below reads one past what it keeps
    for position in range(n):
        rank[order[position]] = position
        descending[position] = values[order[position]]
    held = np.zeros(n + 1, np.uint8)
    top = np.empty(n + 1)
    newest, oldest, count = 0, 0, 0
    for i in range(refits.size):
        while newest < n and known[newest] <= refits[i]:
            if np.isfinite(values[newest]):
                held[rank[newest]] = 1
                count += 1
            newest += 1
        while oldest < newest and oldest <= refits[i] - window:
            if np.isfinite(values[oldest]):
                held[rank[oldest]] = 0
                count -= 1
            oldest += 1
        for column in range(out.shape[1]):
            out[i, column] = np.nan
        out[i, COUNT] = count
        if count < min_count:
            continue
        wanted = min(count, int(np.ceil(share * count)) + 1)
        found, position = 0, 0
        while found < wanted:
            top[found] = descending[position]  # kept only if held: no branch to mispredict
            found += held[position]
            position += 1
        _describe_top(top, wanted, count, exceedances, n_levels, out[i])


@njit
def _describe_top(
    top: FloatArray, wanted: int, count: int, exceedances: FloatArray, n_levels: int, out: FloatArray,
) -> None:
    """Threshold, moments and quantiles of the ``wanted`` largest of ``count`` values, largest first."""
    excesses = wanted - 1
    threshold = top[excesses]
    mean, weighted = 0.0, 0.0
    for k in range(excesses):
        excess = top[k] - threshold
        mean += excess
        weighted += excess * (k + 0.35)
    out[THRESHOLD], out[MEAN_EXCESS] = threshold, mean / excesses
    out[WEIGHTED_EXCESS] = weighted / (excesses * excesses)
    for level in range(n_levels):
        place = exceedances[level] * (count + 1) - 1.0
        whole = min(max(int(np.floor(place)), 0), wanted - 2)
        part = min(max(place - whole, 0.0), 1.0)
        quantile = top[whole] * (1.0 - part) + top[whole + 1] * part
        beyond = 0.0
        for k in range(whole + 1):
            beyond += top[k]
        out[FIRST_LEVEL + level] = quantile
        out[FIRST_LEVEL + n_levels + level] = beyond / (whole + 1)


def window_top_readable(
    window: FloatArray, share: float, exceedances: FloatArray, min_count: int
) -> FloatArray:
    """What the kernel computes for one window, by NumPy and textbook definitions: the oracle of test and bench."""
    out = np.full(FIRST_LEVEL + 2 * exceedances.size, np.nan)
    seen = window[np.isfinite(window)]
    count = seen.size
    out[COUNT] = count
    if count < min_count:
        return out
    excesses = min(count, int(np.ceil(share * count)) + 1) - 1
    descending = np.sort(np.partition(seen, count - excesses - 1)[count - excesses - 1 :])[::-1]
    excess = descending[:excesses] - descending[excesses]
    out[THRESHOLD] = descending[excesses]
    out[MEAN_EXCESS] = excess.mean()
    out[WEIGHTED_EXCESS] = (excess * (np.arange(excesses) + 0.35) / excesses).mean()
    place = np.clip(exceedances * (count + 1) - 1.0, 0.0, excesses)
    out[FIRST_LEVEL : FIRST_LEVEL + exceedances.size] = np.interp(place, np.arange(excesses + 1),
                                                                 descending[: excesses + 1])
    whole = np.minimum(np.floor(place).astype(int), excesses - 1)
    out[FIRST_LEVEL + exceedances.size :] = np.cumsum(descending)[whole] / (whole + 1)
    return out
