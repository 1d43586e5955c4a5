"""What all figures share: how sides, rates and times are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.report import wording
from leverline.report.content import Side

POINTS = 1500
"""Points of one line before it is thinned."""

SIDES: tuple[Side, ...] = ("long", "short")
DASH = {"long": "solid", "short": "dash"}
PERCENT = {"ticksuffix": "\u00a0%", "rangemode": "tozero"}
NS_PER_MS = 1_000_000


def milliseconds(ts: IntArray) -> FloatArray:
    """Milliseconds since the epoch: the numbers a date axis takes."""
    return np.asarray(ts // NS_PER_MS, np.float64)


def iso(ts: int) -> str:
    return f"{wording.instant(int(ts)):%Y-%m-%d %H:%M}"


def time_range(ts: IntArray) -> list[str] | None:
    """The whole of a time axis with a little air, None where there is no time."""
    if not ts.size:
        return None
    air = int(ts[-1] - ts[0]) // 80
    return [iso(int(ts[0]) - air), iso(int(ts[-1]) + air)]


def single(values: FloatArray) -> Any:
    """Single precision: six digits are more than a screen shows, at half the weight of the page."""
    return np.asarray(values, np.float32)
