"""The experiment on next-minute costs: its claim on the real books, and that it can fail."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from leverline.evidence.experiments.book_costs import (
    LAST,
    NEXT_MINUTE,
    OURS,
    SQUARE_ROOTS,
    difference_interval,
    pooled_by_second,
    run,
    score_market,
)
from leverline.ground.errors import InsufficientDataError
from leverline.market.bars import NS_PER_S
from leverline.market.books import BookSnapshots
from leverline.market.trades import Trades


def _market(rng: np.random.Generator, *, persistent: bool) -> tuple[BookSnapshots, Trades]:
    """300 s of books of 20 levels: sizes drawn anew every second, or (persistent) all of them wandering together."""
    n, levels = 300, 20
    mid = 60_000.0 + np.cumsum(rng.normal(0.0, 1.0, n))[:, None]
    away = 0.5 + np.arange(levels)
    size = rng.lognormal(0.0, 1.5, (2, n, levels))
    if persistent:
        factor = np.exp(np.cumsum(rng.normal(0.0, 0.08, n)))[:, None]
        size = size[:, :1] * factor
    ts = NS_PER_S * np.arange(1, n + 1, dtype=np.int64)
    books = BookSnapshots("X", ts, mid - away, size[0], mid + away, size[1])
    trades = Trades("X", ts, mid[:, 0], np.ones(n), np.ones(n, np.int64))
    return books, trades


def test_books_drawn_anew_are_best_forecast_by_their_average() -> None:
    """The race would not find the average where the last snapshot is pure noise."""
    scored = [each for each in score_market(*_market(np.random.default_rng(1), persistent=False))
              if each.target == NEXT_MINUTE]
    assert np.nanmean(pooled_by_second(scored, OURS)) < 0.5 * np.nanmean(pooled_by_second(scored, LAST))


def test_the_experiment_can_fail() -> None:
    """The claim would hold on any data: where depth wanders, the last snapshot must not lose by averaging alone."""
    scored = [each for each in score_market(*_market(np.random.default_rng(2), persistent=True))
              if each.target == NEXT_MINUTE]
    difference = np.array(pooled_by_second(scored, OURS) - pooled_by_second(scored, LAST))
    low, high = difference_interval(difference, np.random.default_rng(0))
    assert high > 0.0
    assert low <= np.nanmean(difference) <= high


def test_all_forecasts_are_scored_on_the_same_moments() -> None:
    """A forecast would win by having nothing to say where it is hard."""
    scored = score_market(*_market(np.random.default_rng(3), persistent=False))
    for each in scored:
        assert {OURS, LAST, *SQUARE_ROOTS} <= set(each.errors)
        assert len({error.shape for error in each.errors.values()}) == 1
        everyone = [np.isfinite(pooled_by_second([each], name)) for name in each.errors]
        assert all((known == everyone[0]).all() for known in everyone)


def test_without_the_files_it_says_so(tmp_path: Path) -> None:
    """An empty folder would give an empty experiment that holds."""
    with pytest.raises(InsufficientDataError):
        run(tmp_path)


@pytest.mark.shared_data
def test_next_minutes_costs_are_predicted_better_than_by_both_rivals(shared_data: Path) -> None:
    """Averages of past books would be no better than the last snapshot or the square root."""
    experiment = run(shared_data)
    pooled = [row for row in experiment.rows if "mean |log error|" in row.quantity]
    assert len(pooled) == 8  # two samples, two targets, two rivals
    assert all(row.holds for row in pooled)
    names = {variant["forecast"] for variant in experiment.variants}
    assert {OURS, LAST, *SQUARE_ROOTS} <= names
    assert len(names) >= 14  # everything tried is listed
    json.dumps(experiment.to_dict(), allow_nan=False)
