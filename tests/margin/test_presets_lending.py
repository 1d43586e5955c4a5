"""The engine's presets of lending venues against the venues' own rulebooks, loan by loan.

Counted collateral and debt are compared at a relative 1e-9 of themselves and one unit of the venue's oracle, 1e-8
dollars, a holding (Aave and Compound count values in it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from leverline.ground.errors import UsageError
from leverline.margin.liquidation_price import holding_liquidation_prices
from leverline.margin.presets.registry import all_presets, preset_named, venue_rules
from leverline.margin.rules import VenueRules
from leverline.margin.valuation import STATUSES, Status, value_accounts

from . import exact_lending as exact
from .drawn_pools import DrawnPool, Price, Prices, drawn_prices, laid_out, price_of

Twin = Callable[[exact.Loan], exact.ExactLoan]
IN_STEPS = 250
"""Loans valued at one set of prices."""
NEAR = {"WETH": 3_000.0, "ETH": 3_000.0, "wstETH": 3_600.0, "rETH": 3_300.0, "WBTC": 60_000.0, "cbBTC": 60_000.0,
        "BTC.b": 60_000.0, "WAVAX": 30.0, "sAVAX": 36.0, "USDC": 1.0, "USDe": 1.0, "DAI": 1.0, "COMP": 50.0,
        "UNI": 9.0, "LINK": 15.0}


@dataclass(frozen=True)
class Case:
    """A preset's twin; which assets secure a loan, how many at once, and what is owed."""

    twin: Twin
    collateral: tuple[str, ...]
    debt: tuple[str, ...]
    most: int = 1


CASES: Mapping[str, Case] = {
    "aave-v3.0": Case(exact.aave_v3_first, ("WETH",), ("USDC",)),
    "aave-v3.6": Case(exact.aave_v3_middle, ("WETH",), ("USDC",)),
    "aave-v3.7": Case(exact.aave_v3_last, ("WETH",), ("USDC",)),
    "aave-v4": Case(exact.aave_v4_main, ("WETH", "WAVAX", "BTC.b"), ("USDC",), most=3),
    "aave-v4-correlated": Case(exact.aave_v4_correlated, ("sAVAX",), ("WAVAX",)),
    "compound-iii": Case(exact.compound, ("COMP", "WBTC", "WETH", "UNI", "LINK"), ("USDC",), most=5),
    "euler-v2-weth": Case(exact.euler("weth"), ("wstETH", "USDC", "cbBTC"), ("WETH",), most=3),
    "euler-v2-usdc": Case(exact.euler("usdc"), ("WETH", "wstETH", "cbBTC"), ("USDC",), most=3),
    "euler-v2-cbbtc": Case(exact.euler("cbbtc"), ("WETH", "wstETH", "USDC"), ("cbBTC",), most=3),
    "liquity": Case(exact.trove({"ETH": "v1"}), ("ETH",), ("LUSD",)),
    "liquity-v2": Case(exact.trove({"WETH": "v2-weth", "wstETH": "v2-staked", "rETH": "v2-staked"}),
                       ("WETH", "wstETH", "rETH"), ("BOLD",)),
    "maker-a": Case(exact.vault("A"), ("ETH", "WBTC"), ("DAI",)),
    "maker-b": Case(exact.vault("B"), ("ETH", "WBTC"), ("DAI",)),
    "maker-c": Case(exact.vault("C"), ("ETH", "WBTC"), ("DAI",)),
    "morpho-blue-weth-usdc": Case(exact.morpho("weth-usdc"), ("WETH",), ("USDC",)),
    "morpho-blue-wsteth-weth": Case(exact.morpho("wsteth-weth"), ("wstETH",), ("WETH",)),
    "morpho-blue-usde-dai": Case(exact.morpho("usde-dai"), ("USDe",), ("DAI",)),
    "silo-v2-weth-usdc": Case(exact.silo("weth-usdc"), ("WETH", "USDC"), ("USDC", "WETH")),
    "silo-v2-wbtc-usdc": Case(exact.silo("wbtc-usdc"), ("WBTC", "USDC"), ("USDC", "WBTC")),
}


def drawn(case: Case, rules: VenueRules, prices: Prices, rng: np.random.Generator) -> DrawnPool:
    """Collateral of a thousand to a hundred million, and a debt around what it carries."""
    chosen = [str(a) for a in rng.choice(case.collateral, size=int(rng.integers(1, case.most + 1)), replace=False)]
    owed = str(rng.choice([asset for asset in case.debt if asset not in chosen]))
    holdings, carried = {}, 0.0
    for asset in chosen:
        amount = round(10.0 ** rng.uniform(3, 8) / price_of(rules, asset, prices).mark, 9)
        holdings[asset] = amount
        carried += amount * price_of(rules, asset, prices).mark * rules.assets[asset].maintenance_weights[0]
    debt = carried * (rng.uniform(0.3, 1.5) if rng.random() < 0.5 else rng.normal(1.0, 1e-6))
    holdings[owed] = -round(debt / price_of(rules, owed, prices).mark, 9)
    return DrawnPool((), holdings)


def near_of(case: Case, rules: VenueRules) -> dict[str, float]:
    """Prices around which the assets of a case are drawn."""
    return {f"{asset}/USD": NEAR[asset] for asset in dict.fromkeys((*case.collateral, *case.debt))
            if asset != rules.settlement}


