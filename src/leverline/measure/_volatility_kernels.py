"""The EWMA recursion, compiled, and its readable twin."""

from __future__ import annotations

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.compiled import njit


@njit
def ewma_variance_kernel(
    returns: FloatArray, listing: IntArray, decay: float, warmup: int, variance: FloatArray
) -> None:
    """Variance per bar, return units squared, into ``variance`` (n_bars + 1, n_assets).

    ``listing`` (n_bars, n_assets) is -1 where there is no bar. Row ``t`` is written before return ``t`` is read: that
    order is what keeps the future out.
    """
    n_bars, n_assets = returns.shape
    state = np.full(n_assets, np.nan)
    seed = np.zeros(n_assets)
    seen = np.zeros(n_assets, np.int64)
    current = np.full(n_assets, -1, np.int64)
    for t in range(n_bars):
        for j in range(n_assets):
            variance[t, j] = state[j]
            if listing[t, j] >= 0 and listing[t, j] != current[j]:
                current[j] = listing[t, j]
                state[j] = np.nan
                seed[j] = 0.0
                seen[j] = 0
            r = returns[t, j]
            if np.isnan(r):
                continue
            if seen[j] < warmup:
                seed[j] += r * r
                seen[j] += 1
                if seen[j] == warmup:
                    state[j] = seed[j] / warmup
            else:
                state[j] = decay * state[j] + (1.0 - decay) * r * r
    for j in range(n_assets):
        variance[n_bars, j] = state[j]


def ewma_variance_readable(
    returns: FloatArray, decay: float, warmup: int, listing: IntArray | None = None
) -> FloatArray:
    """What the kernel computes, as weighted sums instead of a recursion. Quadratic in the number of bars.

    After ``m`` returns the variance is ``decay^(m - warmup)`` times the mean of the first ``warmup`` squares plus
    ``(1 - decay) * decay^(m - 1 - i)`` times each later square ``i``.
    """
    n_bars, n_assets = returns.shape
    out = np.full((n_bars + 1, n_assets), np.nan)
    for j in range(n_assets):
        life = np.zeros(n_bars, np.int64) if listing is None else _carried(listing[:, j])
        for t in range(1, n_bars + 1):
            own = returns[:t, j][life[:t] == life[t - 1]]
            squares = own[~np.isnan(own)] ** 2
            if squares.size < warmup:
                continue
            age = np.arange(squares.size - warmup)[::-1]
            late = np.sum((1.0 - decay) * decay**age * squares[warmup:])
            out[t, j] = decay ** (squares.size - warmup) * squares[:warmup].mean() + late
    return out


def _carried(listing: IntArray) -> IntArray:
    """``listing`` with the -1 of missing bars replaced by the last number seen."""
    last = np.maximum.accumulate(np.where(listing >= 0, np.arange(listing.size), -1))
    return np.where(last >= 0, listing[last], -1)
