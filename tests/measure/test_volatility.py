"""EWMA and HAR volatility: right in numbers, blind to the future, right with gaps and newcomers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import UsageError
from leverline.measure._volatility_kernels import ewma_variance_readable
from leverline.measure.volatility import (
    EwmaVolatility,
    HarVolatility,
    ewma_variance,
    half_life_decay,
    parkinson_variance,
    qlike,
    realised_variance,
)

seeds = st.integers(0, 2**32 - 1)


def ragged_returns(seed: int, n_bars: int = 80, n_assets: int = 3) -> FloatArray:
    """Heavy-tailed returns with a tenth missing and listings at random bars."""
    rng = np.random.default_rng(seed)
    returns = 0.02 * rng.standard_t(3, (n_bars, n_assets))
    returns[rng.random(returns.shape) < 0.1] = np.nan
    for j, listed in enumerate(rng.integers(0, n_bars // 2, n_assets)):
        returns[:listed, j] = np.nan
    return returns


@given(seed=seeds, decay=st.floats(0.5, 0.999), warmup=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_kernel_computes_the_published_recursion(seed: int, decay: float, warmup: int) -> None:
    """Every margin on the platform would rest on a recursion that is not the one its documentation names."""
    returns = ragged_returns(seed)
    np.testing.assert_allclose(
        ewma_variance(returns, decay, warmup), ewma_variance_readable(returns, decay, warmup), rtol=1e-9)


def test_hand_worked_figures() -> None:
    """An error common to kernel and twin would pass their comparison."""
    returns = np.array([[0.1], [0.3], [np.nan], [0.2]])
    sigma = EwmaVolatility(decay=0.9, warmup=2).fit(returns).sigma_[:, 0]
    assert np.isnan(sigma[:2]).all()
    np.testing.assert_allclose(sigma[2:] ** 2, [0.05, 0.05, 0.9 * 0.05 + 0.1 * 0.04], rtol=1e-12)


@given(seed=seeds, cut=st.integers(0, 79))
@settings(max_examples=40, deadline=None)
def test_volatility_does_not_know_the_future(seed: int, cut: int) -> None:
    """A backtest would look better than any venue could do live."""
    returns = ragged_returns(seed)
    changed = returns.copy()
    changed[cut:] = 7.0
    before = ewma_variance(returns, 0.97, 10)[: cut + 1]
    np.testing.assert_array_equal(before, ewma_variance(changed, 0.97, 10)[: cut + 1])


@given(seed=seeds, factor=st.floats(1e-3, 1e3))
@settings(max_examples=30, deadline=None)
def test_volatility_scales_with_returns(seed: int, factor: float) -> None:
    """Percent and fraction input would give different leverage."""
    returns = ragged_returns(seed)
    np.testing.assert_allclose(
        ewma_variance(factor * returns, 0.9, 5), factor**2 * ewma_variance(returns, 0.9, 5), rtol=1e-9)


@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_a_gap_and_a_late_listing_leave_the_state_alone(seed: int) -> None:
    """A halted or newly listed coin would look calmer than it is and be given too much leverage."""
    returns = ragged_returns(seed, n_assets=1)
    seen = returns[np.isfinite(returns[:, 0])]
    full, dense = ewma_variance(returns, 0.95, 8)[:, 0], ewma_variance(seen, 0.95, 8)[:, 0]
    count = np.concatenate([[0], np.cumsum(np.isfinite(returns[:, 0]))])
    np.testing.assert_array_equal(full, dense[count])


def test_half_life_decay_halves_weight() -> None:
    """A half-life asked for in a policy would be another one in force."""
    assert half_life_decay(69.0) ** 69 == pytest.approx(0.5)


@pytest.mark.parametrize("bad", [{"decay": 1.0}, {"decay": 0.0}, {"warmup": 0}])
def test_meaningless_settings_are_refused(bad: dict[str, float]) -> None:
    """A typing error in a setting would silently produce a margin."""
    with pytest.raises(UsageError):
        EwmaVolatility(**bad).fit(np.zeros((5, 1)))  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        EwmaVolatility().fit(np.array([[np.inf]]))


def test_settings_can_be_read_back() -> None:
    """Provenance would not say which decay made the book."""
    assert EwmaVolatility(decay=0.97).get_params() == {"decay": 0.97, "warmup": 30}


def test_variance_proxies_recover_the_variance_of_a_diffusion() -> None:
    """HAR would be fitted on the wrong quantity and margins scaled by a constant factor."""
    rng = np.random.default_rng(7)
    steps = 0.04 / np.sqrt(2000) * rng.standard_normal((400, 2000))
    paths = np.exp(np.concatenate([np.zeros((400, 1)), np.cumsum(steps, axis=1)], axis=1))
    assert realised_variance(steps.reshape(-1, 1), 2000).mean() == pytest.approx(0.0016, rel=0.01)
    # the range of a path seen at 2,000 points is a little short of that of the continuous one
    assert parkinson_variance(paths.max(1), paths.min(1)).mean() == pytest.approx(0.0016, rel=0.1)


def test_a_day_mostly_missing_has_no_variance() -> None:
    """An exchange outage would enter the regression as the calmest day ever."""
    returns = np.full((8, 1), 0.01)
    returns[1:4] = np.nan
    assert np.isnan(realised_variance(returns, 4)[0, 0])
    assert realised_variance(returns, 4)[1, 0] == pytest.approx(4e-4)


@given(truth=st.floats(1e-6, 1.0), factor=st.floats(0.05, 20.0).filter(lambda f: abs(f - 1) > 1e-3))
def test_qlike_is_least_at_the_truth(truth: float, factor: float) -> None:
    """Model choice would prefer a biased volatility."""
    at = np.array([truth, factor * truth])
    losses = qlike(at, np.full(2, truth))
    assert losses[0] < losses[1]


def stochastic_variance(seed: int, n_days: int, n_assets: int = 2) -> tuple[FloatArray, FloatArray]:
    """True daily variance following a log AR(1), and a noisy realised one."""
    rng = np.random.default_rng(seed)
    log_variance = np.zeros((n_days, n_assets))
    for t in range(1, n_days):
        log_variance[t] = 0.96 * log_variance[t - 1] + 0.25 * rng.standard_normal(n_assets)
    truth = 0.001 * np.exp(log_variance)
    return truth, truth * rng.chisquare(24, truth.shape) / 24


def test_har_beats_ewma_where_variance_is_persistent() -> None:
    """The regression would be decoration: no better than the one-line filter it costs so much more than."""
    truth, realised = stochastic_variance(3, 1500)
    har = HarVolatility(refit_every=30).fit(realised).sigma_[:-1] ** 2
    rng = np.random.default_rng(4)
    ewma = ewma_variance(np.sqrt(truth) * rng.standard_normal(truth.shape), 0.94, 30)[:-1]
    scored = slice(200, None)
    assert qlike(har[scored], realised[scored]).mean() < qlike(ewma[scored], realised[scored]).mean() - 0.05


def test_har_forecast_has_no_mean_bias() -> None:
    """Volatility would be low by the logarithm's Jensen gap, on every day."""
    _, realised = stochastic_variance(5, 2500)
    forecast = HarVolatility(refit_every=30).fit(realised).sigma_[:-1] ** 2
    assert (realised[200:] / forecast[200:]).mean() == pytest.approx(1.0, abs=0.05)


