"""Liquidation prices: one tick before and one tick after by the rules read alone, venues' own figures, exact twin."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.arrays import FloatArray
from leverline.margin import brackets
from leverline.margin.curves import BracketCurve, Curve, StepCurve
from leverline.margin.liquidation_price import LiquidationPrices, holding_liquidation_prices, liquidation_prices
from leverline.margin.rules import AssetRules, MarketRules, VenueRules
from leverline.margin.tables import MarginTables, margin_tables
from leverline.margin.valuation import value_accounts
from leverline.model.instrument import Payoff
from leverline.model.market_state import MarketState
from tests.margin.drawn_books import Drawn, drawn_books
from tests.margin.readable_valuation import readable_pool
from tests.margin.single_pools import book_of

TICK = 1e-6
"""A tick as a fraction of the price: finer than any venue's, and far above rounding."""
GOLDEN = Path(__file__).parents[1] / "golden"


def priced(tables: MarginTables) -> LiquidationPrices:
    return liquidation_prices(tables, value_accounts(tables))


def moved(state: MarketState, prices: dict[str, float]) -> MarketState:
    """The state with these names at one price each, without a spread."""
    columns = {name: getattr(state, name).copy() for name in ("mark", "low", "high")}
    for name, price in prices.items():
        for column in columns.values():
            column[state.names.index(name)] = price
    return replace(state, **columns)


def check_first_crossing(health: Callable[[float], float], price: float, found: float, losing: int,
                         noise: float) -> None:
    """``found`` is the first price on the way at which ``health`` changes sign; NaN only where it never does.

    ``losing``: +1 where higher prices lose. Health within ``noise`` of 0 proves nothing.
    """
    safe = health(price)
    if abs(safe) <= noise:
        return
    sign = 1.0 if safe > 0.0 else -1.0
    away = losing if safe > 0.0 else -losing
    reach = (1e6 if away > 0 else 1e-6) if np.isnan(found) else found / price
    for on_the_way in price * np.exp(np.log(reach) * np.linspace(0.0, 1.0, 14)[1:-1]):
        assert sign * health(float(on_the_way)) > -noise
    if np.isnan(found):
        return
    assert (found - price) * away >= -TICK * price
    if abs(found / price - 1.0) > 2.0 * TICK:
        assert sign * health(found * (1.0 - away * TICK)) > 0.0
    assert sign * health(found * (1.0 + away * TICK)) < 0.0


def scale_of(pool: dict[str, float]) -> float:
    return 1e-10 * (1.0 + pool["gross_notional"] + pool["collateral_value"] + pool["debt_value"]
                    + abs(pool["unrealized_pnl"]))


@settings(max_examples=250, deadline=None)
@given(drawn=drawn_books())
def test_a_position_is_safe_one_tick_before_and_not_one_tick_after(drawn: Drawn) -> None:
    """Traders would be shown a price at which they are long gone, or sold before the price they were shown."""
    book, rules, state = drawn
    found = priced(margin_tables(book, rules, state))
    for p, i in enumerate(book.pool_of_position()):
        symbol = book.markets[book.position_market[p]].symbol
        noise = scale_of(readable_pool(book, rules, state, int(i), 0.8)[0])

        def health(price: float, symbol: str = symbol, i: int = int(i)) -> float:
            return readable_pool(book, rules, moved(state, {symbol: price}), i, 0.8)[0]["health"]

        check_first_crossing(health, found.price[p], found.liquidation_price[p],
                             -1 if book.quantity[p] > 0 else 1, noise)


@settings(max_examples=250, deadline=None)
@given(drawn=drawn_books())
def test_a_loan_is_safe_one_tick_before_and_not_one_tick_after(drawn: Drawn) -> None:
    """Borrowers would top up too late, by slices and caps of collateral that the price they were shown left out."""
    book, rules, state = drawn
    tables = margin_tables(book, rules, state)
    found = holding_liquidation_prices(tables, value_accounts(tables))
    for h, i in enumerate(book.pool_of_holding()):
        asset = book.assets[book.holding_asset[h]]
        mine = book.pool_of_holding() == i
        if asset.asset == rules[asset.venue].settlement or not (
                np.any(book.amount[mine] < 0) or book.position_offsets[i + 1] > book.position_offsets[i]):
            assert np.isnan(found.liquidation_price[h])
            continue
        noise = scale_of(readable_pool(book, rules, state, int(i), 0.8)[0])

        def health(price: float, name: str = f"{asset.asset}/USD", i: int = int(i)) -> float:
            return readable_pool(book, rules, moved(state, {name: price}), i, 0.8)[0]["health"]

        check_first_crossing(health, found.price[h], found.liquidation_price[h],
                             -1 if book.amount[h] > 0 else 1, noise)


