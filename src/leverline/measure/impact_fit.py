"""The square-root law's coefficient and exponent from public trades, over fixed windows taken for metaorders.

Nobody outside the venue sees which trades belong to one order, so the net signed volume of a window stands in for it.
What is fitted is therefore *aggregate* impact (Patzelt and Bouchaud 2018, Phys. Rev. E 97:012304): the price moves with
the flow of everybody, for whatever reason, so the coefficient is contemporaneous association and an upper bound of what
one liquidation causes; the exponent of aggregate impact also rises towards one in short windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, require
from leverline.market.bars import NS_PER_S
from leverline.market.trades import Trades
from leverline.measure.estimator import Estimator
from leverline.measure.impact import SECONDS_PER_DAY
from leverline.measure.resampling import date_weights, default_block

SQUARE_ROOT = 0.5
MIN_WINDOWS = 30
EXPONENTS = np.round(np.arange(0.02, 1.5001, 0.02), 2)
"""Exponents tried; an interval that reaches either end is open there, and the exponent not identified."""


@dataclass(frozen=True, slots=True)
class FlowWindows:
    """One row a window with trades in it and a price before it, shape (n,).

    ``share`` is |net signed notional| over volume per day; ``move`` is the log move from the last print before the
    window to its last print, times the sign of the net flow, over volatility per square root of day.
    """

    share: FloatArray
    move: FloatArray


def flow_windows(trades: Trades, window_s: float, *, sigma_per_day: float, volume_per_day: float) -> FlowWindows:
    """Cut ``trades`` into windows of ``window_s`` seconds; volatility and volume are those of the sample's own time.

    Windows whose flow nets to zero say nothing of impact and are left out.
    """
    require(window_s > 0, "window_s is positive", got=window_s)
    require(sigma_per_day > 0 and volume_per_day > 0, "sigma_per_day and volume_per_day are positive")
    if not len(trades):
        return FlowWindows(np.empty(0), np.empty(0))
    number = (trades.ts - trades.ts[0]) // int(window_s * NS_PER_S)
    first = np.flatnonzero(np.diff(number, prepend=-1))
    net = np.add.reduceat(trades.aggressor * trades.price * trades.size, first)
    last_price = trades.price[np.append(first[1:], len(trades)) - 1]
    move = np.diff(np.log(last_price))  # the first window has no price before it
    flow = net[1:]
    used = flow != 0
    return FlowWindows(np.abs(flow[used]) / volume_per_day, np.sign(flow[used]) * move[used] / sigma_per_day)


class ImpactFit(Estimator):
    r"""Least squares of

    .. math:: \mathrm{sign}(Q) \, r / \sigma_D = Y (|Q| / V_D)^\delta + e

    over windows: exponent and coefficient together, and the coefficient at :math:`\delta = 1/2`. Intervals are
    percentiles over circular blocks of consecutive windows.

    Parameters
    ----------
    confidence : float, default=0.95
    draws : int, default=1000

    Attributes
    ----------
    exponent_, exponent_low_, exponent_high_ : float
    identified_ : bool
        False where the exponent's interval reaches an end of what was tried, or the coefficient's holds zero.
    coefficient_ : float
        Y at the fitted exponent: comparable with nothing but itself.
    square_root_coefficient_, square_root_low_, square_root_high_ : float
        Y at exponent 1/2, for :mod:`leverline.measure.impact`.
    windows_ : int
    """

    def __init__(self, *, confidence: float = 0.95, draws: int = 1000) -> None:
        self.confidence = confidence
        self.draws = draws

    def fit(self, windows: FlowWindows, *, rng: np.random.Generator) -> Self:
        """Fit; refuse (exit 4) fewer than thirty windows."""
        self.windows_ = windows.share.size
        if self.windows_ < MIN_WINDOWS:
            raise InsufficientDataError(f"{self.windows_} windows with a net flow are too few to fit impact",
                                        remedy=f"give {MIN_WINDOWS} or more, or keep the appetite's coefficient")
        require(bool(np.all(windows.share > 0)), "shares of volume are positive: moves carry the sign of the flow")
        scale = float(np.median(windows.share))
        powers = (windows.share[:, None] / scale) ** EXPONENTS
        cross, square = powers * windows.move[:, None], powers**2
        best, coefficient = _best(cross.sum(axis=0)[None], square.sum(axis=0)[None])
        weights = date_weights(self.windows_, default_block(self.windows_), self.draws, rng).astype(np.float64)
        drawn_cross, drawn_square = weights @ cross, weights @ square
        drawn, drawn_coefficient = _best(drawn_cross, drawn_square)
        half = int(np.flatnonzero(EXPONENTS == SQUARE_ROOT)[0])
        tail = 0.5 * (1.0 - self.confidence)
        ends = np.array([tail, 1.0 - tail])
        self.exponent_ = float(EXPONENTS[best[0]])
        self.coefficient_ = float(coefficient[0] / scale**self.exponent_)
        self.exponent_low_, self.exponent_high_ = (float(q) for q in np.quantile(EXPONENTS[drawn], ends))
        at_half = drawn_cross[:, half] / drawn_square[:, half] / scale**SQUARE_ROOT
        self.square_root_coefficient_ = float(
            cross[:, half].sum() / square[:, half].sum() / scale**SQUARE_ROOT)
        self.square_root_low_, self.square_root_high_ = (float(q) for q in np.quantile(at_half, ends))
        self.identified_ = bool(
            EXPONENTS[0] < self.exponent_low_ and self.exponent_high_ < EXPONENTS[-1]
            and float(np.quantile(drawn_coefficient, tail)) > 0.0)
        return self


def _best(cross: FloatArray, square: FloatArray) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], FloatArray]:
    """Exponent index that explains most, and its coefficient, per row of (draws, n_exponents) sums.

    With the coefficient profiled out the residual sum is a constant less cross^2 / square. A negative coefficient is
    not impact, so only positive ones compete; where none is positive the least bad one stands.
    """
    explained = np.sign(cross) * cross**2 / square
    best = np.argmax(explained, axis=1)
    rows = np.arange(cross.shape[0])
    return best, np.asarray(cross[rows, best] / square[rows, best], np.float64)


def sample_volume_per_day(trades: Trades) -> float:
    """Traded notional per day at the pace of the sample, quote; NaN for fewer than two prints."""
    seconds = (trades.ts[-1] - trades.ts[0]) / NS_PER_S if len(trades) > 1 else 0.0
    if seconds <= 0:
        return float("nan")
    return float(trades.price @ trades.size) * SECONDS_PER_DAY / float(seconds)
