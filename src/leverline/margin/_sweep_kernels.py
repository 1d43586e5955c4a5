"""Loops that compute health alone, for many prices in a row. Their readable twin stands in the tests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.compiled import njit
from leverline.margin._valuation_kernels import I32Array, U32Array, counted_collateral

UIntArray = npt.NDArray[np.unsignedinteger]

BLOCK = 2048
"""Pools a block of the slot-major layout: their sums stay in the nearest cache while their slots stream by."""

FLOOR, CEILING, RATE, DEDUCTION = range(4)
"""Columns of the packed bracket table, so that one bracket is half a cache line."""


@njit
def counted_holdings(
    holding_offsets: I32Array, asset: U32Array, amount: FloatArray, weight_cap: FloatArray, price_owned: FloatArray,
    price_owed: FloatArray, first_slice: I32Array, slice_floor: FloatArray, weight: FloatArray, value_cap: FloatArray,
    debt_weight: FloatArray, out: FloatArray,
) -> None:
    """Counted collateral less counted debt of each pool, settlement currency, into ``out`` (n_pools,)."""
    for i in range(holding_offsets.size - 1):
        total = 0.0
        for h in range(holding_offsets[i], holding_offsets[i + 1]):
            a = asset[h]
            if amount[h] > 0.0:
                total += counted_collateral(amount[h] * price_owned[a], weight, slice_floor, first_slice[a],
                                            first_slice[a + np.uint32(1)], value_cap[a], weight_cap[h])
            else:
                total += amount[h] * price_owed[a] * debt_weight[a]
        out[i] = total


@njit
def health_of(
    pools: IntArray, counted: FloatArray, offsets: I32Array, market: U32Array, base: FloatArray, cost: FloatArray,
    price_long: FloatArray, price_short: FloatArray, profit_weight: FloatArray, first: U32Array, floor: FloatArray,
    rate: FloatArray, deduction: FloatArray, own_slope: FloatArray, own_constant: FloatArray, out: FloatArray,
) -> None:
    """Health of ``pools``, each into its place in ``out``: any curve, any profit weight, one position at a time."""
    own = own_slope.size > 0
    for i in pools:
        total = counted[i]
        for p in range(offsets[i], offsets[i + 1]):
            m = market[p]
            worth = base[p] * (price_long[m] if base[p] > 0.0 else price_short[m])
            notional = abs(worth)
            k, last = first[m], first[m + np.uint32(1)] - np.uint32(1)
            while k < last and notional >= floor[k + np.uint32(1)]:
                k += np.uint32(1)
            gain = worth - cost[p]
            total += min(gain, profit_weight[m] * gain) - (notional * rate[k] - deduction[k])
            if own:
                total -= own_slope[p] * notional + own_constant[p]
        out[i] = total


@njit
def health_by_slots(
    slot_start: IntArray, slot_length: IntArray, constant: FloatArray, column: UIntArray, slope: FloatArray,
    bracket: UIntArray, price: FloatArray, table: FloatArray, order: IntArray, out: FloatArray,
) -> None:
    """Health of the pools in ``order``, each into its place in ``out``.

    Pools stand in blocks, those with most positions first. Slot ``s`` of block ``b`` holds the ``s``-th position of its
    first ``slot_length[b, s]`` pools side by side from ``slot_start[b, s]``. ``bracket`` remembers where each notional
    last was and is corrected where it no longer is: what it holds before the call does not change the outcome.
    """
    sums = np.empty(BLOCK)
    for b in range(slot_start.shape[0]):
        begin, stop = b * BLOCK, min((b + 1) * BLOCK, order.size)
        sums[:stop - begin] = constant[begin:stop]
        for s in range(slot_start.shape[1]):
            start = slot_start[b, s]
            for r in range(slot_length[b, s]):
                worth = slope[start + r] * price[column[start + r]]
                notional = abs(worth)
                k = np.uint32(bracket[start + r])
                if not table[k, FLOOR] <= notional < table[k, CEILING]:
                    while notional >= table[k, CEILING]:
                        k += np.uint32(1)
                    while notional < table[k, FLOOR]:
                        k -= np.uint32(1)
                    bracket[start + r] = k
                sums[r] += worth - (notional * table[k, RATE] - table[k, DEDUCTION])
        for r in range(stop - begin):
            out[order[begin + r]] = sums[r]
