"""The loop behind :mod:`leverline.measure.liquidity`, and its readable twin."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import FloatArray
from leverline.ground.compiled import njit

LevelArray = npt.NDArray[np.int16]


@njit
def walk_side(
    price: FloatArray, size: FloatArray, mid: FloatArray, notional: FloatArray, rate: FloatArray, level: LevelArray,
) -> None:
    """Cost rate of every size against one side of every snapshot, and the level it ends at, into the last two.

    ``price`` and ``size`` have shape (n, levels), best level first, NaN beyond the last; ``mid`` (n,); ``notional``
    (k,) rises and is valued at mid; outputs have shape (n, k). Where the visible side is too small the rate is NaN and
    the level -1. One pass over the levels serves all sizes, because the next size goes on where the one before ended.
    """
    n, levels = price.shape
    per_notional = 1.0 / notional
    for t in range(n):
        middle = mid[t]
        base_per_notional = 1.0 / middle
        at, filled, given_up = 0, 0.0, 0.0
        here, distance = size[t, 0], abs(price[t, 0] - middle)
        for k in range(notional.size):
            wanted = notional[k] * base_per_notional
            while not wanted - filled <= here:  # so that a NaN goes on to the end
                filled += here
                given_up += here * distance
                at += 1
                if at >= levels:
                    break
                here, distance = size[t, at], abs(price[t, at] - middle)
            if at >= levels:
                rate[t, k:] = np.nan
                level[t, k:] = -1
                break
            rate[t, k] = (given_up + (wanted - filled) * distance) * per_notional[k]
            level[t, k] = at


def walk_side_readable(
    price: FloatArray, size: FloatArray, mid: FloatArray, notional: FloatArray,
) -> tuple[FloatArray, LevelArray]:
    """What the kernel computes, one snapshot at a time: an interpolation in the cumulative book."""
    rate = np.full((price.shape[0], notional.size), np.nan)
    level = np.full(rate.shape, -1, np.int16)
    for t in range(price.shape[0]):
        seen = np.isfinite(price[t]) & np.isfinite(size[t])
        distance = np.abs(price[t, seen] - mid[t])
        base = np.cumsum(size[t, seen])
        given_up = np.cumsum(size[t, seen] * distance)
        wanted = notional / mid[t]
        last = np.searchsorted(base, wanted)
        held = np.flatnonzero(last < base.size)
        at = last[held]
        unneeded = base[at] - wanted[held]
        rate[t, held] = (given_up[at] - unneeded * distance[at]) / notional[held]
        level[t, held] = at
    return rate, level
