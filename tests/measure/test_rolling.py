"""The top of a moving window: kernel against its readable twin, and both against the textbook."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.arrays import FloatArray, IntArray
from leverline.measure._rolling_kernels import (
    COUNT,
    FIRST_LEVEL,
    MEAN_EXCESS,
    THRESHOLD,
    WEIGHTED_EXCESS,
    rolling_top,
    window_top_readable,
)
from leverline.measure.gpd import gpd_pwm


def by_kernel(values: FloatArray, known: IntArray, refits: IntArray, window: int, share: float, levels: FloatArray,
              min_count: int) -> FloatArray:
    out = np.empty((refits.size, FIRST_LEVEL + 2 * levels.size))
    rolling_top(values, np.argsort(-values, kind="stable"), known, refits, window, share, levels, min_count, out)
    return out


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 120), window=st.integers(1, 140),
       share=st.floats(0.01, 1.0), gaps=st.floats(0.0, 0.8), min_count=st.integers(2, 30), digits=st.integers(0, 6))
@settings(max_examples=200, deadline=None)
def test_kernel_describes_the_windows_that_slices_hold(
    seed: int, n: int, window: int, share: float, gaps: float, min_count: int, digits: int
) -> None:
    """Every margin in every backtest would stand on a window that is not the one its documentation names."""
    rng = np.random.default_rng(seed)
    values = np.round(rng.exponential(size=n), digits)  # few digits: many ties
    values[rng.random(n) < gaps] = np.nan
    values[: rng.integers(0, n + 1) // 2] = np.nan
    known = np.maximum.accumulate(np.arange(n) + rng.integers(1, 12, n))
    refits = np.unique(rng.integers(0, n + 15, rng.integers(1, 30)))
    levels = np.sort(rng.uniform(0.0005, min(0.99, share), rng.integers(1, 4)))
    ours = by_kernel(values, known, refits, window, share, levels, min_count)
    rows = np.arange(n)
    for i, row in enumerate(refits):
        held = values[(known <= row) & (rows > row - window)]
        np.testing.assert_allclose(ours[i], window_top_readable(held, share, levels, min_count), rtol=1e-12,
                                   atol=1e-15, equal_nan=True)


def test_hand_worked_window() -> None:
    """An error common to kernel and twin would pass their comparison."""
    values = np.array([5.0, 1.0, 9.0, np.nan, 3.0, 7.0, 2.0, 8.0, 4.0, 6.0, 100.0])
    ours = by_kernel(values, np.arange(11) + 1, np.array([10]), 100, 0.3, np.array([0.15, 0.05]), 2)[0]
    assert ours[COUNT] == 9  # the hundred is known one row later
    assert ours[THRESHOLD] == 6.0  # 0.3 of nine, rounded up to three values: 9, 8, 7
    np.testing.assert_allclose(ours[MEAN_EXCESS], 2.0)
    np.testing.assert_allclose(ours[WEIGHTED_EXCESS], (3 * 0.35 + 2 * 1.35 + 1 * 2.35) / 9)
    # the Weibull place of 0.15 among nine is 0.15 * 10 = 1.5 from the top; of 0.05 it lies above the largest
    np.testing.assert_allclose(ours[FIRST_LEVEL : FIRST_LEVEL + 2], [8.5, 9.0])
    np.testing.assert_allclose(ours[FIRST_LEVEL + 2 :], [9.0, 9.0])


def test_moments_are_those_of_the_probability_weighted_fit() -> None:
    """The backtest would fit another Pareto tail than the estimator of the same name and source."""
    values = np.abs(np.random.default_rng(3).standard_t(3, size=400))
    top = window_top_readable(values, 0.1, np.array([0.01]), 2)
    largest = np.sort(values)[-41:]
    shape, scale = gpd_pwm(largest[1:] - largest[0])
    ratio = top[MEAN_EXCESS] / (top[MEAN_EXCESS] - 2.0 * top[WEIGHTED_EXCESS])
    assert 2.0 - ratio == pytest.approx(float(shape), rel=1e-10)
    assert top[MEAN_EXCESS] * (1.0 - float(shape)) == pytest.approx(float(scale), rel=1e-10)


def test_a_value_enters_when_known_and_leaves_with_its_row() -> None:
    """A crash would be in the margin before it happened, or stay in it for ever."""
    values, known = np.array([1.0, 50.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]), np.array([1, 4, 4, 4, 5, 6, 7, 8])
    ours = by_kernel(values, known, np.arange(8), 4, 1.0, np.array([0.5]), 1)
    largest = ours[:, FIRST_LEVEL + 1]
    assert ours[:, COUNT].tolist() == [0, 1, 1, 1, 3, 3, 3, 3]
    assert [row for row in range(8) if largest[row] > 1.0] == [4]
