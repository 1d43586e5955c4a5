"""The shape of a visible book: spread, reach, depth within a distance, density and slope near mid.

Distances are fractions of mid. What lies beyond the last visible level is unknown, not empty: fifty levels of a large
market span two to five basis points, so a depth within one percent asked of such a book is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import require
from leverline.market.book_rules import reach
from leverline.market.books import BookSnapshots
from leverline.measure.liquidity import mid_price, visible_notional

BASIS_POINT = 1e-4


@dataclass(frozen=True, slots=True)
class BookShape:
    """Shape of every snapshot; arrays of shape (n, 2) are bids then asks.

    ``spread`` (n,) and ``reach`` (n, 2) are fractions of mid, ``visible`` is notional at mid. ``density`` is notional
    per basis point between mid and the last visible level. ``slope`` is the displacement of the marginal price per
    unit of notional (fraction of mid per quote unit): least squares through the origin of the levels' distance *beyond
    the best one* on the notional that stands before them, the inverse of depth in Kyle's (1985, Econometrica
    53(6):1315-1335) sense. NaN for fewer than two levels.
    """

    spread: FloatArray
    reach: FloatArray
    visible: FloatArray
    density: FloatArray
    slope: FloatArray


def book_shape(books: BookSnapshots) -> BookShape:
    """Measure the shape of every snapshot."""
    middle = mid_price(books)
    far = book_reach(books)
    visible = visible_notional(books)
    with np.errstate(divide="ignore", invalid="ignore"):
        density = np.where(far > 0, visible / (far / BASIS_POINT), np.nan)
    slope = np.column_stack([
        _slope(books.bid_price, books.bid_size, middle), _slope(books.ask_price, books.ask_size, middle)])
    spread = (books.ask_price[:, 0] - books.bid_price[:, 0]) / middle
    return BookShape(spread=spread, reach=far, visible=visible, density=density, slope=slope)


def book_reach(books: BookSnapshots) -> FloatArray:
    """Distance from mid to the last visible level, fraction of mid, shape (n, 2): how far the book can be believed."""
    far = reach(books)
    return np.column_stack([far.bid_bp, far.ask_bp]) * BASIS_POINT


def depth_within(books: BookSnapshots, distance: FloatArray) -> FloatArray:
    """Notional at mid standing within each of ``distance`` (k,), fractions of mid: shape (n, 2, k), bids then asks.

    NaN where the distance lies beyond the side's reach: levels that were not sent may stand there.
    """
    require(distance.ndim == 1 and bool(np.all(distance > 0)), "distance is positive, of shape (k,)")
    middle = mid_price(books)
    ends = book_reach(books)
    out = np.full((len(books), 2, distance.size), np.nan)
    for side, (price, size) in enumerate(((books.bid_price, books.bid_size), (books.ask_price, books.ask_size))):
        far = _distance(price, middle)
        for k, limit in enumerate(distance):
            within = np.sum(size, axis=1, where=far <= limit) * middle
            out[:, side, k] = np.where(limit <= ends[:, side], within, np.nan)
    return out


def _distance(price: FloatArray, middle: FloatArray) -> FloatArray:
    return np.asarray(np.abs(price / middle[:, None] - 1.0), np.float64)


def _slope(price: FloatArray, size: FloatArray, middle: FloatArray) -> FloatArray:
    far = _distance(price, middle)
    beyond = far - far[:, :1]
    notional = np.where(np.isfinite(size), size, 0.0) * middle[:, None]
    before = np.cumsum(notional, axis=1) - notional
    seen = np.isfinite(beyond)
    cross = np.sum(beyond * before, axis=1, where=seen)
    square = np.sum(before**2, axis=1, where=seen)
    return np.asarray(np.divide(cross, square, out=np.full_like(cross, np.nan), where=square > 0), np.float64)
