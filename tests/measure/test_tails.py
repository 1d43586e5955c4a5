"""The empirical tail: exact exceedance rate, honest intervals, refusal beyond the data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.measure.tails import HistoricalQuantile

seeds = st.integers(0, 2**32 - 1)
levels = st.floats(0.01, 0.99)


def losses_of(seed: int, n: int = 150, columns: int = 3) -> FloatArray:
    """Heavy-tailed losses, some missing, the last column listed late."""
    rng = np.random.default_rng(seed)
    losses = 0.03 * rng.standard_t(3, (n, columns))
    losses[rng.random(losses.shape) < 0.05] = np.nan
    losses[: n // 5, -1] = np.nan
    return losses


def test_the_next_loss_exceeds_the_quantile_as_often_as_asked() -> None:
    """A 1 % margin from a year of losses would be breached 1.2 % of the time by construction, not by bad luck."""
    rng = np.random.default_rng(1)
    for p, n in ((0.01, 99), (0.02, 249), (0.05, 59)):
        losses = rng.standard_t(3, (n + 1, 40_000))
        rate = np.mean(losses[-1] > HistoricalQuantile().fit(losses[:-1]).quantile(p))
        assert abs(rate - p) < 4 * np.sqrt(p * (1 - p) / 40_000)


@given(seed=seeds, p=levels)
@settings(max_examples=50, deadline=None)
def test_quantile_is_type_6(seed: int, p: float) -> None:
    """The plotting position in force would not be the documented one."""
    losses = losses_of(seed)
    expected = [np.quantile(c[np.isfinite(c)], 1 - p, method="weibull") for c in losses.T]
    np.testing.assert_allclose(HistoricalQuantile().fit(losses).quantile(p), expected, rtol=1e-9, atol=1e-12)


@given(seed=seeds, p=levels, q=levels)
@settings(max_examples=50, deadline=None)
def test_rarer_means_larger_and_shortfall_is_above(seed: int, p: float, q: float) -> None:
    """A stricter appetite would ask for less margin."""
    fit = HistoricalQuantile().fit(losses_of(seed))
    rare, common = sorted((p, q))
    assert (fit.quantile(rare) >= fit.quantile(common)).all()
    assert (fit.expected_shortfall(rare) >= fit.expected_shortfall(common) - 1e-12).all()
    assert (fit.expected_shortfall(p) >= fit.quantile(p)).all()


@given(seed=seeds, p=levels, factor=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
@settings(max_examples=30, deadline=None)
def test_unit_and_offset_pass_through(seed: int, p: float, factor: float, shift: float) -> None:
    """The margin would depend on the unit in which losses are written."""
    losses = losses_of(seed)
    plain, moved = HistoricalQuantile().fit(losses), HistoricalQuantile().fit(factor * losses + shift)
    for measure in ("quantile", "expected_shortfall"):
        expected = factor * getattr(plain, measure)(p) + shift
        np.testing.assert_allclose(getattr(moved, measure)(p), expected, rtol=1e-7, atol=1e-7)


def test_hand_worked_shortfall() -> None:
    """Quantile and shortfall would disagree on what a probability is."""
    fit = HistoricalQuantile().fit(np.arange(1.0, 10.0))  # n = 9, steps of 0.1
    assert float(fit.quantile(0.2)) == pytest.approx(8.0)
    # from 0.2 to 0.1 the quantile climbs from 8 to 9, then stays: (0.1 * 8.5 + 0.1 * 9) / 0.2
    assert float(fit.expected_shortfall(0.2)) == pytest.approx(8.75)


@given(n=st.integers(1, 400))
@settings(max_examples=40, deadline=None)
def test_refuses_exactly_beyond_the_data(n: int) -> None:
    """A 99.9 % margin would be quoted from a hundred days, as if the largest loss seen were the largest possible."""
    fit = HistoricalQuantile().fit(np.arange(float(n)))
    assert float(fit.quantile(1.0 / (n + 1))) == pytest.approx(n - 1)
    with pytest.raises(InsufficientDataError) as refusal:
        fit.quantile(0.99 / (n + 1))
    assert refusal.value.exit_code == 4


def test_a_short_column_is_nan_beside_a_long_one() -> None:
    """One newcomer would stop the calibration of a whole market, or be given a margin out of nothing."""
    losses = losses_of(0, n=300)
    losses[:-20, 1] = np.nan
    fit = HistoricalQuantile().fit(losses)
    assert np.isnan(fit.quantile(0.01)).tolist() == [False, True, False]
    assert np.isnan(fit.quantile_interval(0.01)[0]).tolist() == [False, True, False]
    assert np.isnan(fit.expected_shortfall_interval(0.01)[0]).tolist() == [False, True, False]


def test_order_interval_holds_the_truth_as_often_as_it_says() -> None:
    """The interval in the report would promise a certainty it does not have."""
    rng = np.random.default_rng(2)
    low, high = HistoricalQuantile(interval_confidence=0.9).fit(rng.random((200, 4000))).quantile_interval(0.05)
    held = np.mean((low <= 0.95) & (high >= 0.95))
    assert 0.89 < held < 0.96  # discrete: at least 0.9, little more
    below, above = np.mean(low > 0.95), np.mean(high < 0.95)
    assert max(below, above) < 0.06


def test_interval_has_no_upper_end_where_the_largest_loss_may_be_too_small() -> None:
    """A finite bound would be invented where the data give none."""
    _, high = HistoricalQuantile().fit(np.arange(150.0)).quantile_interval(0.01)
    assert np.isinf(high)


def test_shortfall_interval_holds_the_truth_nearly_as_often_as_it_says() -> None:
    """The standard error of the shortfall would be off by a factor."""
    rng = np.random.default_rng(3)
    low, high = HistoricalQuantile(interval_confidence=0.9).fit(
        rng.exponential(size=(2000, 2000))).expected_shortfall_interval(0.05)
    truth = 1.0 - np.log(0.05)
    assert 0.86 < np.mean((low <= truth) & (truth <= high)) < 0.93


@given(p=st.one_of(st.floats(max_value=0.0), st.floats(min_value=1.0)))
def test_an_impossible_probability_is_refused(p: float) -> None:
    """99 instead of 0.01 would be taken for a level."""
    assume(not np.isnan(p))
    with pytest.raises(UsageError):
        HistoricalQuantile().fit(np.arange(10.0)).quantile(p)
