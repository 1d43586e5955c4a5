"""Hyperliquid, GMX v2 and Synthetix v3: liquidation lines, impact and windows."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from leverline.margin.rulebooks import gmx_v2, hyperliquid, synthetix_v3

BTC = (hyperliquid.Tier(Fraction(0), Fraction(40)), hyperliquid.Tier(Fraction(150_000_000), Fraction(20)))
positive = st.fractions(Fraction(1, 100), 10**6, max_denominator=10**4)
sides = st.sampled_from((1, -1))


def test_the_deduction_is_the_published_one() -> None:
    """A large bitcoin position would be liquidated elsewhere than the venue's table says."""
    notional = Fraction(400_000_000)
    assert hyperliquid.maintenance_margin(notional, BTC) == notional / 40 - 1_875_000


@given(entry=positive, size=positive, margin=positive, side=sides, leverage=st.integers(3, 50))
def test_margin_is_exactly_used_up_at_the_liquidation_price(
    entry: Fraction, size: Fraction, margin: Fraction, side: int, leverage: int
) -> None:
    """The price shown to a trader would not be the one at which the position goes."""
    price = hyperliquid.isolated_liquidation_price(entry, side, size, margin, Fraction(leverage))
    if price is None:
        assert margin >= entry * size  # a long that pays in full, or a short without room: no price above 0
    else:
        equity = margin + side * size * (price - entry)
        tier = hyperliquid.Tier(Fraction(0), Fraction(leverage))
        assert equity == hyperliquid.maintenance_margin(size * price, [tier])


@given(a=st.integers(-(10**6), 10**6), b=st.integers(-(10**6), 10**6))
def test_a_round_trip_never_earns_impact(a: int, b: int) -> None:
    """A trader could pump the impact pool dry by going back and forth."""
    factors = Fraction(2), Fraction(5, 10**9), Fraction(1, 10**8)
    there = gmx_v2.price_impact(Fraction(a), Fraction(b), *factors)
    assert there + gmx_v2.price_impact(Fraction(b), Fraction(a), *factors) <= 0


@given(size=positive, entry=positive, tokens=positive, price=positive, is_long=st.booleans())
def test_a_liquidated_account_never_gets_more_than_it_put_in(
    size: Fraction, entry: Fraction, tokens: Fraction, price: Fraction, is_long: bool
) -> None:
    """The pool would pay for a liquidation."""
    position = gmx_v2.Position(size, entry, tokens, is_long)
    assert 0 <= gmx_v2.returned_tokens(position, Fraction(1), price, Fraction(0), Fraction(0)) <= tokens


@given(calls=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 200)), max_size=12))
def test_no_window_takes_more_than_its_capacity(calls: list[tuple[int, int]]) -> None:
    """A cascade would be sold faster than the market can bear."""
    window = synthetix_v3.LiquidationWindow(Fraction(100), Fraction(10))
    done = [(at, window.liquidate(Fraction(at), Fraction(size))) for at, size in sorted(calls)]
    for end, _ in done:
        assert sum(amount for at, amount in done if end - 10 < at <= end) <= 100


@given(a=positive, b=positive)
def test_larger_positions_need_a_larger_share(a: Fraction, b: Fraction) -> None:
    """Size would be cheaper by the unit."""
    market = synthetix_v3.Market(Fraction(1000), Fraction(2), Fraction(1, 100), Fraction(1, 2))
    low, high = sorted((a, b))
    per_unit = [synthetix_v3.margins(market, size, Fraction(10))[1] / size for size in (low, high)]
    assert per_unit[0] <= per_unit[1]
