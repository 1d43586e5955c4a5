"""How fast a market comes back after a large trade: half-life of the excess in spread, or of the lack of depth.

What is measured is the mean over events, because a single recovery drowns in the book's own noise. Where even the mean
shows no excess, or an excess that does not fade within the lags looked at, there is no half-life to report.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import require
from leverline.market.trades import Trades

MIN_EVENTS = 10
BEFORE = 5
HALF_LIFE_GRID = 120


@dataclass(frozen=True, slots=True)
class Resilience:
    """Half-life of recovery in seconds, with its interval; NaN where it cannot be told, and ``why``.

    ``excess`` (n_lags,) is the mean excess over the level before, in the unit of what was measured, at
    ``lag_s`` (n_lags,) seconds, the first of them 0: the first observation after the trade. ``initial`` is the fitted
    excess there with its interval. A half-life whose interval has no upper end is reported with inf.
    """

    half_life_s: float
    low_s: float
    high_s: float
    initial: float
    initial_low: float
    initial_high: float
    events: int
    lag_s: FloatArray
    excess: FloatArray
    why: str


def large_trade_rows(trades: Trades, ts: IntArray, *, quantile: float, side: int | None = None) -> IntArray:
    """Rows of ``ts`` (snapshots, ns, rising) that are the first after a burst of aggression among the largest.

    A burst is the net aggression, quote, between two snapshots; large is beyond the ``quantile`` of the bursts' sizes.
    ``side`` +1 takes only bursts of buying, -1 of selling. The quantile is the whole sample's: this describes a market,
    it forecasts nothing.
    """
    require(0.0 < quantile < 1.0, "quantile lies in (0, 1)", got=quantile)
    row = np.searchsorted(ts, trades.ts, side="left")
    known = (row > 0) & (row < ts.size)
    net = np.bincount(row[known], weights=(trades.aggressor * trades.price * trades.size)[known], minlength=ts.size)
    traded = net != 0
    if not traded.any():
        return np.empty(0, np.int64)
    large = traded & (np.abs(net) >= np.quantile(np.abs(net[traded]), quantile))
    if side is not None:
        large &= np.sign(net) == side
    return np.flatnonzero(large)


def resilience(
    level: FloatArray, events: IntArray, spacing_s: float, *, lags: int, rng: np.random.Generator,
    confidence: float = 0.95, draws: int = 500,
) -> Resilience:
    r"""Fit :math:`\bar e(l) = e_0 2^{-l / h}` to the mean excess of ``level`` after ``events``.

    Parameters
    ----------
    level : ndarray of shape (n,)
        What is disturbed, on a regular grid of ``spacing_s`` seconds: the spread, or minus the log of depth, so that
        a disturbance is positive. NaN where unknown.
    events : ndarray of shape (m,)
        Rows that are the first after a large trade. The level before is the mean of the five rows ahead of each; an
        event too near an end of the sample is left out.
    lags : int
        Rows looked at after each event.

    Notes
    -----
    Without an excess the half-life has no meaning, and the best of many shapes always explains something. An excess
    therefore counts only if it explains more than the share ``confidence`` of resamples of the events *with their mean
    taken out*, searched over the same shapes (the problem of Davies 1977, Biometrika 64(2):247-254).

    Intervals resample events; overlapping ones are not independent and make them somewhat too short. A recovery faster
    than ``spacing_s`` is not resolved: the fit then gives the shortest half-life tried, a quarter of the spacing, as
    ``low_s``.
    """
    require(level.ndim == 1 and lags >= 3, "level has shape (n,) and there are at least three lags", got=lags)
    require(spacing_s > 0, "spacing_s is positive", got=spacing_s)
    usable = events[(events >= BEFORE) & (events + lags <= level.size)]
    around = level[usable[:, None] + np.arange(-BEFORE, lags)]
    paths = around[:, BEFORE:] - around[:, :BEFORE].mean(axis=1, keepdims=True)
    paths = np.asarray(paths[np.isfinite(paths).all(axis=1)], np.float64)
    lag_s = np.arange(lags, dtype=np.float64) * spacing_s
    count = paths.shape[0]
    excess = np.asarray(paths.mean(axis=0) if count else np.full(lags, np.nan), np.float64)
    if count < MIN_EVENTS:
        return _unknown(lag_s, excess, count, f"{count} usable events are fewer than {MIN_EVENTS}")
    weights = rng.multinomial(count, np.full(count, 1.0 / count), size=draws) / count
    grid = np.asarray(np.geomspace(0.25 * spacing_s, 4.0 * lags * spacing_s, HALF_LIFE_GRID), np.float64)
    half_life, initial, explained = _fit(excess[None], lag_s, grid)
    drawn_half_life, drawn_initial, _ = _fit(weights @ paths, lag_s, grid)
    _, _, by_chance = _fit(weights @ (paths - excess), lag_s, grid)
    tail = 0.5 * (1.0 - confidence)
    initial_low, initial_high = np.quantile(drawn_initial, [tail, 1.0 - tail])
    low, high = np.quantile(drawn_half_life, [tail, 1.0 - tail])
    if not initial_low > 0.0 or np.mean(by_chance >= explained[0]) > 1.0 - confidence:
        return _unknown(lag_s, excess, count, "the mean excess after the trade is not above zero",
                        (float(initial[0]), float(initial_low), float(initial_high)))
    if low >= lags * spacing_s:
        return _unknown(lag_s, excess, count, "the excess does not fade within the lags looked at",
                        (float(initial[0]), float(initial_low), float(initial_high)))
    open_ended = high >= grid[-1]
    return Resilience(float(half_life[0]), float(low), float("inf") if open_ended else float(high), float(initial[0]),
                      float(initial_low), float(initial_high), count, lag_s, excess,
                      "the interval has no upper end" if open_ended else "")


def _fit(mean: FloatArray, lag_s: FloatArray, grid: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Half-life on ``grid``, amplitude, and signed sum of squares explained, for each row of ``mean`` (draws, lags)."""
    shape = 0.5 ** (lag_s / grid[:, None])
    cross, square = mean @ shape.T, np.sum(shape**2, axis=1)
    explained = np.sign(cross) * cross**2 / square
    best = np.argmax(explained, axis=1)
    rows = np.arange(mean.shape[0])
    return grid[best], np.asarray(cross[rows, best] / square[best], np.float64), explained[rows, best]


def _unknown(lag_s: FloatArray, excess: FloatArray, events: int, why: str,
             initial: tuple[float, float, float] = (np.nan, np.nan, np.nan)) -> Resilience:
    return Resilience(np.nan, np.nan, np.nan, *initial, events, lag_s, excess, why)
