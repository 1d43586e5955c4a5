"""Forecasts of cost curves use the past only, and the race too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.arrays import FloatArray
from leverline.measure.cost_forecast import (
    blended,
    mean_of_next,
    race,
    relative_error,
    running_mean,
    running_median,
    weighted_mean,
)


def _costs(rng: np.random.Generator) -> FloatArray:
    cost = rng.lognormal(0.0, 1.0, (40, 2, 3))
    cost[rng.random(cost.shape) < 0.15] = np.nan
    return cost


@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 39))
@settings(max_examples=40, deadline=None)
def test_no_forecast_knows_the_future(seed: int, cut: int) -> None:
    """The experiment would be won by looking ahead."""
    rng = np.random.default_rng(seed)
    cost = _costs(rng)
    changed = cost.copy()
    changed[cut:] *= rng.lognormal(0.0, 2.0, changed[cut:].shape)
    for forecast in (running_mean, running_median, lambda c: running_mean(c, 7), lambda c: weighted_mean(c, 5.0),
                     lambda c: blended(c, running_mean(c), 0.3)):
        np.testing.assert_allclose(forecast(cost)[:cut], forecast(changed)[:cut], rtol=1e-9, equal_nan=True)
    errors = rng.lognormal(0.0, 1.0, (4, 40, 2))
    later = errors.copy()
    later[:, cut:] = rng.lognormal(0.0, 1.0, later[:, cut:].shape)
    known_until = min(40, cut + 6)  # an error made at ``cut`` is known six rows on
    np.testing.assert_array_equal(race(errors, 6, 0)[:known_until], race(later, 6, 0)[:known_until])


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_averages_are_averages_of_what_is_known(seed: int) -> None:
    """A size that a snapshot does not hold would count as free."""
    cost = _costs(np.random.default_rng(seed))
    t, window = 30, 8
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(running_mean(cost)[t], np.nanmean(cost[: t + 1], axis=0))
        np.testing.assert_allclose(weighted_mean(cost, 1e12)[t], np.nanmean(cost[: t + 1], axis=0), rtol=1e-6)
        recent = cost[t - window + 1 : t + 1]
        some = np.isfinite(recent).any(axis=0)
        np.testing.assert_allclose(running_mean(cost, window)[t][some],
                                   np.nanmean(recent[:, some], axis=0), rtol=1e-9)
        ahead = cost[t + 1 : t + 6]
        enough = np.isfinite(ahead).sum(axis=0) >= 4
        np.testing.assert_allclose(mean_of_next(cost, 5, 0.8)[t][enough], np.nanmean(ahead[:, enough], axis=0))
        assert np.isnan(mean_of_next(cost, 5, 0.8)[t][~enough]).all()
    assert np.isnan(mean_of_next(cost, 5, 0.8)[-5:]).all()
    assert np.isfinite(mean_of_next(cost, 5, 0.2)[-6]).any()


def test_the_median_counts_a_size_not_held_as_dear() -> None:
    """Snapshots too thin for a size would make it look cheap."""
    cost = np.array([[1.0], [np.nan], [np.nan], [2.0], [3.0]])
    np.testing.assert_allclose(running_median(cost)[:, 0], [1.0, np.nan, np.nan, np.nan, 3.0])


def test_the_race_takes_the_best_of_the_past() -> None:
    """The worst forecast, or the one that is best only in hindsight, would be called ours."""
    errors = np.ones((3, 30, 1))
    errors[1, :15], errors[2, 15:] = 0.5, 0.01
    chosen = race(errors, 5, default=0)
    assert (chosen[:5] == 0).all()
    assert (chosen[5:20] == 1).all()
    assert chosen[-1] == 2


def test_errors_are_the_same_for_twice_and_half() -> None:
    """A forecast that is always too low would beat one that is as often too high."""
    assert relative_error(np.array([2.0, 0.5, 1.0, np.nan, 0.0]), np.ones(5)) == pytest.approx(
        [np.log(2), np.log(2), 0.0, np.nan, np.nan], nan_ok=True)
