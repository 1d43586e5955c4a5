"""Days on which limits broke: which markets, by how much, and how many at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from leverline.evidence.scoring import Scored
from leverline.evidence.stress_windows import STRESS_WINDOWS, day_number
from leverline.measure.losses import SIDES

LISTED = 25
"""Days listed, those with the most markets first."""


@dataclass(frozen=True, slots=True)
class Breach:
    """The worst breach of one market and side on a day; loss and margin are fractions of notional."""

    symbol: str
    side: str
    loss: float
    margin: float


@dataclass(frozen=True, slots=True)
class CrashDay:
    """A date with breaches. ``markets`` counts symbols that breached on either side, of ``markets_observed``."""

    date: str
    name: str | None
    layer: str
    confidence: float
    horizon_s: float
    markets: int
    markets_observed: int
    breaches: tuple[Breach, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON fields; each breach with its size, the loss beyond the margin."""
        return {
            "date": self.date, "name": self.name, "layer": self.layer, "confidence": self.confidence,
            "horizon_s": self.horizon_s, "markets": self.markets, "markets_observed": self.markets_observed,
            "breaches": [
                {"symbol": b.symbol, "side": b.side, "loss": b.loss, "margin": b.margin, "size": b.loss - b.margin}
                for b in self.breaches
            ],
        }


def crash_days(scored: Scored, layer: str, confidence: float, horizon_s: float) -> list[CrashDay]:
    """The days on which most markets breached; a window belongs to the day in which it opened."""
    rows = np.concatenate(scored.offsets)
    rows = rows[scored.breach[rows].any(axis=(1, 2))]
    days = []
    for day in np.unique(scored.dates[rows]):
        inside = rows[scored.dates[rows] == day]
        hit = scored.breach[inside].any(axis=0)
        days.append((int(hit.any(axis=1).sum()), int(day), inside))
    days.sort(key=lambda entry: (-entry[0], entry[1]))
    return [
        CrashDay(day_number(day), _name(day), layer, confidence, horizon_s, markets,
                 int(scored.observed[scored.dates == day].any(axis=(0, 2)).sum()), _breaches(scored, inside))
        for markets, day, inside in days[:LISTED]
    ]


def _breaches(scored: Scored, rows: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[Breach, ...]:
    """The worst breach of each market and side among ``rows``, largest first."""
    found = []
    for at, side in zip(*np.nonzero(scored.breach[rows].any(axis=0)), strict=True):
        hits = rows[scored.breach[rows, at, side]]
        beyond = scored.loss[hits, at, side] - scored.margin[hits, at, side]
        worst = hits[int(np.argmax(beyond))]
        found.append(Breach(scored.symbols[at], SIDES[side], float(scored.loss[worst, at, side]),
                            float(scored.margin[worst, at, side])))
    return tuple(sorted(found, key=lambda b: b.margin - b.loss))


def _name(day: int) -> str | None:
    """The stress window that a day falls into, if any."""
    return next((w.name for w in STRESS_WINDOWS if w.days[0] <= day <= w.days[1]), None)
