"""The margin period of risk, and losses over it."""

from __future__ import annotations

import numpy as np
import pytest

from leverline.calibrate.margin_period import (
    LossCurve,
    check_scale,
    horizons_s,
    loss_curves,
    margin_period_s,
)
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.market.bars import Panel
from leverline.measure.loss_models import DEFAULT_MODEL, loss_model
from leverline.model import RiskAppetite
from leverline.model.appetite import Confidence
from tests.calibrate.markets import DAY_S, Market, bars_of

CCP = RiskAppetite.profile("ccp")
EXCHANGE = RiskAppetite.profile("exchange")
HOURLY = Market("A", n=24 * 400, spacing_s=3_600)


def test_the_margin_period_is_the_wait_and_the_time_to_sell() -> None:
    """A position would be margined for less time than its liquidation takes."""
    sizes = np.array([0.0, 1e6, 4e6])
    # 10 % of 20 M a day: a million takes half a day
    assert margin_period_s(sizes, CCP, 20e6).tolist() == [86_400, 86_400 + 43_200, 86_400 + 4 * 43_200]
    # 10 s to notice, then 1,000,000 / (0.1 x 240 M) of a day
    assert margin_period_s(np.array([1e6]), EXCHANGE, 240e6).tolist() == [10 + 3_600]


def test_without_volume_the_fixed_parts_remain() -> None:
    """An unknown volume would turn every margin period into NaN."""
    assert margin_period_s(np.array([1.0, 1e9]), CCP, float("nan")).tolist() == [86_400, 86_400]


def test_a_period_shorter_than_a_bar_is_refused_unless_a_method_is_named() -> None:
    """Ten seconds would silently be read off hourly bars."""
    panel = Panel.of(bars_of(HOURLY))
    with pytest.raises(InsufficientDataError, match="margin period is 10 s, bars are 3600 s") as caught:
        horizons_s(10.0, 5_000.0, panel, None)
    assert caught.value.exit_code == 4
    assert "--scale sqrt-time" in str(caught.value)
    assert "--scale one-bar" in str(caught.value)
    with pytest.raises(InsufficientDataError, match="the reaction time is 60 s"):
        horizons_s(60.0, 60.0, panel, None, "the reaction time")
    assert horizons_s(10.0, 5_000.0, panel, "one-bar").tolist() == [3_600, 7_200]
    scaled = horizons_s(10.0, 5_000.0, panel, "sqrt-time")
    assert scaled[0] == 10.0
    assert scaled[-2:].tolist() == [3_600, 7_200]
    assert horizons_s(3_600.0, 3_600.0, panel, None).tolist() == [3_600]
    with pytest.raises(UsageError, match="choose one of sqrt-time, one-bar"):
        check_scale("linear")


def test_horizons_reach_from_the_shortest_period_to_the_longest() -> None:
    """Losses of the largest positions would be those of a shorter time."""
    panel = Panel.of(bars_of(HOURLY))
    horizons = horizons_s(2 * 3_600.0, 50_000.0, panel, None)
    assert horizons[0] == 2 * 3_600
    assert 50_000 <= horizons[-1] < 50_000 + 3_600
    assert np.all(np.diff(horizons) > 0)
    assert np.all(horizons % 3_600 == 0)


def test_between_horizons_losses_are_linear_in_the_root_of_time() -> None:
    """A diffusion would be charged too much or too little between two measured horizons."""
    curve = LossCurve(np.array([1.0, 4.0]) * DAY_S, np.array([[0.1, 0.2], [0.2, 0.4]]), None)
    assert curve.at(np.array([2.25]) * DAY_S)[0].tolist() == pytest.approx([0.15, 0.3])
    assert curve.at(np.array([0.25, 9.0]) * DAY_S).tolist() == [[0.1, 0.2], [0.2, 0.4]]


