"""Survival of pools along simulated prices."""

from __future__ import annotations

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.compiled import njit
from leverline.margin._liquidation_kernels import bracket_of, slice_line, slice_of
from leverline.margin._valuation_kernels import I32Array, U32Array


@njit
def health_and_variance(
    start: int, end: int, market: U32Array, base: FloatArray, cost: FloatArray, side_price: FloatArray,
    profit_weight: FloatArray, first: I32Array, floor: FloatArray, rate: FloatArray, deduction: FloatArray,
    own_slope: FloatArray, own_constant: FloatArray,
    holding_start: int, holding_end: int, asset: U32Array, amount: FloatArray, holding_price: FloatArray,
    weight: FloatArray, slice_floor: FloatArray, first_slice: I32Array, value_cap: FloatArray, weight_cap: FloatArray,
    debt_weight: FloatArray, growth: FloatArray, covariance: FloatArray, series: U32Array, slope: FloatArray,
) -> tuple[float, float]:
    """Health of one pool, and its variance per day, at prices grown by ``growth`` (n_series) since the tables.

    Positions are ``[start, end)``, holdings ``[holding_start, holding_end)``; ``side_price`` and ``holding_price``
    are their prices before growth. Series are markets, then assets; ``series`` and ``slope`` are room for as many
    entries as the pool has rows: the series of a row and the derivative of health by its log price.
    """
    n_markets = first.size - 1
    own = own_slope.size > 0
    health = 0.0
    rows = 0
    for p in range(start, end):
        m = market[p]
        value = base[p] * side_price[p] * growth[m]
        notional = abs(value)
        k = bracket_of(notional, floor, first[m], first[m + np.uint32(1)])
        pnl = value - cost[p]
        share = profit_weight[m] if pnl > 0.0 else 1.0
        charged = rate[k]
        health += share * pnl - rate[k] * notional + deduction[k]
        if own:
            health -= own_slope[p] * notional + own_constant[p]
            charged += own_slope[p]
        series[rows] = m
        slope[rows] = share * value - charged * notional
        rows += 1
    for h in range(holding_start, holding_end):
        a = asset[h]
        s = np.uint32(n_markets) + a
        value = amount[h] * holding_price[h] * growth[s]
        if amount[h] > 0.0:
            lo, hi = first_slice[a], first_slice[a + np.uint32(1)]
            j = slice_of(value, slice_floor, lo, hi, value_cap[a])
            w, constant = slice_line(j, weight, slice_floor, lo, hi, value_cap[a], weight_cap[h])
            health += w * value + constant
        else:
            w = debt_weight[a]
            health += w * value
        series[rows] = s
        slope[rows] = w * value
        rows += 1
    variance = 0.0
    for i in range(rows):
        for j in range(rows):
            variance += slope[i] * slope[j] * covariance[series[i], series[j]]
    return health, max(variance, 0.0)


@njit
def pool_survival(
    chosen: IntArray, position_offsets: I32Array, market: U32Array, base: FloatArray, cost: FloatArray,
    side_price: FloatArray, profit_weight: FloatArray, first: I32Array, floor: FloatArray, rate: FloatArray,
    deduction: FloatArray, own_slope: FloatArray, own_constant: FloatArray,
    holding_offsets: I32Array, asset: U32Array, amount: FloatArray, holding_price: FloatArray,
    weight: FloatArray, slice_floor: FloatArray, first_slice: I32Array, value_cap: FloatArray, weight_cap: FloatArray,
    debt_weight: FloatArray, growth: FloatArray, covariance: FloatArray, step_days: float,
    total: FloatArray, squared: FloatArray,
) -> None:
    """Probability of each chosen pool to survive each path, added to ``total`` and its square to ``squared``.

    ``growth`` has shape (n_paths, n_steps + 1, n_series), 1 at its start. Between two steps health is taken for a
    Brownian bridge with the mean of the variances at both ends.
    """
    n_paths, n_times, _ = growth.shape
    for c in range(chosen.size):
        i = chosen[c]
        start, end, low, high = position_offsets[i], position_offsets[i + 1], holding_offsets[i], holding_offsets[i + 1]
        series = np.empty(end - start + high - low, dtype=np.uint32)
        slope = np.empty(series.size)
        for path in range(n_paths):
            survival = 1.0
            before, variance_before = 0.0, 0.0
            for t in range(n_times):
                health, variance = health_and_variance(
                    start, end, market, base, cost, side_price, profit_weight, first, floor, rate, deduction,
                    own_slope, own_constant, low, high, asset, amount, holding_price, weight, slice_floor, first_slice,
                    value_cap, weight_cap, debt_weight, growth[path, t], covariance, series, slope)
                if not health >= 0.0:
                    survival = 0.0
                    break
                if t > 0:
                    spread = 0.5 * (variance + variance_before) * step_days
                    if spread > 0.0:
                        survival *= -np.expm1(-2.0 * before * health / spread)
                before, variance_before = health, variance
            total[c] += survival
            squared[c] += survival * survival
