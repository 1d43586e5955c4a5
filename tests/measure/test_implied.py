"""Implied blend: units by hand, premium from the past only, weight to the better forecast, absence said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import UsageError
from leverline.measure.implied import (
    BlendedVolatility,
    horizon_mean,
    implied_variance_per_day,
    variance_risk_premium,
)
from leverline.measure.volatility import qlike

Market = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


def market(seed: int, n: int = 900, *, noise_realised: float = 0.4, noise_implied: float = 0.2) -> Market:
    """True daily variance, realised forecast (n + 1), realised variance, and an index 20 % high in volatility."""
    rng = np.random.default_rng(seed)
    logs = np.zeros(n + 1)
    for t in range(1, n + 1):
        logs[t] = 0.95 * logs[t - 1] + 0.2 * rng.standard_normal()
    truth = 0.001 * np.exp(logs)
    sigma = np.sqrt(truth * np.exp(noise_realised * rng.standard_normal(n + 1) - noise_realised**2 / 2))
    realised = truth[:-1] * rng.chisquare(12, n) / 12
    index = 120.0 * np.sqrt(365 * truth[1:] * np.exp(noise_implied * rng.standard_normal(n)))
    return truth, sigma, realised, index


def test_units_by_hand() -> None:
    """A volatility of 50 points would be taken for 5,000 % or for half a percent."""
    assert implied_variance_per_day(np.array([50.0]))[0] == pytest.approx(0.25 / 365)
    with pytest.raises(UsageError):
        implied_variance_per_day(np.array([5000.0]))
    with pytest.raises(UsageError):
        implied_variance_per_day(np.array([0.0]))


@pytest.mark.parametrize("combination", ["log-linear", "convex"])
def test_the_blend_beats_both_and_leans_to_the_better(combination: str) -> None:
    """The index would be bought and read for nothing."""
    truth, sigma, realised, index = market(1, 3000)
    fit = BlendedVolatility(combination=combination).fit(sigma, realised, index)  # type: ignore[arg-type]
    scored = slice(300, 3000)
    score = {name: qlike(s[:-1][scored] ** 2, truth[:-1][scored]).mean()
             for name, s in (("blend", fit.sigma_), ("realised", sigma), ("implied", fit.implied_only_))}
    assert score["blend"] < min(score["realised"], score["implied"])
    assert 0.5 < fit.weight_[300:].mean() < 1.0
    assert fit.basis_.endswith("chosen by past QLIKE")


def test_a_worthless_index_gets_no_weight() -> None:
    """Noise with a name would move margins."""
    _, sigma, realised, index = market(2, 1500, noise_realised=0.05)
    noise = np.random.default_rng(3).permutation(index)
    fit = BlendedVolatility().fit(sigma, realised, noise)
    assert fit.weight_[300:].mean() < 0.15


def test_the_premium_is_taken_out() -> None:
    """Whoever sells options would set the level of margin."""
    _, sigma, realised, index = market(4, 2000)
    fit = BlendedVolatility().fit(sigma, realised, index)
    assert (realised[400:] / fit.implied_only_[400:-1] ** 2).mean() == pytest.approx(1.0, abs=0.05)
    raw = np.concatenate([[np.nan], implied_variance_per_day(index)])
    premium = variance_risk_premium(raw, realised, 180.0)
    assert np.nanmean(premium[400:]) == pytest.approx(1 / 1.44, rel=0.1)


@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(80, 299), horizon=st.sampled_from([1, 7]),
       combination=st.sampled_from(["log-linear", "convex"]))
@settings(max_examples=30, deadline=None)
def test_the_blend_does_not_know_the_future(seed: int, cut: int, horizon: int, combination: str) -> None:
    """The weight would be chosen by the very days it is judged on."""
    _, sigma, realised, index = market(seed, 300)
    later = [x.copy() for x in (sigma, realised, index)]
    later[0][cut + 1 :] *= 3.0
    later[1][cut:] *= 50.0
    later[2][cut:] = 300.0
    model = BlendedVolatility(horizon_days=horizon, combination=combination)  # type: ignore[arg-type]
    first = model.fit(sigma, realised, index)
    before = (first.sigma_[: cut + 1], first.weight_[: cut + 1], first.implied_only_[: cut + 1])
    second = model.fit(*later)
    for x, y in zip(before, (second.sigma_, second.weight_, second.implied_only_), strict=True):
        np.testing.assert_array_equal(x, y[: cut + 1])


def test_without_an_index_it_is_the_realised_forecast_and_says_so() -> None:
    """A report would show a blend where there was nothing to blend."""
    _, sigma, realised, index = market(5, 300)
    for absent in (None, np.full(300, np.nan)):
        fit = BlendedVolatility().fit(sigma, realised, absent)
        np.testing.assert_allclose(fit.sigma_, sigma)
        assert not fit.blended_.any()
        assert fit.basis_ == "realised only: there is no implied volatility index"
    index[:250] = np.nan
    assert "less than 60 days" in BlendedVolatility().fit(sigma, realised, index).basis_


def test_an_old_value_of_the_index_is_an_absent_one() -> None:
    """Last month's fear would be today's margin."""
    _, sigma, realised, index = market(6, 400)
    index[-1] = np.nan
    fit = BlendedVolatility().fit(sigma, realised, index)
    assert fit.sigma_[-1] == pytest.approx(sigma[-1])
    assert fit.basis_ == "realised only: the index has no value for the last day"
    assert fit.blended_[-2]


def test_horizon_mean_by_hand() -> None:
    """A week's target would hold days of another week."""
    np.testing.assert_allclose(horizon_mean(np.array([1.0, 2.0, 3.0, np.nan, 5.0]), 2), [1.5, 2.5, np.nan, np.nan,
                                                                                        np.nan])
