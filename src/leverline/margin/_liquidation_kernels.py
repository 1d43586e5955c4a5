r"""Walks from a price to the first one at which a pool's health changes sign; loops over positions and holdings.

Everything is written in the notional :math:`y = |b| x` of the position whose price :math:`x` moves (for a holding
alone, in its price). Between the stops where a bracket, the sign of a profit or a slice of collateral changes, the
health of a pool is a line:

.. math:: h(y) = h_0 + \kappa (\pm y - C) - (r_k + a) y + c_k - d + w_j m y + u_j - t y

with :math:`\kappa` the share of the profit that counts, bracket :math:`k`, own line :math:`(a, d)`, and holdings that
move with the price: :math:`m y` owned, in slice :math:`j` of weight :math:`w_j`, and :math:`t y` counted debt. A walk
reads line after line and solves the first one that crosses; it needs no convexity.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import FloatArray
from leverline.ground.compiled import njit
from leverline.margin._valuation_kernels import I32Array, U32Array, counted_collateral

BoolColumn = npt.NDArray[np.bool_]

NEGLIGIBLE = 1e-12
"""A share of today's price below which a root is the rounding of 0: a position paid in full is never liquidated."""


@njit
def bracket_of(notional: float, floor: FloatArray, first: int, stop: int) -> int:
    """The last of brackets ``[first, stop)`` whose floor is not above ``notional``."""
    k = first
    while k + 1 < stop and notional >= floor[k + 1]:
        k += 1
    return k


@njit
def slice_of(value: float, floor: FloatArray, first: int, stop: int, value_cap: float) -> int:
    """The slice that holds ``value``; ``stop`` where the value is capped, or where nothing is owned."""
    if value >= value_cap:
        return stop
    j = stop
    while j > first:
        j -= 1
        if value >= floor[j]:
            break
    return j


@njit
def slice_line(j: int, weight: FloatArray, floor: FloatArray, first: int, stop: int, value_cap: float,
               weight_cap: float) -> tuple[float, float]:
    """What a value in slice ``j`` counts, as a line in the value: slope and constant."""
    if first == stop:
        return 0.0, 0.0
    if j == stop:
        return 0.0, counted_collateral(value_cap, weight, floor, first, stop, value_cap, weight_cap)
    slope = min(weight[j], weight_cap)
    return slope, counted_collateral(floor[j], weight, floor, first, stop, value_cap, weight_cap) - slope * floor[j]


@njit
def next_slice(j: int, up: bool, floor: FloatArray, first: int, stop: int, value_cap: float) -> int:
    """The neighbour of slice ``j``; ``stop`` stands for everything above the cap."""
    if up:
        return j + 1 if j + 1 < stop and floor[j + 1] < value_cap else stop
    if j < stop:
        return j - 1
    j = stop - 1
    while j > first and floor[j] >= value_cap:
        j -= 1
    return j


@njit
def first_crossing(
    notional: float, up: bool, healthy: bool, rest: float,
    side: float, cost: float, profit_weight: float, own_slope: float, own_constant: float,
    floor: FloatArray, rate: FloatArray, deduction: FloatArray, first: int, stop: int,
    owned: float, owed: float, weight: FloatArray, slice_floor: FloatArray, first_slice: int, stop_slice: int,
    value_cap: float, weight_cap: float,
) -> float:
    """First notional, from ``notional`` up or down, at which a ``healthy`` pool no longer is, or a breached one is.

    ``side``: 1 for a long, -1 for a short, 0 for none. ``rest`` is the health of everything that this price does not
    move; ``owned`` and ``owed`` are collateral, and debt times its weight, a unit of notional. NaN where there is none.
    """
    k = bracket_of(notional, floor, first, stop)
    j = slice_of(owned * notional, slice_floor, first_slice, stop_slice, value_cap)
    w, kept = slice_line(j, weight, slice_floor, first_slice, stop_slice, value_cap, weight_cap)
    profit = side * notional > cost
    nowhere = np.inf if up else 0.0
    y = notional
    while True:
        share = profit_weight if profit else 1.0
        slope = side * share - rate[k] - own_slope + w * owned - owed
        level = rest - cost * share + deduction[k] - own_constant + kept
        if (level + slope * y < 0.0) == healthy:  # the requirement jumps here, or the walk starts on the line
            return y
        bracket_end = kink = slice_end = nowhere
        if up:
            if k + 1 < stop:
                bracket_end = floor[k + 1]
            if j < stop_slice:
                slice_end = (value_cap if j + 1 == stop_slice else min(value_cap, slice_floor[j + 1])) / owned
        else:
            bracket_end = floor[k]
            if first_slice < stop_slice:
                slice_end = (value_cap if j == stop_slice else slice_floor[j]) / owned
        if profit_weight != 1.0 and profit == ((side > 0.0) != up):  # profits melt on one side, losses on the other
            kink = abs(cost)
        end = min(bracket_end, kink, slice_end) if up else max(bracket_end, kink, slice_end)
        if slope != 0.0 and ((slope < 0.0) == up) == healthy:
            root = -level / slope
            if root <= end if up else root >= end:
                return root if NEGLIGIBLE * notional < root < notional / NEGLIGIBLE else np.nan
        if end == nowhere:
            return np.nan
        y = end
        if end == bracket_end:
            k += 1 if up else -1
        if end == kink:
            profit = not profit
        if end == slice_end:
            j = next_slice(j, up, slice_floor, first_slice, stop_slice, value_cap)
            w, kept = slice_line(j, weight, slice_floor, first_slice, stop_slice, value_cap, weight_cap)


