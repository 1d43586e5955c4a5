"""Walk-forward recalibration and its plain baseline, over hourly bars of many markets.

The bars are drawn: 51 markets over 34,120 hours (1.74 M rows) of Student-t returns under persistent volatility, so
that a fresh machine measures what any other does. Volatility and residuals are the same work for both and timed for
neither; timed is the tail of every trailing window, refitted once a day for each market and side.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

import numpy as np

from leverline.evidence.bench.rows import BenchRow, interleaved
from leverline.ground.arrays import FloatArray, IntArray
from leverline.market.bars import NS_PER_S, Panel
from leverline.measure._rolling_kernels import FIRST_LEVEL, rolling_top, window_top_readable
from leverline.measure.loss_models import DEFAULT_MODEL, MIN_HISTORY_DAYS, MODELS, daily_volatility
from leverline.measure.losses import worst_losses

ROWS = ("walk-forward", "walk-forward-recalibrations", "walk-forward-compile")
BASELINE = "a loop over days, markets and sides that calls NumPy once per window (partition, then the same estimator)"
MARKETS, HOURS = 51, 34_120
COMPARED_MARKETS = 2
"""Markets in the ratio: the baseline takes a second each. The rate of recalibrations is over all of them."""
HORIZON_BARS = 24
LEVELS = np.array([0.01, 0.005, 0.001])
SEED = 7


@dataclass(frozen=True, slots=True)
class Setting:
    """Residuals (n_bars, n_markets, 2), when each is known (n_bars, n_markets), refit rows and window length."""

    residual: FloatArray
    known: IntArray
    refits: IntArray
    window: int
    min_count: int
    share: float


def setting(markets: int = COMPARED_MARKETS) -> Setting:
    """Draw the bars and prepare what both sides start from."""
    panel = _draw(markets)
    model = MODELS[DEFAULT_MODEL]
    losses = worst_losses(panel, HORIZON_BARS)
    scale = daily_volatility(panel, model.decays_per_day) ** model.filtering
    per_day = round(panel.bars_per_day)
    return Setting(losses.loss / scale[:, :, None], losses.known, np.arange(per_day - 1, HOURS, per_day),
                   model.window_days * per_day, MIN_HISTORY_DAYS * per_day, model.threshold_share)


def every_market() -> Setting:
    """The same for all markets."""
    return setting(MARKETS)


def ours(given: Setting) -> FloatArray:
    """Threshold, moments and quantiles of every window, by :func:`rolling_top`."""
    markets = given.residual.shape[1]
    out = np.empty((markets, 2, given.refits.size, FIRST_LEVEL + 2 * LEVELS.size))
    for j in range(markets):
        known = np.ascontiguousarray(given.known[:, j])
        for side in range(2):
            values = np.ascontiguousarray(given.residual[:, j, side])
            order = np.argsort(-values, kind="stable")
            rolling_top(values, order, known, given.refits, given.window, given.share, LEVELS, given.min_count,
                        out[j, side])
    return out


def plain_loop(given: Setting) -> FloatArray:
    """The same numbers, one window at a time."""
    markets = given.residual.shape[1]
    out = np.empty((markets, 2, given.refits.size, FIRST_LEVEL + 2 * LEVELS.size))
    for j in range(markets):
        for side in range(2):
            values = given.residual[:, j, side]
            for i, row in enumerate(given.refits):
                window = values[max(0, row - given.window + 1) : row - HORIZON_BARS + 1]
                out[j, side, i] = window_top_readable(window, given.share, LEVELS, given.min_count)
    return out


def bare_sort(given: Setting) -> FloatArray:
    """The least any method over ranks must do: sort each series once."""
    return np.sort(given.residual, axis=0)


def recalibrations(given: Setting, result: FloatArray) -> int:
    """Windows for which a tail was found."""
    del given
    return int(np.isfinite(result[..., FIRST_LEVEL]).sum())


def _draw(markets: int) -> Panel:
    """Hourly closes of ``markets`` markets with persistent volatility and Student-t(4) shocks."""
    rng = np.random.default_rng(SEED)
    level = np.zeros((HOURS, markets))
    shocks = 0.03 * rng.standard_normal((HOURS, markets))
    for t in range(1, HOURS):
        level[t] = 0.999 * level[t - 1] + shocks[t]
    returns = 0.006 * np.exp(level) * rng.standard_t(4, (HOURS, markets))
    close = 100.0 * np.exp(np.cumsum(np.clip(returns, -0.5, 0.5), axis=0))
    nothing = np.full_like(close, np.nan)
    hour = 3_600 * NS_PER_S
    return Panel(tuple(f"M{j}" for j in range(markets)), hour * np.arange(HOURS, dtype=np.int64), hour, close,
                 nothing, nothing, nothing)


def rows() -> list[BenchRow]:
    """Daily recalibration over hourly bars, against a loop that asks NumPy once per window, market and side."""
    given = setting()
    started = time.process_time()
    fast_result = ours(given)
    compiled = time.process_time() - started
    np.testing.assert_allclose(fast_result, plain_loop(given), rtol=1e-9, equal_nan=True)
    fast, slow, limit = interleaved(partial(ours, given), partial(plain_loop, given), partial(bare_sort, given))
    every = every_market()
    started = time.process_time()
    recalibrated = recalibrations(every, ours(every))
    rate = recalibrated / (time.process_time() - started)
    return [
        BenchRow("walk-forward", fast, "CPU s", BASELINE, slow / fast, limit / fast),
        BenchRow("walk-forward-recalibrations", rate, "markets x sides / CPU s"),
        BenchRow("walk-forward-compile", max(0.0, compiled - fast), "CPU s, first call only"),
    ]
