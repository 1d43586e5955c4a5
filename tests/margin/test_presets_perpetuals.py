"""The engine's presets of perpetual venues against the venues' own rulebooks, account by account.

Margins are compared at a relative 1e-9 of themselves. Equity and health are differences of large amounts: beside 1e-9
of themselves they may differ by 1e-12 of everything the pool holds and owes. Where a venue rounds, its twin says by how
much in all (``Exact.unit``): quote quantums of dYdX and Drift, and for Drift's large SOL deposits 1e-4 of their value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest

from leverline.margin.curves import CoinStepCurve
from leverline.margin.liquidation_price import liquidation_prices
from leverline.margin.presets.flat import flat_rules
from leverline.margin.presets.registry import all_presets, venue_rules
from leverline.margin.rulebooks import flat
from leverline.margin.rules import VenueRules
from leverline.margin.valuation import value_accounts

from . import exact_perpetuals as exact
from .drawn_pools import DrawnPool, Position, Prices, Sizes, drawn_positions, drawn_prices, gross, laid_out

Twin = Callable[[DrawnPool, Prices], exact.Exact]
IN_STEPS = 250
"""Pools valued at one set of prices."""


@dataclass(frozen=True)
class Case:
    """A preset, its twin, the markets to draw, and what is held beside the settlement asset, by about what price."""

    twin: Twin
    sizes: Mapping[str, Sizes]
    most: int = 2
    assets: Mapping[str, float] | None = None
    cash: bool = True
    spread: float = 0.0


BTC, ETH, SOL = Sizes(60_000.0, 1e-6), Sizes(3_000.0, 1e-6), Sizes(150.0, 1e-6)
COINS = {"BTC": 60_000.0}
CASES = {
    "binance-usdm": Case(exact.binance, {"BTC/USDT:USDT": BTC, "ETH/USDT:USDT": ETH}),
    "bybit": Case(exact.bybit_linear, {"BTC/USDT:USDT": BTC}),
    "bybit-inverse": Case(exact.bybit_inverse, {"BTC/USD:BTC": Sizes(60_000.0, 1.0)}, assets=COINS, cash=False),
    "okx": Case(exact.okx_swaps, {"AAVE/USDT:USDT": Sizes(200.0, 1.0), "ETH/USDT:USDT": Sizes(3_000.0, 1.0)}),
    "gate": Case(exact.gate_futures, {"BTC/USDT:USDT": Sizes(60_000.0, 1.0)}),
    "bitmex": Case(exact.bitmex_inverse, {"BTC/USD:BTC": Sizes(60_000.0, 1.0)}, assets=COINS, cash=False),
    "hyperliquid": Case(exact.hyperliquid_cross, {
        "BTC/USDC:USDC": BTC, "ETH/USDC:USDC": ETH, "SOL/USDC:USDC": SOL}, most=3),
    "dydx-v4": Case(exact.dydx, {"BTC/USDC:USDC": BTC, "SOL/USDC:USDC": SOL, "MKR/USDC:USDC": Sizes(1_500.0, 1e-6),
                                 "DOGE/USDC:USDC": Sizes(0.2, 1e-6)}, most=4),
    "drift-v2": Case(exact.drift, {"SOL/USDC:USDC": Sizes(150.0, 1e-9), "ETH/USDC:USDC": Sizes(3_000.0, 1e-9)},
                     assets={"SOL": 150.0}),
    "gmx-v2": Case(exact.gmx, {"BTC/USD:USD": BTC, "ETH/USD:USD": ETH, "XRP/USD:USD": Sizes(2.0, 1e-6)}, most=1,
                   assets={"USDC": 1.0, "BTC": 60_000.0, "ETH": 3_000.0}, cash=False, spread=0.001),
    "synthetix-v3": Case(exact.synthetix, {"BTC/USD:USD": BTC, "ETH/USD:USD": ETH}),
}


def drawn(case: Case, rules: VenueRules, prices: Prices, rng: np.random.Generator) -> DrawnPool:
    """A pool whose money is between nothing and a few times what its positions need."""
    positions = drawn_positions(rng, rules, case.sizes, prices, case.most)
    bare = DrawnPool(positions, {})
    money = gross(rules, bare, prices) * 10.0 ** rng.uniform(-3.0, 0.0)
    if case.cash:  # what the positions have lost is covered, so that more stand near the line
        money += sum(p.contracts * rules.markets[p.symbol].contract_size * (p.entry - prices[p.symbol].mark)
                     for p in positions)
    holdings = {}
    if case.assets and (not case.cash or rng.random() < 0.5):
        asset = str(rng.choice(list(case.assets)))
        share = rng.uniform(0.2, 1.0) if case.cash else 1.0
        holdings[asset] = round(abs(money) * share / prices[f"{asset}/USD"].mark, 6) + 1e-6
        money -= share * abs(money)
    if case.cash:
        holdings[rules.settlement] = round(money, 6)
    return DrawnPool(positions, holdings)


def near_of(case: Case) -> dict[str, float]:
    """Prices around which the names of a case are drawn."""
    return {symbol: size.price for symbol, size in case.sizes.items()} | {
        f"{asset}/USD": price for asset, price in (case.assets or {}).items()}


def states(case: Case, rng: np.random.Generator) -> Prices:
    """Prices of one time; a coin and its own contract have one."""
    prices = drawn_prices(rng, near_of(case), case.spread)
    return moved(prices, "BTC/USD:BTC", prices["BTC/USD:BTC"].mark) if "BTC/USD:BTC" in prices else prices


def moved(prices: Prices, symbol: str, to: float) -> Prices:
    """The same prices with one market, and the coin of an inverse one, elsewhere."""
    there = replace(prices[symbol], low=to, mark=to, high=to)
    return {**prices, symbol: there, **({"BTC/USD": there} if symbol == "BTC/USD:BTC" else {})}


def largest_gaps(name: str, accounts: int, seed: int) -> dict[str, float]:
    """Compare ``accounts`` random pools; the largest gap of each amount over what is allowed, for a failure to name."""
    case, rules, rng = CASES[name], venue_rules(name), np.random.default_rng(seed)
    gaps = dict.fromkeys(("equity", "adjusted_equity_initial", "adjusted_equity", "initial_margin",
                          "maintenance_margin", "health", "verdict"), 0.0)
    liquidatable = 0
    for _ in range(0, accounts, IN_STEPS):
        prices = states(case, rng)
        pools = [drawn(case, rules, prices, rng) for _ in range(IN_STEPS)]
        values = value_accounts(laid_out(rules, pools, prices)).pools
        for i, pool in enumerate(pools):
            said = case.twin(pool, prices)
            floor = 1e-12 * gross(rules, pool, prices) + float(said.unit)
            for key in ("equity", "adjusted_equity_initial", "adjusted_equity", "initial_margin",
                        "maintenance_margin"):
                true = float(getattr(said, key))
                slack = 1e-9 * abs(true) + (float(said.unit) if key.endswith("margin") else floor)
                gaps[key] = max(gaps[key], abs(float(getattr(values, key)[i]) - true) / slack)
            health = float(said.adjusted_equity - said.maintenance_margin)
            gaps["health"] = max(gaps["health"], abs(float(values.health[i]) - health) / (1e-9 * abs(health) + floor))
            liquidatable += said.is_liquidatable
            if abs(health) > floor:
                gaps["verdict"] += (values.health[i] < 0) != said.is_liquidatable
    assert 0.02 * accounts < liquidatable < 0.9 * accounts, "the draw reaches both sides of the line"
    return gaps


def test_every_perpetual_preset_has_a_twin() -> None:
    """A venue's preset would stand in checks without anything that holds it to the venue."""
    assert {name for name, preset in all_presets().items() if preset.rules.markets} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_accounts_stand_as_the_venue_says(name: str) -> None:
    """An account would be liquidated, or spared, against the venue's own rule."""
    gaps = largest_gaps(name, 2_000, seed=5)
    assert gaps.pop("verdict") == 0
    assert max(gaps.values()) <= 1.0, gaps


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_hundred_thousand_accounts_stand_as_the_venue_says(name: str) -> None:
    """A rare size or side would be margined otherwise than by the venue."""
    gaps = largest_gaps(name, 100_000, seed=6)
    assert gaps.pop("verdict") == 0
    assert max(gaps.values()) <= 1.0, gaps


