"""Range volatility: unbiased on simulated diffusions, precise as published, blind to the future, right with gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import UsageError
from leverline.measure.discounted import discounted_mean, recalibrated_variance
from leverline.measure.range_volatility import (
    RangeEstimator,
    RangeVolatility,
    bar_variance,
    mean_range_variance,
    previous_close,
    yang_zhang_variance,
)

ESTIMATORS: tuple[RangeEstimator, ...] = ("parkinson", "garman-klass", "rogers-satchell")
Prices = tuple[FloatArray, FloatArray, FloatArray, FloatArray]
seeds = st.integers(0, 2**32 - 1)


def bars(seed: int, n_bars: int, *, steps: int = 1000, sigma: float = 0.04, drift: float = 0.0,
         jump: float = 0.0) -> Prices:
    """Open, high, low, close (n_bars, 1) of a diffusion that opens away from the last close by ``jump`` sd."""
    rng = np.random.default_rng(seed)
    inside = drift / steps + sigma / np.sqrt(steps) * rng.standard_normal((n_bars, steps))
    path = np.concatenate([np.zeros((n_bars, 1)), np.cumsum(inside, axis=1)], axis=1)
    gaps = jump * rng.standard_normal(n_bars)
    path += (np.cumsum(gaps) + np.concatenate([[0.0], np.cumsum(path[:-1, -1])]))[:, None]
    columns = (path[:, 0], path.max(1), path.min(1), path[:, -1])
    o, h, low, c = (np.exp(column)[:, None] for column in columns)
    return o, h, low, c


def ragged(seed: int, n_bars: int = 80) -> Prices:
    """Bars of which a tenth is missing and the first ten are before listing."""
    prices = bars(seed, n_bars, steps=20)
    gone = np.random.default_rng(seed).random(n_bars) < 0.1
    gone[:10] = True
    for price in prices:
        price[gone] = np.nan
    return prices


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_diffusion_s_variance_is_recovered(estimator: RangeEstimator) -> None:
    """Every margin drawn from ranges would be off by a constant factor."""
    variance = bar_variance(*bars(1, 3000), estimator)
    # seen at 1,000 moments a range is about 4 % short in variance
    assert variance.mean() / 0.04**2 == pytest.approx(0.96, abs=0.03)


@pytest.mark.parametrize(("estimator", "efficiency"), [("parkinson", 4.9), ("garman-klass", 7.4),
                                                       ("rogers-satchell", 6.0)])
def test_precision_is_the_published_one(estimator: RangeEstimator, efficiency: float) -> None:
    """The extra columns would be asked of the user for nothing."""
    o, h, low, c = bars(2, 6000)
    spread = (bar_variance(o, h, low, c, estimator) / 0.04**2).std()
    assert ((np.log(c / o) / 0.04) ** 2).std() ** 2 / spread**2 == pytest.approx(efficiency, rel=0.15)


def test_only_rogers_satchell_and_yang_zhang_bear_a_drift() -> None:
    """A trend would be taken for volatility, and leverage cut in every rally."""
    prices = bars(3, 2000, drift=0.08)
    assert bar_variance(*prices, "rogers-satchell").mean() / 0.04**2 == pytest.approx(0.96, abs=0.04)
    assert np.nanmean(yang_zhang_variance(*prices, 30)) / 0.04**2 == pytest.approx(0.96, abs=0.04)
    assert bar_variance(*prices, "parkinson").mean() / 0.04**2 > 1.5


def test_yang_zhang_counts_the_opening_jump() -> None:
    """Half the risk of a market that jumps between sessions would be invisible."""
    o, h, low, c = bars(4, 3000, steps=500, jump=0.03)
    estimate = np.nanmean(yang_zhang_variance(o, h, low, c, 30))
    assert estimate / (0.04**2 + 0.03**2) == pytest.approx(1.0, abs=0.06)
    inside = mean_range_variance(bar_variance(o, h, low, c, "rogers-satchell"), 30)
    assert np.nanmean(inside) / 0.04**2 == pytest.approx(0.92, abs=0.04)  # the range of a bar does not see it


def test_yang_zhang_by_hand() -> None:
    """A slip in a weight would pass every test that only looks at the average."""
    o, h = np.array([[100.0], [102.0], [99.0]]), np.array([[104.0], [103.0], [105.0]])
    low, c = np.array([[99.0], [97.0], [98.0]]), np.array([[101.0], [98.0], [104.0]])
    k = 0.34 / (1.34 + 3.0)
    jumps, bodies = np.log([102 / 101, 99 / 98]), np.log([98 / 102, 104 / 99])
    rs = [np.log(103 / 98) * np.log(103 / 102) + np.log(97 / 98) * np.log(97 / 102),
          np.log(105 / 104) * np.log(105 / 99) + np.log(98 / 104) * np.log(98 / 99)]
    expected = np.var(jumps, ddof=1) + k * np.var(bodies, ddof=1) + (1 - k) * np.mean(rs)
    out = yang_zhang_variance(o, h, low, c, 2)
    assert np.isnan(out[:3]).all()
    assert out[3, 0] == pytest.approx(expected, rel=1e-12)


def test_few_prints_a_bar_make_ranges_short() -> None:
    """The warning in the documentation, that levels need correction, would be a tale."""
    few = np.sqrt(bar_variance(*bars(5, 4000, steps=100), "parkinson").mean()) / 0.04
    assert 0.90 < few < 0.96


@given(seed=seeds, cut=st.integers(15, 79), estimator=st.sampled_from(ESTIMATORS))
@settings(max_examples=25, deadline=None)
def test_ranges_do_not_know_the_future(seed: int, cut: int, estimator: RangeEstimator) -> None:
    """A backtest would look better than any venue could do live."""
    _, h, low, c = ragged(seed)
    h2, low2, c2 = h.copy(), low.copy(), c.copy()
    h2[cut:], low2[cut:], c2[cut:] = 9.0, 3.0, 5.0
    fit = RangeVolatility(estimator=estimator, warmup=5)
    before = fit.fit(h, low, c).sigma_[: cut + 1]
    np.testing.assert_array_equal(before, fit.fit(h2, low2, c2).sigma_[: cut + 1])
    opened = previous_close(c)
    moved = previous_close(c2)
    np.testing.assert_array_equal(yang_zhang_variance(opened, h, low, c, 5)[: cut + 1],
                                  yang_zhang_variance(moved, h2, low2, c2, 5)[: cut + 1])
    np.testing.assert_array_equal(mean_range_variance(bar_variance(opened, h, low, c), 5)[: cut + 1],
                                  mean_range_variance(bar_variance(moved, h2, low2, c2), 5)[: cut + 1])


@given(seed=seeds, estimator=st.sampled_from(ESTIMATORS))
@settings(max_examples=25, deadline=None)
def test_a_gap_leaves_the_window_as_it_was_and_variances_are_never_negative(seed: int,
                                                                            estimator: RangeEstimator) -> None:
    """A halted coin would look calm, or have a variance of which no root exists."""
    _, h, low, c = ragged(seed)
    seen = np.isfinite(c[:, 0])
    dense = h[seen], low[seen], c[seen]
    variance = bar_variance(previous_close(dense[2]), *dense, estimator)
    assert (variance[1:] >= -1e-18).all()
    np.testing.assert_array_equal(bar_variance(previous_close(c), h, low, c, estimator)[seen], variance)
    count = np.concatenate([[0], np.cumsum(seen)])
    np.testing.assert_array_equal(RangeVolatility(estimator=estimator, warmup=5).fit(h, low, c).sigma_,
                                  RangeVolatility(estimator=estimator, warmup=5).fit(*dense).sigma_[count])


def test_a_move_across_a_gap_belongs_to_the_bar_after_it() -> None:
    """A coin that halved while trading was halted would show a quiet day."""
    c = np.array([[100.0], [np.nan], [50.0]])
    h, low = c * 1.01, c * 0.99
    variance = bar_variance(previous_close(c), h, low, c)
    assert np.isnan(variance[:2]).all()
    assert variance[2, 0] == pytest.approx(np.log(100 / 50.5) ** 2 + np.log(50.5 / 49.5) ** 2 / (4 * np.log(2)))
    assert bar_variance(previous_close(c), h, low, c, "rogers-satchell")[2, 0] > np.log(100 / 50.5) ** 2


def test_malformed_prices_and_names_are_refused() -> None:
    """A zero price would become an infinite volatility somewhere downstream."""
    o, h, low, c = bars(6, 10, steps=10)
    with pytest.raises(UsageError):
        bar_variance(o, h, 0.0 * low, c)
    with pytest.raises(UsageError):
        bar_variance(o, h, low, c, "close")  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        RangeVolatility().fit(h, low[:-1], c)
    with pytest.raises(UsageError):
        yang_zhang_variance(o, h, low, c, 1)


def test_discounted_mean_by_hand_with_a_gap_and_a_delay() -> None:
    """The score a forecast is chosen by would hold days that were not over."""
    values = np.array([4.0, np.nan, 1.0, 2.0])
    out = discounted_mean(values, 1.0)
    assert np.isnan(out[0])
    np.testing.assert_allclose(out[1:], [4.0, 4.0, (1.0 + 0.25 * 4.0) / 1.25, (2 + 0.5 + 0.125 * 4) / 1.625])
    late = discounted_mean(values, 1.0, delay=3)
    assert np.isnan(late[:3]).all()
    np.testing.assert_array_equal(late[3:], out[1:3])
    assert np.isnan(discounted_mean(values, 1.0, minimum=3)[:4]).all()


def test_recalibration_finds_the_level_and_only_from_the_past() -> None:
    """A forecast from ranges or options would be scored at a level nobody could have known."""
    rng = np.random.default_rng(8)
    realised = 0.001 * rng.chisquare(5, 800) / 5
    out = recalibrated_variance(np.full(801, 0.004), realised, 200.0)
    assert np.isnan(out[:60]).all()
    assert out[200:].mean() == pytest.approx(0.001, rel=0.05)
    realised[500:] = 1.0
    np.testing.assert_array_equal(recalibrated_variance(np.full(801, 0.004), realised, 200.0)[:501], out[:501])
