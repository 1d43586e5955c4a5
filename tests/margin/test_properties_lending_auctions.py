"""What auctions, fees, bands and steps of lending venues promise: Maker, Liquity, crvUSD, Aave's risk stewards."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leverline.margin import dutch
from leverline.margin.fixed_point import BPS, RAY, WAD, VenueRefusesError
from leverline.margin.rounding import ceil_div
from leverline.margin.rulebooks import aave_risk_steward, crvusd, liquity, maker

RAD = RAY * WAD
DAY_S = 86_400

tops = st.integers(1, 10**33)
times = st.integers(0, 200_000)
cuts = st.one_of(st.integers(1, RAY), st.integers(0, 10**6).map(lambda n: RAY - n),
                 st.integers(900, 1_000).map(lambda n: n * RAY // 1_000))


@given(top=tops, a=times, b=times, duration=st.integers(1, 100_000), step=st.integers(1, 1_000), cut=cuts)
def test_no_auction_price_ever_rises(top: int, a: int, b: int, duration: int, step: int, cut: int) -> None:
    """A buyer who waits would pay more, and whoever bought first was cheated."""
    early, late = sorted((a, b))
    linear = [dutch.linear_price(top, t, duration) for t in (0, early, late)]
    stairs = [dutch.stairstep_price(top, t, step, cut) for t in (0, early, late)]
    for start, first, then in (linear, stairs):
        assert top == start >= first >= then >= 0
    assert dutch.linear_price(top, duration, duration) == 0


@given(top=tops, cut=cuts, second=st.integers(0, 100_000))
def test_an_exponential_price_does_not_rise_from_one_second_to_the_next(top: int, cut: int, second: int) -> None:
    """Rounding in the power would let the price tick up."""
    assert dutch.exponential_price(top, second + 1, cut) <= dutch.exponential_price(top, second, cut)


@given(top=tops, step=st.integers(1, 1_000), cut=cuts, stairs=st.integers(0, 100), within=st.integers(0, 999))
def test_a_stair_is_flat(top: int, step: int, cut: int, stairs: int, within: int) -> None:
    """A bid that was right when sent would be wrong when it arrives in the same step."""
    at = stairs * step
    assert dutch.stairstep_price(top, at, step, cut) == dutch.stairstep_price(top, at + within % step, step, cut)


vaults = st.builds(maker.Vault, ink=st.integers(WAD, 10**24), art=st.integers(WAD, 10**25),
                   rate=st.integers(RAY, 2 * RAY))


@given(vault=vaults, seen=st.lists(st.integers(1, 10**31), max_size=6))
def test_one_safe_price_decides(vault: maker.Vault, seen: list[int]) -> None:
    """A vault would be barked at although its collateral carries the debt, or be spared one ray below."""
    line = ceil_div(vault.debt, vault.ink)
    assert not maker.is_unsafe(vault, line)
    assert maker.is_unsafe(vault, line - 1) is (line > 1)
    assert all(maker.is_unsafe(vault, price) is (price < line) for price in seen)


@given(feed=st.integers(1, 10**24), ratio=st.integers(RAY, 5 * RAY), more=st.integers(1, 10**20))
def test_a_stricter_liquidation_ratio_never_values_collateral_higher(feed: int, ratio: int, more: int) -> None:
    """Raising the ratio would let vaults draw more."""
    assert maker.safe_price(feed, RAY, ratio + more * RAY // WAD) <= maker.safe_price(feed, RAY, ratio)
    assert maker.safe_price(feed, RAY, ratio) <= maker.safe_price(feed + more, RAY, ratio)
    assert maker.safe_price(feed, RAY, RAY) == feed * 10**9


small_vaults = st.builds(maker.Vault, ink=st.integers(1, 10**22), rate=st.integers(RAY, 2 * RAY),
                         art=st.integers(1, 20_000).map(lambda n: n * WAD))


@given(vault=small_vaults, dust=st.integers(0, 10**4), penalty=st.integers(0, 50), room=st.integers(1, 4 * 10**4))
def test_a_bark_stays_in_its_limit_unless_dust_would_remain(
    vault: maker.Vault, dust: int, penalty: int, room: int
) -> None:
    """More debt would be auctioned at once than the market can bear, or vaults be left that nobody pays to close."""
    least, chop, limit = dust * RAD, WAD + penalty * WAD // 100, room * RAD
    try:
        bark = maker.bark(vault, least, chop, limit)
    except VenueRefusesError:
        part = min(vault.art, limit * WAD // vault.rate // chop)
        assert part * vault.rate < least or part * vault.ink < vault.art
        return
    assert 0 < bark.art <= vault.art
    assert 0 < bark.lot <= vault.ink
    assert bark.lot * vault.art <= vault.ink * bark.art < (bark.lot + 1) * vault.art  # its share, rounded down
    left = (vault.art - bark.art) * vault.rate
    assert left == 0 or (left >= least and bark.art * vault.rate >= least)
    if bark.tab > limit:
        fitting = limit * WAD // vault.rate // chop
        assert left == 0
        assert (vault.art - fitting) * vault.rate < least


@pytest.mark.parametrize("room", [0, -RAD])
def test_nothing_is_auctioned_past_the_limit(room: int) -> None:
    """A full auction house would take more in."""
    with pytest.raises(VenueRefusesError):
        maker.bark(maker.Vault(WAD, WAD, RAY), 0, WAD, room)


@given(lot=st.integers(1, 10**24), tab=st.integers(1, 10**51), prices=st.lists(
    st.tuples(st.integers(1, 10**31), st.integers(1, 10**24)), min_size=1, max_size=8), least=st.integers(0, 10**47))
def test_an_auction_never_raises_more_than_debt_and_penalty(
    lot: int, tab: int, prices: list[tuple[int, int]], least: int
) -> None:
    """The borrower would pay for the auction's success, or buyers get collateral for nothing."""
    raised = sold = 0
    left_lot, left_tab = lot, tab
    for price, amount in prices:
        if left_lot == 0 or left_tab == 0:
            break
        try:
            done = maker.take(left_lot, left_tab, price, amount, least)
        except VenueRefusesError:
            continue
        assert done.bought <= amount
        assert 0 <= done.owe <= amount * price
        assert done.owe > (done.bought - 1) * price
        raised, sold, left_lot, left_tab = raised + done.owe, sold + done.bought, done.lot, done.tab
    assert raised + left_tab == tab
    assert sold + left_lot == lot
    assert left_tab >= 0


