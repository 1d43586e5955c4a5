"""The loop behind :mod:`leverline.measure.losses`, and its readable twin."""

from __future__ import annotations

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.compiled import njit


@njit
def path_extremes(
    close: FloatArray, low: FloatArray, high: FloatArray, horizon: int, lowest: FloatArray, highest: FloatArray,
    known: IntArray,
) -> None:
    """Lowest and highest price after each bar of one series, within ``horizon`` bars, into the output arrays.

    Inputs have shape (n_bars,), NaN where there is none. ``known[t]`` becomes the row at whose close the window
    opened at the close of row ``t`` is complete. A window without any bar reaches to the first one after it; a window
    that the series does not complete stays NaN.
    """
    n = close.size
    for t in range(n):
        lowest[t], highest[t], known[t] = np.nan, np.nan, t + horizon
        if not np.isfinite(close[t]) or t + horizon >= n:
            continue
        low_seen, high_seen, row = np.inf, -np.inf, t + 1
        while row < n and (row <= t + horizon or high_seen < 0.0):
            if np.isfinite(close[row]):
                low_seen = min(low_seen, low[row], close[row]) if np.isfinite(low[row]) else min(low_seen, close[row])
                high_seen = max(high_seen, high[row], close[row]) if np.isfinite(high[row]) else max(
                    high_seen, close[row])
                known[t] = max(known[t], row)
            row += 1
        if high_seen > 0.0:
            lowest[t], highest[t] = low_seen, high_seen


def path_extremes_readable(
    close: FloatArray, low: FloatArray, high: FloatArray, horizon: int,
) -> tuple[FloatArray, FloatArray, IntArray]:
    """What the kernel computes, said by slices: one window at a time."""
    n = close.size
    lowest, highest = np.full(n, np.nan), np.full(n, np.nan)
    known = np.arange(n) + horizon
    floor, ceiling = np.fmin(low, close), np.fmax(high, close)
    traded = np.flatnonzero(np.isfinite(close))
    for t in traded[traded + horizon < n]:
        later = traded[traded > t]
        inside = later[later <= t + horizon]
        window = inside if inside.size else later[:1]
        if window.size:
            lowest[t], highest[t] = floor[window].min(), ceiling[window].max()
            known[t] = max(t + horizon, window[-1])
    return lowest, highest, known
