"""What one owner gains by many accounts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.calibrate.owner_limits import largest_position, splitting
from leverline.calibrate.schedule import continuous_deductions
from leverline.ground.errors import UsageError
from leverline.model.limitbook import Tier
from leverline.model.quantities import UNITS_PER_ONE

FLOORS, CAPS = [0, 10_000, 100_000], [10_000, 100_000, 1_000_000]
LEVERAGES, RATES = [20.0, 10.0, 5.0], [0.02, 0.05, 0.1]
TIERS = tuple(
    Tier(notional_floor=floor * UNITS_PER_ONE, notional_cap=cap * UNITS_PER_ONE, max_leverage=leverage,
         initial_margin_rate=1 / leverage, maintenance_margin_rate=rate, maintenance_deduction=int(deduction))
    for floor, cap, leverage, rate, deduction in zip(
        FLOORS, CAPS, LEVERAGES, RATES, continuous_deductions([f * UNITS_PER_ONE for f in FLOORS], RATES), strict=True))


def test_a_hundred_accounts_pay_the_first_tier() -> None:
    """The statement of what a venue without identities gives away would be a wrong figure."""
    found = splitting(TIERS, 1_000_000 * UNITS_PER_ONE, 100)
    assert found.initial_whole == 200_000 * UNITS_PER_ONE
    assert found.initial_split == 50_000 * UNITS_PER_ONE
    assert found.initial_saved_share == pytest.approx(0.75)
    assert found.maintenance_split == 20_000 * UNITS_PER_ONE
    assert found.rate_uncovered == pytest.approx(
        (1_000_000 * 0.1 - 10_000 * 0.03 - 100_000 * 0.05) / 1e6 - 0.02)


@given(notional=st.integers(2, 10**12), accounts=st.integers(1, 100))
def test_splitting_never_costs_more(notional: int, accounts: int) -> None:
    """Tiers ask more of the large: parts that ask more than the whole would punish caution."""
    if accounts > notional:
        return
    found = splitting(TIERS, notional, accounts)
    assert found.initial_whole is not None
    assert found.maintenance_whole is not None
    assert found.initial_split <= found.initial_whole + 1
    assert found.maintenance_split <= found.maintenance_whole + 1


def test_one_account_saves_nothing() -> None:
    """A gain out of nothing means the two sides are not computed alike."""
    found = splitting(TIERS, 123_456_789_123, 1)
    assert (found.initial_saved_share, found.rate_uncovered) == (0.0, 0.0)


def test_parts_add_up_to_the_whole() -> None:
    """Units that do not divide would be held by nobody: inside one tier splitting changes nothing."""
    found = splitting(TIERS, 1_000_019, 20)
    assert (found.initial_split, found.maintenance_split) == (found.initial_whole, found.maintenance_whole)


def test_a_position_beyond_the_cap_is_held_only_in_parts() -> None:
    """Splitting is also how a position cap is passed by: the whole has no margin, the parts have."""
    found = splitting(TIERS, 5_000_000 * UNITS_PER_ONE, 10)
    assert found.initial_whole is None
    assert found.initial_saved_share is None
    assert found.initial_split == 1_000_000 * UNITS_PER_ONE


def test_parts_beyond_the_cap_are_refused() -> None:
    """No account may hold them, so there is nothing to compute."""
    with pytest.raises(UsageError, match="tiers allow"):
        splitting(TIERS, 5_000_000 * UNITS_PER_ONE, 2)


def test_the_largest_position_is_the_tighter_limit() -> None:
    """The gain would be stated at a size that the market does not have."""
    assert largest_position(TIERS, 50) == 50
    assert largest_position(TIERS, None) == CAPS[-1] * UNITS_PER_ONE
