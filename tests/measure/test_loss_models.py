"""Loss models walked forward: what they know and when, what they ask for where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import UsageError
from leverline.market.bars import Panel
from leverline.measure._rolling_kernels import COUNT, FIRST_LEVEL, MEAN_EXCESS, THRESHOLD, WEIGHTED_EXCESS
from leverline.measure.loss_models import (
    DEFAULT_MODEL,
    MIN_HISTORY_DAYS,
    MODELS,
    WARMUP_DAYS,
    Forecast,
    LossModel,
    daily_volatility,
    gpd_tail,
    loss_model,
    walk_forward,
)
from leverline.measure.losses import worst_losses
from tests.measure.panels import closes, panel_of, ragged, unit_t

LEVELS = (0.01, 0.005)
ALL = sorted(MODELS)


def forecast_of(panel: Panel, name: str, horizon: int = 1, refits: range | None = None) -> Forecast:
    rows = np.arange(panel.ts.size) if refits is None else np.array(refits)
    return walk_forward(panel, worst_losses(panel, horizon), loss_model(name), rows, LEVELS)


@pytest.mark.parametrize("name", ALL)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(440, 515), horizon=st.integers(1, 4))
@settings(max_examples=8, deadline=None)
def test_the_future_changes_no_forecast(name: str, seed: int, cut: int, horizon: int) -> None:
    """A margin that knows tomorrow passes every backtest and fails on the first day it is used."""
    close = ragged(seed, 520, 2)
    rng = np.random.default_rng(seed + 1)
    other = close.copy()
    other[cut + 1 :] *= np.exp(rng.normal(0.0, 0.5, other[cut + 1 :].shape))
    other[cut + 1 :][rng.random(other[cut + 1 :].shape) < 0.2] = np.nan
    ranged = [panel_of(c, low=c * 0.98, high=c * 1.03) for c in (close, other)]
    before, after = (forecast_of(panel, name, horizon) for panel in ranged)
    for said in ("quantile", "shortfall", "volatility", "shape"):
        ours, theirs = getattr(before, said)[: cut + 1], getattr(after, said)[: cut + 1]
        assert ours.tobytes() == theirs.tobytes(), said
    assert np.isfinite(before.quantile[: cut + 1]).any()


@pytest.mark.parametrize("name", ALL)
def test_the_present_changes_the_forecast(name: str) -> None:
    """The test above would pass for a model that looks at nothing."""
    close = closes(0.03 * unit_t(np.random.default_rng(4), (420, 1)))
    crash = close.copy()
    crash[400:] *= 0.5
    calm, shaken = (forecast_of(panel_of(c), name).quantile[:, 0, 0, 0] for c in (close, crash))
    assert np.array_equal(calm[:400], shaken[:400], equal_nan=True)
    assert shaken[400] > calm[400]


@pytest.mark.parametrize("name", ALL)
def test_a_relisted_symbol_is_not_judged_by_the_dead_coin(name: str) -> None:
    """The new LUNA would carry the margin of the one that went to zero, or lend it its calm."""
    rng = np.random.default_rng(8)
    close = closes(0.03 * unit_t(rng, (700, 2)))
    close[300:, 0] = np.nan
    close[:320, 1] = np.nan
    both = forecast_of(panel_of(close, symbols=("LUNA", "LUNA")), name)
    other = close.copy()
    other[:300, 0] = closes(0.3 * unit_t(rng, (300, 1)))[:, 0]
    worse = forecast_of(panel_of(other, symbols=("LUNA", "LUNA")), name)
    alone = forecast_of(panel_of(close[:, 1:], symbols=("LUNA",)), name)
    assert np.isfinite(both.quantile[-1, 1]).all()
    for seen in (both, worse):
        assert seen.quantile[:, 1].tobytes() == alone.quantile[:, 0].tobytes()


def test_a_model_is_silent_until_it_has_seen_250_days_of_known_losses() -> None:
    """A coin listed last month would get a margin out of thirty quiet days."""
    close = closes(0.03 * unit_t(np.random.default_rng(4), (400, 2)))
    close[:50, 1] = np.nan
    for name, horizon in ((DEFAULT_MODEL, 1), (DEFAULT_MODEL, 3), ("historical-365", 1), ("historical-365", 2)):
        quantile = forecast_of(panel_of(close), name, horizon).quantile
        first = [int(np.flatnonzero(np.isfinite(quantile[:, j, 0, 0]))[0]) for j in range(2)]
        # residuals exist from the first row whose volatility is known; the last of 250 is known ``horizon`` bars on
        warmup = WARMUP_DAYS if loss_model(name).decays_per_day else 0
        assert first == [warmup + MIN_HISTORY_DAYS - 1 + horizon, 50 + warmup + MIN_HISTORY_DAYS - 1 + horizon]


def test_filtering_divides_by_volatility_and_multiplies_back() -> None:
    """A model called half-filtered would answer to volatility fully, or not at all."""
    rng = np.random.default_rng(11)
    returns = 0.02 * unit_t(rng, (1400, 1))
    returns[-60:] *= 4.0
    panel = panel_of(closes(returns))
    for filtering in (0.0, 0.5, 1.0):
        model = LossModel("m", (0.94, 0.99), filtering, 1000, "order-statistics")
        losses = worst_losses(panel, 1)
        said = walk_forward(panel, losses, model, np.array([1339, 1399]), (0.01,))
        per_day = daily_volatility(panel, model.decays_per_day)[:, 0]
        np.testing.assert_allclose(said.volatility[:, 0], per_day[[1339, 1399]])
        for i, row in enumerate((1339, 1399)):
            held = slice(row - 999, row)  # rows later than row - 1000 whose loss is known at row
            residual = losses.loss[held, 0, 0] / per_day[held] ** filtering
            expected = weibull(residual, 0.01) * per_day[row] ** filtering
            assert said.quantile[i, 0, 0, 0] == pytest.approx(expected, rel=1e-9)


def weibull(values: FloatArray, exceedance: float) -> float:
    """The (n + 1)(1 - p)-th order statistic, interpolated (Weibull plotting positions)."""
    return float(np.quantile(values, 1.0 - exceedance, method="weibull"))


def test_volatility_is_the_root_of_the_mixed_variances_per_day() -> None:
    """Volatility per hour would be printed as per day, a factor of five."""
    rng = np.random.default_rng(12)
    hourly = panel_of(closes(0.01 * rng.standard_normal((24 * 200, 1))), spacing_s=3600)
    per_day = daily_volatility(hourly, (0.94, 0.99))
    assert np.isnan(per_day[: WARMUP_DAYS * 24 - 1]).all()
    assert float(np.nanmean(per_day)) == pytest.approx(0.01 * np.sqrt(24), rel=0.05)
    parts = [daily_volatility(hourly, (decay,)) ** 2 for decay in (0.94, 0.99)]
    np.testing.assert_allclose(per_day**2, (parts[0] + parts[1]) / 2.0)


def test_the_control_is_the_normal_law() -> None:
    """The model that must fail would fail for another reason than the one it is there to show."""
    panel = panel_of(closes(0.02 * unit_t(np.random.default_rng(2), (400, 1))))
    for horizon in (1, 4):
        said = forecast_of(panel, "normal-ewma", horizon)
        expected = -ndtri(0.01) * np.sqrt(horizon) * said.volatility[300, 0]
        np.testing.assert_allclose(said.quantile[300, 0, :, 0], expected, rtol=1e-9)
        assert (said.shortfall[300] > said.quantile[300]).all()


@pytest.mark.parametrize("name", [n for n in ALL if MODELS[n].decays_per_day])
def test_a_price_that_never_moved_has_no_margin_rather_than_none_at_all(name: str) -> None:
    """A stablecoin frozen at 1.0000 since listing would be let in at unlimited leverage."""
    close = np.column_stack([np.ones(420), closes(0.03 * unit_t(np.random.default_rng(4), (420, 1)))])
    said = forecast_of(panel_of(close), name)  # pytest turns a division by zero into a failure
    assert np.isnan(said.quantile[:, 0]).all()
    assert not np.isinf(said.residual).any()
    assert np.isfinite(said.quantile[-1, 1]).all()


def test_a_frozen_price_that_starts_to_move_is_margined_from_its_moves() -> None:
    """Losses out of a dead-calm spell would be divided by zero and dropped, or blow the tail up to infinity."""
    rng = np.random.default_rng(6)
    returns = 0.03 * unit_t(rng, (900, 1))
    returns[:100] = 0.0
    said = forecast_of(panel_of(closes(returns)), DEFAULT_MODEL).quantile[:, 0]
    known = np.isfinite(said[..., 0]).all(axis=1)
    assert int(np.flatnonzero(known)[0]) == 100 + MIN_HISTORY_DAYS
    assert 0.05 < float(said[-1, 0, 0]) < 0.2


def test_a_look_back_too_short_for_its_history_is_refused() -> None:
    """A floor over 100 days would be accepted, never be known, and so never bind."""
    panel = panel_of(closes(0.03 * unit_t(np.random.default_rng(4), (420, 1))))
    short = LossModel("floor", (), 0.0, 100, "order-statistics")
    with pytest.raises(UsageError, match="look-back"):
        walk_forward(panel, worst_losses(panel, 1), short, np.arange(420), LEVELS)


def test_what_a_pareto_tail_cannot_say_is_refused() -> None:
    """Below its threshold a Pareto fit is an extrapolation into the body, silently wrong."""
    panel = panel_of(closes(0.03 * unit_t(np.random.default_rng(4), (420, 1))))
    losses = worst_losses(panel, 1)
    with pytest.raises(UsageError, match="beyond"):
        walk_forward(panel, losses, loss_model(DEFAULT_MODEL), np.arange(420), (0.2,))
    with pytest.raises(UsageError, match="lies in"):
        walk_forward(panel, losses, loss_model("historical-365"), np.arange(420), (1.0,))
    with pytest.raises(UsageError, match="there is no method"):
        loss_model("magic")


def tops(sims: int, count: int, share: float, shape: float = 0.0) -> FloatArray:
    """Tops of samples of a Pareto law (exponential at shape 0), (sims, 4): count, threshold and two moments."""
    excesses = int(np.ceil(share * count))
    values = np.random.default_rng(99).exponential(size=(sims, count))
    values = np.expm1(shape * values) / shape if shape else values
    descending = -np.sort(-np.partition(values, count - excesses - 1, axis=1)[:, count - excesses - 1 :], axis=1)
    excess = descending[:, :excesses] - descending[:, excesses:]
    top = np.empty((sims, FIRST_LEVEL))
    top[:, COUNT], top[:, THRESHOLD], top[:, MEAN_EXCESS] = count, descending[:, excesses], excess.mean(axis=1)
    top[:, WEIGHTED_EXCESS] = (excess * (np.arange(excesses) + 0.35)).mean(axis=1) / excesses
    return top


KNOWN_SHAPE = LossModel("exponential", (), 0.0, 500, "gpd", prior_shape=0.0, prior_weight=1.0)
FREE_SHAPE = LossModel("Pareto", (), 0.0, 500, "gpd", prior_weight=0.0)


@pytest.mark.parametrize(("model", "shape"), [(KNOWN_SHAPE, 0.0), (FREE_SHAPE, 0.0), (loss_model(DEFAULT_MODEL), 0.2)])
def test_lowering_the_level_brings_the_expected_exceedance_nearer_its_claim(model: LossModel, shape: float) -> None:
    """A 99.9 % margin fitted to fifty losses would be passed far more often than once in a thousand."""
    top, level = tops(6000, 500, model.threshold_share, shape), np.array([0.001])
    certain = top.copy()
    certain[:, COUNT] = 1e12  # as if the fit had no error: the level stays as it is
    with_it, without = (expected_exceedance(gpd_tail(t, level, model, 1).quantile[:, 0], shape)
                        for t in (top, certain))
    assert without > 1.15e-3
    assert abs(np.log(with_it / 1e-3)) < abs(np.log(without / 1e-3))
    if model is KNOWN_SHAPE:  # the case the formula is derived for
        assert without / 1e-3 == pytest.approx(np.exp(0.5 * (1.0 + np.log(0.01) ** 2) / 50), rel=0.03)
        assert with_it == pytest.approx(1e-3, rel=0.03)


def expected_exceedance(quantile: FloatArray, shape: float) -> float:
    """Mean true probability of passing estimated quantiles."""
    return float(np.mean(np.exp(-quantile) if shape == 0.0 else (1.0 + shape * quantile) ** (-1.0 / shape)))


def test_overlapping_windows_count_once_per_horizon() -> None:
    """Twenty-four copies of one day's loss would be taken for twenty-four days of evidence."""
    model, level = loss_model(DEFAULT_MODEL), np.array([0.001])
    daily, hourly = tops(5, 500, 0.1), tops(5, 500, 0.1)
    hourly[:, COUNT] *= 24
    np.testing.assert_allclose(gpd_tail(daily, level, model, 1).quantile, gpd_tail(hourly, level, model, 24).quantile)


def test_pareto_shortfall_is_the_mean_beyond_the_quantile() -> None:
    """Expected shortfall budgets would be set from a number that is not one."""
    model, levels = loss_model(DEFAULT_MODEL), np.array([0.01, 0.001])
    tail = gpd_tail(tops(3, 500, 0.1), levels, model, 1)
    top = tops(3, 500, 0.1)
    scale = top[:, MEAN_EXCESS] * (1.0 - tail.shape)
    u = (np.arange(400_000) + 0.5) / 400_000
    for i in range(3):
        xi, beta = tail.shape[i], scale[i]
        for level in range(2):
            quantile = tail.quantile[i, level]
            # above the quantile a Pareto excess is Pareto again, its scale grown by xi times the distance
            beyond = (beta + xi * (quantile - top[i, THRESHOLD])) * np.expm1(-xi * np.log(u)) / xi
            assert tail.shortfall[i, level] == pytest.approx(quantile + beyond.mean(), rel=2e-3)
