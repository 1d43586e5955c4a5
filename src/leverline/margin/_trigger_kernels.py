"""Loops of safe bands over one pool: its health, and one trigger a leg.

A leg is what a pool holds, seen as one monotone function of one price. Drivers are numbered so that column ``c`` (a
market, or an asset counted behind the markets) has driver ``2 c`` for what is long or owned and ``2 c + 1`` for what is
short or owed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.compiled import njit
from leverline.margin._ladder_kernels import DOWN, UP, Fired, I32Array, Ladders, always, hang, take_out
from leverline.margin._valuation_kernels import U32Array, counted_collateral

WHOLE, PROFIT, REQUIREMENT, COLLATERAL, DEBT = range(5)
"""Kinds of legs. A long whose requirement may grow faster than what counts of its profit has two: ``PROFIT``, which
stands for the position in the pool's health, and ``REQUIREMENT``, which only has a trigger."""

_ROUNDING = 2.0**-48
"""Rounding of one addition, 32 times over: how much of all that is added up is not known per term."""
_OUTWARD = 2.0**-50
"""By how much of itself a trigger is moved towards the price, so that division never makes it late."""

_LEAST_SHARE = 1e-150
"""Of a leg whose exposure is so small that its share would vanish: whatever moves has a trigger."""


class Legs(NamedTuple):
    """What pools hold; columns over legs, own lines of length 0 where no position has one.

    kind : uint8
    driver : uint32
    size : float64, signed base units or signed amount
    cost : float64, signed cost at entry; of collateral the cap of its weights
    own_slope, own_constant : float64
    pool : int32
    """

    kind: npt.NDArray[np.uint8]
    driver: U32Array
    size: FloatArray
    cost: FloatArray
    own_slope: FloatArray
    own_constant: FloatArray
    pool: I32Array


class Terms(NamedTuple):
    """Rules of markets and assets, as in ``MarginTables``.

    gap : float64 (n_markets,), by how much a market's brackets fail to join
    """

    first: U32Array
    floor: FloatArray
    rate: FloatArray
    deduction: FloatArray
    profit_weight: FloatArray
    gap: FloatArray
    first_slice: U32Array
    slice_floor: FloatArray
    weight: FloatArray
    value_cap: FloatArray
    debt_weight: FloatArray


class PoolColumns(NamedTuple):
    """Pool ``i`` owns ``n_legs[i]`` legs from ``start[i]`` and has room for ``room[i]``.

    Whether it is breached is as last judged. A swept pool has no triggers: every move of its prices fires it.
    """

    start: IntArray
    n_legs: I32Array
    room: I32Array
    is_breached: BoolArray
    is_swept: BoolArray


class Bands(NamedTuple):
    """Everything a tick reads and writes.

    price, volatility : float64 (n_drivers,); a volatility of 0 says that the price is a constant
    worth, share : float64, room for the legs of one pool
    """

    ladders: Ladders
    legs: Legs
    terms: Terms
    pools: PoolColumns
    fired: Fired
    price: FloatArray
    volatility: FloatArray
    worth: FloatArray
    share: FloatArray


@njit
def pool_health(bands: Bands, pool: int) -> float:
    """Health at the prices of ``bands``, added up in the order of the full valuation, so that both agree to the bit."""
    legs, terms = bands.legs, bands.terms
    n_markets = np.uint32(terms.profit_weight.size)
    has_own = legs.own_slope.size > 0
    pnl = maintenance = counted = counted_debt = 0.0
    start = bands.pools.start[pool]
    for leg in range(start, start + bands.pools.n_legs[pool]):
        kind = legs.kind[leg]
        if kind == REQUIREMENT:
            continue
        driver = legs.driver[leg]
        column = driver >> np.uint32(1)
        worth = legs.size[leg] * bands.price[driver]
        if kind <= PROFIT:
            gain = worth - legs.cost[leg]
            pnl += min(gain, terms.profit_weight[column] * gain)
            notional = abs(worth)
            k = bracket(terms.first, terms.floor, column, notional)
            required = terms.rate[k] * notional - terms.deduction[k]
            if has_own:
                required += legs.own_slope[leg] * notional + legs.own_constant[leg]
            maintenance += required
        elif kind == COLLATERAL:
            a = np.uint32(column - n_markets)
            counted += counted_collateral(worth, terms.weight, terms.slice_floor, terms.first_slice[a],
                                          terms.first_slice[a + np.uint32(1)], terms.value_cap[a], legs.cost[leg])
        else:
            counted_debt += -worth * terms.debt_weight[np.uint32(column - n_markets)]
    return float(counted - counted_debt + pnl - maintenance)


