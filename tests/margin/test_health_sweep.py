"""Health at one price after another: the laid-out sweep against the full valuation, in any order of prices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import UsageError
from leverline.margin import _sweep_kernels as kernels
from leverline.margin.health_sweep import HealthSweep, maintenance_health, slots
from leverline.margin.tables import MarginTables, margin_tables
from leverline.margin.valuation import value_accounts
from leverline.model.accounts import AccountBook, Market, Mode, Pool, Pools
from leverline.model.market_state import MarketState
from tests.margin.drawn_books import Drawn, drawn_books, rules_of

MOVES = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4)


def valued(tables: MarginTables, long: FloatArray, short: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Health by the full valuation at other prices, and the size of what it is a difference of."""
    pools = value_accounts(replace(tables, price_long=long, price_short=short)).pools
    size = pools.gross_notional + pools.collateral_value + pools.debt_value + np.abs(pools.unrealized_pnl)
    return pools.health, 1.0 + size


@settings(max_examples=80, deadline=None)
@given(drawn=drawn_books(), moves=MOVES)
def test_a_sweep_is_exact_after_any_path_of_prices(drawn: Drawn, moves: list[int]) -> None:
    """A bracket remembered from an earlier price would keep a bankrupt account alive."""
    tables = margin_tables(drawn.book, drawn.rules, drawn.state)
    sweep = HealthSweep(tables)
    for seed in moves:
        rng = np.random.default_rng(seed)
        long = tables.price_long * np.exp(rng.normal(0.0, 2.0, tables.price_long.shape))
        short = long * rng.uniform(1.0, 1.2, long.shape)
        expected, size = valued(tables, long, short)
        np.testing.assert_allclose(sweep.health(long, short) / size, expected / size, atol=1e-12, rtol=0)
        np.testing.assert_allclose(maintenance_health(tables, long, short) / size, expected / size, atol=1e-12, rtol=0)


@settings(max_examples=40, deadline=None)
@given(drawn=drawn_books(), factor=st.floats(0.01, 100.0))
def test_repriced_assets_count_as_in_a_new_valuation(drawn: Drawn, factor: float) -> None:
    """Collateral that crashes with the market would be held at yesterday's price."""
    tables = margin_tables(drawn.book, drawn.rules, drawn.state)
    sweep = HealthSweep(tables)
    owned, owed = tables.assets.price_owned * factor, tables.assets.price_owed * factor
    sweep.reprice_assets(owned, owed)
    moved = replace(tables, assets=replace(tables.assets, price_owned=owned, price_owed=owed))
    expected, size = valued(moved, tables.price_long, tables.price_short)
    got = sweep.health(tables.price_long, tables.price_short)
    np.testing.assert_allclose(got / size, expected / size, atol=1e-12, rtol=0)


@settings(max_examples=25, deadline=None)
@given(drawn=drawn_books(max_pools=12), block=st.integers(1, 5))
def test_blocks_do_not_change_a_bit(drawn: Drawn, block: int) -> None:
    """Numbers would depend on how many accounts happen to be in the book."""
    tables = margin_tables(drawn.book, drawn.rules, drawn.state)
    whole = HealthSweep(tables).health(tables.price_long, tables.price_short)
    interpreted = kernels.health_by_slots.py_func  # type: ignore[attr-defined]  # compiled, the block length is built in
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kernels, "BLOCK", block)
        patched.setattr(kernels, "health_by_slots", interpreted)
        parts = HealthSweep(tables).health(tables.price_long, tables.price_short)
    np.testing.assert_array_equal(parts, whole)


@settings(max_examples=50, deadline=None)
@given(counts=st.lists(st.integers(0, 9), max_size=40))
def test_every_position_has_a_place_of_its_own(counts: list[int]) -> None:
    """Two positions would share a place: one is counted twice and one never."""
    falling = np.array(sorted(counts, reverse=True), dtype=np.int64)
    length, start = slots(falling)
    assert length.sum() == falling.sum()
    places = [start[r // kernels.BLOCK, s] + r % kernels.BLOCK for r, n in enumerate(falling) for s in range(n)]
    assert sorted(places) == list(range(int(falling.sum())))


def test_a_missing_price_is_not_survived() -> None:
    """Holders of a market without a price would look healthy."""
    drawn = _fixed()
    tables = margin_tables(drawn.book, drawn.rules, drawn.state)
    price = tables.price_long.copy()
    price[drawn.book.position_market[0]] = np.nan
    assert np.isnan(HealthSweep(tables).health(price)[0])
    assert np.isnan(maintenance_health(tables, price, price)[0])


def test_prices_of_another_length_are_refused() -> None:
    """Every market would be valued at its neighbour's price."""
    drawn = _fixed()
    tables = margin_tables(drawn.book, drawn.rules, drawn.state)
    sweep = HealthSweep(tables)
    with pytest.raises(UsageError, match="one price a market"):
        sweep.health(np.ones(len(drawn.book.markets) + 1))
    with pytest.raises(UsageError, match="one price an asset"):
        sweep.reprice_assets(np.ones(99), np.ones(99))


def _fixed() -> Drawn:
    rules = {"plain": rules_of(strict=False, weights=(1.0, 1.0, None))}
    symbols = list(rules["plain"].markets)
    book = AccountBook(
        tuple(Market("plain", symbol) for symbol in symbols), (),
        Pools.of([Pool("plain", "a", "", "a", Mode.CROSS, "")]),
        np.array([0, 2], dtype=np.int32), np.array([0, 3], dtype=np.uint32), np.array([1.0, -2.0]),
        np.array([100.0, 100.0]), np.array([0, 0], dtype=np.int32), np.array([], dtype=np.uint32), np.array([]))
    return Drawn(book, rules, MarketState.of(dict.fromkeys(symbols, 100.0)))