def test_below_the_first_horizon_losses_fall_with_the_root_of_time_only_where_asked() -> None:
    """A quarter of a bar would not be half of a bar's loss, or would be without anybody having asked."""
    horizon, quantile = np.array([3_600.0]), np.array([[0.08, 0.04]])
    assert LossCurve(horizon, quantile, "sqrt-time").at(np.array([900.0]))[0].tolist() == [0.04, 0.02]
    assert LossCurve(horizon, quantile, "one-bar").at(np.array([900.0]))[0].tolist() == [0.08, 0.04]


def test_scaled_losses_are_exactly_the_bars_times_the_root_of_time() -> None:
    """The scaling that the report prints would not be the one that was used."""
    panel, model = Panel.of(bars_of(HOURLY)), loss_model(DEFAULT_MODEL)
    bar = loss_curves(panel, np.array([3_600.0]), EXCHANGE, model, "sqrt-time", fixed_exceedance=0.01)
    quarter = loss_curves(panel, np.array([900.0]), EXCHANGE, model, "sqrt-time", fixed_exceedance=0.01)
    np.testing.assert_allclose(quarter.quantile, bar.quantile / 2, rtol=1e-12)
    assert quarter.time_factor.tolist() == [0.5]


def test_a_confidence_per_day_is_kept_by_periods_far_shorter_than_a_bar() -> None:
    """One breach in a hundred days would become one in thirty, because a day holds more minutes than hours.

    A Gaussian walk in minutes, margined for five minutes on hourly bars at 99 % of days.
    """
    rng = np.random.default_rng(3)
    days, per_day = 700, 1_440
    path = np.exp(np.cumsum(0.03 / np.sqrt(per_day) * rng.standard_normal(days * per_day)))
    hours = path.reshape(-1, 60)
    market = Market("A", n=hours.shape[0], spacing_s=3_600)
    bars = bars_of(market)
    bars.close[:], bars.high[:], bars.low[:] = hours[:, -1], hours.max(axis=1), hours.min(axis=1)
    curves = loss_curves(Panel.of(bars), np.array([300.0, 3_600.0]), EXCHANGE, loss_model(DEFAULT_MODEL), "sqrt-time")
    margin = curves.of(0).at(np.array([300.0]))[0]
    lowest = np.min([path[k:path.size - 5 + k] for k in range(1, 6)], axis=0)
    worst_of_day = (1.0 - lowest / path[:-5])[: (days - 1) * per_day].reshape(days - 1, per_day).max(axis=1)
    assert np.mean(worst_of_day > margin[0]) <= 0.01
    at_the_hours_exceedance = curves.quantile[1, 0, 0] * np.sqrt(300 / 3_600)
    assert np.mean(worst_of_day > at_the_hours_exceedance) > 0.03


def test_longer_horizons_never_ask_for_less() -> None:
    """A position that takes longer to sell would be margined less."""
    panel = Panel.of(bars_of(Market("A", n=500), Market("B", seed=4, n=500)))
    curves = loss_curves(panel, np.array([1.0, 2.0, 4.0]) * DAY_S, CCP, loss_model(DEFAULT_MODEL), None)
    for column in range(2):
        assert np.all(np.diff(curves.of(column).at(np.linspace(0.5, 5, 40) * DAY_S), axis=0) >= 0)


@pytest.mark.parametrize(("unit", "level", "expected"), [
    ("per_margin_period", 0.99, 0.01), ("per_day", 0.99, 1 - 0.99**0.5),
    ("per_account_year", 0.5, 1 - 0.5 ** (0.5 / 365)),
])
def test_the_exceedance_of_half_a_day_follows_the_confidences_unit(unit: str, level: float, expected: float) -> None:
    """One breach in a hundred days would be read as one in a hundred half days."""
    confidence = Confidence.model_validate({"level": level, "unit": unit})
    appetite = CCP.model_copy(update={"confidence": confidence})
    panel = Panel.of(bars_of(HOURLY))
    curves = loss_curves(panel, np.array([43_200.0]), appetite, loss_model(DEFAULT_MODEL), None)
    assert curves.forecasts[0].exceedances == pytest.approx((expected,))
