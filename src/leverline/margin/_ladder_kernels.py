"""Ladders of trigger prices: which triggers does a price reach, without looking at the others.

A driver is a price that moves: a market's price for longs, its price for shorts, an asset's price as owned or as owed.
Each driver has two ladders: one of triggers that fire at or below their price (``DOWN``), one of those that fire at or
above (``UP``). A ladder is a row of buckets of about one relative width, each a doubly linked list through arrays, so
that a trigger is put in and taken out at once and nothing is left behind. The bits of a positive double, read as an
integer, rise with its value and nearly with its logarithm: shifted right they number the buckets. Since that number is
monotone, all triggers in a bucket beyond the price's own have fired, and only those in its own are compared. What lies
beyond either end stands in the end bucket, which is compared like any other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.compiled import njit

I32Array = npt.NDArray[np.int32]

DOWN, UP = 0, 1
NOWHERE = -1
"""No leg in a bucket, no next leg, no place in a ladder."""


class Ladders(NamedTuple):
    """Arrays of all ladders. Ladder ``2 driver + direction`` owns ``n`` places from ``n`` times its number.

    Behind all ladders each driver has one more place: legs that every move of it concerns, whatever the price.

    head : int32 (n_places,), first leg of each place
    nearest : float64 (n_ladders,), no trigger of a DOWN ladder is above it and none of an UP ladder below it
    anchor : int64 (n_drivers,), shifted bits of the price at bucket 0
    following, preceding, place : int32 (n_legs,), ``NOWHERE`` where there is none
    trigger : float64 (n_legs,)
    layout : int64 (2,), buckets a ladder and the bits' shift
    """

    head: I32Array
    nearest: FloatArray
    anchor: IntArray
    following: I32Array
    preceding: I32Array
    place: I32Array
    trigger: FloatArray
    layout: IntArray


class Fired(NamedTuple):
    """Pools that were reached: a list of ``n_pools[0]`` of them, each once, and whether a pool is in it."""

    pools: I32Array
    n_pools: IntArray
    is_in: BoolArray


@njit
def shifted_bits(price: float, shift: int) -> int:
    """Number of the bucket of ``price`` counted from 0.0."""
    return int(np.float64(price).view(np.int64) >> shift)


@njit
def bucket_of(price: float, anchor: int, layout: IntArray) -> int:
    """Bucket of ``price`` in a ladder at ``anchor``, ends included."""
    return int(min(max(shifted_bits(price, layout[1]) - anchor, 0), layout[0] - 1))


@njit
def anchor_at(ladders: Ladders, driver: int, price: float) -> None:
    """Let the middle bucket of both ladders of ``driver`` be that of ``price``; they must be empty."""
    ladders.anchor[driver] = shifted_bits(price, ladders.layout[1]) - ladders.layout[0] // 2


@njit
def insert(ladders: Ladders, leg: int, place: int) -> None:
    """Put ``leg``, which stands nowhere, first in ``place``."""
    first = ladders.head[place]
    ladders.following[leg] = first
    ladders.preceding[leg] = NOWHERE
    ladders.place[leg] = place
    if first != NOWHERE:
        ladders.preceding[first] = leg
    ladders.head[place] = leg


@njit
def take_out(ladders: Ladders, leg: int) -> None:
    """Take ``leg`` out of where it stands, if anywhere."""
    place = ladders.place[leg]
    if place == NOWHERE:
        return
    before, after = ladders.preceding[leg], ladders.following[leg]
    if before == NOWHERE:
        ladders.head[place] = after
    else:
        ladders.following[before] = after
    if after != NOWHERE:
        ladders.preceding[after] = before
    ladders.place[leg] = NOWHERE


@njit
def hang(ladders: Ladders, leg: int, driver: int, direction: int, trigger: float) -> None:
    """Let ``leg`` fire where the price of ``driver`` comes to ``trigger`` from above (``DOWN``) or from below."""
    ladder = 2 * driver + direction
    place = ladder * ladders.layout[0] + bucket_of(trigger, ladders.anchor[driver], ladders.layout)
    if place != ladders.place[leg]:
        take_out(ladders, leg)
        insert(ladders, leg, place)
    ladders.trigger[leg] = trigger
    if direction == DOWN:
        ladders.nearest[ladder] = max(ladders.nearest[ladder], trigger)
    else:
        ladders.nearest[ladder] = min(ladders.nearest[ladder], trigger)


@njit
def always(ladders: Ladders, leg: int, driver: int) -> None:
    """Let ``leg`` fire at every move of ``driver``."""
    place = always_place(ladders, driver)
    if ladders.place[leg] != place:
        take_out(ladders, leg)
        insert(ladders, leg, place)


@njit
def always_place(ladders: Ladders, driver: int) -> int:
    """Where the legs stand that every move of ``driver`` concerns."""
    return int(2 * ladders.anchor.size * ladders.layout[0] + driver)


@njit
def note(fired: Fired, pool: int) -> None:
    """Add ``pool`` to ``fired`` unless it is in it."""
    if not fired.is_in[pool]:
        fired.is_in[pool] = True
        fired.pools[fired.n_pools[0]] = pool
        fired.n_pools[0] += 1


@njit
def reach(ladders: Ladders, driver: int, price: float, pool: I32Array, fired: Fired) -> None:
    """The price of ``driver`` is now ``price``: take out what that fires and note the pools of it (``pool`` a leg)."""
    for_all = always_place(ladders, driver)
    if ladders.head[for_all] != NOWHERE:
        leg = ladders.head[for_all]
        while leg != NOWHERE:
            note(fired, pool[leg])
            leg = ladders.following[leg]
    below = ladders.nearest[2 * driver] >= price
    above = ladders.nearest[2 * driver + 1] <= price
    if below:
        pop(ladders, driver, DOWN, price, pool, fired)
    if above:
        pop(ladders, driver, UP, price, pool, fired)
    if below or above:
        n = ladders.layout[0]
        bucket = shifted_bits(price, ladders.layout[1]) - ladders.anchor[driver]
        if not n // 10 <= bucket <= n - n // 10:
            re_anchor(ladders, driver, price)


@njit
def pop(ladders: Ladders, driver: int, direction: int, price: float, pool: I32Array, fired: Fired) -> None:
    """Take every trigger that ``price`` reaches out of one ladder, and find the nearest of the others."""
    head, following, trigger = ladders.head, ladders.following, ladders.trigger
    n, anchor = ladders.layout[0], ladders.anchor[driver]
    ladder = 2 * driver + direction
    first, step = ladder * n, -1 if direction == DOWN else 1
    own = bucket_of(price, anchor, ladders.layout)
    bucket = bucket_of(ladders.nearest[ladder], anchor, ladders.layout)
    while bucket != own:
        leg = head[first + bucket]
        head[first + bucket] = NOWHERE
        while leg != NOWHERE:
            ladders.place[leg] = NOWHERE
            note(fired, pool[leg])
            leg = following[leg]
        bucket += step
    leg = head[first + own]
    while leg != NOWHERE:
        after = following[leg]
        if (trigger[leg] >= price) if direction == DOWN else (trigger[leg] <= price):
            take_out(ladders, leg)
            note(fired, pool[leg])
        leg = after
    ladders.nearest[ladder] = nearest_from(ladders, first, own, direction)


@njit
def nearest_from(ladders: Ladders, first: int, bucket: int, direction: int) -> float:
    """First trigger of the ladder at places ``first`` and on, seen from ``bucket``; infinitely far where none is."""
    step, end = (-1, -1) if direction == DOWN else (1, ladders.layout[0])
    while bucket != end and ladders.head[first + bucket] == NOWHERE:
        bucket += step
    nearest = -np.inf if direction == DOWN else np.inf
    if bucket == end:
        return nearest
    leg = ladders.head[first + bucket]
    while leg != NOWHERE:
        trigger = ladders.trigger[leg]
        nearest = max(nearest, trigger) if direction == DOWN else min(nearest, trigger)
        leg = ladders.following[leg]
    return nearest


@njit
def re_anchor(ladders: Ladders, driver: int, price: float) -> None:
    """Move the middle of both ladders of ``driver`` to ``price``: near an end all triggers would share a bucket."""
    n = ladders.layout[0]
    chains = np.full(2, NOWHERE, dtype=np.int64)
    for direction in range(2):
        first = (2 * driver + direction) * n
        for place in range(first, first + n):
            leg = ladders.head[place]
            ladders.head[place] = NOWHERE
            while leg != NOWHERE:
                after = ladders.following[leg]
                ladders.following[leg] = chains[direction]
                ladders.place[leg] = NOWHERE
                chains[direction] = leg
                leg = after
    anchor_at(ladders, driver, price)
    for direction in range(2):
        leg = chains[direction]
        while leg != NOWHERE:
            after = ladders.following[leg]
            hang(ladders, leg, driver, direction, ladders.trigger[leg])
            leg = after
