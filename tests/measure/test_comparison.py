"""Comparison of models against hand-worked variances, arch, and simulated size and power."""

from __future__ import annotations

import math

import numpy as np
import pytest
from arch.bootstrap import MCS
from hypothesis import given
from hypothesis import strategies as st

from leverline.ground.errors import UsageError
from leverline.measure.comparison import (
    diebold_mariano,
    mean_by_date,
    model_confidence_set,
    newey_west_variance,
)


def test_mean_by_date_by_hand() -> None:
    """A model would be spared dates on which another has no forecast, or a date of many coins count many times."""
    dates = np.array(["2020-03-12", "2020-03-12", "2020-03-13", "2020-03-12"], dtype="datetime64[D]")
    losses = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0], [100.0, np.nan]])
    distinct, means = mean_by_date(losses, dates)
    assert distinct.tolist() == np.unique(dates).tolist()
    assert means.tolist() == [[2.0, 3.0], [5.0, 7.0]]
    assert mean_by_date(losses[:3, 0], dates[:3])[1].tolist() == [2.0, 5.0]


def test_newey_west_by_hand() -> None:
    """Runs of bad days would not widen the error of a mean.

    1, 1, -1, -1 has autocovariances 1, 1/4, -1/2 (sums 4, 1, -2 over 4); with two lags the weights are 2/3 and 1/3:
    (1 + 2 (2/3 x 1/4 - 1/3 x 1/2)) / 4 = 1/4; with one lag (1 + 2 x 1/2 x 1/4) / 4 = 0.3125.
    """
    series = np.array([1.0, 1.0, -1.0, -1.0])
    assert newey_west_variance(series, lags=2) == pytest.approx(0.25)
    assert newey_west_variance(series, lags=1) == pytest.approx(0.3125)
    assert newey_west_variance(series, lags=0) == pytest.approx(0.25)


def test_diebold_mariano_by_hand() -> None:
    """The better of two models would be named the worse.

    Differences 1, 1, 3, 3: mean 2, variance 1 over 4 without lags, statistic 2 / 0.5 = 4.
    """
    result = diebold_mariano(np.array([2.0, 3.0, 6.0, 4.0]), np.array([1.0, 2.0, 3.0, 1.0]), lags=0)
    assert (result.mean_difference, result.standard_error, result.statistic) == pytest.approx((2.0, 0.5, 4.0))
    assert result.p_first_worse == pytest.approx(0.5 * math.erfc(4.0 / math.sqrt(2.0)))
    assert result.p_two_sided == pytest.approx(2.0 * result.p_first_worse)


def test_equal_models_are_not_compared() -> None:
    """Two copies of one model would be told apart by rounding."""
    score = np.random.default_rng(1).random(50)
    assert math.isnan(diebold_mariano(score, score.copy()).p_two_sided)
    assert math.isnan(diebold_mariano(score + 0.1 + 0.2, score + 0.3).p_two_sided)


def test_dates_and_not_observations_are_what_counts() -> None:
    """Thirty coins that move as one would make one crash look like thirty pieces of evidence.

    Two models equal on average; differences share one shock a date over 30 series and it lasts (AR 0.5). By
    observation the test rejects most of the time, by date near its size.
    """
    rng = np.random.default_rng(2)
    by_date, by_row = [], []
    for _ in range(300):
        shock = rng.standard_normal(260)
        for t in range(1, 260):
            shock[t] += 0.5 * shock[t - 1]
        difference = shock[:, None] + 0.3 * rng.standard_normal((260, 30))
        _, means = mean_by_date(difference.ravel(), np.repeat(np.arange(260), 30))
        by_date.append(diebold_mariano(means, np.zeros(260), lags=8).p_two_sided)
        by_row.append(diebold_mariano(difference.ravel(), np.zeros(7800), lags=0).p_two_sided)
    assert np.mean(np.array(by_date) < 0.05) < 0.14
    assert np.mean(np.array(by_row) < 0.05) > 0.60


