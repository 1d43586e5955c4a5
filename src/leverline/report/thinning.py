"""Fewer points for the eye, the same picture: what is drawn of a long series."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.errors import require


def displayed_rows(columns: list[FloatArray], limit: int, keep: BoolArray | None = None) -> IntArray:
    """Rows of a series to draw: about ``limit`` of them, ascending.

    ``columns`` are equally long series drawn over the same abscissa, shape (n,) each. Rows are cut into equal buckets
    and each bucket keeps the smallest and the largest value of every column, so no extreme is lost. First and last
    row, the first row of every gap (NaN: the line must break there) and the rows marked in ``keep`` always stay, even
    where that makes more than ``limit``.
    """
    require(bool(columns) and limit >= 2 * len(columns), "room for two rows of every column", got=limit)
    n_rows = columns[0].size
    if n_rows <= limit:
        return np.arange(n_rows, dtype=np.int64)
    chosen = np.zeros(n_rows, bool) if keep is None else keep.copy()
    chosen[[0, -1]] = True
    edges = np.linspace(0, n_rows, limit // (2 * len(columns)) + 1).astype(np.int64)
    for column in columns:
        missing = np.isnan(column)
        chosen |= missing & ~np.concatenate([[False], missing[:-1]])
        low, high = np.where(missing, np.inf, column), np.where(missing, -np.inf, column)
        for start, stop in pairwise(edges):
            chosen[start + low[start:stop].argmin()] = True
            chosen[start + high[start:stop].argmax()] = True
    return np.flatnonzero(chosen)


def displayed_tail(losses: FloatArray, limit: int) -> tuple[FloatArray, FloatArray]:
    """Positive losses, descending, and their share exceeded (rank / (n + 1), n counts all finite losses).

    Beyond ``limit`` the largest half stays whole and the rest is taken at geometric ranks: even steps on a log axis.
    """
    finite = np.sort(losses[np.isfinite(losses)])[::-1]
    rank = np.arange(1, finite.size + 1)
    if finite.size > limit:
        whole = limit // 2
        rest = np.geomspace(whole + 1, finite.size, limit - whole).astype(np.int64)
        rank = np.unique(np.concatenate([np.arange(1, whole + 1), rest]))
    picked = finite[rank - 1]
    exceeded = rank / (finite.size + 1.0)
    return picked[picked > 0], exceeded[picked > 0]
