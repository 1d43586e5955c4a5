"""Probabilities of liquidation: closed form against its density, its limits and simulation; pools of many prices."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import UsageError
from leverline.margin.curves import BracketCurve
from leverline.margin.first_passage import (
    probability_of_liquidation,
    simulate_first_passage,
    simulate_pool_liquidation,
    touch_probability_per_horizon,
)
from leverline.margin.liquidation_price import holding_liquidation_prices, liquidation_prices
from leverline.margin.rules import AssetRules, MarketRules, VenueRules
from leverline.margin.tables import MarginTables, margin_tables
from leverline.margin.valuation import value_accounts
from leverline.model.market_state import MarketState
from tests.margin.single_pools import book_of

DAY = 86_400.0
CURVE = BracketCurve((0.0, 500.0), (0.1, 0.2), (0.05, 0.1), (0.0, 25.0))
VENUE = VenueRules("v", "USD", {"A/USD:USD": MarketRules(CURVE), "B/USD:USD": MarketRules(CURVE)},
                   {"ETH": AssetRules((0.0,), (0.8,), (0.85,), borrowable=True)})


def one_pool(positions: dict[str, tuple[float, float]], holdings: dict[str, float], **marks: float) -> MarginTables:
    state = MarketState.of({f"{name}/USD:USD": mark for name, mark in marks.items()}
                           | {f"{name}/USD": mark for name, mark in marks.items()})
    return margin_tables(book_of(positions, holdings), {"": VENUE}, state)


def density(t: float, distance: float, drift: float, sigma: float) -> float:
    """First passage of Brownian motion with drift towards a barrier at ``distance`` (Bachelier-Levy)."""
    return distance / (sigma * math.sqrt(2.0 * math.pi * t**3)) * math.exp(
        -(distance - drift * t) ** 2 / (2.0 * sigma**2 * t))


@pytest.mark.parametrize("barrier", [50.0, 80.0, 99.0, 101.0, 130.0, 300.0])
@pytest.mark.parametrize(("sigma", "days"), [(0.04, 1.0), (0.04, 30.0), (0.2, 7.0)])
def test_closed_form_integrates_the_density_of_the_passage(barrier: float, sigma: float, days: float) -> None:
    """Accounts would be ranked by a number that is no probability of anything."""
    distance = abs(math.log(barrier / 100.0))
    drift = -0.5 * sigma**2 * math.copysign(1.0, barrier - 100.0)  # towards the barrier
    expected, _ = quad(density, 0.0, days, args=(distance, drift, sigma), epsabs=1e-13, limit=200,
                       points=[min(days, (distance / sigma) ** 2 / 3.0)])
    ours = touch_probability_per_horizon(100.0, barrier, sigma, horizon_seconds=days * DAY)
    assert float(ours) == pytest.approx(expected, rel=1e-8, abs=1e-12)


def test_a_small_move_is_touched_twice_as_often_as_it_is_passed_at_the_end() -> None:
    """The reflection principle, P = 2 N(-x / v), would not hold where drift is negligible: 2 N(-1) = 0.3173."""
    ours = touch_probability_per_horizon(100.0, 100.0 * math.exp(-0.001), 0.001, horizon_seconds=DAY)
    assert float(ours) == pytest.approx(0.31731, abs=5e-4)


@given(move=st.floats(-3.0, 3.0).filter(lambda m: abs(m) > 1e-3), sigma=st.floats(1e-3, 0.5),
       seconds=st.floats(1.0, 1e8), longer=st.floats(1.0, 1e3))
def test_a_martingale_bounds_every_probability(move: float, sigma: float, seconds: float, longer: float) -> None:
    """A fair price would touch a high barrier more often than S / L (Doob), or a longer horizon be safer."""
    barrier = 100.0 * math.exp(move)
    near = float(touch_probability_per_horizon(100.0, barrier, sigma, horizon_seconds=seconds))
    far = float(touch_probability_per_horizon(100.0, barrier, sigma, horizon_seconds=seconds * longer))
    assert 0.0 <= near <= far + 1e-12
    assert far <= min(1.0, 100.0 / barrier) + 1e-12


def test_in_the_end_a_fall_is_certain_and_a_rise_has_the_odds_of_its_price() -> None:
    """Long horizons would not converge to what optional stopping says: 1 below, S / L above."""
    below, above = touch_probability_per_horizon(100.0, [50.0, 250.0], 0.05, horizon_seconds=1e5 * DAY)
    assert below == pytest.approx(1.0, abs=1e-6)
    assert above == pytest.approx(0.4, abs=1e-6)


def test_edges_of_the_probability() -> None:
    """A far barrier would overflow, a missing one count as risk, an unknown volatility as safety."""
    prob = touch_probability_per_horizon(
        [100.0, 100.0, 100.0, 100.0, 100.0], [1e-280, np.nan, 90.0, 100.0, 90.0], [0.01, 0.01, np.nan, 0.01, 0.0],
        horizon_seconds=DAY)
    np.testing.assert_array_equal(prob, [0.0, 0.0, np.nan, 1.0, 0.0])
    for bad in ({"price": -1.0}, {"barrier": 0.0}, {"volatility_per_day": -0.1}, {"horizon_seconds": 0.0}):
        with pytest.raises(UsageError):
            touch_probability_per_horizon(**({"price": 1.0, "barrier": 2.0, "volatility_per_day": 0.1,
                                              "horizon_seconds": 1.0} | bad))


@pytest.mark.parametrize("steps", [1, 12])
def test_simulation_agrees_with_the_closed_form(steps: int) -> None:
    """One of the two would be wrong, however coarse the steps."""
    barrier = np.array([60.0, 90.0, 98.0, 103.0, 120.0, 200.0])
    price, sigma = np.full(6, 100.0), np.array([0.2, 0.05, 0.03, 0.03, 0.1, 0.2])
    ours = simulate_first_passage(price, barrier, sigma, horizon_seconds=3.0 * DAY, paths=20_000, steps=steps,
                                  rng=np.random.default_rng(5))
    closed = touch_probability_per_horizon(price, barrier, sigma, horizon_seconds=3.0 * DAY)
    assert np.all(ours.standard_error < 0.005)
    assert np.all(np.abs(ours.liquidation_probability_per_horizon - closed) < 4.0 * ours.standard_error)


def simulated(tables: MarginTables, volatility: list[float], correlation: FloatArray, *, steps: int = 24,
              seed: int = 3) -> tuple[float, float]:
    """Estimate and standard error over one day."""
    estimate = simulate_pool_liquidation(
        tables, volatility_per_day=np.array(volatility), correlation=correlation, horizon_seconds=DAY, paths=6_000,
        steps=steps, rng=np.random.default_rng(seed))
    return float(estimate.liquidation_probability_per_horizon[0]), float(estimate.standard_error[0])


@pytest.mark.parametrize(("quantity", "cash"), [(5.0, 60.0), (-5.0, 80.0), (20.0, 300.0)])
def test_a_pool_of_one_position_has_the_closed_form(quantity: float, cash: float) -> None:
    """Pools would be simulated by other prices than positions are shown."""
    tables = one_pool({"A/USD:USD": (quantity, 100.0)}, {"USD": cash}, A=100.0)
    tables = replace(tables, volatility_per_day=np.array([0.08]))
    value = value_accounts(tables)
    closed = probability_of_liquidation(tables, value, liquidation_prices(tables, value), horizon_seconds=DAY)[0]
    got, error = simulated(tables, [0.08, 0.0], np.eye(2))
    assert 0.05 < closed < 0.95
    assert got == pytest.approx(closed, abs=4.0 * error + 0.002)


def test_a_loan_has_the_closed_form() -> None:
    """Borrowers without a position would be given no probability, or another one than their price has."""
    tables = one_pool({}, {"USD": -1_000.0, "ETH": 1.0}, ETH=1_300.0)
    price = holding_liquidation_prices(tables, value_accounts(tables)).liquidation_price[1]
    assert price == pytest.approx(1_000.0 / 0.85)
    closed = float(touch_probability_per_horizon(1_300.0, price, 0.06, horizon_seconds=DAY))
    got, error = simulated(tables, [0.0, 0.06], np.eye(2))
    assert got == pytest.approx(closed, abs=4.0 * error + 0.002)


def correlated(rho: float) -> FloatArray:
    return np.array([[1.0, rho, 0.0], [rho, 1.0, 0.0], [0.0, 0.0, 1.0]])


def test_a_hedge_is_as_safe_as_its_correlation() -> None:
    """A long and a short of two markets that move as one would look like two bets, or two bets like a hedge."""
    tables = one_pool({"A/USD:USD": (4.0, 100.0), "B/USD:USD": (-4.0, 100.0)}, {"USD": 80.0}, A=100.0, B=100.0)
    risks = [simulated(tables, [0.06, 0.06, 0.0], correlated(rho))[0] for rho in (1.0, 0.5, 0.0, -1.0)]
    assert risks[0] < 1e-3
    assert np.all(np.diff(risks) > 0.01)


def test_simulated_pools_repeat_and_refuse() -> None:
    """The same seed would give another number, or a matrix that is no correlation be used as one."""
    tables = one_pool({"A/USD:USD": (5.0, 100.0)}, {"USD": 60.0}, A=100.0)
    assert simulated(tables, [0.08, 0.0], np.eye(2)) == simulated(tables, [0.08, np.nan], np.eye(2))
    assert simulated(tables, [0.08, 0.0], np.eye(2), seed=4) != simulated(tables, [0.08, 0.0], np.eye(2))
    for matrix in (np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([[1.0, 0.5], [0.0, 1.0]]), np.eye(3), 2.0 * np.eye(2)):
        with pytest.raises(UsageError):
            simulated(tables, [0.08, 0.0], matrix)
    with pytest.raises(UsageError, match="volatility"):
        simulated(tables, [np.nan, 0.0], np.eye(2))


def test_pools_below_maintenance_and_pools_without_debt() -> None:
    """An account that is being sold would have a chance, or a depositor run a risk."""
    breached = one_pool({"A/USD:USD": (5.0, 100.0)}, {"USD": 20.0}, A=100.0)
    breached = replace(breached, volatility_per_day=np.array([0.08]))
    value = value_accounts(breached)
    prices = liquidation_prices(breached, value)
    assert probability_of_liquidation(breached, value, prices, horizon_seconds=1.0)[0] == 1.0
    assert simulated(breached, [0.08, 0.0], np.eye(2)) == (1.0, 0.0)
    assert simulated(one_pool({}, {"ETH": 1.0}, ETH=100.0), [0.5], np.eye(1)) == (0.0, 0.0)