@given(debt=st.integers(0, 10**9), line=st.integers(0, 10**9), most=st.integers(0, 10**9), gap=st.integers(0, 10**8),
       now=st.integers(0, 10**6), last=st.integers(0, 10**6), ttl=st.integers(0, DAY_S))
def test_a_debt_ceiling_stays_under_its_maximum_and_rises_once_a_period(
    debt: int, line: int, most: int, gap: int, now: int, last: int, ttl: int
) -> None:
    """A loan attack could raise the ceiling as fast as it borrows."""
    limits = maker.AutoLine(most, gap, ttl)
    following = maker.next_line(debt, line, limits, now, last)
    assert following <= max(line, min(most, debt + gap))
    if following > line:
        assert following <= most
        assert now >= last + ttl
    if line > most:
        assert following <= most


rates = st.integers(0, WAD)
seconds = st.integers(0, 10**9)


@given(rate=rates, a=seconds, b=seconds)
def test_waiting_in_small_steps_never_decays_more(rate: int, a: int, b: int) -> None:
    """Anybody could wipe out the fee by touching the system often."""
    whole, at_first = liquity.decayed_base_rate(rate, a + b), liquity.decayed_base_rate(rate, a)
    assert whole <= at_first <= rate
    assert liquity.decayed_base_rate(at_first, b) >= whole - 2  # each step rounds down


