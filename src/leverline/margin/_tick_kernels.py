"""Loops of safe bands over ticks: prices move, what they reach is judged, and then gets new triggers."""

from __future__ import annotations

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.compiled import njit
from leverline.margin._ladder_kernels import I32Array, note, reach, take_out
from leverline.margin._trigger_kernels import COLLATERAL, DEBT, Bands, centre, pool_health
from leverline.margin._valuation_kernels import U32Array


@njit
def move(bands: Bands, driver: int, price: float) -> None:
    """Let the price of ``driver`` be ``price`` and note the pools that it may have carried over the line."""
    bands.price[driver] = price
    reach(bands.ladders, driver, price, bands.legs.pool, bands.fired)


@njit
def judge(bands: Bands, crossed: I32Array, begin: int) -> int:
    """Look at the noted pools; those that crossed the line go into ``crossed`` from ``begin``. Returns the new end.

    Where more than one pool in a hundred is noted they are sorted by one pass over all flags: the rest then reads
    memory in order.
    """
    fired, is_breached = bands.fired, bands.pools.is_breached
    n_pools, n = is_breached.size, fired.n_pools[0]
    if n > n_pools // 100:
        n = 0
        for pool in range(n_pools):
            if fired.is_in[pool]:
                fired.pools[n] = pool
                n += 1
    for i in range(n):
        pool = fired.pools[i]
        breached = not pool_health(bands, pool) >= 0.0
        if breached != is_breached[pool]:
            is_breached[pool] = breached
            crossed[begin] = pool
            begin += 1
    return begin


@njit
def settle(bands: Bands) -> None:
    """Centre the noted pools again and forget them."""
    for i in range(bands.fired.n_pools[0]):
        pool = bands.fired.pools[i]
        bands.fired.is_in[pool] = False
        centre(bands, pool)
    bands.fired.n_pools[0] = 0


@njit
def tick_once(bands: Bands, column: int, price_long: float, price_short: float, crossed: I32Array) -> int:
    """One tick, first phase; what the call before left to the second is done before it. Returns how many crossed."""
    settle(bands)
    move(bands, 2 * column, price_long)
    move(bands, 2 * column + 1, price_short)
    return judge(bands, crossed, 0)


@njit
def run_ticks(bands: Bands, begin: int, column: U32Array, price_long: FloatArray, price_short: FloatArray,
              crossed: I32Array, to_breached: BoolArray, end_of: IntArray) -> int:
    """Ticks from ``begin``, as long as ``crossed`` has room for every pool; the first tick that was not done.

    ``end_of[t]`` is the end in ``crossed`` of the pools that crossed at tick ``t``; ``to_breached`` says which way.
    """
    n_crossed = 0
    for t in range(begin, column.size):
        if n_crossed + bands.pools.n_legs.size > crossed.size:
            return t
        move(bands, 2 * int(column[t]), price_long[t])
        move(bands, 2 * int(column[t]) + 1, price_short[t])
        if bands.fired.n_pools[0] > 0:
            end = judge(bands, crossed, n_crossed)
            for i in range(n_crossed, end):
                to_breached[i] = bands.pools.is_breached[crossed[i]]
            n_crossed = end
            settle(bands)
        end_of[t] = n_crossed
    return column.size


@njit
def move_all(bands: Bands, price: FloatArray) -> None:
    """All drivers move at once; those whose price is NaN stay."""
    for driver in range(price.size):
        if not np.isnan(price[driver]):
            move(bands, driver, price[driver])


@njit
def note_pools(bands: Bands, pools: IntArray) -> None:
    """Note pools whose content changed."""
    for pool in pools:
        note(bands.fired, pool)


@njit
def forget_legs(bands: Bands, pool: int) -> None:
    """Take the legs of ``pool`` out of the ladders, before they are written over."""
    start = bands.pools.start[pool]
    for leg in range(start, start + bands.pools.n_legs[pool]):
        take_out(bands.ladders, leg)


@njit
def credit(bands: Bands, column: int, pools: IntArray, amounts: FloatArray, done: BoolArray) -> None:
    """Add ``amounts`` to what ``pools`` hold of one asset, that of ``column``; ``done`` tells which hold any."""
    for i in range(pools.size):
        start = bands.pools.start[pools[i]]
        for leg in range(start, start + bands.pools.n_legs[pools[i]]):
            if bands.legs.kind[leg] >= COLLATERAL and bands.legs.driver[leg] >> np.uint32(1) == np.uint32(column):
                amount = bands.legs.size[leg] + amounts[i]
                bands.legs.size[leg] = amount
                bands.legs.kind[leg] = COLLATERAL if amount > 0.0 else DEBT
                bands.legs.driver[leg] = 2 * column + (0 if amount > 0.0 else 1)
                note(bands.fired, pools[i])
                done[i] = True
