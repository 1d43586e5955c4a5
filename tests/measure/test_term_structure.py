"""Term structure: closed form against simulation, persistence behind noise, the clock of a day, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.measure.term_structure import (
    VolatilityTermStructure,
    daily_returns,
    intraday_shares,
    mean_reverting_variance,
    variance_persistence,
)
from leverline.model.appetite import SECONDS_PER_DAY

DAYS = tuple(d * SECONDS_PER_DAY for d in (1.0, 7.0, 30.0))


def log_variance_path(seed: int, n_days: int, phi: float, *, last: float | None = None) -> FloatArray:
    """Daily variance around 0.001 whose logarithm is an AR(1); the last thirty days at ``last`` times that if given."""
    rng = np.random.default_rng(seed)
    logs = np.zeros(n_days)
    for t in range(1, n_days):
        logs[t] = phi * logs[t - 1] + 0.25 * rng.standard_normal()
    if last is not None:
        logs[-30:] = np.log(last)
    return np.asarray(0.001 * np.exp(logs))


def hourly(variance: FloatArray, seed: int, shape: FloatArray | None = None) -> FloatArray:
    """Hourly returns (n_days * 24, 1) with these daily variances, spread over the day as ``shape`` (24,) says."""
    share = np.full(24, 1 / 24) if shape is None else shape
    shocks = np.random.default_rng(seed).standard_normal((variance.size, 24))
    return np.asarray((shocks * np.sqrt(variance[:, None] * share)).reshape(-1, 1))


def test_mean_reversion_is_the_sum_of_single_forecasts() -> None:
    """A month's margin after a crash would not be what the model says of each of its days."""
    horizons = np.array([1.0, 2.0, 30.0])
    out = mean_reverting_variance(np.array([0.004]), np.array([0.001]), np.array([0.9]), horizons)[:, 0]
    singles = 0.001 + 0.003 * 0.9 ** np.arange(30)
    np.testing.assert_allclose(out, [singles[:1].sum(), singles[:2].sum(), singles.sum()], rtol=1e-12)
    flat = mean_reverting_variance(np.array([0.004]), np.array([0.001]), np.array([1.0]), horizons)[:, 0]
    np.testing.assert_allclose(flat, 0.004 * horizons)  # no reversion is the square root of time


@pytest.mark.parametrize("phi", [0.8, 0.95])
def test_persistence_is_seen_through_measurement_noise(phi: float) -> None:
    """Noise in daily variances would pass for fast mean reversion, and stressed margins melt overnight."""
    truth = log_variance_path(1, 6000, phi)
    noisy = (truth * np.random.default_rng(2).chisquare(3, truth.size) / 3)[:, None]
    noisy[::17] = np.nan
    assert variance_persistence(noisy)[0] == pytest.approx(phi, abs=0.03)


def test_independent_variances_have_no_persistence() -> None:
    """Chance would be given a memory."""
    noise = np.random.default_rng(3).chisquare(3, (3000, 1))
    assert variance_persistence(noise)[0] == 0.0


def test_the_day_s_profile_is_found_and_a_crash_does_not_make_it() -> None:
    """One crash at noon would make noon the wild hour for ever."""
    shape = np.linspace(1.0, 3.0, 24)
    shape /= shape.sum()
    returns = hourly(log_variance_path(4, 2000, 0.9), 5, shape)
    returns[24 * 700 + 12] = -0.6
    found = intraday_shares(returns, 24)[:, 0]
    assert found.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(found, shape, rtol=0.2)
    assert np.corrcoef(found, shape)[0, 1] > 0.95


@pytest.mark.parametrize("method", ["har", "ewma", "garch"])
def test_after_a_storm_the_curve_falls_and_after_a_calm_it_rises(method: str) -> None:
    """The square root of time would be sold as a term structure."""
    for last, falls in ((8.0, True), (1 / 8, False)):
        returns = hourly(log_variance_path(6, 1500, 0.95, last=last), 7)
        model = VolatilityTermStructure(method=method).fit(returns, bars_per_day=24, horizon_s=DAYS)  # type: ignore[arg-type]
        ratio = model.structure_.ratio[:, 0]
        assert ratio[0] == pytest.approx(1.0)
        assert (ratio[2] < ratio[1] < 1.0) if falls else (ratio[2] > ratio[1] > 1.0)


@pytest.mark.parametrize("method", ["har", "ewma", "garch"])
def test_a_new_listing_is_empty_and_takes_nobody_with_it(method: str) -> None:
    """One coin listed last week would stop the term structure of all."""
    old = hourly(log_variance_path(10, 400, 0.9), 11)
    both = np.hstack([old, np.full_like(old, np.nan)])
    both[-24 * 7 + 5 :, 1] = 0.01
    horizons = (SECONDS_PER_DAY / 2, *DAYS)
    found, alone = (VolatilityTermStructure(method=method).fit(  # type: ignore[arg-type]
        returns, bars_per_day=24, horizon_s=horizons).structure_.sigma for returns in (both, old))
    np.testing.assert_allclose(found[:, 0], alone[:, 0], rtol=1e-4)  # a likelihood search ends near, not at
    assert np.isnan(found[:, 1]).all()
    unseen = VolatilityTermStructure(method=method)  # type: ignore[arg-type]
    unseen.fit(np.hstack([old, np.full_like(old, np.nan)]), bars_per_day=24, horizon_s=horizons)
    assert np.isnan(unseen.structure_.sigma[:, 1]).all()


def test_hours_follow_the_clock_and_stay_below_the_day() -> None:
    """An eight-hour margin would ignore that the night is quiet."""
    shape = np.where(np.arange(24) < 8, 1.0, 3.0)
    shape /= shape.sum()
    returns = hourly(log_variance_path(8, 800, 0.9), 9, shape)
    horizons = (SECONDS_PER_DAY / 24, SECONDS_PER_DAY / 3, SECONDS_PER_DAY)
    found = VolatilityTermStructure().fit(returns, bars_per_day=24, horizon_s=horizons).structure_
    variance = found.sigma[:, 0] ** 2 / found.sigma[2, 0] ** 2
    np.testing.assert_allclose(variance, [shape[0], shape[:8].sum(), 1.0], rtol=0.15)
    assert found.basis == ("har, split by the clock", "har, split by the clock", "har")
    assert found.annualised()[2, 0] == pytest.approx(found.sigma[2, 0] * np.sqrt(365))


def test_what_bars_cannot_show_is_refused() -> None:
    """A one-hour volatility would be invented from daily bars."""
    returns = 0.02 * np.random.default_rng(1).standard_normal((400, 1))
    with pytest.raises(InsufficientDataError):
        VolatilityTermStructure().fit(returns, bars_per_day=1, horizon_s=(3600.0,))
    with pytest.raises(UsageError):
        VolatilityTermStructure().fit(returns, bars_per_day=1, horizon_s=(31 * SECONDS_PER_DAY,))
    with pytest.raises(UsageError):
        VolatilityTermStructure().fit(returns, bars_per_day=1, horizon_s=(1.5 * SECONDS_PER_DAY,))
    with pytest.raises(InsufficientDataError):
        intraday_shares(np.full((48, 1), np.nan), 24)


def test_daily_returns_are_the_day_s_sum() -> None:
    """A day that was not traded would be a day without movement."""
    returns = np.array([0.1, 0.2, np.nan, np.nan, -0.1, np.nan, 0.5])[:, None]
    np.testing.assert_allclose(daily_returns(returns, 2)[:, 0], [0.3, np.nan, -0.1])
