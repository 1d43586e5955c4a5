r"""Paths on which markets move together, for losses that only their sum can show.

A stress event is a run of windows, each one margin period long. The move of a market in a window is

.. math:: X = \sigma^{\gamma}\, z

with :math:`z` a past window's log return over the power :math:`\gamma` of the volatility known when it opened
(filtered historical simulation, Barone-Adesi, Giannopoulos and Vosper 1999) and :math:`\sigma` today's volatility, or
the stressed one where that is higher: the event comes while margins still stand on calm.

*As dates fell*: every run of consecutive windows of the record, all markets of a date together.

*Stressed dependence*: each window drawn from a t copula (Demarta and McNeil 2005) whose correlation is that of stressed
days and nowhere below the appetite's; marginals are each market's own residuals, with generalised Pareto tails.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtr

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.errors import InsufficientDataError, require
from leverline.market.bars import Panel
from leverline.measure.dependence import correlation
from leverline.measure.gpd import SHAPE_HIGH, SHAPE_LOW, gpd_excess, gpd_pwm
from leverline.model.appetite import DAYS_PER_YEAR

MAX_WINDOWS = 48
"""Windows in an event at most; shorter margin periods are taken as that share of the event."""
FREEDOM = 4.0
"""Degrees of freedom of the copula: with correlation 0.7 two markets share four of ten of their worst windows."""
LARGEST_MOVE = 2.0
"""Log return of one window at most: beyond it a print is taken for another coin everywhere else too."""
TAIL_SHARE, PRIOR_SHAPE, PRIOR_WEIGHT = 0.05, 0.2, 0.5
"""Share of residuals in each tail, and the shape that its fit is drawn towards, half way."""
LEAST_RESIDUALS = 250
"""A market with fewer takes the residuals of all markets together."""
STRESSED_SHARE = 0.1
"""Of the days: those on which dependence under stress is measured."""
_SCORES = 801


@dataclass(frozen=True, slots=True)
class JointHistory:
    """What joint moves are drawn from.

    Attributes
    ----------
    symbols : tuple of str
    residual : ndarray of shape (n_dates, n_markets)
        Log return of one window over the power of volatility; where a market did not trade that of the median market.
    own : ndarray of bool of shape (n_dates, n_markets)
        False where the residual is the median market's.
    scale : ndarray of shape (n_markets,)
        Log return of a residual of one.
    correlation : ndarray of shape (n_markets, n_markets)
        Of residuals on the stressed dates; NaN where two markets share too few.
    window_s : float
    window_rows : int
        Dates from the opening of one window to that of the next.
    windows : int
        Windows in which a position may be liquidated; one more follows, in which the last are closed.
    pooled : tuple of str
        Markets too young for a law of their own.
    """

    symbols: tuple[str, ...]
    residual: FloatArray
    own: BoolArray
    scale: FloatArray
    correlation: FloatArray
    window_s: float
    window_rows: int
    windows: int
    pooled: tuple[str, ...]

    def scaled(self, factor: float) -> JointHistory:
        """The same with every move ``factor`` times as large."""
        return replace(self, scale=self.scale * factor)


def joint_history(
    panel: Panel, sigma_per_day: FloatArray, columns: tuple[int, ...], *, window_s: float, horizon_s: float,
    filtering: float, scale: str | None, stressed_quantile: float,
) -> JointHistory:
    """Residuals of the markets in ``columns`` over windows of about ``window_s`` seconds.

    ``sigma_per_day`` (n_bars, n_listings) is known at each bar's close; ``filtering`` is the power it is divided out
    with. Windows are whole bars, or with ``scale`` "sqrt-time" shorter than one, at the root of their share of it.
    Volatility is no lower than its quantile ``1 - stressed_quantile`` over the last year.
    """
    require(window_s > 0 and horizon_s > 0, "windows and events last", got=(window_s, horizon_s))
    require(len(columns) > 0, "there is a market to move")
    wanted = max(window_s, horizon_s / MAX_WINDOWS)
    rows = max(1, int(np.ceil(wanted / panel.spacing_s - 1e-9)))
    short = scale == "sqrt-time" and wanted < panel.spacing_s
    length_s = wanted if short else rows * panel.spacing_s
    chosen = list(columns)
    sigma = sigma_per_day[:, chosen]
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.where(sigma > 0, sigma**filtering, np.nan) if filtering else np.ones_like(sigma)
    residual = _window_returns(panel.log_returns()[:, chosen], rows) / power
    own = np.isfinite(residual)
    kept = own.any(axis=1)
    if np.count_nonzero(kept) < LEAST_RESIDUALS:
        raise InsufficientDataError(f"joint moves are known on {np.count_nonzero(kept)} dates, {LEAST_RESIDUALS} "
                                    "are needed", remedy="give longer bars")
    # The year before comes first: a date is stressed by the volatility known when its windows opened.
    stressed = stressed_dates(sigma, int(np.ceil(STRESSED_SHARE * np.count_nonzero(kept))))
    joint = correlation(np.where(own, residual, np.nan)[stressed & kept])
    symbols = tuple(panel.symbols[j] for j in chosen)
    median = np.nanmedian(np.where(own, residual, np.nan)[kept], axis=1)
    recent = slice(max(0, panel.ts.size - round(DAYS_PER_YEAR * panel.bars_per_day)), None)
    factor = np.sqrt(length_s / panel.spacing_s) if short else 1.0
    return JointHistory(
        symbols=symbols, residual=np.where(own[kept], residual[kept], median[:, None]), own=own[kept],
        scale=factor * _scale_now(power[recent], stressed_quantile), correlation=joint, window_s=length_s,
        window_rows=rows, windows=max(1, int(np.ceil(horizon_s / length_s - 1e-9))),
        pooled=tuple(s for s, n in zip(symbols, own.sum(axis=0).tolist(), strict=True) if n < LEAST_RESIDUALS))


def stressed_dates(sigma: FloatArray, count: int) -> BoolArray:
    """The ``count`` rows of ``sigma`` (n_bars, n_markets) at which the median market is loudest against its own mean.

    A row's volatility is known when the window after it opens, so that no return chooses its own date.
    """
    require(count >= 1, "at least one date is stressed", got=count)
    known = np.isfinite(sigma).any(axis=1)
    level = np.full(len(sigma), -np.inf)
    seen = np.isfinite(sigma).any(axis=0)
    relative = sigma[:, seen] / np.nanmean(sigma[:, seen], axis=0)
    level[known] = np.nanmedian(relative[known], axis=1)
    out = np.zeros(len(sigma), bool)
    out[np.argsort(-level, kind="stable")[: min(count, int(known.sum()))]] = True
    return out


def _window_returns(returns: FloatArray, rows: int) -> FloatArray:
    """Sum of the ``rows`` returns after each row; a gap's whole move counts in the window that it ends in."""
    seen = np.isfinite(returns)
    total, count = (np.vstack([np.zeros(returns.shape[1]), np.cumsum(x, axis=0)])
                    for x in (np.where(seen, returns, 0.0), seen.astype(np.float64)))
    out = np.full(returns.shape, np.nan)
    n = len(returns)
    if n > rows:
        out[: n - rows] = np.where((count[rows + 1 :] - count[1 : n - rows + 1]) > 0,
                                   total[rows + 1 :] - total[1 : n - rows + 1], np.nan)
    return out


