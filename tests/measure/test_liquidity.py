"""Walking the visible book."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.errors import UsageError
from leverline.market.books import BookSnapshots
from leverline.measure._walk_kernels import walk_side_readable
from leverline.measure.liquidity import marginal_price, mid_price, visible_notional, walk_costs
from tests.measure.synthetic_books import drawn_books


def test_hand_worked_walk() -> None:
    """A liquidation would be charged the best price for size that only worse levels hold."""
    book = BookSnapshots("X", np.array([1]), np.array([[99.0, 98.0]]), np.array([[1.0, 2.0]]),
                         np.array([[101.0, 104.0]]), np.array([[1.0, 1.0]]))
    walked = walk_costs(book, np.array([100.0, 200.0, 300.0, 301.0]))  # 1, 2, 3 and 3.01 units at mid 100
    np.testing.assert_allclose(walked.rate[0, 0], [0.01, (0.01 + 0.02) / 2, (0.01 + 0.02 + 0.02) / 3, np.nan])
    np.testing.assert_allclose(walked.rate[0, 1], [0.01, (0.01 + 0.04) / 2, np.nan, np.nan])
    np.testing.assert_allclose(marginal_price(book, walked)[0], [[99, 98, 98, np.nan], [101, 104, np.nan, np.nan]])
    np.testing.assert_allclose(visible_notional(book), [[300.0, 200.0]])
    np.testing.assert_allclose(walked.held_share, [[1, 1, 1, 0], [1, 1, 0, 0]])


@given(seed=st.integers(0, 2**32 - 1), levels=st.integers(1, 12), count=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_kernel_and_readable_twin_agree(seed: int, levels: int, count: int) -> None:
    """The fast path would charge other costs than the one that can be read, most likely at a book's end."""
    rng = np.random.default_rng(seed)
    book = drawn_books(rng, 7, levels, missing=0.5)
    sizes = rng.lognormal(5.0, 2.0, count)
    walked = walk_costs(book, sizes)
    for side, (price, size) in enumerate(((book.bid_price, book.bid_size), (book.ask_price, book.ask_size))):
        rate, level = walk_side_readable(price, size, mid_price(book), sizes)
        np.testing.assert_allclose(walked.rate[:, side], rate, rtol=1e-9, equal_nan=True)
        np.testing.assert_array_equal(walked.level[:, side], level)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_more_never_costs_less_and_never_beyond_what_is_seen(seed: int) -> None:
    """A whale would close cheaper than a shrimp, or in depth that nobody has seen."""
    rng = np.random.default_rng(seed)
    book = drawn_books(rng, 5, 10, missing=0.4)
    sizes = np.sort(rng.lognormal(5.0, 2.0, 30))
    walked = walk_costs(book, sizes)
    visible = visible_notional(book)
    held = np.isfinite(walked.rate)
    assert (np.diff(walked.rate, axis=2)[held[:, :, 1:]] >= -1e-15).all()
    clear = np.abs(sizes / visible[:, :, None] - 1.0) > 1e-9
    np.testing.assert_array_equal(held[clear], (sizes <= visible[:, :, None])[clear])
    marginal = np.abs(marginal_price(book, walked) / mid_price(book)[:, None, None] - 1.0)
    assert (walked.rate[held] <= marginal[held] * (1 + 1e-12)).all()  # the average is no worse than the last unit


def test_order_of_sizes_does_not_matter() -> None:
    """Costs would be given to the wrong sizes where they are not asked in rising order."""
    book = drawn_books(np.random.default_rng(3), 4, 10)
    sizes = np.array([300.0, 10.0, 900.0, 50.0])
    mixed, rising = walk_costs(book, sizes), walk_costs(book, np.sort(sizes))
    np.testing.assert_array_equal(mixed.rate[:, :, np.argsort(sizes)], rising.rate)
    np.testing.assert_array_equal(mixed.level[:, :, np.argsort(sizes)], rising.level)


def test_an_empty_side_has_no_cost() -> None:
    """A book without bids would liquidate a long for nothing."""
    nothing = np.full((1, 2), np.nan)
    book = BookSnapshots("X", np.array([1]), nothing, nothing, np.array([[101.0, 102.0]]), np.ones((1, 2)))
    assert np.isnan(walk_costs(book, np.array([1.0])).rate).all()


@pytest.mark.parametrize("sizes", [[0.0], [-1.0], [np.nan], [np.inf], []])
def test_sizes_that_cannot_be_meant_are_refused(sizes: list[float]) -> None:
    """A size of zero or infinity would come back as a cost."""
    with pytest.raises(UsageError):
        walk_costs(drawn_books(np.random.default_rng(0), 1, 3), np.array(sizes))
