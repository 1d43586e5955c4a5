"""Student-t tail: parameters, quantiles and shortfall against the law itself, intervals that hold, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.measure.student_t import StudentTTail, t_quantile, t_shortfall


@given(nu=st.floats(1.2, 90), p=st.floats(0.001, 0.4), location=st.floats(-0.1, 0.1), scale=st.floats(0.001, 0.2))
@settings(max_examples=40, deadline=None)
def test_quantile_and_shortfall_are_those_of_the_law(nu: float, p: float, location: float, scale: float) -> None:
    """A closed form with a slip in it would set every margin of this method."""
    law = stats.t(nu, location, scale)
    assert t_quantile(p, location, scale, 1 / nu) == pytest.approx(law.isf(p), rel=1e-8, abs=1e-10)
    if nu > 2:
        mean = integrate.quad(law.isf, 0, p)[0] / p
        assert t_shortfall(p, location, scale, 1 / nu) == pytest.approx(mean, rel=1e-4, abs=1e-7)


def test_the_fit_is_the_maximum_of_the_likelihood() -> None:
    """EM or the profile search would stop halfway up."""
    losses = 0.001 + 0.02 * stats.t(4).rvs(1500, random_state=np.random.default_rng(1))
    fit = StudentTTail().fit(losses)
    nu, location, scale = stats.t.fit(losses)
    ours = np.sum(stats.t.logpdf(losses, fit.degrees_of_freedom_, fit.location_, fit.scale_))
    assert ours >= np.sum(stats.t.logpdf(losses, nu, location, scale)) - 1e-4
    assert fit.degrees_of_freedom_ == pytest.approx(nu, rel=0.01)
    assert fit.n_observations_ == 1500


def test_intervals_hold_the_truth() -> None:
    """A stated 95 % would be a wish."""
    rng = np.random.default_rng(2)
    truth = stats.t(4).isf(0.005)
    nu_held = quantile_held = 0
    sample = rng.standard_t(4, (500, 150))
    fit = StudentTTail().fit(sample)
    low, high = fit.degrees_of_freedom_interval_
    nu_held = int(np.count_nonzero((low <= 4) & (high >= 4)))
    low, high = fit.quantile_interval(0.005)
    quantile_held = int(np.count_nonzero((low <= truth) & (high >= truth)))
    assert nu_held >= 135
    assert quantile_held >= 133
    assert np.median(high / low) < 1.6


def test_normal_losses_are_not_given_a_heavy_tail() -> None:
    """Every calm market would be charged for crashes that its data refute."""
    rng = np.random.default_rng(3)
    fit = StudentTTail().fit(rng.standard_normal((2000, 20)))
    assert (fit.quantile(0.001) < 1.15 * stats.norm.isf(0.001)).all()
    assert np.isinf(fit.degrees_of_freedom_interval_[1]).mean() > 0.6


@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(1e-4, 1e3), shift=st.floats(-5, 5))
@settings(max_examples=10, deadline=None)
def test_losses_in_another_unit_give_the_same_answer(seed: int, factor: float, shift: float) -> None:
    """Percent and fraction input would give different leverage."""
    losses = np.random.default_rng(seed).standard_t(3, 200)
    here, there = StudentTTail().fit(losses), StudentTTail().fit(factor * (losses + shift))
    assert there.quantile(0.01) == pytest.approx(factor * (here.quantile(0.01) + shift), rel=1e-3, abs=1e-3 * factor)


def test_shortfall_exceeds_the_quantile_and_both_rise_into_the_tail() -> None:
    """A stricter confidence would ask for less margin."""
    fit = StudentTTail().fit(np.random.default_rng(5).standard_t(3, 400))
    quantiles = [float(fit.quantile(p)) for p in (0.05, 0.01, 0.001)]
    assert quantiles == sorted(quantiles)
    assert all(fit.expected_shortfall(p) > fit.quantile(p) for p in (0.05, 0.01, 0.001))


def test_short_and_constant_columns_have_no_answer() -> None:
    """A coin of a week, or one that never moved, would be given a margin."""
    losses = np.full((300, 3), np.nan)
    losses[:, 0] = np.random.default_rng(6).standard_t(3, 300)
    losses[:50, 1] = losses[:50, 0]
    losses[:, 2] = 0.01
    fit = StudentTTail().fit(losses)
    assert np.isfinite(fit.quantile(0.01)).tolist() == [True, False, False]
    assert np.isfinite(fit.quantile_interval(0.01)[1]).tolist() == [True, False, False]
    with pytest.raises(InsufficientDataError):
        StudentTTail().fit(losses[:50])
    with pytest.raises(UsageError):
        fit.quantile(0.7)
