"""Spread, reach, density, slope and depth within a distance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.measure.book_shape import book_reach, book_shape, depth_within
from tests.measure.synthetic_books import drawn_books, even_book


def test_an_even_book_has_the_shape_it_was_built_with() -> None:
    """Density per basis point would be per tick, or a slope half or twice what a trade meets."""
    shape = book_shape(even_book(levels=50, step=1e-4, base=10.0, mid=100.0))
    assert shape.spread == pytest.approx(2e-4)
    np.testing.assert_allclose(shape.reach, [[50e-4, 50e-4]])
    np.testing.assert_allclose(shape.density, [[1000.0, 1000.0]])  # 10 units at 100 on every basis point
    np.testing.assert_allclose(shape.slope, [[1e-7, 1e-7]])  # a basis point per 1,000
    np.testing.assert_allclose(shape.visible, [[50_000.0, 50_000.0]])


def test_depth_beyond_the_last_level_is_unknown() -> None:
    """Fifty levels of a few basis points would be taken for all there is within one percent."""
    depth = depth_within(even_book(levels=50, step=1e-5), np.array([2e-4, 5e-4 - 1e-9, 0.01]))
    assert np.isfinite(depth[:, :, :2]).all()
    assert np.isnan(depth[:, :, 2]).all()
    np.testing.assert_allclose(depth[0, :, 0], 20 * 1000.0, rtol=0.06)  # twenty levels, give or take the edge


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_depth_rises_with_distance(seed: int) -> None:
    """A wider look would see less depth."""
    book = drawn_books(np.random.default_rng(seed), 6, 12, missing=0.3)
    distance = np.linspace(1e-4, 1e-2, 15)
    depth = depth_within(book, distance)
    both = np.isfinite(depth[:, :, 1:]) & np.isfinite(depth[:, :, :-1])
    assert (np.diff(depth, axis=2)[both] >= 0).all()
    np.testing.assert_array_equal(np.isfinite(depth), distance <= book_reach(book)[:, :, None])


@pytest.mark.shared_data
def test_real_books_reach_a_few_basis_points(shared_data: Path) -> None:
    """The warning against extrapolating fifty levels would rest on a misread unit."""
    from leverline.market.sources.level2 import read_level2

    for book in read_level2([shared_data / "l2_snapshots_binance_2024_08_08.parquet"]):
        median = np.median(book_reach(book), axis=0)
        assert (median > 1.5e-4).all()
        assert (median < 6e-4).all()
        assert np.isnan(depth_within(book, np.array([0.01]))).all()