@settings(max_examples=80, deadline=None)
@given(drawn=drawn_books())
def test_equity_is_nothing_at_the_bankruptcy_price(drawn: Drawn) -> None:
    """Whoever takes a position over at that price would take over a gain or a hole with it."""
    book, rules, state = drawn
    tables = margin_tables(book, rules, state)
    value = value_accounts(tables)
    positions, holdings = liquidation_prices(tables, value), holding_liquidation_prices(tables, value)
    names = [book.markets[m].symbol for m in book.position_market] + [
        f"{book.assets[a].asset}/USD" for a in book.holding_asset]
    prices = np.concatenate([positions.bankruptcy_price, holdings.bankruptcy_price])
    pools = np.concatenate([book.pool_of_position(), book.pool_of_holding()])
    for name, price, i in zip(names, prices, pools, strict=True):
        if np.isfinite(price):
            pool = readable_pool(book, rules, moved(state, {name: float(price)}), int(i), 0.8)[0]
            assert pool["equity"] == pytest.approx(0.0, abs=10.0 * scale_of(pool))


def single(curve: Curve, quantity: float, entry: float, cash: float, mark: float, **more: Any) -> MarginTables:
    """One isolated position in BTC with ``cash``."""
    rules = VenueRules("v", "USDT", {"BTC/USDT:USDT": MarketRules(curve, **more)})
    return margin_tables(book_of({"BTC/USDT:USDT": (quantity, entry)}, {"USDT": cash}), {"": rules},
                         MarketState.of({"BTC/USDT:USDT": mark}))


def one(column: FloatArray) -> float:
    assert column.shape == (1,)
    return float(column[0])


LADDER = (0.0, 50_000.0, 600_000.0, 3_000_000.0)
RATES = (Fraction(4, 1000), Fraction(5, 1000), Fraction(65, 10_000), Fraction(1, 100))
EXACT = brackets.Brackets.from_rates([Fraction(f) for f in LADDER], RATES)
CURVE = BracketCurve(LADDER, (0.01, 0.02, 0.03, 0.04), tuple(float(r) for r in RATES),
                     tuple(float(row.deduction) for row in EXACT.rows))


@settings(max_examples=200, deadline=None)
@given(quantity=st.integers(-4_000, 4_000).filter(bool), entry=st.integers(100, 100_000),
       leverage=st.integers(1, 90), mark=st.sampled_from([0.7, 0.999, 1.0, 1.001, 1.4]))
def test_walks_end_where_the_exact_rule_says(quantity: int, entry: int, leverage: int, mark: float) -> None:
    """The fast price and the exact one would be two prices for one position."""
    size, paid = Fraction(quantity, 100), Fraction(entry)
    cash = abs(size) * paid / leverage
    exact = brackets.liquidation_price(cash, size, paid, EXACT)
    tables = single(CURVE, float(size), float(entry), float(cash), mark * entry)
    assert one(priced(tables).liquidation_price) == pytest.approx(
        float(exact) if exact else np.nan, rel=1e-9, nan_ok=True)


def golden(name: str, kind: str) -> list[Any]:
    cases = json.loads((GOLDEN / f"perp-{name}.json").read_text(encoding="utf-8"))["cases"]
    return [pytest.param(case["inputs"], case["expected"]["liquidation_price"], case["rtol"], id=case["id"])
            for case in cases if kind in case["id"]]


@pytest.mark.parametrize(("given", "expected", "rtol"), golden("binance", "binance-isoliq"))
def test_isolated_prices_of_binance(given: dict[str, Any], expected: float, rtol: float) -> None:
    """An isolated position at Binance would be sold at another price than the screen says."""
    curve = BracketCurve((0.0,), (0.05,), (given["mmr"],), (given["maintenance_amount"],))
    side = -1.0 if given["is_short"] else 1.0
    tables = single(curve, side * given["size"], given["entry"], given["isolated_margin"], given["entry"])
    assert one(priced(tables).liquidation_price) == pytest.approx(expected, rel=rtol)


@pytest.mark.parametrize(("given", "expected", "rtol"), golden("binance", "binance-liqprice"))
def test_prices_of_binances_own_examples(given: dict[str, Any], expected: float, rtol: float) -> None:
    """The exchange's own worked examples, isolated and cross, would not come out to the cent."""
    held = {"ETH/USDT:USDT": given["position"]} if given["other"] is None else {
        "BTC/USDT:USDT": given["position"], "ETH/USDT:USDT": given["other"]}
    curves = {symbol: BracketCurve((0.0,), (0.2,), (row["mmr"],), (row["cum"],)) for symbol, row in held.items()}
    rules = VenueRules("v", "USDT", {symbol: MarketRules(curve) for symbol, curve in curves.items()})
    book = book_of({symbol: (row["size"], row["entry"]) for symbol, row in held.items()},
                   {"USDT": given["wallet_balance"]})
    state = MarketState.of({symbol: row.get("mark", row["entry"]) for symbol, row in held.items()})
    assert round(float(priced(margin_tables(book, {"": rules}, state)).liquidation_price[0]), 2) == expected


