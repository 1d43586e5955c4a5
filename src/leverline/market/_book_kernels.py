"""Hot loops over order books: how old a level is, which levels are ghosts, and the book that order events make."""

from __future__ import annotations

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.compiled import njit

SCALE_STEP = 0.02
"""Weight of the newest snapshot in the running spread and step of the best price."""
MAX_RUN = 3
"""At most this many best levels of a side are judged to be ghosts; more is a book that cannot be trusted."""


@njit
def level_since(price: FloatArray, size: FloatArray, sign: float, out: IntArray) -> None:
    """Per level the first snapshot since which it has stood there unchanged, price and size, into ``out``.

    ``price`` and ``size`` have shape (n, n_levels), NaN at the end; ``sign`` is 1 where prices rise from the best
    (asks), -1 where they fall (bids).
    """
    n, levels = price.shape
    for i in range(n):
        k = 0
        for j in range(levels):
            out[i, j] = i
            if np.isnan(price[i, j]) or i == 0:
                continue
            while k < levels and sign * price[i - 1, k] < sign * price[i, j]:
                k += 1
            if k < levels and price[i - 1, k] == price[i, j] and size[i - 1, k] == size[i, j]:
                out[i, j] = out[i - 1, k]


@njit
def judge_tops(
    bid: FloatArray, ask: FloatArray, bid_since: IntArray, ask_since: IntArray,
    gap_scales: float, move_scales: float, ghosts: IntArray, crossed: BoolArray,
) -> None:
    """Best levels that are ghosts, per snapshot and side into ``ghosts`` (n, 2), and books that cross without one.

    ``bid`` and ``ask`` are prices (n, n_levels), best first. The scale is the larger of the running spread and the
    running step of the best prices, over snapshots that were sound; a snapshot is judged by those before it. A run of
    best levels is a ghost where it has stood unchanged while the other side's best moved by more than ``move_scales``
    scales and it either crosses the other side or stands ``gap_scales`` scales in front of the rest of its own; it
    stays one until it changes, however wide the spread has become meanwhile.
    """
    n, levels = bid.shape
    scale_spread, scale_step = np.nan, 0.0
    last_bid, last_ask = np.nan, np.nan
    for i in range(n):
        scale = max(scale_spread, scale_step)
        if i > 0 and scale > 0:
            ghosts[i, 0] = _ghost_run(i, bid, ask, bid_since, ask_since, -1.0, scale, gap_scales, move_scales)
            ghosts[i, 1] = _ghost_run(i, ask, bid, ask_since, bid_since, 1.0, scale, gap_scales, move_scales)
            for side, since in ((0, bid_since), (1, ask_since)):
                if ghosts[i, side] < ghosts[i - 1, side] and _unchanged(i, ghosts[i - 1, side], since):
                    ghosts[i, side] = ghosts[i - 1, side]
            if ghosts[i, 0] > 0 and ghosts[i, 1] > 0:
                ghosts[i, 0] = ghosts[i, 1] = 0
        top_bid = bid[i, ghosts[i, 0]] if ghosts[i, 0] < levels else np.nan
        top_ask = ask[i, ghosts[i, 1]] if ghosts[i, 1] < levels else np.nan
        crossed[i] = top_bid >= top_ask
        if crossed[i]:
            ghosts[i, 0] = ghosts[i, 1] = 0
        elif top_ask > top_bid:
            spread = top_ask - top_bid
            if np.isnan(scale_spread):
                scale_spread = spread
            else:
                step = max(abs(top_bid - last_bid), abs(top_ask - last_ask))
                scale_spread += SCALE_STEP * (min(spread, 10 * scale_spread) - scale_spread)
                scale_step += SCALE_STEP * (min(step, 10 * max(scale_step, scale_spread)) - scale_step)
            last_bid, last_ask = top_bid, top_ask


@njit
def _unchanged(i: int, run: int, since: IntArray) -> bool:
    """True where the best ``run`` levels of snapshot ``i`` stood there before."""
    return bool((since[i, :run] != i).all())


@njit
def _ghost_run(
    i: int, own: FloatArray, other: FloatArray, own_since: IntArray, other_since: IntArray, sign: float,
    scale: float, gap_scales: float, move_scales: float,
) -> int:
    """How many best levels of ``own`` in snapshot ``i`` are ghosts; ``sign`` is 1 for asks, -1 for bids."""
    levels = own.shape[1]
    run = 0
    for j in range(min(MAX_RUN, levels - 1)):
        since = own_since[i, j]
        if since == i or np.isnan(own[i, j + 1]):
            break
        if abs(other[i, 0] - other[since, 0]) <= move_scales * scale:
            break
        through = sign * own[i, j] <= sign * other[i, 0] and other_since[i, 0] > since
        isolated = sign * (own[i, j + 1] - own[i, j]) > gap_scales * scale
        if isolated or through:
            run = j + 1
    return run
