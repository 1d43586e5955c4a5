"""Calm and stressed: which of the two a market is in, and which windows of history to be stressed by.

Two states by a threshold on volatility with hysteresis, not a hidden Markov chain: the rule can be read, checked by
hand and replayed; it has no likelihood to get stuck in; and its past does not change when the future arrives, while
smoothed state probabilities do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray
from leverline.ground.errors import InsufficientDataError, require
from leverline.measure.estimator import Estimator
from leverline.measure.tails import HistoricalQuantile

StressRule = Literal["highest-volatility", "worst-fall", "worst-rise"]


class VolatilityRegime(Estimator):
    r"""Stressed from when volatility passes a high quantile of its own past until it falls below a lower one.

    At row ``t`` volatility :math:`\sigma_t` is compared with quantiles of :math:`\sigma` at rows before ``t``:
    stress begins above ``enter`` and ends below ``leave``; between the two nothing changes, so that a market at the
    threshold does not flip every bar. NaN leaves the state as it was.

    Parameters
    ----------
    enter, leave : float, default=0.9, 0.7
        Shares of the past below the thresholds, ``leave <= enter``.
    minimum : int, default=250
        Volatilities seen before a market can be stressed.

    Attributes
    ----------
    stressed_ : ndarray of bool of shape (n_bars, n_assets)
        State at each row, known when ``sigma`` of that row is.
    known_ : ndarray of bool of shape (n_bars, n_assets)
        False where too little has been seen: such a row is not calm, it is unknown.
    share_ : ndarray of shape (n_assets,)
        Share of known rows that were stressed.
    spell_bars_ : ndarray of shape (n_assets,)
        Mean length of a spell of stress in bars; NaN without one.
    """

    def __init__(self, *, enter: float = 0.9, leave: float = 0.7, minimum: int = 250) -> None:
        self.enter = enter
        self.leave = leave
        self.minimum = minimum

    def fit(self, sigma: FloatArray) -> Self:
        """Walk through ``sigma`` (n_bars, n_assets), each row known when it is reached, NaN where there is none."""
        require(0.0 < self.leave <= self.enter < 1.0, "0 < leave <= enter < 1", got=(self.leave, self.enter))
        require(self.minimum >= 2, "minimum is at least two volatilities", got=self.minimum)
        require(sigma.ndim == 2, "sigma has shape (n_bars, n_assets)", got=sigma.shape)
        self.stressed_: BoolArray = np.zeros(sigma.shape, bool)
        self.known_: BoolArray = np.zeros(sigma.shape, bool)
        for j, column in enumerate(sigma.T):
            self.stressed_[:, j], self.known_[:, j] = self._walk(column)
        begun = self.stressed_ & ~np.concatenate([np.zeros((1, sigma.shape[1]), bool), self.stressed_[:-1]])
        spells, rows, known = (np.count_nonzero(x, axis=0) for x in (begun, self.stressed_, self.known_))
        self.share_ = np.where(known > 0, rows / np.maximum(known, 1), np.nan)
        self.spell_bars_ = np.where(spells > 0, rows / np.maximum(spells, 1), np.nan)
        return self

    def _walk(self, sigma: FloatArray) -> tuple[BoolArray, BoolArray]:
        """State and whether it is known at every row of one asset."""
        stressed, known = np.zeros(sigma.size, bool), np.zeros(sigma.size, bool)
        past = np.empty(sigma.size)  # what has been seen so far, kept sorted
        seen, state = 0, False
        for t, value in enumerate(sigma):
            if seen >= self.minimum:
                known[t] = True
                if np.isfinite(value):
                    threshold = past[min(int((self.leave if state else self.enter) * seen), seen - 1)]
                    state = bool(value >= threshold if state else value > threshold)
                stressed[t] = state
            if np.isfinite(value):
                at = int(np.searchsorted(past[:seen], value))
                past[at + 1 : seen + 1] = past[at:seen].copy()
                past[at] = value
                seen += 1
        return stressed, known


@dataclass(frozen=True, slots=True)
class StressedWindow:
    """Rows ``first`` to ``last``, both included, why they were chosen, and how bad they were.

    ``severity`` is a volatility per bar for ``highest-volatility``, a log return for the others, positive when it
    hurts.
    """

    first: int
    last: int
    rule: StressRule
    severity: float


def stressed_windows(
    returns: FloatArray, length_bars: int, *, count: int = 5, rule: StressRule = "highest-volatility"
) -> tuple[StressedWindow, ...]:
    """The ``count`` worst windows of one history that do not overlap, worst first; fewer where it is too short.

    ``returns`` are log returns (n_bars,), NaN where there is none. ``highest-volatility`` ranks by root mean square,
    ``worst-fall`` and ``worst-rise`` by the sum of returns, what a long or a short lost who held through; a window in
    which that sum is a gain is not chosen. A window counts where at least half its returns are there. The choice is
    made in hindsight: it says what to be stressed by, and is no test of a forecast.
    """
    require(returns.ndim == 1, "returns have shape (n_bars,)", got=returns.shape)
    require(length_bars >= 1 and count >= 1, "length_bars and count are at least 1", got=(length_bars, count))
    require(rule in ("highest-volatility", "worst-fall", "worst-rise"), "the rule is one that exists", got=rule)
    if returns.size < length_bars:
        return ()
    windows = np.lib.stride_tricks.sliding_window_view(returns, length_bars)
    seen = np.count_nonzero(np.isfinite(windows), axis=1)
    if rule == "highest-volatility":
        severity = np.sqrt(np.nansum(windows**2, axis=1) / np.maximum(seen, 1))
    else:
        severity = np.nansum(windows, axis=1) * (-1.0 if rule == "worst-fall" else 1.0)
    severity = np.where((2 * seen >= length_bars) & (severity > 0), severity, -np.inf)
    found: list[StressedWindow] = []
    while len(found) < count and np.isfinite(severity.max()):
        first = int(np.argmax(severity))
        found.append(StressedWindow(first, first + length_bars - 1, rule, float(severity[first])))
        severity[max(0, first - length_bars + 1) : first + length_bars] = -np.inf
    return tuple(found)


def stressed_rows_of(windows: tuple[StressedWindow, ...], n_bars: int) -> BoolArray:
    """Rows inside any window, (n_bars,): the ``stressed`` that ``FilteredHistoricalSimulation`` takes."""
    out = np.zeros(n_bars, bool)
    for window in windows:
        out[window.first : window.last + 1] = True
    return out


def stressed_loss_quantile(
    losses: FloatArray, stressed: BoolArray, exceedance_per_period: float, *, interval_confidence: float = 0.95
) -> tuple[float, float, float]:
    """Loss exceeded with that probability *within stress*, and its interval: (quantile, low, high).

    ``losses`` (n,) as fractions of notional, NaN where there is none; ``stressed`` (n,). It is conditional: a market
    stressed a tenth of the time breaches the quantile at 1 % within stress on at least one day in a thousand. Refused
    where the stressed rows do not reach out to that probability. Stressed rows stand in blocks, so that the interval,
    exact for independent losses, is too short.
    """
    require(losses.ndim == 1 and losses.shape == stressed.shape, "losses and stressed have one shape (n,)")
    if not bool(np.any(stressed & np.isfinite(losses))):
        raise InsufficientDataError("no stressed row has a loss", remedy="take a longer history or other windows")
    tail = HistoricalQuantile(interval_confidence=interval_confidence).fit(losses[stressed])
    low, high = tail.quantile_interval(exceedance_per_period)
    return float(tail.quantile(exceedance_per_period)), float(low), float(high)
