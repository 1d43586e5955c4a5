"""Depth under stress: its slope on volatility, what stands in where there is none, and crowding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import UsageError
from leverline.market.bars import NS_PER_S
from leverline.measure.stressed_depth import (
    DEFAULT_SLOPE,
    StressedDepth,
    crowding_factor,
    trailing_volatility,
    volatility_of_move,
)
from leverline.model.limitbook import Basis


def _sample(rng: np.random.Generator, slope: float, spread: float, noise: float = 0.2) -> tuple[FloatArray, FloatArray]:
    """Depth and volatility of 2,000 moments with a known elasticity; volatility persists."""
    level = np.zeros(2000)
    for t in range(1, level.size):
        level[t] = 0.97 * level[t - 1] + rng.normal(0.0, spread * np.sqrt(1 - 0.97**2))
    return np.exp(15.0 + slope * level + rng.normal(0.0, noise, level.size)), 0.03 * np.exp(level)


def test_a_known_elasticity_is_found() -> None:
    """Depth in a storm would be guessed from a slope that is not the market's."""
    rng = np.random.default_rng(1)
    depth, sigma = _sample(rng, -0.7, 0.8)
    fitted = StressedDepth().fit(depth, sigma, block=60, rng=rng)
    assert fitted.identified_
    assert fitted.slope_low_ < -0.7 < fitted.slope_high_
    assert fitted.residual_quantile_ == pytest.approx(0.2 * -1.645, rel=0.1)
    inside = fitted.factor(0.06)
    assert inside.basis is Basis.MEASURED
    assert inside.volatility_part == pytest.approx(2.0**-0.7, rel=0.1)
    assert inside.factor == pytest.approx(inside.volatility_part * inside.residual_part)


def test_a_calm_sample_yields_an_assumption_and_says_so() -> None:
    """Fourteen quiet hours would be presented as a measurement of a crash."""
    rng = np.random.default_rng(2)
    depth, sigma = _sample(rng, 0.0, 0.2)
    fitted = StressedDepth().fit(depth, sigma, block=60, rng=rng)
    factor = fitted.factor(0.3)
    assert not fitted.identified_
    assert factor.basis is Basis.ASSUMED
    assert "not identified" in factor.why
    assert factor.volatility_part == pytest.approx(0.1, rel=0.1)  # ten times the volatility at slope -1


def test_beyond_the_samples_volatility_the_steeper_slope_holds_and_the_basis_is_assumed() -> None:
    """A flat slope from calm hours would be drawn out into a crash."""
    rng = np.random.default_rng(3)
    depth, sigma = _sample(rng, -0.3, 0.6)
    fitted = StressedDepth().fit(depth, sigma, block=60, rng=rng)
    edge, beyond = fitted.factor(float(sigma.max())), fitted.factor(4.0 * float(sigma.max()))
    assert edge.basis is Basis.MEASURED
    assert beyond.extrapolated
    assert beyond.basis is Basis.ASSUMED
    assert beyond.volatility_part / edge.volatility_part == pytest.approx(4.0**DEFAULT_SLOPE)


@given(a=st.floats(1e-3, 10.0), b=st.floats(1e-3, 10.0))
def test_more_volatility_never_leaves_more_depth(a: float, b: float) -> None:
    """A wilder market would be allowed more leverage; or stress would add depth to a calm day."""
    fitted = _FITTED
    low, high = sorted((a, b))
    assert fitted.factor(high).factor <= fitted.factor(low).factor * (1 + 1e-12)
    assert 0.0 < fitted.factor(high).factor <= 1.0
    assert fitted.factor(1e-9).factor == 1.0


_FITTED = StressedDepth(draws=200).fit(*_sample(np.random.default_rng(4), -0.5, 0.5), block=60,
                                       rng=np.random.default_rng(4))


def test_too_few_or_constant_volatility_is_not_a_slope() -> None:
    """Three observations, or one volatility, would fix an elasticity."""
    rng = np.random.default_rng(5)
    few = StressedDepth().fit(rng.lognormal(0, 1, 20), rng.lognormal(0, 1, 20), block=5, rng=rng)
    constant = StressedDepth().fit(rng.lognormal(0, 1, 500), np.full(500, 0.02), block=5, rng=rng)
    assert not few.identified_
    assert not constant.identified_
    with pytest.raises(UsageError):
        StressedDepth().fit(np.array([np.nan]), np.array([0.1]), block=1, rng=rng)


def test_a_sample_within_one_window_of_volatility_is_not_a_slope() -> None:
    """Ten minutes of a book, all of them under the same hours of prices, would pass for a measurement of stress."""
    rng = np.random.default_rng(6)
    depth, sigma = _sample(rng, -0.7, 0.8)
    for block in (120, 8_640):
        few = StressedDepth().fit(depth[:600], sigma[:600], block=block, rng=rng)
        assert not few.identified_
        assert few.factor(0.1).basis is Basis.ASSUMED
    assert StressedDepth().fit(depth, sigma, block=120, rng=rng).identified_


def test_volatility_uses_only_what_was_known() -> None:
    """The crash itself would be known to the depth measured a moment before it."""
    known = NS_PER_S * 60 * np.arange(1, 61, dtype=np.int64)
    price = np.full(60, 100.0)
    price[1::2] = 100.1
    price[40:] = 50.0
    at = known[39:42]
    before = trailing_volatility(known, price, at, 900.0)
    assert before[0] == pytest.approx(np.log(1.001) * np.sqrt(1440), rel=1e-9)
    assert before[1] > 50 * before[0]
    assert np.isnan(trailing_volatility(known, price, known[3:4], 900.0)).all()  # three returns are no volatility
    assert np.isnan(trailing_volatility(known, price, known[:1] - 1, 900.0)).all()


def test_units_of_move_and_crowd() -> None:
    """Volatility per day would be per hour, or a crowd of ten counted as one."""
    assert volatility_of_move(0.03, 86_400.0) == pytest.approx(0.03)
    assert volatility_of_move(0.03, 864.0) == pytest.approx(0.3)
    assert crowding_factor(1e7, 1e6) == 10.0
    assert crowding_factor(1e5, 1e6) == 1.0


@pytest.mark.shared_data
def test_fourteen_calm_hours_do_not_identify_the_bid_slope(shared_data: Path) -> None:
    """The shipped sample would look like evidence of how bids answer to a storm."""
    import polars as pl

    bands = pl.read_parquet(shared_data / "bookdepth_btcusdt_2025_10_10_calm.parquet").filter(
        pl.col("percentage") == -1).sort("ts")
    marks = pl.read_parquet(shared_data / "oct10_2025_m1_btc_coinm_markprice.parquet").sort("ts")
    known = marks["ts"].dt.epoch("ns").to_numpy() + 60 * NS_PER_S
    sigma = trailing_volatility(known, marks["close"].to_numpy(), bands["ts"].dt.epoch("ns").to_numpy(), 900.0)
    fitted = StressedDepth().fit(bands["notional"].to_numpy(), sigma, block=30, rng=np.random.default_rng(0))
    assert not fitted.identified_
    assert fitted.factor(volatility_of_move(0.03, 600.0)).basis is Basis.ASSUMED