def test_the_base_rate_halves_in_twelve_hours() -> None:
    """Fees after a redemption would stay high for days, or be gone in minutes."""
    assert abs(Fraction(liquity.decayed_base_rate(WAD, DAY_S // 2), WAD) - Fraction(1, 2)) < Fraction(1, 10**8)


@given(rate=rates, a=st.integers(1, 10**24), b=st.integers(1, 10**24), supply=st.integers(1, 10**24))
def test_fees_rise_with_redemptions_within_their_bounds(rate: int, a: int, b: int, supply: int) -> None:
    """Large redemptions would be cheap, or a fee exceed what it is charged on."""
    small, large = sorted((min(a, supply), min(b, supply)))
    little, much = (liquity.redemption_base_rate(rate, redeemed, supply) for redeemed in (small, large))
    assert rate <= little <= much <= WAD
    assert liquity.FEE_FLOOR <= liquity.redemption_rate(little) <= liquity.redemption_rate(much) <= WAD
    assert liquity.FEE_FLOOR <= liquity.borrowing_rate(much) <= liquity.BORROWING_FEE_CAP
    assert liquity.borrowing_rate(much, recovery_mode=True) == 0


@given(a=st.integers(0, 3 * WAD), b=st.integers(0, 3 * WAD), total=st.integers(0, 3 * WAD),
       debt=st.integers(1, 10**24), pool=st.integers(0, 10**24))
def test_a_trove_that_is_worse_off_is_never_the_safer_one(a: int, b: int, total: int, debt: int, pool: int) -> None:
    """A borrower could escape liquidation by withdrawing collateral."""
    poor, rich = sorted((a, b))
    if liquity.resolution(poor, total, debt, pool) is liquity.Resolution.NONE:
        assert liquity.resolution(rich, total, debt, pool) is liquity.Resolution.NONE
    if rich >= max(liquity.CRITICAL_RATIO, liquity.MINIMUM_RATIO):
        assert liquity.resolution(rich, min(total, rich), debt, pool) is liquity.Resolution.NONE


@given(collateral=st.integers(10**15, 10**24), debt=st.integers(10**18, 10**25),
       seen=st.lists(st.integers(1, 10**24), max_size=6))
def test_a_trove_falls_at_one_price(collateral: int, debt: int, seen: list[int]) -> None:
    """A trove at its minimum ratio would be liquidated, or one a unit below be spared."""
    line = ceil_div(liquity.MINIMUM_RATIO * debt, collateral)

    def stands(price: int) -> bool:
        ratio = liquity.collateral_ratio(collateral, debt, price)
        return liquity.resolution(ratio, 2 * WAD, debt, debt) is liquity.Resolution.NONE

    assert stands(line)
    assert not stands(line - 1)
    assert all(stands(price) is (price >= line) for price in seen)


bands = st.integers(-1_000, 1_000)
amplifications = st.integers(2, 1_000)


@given(a=bands, b=bands, amplification=amplifications, base=st.integers(WAD, 10**5 * WAD))
def test_bands_descend_and_do_not_overlap(a: int, b: int, amplification: int, base: int) -> None:
    """Collateral deposited further down would be sold earlier."""
    assume(max(abs(a), abs(b)) < 30 * amplification)  # further out prices round to nothing
    low, high = sorted((a, b))
    upper, lower = crvusd.band_prices(amplification, base, low)
    assert lower <= upper
    if low < high:
        assert crvusd.band_prices(amplification, base, high)[0] <= lower
    assert crvusd.band_prices(amplification, base, 0)[0] == base


@given(band=st.integers(-100, 100), amplification=st.integers(20, 1_000), share=st.fractions(0, 1),
       base=st.integers(WAD, 10**5 * WAD))
def test_inside_a_band_the_pool_overshoots_the_oracle_on_both_sides(
    band: int, amplification: int, share: Fraction, base: int
) -> None:
    """Nobody would sell collateral as the oracle falls through the band, or buy it back as it rises."""
    upper, lower = crvusd.band_prices(amplification, base, band)
    oracle = int(lower + share * (upper - lower))
    in_stablecoin, in_collateral = crvusd.current_prices(amplification, base, oracle, band)
    slack = max(oracle // 10**12, 10)
    assert in_collateral <= oracle + slack
    assert oracle - slack <= in_stablecoin
    assert crvusd.current_prices(amplification, base, upper, band)[1] <= upper + slack
    assert crvusd.current_prices(amplification, base, upper, band)[1] >= upper - slack


@given(previous=st.integers(4, 10**24), a=st.integers(0, 10**25), b=st.integers(0, 10**25))
def test_the_oracle_takes_no_step_beyond_its_limit(previous: int, a: int, b: int) -> None:
    """One false print would liquidate a whole market."""
    low, high = (crvusd.limited_oracle_price(previous, new) for new in sorted((a, b)))
    assert previous * 4 // 5 <= low <= high <= previous * 5 // 4
    assert crvusd.limited_oracle_price(previous, previous) == previous


@given(sold=st.integers(0, 10**25), more=st.integers(0, 10**24), debt=st.integers(1, 10**25),
       discount=st.integers(0, WAD - 1))
def test_health_is_zero_exactly_where_what_the_bands_bring_pays_the_debt(
    sold: int, more: int, debt: int, discount: int
) -> None:
    """A loan would be liquidated hard although its bands bring in the debt and the discount."""
    health = crvusd.health(sold, debt, discount)
    assert (health < 0) is (sold * (WAD - discount) < debt * WAD)
    assert crvusd.health(sold + more, debt, discount) >= health
    assert crvusd.health(sold, debt + more, discount) <= max(health, Fraction(-1))


steps = st.builds(aave_risk_steward.StepLimit, max_change_bps=st.integers(0, 3 * BPS),
                  min_delay_s=st.integers(0, 10**6), relative=st.booleans())


@given(limit=steps, current=st.integers(0, 10**11), new=st.integers(0, 10**11), waited=st.integers(0, 10**6))
def test_a_steward_is_bounded_both_ways_and_in_time(
    limit: aave_risk_steward.StepLimit, current: int, new: int, waited: int
) -> None:
    """One update could move a parameter anywhere, or two follow each other at once."""
    low, high = aave_risk_steward.allowed_range(current, limit)
    largest = aave_risk_steward.largest_change(current, limit)
    assert 0 <= low <= current <= high
    assert high - current == largest
    assert low == 0 or current - low == largest
    if aave_risk_steward.is_allowed(current, new, waited, limit):
        assert new != 0
        assert abs(new - current) <= largest
        assert waited >= limit.min_delay_s
    elif new and waited >= limit.min_delay_s:
        assert abs(new - current) > largest


@given(name=st.sampled_from(sorted(aave_risk_steward.MANUAL_STEWARD)), current=st.integers(1, 10**11))
def test_a_shipped_steward_may_always_leave_a_parameter_as_it_is_but_never_disable_it(name: str, current: int) -> None:
    """A plan would contain an update that the chain refuses."""
    limit = aave_risk_steward.MANUAL_STEWARD[name]
    assert aave_risk_steward.is_allowed(current, current, 3 * DAY_S, limit)
    assert not aave_risk_steward.is_allowed(current, current, 3 * DAY_S - 1, limit)
    assert aave_risk_steward.is_allowed(1, 0, 3 * DAY_S, limit) == limit.zero
    assert limit.zero == (name in ("base_rate", "slope_1", "slope_2", "kink"))
