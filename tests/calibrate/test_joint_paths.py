"""Joint paths: marginals as measured, dependence as floored, windows as the record had them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from leverline.calibrate.joint_paths import (
    LARGEST_MOVE,
    JointHistory,
    StressedPaths,
    floored_correlation,
    joint_history,
    moves_as_dates_fell,
    residual_quantiles,
    run_starts,
    stressed_dates,
)
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.market.bars import Panel
from leverline.measure.loss_models import daily_volatility
from tests.calibrate import markets as synthetic
from tests.calibrate.stressed_markets import joint


def test_drawn_moves_have_each_markets_own_law() -> None:
    """Margin would be tested against moves that its market never makes."""
    history = joint(3, windows=1)
    drawn = StressedPaths(history, 0.9).moves(20_000, np.random.default_rng(1)) / history.scale
    for j in range(3):
        for p in (0.05, 0.25, 0.75, 0.95):
            assert np.mean(drawn[..., j] < np.quantile(history.residual[:, j], p)) == pytest.approx(p, abs=0.01)


@pytest.mark.parametrize("floor", [0.0, 0.5, 0.9])
def test_drawn_moves_depend_at_least_as_the_floor_says(floor: float) -> None:
    """A stress would be drawn in which markets do not fall together."""
    history = joint(2, common=0.01, windows=1)
    drawn = StressedPaths(history, floor).moves(20_000, np.random.default_rng(1))
    assert spearmanr(drawn[:, 0, 0], drawn[:, 0, 1]).statistic >= 6 / np.pi * np.arcsin(floor / 2) - 0.05


@given(measured=st.lists(st.one_of(st.floats(-1.0, 1.0), st.just(float("nan"))), min_size=10, max_size=10),
       floor=st.floats(0.0, 1.0))
def test_a_floored_correlation_is_a_correlation(measured: list[float], floor: float) -> None:
    """Paths would be drawn from a matrix that no markets can have."""
    matrix = np.full((5, 5), np.nan)
    matrix[np.triu_indices(5, 1)] = measured
    matrix = np.where(np.isnan(matrix), matrix.T, matrix)
    out = floored_correlation(matrix, floor)
    assert np.linalg.eigvalsh(out).min() > -1e-9
    np.testing.assert_allclose(np.diag(out), 1.0)
    np.testing.assert_allclose(out, out.T, atol=1e-12)


@given(seed=st.integers(0, 1000), n=st.integers(250, 400))
def test_quantiles_rise_through_the_splice_of_body_and_tail(seed: int, n: int) -> None:
    """A worse draw would be a smaller loss."""
    residual = np.random.default_rng(seed).standard_t(3, n)
    at = np.linspace(1e-6, 1 - 1e-6, 2_001)
    assert np.all(np.diff(residual_quantiles(residual, at)) >= 0)


def test_runs_are_consecutive_dates_of_all_markets() -> None:
    """Days that fell together, and one after another, would be torn apart."""
    history = joint(3, windows=3)
    found = moves_as_dates_fell(history, run_starts(history, 10_000))
    assert found.shape == (600, 4, 3)
    np.testing.assert_array_equal(found[10], np.clip(history.residual[10:14] * history.scale, -2, 2))
    np.testing.assert_array_equal(found[599, 1], np.clip(history.residual[0] * history.scale, -2, 2))
    assert np.abs(StressedPaths(history.scaled(1e3), 0.5).moves(50, np.random.default_rng(1))).max() <= LARGEST_MOVE


def history_of(panel: Panel, **changes: Any) -> JointHistory:
    sigma = daily_volatility(panel, (0.94, 0.99))
    asked: dict[str, Any] = {"window_s": 86_400.0, "horizon_s": 5 * 86_400.0, "filtering": 0.5, "scale": None,
                                "stressed_quantile": 0.1, **changes}
    return joint_history(panel, sigma, tuple(range(len(panel.symbols))), **asked)


def panel_of(n: int = 420) -> Panel:
    return Panel.of(synthetic.bars_of(*(synthetic.Market(f"M{k}", seed=k, n=n) for k in range(4))))


def test_residuals_times_scale_are_moves_of_the_size_that_the_market_makes() -> None:
    """The unit of volatility would be lost between residual and move."""
    panel = panel_of()
    daily, longer = history_of(panel), history_of(panel, window_s=4 * 86_400.0)
    usual = np.nanstd(panel.log_returns())
    assert 0.7 < np.std(daily.residual * daily.scale) / usual < 2.0
    assert (longer.window_rows, longer.windows) == (4, 2)
    assert np.std(longer.residual) / np.std(daily.residual) == pytest.approx(2.0, rel=0.25)
    hour = history_of(panel, window_s=3_600.0, horizon_s=86_400.0, scale="sqrt-time")
    assert hour.windows == 24
    np.testing.assert_allclose(hour.scale, daily.scale / np.sqrt(24.0))


def test_nothing_known_later_changes_an_earlier_residual() -> None:
    """The fund of an old date would be sized with what came after it."""
    panel = panel_of()
    cut = Panel(panel.symbols, panel.ts[:380], panel.spacing_ns, panel.close[:380], panel.high[:380], panel.low[:380],
                panel.volume[:380])
    early, late = history_of(cut), history_of(panel)
    np.testing.assert_allclose(early.residual, late.residual[: len(early.residual)])


def test_stressed_dates_are_the_loudest() -> None:
    """Dependence under stress would be measured in a calm."""
    sigma = np.tile(np.concatenate([np.ones(50), np.full(10, 3.0), np.ones(40)])[:, None], (1, 3))
    assert set(np.flatnonzero(stressed_dates(sigma, 10))) == set(range(50, 60))


def test_too_short_a_record_is_refused() -> None:
    """A fund would be sized on a few weeks."""
    with pytest.raises(InsufficientDataError, match="joint moves"):
        history_of(panel_of(n=200))
    with pytest.raises(UsageError):
        history_of(panel_of(), horizon_s=0.0)