@pytest.mark.parametrize("name", CASES)
def test_a_position_is_safe_a_tick_before_its_liquidation_price_and_not_a_tick_after(name: str) -> None:
    """A trader would be shown a price that his position does not reach alive, or survives."""
    case, rules, rng = CASES[name], venue_rules(name), np.random.default_rng(10)
    checked = 0
    for _ in range(30):
        prices = states(case, rng)
        pools = [drawn(case, rules, prices, rng) for _ in range(6)]
        tables = laid_out(rules, pools, prices)
        found = liquidation_prices(tables, value_accounts(tables)).liquidation_price
        positions = [(pool, p) for pool in pools for p in sorted(pool.positions)]
        for price, (pool, p) in zip(found.tolist(), positions, strict=True):
            unit = float(case.twin(pool, prices).unit)
            if not np.isfinite(price) or steps_between(rules, p, prices, price):
                continue
            tick = max(1e-7 * price, 2e-6, 50 * unit / (abs(p.contracts) * rules.markets[p.symbol].contract_size))
            if tick > 1e-3 * price:  # the venue's rounding is wider than what is asked
                continue
            for to, safe in ((price + tick, p.contracts > 0), (price - tick, p.contracts < 0)):
                at = moved(prices, p.symbol, round(to, 6))
                assert (value_accounts(laid_out(rules, [pool], at)).pools.health[0] >= 0) == safe, (p, price, to)
                assert case.twin(pool, at).is_liquidatable != safe, (p, price, to)
            checked += 1
    assert checked > 30


