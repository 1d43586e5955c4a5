"""From quantiles to published rates: the three steadying tools, rounding and floor, recalibration times."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.calibrate.publishing import refit_rows, smallest_tier, steadied
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import UsageError
from leverline.market.bars import Panel
from leverline.measure.loss_models import DEFAULT_MODEL, Forecast, loss_model, walk_forward
from leverline.measure.losses import Losses, worst_losses
from leverline.model.appetite import AntiProcyclicality, RiskAppetite
from tests.measure.panels import closes, panel_of, unit_t

STEP = 0.005


def stormy() -> tuple[Panel, Losses, Forecast]:
    """Two markets through a storm and the calm after it, and what the default model says each day."""
    returns = 0.02 * unit_t(np.random.default_rng(5), (900, 2))
    returns[450:500] *= 4.0
    panel = panel_of(closes(returns))
    losses = worst_losses(panel, 1)
    return panel, losses, walk_forward(panel, losses, loss_model(DEFAULT_MODEL), np.arange(900), (0.01, 0.005))


def tools(buffer: float = 0.0, stress_weight: float = 0.0, floor: int | None = None) -> AntiProcyclicality:
    return AntiProcyclicality(buffer=buffer, stress_weight=stress_weight, floor_lookback_days=floor)


@pytest.fixture(scope="module")
def storm() -> tuple[Panel, Losses, Forecast]:
    return stormy()


def test_without_a_tool_the_quantile_stands(storm: tuple[Panel, Losses, Forecast]) -> None:
    """A venue that switched the tools off would be charged for them."""
    panel, losses, forecast = storm
    assert steadied(forecast, panel, losses, tools()).tobytes() == forecast.quantile.tobytes()


def test_the_buffer_is_used_up_by_the_storm_and_rebuilt_after_it(storm: tuple[Panel, Losses, Forecast]) -> None:
    """A buffer that is charged on top in the storm makes the rise it was built to soften steeper."""
    panel, losses, forecast = storm
    plain, with_it = forecast.quantile[..., 0], steadied(forecast, panel, losses, tools(buffer=0.25))[..., 0]
    said = np.isfinite(plain)
    peak = np.fmax.accumulate(plain, axis=0)
    assert (with_it[said] >= plain[said]).all()
    np.testing.assert_allclose(with_it[said], np.maximum(plain, np.minimum(1.25 * plain, peak))[said], rtol=1e-12)
    at_peak = said & (plain == peak)
    assert at_peak[450:560].any()
    np.testing.assert_array_equal(with_it[at_peak], plain[at_peak])
    np.testing.assert_allclose(with_it[899], np.minimum(1.25 * plain[899], peak[899]), rtol=1e-12)
    assert (with_it[899] > plain[899]).all()


def test_stress_weight_remembers_the_worst_margin_so_far_and_no_later_one(
    storm: tuple[Panel, Losses, Forecast]
) -> None:
    """The stressed part would be that of a crash still to come: a backtest that cannot fail."""
    panel, losses, forecast = storm
    plain, with_it = forecast.quantile, steadied(forecast, panel, losses, tools(stress_weight=0.25))
    for row in (300, 449, 520, 899):
        stressed = np.nanmax(plain[: row + 1], axis=0)
        np.testing.assert_allclose(with_it[row], 0.75 * plain[row] + 0.25 * stressed, rtol=1e-12)


def test_the_floor_is_the_margin_of_the_long_look_back(storm: tuple[Panel, Losses, Forecast]) -> None:
    """Margin would sink below what ten years of history ask for, as before every crash."""
    panel, losses, forecast = storm
    floored = steadied(forecast, panel, losses, tools(floor=600))
    long = np.array([np.quantile(losses.loss[300:899, 0, side, ], 0.99, method="weibull") for side in range(2)])
    np.testing.assert_allclose(floored[899, 0, :, 0], np.maximum(forecast.quantile[899, 0, :, 0], long), rtol=1e-9)
    assert (floored[899, 0, :, 0] > forecast.quantile[899, 0, :, 0]).any()
    early = np.isfinite(forecast.quantile[..., 0]).all(axis=(1, 2))
    assert (floored[early] >= forecast.quantile[early]).all()
    with pytest.raises(UsageError, match="look-back"):
        steadied(forecast, panel, losses, tools(floor=90))


rates = st.floats(0.0, 1.5)


@given(long=rates, short=rates, step=st.sampled_from([0.0005, 0.001, 0.005, 0.01]), floor=st.sampled_from([0.0, 0.02]))
@settings(max_examples=200, deadline=None)
def test_the_published_rate_covers_both_sides_and_the_fee(long: float, short: float, step: float, floor: float) -> None:
    """A position at the published margin could lose more than the model allows, by rounding alone."""
    appetite = published_by(step, floor)
    out = smallest_tier(np.array([[[[long], [short]]]]), appetite)
    fee = appetite.costs.taker_fee_rate
    rate = float(out.rate[0, 0, 0])
    needed = max(long + fee, short + fee, floor)
    assert needed - 2e-9 <= rate < needed + step
    assert rate / step == pytest.approx(round(rate / step), abs=1e-6)
    assert float(out.against_losses[0, 0, 0]) == pytest.approx(rate - fee)


def published_by(step: float, floor: float) -> RiskAppetite:
    ccp = RiskAppetite.profile("ccp")
    rounding = ccp.rounding.model_copy(update={"maintenance_step": step, "minimum_maintenance_rate": floor})
    return ccp.model_copy(update={"rounding": rounding})


def test_published_rates_by_hand() -> None:
    """A venue that publishes in half per cents would see 10.05 %, or 10 % where 10.04 % is needed."""
    appetite = published_by(STEP, 0.02)
    quantile = np.array([[[0.0999], [0.0995]], [[0.001], [0.002]], [[0.05], [np.nan]], [[0.0995], [0.01]]])[None]
    rate: FloatArray = smallest_tier(quantile, appetite).rate[0, :, 0]
    np.testing.assert_allclose(rate[[0, 1, 3]], [0.105, 0.02, 0.1], rtol=1e-12)
    assert np.isnan(rate[2])  # a market with one side unknown is not published


@pytest.mark.parametrize(("spacing_s", "refit_s", "start", "expected"), [
    (3600, 86_400.0, "2024-01-01", [0, 23, 47, 71]),  # closes at midnight: bars that open at 23:00
    (3600, 86_400.0, "2024-01-01T06:00", [0, 17, 41, 65]),
    (86_400, 86_400.0, "2024-01-01", list(range(80))),
    (86_400, 604_800.0, "2024-01-01", [0, *range(2, 80, 7)]),  # weeks since 1970-01-01, a Thursday
    (86_400, 60.0, "2024-01-01", list(range(80))),
])
def test_recalibration_falls_on_the_utc_grid(
    spacing_s: int, refit_s: float, start: str, expected: list[int]
) -> None:
    """A book would be recalibrated at an hour of the day that depends on where the file begins."""
    panel = panel_of(np.ones((80, 1)), spacing_s=spacing_s, start=start)
    assert refit_rows(panel, refit_s).tolist() == expected
