"""Forecasts of the next minute's cost curve from the curves seen so far.

Level by level a visible book forgets itself within seconds: what stands at the top now says little of what will stand
there in a minute, while its distribution stays. So a last snapshot is a noisy forecast, and averages of the past are
better ones; which average, and whether the last snapshot deserves any weight beside it, is decided by a race on the
past. Arrays have time first; row t of a forecast uses rows up to t only; a NaN (a size not held) is left out.
"""

from __future__ import annotations

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import require


def running_mean(cost: FloatArray, rows: int | None = None) -> FloatArray:
    """Mean of the last ``rows`` rows, this one included; of all so far where None."""
    require(rows is None or rows >= 1, "rows is at least one", got=rows)
    known = np.isfinite(cost)
    total, count = np.cumsum(np.where(known, cost, 0.0), axis=0), np.cumsum(known, axis=0).astype(np.float64)
    if rows is not None and rows < cost.shape[0]:
        total[rows:], count[rows:] = total[rows:] - total[:-rows], count[rows:] - count[:-rows]
    return np.asarray(np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0), np.float64)


def running_median(cost: FloatArray) -> FloatArray:
    """Median of all rows so far; a size that was not held counts as dearer than all that were."""
    worst = np.where(np.isfinite(cost), cost, np.inf)
    out = np.array([np.median(worst[: t + 1], axis=0) for t in range(cost.shape[0])]).reshape(cost.shape)
    return np.where(np.isfinite(out), out, np.nan)


def weighted_mean(cost: FloatArray, half_life_rows: float) -> FloatArray:
    """Exponentially weighted mean of the rows so far; a row ``half_life_rows`` ago weighs half of this one."""
    require(half_life_rows > 0, "half_life_rows is positive", got=half_life_rows)
    decay = 0.5 ** (1.0 / half_life_rows)
    total, weight = np.zeros(cost.shape[1:]), np.zeros(cost.shape[1:])
    out = np.full_like(cost, np.nan)
    for t, row in enumerate(cost):
        known = np.isfinite(row)
        total, weight = decay * total + np.where(known, row, 0.0), decay * weight + known
        np.divide(total, weight, out=out[t], where=weight > 0)
    return out


def blended(last: FloatArray, average: FloatArray, weight: float) -> FloatArray:
    """``weight`` of the last snapshot, the rest of the average; the average alone where the last has no cost."""
    require(0.0 <= weight <= 1.0, "weight lies in [0, 1]", got=weight)
    return np.where(np.isfinite(last), weight * last + (1.0 - weight) * average, average)


def mean_of_next(cost: FloatArray, rows: int, held_share: float) -> FloatArray:
    """Mean cost of the ``rows`` rows after each: what someone who comes at a random moment of them pays.

    NaN where fewer than ``held_share`` of those rows hold the size, or where the sample ends before them.
    """
    require(rows >= 1 and 0.0 < held_share <= 1.0, "rows is at least one and held_share lies in (0, 1]")
    out = np.full_like(cost, np.nan)
    if cost.shape[0] <= rows:
        return out
    after = np.lib.stride_tricks.sliding_window_view(cost[1:], rows, axis=0)
    known = np.isfinite(after)
    count = known.sum(axis=-1)
    total = np.where(known, after, 0.0).sum(axis=-1)
    enough = count >= held_share * rows
    out[: after.shape[0]] = np.where(enough, total / np.maximum(count, 1), np.nan)
    return out


def relative_error(forecast: FloatArray, realised: FloatArray) -> FloatArray:
    """|log(forecast / realised)|: the same for twice as for half, NaN where either is unknown."""
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.abs(np.log(forecast / realised))
    return np.asarray(np.where(np.isfinite(error), error, np.nan), np.float64)


def race(errors: FloatArray, rows_ahead: int, default: int) -> IntArray:
    """Which forecast to use at each time: the one with the least mean error so far, shape (n,).

    ``errors`` (n_forecasts, n, ...) is each forecast's error by the time it was *made*; it is known only ``rows_ahead``
    rows later and enters no choice before. Moments that any forecast has no error for are left out for all. ``default``
    holds until the first error is known.
    """
    require(errors.ndim >= 2 and rows_ahead >= 1, "errors have shape (n_forecasts, n, ...)", got=errors.shape)
    flat = errors.reshape(errors.shape[0], errors.shape[1], -1)
    known = np.isfinite(flat).all(axis=0)
    total = np.cumsum(np.where(known, flat, 0.0).sum(axis=-1), axis=1)
    count = np.cumsum(known.sum(axis=-1))
    chosen = np.full(flat.shape[1], default, np.int64)
    ahead = np.argmin(total[:, : max(0, flat.shape[1] - rows_ahead)], axis=0)
    decided = count[: ahead.size] > 0
    chosen[rows_ahead:][decided] = ahead[decided]
    return chosen