@pytest.mark.parametrize("name", CASES)
def test_a_position_without_a_liquidation_price_survives_any_price(name: str) -> None:
    """A position would be called safe at any price and then be liquidated."""
    case, rules, rng = CASES[name], venue_rules(name), np.random.default_rng(11)
    checked = 0
    for _ in range(40):
        prices = states(case, rng)
        pools = [replace(pool, holdings={a: 8 * abs(x) for a, x in pool.holdings.items()})
                 for pool in (drawn(case, rules, prices, rng) for _ in range(6))]
        tables = laid_out(rules, pools, prices)
        valuation = value_accounts(tables)
        found = liquidation_prices(tables, valuation).liquidation_price
        of_pool = tables.book.pool_of_position()
        positions = [p for pool in pools for p in sorted(pool.positions)]
        for k in np.flatnonzero(np.isnan(found) & (valuation.pools.health[of_pool] >= 0)):
            p, pool = positions[k], pools[of_pool[k]]
            for share in (0.9, 0.5, 0.1, 1e-3) if p.contracts > 0 else (1.1, 2.0, 20.0, 1e3):
                to = round(prices[p.symbol].mark * share, 6)
                if not steps_between(rules, p, prices, to):
                    assert not case.twin(pool, moved(prices, p.symbol, to)).is_liquidatable, (p, share)
                    checked += 1
    assert checked > 20


def test_flat_rates_are_those_of_the_standard_model() -> None:
    """Whoever brings his own flat rates would be asked other margins than the model's."""
    rules, rng = flat_rules({"BTC/USDT:USDT": (0.05, 0.03)}, "USDT"), np.random.default_rng(12)
    prices = drawn_prices(rng, {"BTC/USDT:USDT": 60_000.0})
    pools = [DrawnPool(drawn_positions(rng, rules, {"BTC/USDT:USDT": BTC}, prices, 1), {"USDT": 100.0})
             for _ in range(100)]
    values = value_accounts(laid_out(rules, pools, prices)).pools
    for pool, initial, maintenance in zip(pools, values.initial_margin, values.maintenance_margin, strict=True):
        notional = abs(Fraction(pool.positions[0].contracts)) * Fraction(prices["BTC/USDT:USDT"].mark)
        assert initial == pytest.approx(float(flat.standard_margin(notional, Fraction("0.05"))), rel=1e-9)
        assert maintenance == pytest.approx(float(flat.standard_margin(notional, Fraction("0.03"))), rel=1e-9)


def steps_between(rules: VenueRules, p: Position, prices: Prices, to: float) -> bool:
    """Whether the venue's step by coin value changes on the way, which a liquidation price does not see."""
    curve = rules.markets[p.symbol].curve
    if not isinstance(curve, CoinStepCurve):
        return False
    now, then = (np.ceil((abs(p.contracts) / price - curve.base) / curve.step) for price in (prices[p.symbol].mark, to))
    return bool(max(now, 0.0) != max(then, 0.0))