@njit
def bracket(first: U32Array, floor: FloatArray, market: int, notional: float) -> int:
    """The bracket of ``market`` that holds ``notional``."""
    k, last = first[market], first[market + np.uint32(1)] - np.uint32(1)
    while k < last and notional >= floor[k + np.uint32(1)]:
        k += np.uint32(1)
    return int(k)


@njit
def price_of_value(
    value: float, kind: int, size: float, cost: float, own_slope: float, own_constant: float, weight: float,
    first: int, stop: int, rate: FloatArray, deduction: FloatArray,
) -> float:
    """The price at which a leg of a position adds ``value`` to health.

    A leg that rises with its price (long): the highest price among those of its lines, infinite where it never adds so
    much. One that falls: the lowest, 0 where it never adds so much and infinite where it never adds so little.
    """
    rises = size > 0.0 and kind != REQUIREMENT
    best = -np.inf if rises else np.inf
    if kind == PROFIT:
        stop = first + 1
    for line in range(2 if weight != 1.0 and kind != REQUIREMENT else 1):
        share = 0.0 if kind == REQUIREMENT else 1.0 if line == 0 else weight
        for k in range(first, stop):
            slope, level = share * size, -share * cost
            if kind != PROFIT:
                slope -= (rate[k] + own_slope) * abs(size)
                level += deduction[k] - own_constant
            if slope == 0.0:
                if level < value:
                    return np.inf if rises else 0.0
            elif rises:
                best = max(best, (value - level) / slope)
            else:
                best = min(best, (value - level) / slope)
    return best


@njit
def value_counting(counted: float, weights: FloatArray, floor: FloatArray, first: int, stop: int, value_cap: float,
                   weight_cap: float) -> float:
    """Least value of a holding that counts ``counted``; infinite where none does. Inverts ``counted_collateral``."""
    if counted <= 0.0:
        return 0.0
    k = np.int64(first)
    while k < stop and floor[k] < value_cap:
        weight = min(weights[k], weight_cap)
        end = value_cap if k + 1 == stop else min(value_cap, floor[k + 1])
        slice_counts = (end - floor[k]) * weight if weight > 0.0 else 0.0
        if slice_counts >= counted:
            return float(floor[k] + counted / weight)
        counted -= slice_counts
        k += 1
    return np.inf


@njit
def weigh(bands: Bands, pool: int) -> float:
    """What the legs of ``pool`` add to health, into ``worth``, and their shares of slack, summing to 1, into ``share``.

    Returns how far health is from 0 beyond what rounding and brackets that do not quite join may hide, with the sign of
    health; NaN where it cannot be said.
    """
    worths, shares, terms = bands.worth, bands.share, bands.terms
    kinds, drivers, sizes, costs, own_slopes, own_constants, _ = bands.legs
    rates, deductions, profit_weights, gaps = terms.rate, terms.deduction, terms.profit_weight, terms.gap
    prices, volatilities = bands.price, bands.volatility
    n_markets, has_own = np.uint32(profit_weights.size), own_slopes.size > 0
    start, n_legs = bands.pools.start[pool], bands.pools.n_legs[pool]
    health = magnitude = gap = total = 0.0
    for j in range(n_legs):
        leg = start + j
        driver, kind = drivers[leg], kinds[leg]
        column, worth = driver >> np.uint32(1), sizes[leg] * prices[driver]
        notional = abs(worth)
        magnitude += notional
        if kind == COLLATERAL:
            a = np.uint32(column - n_markets)
            counted = counted_collateral(worth, terms.weight, terms.slice_floor, terms.first_slice[a],
                                         terms.first_slice[a + np.uint32(1)], terms.value_cap[a], costs[leg])
        elif kind == DEBT:
            counted = worth * terms.debt_weight[np.uint32(column - n_markets)]
            magnitude -= counted
        else:
            counted = 0.0
            gap += gaps[column]
            magnitude += abs(costs[leg])
            if kind != REQUIREMENT:
                gain = worth - costs[leg]
                counted = min(gain, profit_weights[column] * gain)
            if kind != PROFIT:
                k = bracket(terms.first, terms.floor, column, notional)
                counted -= rates[k] * notional - deductions[k]
                magnitude += rates[k] * notional + abs(deductions[k])
                if has_own:
                    counted -= own_slopes[leg] * notional + own_constants[leg]
                    magnitude += abs(own_slopes[leg]) * notional + abs(own_constants[leg])
        exposure = volatilities[driver] * notional
        worths[j] = counted
        shares[j] = max(np.cbrt(exposure * exposure), _LEAST_SHARE) if exposure > 0.0 else 0.0
        health += counted
        total += shares[j]
    for j in range(n_legs):
        if shares[j] > 0.0:
            shares[j] /= total
    beyond = abs(health) - gap - (n_legs + 10.0) * _ROUNDING * magnitude
    return float(np.copysign(max(beyond, 0.0), health) if np.isfinite(health + total) else np.nan)


