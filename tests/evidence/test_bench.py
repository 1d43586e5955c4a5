"""Benchmarks: their rows and the check that both sides computed the same. No timing is asserted."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from leverline.evidence.bench import (
    crash_bench,
    drawn_venue,
    help_bench,
    journal_bench,
    liquidation_bench,
    million_accounts,
    recovery_bench,
    rows,
    run,
    venue_bench,
    walk_forward_bench,
)
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import UsageError

KEYS = ["name", "value", "unit", "baseline", "ratio", "limit_fraction", "notes"]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two markets over a little more than the history a model needs, each run timed once."""
    monkeypatch.setattr(walk_forward_bench, "HOURS", 24 * 330)
    monkeypatch.setattr(walk_forward_bench, "MARKETS", 2)
    monkeypatch.setattr(million_accounts, "ACCOUNTS", 300)
    monkeypatch.setattr(liquidation_bench, "ACCOUNTS", 300)
    monkeypatch.setattr(rows, "ROUNDS", 1)
    monkeypatch.setattr(help_bench, "ROUNDS", 1)
    monkeypatch.setattr(drawn_venue, "POOLS", 10)
    for bench, figures in {crash_bench: {"ROUNDS": 1, "ACCOUNTS": 6_000},
                           venue_bench: {"ROUNDS": 1, "POOLS": 60, "EVENTS": 60}}.items():
        for name, value in figures.items():
            monkeypatch.setattr(bench, name, value)
    for bench, figures in {journal_bench: {"ROUNDS": 1, "TOGETHER": 20, "COMMITS": 3, "BYTES_EVENTS": 300},
                           recovery_bench: {"ROUNDS": 1, "EVENTS": 400, "EVERY": 200, "TAIL": 100, "LARGE": 20,
                                            "HANDLED": 200}}.items():
        monkeypatch.setattr(bench, "cache_directory", lambda: tmp_path)
        for name, value in figures.items():
            monkeypatch.setattr(bench, name, value)


@pytest.mark.usefixtures("small")
def test_rows_follow_the_contract() -> None:
    """A dashboard of ratios would show two numbers under one name, or none."""
    measured = run.run_benches([])
    assert tuple(row.name for row in measured) == run.ROWS
    assert len(set(run.ROWS)) == len(run.ROWS)
    for row in measured:
        assert list(row.to_dict()) == KEYS
        assert math.isfinite(row.value)
        assert row.value >= 0.0
        assert row.unit
        assert (row.ratio is None) == (row.baseline is None)
    json.dumps([row.to_dict() for row in measured], allow_nan=False)


@pytest.mark.usefixtures("small")
def test_a_faster_wrong_answer_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ratio of a thousand could be had by computing something else."""
    right = walk_forward_bench.ours

    def perturbed(given: walk_forward_bench.Setting) -> FloatArray:
        return right(given) * (1.0 + 1e-8)

    monkeypatch.setattr(walk_forward_bench, "ours", perturbed)
    with pytest.raises(AssertionError, match="Not equal"):
        run.run_benches(["walk-forward"])


@pytest.mark.usefixtures("small")
def test_both_sides_find_a_tail_in_the_same_windows() -> None:
    """Arrays of NaN are equal too: the check above would hold for a bench that measures nothing."""
    given = walk_forward_bench.setting()
    ours = walk_forward_bench.ours(given)
    found = walk_forward_bench.recalibrations(given, ours)
    assert found == walk_forward_bench.recalibrations(given, walk_forward_bench.plain_loop(given))
    days = 330 - 250 - 30 - 1  # history of losses, warm-up of volatility, the last loss a day late
    assert found == pytest.approx(2 * 2 * days, abs=2 * 2)
    assert np.isfinite(ours[0, 0, -1]).all()


@pytest.mark.usefixtures("small")
def test_a_recovery_is_of_the_journal_that_the_row_describes() -> None:
    """The row would say half a million events while a handful were replayed."""
    path, made = recovery_bench.standing_journal()
    assert (made["snapshot"] >= 400, made["tail"], made["pools"]) == (True, 100, 10)
    assert recovery_bench.standing_journal() == (path, made), "from the cache"
    assert [row.name for row in recovery_bench.rows()] == list(recovery_bench.ROWS)
    assert {str(row) for row in path.parent.parent.iterdir()} == {str(path.parent)}


def test_a_name_selects_its_row_and_those_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """``bench walk-forward`` would run for minutes, or leave out half of its rows."""
    for bench in run.BENCHES:
        names = bench.ROWS
        monkeypatch.setattr(bench, "rows", lambda names=names: [rows.BenchRow(name, 1.0, "s") for name in names])
    assert [row.name for row in run.run_benches(["walk-forward"])] == list(walk_forward_bench.ROWS)
    assert [row.name for row in run.run_benches(["walk-forward-compile"])] == ["walk-forward-compile"]
    assert [row.name for row in run.run_benches(["help"])] == ["help"]
    assert [row.name for row in run.run_benches([])] == list(run.ROWS)
    with pytest.raises(UsageError, match="there is no bench"):
        run.run_benches(["forward"])
