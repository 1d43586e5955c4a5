"""Mark against fill: how far the price at which a position is judged lies from the one at which it is closed.

Margin is measured at the mark, a liquidation fills at the market. When prices move fast the two part; the allowance is
a high quantile of that gap among the moments that matter, those just after a large move of the mark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.errors import require
from leverline.measure.resampling import date_weights
from leverline.model.limitbook import Basis

MIN_LARGE_MOVES = 30


@dataclass(frozen=True, slots=True)
class BasisAllowance:
    """Share of the price to add to margin for the gap between mark and fill.

    ``rate`` with its interval ``low``, ``high`` (NaN where assumed); ``observations`` are aligned moments,
    ``large_moves`` those the quantile was taken over; ``move_threshold`` is the move, a log return over the stated
    bars, from which on a move is large. ``calm_rate`` is the same quantile over all other moments, for comparison.
    """

    rate: float
    low: float
    high: float
    basis: Basis
    observations: int
    large_moves: int
    move_threshold: float
    calm_rate: float
    why: str


def basis_allowance(
    mark_ns: IntArray, mark: FloatArray, other_ns: IntArray, other: FloatArray, *, rng: np.random.Generator,
    assumed_rate: float, quantile: float = 0.99, move_quantile: float = 0.95, move_bars: int = 5, block: int = 30,
    confidence: float = 0.95, draws: int = 1000,
) -> BasisAllowance:
    """Quantile of |other - mark| / mark over the moments after a large move of the mark.

    Parameters
    ----------
    mark_ns, other_ns : ndarray of shape (n,), (m,)
        When each price became known, ns UTC, rising. Only moments at which *both* became known enter: a price carried
        forward would be compared with a mark that has moved on.
    mark, other : ndarray of shape (n,), (m,)
        Mark; last trade or index. Positive.
    assumed_rate : float
        The appetite's allowance, reported as assumed where the series do not overlap in enough large moves.
    quantile, move_quantile : float
        Of the gap; of the absolute move that makes a moment one of the large ones.
    move_bars : int
        Aligned moments over which a move is measured. It ends at the moment judged: nothing later enters.
    block : int
        Consecutive moments that are drawn together for the interval, since a gap lasts.
    """
    require(0.0 < quantile < 1.0 and 0.0 < move_quantile < 1.0, "quantiles lie in (0, 1)")
    require(assumed_rate >= 0, "assumed_rate is not negative", got=assumed_rate)
    require(move_bars >= 1 and block >= 1, "move_bars and block are at least one moment")
    for ns, price in ((mark_ns, mark), (other_ns, other)):
        require(ns.shape == price.shape and bool(np.all(np.diff(ns) > 0)), "times rise, one a price")
        require(bool(np.all(price > 0)), "prices are positive")
    _, at_mark, at_other = np.intersect1d(mark_ns, other_ns, assume_unique=True, return_indices=True)
    aligned, gap = mark[at_mark], np.abs(other[at_other] / mark[at_mark] - 1.0)
    if aligned.size <= move_bars:
        return _assumed(assumed_rate, aligned.size, 0, "mark and market do not overlap")
    move = np.abs(np.log(aligned[move_bars:] / aligned[:-move_bars]))
    gap = gap[move_bars:]
    threshold = float(np.quantile(move, move_quantile))
    large = move >= threshold
    if int(large.sum()) < MIN_LARGE_MOVES:
        return _assumed(assumed_rate, gap.size, int(large.sum()), f"fewer than {MIN_LARGE_MOVES} large moves")
    low, high = _interval(gap, large, quantile, min(block, gap.size), confidence, draws, rng)
    return BasisAllowance(
        rate=float(np.quantile(gap[large], quantile)), low=low, high=high, basis=Basis.MEASURED,
        observations=gap.size, large_moves=int(large.sum()), move_threshold=threshold,
        calm_rate=float(np.quantile(gap[~large], quantile)) if not large.all() else float("nan"),
        why=f"quantile {quantile:g} after moves of {threshold:.4f} or more over {move_bars} moments")


def _interval(gap: FloatArray, large: BoolArray, quantile: float, block: int, confidence: float, draws: int,
              rng: np.random.Generator) -> tuple[float, float]:
    """Percentile interval of the quantile over circular blocks of moments; the threshold stays where it is."""
    weights = date_weights(gap.size, block, draws, rng)[:, large]
    order = np.argsort(gap[large])
    rising, counts = gap[large][order], np.cumsum(weights[:, order], axis=1)
    total = counts[:, -1]
    drawn = total > 0  # a resample may miss every large move
    at = (counts[drawn] < quantile * total[drawn, None]).sum(axis=1)
    tail = 0.5 * (1.0 - confidence)
    low, high = np.quantile(rising[np.minimum(at, rising.size - 1)], [tail, 1.0 - tail])
    return float(low), float(high)


def _assumed(rate: float, observations: int, large_moves: int, why: str) -> BasisAllowance:
    return BasisAllowance(rate, float("nan"), float("nan"), Basis.ASSUMED, observations, large_moves, float("nan"),
                          float("nan"), f"{why}: the appetite's allowance")