def _scale_now(power: FloatArray, stressed_quantile: float) -> FloatArray:
    """The newest or the stressed value of each column, the larger; a high one of all where a column has none."""
    out = np.full(power.shape[1], np.nan)
    for j, column in enumerate(power.T):
        seen = column[np.isfinite(column)]
        if seen.size:
            out[j] = max(float(seen[-1]), float(np.quantile(seen, 1.0 - stressed_quantile)))
    if not np.isfinite(out).any():
        raise InsufficientDataError("no market has a volatility in the last year", remedy="give newer bars")
    return np.where(np.isfinite(out), out, np.nanquantile(out, 0.9))


def run_starts(history: JointHistory, most: int) -> IntArray:
    """Dates at which runs open, evenly spread where the record has more than ``most``."""
    n = len(history.residual)
    return np.arange(0, n, max(1, -(-n // most)), dtype=np.int64)


def moves_as_dates_fell(history: JointHistory, starts: IntArray) -> FloatArray:
    """Log returns (n_starts, windows + 1, n_markets) of the runs that open at ``starts``; the record is circular."""
    at = starts[:, None] + history.window_rows * np.arange(history.windows + 1)
    moves: FloatArray = history.residual[at % len(history.residual)] * history.scale
    return moves.clip(-LARGEST_MOVE, LARGEST_MOVE)


class StressedPaths:
    """Draws of windows from the t copula with floored correlation: see the module."""

    def __init__(self, history: JointHistory, floor: float) -> None:
        require(0.0 <= floor <= 1.0, "the least correlation lies in [0, 1]", got=floor)
        self.history = history
        self.correlation = floored_correlation(history.correlation, floor)
        self.root = _root(self.correlation)
        self.scores = np.sinh(np.linspace(-6.0, 6.0, _SCORES))
        self.quantiles = _marginals(history, np.asarray(stdtr(FREEDOM, self.scores), np.float64))

    def moves(self, n_paths: int, rng: np.random.Generator) -> FloatArray:
        """Log returns (n_paths, windows + 1, n_markets)."""
        windows, n = self.history.windows + 1, len(self.history.symbols)
        score = self.root @ rng.standard_normal((n, n_paths * windows))  # a row a market: each is read in one go
        score /= np.sqrt(rng.chisquare(FREEDOM, n_paths * windows) / FREEDOM)
        for row, table, scale in zip(score, self.quantiles, self.history.scale.tolist(), strict=True):
            row[:] = np.interp(row, self.scores, scale * table)
        np.clip(score, -LARGEST_MOVE, LARGEST_MOVE, out=score)
        return np.ascontiguousarray(np.moveaxis(score.reshape(n, n_paths, windows), 0, -1))


def floored_correlation(measured: FloatArray, floor: float) -> FloatArray:
    """Every pair at ``floor`` or above, unknown pairs at it; made a correlation again by dropping negative roots."""
    raised = np.where(np.isfinite(measured), np.maximum(measured, floor), floor)
    np.fill_diagonal(raised, 1.0)
    values, vectors = np.linalg.eigh((raised + raised.T) / 2.0)
    whole = (vectors * np.maximum(values, 0.0)) @ vectors.T
    size = np.sqrt(np.diag(whole))
    return np.asarray(np.clip(whole / np.outer(size, size), -1.0, 1.0), np.float64)


def _root(matrix: FloatArray) -> FloatArray:
    """The symmetric root: it moves little where the matrix does, so that the same draws can be compared."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T, np.float64)


def _marginals(history: JointHistory, probability: FloatArray) -> FloatArray:
    """Residual of each market at each probability, (n_markets, n)."""
    everyone = history.residual[history.own]
    out = np.empty((len(history.symbols), probability.size))
    for j in range(len(history.symbols)):
        own = history.residual[history.own[:, j], j]
        out[j] = residual_quantiles(own if own.size >= LEAST_RESIDUALS else everyone, probability)
    return out


def residual_quantiles(residual: FloatArray, probability: FloatArray) -> FloatArray:
    """Quantiles of ``residual`` (n,) at rising ``probability`` (m,): order statistics, and Pareto tails beyond 5 %."""
    ascending = np.sort(residual)
    position = (np.arange(ascending.size) + 0.5) / ascending.size
    out = np.interp(probability, position, ascending)
    for side, mass in ((-1.0, probability), (1.0, 1.0 - probability)):
        mirrored = np.sort(side * ascending)
        threshold = float(np.interp(1.0 - TAIL_SHARE, position, mirrored))
        excess = mirrored[mirrored > threshold] - threshold
        if excess.size < 2:
            continue
        fitted = float(gpd_pwm(excess)[0])
        shape = np.clip((1.0 - PRIOR_WEIGHT) * fitted + PRIOR_WEIGHT * PRIOR_SHAPE, SHAPE_LOW, SHAPE_HIGH)
        beyond = mass < TAIL_SHARE
        out[beyond] = side * (threshold + gpd_excess(
            np.maximum(mass[beyond], 1e-12) / TAIL_SHARE, shape, excess.mean() * (1.0 - shape)))
    return np.asarray(np.maximum.accumulate(out), np.float64)
