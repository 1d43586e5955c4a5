"""Drift v2: what its size curves and its liquidation promise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leverline.margin.rulebooks.drift_v2 import (
    BASE,
    ByLevel,
    Level,
    asset_weight,
    high_leverage_ratio,
    margin_ratio,
    spot_requirement,
)
from leverline.margin.rulebooks.drift_v2_liquidation import (
    PerpAccount,
    PerpMarket,
    liquidate_perp,
    max_share,
    resolve_bankruptcy,
)

ORDINARY, HIGH = ByLevel(1_000, 500), ByLevel(100, 50)
MARKET = PerpMarket(price=100 * 10**6, maintenance_ratio=500, imf_factor=0, base_fee=10_000, max_fund_fee=10_000,
                    buffer_ratio=200, initial_share=10_000, duration=150, step=10**7)
sizes = st.integers(0, 10**18)
levels = st.sampled_from(Level)


@given(a=sizes, b=sizes, imf=st.integers(0, 10_000), level=levels)
def test_size_never_eases_the_terms(a: int, b: int, imf: int, level: Level) -> None:
    """A whale would be allowed more leverage than a small account."""
    low, high = sorted((a, b))
    assert margin_ratio(low, imf, ORDINARY, level) <= margin_ratio(high, imf, ORDINARY, level)
    assert asset_weight(low, imf, 9_000) >= asset_weight(high, imf, 9_000)


@given(a=sizes, b=sizes, imf=st.integers(1, 10_000), level=levels)
def test_high_leverage_ends_where_ordinary_leverage_begins(a: int, b: int, imf: int, level: Level) -> None:
    """High-leverage mode would ask less of large positions for ever, or less than its own floor of small ones."""
    size = max(a, b)
    ratio = high_leverage_ratio(size, imf, ORDINARY, HIGH, level)
    assert HIGH.at(level) <= ratio <= margin_ratio(size, imf, ORDINARY, level)


@given(tokens=st.integers(-(10**13), 10**13), bids=st.integers(0, 10**13), asks=st.integers(-(10**13), 0))
def test_open_orders_never_free_collateral(tokens: int, bids: int, asks: int) -> None:
    """Placing orders would let an account withdraw more."""
    bare_margin, bare_collateral = spot_requirement(tokens, 0, 0, 10**8, 8_000, 12_000)
    margin, collateral = spot_requirement(tokens, bids, asks, 10**8, 8_000, 12_000)
    assert collateral - margin <= bare_collateral - bare_margin + 2  # two cuts towards zero


@given(side=st.sampled_from((1, -1)), size=st.integers(1, 500).map(lambda n: n * 10**7),
       equity=st.integers(-(10**8), 10**8))
def test_liquidation_creates_nothing_and_never_turns_a_position_round(side: int, size: int, equity: int) -> None:
    """A liquidated long would wake up short, or quote would appear."""
    value = size * MARKET.price // BASE
    before = PerpAccount(side * size, -side * value + equity, 0, 0, 0, 0)
    done = liquidate_perp(before, MARKET, size, 0)
    assert done.account.base + done.liquidator_base == before.base
    assert done.account.quote + done.liquidator_quote + done.fund_fee == before.quote
    assert 0 <= side * done.account.base <= size


@given(size=st.integers(1, 500).map(lambda n: n * 10**7), spare=st.integers(0, 1))
def test_an_account_at_its_requirement_is_left_alone(size: int, spare: int) -> None:
    """A healthy account would be liquidated, or one unit below the line would not."""
    value = size * MARKET.price // BASE
    needed = value * MARKET.maintenance_ratio // 10_000
    done = liquidate_perp(PerpAccount(size, -value + needed - spare, 0, 0, 0, 0), MARKET, size, 0)
    assert (done.liquidator_base == 0) == (spare == 0)


@given(shortage=st.integers(1, 10**12), a=st.integers(0, 200), b=st.integers(0, 200))
def test_waiting_never_shrinks_what_may_be_liquidated(shortage: int, a: int, b: int) -> None:
    """An account could outlast its own liquidation."""
    early, late = sorted((a, b))
    assert max_share(shortage, 0, early, 1_000, 150) <= max_share(shortage, 0, late, 1_000, 150) <= 10_000


@given(loss=st.integers(0, 10**12), vault=st.integers(0, 10**12), left=st.integers(0, 10**12),
       pool=st.integers(0, 10**12))
def test_the_waterfall_pays_the_loss_once(loss: int, vault: int, left: int, pool: int) -> None:
    """A bankruptcy would cost more, or less, than it lost."""
    paid = resolve_bankruptcy(-loss, vault, left, pool, 5 * BASE, -5 * BASE)
    assert paid.insurance + paid.fee_pool + paid.social_loss == loss
    assert paid.insurance <= min(vault, left)
    assert (paid.social_loss > 0) == (paid.funding_rate_delta > 0)
