"""All loops of the line at once over five years of days, against the same loops a step at a time.

The shocks are drawn: 51 coins over the 1,826 days of 2021 to 2025, Student-t under a volatility that swells and ebbs,
so that a machine without market data measures what any other does. The plain loop is the readable twin: days and coins
in Python, each step asked of the rule that moves whole books.
"""

from __future__ import annotations

import time
from functools import partial

import numpy as np

from leverline.calibrate.closed_loop import Loop, LoopPaths, closed_loop, closed_loop_readable
from leverline.evidence.bench.rows import BenchRow, interleaved
from leverline.ground.arrays import FloatArray
from leverline.model.appetite import RiskAppetite
from leverline.model.appetite_line import FeedbackAppetite, GovernorAppetite

ROWS = ("closed-loop", "closed-loop-rate", "closed-loop-compile")
BASELINE = "a loop over coins and days in Python that asks the governor's own rule for every step"
COINS, DAYS = 51, 1_826
SEED = 11
LOOP = Loop(feedback=FeedbackAppetite(gain=0.05, lowest=0.8, highest=1.5))


def shocks() -> FloatArray:
    """Log returns per day, (days, coins)."""
    rng = np.random.default_rng(SEED)
    swell = np.exp(0.6 * np.sin(np.arange(DAYS) / 60.0))
    return np.asarray(0.03 * swell[:, None] * rng.standard_t(4, (DAYS, COINS)))


def rows() -> list[BenchRow]:
    """Both loops, after a check that they say the same."""
    drawn, pace = shocks(), _governor()
    started = time.process_time()
    first = closed_loop(drawn, pace, LOOP)
    compiled = time.process_time() - started
    _same(first, closed_loop_readable(drawn, pace, LOOP))
    fast, slow = interleaved(partial(closed_loop, drawn, pace, LOOP), partial(closed_loop_readable, drawn, pace, LOOP))
    return [
        BenchRow("closed-loop", fast, "CPU s", BASELINE, slow / fast),
        BenchRow("closed-loop-rate", drawn.size / fast, "coin days / CPU s"),
        BenchRow("closed-loop-compile", max(0.0, compiled - fast), "CPU s, first call only"),
    ]


def _governor() -> GovernorAppetite:
    governor = RiskAppetite.profile("ccp").governor
    if governor is None:
        raise LookupError("the ccp profile has no governor")  # held by a test
    return governor


def _same(ours: LoopPaths, plain: LoopPaths) -> None:
    for name in ("margin", "target", "factor", "leverage"):
        np.testing.assert_allclose(getattr(ours, name), getattr(plain, name), rtol=1e-9)
