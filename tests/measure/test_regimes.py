"""Regimes and stressed windows: by hand, blind to the future, with hysteresis, worst windows first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.measure.regimes import (
    VolatilityRegime,
    stressed_loss_quantile,
    stressed_rows_of,
    stressed_windows,
)

seeds = st.integers(0, 2**32 - 1)


def volatilities(seed: int, n: int = 200) -> FloatArray:
    """Log AR(1) volatility with a tenth missing."""
    rng = np.random.default_rng(seed)
    logs = np.zeros(n)
    for t in range(1, n):
        logs[t] = 0.9 * logs[t - 1] + 0.3 * rng.standard_normal()
    out = 0.03 * np.exp(logs)
    out[rng.random(n) < 0.1] = np.nan
    return np.asarray(out[:, None])


def test_states_by_hand() -> None:
    """Stress would begin or end a day late, or never end."""
    past = np.arange(1.0, 11.0)  # quantile 0.9 is 10, quantile 0.5 is 6
    sigma = np.concatenate([past, [10.0, 11.0, 8.0, np.nan, 5.0, 9.0]])[:, None]
    fit = VolatilityRegime(enter=0.9, leave=0.5, minimum=10).fit(sigma)
    assert not fit.known_[:10].any()
    assert fit.known_[10:].all()
    assert fit.stressed_[10:, 0].tolist() == [False, True, True, True, False, False]
    assert fit.share_[0] == 0.5
    assert fit.spell_bars_[0] == 3.0


@given(seed=seeds, cut=st.integers(60, 199))
@settings(max_examples=30, deadline=None)
def test_the_past_s_states_do_not_change_with_the_future(seed: int, cut: int) -> None:
    """A limit that was raised in stress would turn out never to have been."""
    sigma = volatilities(seed)
    changed = sigma.copy()
    changed[cut:] *= 30.0
    model = VolatilityRegime(minimum=50)
    before = model.fit(sigma).stressed_[:cut]
    np.testing.assert_array_equal(before, model.fit(changed).stressed_[:cut])


@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_hysteresis_means_fewer_changes(seed: int) -> None:
    """Margins would flip every bar at the threshold."""
    sigma = volatilities(seed)
    flips = [np.count_nonzero(np.diff(VolatilityRegime(enter=0.8, leave=leave, minimum=50).fit(sigma).stressed_[:, 0]))
             for leave in (0.8, 0.4)]
    assert flips[1] <= flips[0]


@given(seed=seeds, rule=st.sampled_from(["highest-volatility", "worst-fall", "worst-rise"]))
@settings(max_examples=30, deadline=None)
def test_windows_are_the_worst_and_do_not_overlap(seed: int, rule: str) -> None:
    """One crash would be counted five times, and the second worst forgotten."""
    rng = np.random.default_rng(seed)
    returns = 0.03 * rng.standard_t(3, 300)
    returns[rng.random(300) < 0.1] = np.nan
    found = stressed_windows(returns, 10, count=4, rule=rule)  # type: ignore[arg-type]
    severities = [w.severity for w in found]
    assert severities == sorted(severities, reverse=True)
    rows = stressed_rows_of(found, 300)
    assert rows.sum() == 10 * len(found)
    windows = np.lib.stride_tricks.sliding_window_view(returns, 10)
    worst = {"highest-volatility": np.sqrt(np.nanmean(windows**2, axis=1)), "worst-fall": -np.nansum(windows, axis=1),
             "worst-rise": np.nansum(windows, axis=1)}[rule]
    enough = np.isfinite(windows).sum(axis=1) >= 5
    assert severities[0] == pytest.approx(worst[enough].max())


def test_a_gain_is_no_stress_for_who_gains() -> None:
    """A history that only rose would be given five crashes."""
    assert stressed_windows(np.full(100, 0.01), 10, rule="worst-fall") == ()
    assert len(stressed_windows(np.full(100, 0.01), 10, rule="worst-rise")) == 5
    assert stressed_windows(np.full(5, 0.01), 10) == ()


def test_an_outage_is_not_the_worst_window() -> None:
    """Two returns in a month of silence would stand for a storm."""
    returns = 0.01 * np.ones(100)
    returns[50:60] = np.nan
    returns[55] = 0.5
    assert stressed_windows(returns, 10, count=1)[0].severity < 0.25


def test_the_stressed_quantile_is_of_stressed_rows_alone_and_does_not_extrapolate() -> None:
    """A stressed margin would be the calm one under a name, or invented."""
    losses = np.concatenate([np.full(900, 0.01), np.linspace(0.05, 0.15, 101)])
    stressed = np.arange(1001) >= 900
    quantile, low, high = stressed_loss_quantile(losses, stressed, 0.05)
    assert low < quantile < high
    assert quantile == pytest.approx(np.quantile(losses[900:], 0.95, method="weibull"))
    with pytest.raises(InsufficientDataError):
        stressed_loss_quantile(losses, stressed, 0.001)
    with pytest.raises(InsufficientDataError):
        stressed_loss_quantile(losses, np.zeros(1001, bool), 0.05)


def test_meaningless_settings_are_refused() -> None:
    """A typing error in a setting would silently produce a margin."""
    with pytest.raises(UsageError):
        VolatilityRegime(enter=0.5, leave=0.9).fit(np.ones((300, 1)))
    with pytest.raises(UsageError):
        stressed_windows(np.ones(50), 10, rule="worst")  # type: ignore[arg-type]
