"""The worst loss inside a horizon: what a position at its maintenance margin can lose before it is closed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.errors import InsufficientDataError, require
from leverline.market.bars import NS_PER_S, Panel
from leverline.market.symbols import is_unified, parse_unified
from leverline.measure._loss_kernels import path_extremes
from leverline.model.instrument import Payoff

SIDES = ("long", "short")


@dataclass(frozen=True, slots=True)
class Losses:
    """Worst losses of positions opened at the close of each bar, per side.

    Attributes
    ----------
    loss : ndarray of shape (n_bars, n_listings, 2)
        Largest loss inside the horizon as a fraction of the opening notional, long then short; never negative.
        NaN where no position could be opened or the window is not complete.
    known : ndarray of shape (n_bars, n_listings)
        Row at whose close the loss became known; a value is used only from there on.
    duration_s : ndarray of shape (n_bars, n_listings)
        Real length of the window in seconds: the horizon, or longer where trading stopped and the first price
        after the halt is the first at which anybody could leave.
    horizon_bars : int
    close_only : ndarray of shape (n_listings,)
        True where extremes are of closes only, which understates the worst price.
    """

    loss: FloatArray
    known: IntArray
    duration_s: FloatArray
    horizon_bars: int
    close_only: BoolArray


def worst_losses(panel: Panel, horizon_bars: int, payoffs: tuple[Payoff, ...] | None = None) -> Losses:
    r"""Loss at the worst price inside ``horizon_bars`` bars after each close.

    With opening price :math:`P_0` and extremes :math:`P_-, P_+` of the path (lows and highs where known, closes
    otherwise) a linear contract loses :math:`1 - P_-/P_0` long and :math:`P_+/P_0 - 1` short per unit of opening
    notional, an inverse contract :math:`P_0/P_- - 1` and :math:`1 - P_0/P_+` per unit of opening value in the base
    asset. A window without a single
    bar, opened just before a halt, is scored at the first price after the halt: every move across a gap is scored by
    the window that opened right before it.

    ``payoffs`` has one entry a column, linear by default.
    """
    require(horizon_bars >= 1, "a horizon is at least one bar", got=horizon_bars)
    n_bars, n_listings = panel.close.shape
    loss = np.full((n_bars, n_listings, 2), np.nan)
    known = np.empty((n_bars, n_listings), np.int64)
    lowest, highest, completed = np.empty(n_bars), np.empty(n_bars), np.empty(n_bars, np.int64)
    for j in range(n_listings):
        close = np.ascontiguousarray(panel.close[:, j])
        low, high = np.ascontiguousarray(panel.low[:, j]), np.ascontiguousarray(panel.high[:, j])
        path_extremes(close, low, high, horizon_bars, lowest, highest, completed)
        known[:, j] = completed
        if payoffs is not None and payoffs[j] is Payoff.INVERSE:
            loss[:, j, 0], loss[:, j, 1] = close / lowest - 1.0, 1.0 - close / highest
        else:
            loss[:, j, 0], loss[:, j, 1] = 1.0 - lowest / close, highest / close - 1.0
    np.maximum(loss, 0.0, out=loss)
    duration_s: FloatArray = (known - np.arange(n_bars)[:, None]).astype(np.float64) * panel.spacing_s
    return Losses(loss, known, duration_s, horizon_bars, panel.close_only)


def payoffs_of(panel: Panel) -> tuple[Payoff, ...]:
    """Payoff of each column: read from its symbol where that is in unified form, linear otherwise."""
    return tuple(parse_unified(s).payoff if is_unified(s) else Payoff.LINEAR for s in panel.symbols)


def horizon_in_bars(horizon_s: float, panel: Panel) -> int:
    """Bars in ``horizon_s`` seconds; refused (exit 4) where a bar is longer, or the horizon is not whole bars."""
    bars = horizon_s * NS_PER_S / panel.spacing_ns
    if bars < 1.0:
        raise InsufficientDataError(
            f"a horizon of {horizon_s:g} s is shorter than the bar spacing of {panel.spacing_s:g} s",
            remedy="give finer bars or a longer horizon",
        )
    require(bars == round(bars), f"a horizon is a whole number of bars of {panel.spacing_s:g} s", got=horizon_s)
    return round(bars)
