"""Books, bands and trades whose costs are known by construction."""

from __future__ import annotations

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.market.bars import NS_PER_S
from leverline.market.books import BookSnapshots, DepthBands


def drawn_books(rng: np.random.Generator, snapshots: int, levels: int, *, missing: float = 0.0) -> BookSnapshots:
    """Books near 100 with irregular gaps and sizes; ``missing`` is the chance that a side ends early (NaN)."""
    shape = (2, snapshots, levels)
    away = 0.01 + np.cumsum(rng.exponential(0.05, shape), axis=2)
    size = rng.lognormal(0.0, 1.0, shape)
    ends = np.where(rng.random(shape[:2]) < missing, rng.integers(1, levels + 1, shape[:2]), levels)
    gone = np.arange(levels) >= ends[:, :, None]
    away[gone], size[gone] = np.nan, np.nan
    mid = 100.0 + np.cumsum(rng.normal(0.0, 0.1, snapshots))[:, None]
    ts = NS_PER_S * np.arange(1, snapshots + 1, dtype=np.int64)
    return BookSnapshots("X/USD", ts, mid - away[0], size[0], mid + away[1], size[1])


def even_book(snapshots: int = 1, *, levels: int = 50, step: float = 1e-4, base: float = 10.0, mid: float = 100.0,
              start_s: int = 1) -> BookSnapshots:
    """Equal sizes ``base`` at every ``step`` (fraction of mid) away from mid on both sides."""
    away = mid * step * np.arange(1, levels + 1)
    ones = np.ones((snapshots, 1))
    size = np.full((snapshots, levels), base)
    ts = NS_PER_S * np.arange(start_s, start_s + snapshots, dtype=np.int64)
    return BookSnapshots("X/USD", ts, ones * (mid - away), size, ones * (mid + away), size)


def even_bands(snapshots: int, density: float, *, start_s: int = 1, mid: float = 100.0,
               distances: FloatArray | None = None) -> DepthBands:
    """Bands with ``density`` quote units of notional per unit of distance (fraction of mid) on both sides."""
    far = np.array([0.01, 0.02, 0.05]) if distances is None else distances
    distance = np.concatenate([-far[::-1], far])
    notional = np.ones((snapshots, 1)) * density * np.abs(distance)
    ts = NS_PER_S * np.arange(start_s, start_s + snapshots, dtype=np.int64)
    return DepthBands("X/USD", ts, distance, notional, notional / mid)