@pytest.mark.parametrize(("given", "expected", "rtol"), golden("hyperliquid", "hyperliquid-isoliq"))
def test_prices_that_hyperliquid_returned(given: dict[str, Any], expected: float, rtol: float) -> None:
    """Prices the exchange itself returned for real positions would not be met."""
    rate = 1.0 / (2.0 * given["max_leverage"])
    curve = BracketCurve((0.0,), (2.0 * rate,), (rate,), (0.0,))
    tables = single(curve, given["side"] * given["size"], given["entry_price"], given["isolated_margin"],
                    given["entry_price"])
    assert one(priced(tables).liquidation_price) == pytest.approx(expected, rel=rtol)


COIN_MARGINED = VenueRules("v", "USD", {"BTC/USD:BTC": MarketRules(
    BracketCurve((0.0,), (0.02,), (0.01,), (0.0,)), Payoff.INVERSE, contract_size=100.0)}, {"BTC": AssetRules()})


def coin_margined(contracts: float, coins: float, mark: float = 20_000.0) -> LiquidationPrices:
    book = book_of({"BTC/USD:BTC": (contracts, 20_000.0)}, {"BTC": coins})
    return priced(margin_tables(book, {"": COIN_MARGINED}, MarketState.of({"BTC/USD:BTC": mark, "BTC/USD": mark})))


@pytest.mark.parametrize(("contracts", "coins"), [(1_000.0, 0.5), (100.0, 0.5), (-1_000.0, 0.5), (-1_000.0, 4.9)])
def test_coins_that_margin_a_coin_margined_contract_move_with_it(contracts: float, coins: float) -> None:
    """Holders of inverse contracts would be told prices at which their collateral still has yesterday's value."""
    # in coins: W + q s (1 / e - 1 / p) = r |q| s / p
    size = contracts * 100.0
    price = (size + 0.01 * abs(size)) / (coins + size / 20_000.0)
    assert one(coin_margined(contracts, coins).liquidation_price) == pytest.approx(price, rel=1e-12)
    assert one(coin_margined(contracts, coins).bankruptcy_price) == pytest.approx(
        size / (coins + size / 20_000.0), rel=1e-12)


@pytest.mark.parametrize("coins", [5.0, 5.1, 40.0])
def test_a_short_covered_by_its_coins_is_never_liquidated(coins: float) -> None:
    """The oldest hedge there is, coins sold short one to one, would carry a liquidation price."""
    found = coin_margined(-1_000.0, coins)
    assert np.isnan(found.liquidation_price[0])
    assert np.isnan(found.bankruptcy_price[0])


@settings(max_examples=200, deadline=None)
@given(value_cap=st.sampled_from([None, 150_000.0, 60_000.0, 40_000.0]),
       contracts=st.integers(-2_000, 2_000).filter(bool), coins=st.floats(-5.0, 10.0).filter(bool),
       cash=st.floats(-20_000.0, 200_000.0), mark=st.floats(5_000.0, 60_000.0))
def test_slices_and_debts_of_a_coin_move_with_its_contract(value_cap: float | None, contracts: int, coins: float,
                                                           cash: float, mark: float) -> None:
    """A coin-margined price would be right for plain collateral and wrong beyond a slice, a cap or for a loan."""
    sliced = AssetRules((0.0, 20_000.0, 60_000.0), (0.9, 0.7, 0.2), (0.95, 0.8, 0.4), value_cap=value_cap,
                        borrowable=True, debt_maintenance_weight=1.1)
    rules = {"": VenueRules("v", "USD", COIN_MARGINED.markets, {"BTC": sliced})}
    book = book_of({"BTC/USD:BTC": (float(contracts), 20_000.0)}, {"BTC": coins, "USD": cash})
    state = MarketState.of({"BTC/USD:BTC": mark, "BTC/USD": mark})
    found = priced(margin_tables(book, rules, state))

    def pool(price: float) -> dict[str, float]:
        return readable_pool(book, rules, moved(state, {"BTC/USD:BTC": price, "BTC/USD": price}), 0, 0.8)[0]

    check_first_crossing(lambda price: pool(price)["health"], mark, one(found.liquidation_price),
                         -1 if contracts > 0 else 1, scale_of(pool(mark)))
    if np.isfinite(bankrupt := one(found.bankruptcy_price)):
        assert pool(bankrupt)["equity"] == pytest.approx(0.0, abs=10.0 * scale_of(pool(bankrupt)))