@given(seed=seeds, cut=st.integers(60, 140), window=st.sampled_from([None, 80]))
@settings(max_examples=10, deadline=None)
def test_har_does_not_know_the_future(seed: int, cut: int, window: int | None) -> None:
    """A backtest would look better than any venue could do live."""
    _, realised = stochastic_variance(seed, 150, 1)
    changed = realised.copy()
    changed[cut:] *= 1e4
    har = HarVolatility(minimum=60, window=window)
    np.testing.assert_array_equal(har.fit(realised).sigma_[: cut + 1], har.fit(changed).sigma_[: cut + 1])


@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_har_is_positive_and_bounded_on_squared_returns_with_zeros_and_gaps(seed: int) -> None:
    """A day without trades would give a negative, zero or absurd volatility the day after."""
    squared = ragged_returns(seed, 200, 2) ** 2
    squared[150:153] = 0.0
    sigma = HarVolatility(minimum=60).fit(squared).sigma_
    known = sigma[np.isfinite(sigma)]
    assert known.size > 0
    assert (known > 0).all()
    assert known.max() <= np.sqrt(np.nanmax(squared)) * (1 + 1e-9)


def test_har_skips_gaps() -> None:
    """After a halt the model would see a calm week that nobody traded."""
    _, realised = stochastic_variance(9, 150, 1)
    gapped = np.concatenate([realised[:120], np.full((10, 1), np.nan), realised[120:]])
    har = HarVolatility(minimum=60, refit_every=1)
    dense, sparse = har.fit(realised).sigma_, har.fit(gapped).sigma_
    np.testing.assert_array_equal(sparse[120:131], np.full((11, 1), dense[120, 0]))
    np.testing.assert_array_equal(sparse[131:], dense[121:])


