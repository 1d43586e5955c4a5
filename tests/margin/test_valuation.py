"""Valuation of pools: the kernels against the rules read one pool at a time, and what must hold for any pool."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.errors import UsageError
from leverline.margin import _valuation_kernels as kernels
from leverline.margin.curves import BracketCurve
from leverline.margin.rules import AssetRules, MarketRules, VenueRules
from leverline.margin.tables import margin_tables, taken
from leverline.margin.valuation import STATUSES, PoolValues, PositionValues, value_accounts
from leverline.model.accounts import AccountBook, Asset, Market, Mode, Pool, Pools
from leverline.model.market_state import MarketState
from tests.margin.drawn_books import Drawn, drawn_books
from tests.margin.readable_valuation import readable_pool

RATIOS = ("health_factor", "margin_ratio", "leverage_ratio", "effective_leverage", "debt_to_equity")
MONEY = tuple(f.name for f in fields(PoolValues) if f.name not in (*RATIOS, "status"))


def one_pool(positions: dict[str, tuple[float, float]], holdings: dict[str, float], rules: VenueRules,
             **marks: float) -> tuple[PoolValues, str]:
    """Values and status of a single pool: contracts and entry by symbol, amounts by asset, marks by base."""
    markets = tuple(Market("", symbol) for symbol in positions)
    assets = tuple(Asset("", asset) for asset in holdings)
    book = AccountBook(
        markets, assets, Pools.of([Pool("", "a", "", "a", Mode.CROSS, "")]),
        np.array([0, len(positions)], dtype=np.int32), np.arange(len(positions), dtype=np.uint32),
        np.array([q for q, _ in positions.values()]), np.array([e for _, e in positions.values()]),
        np.array([0, len(holdings)], dtype=np.int32), np.arange(len(holdings), dtype=np.uint32),
        np.array(list(holdings.values()), dtype=np.float64))
    state = MarketState.of({name if "/" in name else f"{name}/USD": mark for name, mark in marks.items()}
                           | {symbol: marks[symbol.partition("/")[0]] for symbol in positions})
    pools = value_accounts(margin_tables(book, {"": rules}, state)).pools
    return pools, STATUSES[pools.status[0]]


BTC = BracketCurve((0.0, 50_000.0), (0.1, 0.2), (0.05, 0.1), (0.0, 2_500.0))
VENUE = VenueRules("v", "USDT", {"BTC/USDT:USDT": MarketRules(BTC)},
                   {"ETH": AssetRules((0.0,), (0.8,), (0.825,), borrowable=True)})


@settings(max_examples=150, deadline=None)
@given(drawn=drawn_books(), call_ratio=st.sampled_from([0.5, 0.8, 1.0]))
def test_kernels_value_every_pool_as_the_rules_read(drawn: Drawn, call_ratio: float) -> None:
    """A million accounts would be called, or left alone, by numbers that no rule states."""
    valued = value_accounts(margin_tables(drawn.book, drawn.rules, drawn.state), call_ratio=call_ratio)
    for i in range(drawn.book.n_pools):
        expected, status, held = readable_pool(drawn.book, drawn.rules, drawn.state, i, call_ratio)
        start = drawn.book.position_offsets[i]
        for k, one in enumerate(held):
            got = [getattr(valued.positions, f.name)[start + k] for f in fields(PositionValues)]
            size = abs(one.base) * (one.price + drawn.book.entry_price[start + k])
            assert got == pytest.approx([one.price, abs(one.base) * one.price, one.pnl, one.initial, one.maintenance,
                                         one.base * one.price], rel=1e-12, abs=1e-12 * size)
        scale = 1.0 + expected["gross_notional"] + expected["collateral_value"] + expected["debt_value"] + sum(
            abs(one.pnl) for one in held)
        for name in MONEY:
            assert getattr(valued.pools, name)[i] == pytest.approx(expected[name], rel=1e-9, abs=1e-12 * scale), name
        tie = min(abs(expected["equity"]), abs(expected["health"]), abs(expected["adjusted_equity"]),
                  abs(expected["adjusted_equity"] - expected["margin_call_level"]))
        if tie > 1e-9 * scale:  # at a tie the last bit decides, and sums are rounded in another order here
            assert STATUSES[valued.pools.status[i]] == status
            for name in RATIOS:
                assert getattr(valued.pools, name)[i] == pytest.approx(expected[name], rel=1e-6, nan_ok=True), name


@settings(max_examples=80, deadline=None)
@given(drawn=drawn_books())
def test_ratios_say_the_same_as_what_they_are_made_of(drawn: Drawn) -> None:
    """A report would show a pool above its limit by one number and below it by another."""
    v = value_accounts(margin_tables(drawn.book, drawn.rules, drawn.state)).pools
    solvent = v.equity > 0
    np.testing.assert_allclose(v.leverage_ratio[solvent], 1.0 + v.debt_to_equity[solvent], rtol=1e-9)
    assert np.isnan(v.leverage_ratio[~solvent]).all()
    tie = np.abs(v.health) <= 1e-9 * (1.0 + np.abs(v.adjusted_equity) + v.maintenance_margin)
    np.testing.assert_array_equal((v.health_factor < 1.0)[~tie], (v.health < 0.0)[~tie] & _owes(drawn)[~tie])
    positioned = ~np.isnan(v.margin_ratio) & ~tie
    np.testing.assert_array_equal((v.margin_ratio > 1.0)[positioned], (v.health < 0.0)[positioned])
    assert np.all(v.withdrawable <= np.maximum(v.collateral_value, 0.0))
    assert np.all(v.withdrawable <= np.maximum(v.free_collateral, 0.0) + 1e-9)


def _owes(drawn: Drawn) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    book = drawn.book
    indebted = np.zeros(book.n_pools, dtype=np.bool_)
    indebted[book.pool_of_holding()[book.amount < 0]] = True
    return indebted | (np.diff(book.position_offsets) > 0)


@settings(max_examples=40, deadline=None)
@given(drawn=drawn_books(), order=st.permutations(range(4)))
def test_a_pool_does_not_feel_its_neighbours(drawn: Drawn, order: list[int]) -> None:
    """Results would change, in the last bit or more, with how the book is cut into pieces."""
    whole = value_accounts(margin_tables(drawn.book, drawn.rules, drawn.state)).pools
    for i in [k for k in order if k < drawn.book.n_pools]:
        alone = taken(drawn.book, np.array([i]))
        pools = value_accounts(margin_tables(alone, drawn.rules, drawn.state)).pools
        for f in fields(PoolValues):
            np.testing.assert_array_equal(getattr(pools, f.name)[0], getattr(whole, f.name)[i], err_msg=f.name)


def test_columns_and_codes_stand_in_the_order_of_the_kernels() -> None:
    """Every column would carry another one's name."""
    rows = [f.name for f in fields(PoolValues)][:-1]
    assert [getattr(kernels, name.upper()) for name in rows] == list(range(kernels.POOL_ROWS))
    assert len(rows) == kernels.POOL_ROWS
    assert len(fields(PositionValues)) == kernels.POSITION_ROWS
    assert [getattr(kernels, status.name) for status in STATUSES] == list(range(len(STATUSES)))