@njit
def first_bracket_crossing(
    notional: float, up: bool, healthy: bool, rest: float, side: float, own_slope: float,
    floor: FloatArray, rate: FloatArray, deduction: FloatArray, k: int, first: int, stop: int,
) -> float:
    """:func:`first_crossing` of a position whose profits count whole and that holds no coin, from bracket ``k``.

    Nearly all positions are so; with brackets as the only stops this is three times as fast. ``rest`` contains the
    position's constants.
    """
    y = notional
    while True:
        slope, level = side - rate[k] - own_slope, rest + deduction[k]
        if (level + slope * y < 0.0) == healthy:
            return y
        if k + 1 == stop if up else k == first:
            break
        end = floor[k + 1] if up else floor[k]
        if (level + slope * end < 0.0) == healthy:
            break
        y = end
        k += 1 if up else -1
    if slope == 0.0 or ((slope < 0.0) == up) != healthy:
        return np.nan
    root = -level / slope
    return root if NEGLIGIBLE * notional < root < notional / NEGLIGIBLE else np.nan


@njit
def coin_terms(
    coin: int, notional: float, asset: U32Array, amount: FloatArray, price_owned: FloatArray, price_owed: FloatArray,
    weight: FloatArray, slice_floor: FloatArray, first_slice: I32Array, value_cap: FloatArray, weight_cap: FloatArray,
    debt_weight: FloatArray,
) -> tuple[float, float, float, float, int, int, float, float]:
    """What holding ``coin`` (-1 for none) adds to a walk in a position's notional.

    Value owned and value owed a unit of notional, value counted today, debt counted a unit; slices ``[first, stop)``,
    cap of value and cap of weight.
    """
    if coin < 0:
        return 0.0, 0.0, 0.0, 0.0, 0, 0, np.inf, np.inf
    a = asset[coin]
    if amount[coin] > 0.0:
        value = amount[coin] * price_owned[a]
        start, stop = first_slice[a], first_slice[a + np.uint32(1)]
        counted = counted_collateral(value, weight, slice_floor, start, stop, value_cap[a], weight_cap[coin])
        return value / notional, 0.0, counted, 0.0, start, stop, value_cap[a], weight_cap[coin]
    owed = -amount[coin] * price_owed[a] / notional
    return 0.0, owed, 0.0, owed * debt_weight[a], 0, 0, np.inf, np.inf


