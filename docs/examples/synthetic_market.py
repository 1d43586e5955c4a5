"""Daily bars of two made-up perpetuals: volatility that clusters, heavy tails, volume that rises with volatility; a book.

Seeded, so that every example prints the same on every machine. No figure here says anything about a real market.
"""

from __future__ import annotations

import numpy as np
import polars as pl

DAYS = 1_200


def daily_bars(seed: int = 7) -> pl.DataFrame:
    """A table ``symbol, ts, open, high, low, close, volume`` from 2022 on; volume in base units."""
    rng = np.random.default_rng(seed)
    return pl.concat([
        _bars(rng, "AAA/USDT:USDT", start=100.0, volatility=0.02, turnover=400e6),
        _bars(rng, "BBB/USDT:USDT", start=2.0, volatility=0.035, turnover=20e6),
    ])


def _bars(rng: np.random.Generator, symbol: str, *, start: float, volatility: float, turnover: float) -> pl.DataFrame:
    level = np.empty(DAYS)  # logarithm of volatility over its mean: an autoregression
    level[0] = 0.0
    for day in range(1, DAYS):
        level[day] = 0.95 * level[day - 1] + 0.12 * rng.standard_normal()
    sigma = volatility * np.exp(level)
    returns = sigma * rng.standard_t(4, DAYS) / np.sqrt(2.0)
    close = start * np.exp(np.cumsum(returns))
    opened = np.concatenate([[start], close[:-1]])
    reach = np.abs(rng.standard_normal((2, DAYS))) * sigma / 2.0
    return pl.DataFrame({
        "symbol": [symbol] * DAYS,
        "ts": pl.datetime_range(pl.datetime(2022, 1, 1), pl.datetime(2022, 1, 1) + pl.duration(days=DAYS - 1), "1d",
                                time_zone="UTC", eager=True),
        "open": opened,
        "high": np.maximum(opened, close) * np.exp(reach[0]),
        "low": np.minimum(opened, close) * np.exp(-reach[1]),
        "close": close,
        "volume": turnover / close * np.exp(level + 0.3 * rng.standard_normal(DAYS)),
    })


def level2_snapshots(seed: int = 11, snapshots: int = 300, levels: int = 50) -> pl.DataFrame:
    """A table ``ts, symbol, side, price, size``, one snapshot a second; from the 241st on the best bid is a dead order."""
    rng = np.random.default_rng(seed)
    tick, opened = 0.1, 60_000.0
    mid = opened + tick * np.cumsum(rng.integers(-3, 4, snapshots))
    mid[240:] -= 40.0
    steps = rng.integers(1, 7, (snapshots, 2, levels))
    away = tick * (np.cumsum(steps, axis=2) - steps[:, :, :1]) + 0.5 * tick
    price = mid[:, None, None] + np.array([-1.0, 1.0])[:, None] * away
    size = rng.lognormal(-2.0, 1.2, price.shape)
    price[240:, 0, 0], size[240:, 0, 0] = price[239, 0, 0], size[239, 0, 0]  # a bid far above the market
    when = pl.datetime_range(pl.datetime(2025, 4, 15), pl.datetime(2025, 4, 15) + pl.duration(seconds=snapshots - 1), "1s",
                             time_zone="UTC", eager=True)
    return pl.DataFrame({
        "ts": when.gather(np.repeat(np.arange(snapshots), 2 * levels)),
        "symbol": ["AAA/USDT:USDT"] * size.size,
        "side": np.tile(np.repeat(["bid", "ask"], levels), snapshots),
        "price": np.round(price, 2).ravel(),
        "size": np.round(size, 4).ravel() + 1e-4,
    })
