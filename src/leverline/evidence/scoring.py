"""Margins held against what happened: which windows are scored, by which margin, and with what result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.errors import InsufficientDataError
from leverline.market.bars import Panel
from leverline.measure.losses import Losses

MAX_OFFSETS = 24
"""Most start offsets averaged over; where a horizon has more bars, every second (third, ...) of them."""
NS_PER_DAY = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class Scored:
    """Windows of one layer, confidence and horizon, merged over a symbol's listings.

    ``loss``, ``margin`` and ``breach`` have shape (n_bars, n_symbols, 2); row ``t`` is the window opened at the close
    of bar ``t``. NaN (False) where nothing was scored. ``offsets`` are row indices of non-overlapping windows, one
    array a start offset on the UTC grid, the first aligned with midnight.
    """

    symbols: tuple[str, ...]
    exceedance: float
    loss: FloatArray
    margin: FloatArray
    breach: BoolArray
    observed: BoolArray
    offsets: tuple[IntArray, ...]
    dates: IntArray  # (n_bars,), days since 1970 in which the window opened


def in_force(margin: FloatArray, refits: IntArray, n_bars: int) -> FloatArray:
    """Margin (n_refits, ...) laid on bars (n_bars, ...): that of the latest refit at or before the window opens."""
    serving = np.searchsorted(refits, np.arange(n_bars), side="right") - 1
    held = margin[np.maximum(serving, 0)]
    held[serving < 0] = np.nan
    return held


def score(
    panel: Panel, losses: Losses, margin: FloatArray, exceedance: float, first_row: int, last_row: int
) -> Scored:
    """Hold ``margin`` (n_bars, n_listings, 2) against the windows opened from ``first_row`` to ``last_row``."""
    n_bars = panel.ts.size
    loss = losses.loss
    observed = np.isfinite(loss) & np.isfinite(margin)
    observed[:first_row] = False
    observed[last_row + 1 :] = False
    symbols = tuple(dict.fromkeys(panel.symbols))
    merged_loss, merged_margin = np.full((2, n_bars, len(symbols), 2), np.nan)
    for column, symbol in enumerate(panel.symbols):
        at, seen = symbols.index(symbol), observed[:, column]
        merged_loss[:, at][seen] = loss[:, column][seen]
        merged_margin[:, at][seen] = margin[:, column][seen]
    observed = np.isfinite(merged_loss)
    closes = panel.ts + panel.spacing_ns
    return Scored(
        symbols, exceedance, merged_loss, merged_margin, observed & (merged_loss > merged_margin), observed,
        start_offsets(closes, panel.spacing_ns, losses.horizon_bars, first_row, last_row), closes // NS_PER_DAY,
    )


def start_offsets(
    closes: IntArray, spacing_ns: int, horizon_bars: int, first_row: int, last_row: int
) -> tuple[IntArray, ...]:
    """Rows of non-overlapping windows for each start offset on the UTC grid of the horizon."""
    rows = np.arange(first_row, last_row + 1)
    phase = closes[rows] // spacing_ns % horizon_bars
    step = -(-horizon_bars // MAX_OFFSETS)
    return tuple(rows[phase == offset] for offset in range(0, horizon_bars, step))


def scored_rows(panel: Panel, start_ns: int | None, end_ns: int | None) -> tuple[int, int]:
    """First and last row whose windows are scored: opened at or after the start, at or before the end (ns UTC)."""
    closes = panel.ts + panel.spacing_ns
    first = 0 if start_ns is None else int(np.searchsorted(closes, start_ns))
    last = panel.ts.size - 1 if end_ns is None else int(np.searchsorted(closes, end_ns, side="right")) - 1
    if first > last:
        raise InsufficientDataError("no bar lies between --start and --end",
                                    remedy="the bars end earlier or start later")
    return first, last