@given(seed=seeds, cut=st.integers(75, 145), horizon=st.sampled_from([2, 7]))
@settings(max_examples=10, deadline=None)
def test_har_of_a_week_does_not_know_the_week(seed: int, cut: int, horizon: int) -> None:
    """A fit would use a target whose last days had not happened yet."""
    _, realised = stochastic_variance(seed, 150, 1)
    changed = realised.copy()
    changed[cut:] *= 1e4
    har = HarVolatility(minimum=70, refit_every=1, horizon=horizon)
    np.testing.assert_array_equal(har.fit(realised).sigma_[: cut + 1], har.fit(changed).sigma_[: cut + 1])


def test_har_of_a_week_is_right_on_average_and_better_than_holding_today_s_forecast() -> None:
    """The term structure would be the square root of time under another name."""
    _, realised = stochastic_variance(6, 2500)
    week = np.lib.stride_tricks.sliding_window_view(realised, 7, axis=0).mean(axis=-1)
    direct = HarVolatility(refit_every=30, horizon=7).fit(realised).sigma_[: len(week)] ** 2
    held = HarVolatility(refit_every=30).fit(realised).sigma_[: len(week)] ** 2
    assert (week[200:] / direct[200:]).mean() == pytest.approx(1.0, abs=0.05)
    assert qlike(direct[200:], week[200:]).mean() < qlike(held[200:], week[200:]).mean()


@pytest.mark.shared_data
def test_har_beats_ewma_on_bitcoin(shared_data: Path) -> None:
    """On the one market everybody knows the model would be worse than the filter it is offered against."""
    import polars as pl

    hourly = pl.read_parquet(shared_data / "hourly_btc_spot_binance_2017.parquet").sort("ts")
    grid = hourly.select(pl.datetime_range(pl.col("ts").min().dt.truncate("1d"), pl.col("ts").max(), "1h").alias("ts"))
    close = grid.join(hourly, on="ts", how="left")["close"].to_numpy()
    returns = np.diff(np.log(close), prepend=np.nan)[:, None]
    realised = realised_variance(returns, 24)
    daily = np.log(close[23::24])
    har = HarVolatility(refit_every=30).fit(realised).sigma_[:-1] ** 2
    ewma = ewma_variance(np.diff(daily, prepend=np.nan)[:, None], 0.94, 30)[: len(realised)]
    both = np.isfinite(har) & np.isfinite(ewma) & np.isfinite(realised)
    both[:365] = False
    scale = realised[both].mean() / ewma[both].mean()  # the filter sees close-to-close, give it the proxy's level
    assert qlike(har[both], realised[both]).mean() < qlike(scale * ewma[both], realised[both]).mean()
