"""Loops of the full valuation: one pass over positions, one over pools. Their readable twin stands in the tests.

All arrays are columns of :class:`leverline.margin.tables.MarginTables`. Indices into markets and assets are unsigned,
so that the compiler need not ask whether they count from the end.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import BoolArray, FloatArray
from leverline.ground.compiled import njit

U32Array = npt.NDArray[np.uint32]
I32Array = npt.NDArray[np.int32]

PRICE, NOTIONAL, PNL, INITIAL, MAINTENANCE, DELTA = range(6)
"""Rows of the table of positions, in the order of ``PositionValues``."""
POSITION_ROWS = 6

(EQUITY, COLLATERAL_VALUE, DEBT_VALUE, UNREALIZED_PNL, ADJUSTED_EQUITY_INITIAL, ADJUSTED_EQUITY, INITIAL_MARGIN,
 MAINTENANCE_MARGIN, HEALTH, HEALTH_FACTOR, MARGIN_RATIO, LEVERAGE_RATIO, EFFECTIVE_LEVERAGE, DEBT_TO_EQUITY,
 FREE_COLLATERAL, WITHDRAWABLE, MARGIN_CALL_LEVEL, GROSS_NOTIONAL) = range(18)
"""Rows of the table of pools, in the order of ``PoolValues``."""
POOL_ROWS = 18

HEALTHY, MARGIN_CALL, LIQUIDATABLE, BANKRUPT = range(4)
"""Codes of a pool's status, in the order of ``STATUSES``."""


@njit
def value_positions(
    market: U32Array, base: FloatArray, cost: FloatArray, price_long: FloatArray, price_short: FloatArray,
    first: U32Array, floor: FloatArray, initial_rate: FloatArray, maintenance_rate: FloatArray, deduction: FloatArray,
    initial_slope: FloatArray, initial_constant: FloatArray, maintenance_slope: FloatArray,
    maintenance_constant: FloatArray, out: FloatArray,
) -> None:
    """Six rows a position into ``out`` (6, n_positions): price, notional, pnl, initial, maintenance, delta.

    The bracket is the last whose floor is not above the notional. Own lines are read where there are any.
    """
    own = initial_slope.size > 0
    for p in range(market.size):
        m = market[p]
        b = base[p]
        price = price_long[m] if b > 0.0 else price_short[m]
        delta = b * price
        notional = abs(delta)
        k, last = first[m], first[m + np.uint32(1)] - np.uint32(1)
        while k < last and notional >= floor[k + np.uint32(1)]:
            k += np.uint32(1)
        initial = initial_rate[k] * notional
        maintenance = maintenance_rate[k] * notional - deduction[k]
        if own:
            initial += initial_slope[p] * notional + initial_constant[p]
            maintenance += maintenance_slope[p] * notional + maintenance_constant[p]
        out[PRICE, p] = price
        out[NOTIONAL, p] = notional
        out[PNL, p] = delta - cost[p]
        out[INITIAL, p] = initial
        out[MAINTENANCE, p] = maintenance
        out[DELTA, p] = delta


@njit
def counted_collateral(value: float, weights: FloatArray, floor: FloatArray, first: int, stop: int, value_cap: float,
                       weight_cap: float) -> float:
    """What a holding of ``value`` counts: slices ``[first, stop)`` at their weights, beyond ``value_cap`` nothing."""
    value = min(value, value_cap)
    counted = 0.0
    k = first
    while k < stop and value > floor[k]:
        end = value if k + 1 == stop else min(value, floor[k + 1])
        counted += (end - floor[k]) * min(weights[k], weight_cap)
        k += 1
    return counted