@njit
def liquidation_prices(
    position_offsets: I32Array, market: U32Array, base: FloatArray, cost: FloatArray,
    price_long: FloatArray, price_short: FloatArray, profit_weight: FloatArray,
    first: I32Array, floor: FloatArray, rate: FloatArray, deduction: FloatArray,
    own_slope: FloatArray, own_constant: FloatArray,
    coin_holding: I32Array, asset: U32Array, amount: FloatArray, price_owned: FloatArray, price_owed: FloatArray,
    weight: FloatArray, slice_floor: FloatArray, first_slice: I32Array, value_cap: FloatArray, weight_cap: FloatArray,
    debt_weight: FloatArray, health: FloatArray, equity: FloatArray, out: FloatArray,
) -> None:
    """Liquidation and bankruptcy price of every position into ``out`` (2, n_positions).

    ``health`` and ``equity`` per pool, at the prices given. ``coin_holding``: the holding whose price is the
    position's own, -1 for none; or an empty array where there is none at all.
    """
    own, with_coins = own_slope.size > 0, coin_holding.size > 0
    for i in range(position_offsets.size - 1):
        health_of_pool, equity_of_pool = health[i], equity[i]
        healthy = health_of_pool >= 0.0
        for p in range(position_offsets[i], position_offsets[i + 1]):
            m, b, paid = market[p], base[p], cost[p]
            x = price_long[m] if b > 0.0 else price_short[m]
            side, notional = (1.0 if b > 0.0 else -1.0), abs(b) * x
            out[0, p] = out[1, p] = np.nan
            if not notional > 0.0 or np.isnan(health_of_pool):
                continue
            start, stop = first[m], first[m + np.uint32(1)]
            a_own, d_own = (own_slope[p], own_constant[p]) if own else (0.0, 0.0)
            up = (b > 0.0) != healthy
            k = bracket_of(notional, floor, start, stop)
            required = (rate[k] + a_own) * notional - deduction[k] + d_own
            slope = side
            coin = coin_holding[p] if with_coins else -1
            if coin < 0 and profit_weight[m] == 1.0:
                rest = health_of_pool + required - side * notional - d_own
                reached = first_bracket_crossing(
                    notional, up, healthy, rest, side, a_own, floor, rate, deduction, k, start, stop)
            else:
                owned, owed, counted, counted_debt, first_coin, stop_coin, cap, coin_cap = coin_terms(
                    coin, notional, asset, amount, price_owned, price_owed, weight, slice_floor, first_slice,
                    value_cap, weight_cap, debt_weight)
                slope += owned - owed
                pnl = side * notional - paid
                rest = (health_of_pool + required - min(pnl, profit_weight[m] * pnl)
                        - counted + counted_debt * notional)
                reached = first_crossing(
                    notional, up, healthy, rest, side, paid, profit_weight[m], a_own, d_own,
                    floor, rate, deduction, start, stop,
                    owned, counted_debt, weight, slice_floor, first_coin, stop_coin, cap, coin_cap)
            out[0, p] = reached * x / notional
            bankrupt = notional - equity_of_pool / slope
            if slope * side > 0.0 and bankrupt > NEGLIGIBLE * notional:
                out[1, p] = bankrupt * x / notional


@njit
def holding_liquidation_prices(
    holding_offsets: I32Array, asset: U32Array, amount: FloatArray, price_owned: FloatArray, price_owed: FloatArray,
    weight: FloatArray, slice_floor: FloatArray, first_slice: I32Array, value_cap: FloatArray, weight_cap: FloatArray,
    debt_weight: FloatArray, is_settlement: BoolColumn, health: FloatArray, owes: BoolColumn, out: FloatArray,
) -> None:
    """Price of every holding's asset at which its pool is liquidated, into ``out`` (n_holdings,).

    NaN for the settlement asset, which is the unit, and in a pool that owes nothing.
    """
    nothing = np.zeros(1)
    for i in range(holding_offsets.size - 1):
        for h in range(holding_offsets[i], holding_offsets[i + 1]):
            a = asset[h]
            out[h] = np.nan
            if is_settlement[a] or not owes[i] or amount[h] == 0.0 or np.isnan(health[i]):
                continue
            owned = owed = counted = 0.0
            first_coin, stop_coin = 0, 0
            if amount[h] > 0.0:
                x, owned = price_owned[a], amount[h]
                first_coin, stop_coin = first_slice[a], first_slice[a + np.uint32(1)]
                counted = counted_collateral(
                    owned * x, weight, slice_floor, first_coin, stop_coin, value_cap[a], weight_cap[h])
            else:
                x, owed = price_owed[a], -amount[h] * debt_weight[a]
            healthy = health[i] >= 0.0
            out[h] = first_crossing(
                x, (owned > 0.0) != healthy, healthy, health[i] - counted + owed * x, 0.0, 0.0, 1.0, 0.0, 0.0,
                nothing, nothing, nothing, 0, 1,
                owned, owed, weight, slice_floor, first_coin, stop_coin, value_cap[a], weight_cap[h])
