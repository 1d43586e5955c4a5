"""The cold-start experiment: who counts as a newcomer, what is hidden, and that nothing of the hidden past is used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from leverline.evidence.experiments import cold_start as experiment
from leverline.evidence.experiments.cold_start import OURS, RIVALS, Walked, daily, walk_newcomers
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError
from leverline.measure.loss_models import MIN_HISTORY_DAYS
from tests.measure.panels import closes, panel_of, unit_t


def listings() -> Walked:
    close = closes(0.04 * unit_t(np.random.default_rng(1), (420, 14)))
    close[:330, 12:] = np.nan
    panel = panel_of(close)
    return walk_newcomers(panel, np.full(close.shape, np.nan), "listings")


def test_only_coins_listed_after_the_start_are_newcomers_and_from_their_first_close() -> None:
    """Grown coins would be counted as newcomers that held, or the wild first days left out."""
    walked = listings()
    assert walked.newcomers == ("M12", "M13")
    assert walked.age[329:332, 0].tolist() == [-1, 0, 1]
    assert np.isfinite(walked.margin[OURS][330, 0]).all()
    assert np.isnan(walked.margin[OURS][329, 0]).all()
    assert np.isnan(walked.margin[RIVALS[0]][330, 0]).all()  # nothing of its own on the first day


def first_margin(returns: FloatArray, coin: str, days: int) -> tuple[int, FloatArray]:
    """First row of the first hidden life of a coin, and its margin so many days later."""
    walked = walk_newcomers(panel_of(closes(returns)), np.full(returns.shape, np.nan), "hidden")
    life = walked.newcomers.index(coin)
    first = int(np.flatnonzero(walked.age[:, life] == 0)[0])
    return first, walked.margin[OURS][first + days, life]


@pytest.mark.parametrize(("coin", "days"), [("M1", 20), ("M2", 0)])
def test_a_hidden_past_leaves_no_trace(coin: str, days: int) -> None:
    """A coin that knows its own past, or has itself for a peer, passes as one that does not."""
    returns = np.asarray(0.04 * unit_t(np.random.default_rng(2), (600, 9)))
    column = int(coin[1:])
    first, margin = first_margin(returns, coin, days)
    assert first == MIN_HISTORY_DAYS + experiment.STAGGER * column
    louder = returns.copy()
    louder[: first + 1, column] *= 4.0
    assert first_margin(louder, coin, days)[1] == pytest.approx(margin)
    louder[first + 1 : first + 10, column] *= 4.0
    if days:
        assert first_margin(louder, coin, days)[1].min() > 1.2 * margin.min()


def test_days_of_hourly_closes_keep_the_worst_close_inside() -> None:
    """A coin that fell by half at noon and came back by midnight would have had a calm day."""
    close = np.full((49, 1), 10.0)
    close[30] = 5.0
    days = daily(panel_of(close, spacing_s=3600))
    assert days.close[:, 0].tolist() == [10.0, 10.0]
    assert days.low[:, 0].tolist() == [10.0, 5.0]
    assert days.bars_per_day == 1.0


def test_absent_data_are_named(tmp_path: Path) -> None:
    """Whoever repeats us would not know which file is missing."""
    with pytest.raises(InsufficientDataError, match=experiment.STUDIES[0].file):
        experiment.run(tmp_path)


@pytest.mark.shared_data
@pytest.mark.slow
def test_first_years_are_covered(shared_data: Path) -> None:
    """New listings, the riskiest of all, would be given rates that do not hold."""
    done = experiment.run(shared_data)
    json.dumps(done.to_dict(), allow_nan=False)
    listed = [r for r in done.rows if "perpetuals" in r.quantity]
    assert [r.quantity for r in listed if not r.holds] == []
    scores = [r for r in done.rows if "quantile score" in r.quantity]
    assert sum(r.holds for r in scores) >= len(scores) - 2
