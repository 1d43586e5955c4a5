"""How much CPU ``leverline --help`` takes: what a user waits for at every call."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

from leverline.evidence.bench.rows import ROUNDS, BenchRow

ROWS = ("help",)
HELP_LIMIT_S = 0.3
"""CPU seconds that ``leverline --help`` may take."""


def rows() -> list[BenchRow]:
    """CPU time of ``leverline --help`` in a fresh process, median of five."""
    used = []
    for _ in range(ROUNDS):
        before = os.times()
        subprocess.run([sys.executable, "-m", "leverline", "--help"], check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        used.append(after.children_user + after.children_system - before.children_user - before.children_system)
    value = float(np.median(used))
    return [BenchRow("help", value, "CPU s", limit_fraction=value / HELP_LIMIT_S)]