def test_a_loan_has_the_health_factor_of_a_lending_market() -> None:
    """Borrowers would be shown another number than the protocol acts on: collateral x threshold / debt."""
    pools, status = one_pool({}, {"USDT": -1_000.0, "ETH": 1.0}, VENUE, ETH=2_000.0)
    assert pools.health_factor[0] == pytest.approx(2_000.0 * 0.825 / 1_000.0)
    assert pools.debt_to_equity[0] == pytest.approx(1.0)
    assert np.isnan(pools.margin_ratio[0])
    assert status == "healthy"


@pytest.mark.parametrize(("eth", "status"), [
    (2_000.0, "healthy"), (1_500.0, "margin call"), (1_200.0, "liquidatable"), (1_000.0, "liquidatable"),
    (900.0, "bankrupt")])
def test_a_loan_passes_through_every_state_as_its_collateral_falls(eth: float, status: str) -> None:
    """A lender would learn of a loan under water without ever having been warned."""
    assert one_pool({}, {"USDT": -1_000.0, "ETH": 1.0}, VENUE, ETH=eth)[1] == status


def test_equality_is_safe_and_a_cent_below_is_not() -> None:
    """Accounts exactly at maintenance would be sold, or accounts below it kept."""
    at = {"BTC/USDT:USDT": (1.0, 1_000.0)}
    assert one_pool(at, {"USDT": 50.0}, VENUE, BTC=1_000.0)[0].health[0] == 0.0
    assert one_pool(at, {"USDT": 50.0}, VENUE, BTC=1_000.0)[1] == "margin call"
    assert one_pool(at, {"USDT": 49.99}, VENUE, BTC=1_000.0)[1] == "liquidatable"


