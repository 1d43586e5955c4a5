"""Filtered historical simulation: today's volatility, yesterday's surprises, nothing else."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.measure.filtered import FilteredHistoricalSimulation, stressed_rows, stressed_volatility
from leverline.measure.tails import HistoricalQuantile

seeds = st.integers(0, 2**32 - 1)
tails = st.sampled_from(["historical", "gpd"])
Tail = Literal["historical", "gpd"]


def sample(seed: int, n: int = 400) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Losses of two markets of known, moving volatility; the second has gaps and a late listing."""
    rng = np.random.default_rng(seed)
    sigma = 0.03 * np.exp(np.cumsum(0.05 * rng.standard_normal((n + 1, 2)), axis=0))
    losses = sigma[:-1] * rng.standard_t(4, (n, 2)) / np.sqrt(2.0)
    losses[::9, 1] = np.nan
    losses[:50, 1] = np.nan
    return losses, sigma[:-1], sigma[-1]


@pytest.mark.parametrize("tail", ["historical", "gpd"])
def test_margin_is_right_in_calm_and_in_storm(tail: Tail) -> None:
    """Margin would be an average of calm and storm: too little exactly when it is needed."""
    rng = np.random.default_rng(1)
    sigma = 0.02 * np.exp(0.7 * rng.standard_normal((4000, 6)))
    losses = sigma * rng.standard_t(4, sigma.shape)
    truth = stats.t.isf(0.01, 4)
    for now in (0.005, 0.2):
        fit = FilteredHistoricalSimulation(tail=tail).fit(losses, sigma=sigma, sigma_now=np.full(6, now))
        np.testing.assert_allclose(fit.quantile(0.01), now * truth, rtol=0.2)
        assert fit.quantile(0.01).mean() == pytest.approx(now * truth, rel=0.06)


