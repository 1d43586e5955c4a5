"""Small synthetic markets: seeded random walks as bars in memory or as CSV rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.market.bars import NS_PER_S, Bars

DAY_S = 86_400
START_S = 1_546_300_800  # 2019-01-01


@dataclass(frozen=True)
class Market:
    """One symbol's bars: a walk of Student returns. ``volume`` 0 and ``ranged`` False leave the columns out."""

    symbol: str
    seed: int = 1
    n: int = 420
    price: float = 100.0
    daily_volatility: float = 0.03
    volume: float = 1e6
    ranged: bool = True
    spacing_s: int = DAY_S
    relisted_at: int | None = None

    @property
    def ts(self) -> IntArray:
        return (START_S + self.spacing_s * np.arange(self.n, dtype=np.int64)) * NS_PER_S

    @property
    def columns(self) -> dict[str, FloatArray]:
        """Close, high, low, volume, each (n,); NaN where left out."""
        rng = np.random.default_rng(self.seed)
        sigma = self.daily_volatility * np.sqrt(self.spacing_s / DAY_S)
        move = sigma * rng.standard_t(4, self.n) / np.sqrt(2)
        if self.relisted_at is not None:
            move[self.relisted_at] = np.log(1000.0)
        close = self.price * np.exp(np.cumsum(move))
        over, under = np.exp(sigma * np.abs(rng.normal(0, 0.3, (2, self.n))))
        nothing = np.full(self.n, np.nan)
        return {
            "close": close, "high": close * over if self.ranged else nothing,
            "low": close / under if self.ranged else nothing,
            "volume": self.volume * np.exp(rng.normal(0, 0.4, self.n)) if self.volume else nothing,
        }


def bars_of(*markets: Market) -> Bars:
    """Bars as the reader would return them."""
    close, high, low, volume = (
        np.concatenate([m.columns[name] for m in markets]) for name in ("close", "high", "low", "volume"))
    sizes = [m.n for m in markets]
    rows = sum(sizes)
    listing = np.concatenate([
        (np.arange(m.n) >= (m.n if m.relisted_at is None else m.relisted_at)).astype(np.int64) for m in markets])
    return Bars(
        symbols=tuple(m.symbol for m in markets), offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        ts=np.concatenate([m.ts for m in markets]), open=np.full(rows, np.nan), close=close,
        high=high, low=low, volume=volume,
        masked=np.zeros(rows, np.bool_), listing=listing, spacing_ns=markets[0].spacing_s * NS_PER_S)


def write_csv(path: Path, *markets: Market, rows: int | None = None) -> Path:
    """The same bars as a CSV file; ``rows`` cuts every market after that many."""
    first = markets[0].columns
    names = [name for name in first if np.isfinite(first[name]).all()]
    lines = [",".join(("symbol", "ts", *names))]
    for market in markets:
        columns = market.columns
        lines += [
            ",".join((market.symbol, str(ts // NS_PER_S), *(repr(float(columns[name][i])) for name in names)))
            for i, ts in enumerate(market.ts[:rows].tolist())
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
