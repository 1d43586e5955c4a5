"""What lending venues promise of health and liquidation: Morpho, Compound III, Euler, Silo."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leverline.margin.fixed_point import BPS, WAD, VenueRefusesError
from leverline.margin.rounding import ceil_div
from leverline.margin.rulebooks import comet, euler_v2, morpho_blue, silo_v2

USD = 10**8


@given(collateral_units=st.integers(10**3, 10**24), shares=st.integers(1, 10**24), lltv=st.integers(1, 999),
       assets=st.integers(0, 10**24), seen=st.lists(st.integers(1, 10**40), max_size=6))
def test_morpho_one_price_decides(
    collateral_units: int, shares: int, lltv: int, assets: int, seen: list[int]
) -> None:
    """A loan would be liquidated above its price, or be spared below it; what it owes counts up to a whole unit."""
    market = morpho_blue.Borrowed(assets, 10**24)
    debt = ceil_div(shares * (assets + 1), 10**24 + 10**6)
    limit = lltv * WAD // 1_000
    line = ceil_div(ceil_div(debt * WAD, limit) * morpho_blue.PRICE_SCALE, collateral_units)

    def healthy(price: int) -> bool:
        return morpho_blue.is_healthy(collateral_units, shares, market, price, limit)

    assert healthy(line)
    assert not healthy(line - 1)
    assert all(healthy(price) is (price >= line) for price in seen)


@given(lltv=st.integers(0, WAD - 1))
def test_morpho_a_loan_just_past_its_limit_can_pay_its_liquidator(lltv: int) -> None:
    """Every liquidation of a market would end in bad debt."""
    factor = morpho_blue.incentive_factor(lltv)
    assert WAD <= factor <= morpho_blue.MAX_INCENTIVE
    assert factor * lltv < WAD * WAD


@given(held=st.integers(10**15, 10**24), percent=st.integers(91, 120), share=st.integers(1, 100))
def test_morpho_liquidation_accounts_for_every_share_and_worsens_only_past_one_over_the_incentive(
    held: int, percent: int, share: int
) -> None:
    """Lenders would be told a loss that does not add up, or borrowers a harm that is not there."""
    assume(percent != 100)
    factor = morpho_blue.incentive_factor(86 * WAD // 100)
    debt = held * WAD * percent // (100 * factor)
    market = morpho_blue.Borrowed(2 * debt, 2 * debt * 10**6)
    shares = market.shares_up(debt)
    seized = held * share // 100
    price = morpho_blue.PRICE_SCALE
    if share >= percent:  # worth more than the debt with its incentive
        with pytest.raises(VenueRefusesError):
            morpho_blue.liquidate(held, shares, market, price, seized + 1, factor)
        return
    done = morpho_blue.liquidate(held, shares, market, price, seized, factor)
    left = shares - done.repaid_shares
    assert done.repaid_assets * factor >= seized * WAD  # no liquidator gets more than the incentive
    if seized == held:
        after = morpho_blue.Borrowed(market.assets - done.repaid_assets, market.shares - done.repaid_shares)
        assert done.bad_debt_assets == after.assets_up(left)
        return
    assert done.bad_debt_assets == 0
    before_ratio, after_ratio = Fraction(shares, held), Fraction(left, held - seized)
    assert (after_ratio > before_ratio) is (percent > 100)


comet_assets = st.lists(
    st.builds(comet.Collateral, amount=st.integers(0, 10**24), scale=st.sampled_from((10**8, 10**18)),
              price=st.integers(1, 10**5 * USD), factor=st.integers(1, 99).map(lambda n: n * WAD // 100)),
    max_size=4)


@given(debt=st.integers(1, 10**15), assets=comet_assets)
def test_comet_verdict_does_not_depend_on_the_order_of_collaterals(debt: int, assets: list[comet.Collateral]) -> None:
    """Stopping as soon as the debt is covered would make an account's safety a matter of listing order."""
    verdicts = {comet.is_liquidatable(-debt, USD, 10**6, list(order)) for order in permutations(assets)}
    assert len(verdicts) == 1
    lower = [replace(held, factor=held.factor * 9 // 10) for held in assets]
    if comet.is_borrow_collateralized(-debt, USD, 10**6, lower):
        assert verdicts == {False}


@given(amount=st.integers(10**16, 10**24), debt=st.integers(10**6, 10**15), percent=st.integers(1, 99),
       seen=st.lists(st.integers(1, 10**6 * USD), max_size=6))
def test_comet_one_price_decides(amount: int, debt: int, percent: int, seen: list[int]) -> None:
    """An account would be absorbed whole although its collateral carries its debt."""
    factor = percent * WAD // 100
    line = ceil_div(ceil_div(debt * 100 * WAD, factor) * 10**18, amount)

    def absorbed(price: int) -> bool:
        held = [comet.Collateral(amount, 10**18, price, factor)]
        return comet.is_liquidatable(-debt, USD, 10**6, held)

    assert not absorbed(line)
    assert absorbed(line - 1)
    assert all(absorbed(price) is (price < line) for price in seen)


@given(debt=st.integers(1, 10**15), amount=st.integers(0, 10**24), price=st.integers(1, 10**5 * USD),
       percent=st.integers(1, 100))
def test_comet_absorption_credits_no_more_than_the_collateral_is_worth(
    debt: int, amount: int, price: int, percent: int
) -> None:
    """An absorbed account would be paid out of the lenders' reserves, or be left owing."""
    after = comet.absorbed_balance(-debt, USD, 10**6, [(amount, 10**18, price, percent * WAD // 100)])
    worth = Fraction(amount * price, 10**18) / 100  # base units of 1e-6
    assert 0 <= after <= max(Fraction(0), worth - debt)


@given(price=st.integers(1, 10**13), storefront=st.integers(0, 100), liquidation=st.integers(0, 100),
       base=st.integers(0, 10**15))
def test_comet_storefront_gives_away_no_more_than_the_penalty(
    price: int, storefront: int, liquidation: int, base: int
) -> None:
    """Reserves would sell collateral below what they credited for it."""
    sale = comet.storefront_price(price, storefront * WAD // 100, liquidation * WAD // 100)
    assert price * liquidation // 100 <= sale <= price
    if sale:
        bought = comet.quote_collateral(base, USD, 10**6, 10**18, sale)
        assert bought * sale <= base * 100 * 10**18


@given(a=st.integers(0, 2 * WAD), b=st.integers(0, 2 * WAD), kink=st.integers(0, WAD), slopes=st.tuples(
    st.integers(0, WAD), st.integers(0, WAD), st.integers(0, 10 * WAD)))
def test_comet_money_never_gets_cheaper_as_it_gets_scarce(
    a: int, b: int, kink: int, slopes: tuple[int, int, int]
) -> None:
    """Borrowers would be drawn to an empty market."""
    curve = comet.Kinked(slopes[0], slopes[1], kink, slopes[2])
    low, high = sorted((a, b))
    assert comet.rate_per_second(low, curve) <= comet.rate_per_second(high, curve)


@given(value=st.integers(10**9, 10**24), debt=st.integers(10**9, 10**24), a=st.integers(1_000, 9_900),
       b=st.integers(1_000, 9_900), most=st.integers(0, 5_000))
def test_euler_discount_grows_as_health_falls_up_to_its_limit(value: int, debt: int, a: int, b: int, most: int) -> None:
    """A liquidator would wait for an account to get healthier, or take more than the vault allows."""
    sick, well = (euler_v2.max_liquidation(value, value, euler_v2.adjusted_value(value, ltv), debt, debt, most)
                  for ltv in sorted((a, b)))
    if well.repay and sick.repay:
        slack = Fraction(2, 10**8)  # every amount is rounded down
        assert Fraction(sick.seized, sick.repay) >= Fraction(well.seized, well.repay) * (1 - slack)
    for ltv, done in zip(sorted((a, b)), (sick, well), strict=True):
        adjusted = euler_v2.adjusted_value(value, ltv)
        assert (done.repay > 0 or done.seized > 0) is (adjusted <= debt)
        assert done.seized <= value
        assert done.repay <= debt
        assert done.seized * (BPS - most) <= (done.repay + 1) * BPS


@given(value=st.integers(10**12, 10**24), ltv=st.integers(5_000, 9_900), short=st.integers(1, 30),
       share=st.integers(10, 90))
def test_euler_liquidation_worsens_the_ratio_where_the_discount_passes_what_is_above_the_debt(
    value: int, ltv: int, short: int, share: int
) -> None:
    """The docstring would warn of a harm that is not there, or keep silent about one that is."""
    adjusted = euler_v2.adjusted_value(value, ltv)
    debt = adjusted * 100 // (100 - short)
    largest = euler_v2.max_liquidation(value, value, adjusted, debt, debt)
    done = euler_v2.partial_liquidation(largest, largest.repay * share // 100)
    assert done.seized <= largest.seized
    factor = max(Fraction(adjusted, debt), Fraction(4, 5))
    assume(abs(factor - Fraction(debt, value)) > Fraction(1, 10**6))
    assume(done.seized < value)
    worse = Fraction(debt - done.repay, value - done.seized) > Fraction(debt, value)
    assert worse is (factor < Fraction(debt, value))


@given(adjusted=st.integers(1, 10**24))
def test_euler_at_a_score_of_exactly_one_the_debt_is_taken_at_par(adjusted: int) -> None:
    """Equality would be safe, against the venue's word, or already cost the borrower a discount."""
    done = euler_v2.max_liquidation(2 * adjusted, 2 * adjusted, adjusted, adjusted, adjusted)
    assert done == euler_v2.Liquidation(adjusted, adjusted)
    assert euler_v2.max_liquidation(2 * adjusted, 2 * adjusted, adjusted + 1, adjusted, adjusted).repay == 0


@given(target=st.integers(0, BPS), extra=st.integers(0, BPS), ramp=st.integers(1, 10**7), a=st.integers(0, 10**7),
       b=st.integers(0, 10**7))
def test_euler_threshold_only_falls_and_stays_between_its_ends(target: int, extra: int, ramp: int, a: int, b: int,
                                                               ) -> None:
    """A ramp would overshoot, or a borrower gain room and lose it again."""
    late, early = sorted((min(a, ramp), min(b, ramp)))  # seconds that remain
    now, later = (euler_v2.liquidation_ltv_bps(target + extra, target, left, ramp) for left in (early, late))
    assert target <= later <= now <= target + extra
    assert euler_v2.liquidation_ltv_bps(target + extra, target, 0, ramp) == target


@given(debt=st.integers(1, 10**24), backing=st.integers(1, 10**24), threshold=st.integers(1, WAD))
def test_silo_one_unit_of_collateral_decides(debt: int, backing: int, threshold: int) -> None:
    """A loan at its threshold would be liquidated, or one past it left alone."""
    least = ceil_div(debt * WAD, threshold)
    assert silo_v2.is_solvent(debt, least, threshold)
    assert not silo_v2.is_solvent(debt, least - 1, threshold)
    assert silo_v2.is_solvent(debt, backing, threshold) is (backing >= least)


silo_loans = st.tuples(st.integers(10**12, 10**27), st.integers(60, 130)).map(
    lambda drawn: silo_v2.Loan(drawn[0] * drawn[1] // 100, drawn[0] * drawn[1] // 100, drawn[0], drawn[0]))


@given(loan=silo_loans, target=st.integers(50, 95), fee=st.integers(0, 20), offer=st.integers(1, 10**27))
def test_silo_takes_no_more_than_there_is_and_worsens_bad_debt_only(
    loan: silo_v2.Loan, target: int, fee: int, offer: int
) -> None:
    """A solvent borrower's ratio would rise by a liquidation, which the forced full repayment is there to prevent."""
    done = silo_v2.preview(loan, offer, target * WAD // 100, fee * WAD // 100)
    assert done.debt_assets <= loan.debt_assets
    assert done.collateral_assets <= loan.collateral_assets
    before = silo_v2.loan_to_value(loan.debt_value, loan.collateral_value)
    if before < silo_v2.BAD_DEBT:
        assert done.ltv_after <= before + 10**6  # the ratio afterwards rounds up
        assert done.debt_assets <= offer or done.debt_assets == loan.debt_assets


@given(backing=st.integers(10**12, 10**27), target=st.integers(85, 95), over=st.integers(1, 4),
       fee=st.integers(18, 20))
def test_silo_asks_for_the_whole_debt_where_no_part_would_reach_the_target(
    backing: int, target: int, over: int, fee: int
) -> None:
    """A small repayment would be accepted that leaves the borrower worse off than before."""
    loan = silo_v2.Loan(backing * (target + over) // 100, backing * (target + over) // 100, backing, backing)
    done = silo_v2.preview(loan, 1, target * WAD // 100, fee * WAD // 100)
    assert done.debt_assets == loan.debt_assets
    assert done.ltv_after == 0


def test_silo_a_partial_repayment_of_bad_debt_raises_the_ratio() -> None:
    """The docstring would warn of a harm that is not there."""
    loan = silo_v2.Loan(11 * 10**18, 11 * 10**18, 10**19, 10**19)
    done = silo_v2.preview(loan, 10**18, 8 * WAD // 10, WAD // 20)
    assert done.ltv_after > silo_v2.loan_to_value(loan.debt_value, loan.collateral_value)
    assert done.debt_assets == 10**18


@given(debt=st.integers(10**9, 10**24), backing=st.integers(10**9, 10**24), target=st.integers(0, 99),
       a=st.integers(0, 30), b=st.integers(0, 30))
def test_silo_a_higher_fee_never_leaves_more_debt(debt: int, backing: int, target: int, a: int, b: int) -> None:
    """The target would be missed where liquidation costs the borrower more."""
    low, high = sorted((a, b))
    little, much = (silo_v2.max_repay_value(debt, backing, target * WAD // 100, fee * WAD // 100)
                    for fee in (low, high))
    assert little <= much <= debt
