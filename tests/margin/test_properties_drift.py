"""What Drift v2 promises at every size, price and stage of a liquidation."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from leverline.margin.rulebooks import drift_v2
from leverline.margin.rulebooks import drift_v2_liquidation as drift_liquidation
from leverline.margin.rulebooks.drift_v2 import ByLevel, Level

ratios = st.integers(1, 5_000).flatmap(lambda m: st.builds(ByLevel, st.integers(m, 10_000), st.just(m)))
drift_sizes = st.integers(0, 10**15)
PRICE = 100 * 10**6


@given(ratio=ratios, imf=st.integers(0, 10_000), size=drift_sizes)
def test_drift_levels_ask_in_their_order(ratio: ByLevel, imf: int, size: int) -> None:
    """An order could fill that the account may not open, or a fresh position be liquidated at once."""
    opening, filling, staying = (
        drift_v2.margin_ratio(size, imf, ratio, level) for level in (Level.INITIAL, Level.FILL, Level.MAINTENANCE))
    assert opening >= filling >= staying >= ratio.maintenance
    assert opening >= ratio.initial


@given(ratio=st.integers(1, 5_000), imf=st.integers(0, 10_000), a=drift_sizes, b=drift_sizes,
       orders=st.integers(0, 32), bids=st.integers(0, 10**12), asks=st.integers(-(10**12), 0))
def test_drift_requirement_grows_with_size_and_orders_on_either_side(
    ratio: int, imf: int, a: int, b: int, orders: int, bids: int, asks: int
) -> None:
    """An account would need less for holding more, or for placing orders."""
    def need(base: int, open_bids: int = 0, open_asks: int = 0, open_orders: int = 0) -> int:
        account = drift_liquidation.PerpAccount(base, 0, 0, open_bids, open_asks, open_orders)
        return drift_liquidation.perp_margin(account, PRICE, ratio, imf)[0]

    low, high = sorted((a, b))
    assert need(low) <= need(high) == need(-high)
    assert need(low) <= need(low, bids, asks, orders)


@given(side=st.sampled_from((1, -1)), size=st.integers(1, 10**12), equity=st.integers(-(10**9), 10**9),
       p=st.integers(1, 10**9), q=st.integers(1, 10**9), imf=st.integers(0, 1_000))
def test_drift_a_price_that_is_worse_never_saves_an_account(
    side: int, size: int, equity: int, p: int, q: int, imf: int
) -> None:
    """There would be no one price from which on an account is liquidated."""
    worse, better = sorted((p, q)) if side > 0 else sorted((p, q), reverse=True)
    quote = equity - side * (size * (p + q) // 2 // drift_v2.BASE)
    account = drift_liquidation.PerpAccount(side * size, quote, 0, 0, 0, 0)

    def missing(price: int) -> int:
        needs, _ = drift_liquidation.perp_margin(account, price, 500, imf)
        return needs - drift_v2.unrealized_pnl(side * size, quote, price)

    assume(drift_v2.margin_ratio(size, imf, ByLevel(1_000, 500), Level.MAINTENANCE) <= drift_v2.RATIO)
    assert missing(better) <= missing(worse)


def test_drift_high_leverage_dips_where_the_size_curve_meets_the_ordinary_ratio() -> None:
    """The docstring's warning would be untrue: in one band of sizes a larger position is asked less than a smaller."""
    ordinary, high = ByLevel(1_000, 500), ByLevel(100, 50)
    below, inside, above = (drift_v2.high_leverage_ratio(size * 10**9, 1_000, ordinary, high, Level.INITIAL)
                            for size in (399, 402, 405))
    assert below > 900
    assert inside == 100
    assert above > 1_000


@given(a=st.integers(0, 10**14), b=st.integers(0, 10**14), imf=st.integers(0, 10_000),
       weight=st.builds(ByLevel, st.integers(0, 10_000), st.just(10_000)))
def test_drift_a_larger_profit_never_counts_for_a_larger_share(a: int, b: int, imf: int, weight: ByLevel) -> None:
    """Unrealised profits that cannot be paid would carry ever larger positions."""
    small, large = sorted((a, b))
    for level in Level:
        assert drift_v2.profit_weight(large, imf, weight, level) <= max(
            drift_v2.profit_weight(small, imf, weight, level), weight.at(level))
        assert drift_v2.profit_weight(-large, imf, weight, level) == drift_v2.RATIO


