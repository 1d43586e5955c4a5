"""Properties of the other lending rulebooks, beyond the venues' own cases."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leverline.margin import dutch
from leverline.margin.fixed_point import RAY, WAD, VenueRefusesError
from leverline.margin.rulebooks import aave_v4, comet, crvusd, euler_v2, liquity, maker, morpho_blue, silo_v2

values = st.integers(10**6, 10**30)


@given(st.integers(1, 10**33), st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, RAY))
def test_an_auction_price_never_rises_with_time(top: int, a: int, b: int, cut: int) -> None:
    """A buyer who waits would pay more, and auctions would not clear."""
    early, late = sorted((a, b))
    assert dutch.linear_price(top, late, 3_600) <= dutch.linear_price(top, early, 3_600) <= top
    assert dutch.stairstep_price(top, late, 60, cut) <= dutch.stairstep_price(top, early, 60, cut) + 1


@given(st.integers(1, 10**24), st.integers(1, 10**51), st.integers(1, 10**31), st.integers(1, 10**24))
def test_an_auction_conserves_and_never_raises_too_much(lot: int, tab: int, price: int, amount: int) -> None:
    """A borrower would pay more than debt and penalty, or a remnant below the least would remain."""
    least = 10**46
    try:
        done = maker.take(lot, tab, price, amount, least)
    except VenueRefusesError:
        assert tab <= least
        return
    assert done.owe + done.tab == tab
    assert done.bought + done.lot == lot
    assert done.tab >= 0
    assert done.tab == 0 or done.lot == 0 or done.tab >= least


def test_a_dusty_part_of_a_vault_is_refused_and_a_dusty_remnant_taken() -> None:
    """Auctions or vaults too small to be worth a keeper's gas would remain."""
    rad = 10**45
    vault = maker.Vault(40 * WAD, 100 * WAD, RAY)
    with pytest.raises(VenueRefusesError):
        maker.bark(vault, 20 * rad, WAD, 19 * rad)
    assert maker.bark(vault, 20 * rad, WAD, 81 * rad).art == 100 * WAD


@given(values, st.integers(10, 99), st.integers(1, 90), st.integers(0, 20))
def test_silo_reaches_the_target_ratio_or_takes_all(collateral: int, ratio: int, target: int, fee: int) -> None:
    """A liquidation would leave the loan above its target and be called again at once."""
    assume(collateral > 10**12)
    debt = collateral * ratio // 100
    loan = silo_v2.Loan(debt, debt, collateral, collateral)
    shown = silo_v2.preview(loan, 2**255, target * WAD // 100, fee * WAD // 100)
    assert shown.debt_assets <= debt
    assert shown.collateral_assets <= collateral
    assert shown.ltv_after <= max(target * WAD // 100, 0) + 10**12 or shown.debt_assets == 0


@given(st.integers(0, WAD), st.integers(0, 10**7), st.integers(0, 10**7))
def test_the_base_rate_only_decays(rate: int, a: int, b: int) -> None:
    """Borrowers would pay more for waiting."""
    early, late = sorted((a, b))
    assert liquity.decayed_base_rate(rate, late) <= liquity.decayed_base_rate(rate, early) <= rate


def test_recovery_mode_takes_a_trove_that_meets_its_minimum() -> None:
    """A user would believe that 120 % is always safe."""
    ratio = 12 * WAD // 10
    assert liquity.resolution(ratio, 2 * WAD, WAD, 10 * WAD) is liquity.Resolution.NONE
    assert liquity.resolution(ratio, 14 * WAD // 10, WAD, 10 * WAD) is liquity.Resolution.OFFSET_CAPPED
    assert liquity.resolution(ratio, 14 * WAD // 10, 11 * WAD, 10 * WAD) is liquity.Resolution.NONE
    assert liquity.resolution(WAD, 14 * WAD // 10, WAD, 10 * WAD) is liquity.Resolution.REDISTRIBUTE


@given(st.integers(0, WAD - 1), st.integers(0, WAD - 1))
def test_the_v4_bonus_grows_as_health_falls(a: int, b: int) -> None:
    """Liquidators would wait for an account to get healthier."""
    sick, well = sorted((a, b))
    assert aave_v4.liquidation_bonus_bps(sick, 9 * WAD // 10, 4_000, 12_000) >= aave_v4.liquidation_bonus_bps(
        well, 9 * WAD // 10, 4_000, 12_000
    )


@given(st.integers(-200, 200), st.integers(20, 1_000))
def test_bands_join_without_a_gap(band: int, amplification: int) -> None:
    """Some oracle price would belong to no band, or to two."""
    upper, lower = crvusd.band_prices(amplification, 3_000 * WAD, band)
    assert lower == crvusd.band_prices(amplification, 3_000 * WAD, band + 1)[0]
    assert lower < upper


@given(st.integers(0, WAD - 1), st.integers(0, WAD - 1))
def test_a_safer_morpho_market_pays_liquidators_less(a: int, b: int) -> None:
    """The incentive would eat into what a high limit leaves above the debt."""
    low, high = sorted((a, b))
    assert morpho_blue.incentive_factor(high) <= morpho_blue.incentive_factor(low) <= morpho_blue.MAX_INCENTIVE


@given(st.integers(10**12, 10**24), st.integers(1, 10**24), st.integers(1_000, 9_900))
def test_euler_never_pays_more_than_its_discount(collateral: int, liability: int, ltv: int) -> None:
    """A liquidator would take more collateral for the debt than the score or the limit allows."""
    largest = euler_v2.max_liquidation(
        collateral, collateral, euler_v2.adjusted_value(collateral, ltv), liability, liability
    )
    assert largest.seized <= collateral
    assert largest.repay <= liability
    assert largest.repay * WAD + WAD >= largest.seized * (WAD - WAD // 5)


def test_comet_counts_collateral_only_until_the_debt_is_covered() -> None:
    """An account a unit short of its debt would be shown as safe, or a covered one as short."""
    held = [comet.Collateral(10**18, 10**18, 2_000 * 10**8, 8 * WAD // 10)]
    assert not comet.is_liquidatable(-1_600 * 10**6, 10**8, 10**6, held)
    assert comet.is_liquidatable(-1_600 * 10**6 - 1, 10**8, 10**6, held)
