"""A book in the integers of the ledger."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from leverline.enforce.terms import PPM, VenueTerms, terms_of_book
from leverline.margin.limits import asset_rules
from leverline.model.collateral import AssetLimits, HaircutTier
from leverline.model.limitbook import InstrumentLimits
from leverline.model.quantities import UNITS_PER_ONE
from tests.model.books import book, schedule

amounts = st.integers(1, 10**16)
shares = st.integers(0, 1000).map(lambda k: k / 1000)


@st.composite
def asset_limits(draw: st.DrawFn) -> AssetLimits:
    """Any mixture of set and unset weights, haircut tiers that may begin above 0 among them."""
    low, high = sorted((draw(shares), draw(shares)))
    floors = sorted(draw(st.sets(st.integers(0, 10**12), max_size=3)))
    haircuts = sorted(draw(shares) for _ in floors)
    return AssetLimits(
        ltv=draw(st.sampled_from([None, low])), liquidation_threshold=draw(st.sampled_from([None, high])),
        haircut_tiers=draw(st.sampled_from([None, tuple(
            HaircutTier(value_floor=start, haircut=cut) for start, cut in zip(floors, haircuts, strict=True))])),
        supply_cap=draw(st.none() | st.integers(0, 10**13)))


def _terms(limits: AssetLimits) -> VenueTerms:
    return terms_of_book(book(instruments={}, collateral={"ETH": limits}))


@given(limits=asset_limits(), value=st.integers(0, 10**13))
def test_the_venue_counts_collateral_as_the_check_does(limits: AssetLimits, value: int) -> None:
    """An account told that it is safe would be liquidated by the venue that holds the same book."""
    terms, rules = _terms(limits).assets["ETH"], asset_rules(limits)
    ends = [*(floor * UNITS_PER_ONE for floor in rules.floors[1:]), float("inf")]
    held = value if rules.value_cap is None else min(value, rules.value_cap * UNITS_PER_ONE)
    for initial, weights in ((True, rules.initial_weights), (False, rules.maintenance_weights)):
        expected = sum(max(0.0, min(end, held) - floor * UNITS_PER_ONE) * weight
                       for floor, end, weight in zip(rules.floors, ends, weights, strict=True))
        assert abs(terms.counted(value, initial=initial) - expected) <= len(weights) + value / 1e12


@given(limits=asset_limits())
def test_what_may_be_borrowed_never_counts_more_than_what_is_liquidated(limits: AssetLimits) -> None:
    """A loan would open liquidatable."""
    terms = _terms(limits).assets["ETH"]
    assert all(a <= b <= PPM for a, b in zip(terms.initial_ppm, terms.maintenance_ppm, strict=True))


@given(rates=st.lists(st.integers(1, 10**9), min_size=2, max_size=6, unique=True).map(sorted),
       floors=st.lists(st.integers(1, 10**9), min_size=5, max_size=5, unique=True).map(sorted), notional=amounts)
def test_a_requirement_has_no_jump_at_the_edge_of_a_tier(rates: list[int], floors: list[int], notional: int) -> None:
    """I10: one unit more of a position must not cost its holder a thousand, or liquidate him."""
    written = [rate / 2e9 for rate in rates]
    rows = schedule(*((0 if i == 0 else floors[i - 1], None if i == len(rates) - 1 else floors[i], 0.99 / rate, rate)
                      for i, rate in enumerate(written)))
    limits = InstrumentLimits(tiers=rows, tick=0.1, lot=0.001)
    market = terms_of_book(book(instruments={"BTC/USDT:USDT": limits}, collateral={})).markets["BTC/USDT:USDT"]
    for row in market.tiers[1:]:
        step = market.maintenance(row.floor + 1) - market.maintenance(row.floor)
        assert 0 <= step <= 2
    tier = next(t for t in reversed(rows) if t.notional_floor < notional or t.notional_floor == 0)
    exact = Fraction(repr(tier.maintenance_margin_rate)) * notional - tier.maintenance_deduction
    roundings = 2  # of the requirement up, of the deduction down: a unit each
    assert exact <= market.maintenance(notional) <= exact + Fraction(notional, PPM) + roundings
