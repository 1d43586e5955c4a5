"""One curve from book, bands and square root."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from leverline.ground.errors import UsageError
from leverline.measure.cost_curve import (
    CostCurve,
    band_costs,
    curve_from_costs,
    extend_with_bands,
    root_rate,
    square_root_curve,
)
from leverline.measure.impact import slippage_rate
from leverline.measure.liquidity import visible_notional, walk_costs
from tests.measure.synthetic_books import drawn_books

DISTANCE = np.array([0.01, 0.02, 0.03])


def _drawn_curve(rng: np.random.Generator) -> CostCurve:
    book = drawn_books(rng, 1, 20)
    sizes = np.geomspace(0.001, 0.999, 12) * visible_notional(book)[0, 0]
    curve = curve_from_costs(sizes, walk_costs(book, sizes).rate[0, 0], float(rng.uniform(1e-8, 1e-3)))
    return extend_with_bands(curve, DISTANCE, np.cumsum(rng.lognormal(8.0, 1.5, 3)))


def test_volume_alone_is_the_square_root_law() -> None:
    """The same market would be charged two slippages, depending on which door its volume came through."""
    curve = square_root_curve(root_rate(0.9, 0.04, 1e9))
    sizes = np.array([1.0, 1e3, 1e6, 1e8])
    expected = slippage_rate(sizes, coefficient=0.9, sigma_per_day=0.04, volume_per_day=1e9)
    np.testing.assert_allclose(curve.cost_rate(sizes), expected)
    assert set(curve.parts(sizes)) == {"volume"}


def test_the_book_part_is_the_walked_cost() -> None:
    """Inside the visible book the curve would say something else than the book."""
    book = drawn_books(np.random.default_rng(5), 1, 20)
    sizes = np.geomspace(0.01, 0.99, 9) * visible_notional(book)[0, 1]
    rate = walk_costs(book, sizes).rate[0, 1]
    curve = curve_from_costs(sizes, rate, float("nan"))
    np.testing.assert_allclose(curve.cost_rate(sizes), rate, rtol=1e-9)
    assert set(curve.parts(sizes)) == {"book"}


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_parts_join_without_a_step_and_cost_never_falls(seed: int) -> None:
    """A position just beyond the visible book would be cheaper, or suddenly dearer, than one just inside it."""
    curve = _drawn_curve(np.random.default_rng(seed))
    sizes = np.sort(np.concatenate([np.geomspace(1e-3, 1e3, 300) * curve.notional[-1], curve.notional[1:]]))
    rate = curve.cost_rate(sizes)
    assert (np.diff(rate) >= -1e-12 * rate[1:]).all()
    for joint in curve.notional[1:]:
        below, above = curve.cost_rate(joint * np.array([1 - 1e-9, 1 + 1e-9]))
        assert above == pytest.approx(below, rel=1e-6)


@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(0.01, 100.0), budget=st.floats(1e-4, 0.2))
@settings(max_examples=60, deadline=None)
def test_depth_scales_sizes_and_budgets_invert_costs(seed: int, factor: float, budget: float) -> None:
    """Half the depth would not halve what fits a budget, or a cap would cost more than its budget."""
    curve = _drawn_curve(np.random.default_rng(seed))
    sizes = np.geomspace(0.01, 100.0, 20) * curve.notional[-1]
    np.testing.assert_allclose(curve.scaled(factor).cost_rate(sizes * factor), curve.cost_rate(sizes), rtol=1e-9)
    most = curve.notional_within(budget)
    assume(most > 0.0)
    assert curve.cost_rate(most)[0] <= budget * (1 + 1e-9)
    assert curve.cost_rate(most * 1.001)[0] >= budget * (1 - 1e-9)
    assert curve.scaled(factor).notional_within(budget) == pytest.approx(factor * most, rel=1e-5)


def test_without_a_tail_nothing_is_known_beyond_the_last_knot() -> None:
    """A visible book of two basis points would be drawn out into a one-percent move."""
    curve = curve_from_costs(np.array([10.0, 20.0]), np.array([1e-4, 2e-4]), float("nan"))
    np.testing.assert_array_equal(np.isnan(curve.cost_rate(np.array([5.0, 20.0, 20.1]))), [False, False, True])
    assert curve.notional_within(0.5) == 20.0


def test_bands_that_say_nothing_new_are_left_out() -> None:
    """A thinner, older band would make depth vanish that the book shows, or the marginal price go backwards."""
    book = curve_from_costs(np.array([100.0, 1000.0]), np.array([1e-4, 2e-4]), 1e-6)
    same = extend_with_bands(book, np.array([0.01, 0.02]), np.array([500.0, 900.0]))
    np.testing.assert_array_equal(same.notional, book.notional)
    longer = extend_with_bands(book, np.array([0.01, 0.02, 0.03]), np.array([500.0, np.nan, 5000.0]))
    assert longer.notional[-1] == 5000.0
    assert longer.marginal == pytest.approx(0.03)
    assert longer.parts(np.array([50.0, 999.0, 2000.0, 5001.0])) == ("book", "book", "bands", "volume")


def test_hand_worked_bands() -> None:
    """Bounds would not hold what they bound, or a band be charged at the wrong edge."""
    costs = band_costs(np.array([0.01, 0.02]), np.array([100.0, 300.0]), np.array([50.0, 100.0, 200.0, 301.0]))
    np.testing.assert_allclose(costs.lower, [0.0, 0.0, 0.005, np.nan])
    np.testing.assert_allclose(costs.upper, [0.01, 0.01, 0.015, np.nan])
    # evenly: to 0.5 % for half of the first band; all of it at 0.5 % on average; and half of the second at 1.25 %
    np.testing.assert_allclose(costs.uniform, [0.0025, 0.005, (100 * 0.005 + 100 * 0.0125) / 200, np.nan])


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_interpolation_lies_within_its_bounds(seed: int) -> None:
    """The stated bounds on the cost from bands would be no bounds."""
    rng = np.random.default_rng(seed)
    depth = np.cumsum(rng.lognormal(5.0, 2.0, 3) * (rng.random(3) > 0.2))
    assume(depth[-1] > 0)
    sizes = np.geomspace(1e-3, 1.0, 25) * depth[-1]
    costs = band_costs(DISTANCE, depth, sizes)
    assert (costs.lower <= costs.uniform + 1e-15).all()
    assert (costs.uniform <= costs.upper + 1e-15).all()
    from_curve = extend_with_bands(square_root_curve(float("nan")), DISTANCE, depth).cost_rate(sizes)
    if (np.diff(depth, prepend=0.0) > 0).all():  # the curve merges an empty band with the next, and is dearer there
        assert (from_curve >= costs.uniform - 1e-12).all()
        assert (from_curve <= costs.uniform + 0.01 / 128 + 1e-12).all()


def test_falling_depth_is_refused() -> None:
    """Bands that hold less further out, a broken feed, would be priced."""
    with pytest.raises(UsageError):
        band_costs(np.array([0.01, 0.02]), np.array([100.0, 90.0]), np.array([10.0]))