def test_diebold_mariano_has_power() -> None:
    """A model better by a fifth of the spread of its scores would never be found so in two years of days."""
    rng = np.random.default_rng(3)
    p = [
        diebold_mariano(0.2 + rng.standard_normal(500), np.zeros(500)).p_first_worse for _ in range(200)
    ]
    assert np.mean(np.array(p) < 0.05) > 0.95


def test_confidence_set_agrees_with_arch() -> None:
    """Our set of best models would not be the published procedure's.

    Same losses, same circular blocks, 4000 draws each; p-values are Monte Carlo means with error below 0.008 each.
    """
    rng = np.random.default_rng(4)
    common = rng.standard_gamma(0.3, size=(400, 1))
    losses = common + 0.3 * rng.standard_normal((400, 6)) + np.array([0.0, 0.0, 0.01, 0.02, 0.04, 0.10])
    ours = model_confidence_set(losses, rng=np.random.default_rng(5), block=6, draws=4000)
    theirs = MCS(losses, size=0.1, reps=4000, block_size=6, method="R", bootstrap="cbb", seed=6)
    theirs.compute()
    p_values = theirs.pvalues.sort_index()["Pvalue"].to_numpy()
    assert ours.p_values == pytest.approx(p_values, abs=0.03)
    assert np.flatnonzero(ours.members).tolist() == theirs.included
    assert 0 < len(theirs.included) < 6
    assert ours.eliminated[0] == 5


def test_confidence_set_keeps_the_best_and_drops_the_worse() -> None:
    """The default model would be thrown out of the set though none is better, or a worse one stay for ever.

    Three equal models and one worse by 0.3 of the spread of a difference, 300 dates, autocorrelated scores.
    """
    rng = np.random.default_rng(7)
    kept, dropped = 0, 0
    for _ in range(120):
        losses = rng.standard_normal((300, 1)) * 3.0 + rng.standard_normal((300, 4)) / math.sqrt(2.0)
        losses[1:] += 0.3 * losses[:-1]
        losses[:, 3] += 0.3
        members = model_confidence_set(losses, rng=rng, draws=300).members
        kept += bool(members[:3].all())
        dropped += not members[3]
    assert kept / 120 > 0.80
    assert dropped / 120 > 0.80


def test_identical_models_leave_the_set_together_or_not_at_all() -> None:
    """Two names of one model would be ranked by chance."""
    rng = np.random.default_rng(8)
    best = rng.standard_normal(200)
    result = model_confidence_set(np.column_stack([best, best, best + 1.0 + 0.1 * rng.random(200)]), rng=rng)
    assert result.p_values[:2].tolist() == [1.0, 1.0]
    assert result.members.tolist() == [True, True, False]


@given(seed=st.integers(0, 10_000))
def test_a_model_that_leaves_later_is_never_less_credible(seed: int) -> None:
    """A set at one confidence would not contain the set at a lower one."""
    rng = np.random.default_rng(seed)
    losses = rng.standard_normal((60, 6)) + 0.1 * np.arange(6)
    result = model_confidence_set(losses, rng=rng, draws=100)
    assert np.all(np.diff(result.p_values[list(result.eliminated)]) >= 0.0)
    assert result.p_values.max() == 1.0


def test_the_same_seed_gives_the_same_set() -> None:
    """A committee could not repeat the figures it was shown."""
    losses = np.random.default_rng(9).random((100, 3))
    one, two = (model_confidence_set(losses, rng=np.random.default_rng(10)).p_values for _ in range(2))
    assert one.tolist() == two.tolist()


def test_a_missing_score_is_refused() -> None:
    """A model that skips its bad days would look good."""
    with pytest.raises(UsageError, match="finite"):
        model_confidence_set(np.array([[1.0, np.nan], [1.0, 2.0]]), rng=np.random.default_rng(0))
    with pytest.raises(UsageError, match="finite"):
        diebold_mariano(np.array([1.0, np.nan]), np.ones(2))
