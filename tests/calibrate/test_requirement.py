"""What a position of each size needs: parts, sides, floors, caps, sensitivities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.calibrate.margin_period import LossCurve
from leverline.calibrate.requirement import (
    MarketMeasures,
    longest_period_s,
    position_cap,
    requirement,
    sensitivities,
    size_grid,
)
from leverline.ground.arrays import FloatArray
from leverline.measure.basis import BasisAllowance
from leverline.measure.depth_estimate import DepthEstimate, ImpactLaw, depth_estimate
from leverline.model import RiskAppetite
from leverline.model.limitbook import Basis

DAY_S = 86_400.0
CCP = RiskAppetite.profile("ccp")
HORIZONS = np.array([1.0, 2.0, 4.0]) * DAY_S


def changed(appetite: RiskAppetite, **sections: dict[str, object]) -> RiskAppetite:
    """The appetite with some keys of some sections replaced, validated."""
    document = appetite.model_dump()
    for section, keys in sections.items():
        document[section] |= keys
    return RiskAppetite.model_validate(document)


def by_volume(sigma: float = 0.06, volume: float = 1e8, coefficient: float = 1.0) -> DepthEstimate:
    """Depth where only volume is known: the square-root law."""
    return depth_estimate(as_of=0, max_age_s=0.0, law=ImpactLaw(coefficient, sigma, volume, Basis.ASSUMED))


def allowance(rate: float) -> BasisAllowance:
    """The appetite's own allowance between mark and fill."""
    nothing = float("nan")
    return BasisAllowance(rate, nothing, nothing, Basis.ASSUMED, 0, 0, nothing, nothing, "a test")


def market(long: FloatArray | None = None, short: FloatArray | None = None, **fields: object) -> MarketMeasures:
    """A market whose losses grow as the square root of time from 10 % (long) and 8 % (short) a day."""
    root = np.sqrt(HORIZONS / DAY_S)
    curve = LossCurve(HORIZONS, np.column_stack([0.10 * root if long is None else long,
                                                 0.08 * root if short is None else short]), None)
    given = MarketMeasures(
        symbol="A", losses=curve, losses_at_half_exceedance=replace(curve, quantile=curve.quantile * 1.3),
        reaction=np.array([0.05, 0.04]), volume_per_day=1e8, filtering=0.5, depth=by_volume(), basis=allowance(0.0))
    return replace(given, **fields)  # type: ignore[arg-type]


def test_maintenance_is_loss_slippage_and_fee_each_once() -> None:
    """A cost charged twice halves leverage for nothing; one left out is paid by the fund."""
    needs = requirement(market(), CCP, np.array([1e4, 1e7]))
    # ten million is sold in one day at a tenth of 100 M: two days of risk; Y sigma sqrt(N/V), two thirds of it paid
    slippage = 2 / 3 * 0.06 * np.sqrt(0.1)
    assert needs.margin_period_s[1] == pytest.approx(2 * DAY_S)
    assert needs.loss[1] == pytest.approx(0.1 * np.sqrt(2))
    assert needs.slippage[1] == pytest.approx(slippage)
    assert needs.maintenance_rate[1] == pytest.approx(0.1 * np.sqrt(2) + slippage + 0.0005)
    assert needs.initial_rate[1] == pytest.approx(needs.maintenance_rate[1] + 0.05)


def test_the_basis_between_mark_and_fill_is_added_once() -> None:
    """A venue that marks by an index would pay every gap between the index and its own book."""
    grid = np.array([1e4, 1e7])
    plain, gapped = requirement(market(), CCP, grid), requirement(market(basis=allowance(0.003)), CCP, grid)
    np.testing.assert_allclose(gapped.maintenance_rate - plain.maintenance_rate, 0.003)
    np.testing.assert_allclose(gapped.initial_rate - plain.initial_rate, 0.003)


