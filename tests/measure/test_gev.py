"""Block maxima: known laws recovered, no diverging shape, and a probability per block never taken for one per day."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.measure.gev import SHAPE_HIGH, SHAPE_LOW, GevBlockMaxima, block_maxima, gev_lmoments

seeds = st.integers(0, 2**32 - 1)
method_names: list[Literal["lmoments", "penalised"]] = ["lmoments", "penalised"]
methods = st.sampled_from(method_names)


def losses_of(seed: int, n_days: int = 70 * 21) -> FloatArray:
    """Student t(3), the tail of many coins."""
    return 0.03 * np.random.default_rng(seed).standard_t(3, n_days)


@pytest.mark.parametrize("method", method_names)
@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.25])
def test_a_known_law_is_recovered(method: Literal["lmoments", "penalised"], shape: float) -> None:
    """The margin would come from another law than that of the losses."""
    maxima = stats.genextreme.rvs(-shape, loc=0.05, scale=0.02, size=20_000, random_state=np.random.default_rng(1))
    fit = GevBlockMaxima(days_per_block=1, method=method, prior_sd=10.0).fit(maxima)
    assert float(fit.shape_) == pytest.approx(shape, abs=0.02)
    assert float(fit.location_) == pytest.approx(0.05, rel=0.02)
    assert float(fit.scale_) == pytest.approx(0.02, rel=0.03)
    expected = stats.genextreme.isf(0.01, -float(fit.shape_), loc=float(fit.location_), scale=float(fit.scale_))
    assert float(fit.quantile_per_block(0.01)) == pytest.approx(expected)


def test_lmoments_give_back_the_law_they_came_from() -> None:
    """Location and scale would not belong to the shape; at the bounds, where it is cut, most of all."""
    for shape in (-0.6, -0.3, 1e-9, 0.2, 0.4, 0.7):
        grid = stats.genextreme.ppf((np.arange(200_000) + 0.5) / 200_000, -shape, loc=2.0, scale=3.0)
        location, scale, fitted = gev_lmoments(grid)
        assert fitted == pytest.approx(np.clip(shape, SHAPE_LOW, SHAPE_HIGH), abs=3e-3)
        if SHAPE_LOW < shape < SHAPE_HIGH:
            assert (location, scale) == pytest.approx((2.0, 3.0), rel=5e-3)
        mean = stats.genextreme.mean(-fitted, loc=location, scale=scale)
        assert mean == pytest.approx(grid.mean(), rel=1e-6)


@pytest.mark.parametrize("method", method_names)
def test_no_shape_diverges_on_seventy_blocks_of_heavy_tails(method: Literal["lmoments", "penalised"]) -> None:
    """One month would set a margin of 200 %, as plain likelihood does on such samples."""
    fit = GevBlockMaxima(method=method).fit(np.stack([losses_of(seed) for seed in range(200)], axis=1))
    assert ((fit.shape_ >= SHAPE_LOW) & (fit.shape_ <= SHAPE_HIGH)).all()
    assert (fit.scale_ > 0).all()
    truth = 0.03 * stats.t.isf(-np.expm1(np.log1p(-0.01) / 21), 3)  # of the largest of 21
    ratio = fit.quantile_per_block(0.01) / truth
    assert 0.8 < np.median(ratio) < 1.25
    assert ratio.max() < 2.5


@given(seed=seeds, method=methods, p=st.floats(1e-4, 0.5))
@settings(max_examples=25, deadline=None)
def test_units_convert_and_invert(seed: int, method: Literal["lmoments", "penalised"], p: float) -> None:
    """A margin for one block in a hundred would be published as one for one day in a hundred."""
    fit = GevBlockMaxima(method=method).fit(losses_of(seed))
    per_block = -np.expm1(21 * np.log1p(-p))
    np.testing.assert_allclose(fit.quantile_per_day(p), fit.quantile_per_block(per_block), rtol=1e-9)
    np.testing.assert_allclose(fit.exceedance_per_day(fit.quantile_per_day(p)), p, rtol=1e-8)
    np.testing.assert_allclose(fit.exceedance_per_block(fit.quantile_per_block(p)), p, rtol=1e-8)
    assert fit.quantile_per_block(p) > fit.quantile_per_day(p)


def test_per_day_quantile_is_near_the_true_one() -> None:
    """The per-day reading would be consistent in its formulas and wrong about days."""
    losses = np.stack([losses_of(seed, 21 * 150) for seed in range(60)], axis=1)
    ratio = GevBlockMaxima().fit(losses).quantile_per_day(0.005) / (0.03 * stats.t.isf(0.005, 3))
    assert 0.93 < np.median(ratio) < 1.07


@given(seed=seeds, method=methods, p=st.floats(1e-4, 0.5), q=st.floats(1e-4, 0.5), factor=st.floats(1e-2, 1e2))
@settings(max_examples=25, deadline=None)
def test_rarer_means_larger_and_unit_passes_through(seed: int, method: Literal["lmoments", "penalised"], p: float,
                                                    q: float, factor: float) -> None:
    """A stricter appetite would ask for less, or percent give another leverage than fractions."""
    losses = losses_of(seed)
    fit, scaled = GevBlockMaxima(method=method).fit(losses), GevBlockMaxima(method=method).fit(factor * losses)
    rare, common = sorted((p, q))
    assert fit.quantile_per_day(rare) >= fit.quantile_per_day(common)
    np.testing.assert_allclose(scaled.quantile_per_day(p), factor * fit.quantile_per_day(p), rtol=1e-3, atol=1e-6)


def test_blocks_end_at_the_newest_day_and_gaps_do_not_count() -> None:
    """The newest crash would fall out of the sample, or a halted month count as a calm one."""
    losses = np.arange(11.0)[:, None]
    losses[2:4] = np.nan
    maxima = block_maxima(losses, 3)[:, 0]  # days 2-4, 5-7, 8-10
    assert np.isnan(maxima[0])
    assert maxima[1:].tolist() == [7.0, 10.0]


def test_too_few_blocks() -> None:
    """A law of extremes would be fitted to half a year, or a newcomer stop everyone else."""
    with pytest.raises(InsufficientDataError):
        GevBlockMaxima().fit(losses_of(1, 21 * 29))
    with pytest.raises(InsufficientDataError):
        GevBlockMaxima().fit(np.zeros(70 * 21))
    two = np.stack([losses_of(1), losses_of(2)], axis=1)
    two[: 50 * 21, 1] = np.nan
    fit = GevBlockMaxima().fit(two)
    assert np.isnan(fit.quantile_per_day(0.01)).tolist() == [False, True]
    np.testing.assert_array_equal(fit.shape_[0], GevBlockMaxima().fit(two[:, 0]).shape_)
    with pytest.raises(UsageError):
        fit.quantile_per_day(1.0)
