"""How far and how fast margin moves, and the three tools that steady it.

The tools are those of Commission Delegated Regulation (EU) 153/2013 (EMIR RTS), Art. 28(1): (a) a buffer that may be
used up in stress, (b) a weight on stressed observations, (c) a floor from a long look-back. Margins are fractions of
notional, shape (n_periods,) or (n_periods, n_columns), NaN where there is none.
"""

from __future__ import annotations

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import require


def peak_to_trough(margins: FloatArray) -> FloatArray:
    """Largest over smallest margin of each column (Murphy, Vasios and Vause 2014, Bank of England FSP 29).

    At least 1; NaN for a column without a margin. Shape () or (n_columns,).
    """
    _require_positive(margins)
    seen = np.isfinite(margins)
    peak = np.max(margins, axis=0, where=seen, initial=-np.inf)
    trough = np.min(margins, axis=0, where=seen, initial=np.inf)
    return np.asarray(peak / np.where(seen.any(axis=0), trough, np.nan), np.float64)


def max_increase(margins: FloatArray, periods: int = 5) -> FloatArray:
    """Largest ratio of a margin to the one ``periods`` periods earlier (the n-day measure of the same paper).

    Below 1 if margin only ever fell; NaN for a column where no two margins stand that far apart.
    """
    require(periods >= 1, "periods is at least 1", got=periods)
    _require_positive(margins)
    ratio = margins[periods:] / margins[:-periods]
    seen = np.isfinite(ratio)
    largest = np.max(ratio, axis=0, where=seen, initial=-np.inf)
    return np.asarray(np.where(seen.any(axis=0), largest, np.nan), np.float64)


def with_buffer(margins: FloatArray, buffer: float, *, exhausted_at: FloatArray | float = np.inf) -> FloatArray:
    """Tool (a): margins raised by the share ``buffer``, the raise melting away as they approach ``exhausted_at``.

    From that margin on the plain model stands alone, so a rise in risk is met out of the buffer first. Continuous, and
    never below the plain margin. Without ``exhausted_at`` the buffer is never released.
    """
    require(buffer >= 0, "buffer is not negative", got=buffer)
    return np.asarray(np.maximum(margins, np.minimum(margins * (1.0 + buffer), exhausted_at)), np.float64)


def with_stress_weight(margins: FloatArray, stressed: FloatArray | float, weight: float) -> FloatArray:
    """Tool (b): ``(1 - weight)`` of the current margin plus ``weight`` of the ``stressed`` one."""
    require(0.0 <= weight <= 1.0, "weight lies in [0, 1]", got=weight)
    return np.asarray((1.0 - weight) * margins + weight * np.asarray(stressed), np.float64)


def with_floor(margins: FloatArray, long_look_back: FloatArray | float) -> FloatArray:
    """Tool (c): never below the margin of a long look-back; a floor that is not yet known (NaN) does not bind."""
    floor = np.where(np.isnan(long_look_back), -np.inf, long_look_back)
    return np.asarray(np.maximum(margins, floor), np.float64)


def _require_positive(margins: FloatArray) -> None:
    require(not bool(np.any(margins <= 0)), "margins are positive, or NaN where there is none")
