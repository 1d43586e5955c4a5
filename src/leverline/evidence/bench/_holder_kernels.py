"""The plain way to watch health from tick to tick: value every holder of the market that moved."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.compiled import njit
from leverline.margin._sweep_kernels import health_of

U32Array = npt.NDArray[np.uint32]
I32Array = npt.NDArray[np.int32]


@njit
def recompute_holders(
    column: IntArray, price: FloatArray, marks: FloatArray, first_holder: IntArray, holders: IntArray,
    counted: FloatArray, offsets: I32Array, market: U32Array, base: FloatArray, cost: FloatArray,
    profit_weight: FloatArray, first: U32Array, floor: FloatArray, rate: FloatArray, deduction: FloatArray,
    own_slope: FloatArray, own_constant: FloatArray, health: FloatArray, is_breached: BoolArray, crossed: IntArray,
) -> int:
    """Ticks one after the other; pools that crossed the line at tick ``t`` go into ``crossed`` (n, 2) as ``t, pool``.

    ``marks`` (n_markets,) and ``is_breached`` (n_pools,) are kept up to date; returns how many crossings there were.
    """
    n = 0
    for t in range(column.size):
        m = column[t]
        marks[m] = price[t]
        mine = holders[first_holder[m]:first_holder[m + 1]]
        health_of(mine, counted, offsets, market, base, cost, marks, marks, profit_weight, first, floor, rate,
                  deduction, own_slope, own_constant, health)
        for pool in mine:
            breached = not health[pool] >= 0.0
            if breached != is_breached[pool]:
                is_breached[pool] = breached
                crossed[n, 0], crossed[n, 1] = t, pool
                n += 1
    return n
