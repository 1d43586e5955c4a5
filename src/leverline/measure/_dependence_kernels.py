"""Pairwise ranks and joint tails over many pairs with gaps: the loops, and their readable twins."""

from __future__ import annotations

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.compiled import njit


@njit
def pair_ranks(values: FloatArray, order: IntArray, count: int, other: FloatArray, ranks: FloatArray) -> int:
    """Average ranks of ``values`` (n,) among rows where ``other`` is there too, into ``ranks``; how many such rows.

    ``order[:count]`` are the rows where ``values`` is there, smallest first. Rows outside stay as they were.
    """
    seen = 0
    i = 0
    while i < count:
        row = order[i]
        if np.isnan(other[row]):
            i += 1
            continue
        stop, ties = i, 0
        while stop < count and values[order[stop]] == values[row]:
            if not np.isnan(other[order[stop]]):
                ties += 1
            stop += 1
        for m in range(i, stop):
            if not np.isnan(other[order[m]]):
                ranks[order[m]] = seen + 0.5 * (ties + 1)
        seen += ties
        i = stop
    return seen


@njit
def spearman_kernel(table: FloatArray, order: IntArray, counts: IntArray, minimum: int, out: FloatArray) -> None:
    """Correlation of pairwise ranks of the series in ``table`` (k, n) into ``out`` (k, k).

    ``order[j]`` sorts series ``j`` upwards with its ``counts[j]`` known rows first. NaN below ``minimum`` rows.
    """
    k, n = table.shape
    first, second = np.empty(n), np.empty(n)
    for a in range(k):
        for b in range(a + 1):
            joint = pair_ranks(table[a], order[a], counts[a], table[b], first)
            pair_ranks(table[b], order[b], counts[b], table[a], second)
            middle = 0.5 * (joint + 1.0)
            xx = xy = yy = 0.0
            for t in range(n):
                if not (np.isnan(table[a, t]) or np.isnan(table[b, t])):
                    xx += (first[t] - middle) ** 2
                    yy += (second[t] - middle) ** 2
                    xy += (first[t] - middle) * (second[t] - middle)
            value = xy / np.sqrt(xx * yy) if joint >= minimum and xx > 0.0 and yy > 0.0 else np.nan
            out[a, b] = value
            out[b, a] = value


@njit
def kendall_kernel(
    table: FloatArray, order: IntArray, counts: IntArray, ranks: IntArray, minimum: int, out: FloatArray
) -> None:
    """Kendall's tau-b of the series in ``table`` (k, n) into ``out`` (k, k); ``ranks`` (k, n) are dense, from 1.

    One series is walked upwards; a Fenwick tree over the ranks of the other tells how many earlier dates lie below and
    above. Dates tied in the first are asked before any of them is entered, so they count for neither side.
    """
    k, n = table.shape
    tree = np.zeros(n + 1, np.int64)
    times = np.zeros(n + 1, np.int64)
    for a in range(k):
        for b in range(a + 1):
            tree[:] = 0
            times[:] = 0
            score = entered = tied_a = tied_b = 0
            i = 0
            while i < counts[a]:
                stop = i
                while stop < counts[a] and ranks[a, order[a, stop]] == ranks[a, order[a, i]]:
                    row = order[a, stop]
                    if not np.isnan(table[b, row]):
                        score += _entered_below(tree, ranks[b, row] - 1)
                        score -= entered - _entered_below(tree, ranks[b, row])
                    stop += 1
                group = 0
                for m in range(i, stop):
                    row = order[a, m]
                    if not np.isnan(table[b, row]):
                        at = ranks[b, row]
                        tied_a += group
                        tied_b += times[at]
                        times[at] += 1
                        group += 1
                        while at <= n:
                            tree[at] += 1
                            at += at & -at
                entered += group
                i = stop
            pairs = entered * (entered - 1) // 2
            scale = np.sqrt(float(pairs - tied_a) * float(pairs - tied_b))
            value = score / scale if entered >= minimum and scale > 0.0 else np.nan
            out[a, b] = value
            out[b, a] = value


@njit
def _entered_below(tree: IntArray, rank: int) -> int:
    """How many entries of the Fenwick tree have at most ``rank``."""
    total = 0
    while rank > 0:
        total += tree[rank]
        rank -= rank & -rank
    return total


@njit
def joint_tails(
    table: FloatArray, order: IntArray, counts: IntArray, reach: IntArray, weights: FloatArray, total: FloatArray,
    hits: FloatArray, out: FloatArray,
) -> None:
    """Joint tail counts of every pair of series in ``table`` (k, n) and their bootstrap variances.

    ``order`` (k, n) sorts each series with its ``counts`` known rows first, from the tail inwards; the tail of a pair
    is the first ``reach[a, b]`` rows at which both are known, in each of the two orders. ``total`` (k, k) becomes the
    number of joint rows in both tails, ``out`` (k, k) the variance over ``weights`` (draws, n) of the resampled share
    ``2 sum w 1{both} / (sum w 1{a} + sum w 1{b})``; ``hits`` (n,) is room to work in.
    """
    k, n = table.shape
    draws = weights.shape[0]
    first, second = np.empty(n, np.int64), np.empty(n, np.int64)
    both = np.empty(n, np.int64)
    for a in range(k):
        for b in range(a):
            size = reach[a, b]
            found = _outermost(order[a], counts[a], table[b], size, first)
            _outermost(order[b], counts[b], table[a], size, second)
            hits[:] = 0.0
            for i in range(found):
                hits[first[i]] = 1.0
            joint = 0
            for i in range(found):
                if hits[second[i]] > 0.0:
                    both[joint] = second[i]
                    joint += 1
            total[a, b] = total[b, a] = joint
            mean = square = 0.0
            used = 0
            for d in range(draws):
                inside = outside = 0.0
                for i in range(joint):
                    inside += weights[d, both[i]]
                for i in range(found):
                    outside += weights[d, first[i]] + weights[d, second[i]]
                if outside > 0.0:
                    share = 2.0 * inside / outside
                    mean += share
                    square += share * share
                    used += 1
            variance = square / used - (mean / used) ** 2 if used > 1 else np.nan
            out[a, b] = out[b, a] = variance


@njit
def _outermost(order: IntArray, count: int, other: FloatArray, size: int, rows: IntArray) -> int:
    """The first ``size`` rows of ``order`` at which ``other`` is known, into ``rows``; how many there were."""
    found = 0
    for i in range(count):
        if found == size:
            break
        if not np.isnan(other[order[i]]):
            rows[found] = order[i]
            found += 1
    return found


def joint_tail_readable(first: FloatArray, second: FloatArray, size: int) -> int:
    """What :func:`joint_tails` counts for one pair in the lower tail, by ranks: values without ties."""
    known = np.isfinite(first) & np.isfinite(second)
    rank_a, rank_b = (np.argsort(np.argsort(column[known])) for column in (first, second))
    return int(np.count_nonzero((rank_a < size) & (rank_b < size)))