@pytest.mark.parametrize(("cash", "expected"), [(1_000.0, 43_800.0), (20_000.0, 56_466.0 + 2.0 / 3.0)])
def test_coins_stop_counting_at_a_cap_below_a_floor(cash: float, expected: float) -> None:
    """A short on capped coins would be sold at the cap, or never, as if a slice began there that is out of reach."""
    # 19,000 + 0.8 * 20,000 counted at the cap of 40,000, less a loss of 1.5 p - 30,000 and margin of 300
    rules = {"": VenueRules("v", "USD", COIN_MARGINED.markets, {"BTC": AssetRules(
        (0.0, 20_000.0, 60_000.0), (0.9, 0.7, 0.2), (0.95, 0.8, 0.4), value_cap=40_000.0)})}
    book = book_of({"BTC/USD:BTC": (-300.0, 20_000.0)}, {"BTC": 1.0, "USD": cash})
    state = MarketState.of({"BTC/USD:BTC": 20_000.0, "BTC/USD": 20_000.0})
    assert one(priced(margin_tables(book, rules, state)).liquidation_price) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("quantity", "expected"), [(5.0, 89.0 / 0.98), (-5.0, 200.0)])
def test_a_step_is_met_at_its_floor(quantity: float, expected: float) -> None:
    """Where the rate of a whole position jumps at 1,000, a short would be told a price from the step below."""
    curve = StepCurve((0.0, 1_000.0), (0.1, 0.6), (0.02, 0.5), by_contracts=False)
    cash = 55.0 if quantity > 0 else 600.0
    assert one(priced(single(curve, quantity, 100.0, cash, 100.0)).liquidation_price) == pytest.approx(
        expected, rel=1e-12)


def test_a_pool_below_maintenance_is_told_where_it_is_safe_again() -> None:
    """The price of an account in liquidation would lie on the losing side, as if it had not happened."""
    curve = BracketCurve((0.0,), (0.2,), (0.1,), (0.0,))
    tables = single(curve, 1.0, 100.0, 8.0, 99.0)
    assert value_accounts(tables).pools.health[0] < 0.0
    found = priced(tables)
    assert one(found.liquidation_price) == pytest.approx(92.0 / 0.9)
    assert one(found.bankruptcy_price) == pytest.approx(92.0)
    assert one(found.distance) > 0.0


def test_distances_have_the_sign_of_the_move_and_the_unit_of_a_day() -> None:
    """A list of accounts by distance would put the safest first."""
    curve = BracketCurve((0.0,), (0.2,), (0.1,), (0.0,))
    tables = replace(single(curve, 1.0, 100.0, 55.0, 100.0), volatility_per_day=np.array([0.02]))
    found = priced(tables)
    assert one(found.liquidation_price) == pytest.approx(50.0)
    assert one(found.distance) == pytest.approx(-0.5)
    assert one(found.distance_in_daily_volatilities) == pytest.approx(np.log(2.0) / 0.02)
    assert one(priced(single(curve, -1.0, 100.0, 65.0, 100.0)).distance) == pytest.approx(0.5)
    breached = replace(single(curve, 1.0, 100.0, 8.0, 99.0), volatility_per_day=np.array([0.02]))
    assert one(priced(breached).distance_in_daily_volatilities) < 0.0
    assert np.isnan(priced(single(curve, 1.0, 100.0, 55.0, 100.0)).distance_in_daily_volatilities).all()


@settings(max_examples=60, deadline=None)
@given(drawn=drawn_books(), more=st.floats(1.0, 1e5))
def test_more_cash_never_brings_liquidation_nearer(drawn: Drawn, more: float) -> None:
    """A deposit would shorten a trader's way to liquidation."""
    book, rules, state = drawn
    settlement = [k for k, asset in enumerate(book.assets) if asset.asset == rules[asset.venue].settlement]
    held = np.isin(book.holding_asset, settlement)
    richer = replace(book, amount=np.where(held & (book.amount > 0), book.amount + more, book.amount))
    tables = margin_tables(book, rules, state)
    safe = (value_accounts(tables).pools.health >= 0)[book.pool_of_position()]
    before, after = priced(tables).distance, priced(margin_tables(richer, rules, state)).distance
    assert not np.any(safe & np.isnan(before) & ~np.isnan(after))
    both = safe & ~np.isnan(before) & ~np.isnan(after)
    assert np.all(np.abs(after[both]) >= np.abs(before[both]) * (1.0 - 1e-9) - 1e-12)


def test_no_price_without_a_position() -> None:
    """An empty book would be an error, or a row of somebody else."""
    tables = margin_tables(book_of({}, {"USDT": 5.0}), {"": COIN_MARGINED}, MarketState.of({"USDT/USD": 1.0}))
    assert priced(tables).liquidation_price.shape == (0,)
    assert holding_liquidation_prices(tables, value_accounts(tables)).price.shape == tables.book.amount.shape