@njit
def value_pools(
    position_offsets: I32Array, market: U32Array, base: FloatArray, mark: FloatArray, positions: FloatArray,
    profit_weight_initial: FloatArray, profit_weight_maintenance: FloatArray, profit_cap_initial: FloatArray,
    holding_offsets: I32Array, asset: U32Array, amount: FloatArray, weight_cap: FloatArray,
    price_owned: FloatArray, price_owed: FloatArray, first_slice: I32Array, slice_floor: FloatArray,
    initial_weight: FloatArray, maintenance_weight: FloatArray, value_cap: FloatArray,
    debt_initial_weight: FloatArray, debt_maintenance_weight: FloatArray, is_settlement: BoolArray,
    call_ratio: float, out: FloatArray, status: npt.NDArray[np.uint8],
) -> None:
    """Eighteen rows a pool into ``out`` (18, n_pools) and its status, from ``positions`` of :func:`value_positions`.

    A NaN anywhere makes health NaN, and a pool that owes and whose health is not known to be 0 or more is liquidatable.
    """
    for i in range(position_offsets.size - 1):
        pnl = profit = counted_pnl_initial = counted_profit_initial = counted_pnl = 0.0
        initial = maintenance = gross = 0.0
        for p in range(position_offsets[i], position_offsets[i + 1]):
            m = market[p]
            gain = positions[PNL, p]
            counted_initial = min(gain, profit_weight_initial[m] * gain, profit_cap_initial[m])
            pnl += gain
            profit += max(gain, 0.0)
            counted_pnl_initial += counted_initial
            counted_profit_initial += max(counted_initial, 0.0)
            counted_pnl += min(gain, profit_weight_maintenance[m] * gain)
            initial += positions[INITIAL, p]
            maintenance += positions[MAINTENANCE, p]
            gross += abs(base[p]) * mark[m]
        collateral = debt = elsewhere = 0.0
        counted_initial = counted = counted_debt_initial = counted_debt = 0.0
        for h in range(holding_offsets[i], holding_offsets[i + 1]):
            a = asset[h]
            if amount[h] > 0.0:
                value = amount[h] * price_owned[a]
                collateral += value
                start, stop = first_slice[a], first_slice[a + np.uint32(1)]
                counted_initial += counted_collateral(
                    value, initial_weight, slice_floor, start, stop, value_cap[a], weight_cap[h])
                counted += counted_collateral(
                    value, maintenance_weight, slice_floor, start, stop, value_cap[a], weight_cap[h])
            else:
                value = -amount[h] * price_owed[a]
                debt += value
                counted_debt_initial += value * debt_initial_weight[a]
                counted_debt += value * debt_maintenance_weight[a]
            if not is_settlement[a]:
                elsewhere += value
        adjusted_initial = counted_initial - counted_debt_initial + counted_pnl_initial
        adjusted = counted - counted_debt + counted_pnl
        equity = collateral - debt + pnl
        out[EQUITY, i] = equity
        out[COLLATERAL_VALUE, i] = collateral
        out[DEBT_VALUE, i] = debt
        out[UNREALIZED_PNL, i] = pnl
        out[ADJUSTED_EQUITY_INITIAL, i] = adjusted_initial
        out[ADJUSTED_EQUITY, i] = adjusted
        out[INITIAL_MARGIN, i] = initial
        out[MAINTENANCE_MARGIN, i] = maintenance
        out[GROSS_NOTIONAL, i] = gross
        free = adjusted_initial - initial
        out[FREE_COLLATERAL, i] = free
        out[WITHDRAWABLE, i] = max(0.0, min(free - counted_profit_initial, collateral))
        holds_positions = position_offsets[i + 1] > position_offsets[i]
        status[i] = ratios(i, equity, collateral + profit, debt + (profit - pnl), gross + elsewhere, adjusted,
                           maintenance, counted_debt, holds_positions, call_ratio, out)


@njit
def ratios(i: int, equity: float, assets: float, liabilities: float, exposure: float, adjusted: float,
           maintenance: float, counted_debt: float, holds_positions: bool, call_ratio: float, out: FloatArray) -> int:
    """Health and what is a quotient, into column ``i`` of ``out``; the status code is returned."""
    health = adjusted - maintenance
    required = maintenance + counted_debt
    owes = holds_positions or counted_debt > 0.0
    call_level = required / call_ratio - counted_debt
    out[HEALTH, i] = health
    out[MARGIN_CALL_LEVEL, i] = call_level
    if required > 0.0:
        out[HEALTH_FACTOR, i] = (adjusted + counted_debt) / required
    else:
        out[HEALTH_FACTOR, i] = -np.inf if owes and health < 0.0 else np.inf
    if holds_positions:
        out[MARGIN_RATIO, i] = np.inf if adjusted <= 0.0 else maintenance / adjusted
    else:
        out[MARGIN_RATIO, i] = np.nan
    solvent = equity > 0.0
    out[LEVERAGE_RATIO, i] = assets / equity if solvent else np.nan
    out[DEBT_TO_EQUITY, i] = liabilities / equity if solvent else np.nan
    out[EFFECTIVE_LEVERAGE, i] = exposure / equity if solvent else np.nan
    if not owes:
        return HEALTHY
    if equity < 0.0:
        return BANKRUPT
    if not health >= 0.0:
        return LIQUIDATABLE
    return MARGIN_CALL if adjusted < call_level else HEALTHY