def test_a_pool_that_owes_nothing_is_never_liquidated() -> None:
    """Depositors without any position would appear among those to be sold."""
    pools, status = one_pool({}, {"USDT": 5.0}, VENUE, ETH=1.0)
    assert status == "healthy"
    assert pools.health_factor[0] == np.inf
    assert one_pool({}, {}, VENUE, ETH=1.0)[1] == "healthy"


def test_unrealised_profit_cannot_leave() -> None:
    """Paper gains would be paid out, and lost by the venue when the price comes back."""
    pools, _ = one_pool({"BTC/USDT:USDT": (1.0, 1_000.0)}, {"USDT": 500.0}, VENUE, BTC=3_000.0)
    assert pools.free_collateral[0] == pytest.approx(500.0 + 2_000.0 - 300.0)
    assert pools.withdrawable[0] == pytest.approx(500.0 - 300.0)


def test_a_pool_whose_price_is_not_a_number_is_never_called_healthy() -> None:
    """A broken feed would switch liquidation off."""
    book = AccountBook((Market("", "BTC/USDT:USDT"),), (), Pools.of([Pool("", "a", "", "a", Mode.CROSS, "")]),
                       np.array([0, 1], dtype=np.int32), np.array([0], dtype=np.uint32), np.array([1.0]),
                       np.array([100.0]), np.array([0, 0], dtype=np.int32), np.array([], dtype=np.uint32), np.array([]))
    tables = margin_tables(book, {"": VENUE}, MarketState.of({"BTC/USDT:USDT": 100.0}))
    broken = replace(tables, price_long=np.array([np.nan]), price_short=np.array([np.nan]))
    assert STATUSES[value_accounts(broken).pools.status[0]] == "liquidatable"


@pytest.mark.parametrize("call_ratio", [0.0, -1.0, 1.5, float("nan")])
def test_a_call_ratio_outside_its_range_is_refused(call_ratio: float) -> None:
    """Calls would come after liquidation, or always."""
    tables = margin_tables(*_empty())
    with pytest.raises(UsageError, match="call_ratio"):
        value_accounts(tables, call_ratio=call_ratio)


def test_a_book_without_pools_is_valued_too() -> None:
    """A venue on its first day would crash its own monitor."""
    assert value_accounts(margin_tables(*_empty())).pools.equity.shape == (0,)


def _empty() -> tuple[AccountBook, dict[str, VenueRules], MarketState]:
    nothing = np.array([0], dtype=np.int32)
    book = AccountBook((), (), Pools.of([]), nothing, np.array([], dtype=np.uint32), np.array([]), np.array([]),
                       nothing, np.array([], dtype=np.uint32), np.array([]))
    return book, {}, MarketState.of({})