def test_slippage_that_the_liquidator_bears_is_not_in_the_margin() -> None:
    """It would be paid once in margin and once more in the liquidator's bonus."""
    borne = changed(CCP, costs={"slippage_bearer": "liquidator"})
    grid = np.array([1e4, 1e7])
    ours, theirs = requirement(market(), CCP, grid), requirement(market(), borne, grid)
    assert np.all(theirs.slippage == 0)
    np.testing.assert_allclose(ours.maintenance_rate - ours.slippage, theirs.maintenance_rate)
    assert np.all(ours.slippage > 0)


def test_the_floor_binds_where_the_market_is_calm() -> None:
    """A quiet month would allow unlimited leverage."""
    calm = market(losses=LossCurve(HORIZONS, np.full((3, 2), 0.001), None), depth=by_volume(1e-4))
    needs = requirement(calm, CCP, np.array([1e3, 1e5]))
    assert needs.maintenance_rate.tolist() == [0.02, 0.02]
    assert needs.initial_rate.tolist() == pytest.approx([0.07, 0.07])


def test_the_larger_side_is_charged_and_named_at_every_size() -> None:
    """Shorts would trade on the longs' margin, or the book would blame the wrong side for a tier."""
    crossing = market(long=np.array([0.10, 0.11, 0.12]), short=np.array([0.08, 0.12, 0.30]))
    needs = requirement(crossing, CCP, np.array([1e3, 1e7, 2e7]))
    assert needs.binding_side_at(1e3) == "long"
    assert needs.binding_side_at(2e7) == "short"
    assert np.all(needs.loss >= needs.loss_by_side.max(axis=1))
    assert needs.loss[0] == pytest.approx(0.10, rel=1e-3)
    assert needs.loss[1] == pytest.approx(0.12)
    assert needs.reaction == 0.05


def test_the_tightest_of_three_constraints_caps_a_position() -> None:
    """A position would be allowed that cannot be sold in time, or only at a loss, or only by being the market."""
    # budget 2 % = 2/3 x 6 % x sqrt(N / 100 M)  ->  N = 25 M; time: 2 days at a tenth of 100 M -> 20 M; share: 20 %
    time = position_cap(market(), changed(CCP, costs={"max_share_of_daily_volume": 0.5}))
    assert time is not None
    assert time.notional == pytest.approx(2e7)
    assert time.binding == "liquidation time at the participation allowed"
    share = position_cap(market(), changed(CCP, costs={"max_share_of_daily_volume": 0.1}))
    assert share is not None
    assert share.notional == pytest.approx(1e7)
    assert share.binding == "share of stressed daily volume"
    cost = position_cap(market(depth=by_volume(0.12)), changed(CCP, costs={"max_share_of_daily_volume": 0.5}))
    assert cost is not None
    assert cost.notional == pytest.approx(6.25e6)
    assert cost.binding == "liquidation-cost budget (volume)"


def test_an_unknown_volume_sets_no_cap_and_no_slippage() -> None:
    """A cap would be invented where nothing is known of the market's depth."""
    dry = market(volume_per_day=float("nan"), depth=None)
    assert position_cap(dry, CCP) is None
    grid = size_grid(None)
    needs = requirement(dry, CCP, grid)
    assert np.all(needs.slippage == 0)
    assert np.ptp(needs.maintenance_rate) == 0
    assert [s.driver for s in sensitivities(dry, CCP, grid[-1:])] == [
        "confidence: allowed exceedance halved", "horizon: margin period +10 %", "volatility +10 %"]


def test_the_grid_ends_at_the_cap_however_small() -> None:
    """The largest positions of a small market would have no requirement."""
    for volume in (1e2, 1e8, 1e14):
        cap = position_cap(market(volume_per_day=volume, depth=by_volume(volume=volume)), CCP)
        assert cap is not None
        grid = size_grid(cap)
        assert grid[-1] == pytest.approx(cap.notional)
        assert np.all(np.diff(grid) > 0)


