"""Partial pooling: what peers teach, what a missing feature costs, how often the predictive level is exceeded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.measure.pooling import PooledRegression, predictive_log_quantile, shrink


def peers(rng: np.random.Generator, n: int, slope: float, noise: float) -> tuple[np.ndarray, np.ndarray]:
    features = rng.normal(size=(n, 2))
    return (1.0 + slope * features[:, :1] + noise * rng.normal(size=(n, 1))), features


def test_without_features_every_newcomer_gets_the_peers_mean() -> None:
    """A coin of which nothing is known would be given a rate out of thin air."""
    rng = np.random.default_rng(1)
    targets = rng.normal(2.0, 0.3, size=(40, 1))
    said = PooledRegression().fit(targets, np.empty((40, 0))).predict(np.empty((3, 0)))
    assert said.mean == pytest.approx(np.full((3, 1), targets.mean()))
    assert said.variance == pytest.approx(np.full((3, 1), targets.var(ddof=1) * (1 + 1 / 40)))


def test_a_feature_that_explains_is_used_and_one_that_does_not_is_shrunk_away() -> None:
    """Rates of newcomers would follow a coincidence among a few dozen peers."""
    rng = np.random.default_rng(2)
    slope = PooledRegression().fit(*peers(rng, 200, 0.8, 0.2)).coefficient_[:, 0]
    assert slope == pytest.approx([0.8, 0.0], abs=0.05)
    features = rng.normal(size=(30, 8))
    noise = rng.normal(size=(30, 50))
    shrunk = PooledRegression().fit(noise, features).coefficient_
    plain = np.linalg.lstsq(features - features.mean(axis=0), noise - noise.mean(axis=0), rcond=None)[0]
    assert np.mean(shrunk**2) < 0.3 * np.mean(plain**2)


def test_predictions_are_as_wrong_as_they_say() -> None:
    """A predictive spread too small asks too little of one new market in ten, and nobody sees it."""
    rng = np.random.default_rng(3)
    z = []
    for _ in range(300):
        targets, features = peers(rng, 25, 0.5, 0.4)
        fitted = PooledRegression().fit(targets[:24], features[:24])
        said = fitted.predict(features[24:])
        z.append((targets[24, 0] - said.mean[0, 0]) / np.sqrt(said.variance[0, 0]))
    assert 0.85 < np.std(z) < 1.15


def test_a_missing_feature_stands_at_the_mean_and_widens_the_prediction() -> None:
    """An unknown capitalisation would pass for an average one that somebody had looked up."""
    fitted = PooledRegression().fit(*peers(np.random.default_rng(4), 100, 0.8, 0.2))
    known, unknown = fitted.predict(np.array([[0.0, 0.0]])), fitted.predict(np.array([[np.nan, 0.0]]))
    assert unknown.mean[0, 0] == pytest.approx(fitted.mean_[0], abs=0.02)
    assert unknown.variance[0, 0] > known.variance[0, 0] + 0.4


def test_nothing_is_extrapolated_beyond_the_peers() -> None:
    """A coin smaller than all peers would be given a rate that no peer ever needed, or be as sure of it as a peer."""
    targets, features = peers(np.random.default_rng(5), 50, 0.8, 0.1)
    fitted = PooledRegression().fit(targets, features)
    edge = np.array([[features[:, 0].max(), 0.0]])
    at, past = fitted.predict(edge), fitted.predict(edge + np.array([[100.0, 0.0]]))
    assert past.mean == pytest.approx(at.mean)
    missing = fitted.coefficient_[0, 0] ** 2 * features[:, 0].var()
    assert past.variance - at.variance == pytest.approx(missing, abs=1e-9)


def test_too_few_peers_are_refused() -> None:
    """Two coins are no cross-section."""
    with pytest.raises(InsufficientDataError, match="3 peers"):
        PooledRegression().fit(np.zeros((3, 1)), np.zeros((3, 1)))
    with pytest.raises(UsageError, match="one row a peer"):
        PooledRegression().fit(np.zeros((6, 1)), np.zeros((5, 1)))


@given(own=st.floats(-3, 3), prior=st.floats(-3, 3), noise=st.floats(1e-3, 1e3), spread=st.floats(1e-3, 1e3))
def test_the_posterior_lies_between_both_and_is_surer_than_either(
    own: float, prior: float, noise: float, spread: float
) -> None:
    """Putting two sources together would give a rate that neither of them supports."""
    both = shrink(np.array([own]), noise, np.array([prior]), np.array([spread]))
    assert min(own, prior) - 1e-9 <= both.mean[0] <= max(own, prior) + 1e-9
    assert both.variance[0] <= min(noise, spread) * (1 + 1e-12)
    assert both.own_weight[0] == pytest.approx(spread / (spread + noise))


def test_without_an_own_estimate_the_prior_stands() -> None:
    """A market on its first day would be given NaN."""
    both = shrink(np.array([np.nan]), np.nan, np.array([1.5]), np.array([0.2]))
    assert (both.mean[0], both.variance[0], both.own_weight[0]) == (1.5, 0.2, 0.0)


def test_the_predictive_level_is_exceeded_as_often_as_stated_across_newcomers() -> None:
    """One new market in a hundred days was promised; across all new markets it would be two."""
    rng = np.random.default_rng(6)
    psi, spread, p = 0.25, 0.3, 0.01
    log_quantile = rng.normal(-1.5, spread, size=200_000)  # of each newcomer, in truth
    level = predictive_log_quantile(np.array(-1.5), np.array(spread**2), np.array(psi))
    exceedance = p * np.exp(-(level - log_quantile) / psi)  # Pareto tails around each true quantile
    assert exceedance.mean() == pytest.approx(p, rel=0.03)
    naive = p * np.exp(-(-1.5 - log_quantile) / psi)
    assert naive.mean() > 1.7 * p
