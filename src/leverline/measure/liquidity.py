"""What it costs to close a position at once: walking the visible book, never past its last level.

A cost is a rate: the average fill's distance from mid, as a fraction of mid. A position of notional N is N / mid base
units. Sides are named by what is liquidated: a *long* sells into the bids, a *short* buys from the asks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import require
from leverline.market.books import BookSnapshots
from leverline.measure._walk_kernels import LevelArray, walk_side

MAX_SIZES = 10_000
MAX_LEVELS = 2**15 - 1


@dataclass(frozen=True, slots=True)
class WalkedCosts:
    """Costs of ``notional`` (k,) in every snapshot; arrays of shape (n, 2, k), long then short.

    ``rate`` is the average fill against mid as a fraction of mid, half the spread included; ``level`` is the book
    level, 0 the best, that the last unit meets (:func:`marginal_price` has its price). Where the visible book does not
    hold the size they are NaN and -1.
    """

    notional: FloatArray
    rate: FloatArray
    level: LevelArray

    @property
    def held_share(self) -> FloatArray:
        """Share of snapshots whose visible book holds each size, shape (2, k); NaN without a snapshot."""
        if not self.rate.shape[0]:
            return np.full(self.rate.shape[1:], np.nan)
        return np.asarray(np.isfinite(self.rate).mean(axis=0), np.float64)


def walk_costs(books: BookSnapshots, notional: FloatArray) -> WalkedCosts:
    """Walk every snapshot with every size of ``notional`` (k,), quote currency, positive, in any order.

    A size the visible levels do not hold has no cost here (NaN): fifty levels of a large market end a few basis points
    from mid, and nothing is known beyond them.
    """
    sizes = np.asarray(notional, np.float64)
    require(sizes.ndim == 1 and 0 < sizes.size <= MAX_SIZES, f"notional has shape (k,), k in 1..{MAX_SIZES}",
            got=sizes.shape)
    require(bool(np.all(np.isfinite(sizes) & (sizes > 0))), "notional is positive and finite")
    for price in (books.bid_price, books.ask_price):
        require(0 < price.shape[1] <= MAX_LEVELS, f"a book has 1 to {MAX_LEVELS} levels", got=price.shape[1])
    order = np.argsort(sizes, kind="stable")
    rising = np.ascontiguousarray(sizes[order])
    middle = mid_price(books)
    rate = np.empty((len(books), 2, sizes.size))
    level = np.empty(rate.shape, np.int16)
    walk_side(books.bid_price, books.bid_size, middle, rising, rate[:, 0], level[:, 0])
    walk_side(books.ask_price, books.ask_size, middle, rising, rate[:, 1], level[:, 1])
    if np.any(order[1:] < order[:-1]):
        asked = np.argsort(order)
        rate, level = rate[:, :, asked], level[:, :, asked]
    return WalkedCosts(sizes, rate, level)


def marginal_price(books: BookSnapshots, walked: WalkedCosts) -> FloatArray:
    """Price of the last unit of each walked size, shape (n, 2, k); NaN where the book does not hold the size."""
    out = np.empty(walked.rate.shape)
    for side, price in enumerate((books.bid_price, books.ask_price)):
        level = walked.level[:, side]
        out[:, side] = np.where(level >= 0, np.take_along_axis(price, np.maximum(level, 0).astype(np.intp), 1), np.nan)
    return out


def mid_price(books: BookSnapshots) -> FloatArray:
    """Middle of the best bid and ask, shape (n,); NaN where a side is empty."""
    return np.asarray(0.5 * (books.bid_price[:, 0] + books.ask_price[:, 0]), np.float64)


def visible_notional(books: BookSnapshots) -> FloatArray:
    """Notional at mid of all visible levels, shape (n, 2), bids then asks: the largest size that can be walked."""
    base = np.column_stack([np.nansum(books.bid_size, axis=1), np.nansum(books.ask_size, axis=1)])
    return np.asarray(base * mid_price(books)[:, None], np.float64)
