"""Aave v3's account and liquidation rules between versions, beyond the recorded cases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leverline.margin.fixed_point import BPS, WAD, VenueRefusesError
from leverline.margin.rulebooks import aave_risk_steward, aave_v3_0, aave_v3_3, aave_v3_7
from leverline.margin.rulebooks.aave_v3 import NO_DEBT_HEALTH, Collateral, Holding, Position


def position(eth: int, price: int, usdc: int, *, threshold: int = 8_250, bonus: int = 10_500) -> Position:
    return Position(
        (Collateral("WETH", eth, 10**18, price, threshold - 250, threshold, bonus, 1_000),),
        (Holding("USDC", usdc, 10**6, 10**8),),
    )


positions = st.builds(
    position,
    eth=st.integers(10**17, 10**21),
    price=st.integers(200 * 10**8, 5_000 * 10**8),
    usdc=st.integers(10**8, 10**13),
    threshold=st.integers(5_000, 9_300),
    bonus=st.integers(10_100, 10_700),
)


def test_the_worked_position_before_and_after_its_liquidation() -> None:
    """A reader who follows the published walk-through would get other figures than the protocol paid."""
    before = position(10 * 10**18, 2_000 * 10**8, 16_000 * 10**6)
    assert aave_v3_0.account_state(before).health_factor == 1_031_250_000_000_000_000
    fallen = position(10 * 10**18, 1_900 * 10**8, 16_000 * 10**6)
    taken, after = aave_v3_0.liquidate(fallen, "WETH", "USDC")
    assert (taken.debt_repaid, taken.to_liquidator, taken.protocol_fee) == (
        8_000 * 10**6, 4_400_000_000_000_000_000, 21_052_631_578_947_368,
    )
    assert aave_v3_0.account_state(after).health_factor == 1_093_125_000_000_000_000


@given(positions, st.integers(1, 10**9))
def test_health_never_rises_when_the_price_falls(held: Position, fall: int) -> None:
    """A borrower could escape liquidation by a worse price."""
    lower = Position((replace(held.collateral[0], price=held.collateral[0].price - fall),), held.debt)
    for version in (aave_v3_0, aave_v3_3, aave_v3_7):
        assert version.account_state(lower).health_factor <= version.account_state(held).health_factor


@given(positions)
def test_a_liquidation_conserves_tokens_and_never_overpays_the_bonus(held: Position) -> None:
    """Collateral would vanish, or liquidators would be paid more than the bonus allows."""
    assume(aave_v3_7.account_state(held).health_factor < WAD)
    try:
        done = aave_v3_7.liquidate(held, "WETH", "USDC")
    except VenueRefusesError:
        return
    collateral, taken = held.collateral[0], done.taken
    assert done.after.collateral[0].amount + taken.to_liquidator + taken.protocol_fee == collateral.amount
    assert done.after.debt[0].amount + taken.debt_repaid + sum(done.deficits.values()) == held.debt[0].amount
    paid = taken.debt_repaid * 10**20 * 10**10 * collateral.liquidation_bonus_bps  # USDC at 1, both in 1e36 USD bps
    assert taken.collateral_seized * collateral.price * 10**4 * BPS <= paid


def test_debt_without_collateral_is_written_off_from_3_3_on_only() -> None:
    """Lenders of v3.3 would be shown a claim that the protocol has already written off."""
    ruined = position(10**19, 900 * 10**8, 16_000 * 10**6)
    _, after = aave_v3_0.liquidate(ruined, "WETH", "USDC")
    assert after.collateral[0].amount == 0
    assert after.debt[0].amount > 0
    done = aave_v3_3.liquidate(ruined, "WETH", "USDC")
    assert done.after.debt[0].amount == 0
    assert done.deficits["USDC"] == 16_000 * 10**6 - done.taken.debt_repaid
    assert aave_v3_3.account_state(done.after).health_factor == NO_DEBT_HEALTH


def test_a_partial_liquidation_that_leaves_dust_is_refused() -> None:
    """A remnant that nobody would ever liquidate could be left behind."""
    small = position(10**18, 2_000 * 10**8, 1_700 * 10**6)
    with pytest.raises(VenueRefusesError, match=r"1,000"):
        aave_v3_3.liquidate(small, "WETH", "USDC", debt_to_cover=1_000 * 10**6)


def test_liquidating_past_one_over_the_bonus_worsens_the_account() -> None:
    """The docstring warns of a harm that the rule would not do."""
    deep = position(10 * 10**18, 1_650 * 10**8, 16_000 * 10**6)
    before = aave_v3_3.account_state(deep)
    after = aave_v3_3.account_state(aave_v3_3.liquidate(deep, "WETH", "USDC", 4_000 * 10**6).after)
    assert after.health_factor < before.health_factor


def test_a_steward_moves_ltv_by_basis_points_and_caps_by_share() -> None:
    """A planner would send updates that the chain refuses."""
    limits = aave_risk_steward.MANUAL_STEWARD
    assert aave_risk_steward.allowed_range(7_000, replace(limits["ltv"], max_change_bps=1_000)) == (6_000, 8_000)
    assert aave_risk_steward.allowed_range(1_000_000, limits["supply_cap"]) == (0, 2_000_000)
    assert not aave_risk_steward.is_allowed(1_000_000, 0, 10**6, limits["supply_cap"])
    assert not aave_risk_steward.is_allowed(7_000, 7_010, 100, limits["ltv"])
