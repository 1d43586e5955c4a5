"""Markets drawn for tests: panels and bars with known laws, gaps and relistings."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from scipy.special import stdtrit

from leverline.ground.arrays import FloatArray, IntArray
from leverline.market.bars import NS_PER_S, Bars, Panel

DAY_S = 86_400
FREEDOM = 4.0


def panel_of(
    close: FloatArray, *, low: FloatArray | None = None, high: FloatArray | None = None, spacing_s: int = DAY_S,
    symbols: tuple[str, ...] | None = None, start: str = "2019-01-01",
) -> Panel:
    """Closes (n_bars, n_listings) on a grid from ``start`` (UTC); without ranges close-only."""
    opens = int(datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp()) * NS_PER_S
    step = spacing_s * NS_PER_S
    nothing = np.full_like(close, np.nan)
    names = symbols if symbols is not None else tuple(f"M{j}" for j in range(close.shape[1]))
    return Panel(names, opens + step * np.arange(close.shape[0], dtype=np.int64), step, close,
                 nothing if high is None else high, nothing if low is None else low, nothing)


def bars_of(panel: Panel) -> Bars:
    """The bars of a panel, one listing more each time a symbol is repeated."""
    names = tuple(dict.fromkeys(panel.symbols))
    columns: dict[str, list[FloatArray]] = {name: [] for name in ("close", "high", "low", "volume")}
    stamps: list[IntArray] = []
    listings: list[IntArray] = []
    offsets = [0]
    for name in names:
        for number, j in enumerate(j for j, symbol in enumerate(panel.symbols) if symbol == name):
            rows = np.flatnonzero(np.isfinite(panel.close[:, j]))
            stamps.append(panel.ts[rows])
            listings.append(np.full(rows.size, number, np.int64))
            for field in ("close", "high", "low", "volume"):
                columns[field].append(getattr(panel, field)[rows, j])
        offsets.append(sum(part.size for part in stamps))
    whole = {name: np.concatenate(parts) for name, parts in columns.items()}
    return Bars(names, np.array(offsets, np.int64), np.concatenate(stamps), whole["close"], whole["high"],
                whole["low"], whole["close"], whole["volume"], np.zeros(offsets[-1], np.bool_),
                np.concatenate(listings), panel.spacing_ns)


def unit_t(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Student-t(4) draws of unit variance."""
    return np.asarray(rng.standard_t(FREEDOM, shape) / np.sqrt(2.0))


def unit_t_quantile(exceedance: float) -> float:
    """What a draw of :func:`unit_t` exceeds with this probability."""
    return float(stdtrit(FREEDOM, 1.0 - exceedance) / np.sqrt(2.0))


def closes(returns: FloatArray) -> FloatArray:
    """Prices from log returns."""
    return np.asarray(100.0 * np.exp(np.cumsum(returns, axis=0)))


def garch(rng: np.random.Generator, n_bars: int, n_markets: int) -> tuple[FloatArray, FloatArray]:
    """Log returns of GARCH(1,1) with t(4) shocks, 3 % a bar on average, and the true volatility of each row."""
    omega, alpha, beta = 0.03**2 * 0.03, 0.07, 0.90
    shocks = unit_t(rng, (n_bars, n_markets))
    variance = np.empty((n_bars + 1, n_markets))
    variance[0] = 0.03**2
    for t in range(n_bars):
        variance[t + 1] = omega + (beta + alpha * shocks[t] ** 2) * variance[t]
    sigma = np.sqrt(variance[:-1])
    return sigma * shocks, sigma


def ragged(seed: int, n_bars: int, n_listings: int) -> FloatArray:
    """Closes with a tenth missing, a halt and a late listing each."""
    rng = np.random.default_rng(seed)
    close = closes(0.03 * unit_t(rng, (n_bars, n_listings)))
    close[rng.random(close.shape) < 0.1] = np.nan
    for j in range(n_listings):
        close[: rng.integers(0, n_bars // 10), j] = np.nan
        halt = int(rng.integers(0, n_bars))
        close[halt : halt + int(rng.integers(0, 12)), j] = np.nan
    return close