def compare(name: str, accounts: int, seed: int) -> None:
    """Hold ``accounts`` random loans to the twin."""
    case, rules, rng = CASES[name], venue_rules(name), np.random.default_rng(seed)
    liquidatable = 0
    for _ in range(0, accounts, IN_STEPS):
        prices = drawn_prices(rng, near_of(case, rules))
        pools = [drawn(case, rules, prices, rng) for _ in range(IN_STEPS)]
        values = value_accounts(laid_out(rules, pools, prices)).pools
        for i, pool in enumerate(pools):
            said = case.twin(exact.loan_of(pool, prices, rules.settlement))
            unit, debt = 1e-8 * len(pool.holdings), float(said.debt)
            assert float(values.debt_value[i]) == pytest.approx(debt, rel=1e-9, abs=unit)
            counted = float(values.adjusted_equity[i] + values.debt_value[i])
            if said.counted is not None:
                assert counted == pytest.approx(float(said.counted), rel=1e-9, abs=unit)
                assert float(values.health_factor[i]) == pytest.approx(float(said.counted / said.debt), rel=1e-9)
            if said.borrowing_power is not None:
                power = float(values.adjusted_equity_initial[i] + values.debt_value[i])
                assert power == pytest.approx(float(said.borrowing_power), rel=1e-9, abs=unit)
            if abs(float(values.health[i])) > 1e-12 * debt + 2 * unit:
                assert (values.health[i] < 0) == said.is_liquidatable
            liquidatable += said.is_liquidatable
    assert 0.1 * accounts < liquidatable < 0.9 * accounts, "the draw reaches both sides of the line"


def test_every_lending_preset_has_a_twin() -> None:
    """A venue's preset would stand in checks without anything that holds it to the venue."""
    assert {name for name, preset in all_presets().items() if not preset.rules.markets} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_loans_stand_as_the_venue_says(name: str) -> None:
    """A loan would be liquidated, or spared, against the venue's own rule."""
    compare(name, 2_000, seed=7)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_hundred_thousand_loans_stand_as_the_venue_says(name: str) -> None:
    """A rare size would be judged otherwise than by the venue."""
    compare(name, 100_000, seed=8)


@pytest.mark.parametrize("name", CASES)
def test_a_loan_is_safe_a_tick_before_its_liquidation_price_and_not_a_tick_after(name: str) -> None:
    """A borrower would be told a price at which he has been liquidated already, or is not yet."""
    case, rules, rng = CASES[name], venue_rules(name), np.random.default_rng(9)
    checked = 0
    for _ in range(20):
        prices = drawn_prices(rng, near_of(case, rules))
        pools = [drawn(case, rules, prices, rng) for _ in range(4)]
        tables = laid_out(rules, pools, prices)
        valuation = value_accounts(tables)
        found = holding_liquidation_prices(tables, valuation).liquidation_price
        for h, pool in enumerate(tables.book.pool_of_holding().tolist()):
            asset, owned = tables.book.assets[tables.book.holding_asset[h]].asset, tables.book.amount[h] > 0
            if not np.isfinite(found[h]):
                continue
            tick = max(1e-6, 1e-7 * found[h])
            for price, safe in ((found[h] + tick, owned), (found[h] - tick, not owned)):
                if price < 1e-3:
                    continue
                at = {**prices, f"{asset}/USD": Price(float(price), float(price), float(price), 0.0)}
                now = value_accounts(laid_out(rules, [pools[pool]], at)).pools
                assert (STATUSES[now.status[0]] in (Status.HEALTHY, Status.MARGIN_CALL)) == bool(safe), (name, asset)
                said = case.twin(exact.loan_of(pools[pool], at, rules.settlement))
                assert said.is_liquidatable != bool(safe), (name, asset, price)
                checked += 1
    assert checked > 50


@pytest.mark.parametrize("name", ["crvusd", "flat", "maker", "no-such-venue"])
def test_a_venue_without_a_preset_is_refused_with_the_reason(name: str) -> None:
    """A user would be shown a figure for a rule that the engine does not have."""
    with pytest.raises(UsageError) as refused:
        venue_rules(name)
    assert {"crvusd": "band by band", "flat": "limit book", "maker": "some begin with it",
            "no-such-venue": "no venue preset"}[name] in str(refused.value)


def test_every_preset_says_what_it_leaves_out_and_how_old_it_is() -> None:
    """A figure would decide about money without anyone knowing when it held, where it is from or what it misses."""
    for name, preset in all_presets().items():
        assert preset.rules.name == name
        assert preset.rules.as_of, name
        assert preset.rules.source, name
        assert preset.left_out, name
        assert all(sentence.endswith(".") for sentence in preset.left_out), name
        assert preset_named(name) is preset


def test_the_page_of_venues_names_every_preset() -> None:
    """A reader would not learn of a preset, or would be sent to one that is not there."""
    page = (Path(__file__).parents[2] / "docs" / "verbs" / "venues.md").read_text()
    section = page.split("## Presets of the margin engine")[1].split("\n## ")[0]
    rows = [line.split("|")[2] for line in section.splitlines() if line.startswith("| ") and "`--venue`" not in line]
    named = [name.strip(" `") for row in rows for name in row.split(",")]
    assert sorted(named) == sorted(all_presets())
