"""Impact, liquidation time and stressed volume."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.errors import UsageError
from leverline.measure.impact import (
    liquidation_time_s,
    notional_within_slippage,
    notional_within_time,
    peak_impact,
    slippage_rate,
    stressed_volume,
)

amounts = st.floats(1.0, 1e10)


def test_hand_worked_figures() -> None:
    """Volume per day taken per hour, or percent for fraction, would move every tier by a factor."""
    kwargs = {"coefficient": 1.0, "sigma_per_day": 0.04, "volume_per_day": 1e9}
    assert peak_impact(1e7, **kwargs) == pytest.approx(0.004)  # 1 % of a day's volume: a tenth of sigma
    assert slippage_rate(1e7, **kwargs) == pytest.approx(0.004 * 2 / 3)
    assert liquidation_time_s(1e7, participation=0.1, volume_per_day=1e9) == pytest.approx(8640.0)


def test_slippage_is_the_average_along_the_way() -> None:
    """The cost would be that of trading all at the last price."""
    kwargs = {"coefficient": 0.8, "sigma_per_day": 0.05, "volume_per_day": 1e8}
    path = peak_impact((np.arange(20_000) + 0.5) / 20_000 * 1e6, **kwargs)
    assert slippage_rate(1e6, **kwargs) == pytest.approx(path.mean(), rel=1e-5)


@given(a=amounts, b=amounts, volume=amounts, sigma=st.floats(0.001, 2.0))
def test_larger_costs_more_but_less_than_in_proportion(a: float, b: float, volume: float, sigma: float) -> None:
    """Splitting a position over two accounts would pay, or a whale would pay the rate of a shrimp."""
    small, large = sorted((a, b))
    kwargs = {"coefficient": 1.0, "sigma_per_day": sigma, "volume_per_day": volume}
    assert slippage_rate(small, **kwargs) <= slippage_rate(large, **kwargs)
    assert slippage_rate(large, **kwargs) / large <= slippage_rate(small, **kwargs) / small * (1 + 1e-12)


@given(budget=st.floats(1e-4, 0.5), volume=amounts, sigma=st.floats(0.001, 2.0), seconds=st.floats(1.0, 1e6))
def test_caps_are_the_inverse_of_cost_and_time(budget: float, volume: float, sigma: float, seconds: float) -> None:
    """A position at its cap would cost more, or take longer, than the venue accepts."""
    kwargs = {"coefficient": 1.2, "sigma_per_day": sigma, "volume_per_day": volume}
    assert slippage_rate(notional_within_slippage(budget, **kwargs), **kwargs) == pytest.approx(budget)
    most = notional_within_time(seconds, participation=0.2, volume_per_day=volume)
    assert liquidation_time_s(most, participation=0.2, volume_per_day=volume) == pytest.approx(seconds)


def test_unknown_volume_is_an_unknown_cost() -> None:
    """A market without volume would liquidate free of cost or in no time."""
    volume = np.array([np.nan, 0.0, -1.0, 1e6])
    cost = slippage_rate(1e3, coefficient=1.0, sigma_per_day=0.05, volume_per_day=volume)
    assert np.isnan(cost).tolist() == [True, True, True, False]
    assert np.isnan(liquidation_time_s(1e3, participation=0.1, volume_per_day=volume)).tolist() == [
        True, True, True, False]
    assert slippage_rate(0.0, coefficient=1.0, sigma_per_day=0.05, volume_per_day=1e6) == 0.0
    with pytest.raises(UsageError):
        slippage_rate(-1.0, coefficient=1.0, sigma_per_day=0.05, volume_per_day=1e6)


def test_stressed_volume_of_a_steady_market_is_its_volume() -> None:
    """Volume per bar would be taken for volume per day."""
    volume, price = np.full((48, 1), 10.0), np.full((48, 1), 100.0)
    for window in (1, 6, 24):
        assert stressed_volume(volume, price, 0.1, window, spacing_s=3600.0) == pytest.approx(24_000.0)


@given(seed=st.integers(0, 2**32 - 1), a=st.floats(0.01, 0.99), b=st.floats(0.01, 0.99),
       factor=st.floats(1e-6, 1e6), window=st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_stress_is_monotone_scales_and_stays_in_range(seed: int, a: float, b: float, factor: float,
                                                      window: int) -> None:
    """A more cautious quantile would count upon more volume; a re-denominated coin would change its tiers."""
    rng = np.random.default_rng(seed)
    volume, price = rng.lognormal(0, 2, (100, 3)), rng.lognormal(0, 1, (100, 3))
    volume[rng.random(volume.shape) < 0.2] = np.nan
    low, high = (stressed_volume(volume, price, q, window, spacing_s=3600.0) for q in sorted((a, b)))
    assert (low <= high).all()
    assert (low > 0).all()
    np.testing.assert_allclose(stressed_volume(volume * factor, price / factor, min(a, b), window, spacing_s=3600.0),
                               low, rtol=1e-9)


def test_halts_gaps_and_dead_symbols() -> None:
    """A frozen feed would set depth to zero and close the market; a dead coin would be given someone else's depth."""
    volume, price = np.full((100, 4), 5.0), np.ones((100, 4))
    volume[20:60, 1] = 0.0  # a frozen feed
    volume[:, 2] = np.nan
    volume[::2, 3] = 0.0  # trades in every other bar only: half as deep, not masked
    depth = stressed_volume(volume, price, 0.25, 4, spacing_s=86_400.0)
    assert depth[0] == pytest.approx(5.0)
    assert depth[1] == pytest.approx(5.0)
    assert np.isnan(depth[2])
    assert depth[3] == pytest.approx(2.5)
    assert np.isnan(stressed_volume(volume[:3], price[:3], 0.25, 4, spacing_s=86_400.0)).all()


def test_bars_not_seen_are_not_relied_upon() -> None:
    """Missing bars would be scaled up into depth that nobody saw."""
    volume, price = np.full((40, 1), 8.0), np.ones((40, 1))
    volume[::4] = np.nan
    assert stressed_volume(volume, price, 0.5, 4, spacing_s=86_400.0) == pytest.approx(6.0)
