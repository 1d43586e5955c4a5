"""A row of ``leverline bench``, and how CPU time is taken.

A ratio is CPU time of the baseline over ours, threads included, median of five interleaved runs after one that
compiles. A baseline returns the same numbers, which is checked before anything is timed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class BenchRow:
    """One measurement. ``value`` in ``unit``; ``ratio`` to ``baseline``; ``limit_fraction`` of a measured limit.

    ``notes``: what stands beside it by name, JSON values only, such as what other engines do.
    """

    name: str
    value: float
    unit: str
    baseline: str | None = None
    ratio: float | None = None
    limit_fraction: float | None = None
    notes: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON fields."""
        return asdict(self)


def interleaved(*runs: Callable[[], object]) -> list[float]:
    """Median CPU seconds of each run over five rounds, taken in turn so that a busy machine is busy for all."""
    used: list[list[float]] = [[] for _ in runs]
    for _ in range(ROUNDS):
        for k, run in enumerate(runs):
            started = time.process_time()
            run()
            used[k].append(time.process_time() - started)
    return [float(np.median(times)) for times in used]