MARKET = drift_liquidation.PerpMarket(
    price=PRICE, maintenance_ratio=500, imf_factor=0, base_fee=10_000, max_fund_fee=10_000, buffer_ratio=200,
    initial_share=1_000, duration=150, step=10**7)
Staged = list[drift_liquidation.Liquidated]


def drift_account(side: int, size: int, equity: int) -> drift_liquidation.PerpAccount:
    value = size * MARKET.price // drift_v2.BASE
    return drift_liquidation.PerpAccount(side * size, -side * value + equity, 0, 0, 0, 0)


def in_stages(account: drift_liquidation.PerpAccount, slots: list[int]) -> Staged:
    """The calls of one liquidation, each as large as the rule lets it be."""
    calls: Staged = []
    freed: int | None = None
    for slot in slots:
        done = drift_liquidation.liquidate_perp(account, MARKET, 10**15, slot, freed)
        calls.append(done)
        account, freed = done.account, done.margin_freed
        if not done.goes_on:
            break
    return calls


big = st.integers(1_000, 100_000).map(lambda steps: steps * MARKET.step)
slot_lists = st.lists(st.integers(0, 150), min_size=1, max_size=6).map(sorted)


@given(side=st.sampled_from((1, -1)), size=big, equity_bps=st.integers(0, 480), slots=slot_lists)
def test_drift_stages_free_no_more_than_their_time(side: int, size: int, equity_bps: int, slots: list[int]) -> None:
    """The pause that staging gives to add collateral would be skipped by calling twice."""
    value = size * MARKET.price // drift_v2.BASE
    before = drift_account(side, size, value * equity_bps // 10_000)
    total = drift_liquidation.shortage(before, MARKET)
    assume(total > 100 * 10**6)
    one_step = MARKET.step * MARKET.price // drift_v2.BASE
    freed = 0
    for slot, done in zip(slots, in_stages(before, slots), strict=False):
        assert done.margin_freed >= freed
        freed = done.margin_freed
        assert freed == total - drift_liquidation.shortage(done.account, MARKET) or not done.goes_on
        share = min(Fraction(slot, MARKET.duration) + Fraction(MARKET.initial_share, 10_000), Fraction(1))
        lacking = drift_liquidation.shortage(done.account, MARKET)
        if lacking > 50 * 10**6 and done.account.base:
            assert freed <= share * (freed + lacking) * Fraction(101, 100) + len(slots) * one_step


@given(side=st.sampled_from((1, -1)), size=big, equity_bps=st.integers(300, 480))
def test_drift_five_calls_over_the_duration_end_with_a_safe_account(side: int, size: int, equity_bps: int) -> None:
    """A staged liquidation would stop halfway, or take the whole position where a part was enough."""
    value = size * MARKET.price // drift_v2.BASE
    calls = in_stages(drift_account(side, size, value * equity_bps // 10_000), [0, 40, 80, 120, 150])
    last = calls[-1]
    assert not last.goes_on
    assert 0 < side * last.account.base < size
    assert drift_liquidation.liquidate_perp(last.account, MARKET, 10**15, 0).liquidator_base == 0
    assert all(side * done.liquidator_base >= 0 for done in calls)


@given(side=st.sampled_from((1, -1)), size=st.integers(10**6, 10**11), price=st.integers(10**6, 10**9),
       equity_bps=st.integers(-500, 550), fee=st.integers(0, 50_000), fund=st.integers(0, 50_000),
       most=st.integers(10**6, 10**11))
def test_drift_what_the_account_gives_is_what_liquidator_and_fund_get(
    side: int, size: int, price: int, equity_bps: int, fee: int, fund: int, most: int
) -> None:
    """Base or quote would appear in a liquidation, or a liquidator get more than asked for."""
    market = replace(MARKET, price=price, base_fee=fee, max_fund_fee=fund, step=1)
    value = size * price // drift_v2.BASE
    before = drift_liquidation.PerpAccount(side * size, -side * value + value * equity_bps // 10_000, 0, 0, 0, 0)
    done = drift_liquidation.liquidate_perp(before, market, most, 0)
    assert done.account.base + done.liquidator_base == before.base
    assert done.account.quote + done.liquidator_quote + done.fund_fee == before.quote
    assert abs(done.liquidator_base) <= min(most, size)
    assert done.fund_fee >= 0
    closed_value = abs(done.liquidator_base) * price // drift_v2.BASE
    assert side * closed_value + done.liquidator_quote >= 0  # the liquidator's fee is not negative