@given(seed=seeds, tail=tails, p=st.floats(0.005, 0.4), q=st.floats(0.005, 0.4), weight=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_rarer_means_larger_and_shortfall_is_above(seed: int, tail: Tail, p: float, q: float, weight: float) -> None:
    """A stricter appetite would ask for less margin."""
    losses, sigma, now = sample(seed)
    fit = FilteredHistoricalSimulation(tail=tail, stress_weight=weight).fit(losses, sigma=sigma, sigma_now=now)
    rare, common = sorted((p, q))
    assert (fit.quantile(rare) >= fit.quantile(common) - 1e-12).all()
    assert (fit.expected_shortfall(p) >= fit.quantile(p) - 1e-12).all()


@given(seed=seeds, tail=tails, unit=st.floats(0.01, 100), storm=st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_units_cancel_and_margin_follows_volatility(seed: int, tail: Tail, unit: float, storm: float) -> None:
    """Volatility per hour or per day would give different margins, or doubled volatility not double them."""
    losses, sigma, now = sample(seed)
    plain = FilteredHistoricalSimulation(tail=tail).fit(losses, sigma=sigma, sigma_now=now).quantile(0.02)
    other = FilteredHistoricalSimulation(tail=tail).fit(losses, sigma=unit * sigma, sigma_now=unit * storm * now)
    np.testing.assert_allclose(other.quantile(0.02), storm * plain, rtol=1e-4)


@given(seed=seeds, p=st.floats(0.01, 0.4))
@settings(max_examples=30, deadline=None)
def test_at_constant_volatility_it_is_the_historical_quantile(seed: int, p: float) -> None:
    """Filtering would change a margin that has nothing to be filtered."""
    losses, sigma, _ = sample(seed)
    fit = FilteredHistoricalSimulation().fit(losses, sigma=np.full_like(sigma, 0.05), sigma_now=np.full(2, 0.05))
    plain = HistoricalQuantile().fit(losses)
    np.testing.assert_allclose(fit.quantile(p), plain.quantile(p), rtol=1e-9)
    np.testing.assert_allclose(fit.quantile_interval(p), plain.quantile_interval(p), rtol=1e-9)
    np.testing.assert_allclose(fit.expected_shortfall_interval(p), plain.expected_shortfall_interval(p), rtol=1e-9)


@given(seed=seeds, calm=st.floats(0.01, 0.9))
@settings(max_examples=30, deadline=None)
def test_stress_weight_lifts_the_calm_and_steadies(seed: int, calm: float) -> None:
    """Margin would sink in the calm before the storm, which the tool is bought to prevent."""
    losses, sigma, _ = sample(seed)
    low, high = calm * sigma.min(axis=0), sigma.max(axis=0)

    def margins(weight: float) -> list[FloatArray]:
        model = FilteredHistoricalSimulation(stress_weight=weight)
        return [model.fit(losses, sigma=sigma, sigma_now=now).quantile(0.01) for now in (low, high)]

    plain, steadied = margins(0.0), margins(0.25)
    assert (steadied[0] > plain[0]).all()
    assert (steadied[1] / steadied[0] < plain[1] / plain[0]).all()


def test_stressed_observations_can_be_named() -> None:
    """The stress a committee chose would not be the stress in force."""
    losses, sigma, now = sample(3)
    march = np.zeros(len(losses), bool)
    march[100:110] = True
    fit = FilteredHistoricalSimulation(stress_weight=0.25).fit(losses, sigma=sigma, sigma_now=now, stressed=march)
    seen = np.where(np.isfinite(losses), sigma, np.nan)[100:110]
    np.testing.assert_allclose(fit.sigma_, 0.75 * now + 0.25 * np.sqrt(np.nanmean(seen**2, axis=0)))
    with pytest.raises(InsufficientDataError):
        stressed_volatility(sigma, np.zeros(sigma.shape, bool))


def test_stressed_rows_are_those_of_highest_volatility() -> None:
    """Calm days would be weighed as stress."""
    sigma = np.array([0.1, np.nan, 0.4, 0.2, 0.3])
    assert stressed_rows(sigma, 0.5).tolist() == [False, False, True, False, True]
    assert stressed_rows(np.stack([sigma, sigma[::-1]], axis=1), 0.1).sum(axis=0).tolist() == [1, 1]


def test_gaps_and_late_listing_do_not_count() -> None:
    """A day without a trade would be a day without a loss."""
    losses, sigma, now = sample(4)
    both = FilteredHistoricalSimulation().fit(losses, sigma=sigma, sigma_now=now).quantile(0.02)
    seen = np.isfinite(losses[:, 1])
    alone = FilteredHistoricalSimulation().fit(losses[seen, 1], sigma=sigma[seen, 1], sigma_now=now[1])
    np.testing.assert_allclose(both[1], alone.quantile(0.02))
    unknown = sigma.copy()
    unknown[:350, 1] = np.nan  # volatility still warming up
    short = FilteredHistoricalSimulation().fit(losses, sigma=unknown, sigma_now=now).quantile(0.01)
    assert np.isnan(short).tolist() == [False, True]


def test_intervals_hold_the_estimate_and_are_reproducible() -> None:
    """A reviewer could not make the published interval again."""
    losses, sigma, now = sample(5)
    fit = FilteredHistoricalSimulation(tail="gpd").fit(losses, sigma=sigma, sigma_now=now)
    low, high = fit.quantile_interval(0.01, rng=np.random.default_rng(1))
    assert ((low < fit.quantile(0.01)) & (fit.quantile(0.01) < high)).all()
    np.testing.assert_array_equal(low, fit.quantile_interval(0.01, rng=np.random.default_rng(1))[0])
    low, high = fit.expected_shortfall_interval(0.01, rng=np.random.default_rng(1))
    assert ((low < fit.expected_shortfall(0.01)) & (fit.expected_shortfall(0.01) < high)).all()
    with pytest.raises(UsageError):
        fit.quantile_interval(0.01)


def test_what_cannot_be_meant_is_refused() -> None:
    """A frozen price, whose volatility is zero, would make every surprise infinite."""
    losses, sigma, now = sample(6)
    with pytest.raises(UsageError):
        FilteredHistoricalSimulation().fit(losses, sigma=np.zeros_like(sigma), sigma_now=now)
    with pytest.raises(UsageError):
        FilteredHistoricalSimulation().fit(losses, sigma=sigma[:-1], sigma_now=now)
    with pytest.raises(UsageError):
        FilteredHistoricalSimulation(stress_weight=1.5).fit(losses, sigma=sigma, sigma_now=now)
    with pytest.raises(InsufficientDataError):
        FilteredHistoricalSimulation().fit(losses, sigma=sigma, sigma_now=now).quantile(0.001)
