"""Simulated p-values: exact size where the chi-squared law fails, and the same answer where it holds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from leverline.ground.arrays import BoolArray, FloatArray
from leverline.measure.coverage import (
    LikelihoodRatio,
    christoffersen_conditional,
    christoffersen_independence,
    dynamic_quantile,
)
from leverline.measure.simulated_size import simulated_p_value


def foretold(forecast: FloatArray, hit: BoolArray) -> LikelihoodRatio:
    """The dynamic-quantile test with the same forecasts for every record."""
    return dynamic_quantile(hit, np.broadcast_to(forecast[:, None], hit.shape), 0.01)


def test_size_is_right_where_the_chi_squared_law_is_not() -> None:
    """One right model in five would be thrown out for breaches it could not have foretold (500 periods, 1 %)."""
    rng = np.random.default_rng(1)
    chi_squared, simulated = [], []
    for _ in range(150):
        forecast, hit = rng.gamma(2.0, size=500), rng.random(500) < 0.01
        chi_squared.append(float(foretold(forecast, hit[:, None]).p_value[0]))
        simulated.append(
            simulated_p_value(lambda h, f=forecast: foretold(f, h), hit, 0.01, rng=rng, draws=99)  # type: ignore[misc]
        )
    assert np.nanmean(np.array(chi_squared) < 0.05) > 0.11
    assert np.nanmean(np.array(simulated) <= 0.05) == pytest.approx(0.05, abs=0.05)


def test_p_values_of_right_models_are_uniform_in_spite_of_ties() -> None:
    """A statistic with a few possible values would have a p-value that is never, or always, small.

    Forty periods at 3 %: a third of the records have no breach and no statistic, most others have one or two.
    """
    rng = np.random.default_rng(2)
    p = np.array([
        simulated_p_value(christoffersen_independence, rng.random(40) < 0.03, 0.03, rng=rng, draws=99)
        for _ in range(1500)
    ])
    assert 0.2 < np.mean(np.isnan(p)) < 0.4
    assert np.nanquantile(p, [0.1, 0.3, 0.5, 0.7, 0.9]) == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9], abs=0.05)


def test_a_cluster_is_found() -> None:
    """Eight breaches in a row in 800 periods would pass as chance."""
    hit = np.zeros(800, dtype=np.bool_)
    hit[300:308] = True
    rng = np.random.default_rng(3)
    assert simulated_p_value(lambda h: christoffersen_conditional(h, 0.01), hit, 0.01, rng=rng) <= 0.01


def test_an_undefined_statistic_has_no_p_value() -> None:
    """A market without breaches would be certified."""
    rng = np.random.default_rng(4)
    assert math.isnan(simulated_p_value(christoffersen_independence, np.zeros(300, np.bool_), 0.01, rng=rng))
