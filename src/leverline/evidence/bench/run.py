"""The rows of ``leverline bench``: what is measured, against what, and how.

A ratio is CPU time of the baseline over ours, threads included, median of five interleaved runs after one that
compiles. A baseline returns the same numbers, which is checked before anything is timed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from leverline.evidence.bench import walk_forward_bench
from leverline.ground.errors import UsageError
from leverline.ground.progress import track

ROUNDS = 5
HELP_LIMIT_S = 0.3
"""CPU seconds that ``leverline --help`` may take."""


@dataclass(frozen=True, slots=True)
class BenchRow:
    """One measurement. ``value`` in ``unit``; ``ratio`` to ``baseline``; ``limit_fraction`` of a measured limit."""

    name: str
    value: float
    unit: str
    baseline: str | None = None
    ratio: float | None = None
    limit_fraction: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON fields."""
        return asdict(self)


def run_benches(names: list[str]) -> list[BenchRow]:
    """Run the benches whose rows are ``names`` or start with ``name-``; all where none is named."""
    benches: dict[str, Callable[[], list[BenchRow]]] = {"walk-forward": _walk_forward, "help": _help}
    unknown = [name for name in names if not any(_selects(name, row) for row in ROWS)]
    if unknown:
        raise UsageError(f"there is no bench {unknown[0]!r}", remedy=f"choose among {', '.join(ROWS)}")
    chosen = [run for bench, run in benches.items()
              if not names or any(_selects(name, row) for name in names for row in ROWS if row.startswith(bench))]
    rows = [row for run in track(chosen, "benches") for row in run()]
    return [row for row in rows if not names or any(_selects(name, row.name) for name in names)]


ROWS = ("walk-forward", "walk-forward-recalibrations", "walk-forward-compile", "help")


def _selects(name: str, row: str) -> bool:
    return row == name or row.startswith(f"{name}-")


def _walk_forward() -> list[BenchRow]:
    """Daily recalibration over hourly bars, against a loop that asks NumPy once per window, market and side."""
    setting = walk_forward_bench.setting()
    started = time.process_time()
    ours = walk_forward_bench.ours(setting)
    compiled = time.process_time() - started
    theirs = walk_forward_bench.plain_loop(setting)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, equal_nan=True)
    fast, slow, limit = _interleaved(partial(walk_forward_bench.ours, setting),
                                     partial(walk_forward_bench.plain_loop, setting),
                                     partial(walk_forward_bench.bare_sort, setting))
    every = walk_forward_bench.every_market()
    started = time.process_time()
    recalibrated = walk_forward_bench.recalibrations(every, walk_forward_bench.ours(every))
    rate = recalibrated / (time.process_time() - started)
    return [
        BenchRow("walk-forward", fast, "CPU s", walk_forward_bench.BASELINE, slow / fast, limit / fast),
        BenchRow("walk-forward-recalibrations", rate, "markets x sides / CPU s"),
        BenchRow("walk-forward-compile", max(0.0, compiled - fast), "CPU s, first call only"),
    ]


def _help() -> list[BenchRow]:
    """CPU time of ``leverline --help`` in a fresh process, median of five."""
    used = []
    for _ in range(ROUNDS):
        before = os.times()
        subprocess.run([sys.executable, "-m", "leverline", "--help"], check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        used.append(after.children_user + after.children_system - before.children_user - before.children_system)
    value = float(np.median(used))
    return [BenchRow("help", value, "CPU s", limit_fraction=value / HELP_LIMIT_S)]


def _interleaved(*runs: Callable[[], object]) -> list[float]:
    """Median CPU seconds of each run over five rounds, taken in turn so that a busy machine is busy for all."""
    used: list[list[float]] = [[] for _ in runs]
    for _ in range(ROUNDS):
        for k, run in enumerate(runs):
            started = time.process_time()
            run()
            used[k].append(time.process_time() - started)
    return [float(np.median(times)) for times in used]