@njit
def centre(bands: Bands, pool: int) -> None:
    """Split what a pool's health is away from 0 over its legs, and hang each where it would have used up its part.

    While no leg has lost its part a healthy pool is healthy; while none has gained its part a breached one is breached.
    Parts go with (volatility times exposure) to the power 2/3, which makes the triggers' total rate of firing least.
    """
    slack = weigh(bands, pool)
    if bands.pools.is_swept[pool] or np.isnan(slack):
        sweep(bands, pool)
        return
    is_breached = bands.pools.is_breached[pool]
    if (slack < 0.0) != is_breached:  # within rounding of 0, where the exact verdict has the other sign
        slack = 0.0
    ladders, terms, worths, shares = bands.ladders, bands.terms, bands.worth, bands.share
    kinds, drivers, sizes, costs, own_slopes, own_constants, _ = bands.legs
    rates, deductions, profit_weights = terms.rate, terms.deduction, terms.profit_weight
    n_markets, has_own = np.uint32(profit_weights.size), own_slopes.size > 0
    start = bands.pools.start[pool]
    for j in range(bands.pools.n_legs[pool]):
        leg = start + j
        if shares[j] == 0.0:
            take_out(ladders, leg)
            continue
        driver, kind, size = drivers[leg], kinds[leg], sizes[leg]
        column, value = driver >> np.uint32(1), worths[j] - slack * shares[j]
        if kind == COLLATERAL:
            a = np.uint32(column - n_markets)
            trigger = value_counting(value, terms.weight, terms.slice_floor, terms.first_slice[a],
                                     terms.first_slice[a + np.uint32(1)], terms.value_cap[a], costs[leg]) / size
        elif kind == DEBT:
            slope = size * terms.debt_weight[np.uint32(column - n_markets)]
            trigger = value / slope if slope < 0.0 else np.inf
        else:
            trigger = price_of_value(
                value, kind, size, costs[leg], own_slopes[leg] if has_own else 0.0,
                own_constants[leg] if has_own else 0.0, profit_weights[column], int(terms.first[column]),
                int(terms.first[column + np.uint32(1)]), rates, deductions)
        falls_fire = (size > 0.0 and kind != REQUIREMENT) != is_breached
        hang_near(ladders, leg, int(driver), trigger, bands.price[driver], falls_fire)


@njit
def sweep(bands: Bands, pool: int) -> None:
    """Let every move of a price that concerns ``pool`` fire it."""
    start = bands.pools.start[pool]
    for leg in range(start, start + bands.pools.n_legs[pool]):
        driver = int(bands.legs.driver[leg])
        if bands.volatility[driver] > 0.0:
            always(bands.ladders, leg, driver)


@njit
def hang_near(ladders: Ladders, leg: int, driver: int, trigger: float, price: float, falls_fire: bool) -> None:
    """Hang ``leg`` at ``trigger``, on the side of ``price`` that matters; nowhere if no price gets there.

    A trigger never lies behind the price: where rounding puts it there the very next move fires it.
    """
    if falls_fire:
        trigger = min(trigger, price) * (1.0 + _OUTWARD)
        if trigger > 0.0:
            hang(ladders, leg, driver, DOWN, trigger)
            return
    else:
        trigger = max(trigger, price) * (1.0 - _OUTWARD)
        if trigger < np.inf:
            hang(ladders, leg, driver, UP, trigger)
            return
    take_out(ladders, leg)


@njit
def centre_all(bands: Bands) -> None:
    """Judge and centre every pool anew."""
    for pool in range(bands.pools.n_legs.size):
        bands.pools.is_breached[pool] = not pool_health(bands, pool) >= 0.0
        centre(bands, pool)
