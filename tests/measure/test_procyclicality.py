"""How margin moves, and the three tools that steady it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import UsageError
from leverline.measure.procyclicality import (
    max_increase,
    peak_to_trough,
    with_buffer,
    with_floor,
    with_stress_weight,
)

seeds = st.integers(0, 2**32 - 1)


def margins_of(seed: int) -> FloatArray:
    """Margins of three columns wandering, some missing, one listed late, one never."""
    rng = np.random.default_rng(seed)
    margins = 0.1 * np.exp(np.cumsum(0.1 * rng.standard_normal((60, 3)), axis=0))
    margins[rng.random(margins.shape) < 0.1] = np.nan
    margins[:30, 1] = np.nan
    margins[:, 2] = np.nan
    return margins


def test_hand_worked_figures() -> None:
    """The procyclicality table would rank models by another number than the one it names."""
    margins = np.array([0.10, 0.11, 0.20, 0.15, 0.05, 0.12])
    assert peak_to_trough(margins) == pytest.approx(4.0)
    assert max_increase(margins, 1) == pytest.approx(0.12 / 0.05)
    assert max_increase(margins, 2) == pytest.approx(2.0)
    assert max_increase(margins, 5) == pytest.approx(1.2)


@given(seed=seeds, periods=st.integers(1, 70), factor=st.floats(1e-3, 1e3))
@settings(max_examples=50, deadline=None)
def test_measures_with_gaps_and_newcomers(seed: int, periods: int, factor: float) -> None:
    """A gap would count as a fall to nothing, or a level of margin as a rise."""
    margins = margins_of(seed)
    ratios = [[b / a for a, b in zip(c, c[periods:], strict=False) if np.isfinite(a * b)] for c in margins.T]
    expected = [max(r) if r else np.nan for r in ratios]
    np.testing.assert_allclose(max_increase(margins, periods), expected)
    np.testing.assert_allclose(max_increase(factor * margins, periods), expected)
    seen = peak_to_trough(margins)
    assert (seen[:2] >= 1.0).all()
    assert np.isnan(seen[2])
    if not np.isnan(expected[0]):
        assert max_increase(margins, periods)[0] <= seen[0] * (1 + 1e-12)


def test_margins_that_are_not_margins_are_refused() -> None:
    """A ratio to zero would be reported as a finite rise."""
    with pytest.raises(UsageError):
        peak_to_trough(np.array([0.1, 0.0]))
    with pytest.raises(UsageError):
        max_increase(np.array([0.1, -0.1]))


@given(seed=seeds, buffer=st.floats(0, 1), exhausted=st.floats(0.01, 1.0))
@settings(max_examples=50, deadline=None)
def test_buffer_steadies_and_never_undercuts(seed: int, buffer: float, exhausted: float) -> None:
    """The buffer would add to the calls of the crash it is there to soften, or undercut the model's own margin."""
    margins = margins_of(seed)
    raised = with_buffer(margins, buffer, exhausted_at=exhausted)
    seen = np.isfinite(margins)
    assert (raised[seen] >= margins[seen]).all()
    assert (raised[seen] <= margins[seen] * (1 + buffer)).all()
    assert (peak_to_trough(raised)[:2] <= peak_to_trough(margins)[:2] * (1 + 1e-12)).all()
    np.testing.assert_array_equal(raised[seen & (margins >= exhausted)], margins[seen & (margins >= exhausted)])


def test_buffer_is_whole_in_calm_and_gone_in_stress() -> None:
    """Art. 28(1)(a) asks for a quarter in calm times; the table would claim it and not hold it."""
    raised = with_buffer(np.array([0.08, 0.10, 0.11, 0.12, 0.20]), 0.25, exhausted_at=0.12)
    np.testing.assert_allclose(raised, [0.10, 0.12, 0.12, 0.12, 0.20])


@given(seed=seeds, weight=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_stress_weight_and_floor_steady(seed: int, weight: float) -> None:
    """A tool bought with extra margin would not deliver what it is bought for."""
    margins = margins_of(seed)
    stressed = np.full(3, np.nan)
    stressed[:2] = np.nanmax(margins[:, :2], axis=0)
    mixed = with_stress_weight(margins, stressed, weight)
    assert (peak_to_trough(mixed)[:2] <= peak_to_trough(margins)[:2] * (1 + 1e-12)).all()
    floored = with_floor(margins, np.array([0.1, np.nan, 0.1]))
    assert (floored[np.isfinite(margins[:, 0]), 0] >= 0.1).all()
    np.testing.assert_array_equal(floored[:, 1], margins[:, 1])
    assert np.isnan(floored[:, 2]).all()
