"""Which benches there are, and which of them a call selects."""

from __future__ import annotations

from leverline.evidence.bench import (
    book_walk_bench,
    closed_loop_bench,
    crash_bench,
    health_bench,
    help_bench,
    journal_bench,
    level3_bench,
    liquidation_bench,
    load_bench,
    pre_trade_bench,
    recovery_bench,
    tick_bench,
    venue_bench,
    walk_forward_bench,
)
from leverline.evidence.bench.rows import BenchRow
from leverline.ground.errors import UsageError
from leverline.ground.progress import track

BENCHES = (walk_forward_bench, book_walk_bench, level3_bench, health_bench, liquidation_bench, tick_bench,
           pre_trade_bench, load_bench, closed_loop_bench, venue_bench, crash_bench,
           journal_bench, recovery_bench, help_bench)
"""Modules with the names of their rows, ``ROWS``, and a function that measures them, ``rows``."""
ROWS = tuple(row for bench in BENCHES for row in bench.ROWS)


def run_benches(names: list[str]) -> list[BenchRow]:
    """Run the benches whose rows are ``names`` or start with ``name-``; all where none is named."""
    unknown = [name for name in names if not any(_selects(name, row) for row in ROWS)]
    if unknown:
        raise UsageError(f"there is no bench {unknown[0]!r}", remedy=f"choose among {', '.join(ROWS)}")
    chosen = [bench for bench in BENCHES if not names or any(_selects(n, row) for n in names for row in bench.ROWS)]
    rows = [row for bench in track(chosen, "benches") for row in bench.rows()]
    return [row for row in rows if not names or any(_selects(name, row.name) for name in names)]


def _selects(name: str, row: str) -> bool:
    return row == name or row.startswith(f"{name}-")