def test_sensitivities_are_what_a_changed_appetite_or_market_would_give() -> None:
    """A committee would be told the wrong price of one more hour, or of a thinner market."""
    base, sizes = market(), np.array([1e4, 1e7, 2e7])
    moved = {s.driver: s for s in sensitivities(base, CCP, sizes)}
    plain = requirement(base, CCP, sizes)

    def relative(other: MarketMeasures, appetite: RiskAppetite) -> tuple[FloatArray, FloatArray]:
        again = requirement(other, appetite, sizes)
        return (again.maintenance_rate / plain.maintenance_rate - 1, again.initial_rate / plain.initial_rate - 1)

    longer = changed(CCP, margin_period={"detection_s": 86_400 * 1.1, "participation": 0.1 / 1.1})
    louder = replace(base, losses=replace(base.losses, quantile=base.losses.quantile * 1.1**0.5),
                     reaction=base.reaction * 1.1**0.5, depth=by_volume(0.066))
    expected = {
        "horizon: margin period +10 %": relative(base, longer),
        "volatility +10 %": relative(louder, CCP),
        "depth: stressed depth and volume -10 %": relative(
            replace(base, volume_per_day=9e7, depth=by_volume(volume=9e7)), CCP),
        "confidence: allowed exceedance halved": relative(replace(base, losses=base.losses_at_half_exceedance), CCP),
    }
    assert moved.keys() == expected.keys()
    for driver, (maintenance, initial) in expected.items():
        np.testing.assert_allclose(moved[driver].maintenance, maintenance, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(moved[driver].initial, initial, rtol=1e-9, atol=1e-12)
    # a tenth more time is sqrt(1.1) more loss, at the cap as everywhere: the curve reaches that far
    share_of_loss = plain.loss / plain.maintenance_rate
    np.testing.assert_allclose(moved["horizon: margin period +10 %"].maintenance, share_of_loss * (np.sqrt(1.1) - 1),
                               rtol=0.05)
    assert longest_period_s(CCP, with_volume=True) >= 1.1 * 3 * DAY_S


@given(
    volume=st.floats(1e2, 1e12), sigma=st.floats(1e-4, 0.5), participation=st.floats(0.01, 1.0),
    bearer=st.sampled_from(["venue", "liquidator"]), floor=st.floats(0, 0.1), fee=st.floats(0, 0.01),
    coefficient=st.floats(0, 3), budget=st.floats(1e-4, 0.5), share=st.floats(0.001, 1.0), basis=st.floats(0, 0.02),
)
@settings(max_examples=60, deadline=None)
def test_more_size_confidence_time_volatility_or_less_depth_never_needs_less(
    volume: float, sigma: float, participation: float, bearer: str, floor: float, fee: float, coefficient: float,
    budget: float, share: float, basis: float,
) -> None:
    """Somebody could lower a margin by making the position worse."""
    appetite = changed(
        CCP, margin_period={"participation": participation}, rounding={"minimum_maintenance_rate": floor},
        costs={"slippage_bearer": bearer, "taker_fee_rate": fee,
               "liquidation_cost_budget": budget, "max_share_of_daily_volume": share})
    given_market = market(volume_per_day=volume, depth=by_volume(sigma, volume, coefficient), basis=allowance(basis))
    cap = position_cap(given_market, appetite)
    assert cap is not None
    assert cap.notional > 0
    grid = size_grid(cap)
    needs = requirement(given_market, appetite, grid)
    assert np.all(np.diff(needs.maintenance_rate) >= -1e-15)
    assert np.all(needs.maintenance_rate >= floor)
    assert np.all(needs.initial_rate >= needs.maintenance_rate)
    assert needs.margin_period_s[-1] <= DAY_S + appetite.margin_period.max_liquidation_s * (1 + 1e-9)
    for moved in sensitivities(given_market, appetite, grid):
        assert np.all(moved.maintenance >= -1e-12), moved.driver
        assert np.all(moved.initial >= -1e-12), moved.driver
