"""Dependence: against scipy, against copulas with known tails, with gaps, with honest intervals, fast enough."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.measure._dependence_kernels import joint_tail_readable
from leverline.measure.dependence import (
    correlation,
    correlation_of_tau,
    falling_days,
    kendall_tau,
    spearman_correlation,
    stressed_correlation,
    tail_dependence,
    tail_dependence_curve,
)

seeds = st.integers(0, 2**32 - 1)


def gaussian(rng: np.random.Generator, n: int, rho: float) -> FloatArray:
    """Two normal series with correlation ``rho``."""
    z = rng.standard_normal((n, 2))
    return np.column_stack([z[:, 0], rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1]])


def student(rng: np.random.Generator, n: int, rho: float, nu: float) -> FloatArray:
    """Bivariate t; lambda = 2 t_{nu+1}(-sqrt((nu+1)(1-rho)/(1+rho))) in both tails (Demarta and McNeil 2005)."""
    return np.asarray(gaussian(rng, n, rho) / np.sqrt(rng.chisquare(nu, (n, 1)) / nu))


def clayton(rng: np.random.Generator, n: int, theta: float) -> FloatArray:
    """Clayton by its frailty: lambda_L = 2^(-1/theta), lambda_U = 0."""
    return np.asarray((1 + rng.exponential(size=(n, 2)) / rng.gamma(1 / theta, size=(n, 1))) ** (-1 / theta))


def gumbel(rng: np.random.Generator, n: int, theta: float) -> FloatArray:
    """Gumbel by its positive stable frailty (Chambers, Mallows, Stuck 1976): lambda_U = 2 - 2^(1/theta)."""
    a, angle, e = 1 / theta, rng.uniform(0, np.pi, (n, 1)), rng.exponential(size=(n, 1))
    stable = np.sin(a * angle) / np.sin(angle) ** (1 / a) * (np.sin((1 - a) * angle) / e) ** ((1 - a) / a)
    return np.asarray(np.exp(-((rng.exponential(size=(n, 2)) / stable) ** a)))


def ragged(seed: int, n: int = 90, k: int = 4) -> FloatArray:
    """Related returns on a coarse grid, so with ties; a tenth is missing and each is listed at its own date."""
    rng = np.random.default_rng(seed)
    out = np.round(rng.standard_t(3, (n, 1)) + rng.standard_t(3, (n, k)), 1)
    out[rng.random(out.shape) < 0.1] = np.nan
    for j, listed in enumerate(rng.integers(0, 30, k)):
        out[:listed, j] = np.nan
    return out


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_correlations_are_the_textbook_s_on_the_rows_both_have(seed: int) -> None:
    """A gap in one market would shift the other against it."""
    x = ragged(seed)
    both = np.isfinite(x[:, 0]) & np.isfinite(x[:, 2])
    pair = x[both, 0], x[both, 2]
    assert correlation(x)[0, 2] == pytest.approx(stats.pearsonr(*pair)[0], abs=1e-12)
    assert spearman_correlation(x)[0, 2] == pytest.approx(stats.spearmanr(*pair)[0], abs=1e-12)
    assert kendall_tau(x)[0, 2] == pytest.approx(stats.kendalltau(*pair)[0], abs=1e-12)
    for matrix in (correlation(x), spearman_correlation(x), kendall_tau(x)):
        np.testing.assert_allclose(np.diag(matrix), 1.0, atol=1e-12)
        np.testing.assert_array_equal(matrix, matrix.T)


def test_too_few_common_rows_have_no_correlation() -> None:
    """Two coins that met for a week would be called independent, or one."""
    x = ragged(1, 90, 2)
    x[:60, 0] = np.nan
    for measure in (correlation, spearman_correlation, kendall_tau):
        assert np.isnan(measure(x, minimum=40)[0, 1])


def test_correlation_of_tau_is_not_moved_by_one_crash() -> None:
    """A single common print would set the correlation of a portfolio margin."""
    x = gaussian(np.random.default_rng(2), 4000, 0.5)
    x[0] = -80.0
    assert correlation(x)[0, 1] > 0.75
    assert correlation_of_tau(kendall_tau(x))[0, 1] == pytest.approx(0.5, abs=0.04)


@given(seed=seeds, share=st.floats(0.05, 0.3))
@settings(max_examples=25, deadline=None)
def test_tail_counts_are_those_of_ranks(seed: int, share: float) -> None:
    """The kernel would count other days than the formula in its documentation."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((150, 1)) + rng.standard_normal((150, 3))
    x[rng.random(x.shape) < 0.1] = np.nan
    found = tail_dependence(x, rng=rng, share=share, minimum=50, draws=10)
    k = int(found.k[0, 1])
    assert found.lower.estimate[0, 1] * k == pytest.approx(joint_tail_readable(x[:, 0], x[:, 1], k))
    assert found.upper.estimate[0, 1] * k == pytest.approx(joint_tail_readable(-x[:, 0], -x[:, 1], k))
    assert tail_dependence_curve(x[:, 0], x[:, 1])[k - 1] == pytest.approx(found.lower.estimate[0, 1])
    assert tail_dependence_curve(x[:, 0], x[:, 1], "upper")[k - 1] == pytest.approx(found.upper.estimate[0, 1])


