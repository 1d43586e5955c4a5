"""The EWMA recursion, compiled, and its readable twin."""

from __future__ import annotations

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.compiled import njit


@njit
def ewma_variance_kernel(returns: FloatArray, decay: float, warmup: int, variance: FloatArray) -> None:
    """Variance per bar, return units squared, into ``variance`` (n_bars + 1, n_assets).

    Row ``t`` is written before return ``t`` is read: that
    order is what keeps the future out.
    """
    n_bars, n_assets = returns.shape
    state = np.full(n_assets, np.nan)
    seed = np.zeros(n_assets)
    seen = np.zeros(n_assets, np.int64)
    for t in range(n_bars):
        for j in range(n_assets):
            variance[t, j] = state[j]
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


def ewma_variance_readable(returns: FloatArray, decay: float, warmup: int) -> FloatArray:
    """What the kernel computes, as weighted sums instead of a recursion. Quadratic in the number of bars.

    After ``m`` returns the variance is ``decay^(m - warmup)`` times the mean of the first ``warmup`` squares plus
    ``(1 - decay) * decay^(m - 1 - i)`` times each later square ``i``.
    """
    n_bars, n_assets = returns.shape
    out = np.full((n_bars + 1, n_assets), np.nan)
    for j in range(n_assets):
        for t in range(1, n_bars + 1):
            squares = returns[:t, j][~np.isnan(returns[:t, j])] ** 2
            if squares.size < warmup:
                continue
            age = np.arange(squares.size - warmup)[::-1]
            late = np.sum((1.0 - decay) * decay**age * squares[warmup:])
            out[t, j] = decay ** (squares.size - warmup) * squares[:warmup].mean() + late
    return out


@njit
def garch_variance_kernel(
    returns: FloatArray, omega: float, alpha: float, gamma: float, beta: float, first: float, ahead: FloatArray
) -> None:
    """Variance forecast after each return, return units squared, into ``ahead`` (n,); ``first`` is that before any."""
    variance = first
    for t in range(returns.size):
        r = returns[t]
        leverage = alpha + gamma if r < 0.0 else alpha
        variance = omega + leverage * r * r + beta * variance
        ahead[t] = variance


def garch_variance_readable(
    returns: FloatArray, omega: float, alpha: float, gamma: float, beta: float, first: float
) -> FloatArray:
    """What the kernel computes, as the sum over past shocks: quadratic in the number of returns.

    After ``m`` returns: ``omega (1 + beta + ... + beta^(m-1)) + beta^m first`` plus each squared return times its
    coefficient and ``beta`` to the power of its age.
    """
    shock = np.where(returns < 0.0, alpha + gamma, alpha) * returns**2
    out = np.empty(returns.size)
    for m in range(1, returns.size + 1):
        power = beta ** np.arange(m)
        out[m - 1] = omega * power.sum() + beta**m * first + shock[:m][::-1] @ power
    return out