def test_known_tail_dependence_is_found() -> None:
    """Joint crashes would be priced as coincidences, or coincidences as contagion."""
    rng = np.random.default_rng(3)
    n, nu, rho = 100_000, 3.0, 0.5
    t_limit = 2 * stats.t.cdf(-np.sqrt((nu + 1) * (1 - rho) / (1 + rho)), nu + 1)
    for x, lower, upper in ((student(rng, n, rho, nu), t_limit, t_limit), (clayton(rng, n, 2.0), 2**-0.5, 0.0),
                            (gumbel(rng, n, 2.0), 0.0, 2 - 2**0.5)):
        found = tail_dependence(x, rng=rng, draws=10)
        assert found.k[0, 1] == 317
        for side, known in ((found.lower, lower), (found.upper, upper)):
            if known > 0:
                assert side.estimate[0, 1] == pytest.approx(known, abs=0.08)
            else:
                assert side.estimate[0, 1] < 0.2


def test_gaussian_tail_dependence_falls_with_depth_but_slowly() -> None:
    """Half and double k would not tell a law without tail dependence from one with it."""
    rng = np.random.default_rng(4)
    normal = gaussian(rng, 100_000, 0.5)
    curve = tail_dependence_curve(normal[:, 0], normal[:, 1])
    assert curve[4999] > curve[999] + 0.03 > curve[199] + 0.06
    assert 0.2 < curve[4999] < 0.3  # at a twentieth of the data it is far from its limit, 0
    found = tail_dependence(normal, rng=rng, share=0.02, draws=10)
    assert found.lower_at_half[0, 1] < found.lower.estimate[0, 1] < found.lower_at_double[0, 1]


def test_tail_intervals_hold_the_truth_at_their_depth() -> None:
    """A stated 95 % would be a wish."""
    rng = np.random.default_rng(5)
    for rho, nu in ((0.5, 3.0), (0.0, 30.0)):
        truth = tail_dependence(student(rng, 400_000, rho, nu), rng=rng, share=0.03, draws=1).lower.estimate[0, 1]
        held = 0
        for _ in range(150):
            found = tail_dependence(student(rng, 1000, rho, nu), rng=rng, share=0.03, draws=100).lower
            held += found.low[0, 1] <= truth <= found.high[0, 1]
        assert held >= 135


def test_clustered_tails_have_wider_intervals() -> None:
    """Ten days of one crash would count as ten independent crashes."""
    rng = np.random.default_rng(6)
    width = {}
    for name, repeat in (("single", 1), ("clustered", 10)):
        x = np.repeat(student(rng, 2000 // repeat, 0.5, 4.0), repeat, axis=0)
        x += 1e-9 * rng.standard_normal(x.shape)
        found = tail_dependence(x, rng=rng, share=0.05, block=40).lower
        width[name] = found.high[0, 1] - found.low[0, 1]
    assert width["clustered"] > 1.5 * width["single"]


def test_stressed_correlation_finds_the_change_and_its_interval_holds() -> None:
    """Hedges would be trusted on the very days on which they fail."""
    rng = np.random.default_rng(7)
    stressed = np.zeros(1500, bool)
    for start in range(0, 1500, 100):
        stressed[start : start + 10] = True
    held = 0
    for _ in range(100):
        x = np.where(stressed[:, None], 3.0 * gaussian(rng, 1500, 0.9), gaussian(rng, 1500, 0.3))
        found = stressed_correlation(x, stressed, rng=rng, draws=200)
        held += found.low[0, 1] <= 0.9 <= found.high[0, 1]
        assert found.observations[0, 1] == 150
    assert held >= 87
    assert correlation(x[~stressed])[0, 1] < 0.5 < found.low[0, 1]


def test_choosing_days_by_their_outcome_changes_correlation_and_is_named_so() -> None:
    """A constant correlation would be reported as contagion; the documentation's warning must be true."""
    x = gaussian(np.random.default_rng(8), 60_000, 0.5)
    big = np.abs(x[:, 0]) > 2.0
    assert correlation(x[big])[0, 1] > 0.75
    assert falling_days(x, 0.1).sum() == 6000
    assert x[falling_days(x, 0.1)].mean() < -1.0


def test_dates_without_any_market_are_no_falling_days() -> None:
    """An outage would be a crash."""
    x = ragged(9, 100, 3)
    x[40:60] = np.nan
    assert not falling_days(x, 0.3)[40:60].any()


def test_gaps_leave_pairs_apart_and_short_ones_empty() -> None:
    """One new listing would empty the whole matrix."""
    rng = np.random.default_rng(10)
    x = np.column_stack([student(rng, 600, 0.6, 4.0), rng.standard_normal(600)])
    x[:550, 2] = np.nan
    found = tail_dependence(x, rng=rng)
    assert np.isnan(found.lower.estimate[2, 0])
    assert np.isnan(found.upper.high[2, 1])
    alone = tail_dependence(x[:, :2], rng=np.random.default_rng(10))
    assert found.lower.estimate[0, 1] == alone.lower.estimate[0, 1]
    stress = stressed_correlation(x, np.arange(600) % 3 == 0, rng=rng)
    assert np.isnan(stress.low[2, 0])
    assert stress.estimate[0, 1] == pytest.approx(np.corrcoef(x[::3, 0], x[::3, 1])[0, 1])


def test_what_cannot_be_measured_is_refused() -> None:
    """A matrix of NaN would be passed on as a result."""
    rng = np.random.default_rng(11)
    x = rng.standard_normal((200, 2))
    with pytest.raises(InsufficientDataError):
        stressed_correlation(x, np.arange(200) < 5, rng=rng)
    with pytest.raises(UsageError):
        stressed_correlation(x, np.ones(3, bool), rng=rng)
    with pytest.raises(UsageError):
        tail_dependence(x, rng=rng, share=0.7)
    with pytest.raises(UsageError):
        correlation(np.array([[np.inf, 1.0]]))
