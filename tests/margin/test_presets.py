"""The venues' presets build the rules' own objects, and those say what the venues' pages say of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import sqrt
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.ground.errors import UsageError
from leverline.margin.brackets import Brackets
from leverline.margin.curves import BracketCurve, StepCurve
from leverline.margin.rulebooks import bitmex, drift_v2, gmx_v2, okx, synthetix_v3
from leverline.margin.rulebooks.description import Preset
from leverline.margin.rulebooks.registry import all_rulebooks, rulebook_named
from leverline.market.symbols import is_unified

PERPETUALS = [book.name for book in all_rulebooks().values() if book.scope == "perpetuals"]
BY_TIER = {"dydx-v4", "hyperliquid", "flat"}  # dYdX groups markets by tier, Hyperliquid names coins, flat has no venue

Figures = Mapping[str, object]


def figures(venue: str, name: str) -> Figures:
    """The figures of one preset."""
    (found,) = [preset for preset in rulebook_named(venue).presets if preset.name == name]
    return found.figures


def column(of: Figures, key: str) -> list[float]:
    """A figure that is a list."""
    return [float(value) for value in cast("Sequence[float]", of[key])]


def number(of: Figures, key: str) -> Fraction:
    """A figure that is a number, exact to what is written."""
    return Fraction(str(of[key]))


def markets(venue: str) -> list[Preset]:
    """Presets that are a market's, by unified symbol."""
    return [preset for preset in rulebook_named(venue).presets if is_unified(preset.name)]


@pytest.mark.parametrize("venue", PERPETUALS)
def test_every_preset_is_dated_sourced_and_plain(venue: str) -> None:
    """A figure would stand in a check without anyone knowing when it held or where it is from."""
    for preset in rulebook_named(venue).presets:
        assert re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", preset.as_of), preset.name
        assert json.loads(json.dumps(preset.figures)) == dict(preset.figures)
        assert all(re.fullmatch(r"[a-z0-9_]+", key) for key in preset.figures)


@pytest.mark.parametrize("venue", sorted(set(PERPETUALS) - BY_TIER))
def test_two_markets_a_venue_have_figures(venue: str) -> None:
    """A venue would be offered to users of whom nobody can check a position there."""
    assert len(markets(venue)) >= 2


@pytest.mark.parametrize(("venue", "name"), [
    (venue, preset.name) for venue in ("binance-usdm", "bybit", "gate") for preset in markets(venue)])
def test_bracket_tables_are_continuous_and_open_above_maintenance(venue: str, name: str) -> None:
    """A position would jump in margin at a floor, or be liquidated by the very act of opening it."""
    table = figures(venue, name)
    floors = column(table, next(key for key in table if key.split("_")[1] == "floor"))
    deductions = column(table, next(key for key in table if "deduction" in key or "amount" in key))
    rates, leverages = column(table, "maintenance_margin_rate"), column(table, "max_leverage")
    exact = Brackets.from_rates([Fraction(str(f)) for f in floors], [Fraction(str(r)) for r in rates])
    assert deductions == pytest.approx([float(row.deduction) for row in exact.rows])
    initial = tuple(1 / leverage for leverage in leverages)
    BracketCurve(tuple(floors), initial, tuple(rates), tuple(deductions))
    assert all(a > b for a, b in zip(initial, rates, strict=True))
    caps = next((column(table, key) for key in table if key.split("_")[1] == "cap"), [*floors[1:], float("inf")])
    assert caps[:-1] == floors[1:]
    assert caps[-1] > floors[-1]


def test_bybit_deductions_are_those_the_venue_prints() -> None:
    """A level was read wrongly: the venue prints each deduction beside its rate."""
    assert column(figures("bybit", "BTC/USDT:USDT"), "maintenance_deduction_usdt") == [
        0, 1_200, 3_020, 4_300, 5_820, 8_460, 15_460, 20_500, 46_000, 66_000, 80_000, 160_000, 300_000, 452_000,
        502_000, 777_000, 837_000, 967_000, 1_107_000, 1_482_000]


def okx_tiers(name: str) -> okx.PositionTiers:
    """The rule's object out of a preset."""
    of = figures("okx", name)
    rates = zip(column(of, "initial_margin_rate"), column(of, "maintenance_margin_rate"), strict=True)
    return okx.PositionTiers(
        caps=tuple(int(cap) for cap in column(of, "tier_cap_contracts")),
        rates=tuple((Fraction(str(initial)), Fraction(str(maintenance))) for initial, maintenance in rates),
        further_contracts=int(number(of, "further_tier_contracts")), further_rate=number(of, "further_tier_rate"))


def test_okx_tiers_go_on_in_equal_steps() -> None:
    """A position beyond the printed tiers would be margined like the last of them."""
    tiers = okx_tiers("ETH/USDT:USDT")
    assert tiers.margin_rates(3_000) == (Fraction("0.008"), Fraction("0.004"))
    assert tiers.margin_rates(12_001) == (Fraction("0.020"), Fraction("0.015"))
    assert tiers.margin_rates(36_001) == (Fraction("0.030"), Fraction("0.025"))
    assert [tiers.cap(tier) for tier in (1, 3, 4, 5)] == [3_000, 12_000, 24_000, 36_000]
    caps = [tiers.cap(tier) for tier in range(1, tiers.tier(30_000) + 1)]
    assert okx.contracts_of_one_cut(30_000, caps) == 30_000 - 12_000
    with pytest.raises(UsageError):
        tiers.margin_rates(0)


@given(contracts=st.integers(1, 10**7), more=st.integers(1, 10**6), name=st.sampled_from(
    ["AAVE/USDT:USDT", "ETH/USDT:USDT"]))
def test_okx_larger_positions_never_need_a_smaller_share(contracts: int, more: int, name: str) -> None:
    """Growing a position would lower its rate, or a tier would not hold what falls into it."""
    tiers = okx_tiers(name)
    tier = tiers.tier(contracts)
    assert contracts <= tiers.cap(tier)
    assert tier == 1 or contracts > tiers.cap(tier - 1)
    for now, later in zip(tiers.margin_rates(contracts), tiers.margin_rates(contracts + more), strict=True):
        assert now <= later
    initial, maintenance = tiers.margin_rates(contracts)
    assert initial > maintenance


def test_okx_tiers_make_a_step_curve_in_contracts() -> None:
    """The tiers would be looked up by notional, and a falling price would change a position's rate."""
    tiers = okx_tiers("AAVE/USDT:USDT")
    sizes = [1, *(tiers.cap(tier) + 1 for tier in range(1, 10))]
    curve = StepCurve(floors=(0.0, *map(float, sizes[1:])), by_contracts=True,
                      initial_rates=tuple(float(tiers.margin_rates(size)[0]) for size in sizes),
                      maintenance_rates=tuple(float(tiers.margin_rates(size)[1]) for size in sizes))
    assert curve.maintenance_rates[:5] == (0.0065, 0.01, 0.015, 0.02, 0.025)


@pytest.mark.parametrize("preset", markets("bitmex"), ids=lambda preset: preset.name)
def test_bitmex_presets_are_risk_limits(preset: Preset) -> None:
    """A risk step would be taken at another value or by another rate than the venue's."""
    of = preset.figures
    currency = "xbt" if preset.name.endswith(":BTC") else "usdt"
    unit = 10**8 if currency == "xbt" else 10**6
    base, step = (int(number(of, f"{key}_{currency}")) * unit for key in ("base_risk_limit", "risk_step"))
    limit = bitmex.RiskLimit(base, step, number(of, "initial_margin_rate"), number(of, "maintenance_margin_rate"),
                             number(of, "rate_step"))
    first = bitmex.margin_rates(base, limit)
    assert first == (limit.initial_rate, limit.maintenance_rate)
    assert bitmex.margin_rates(base + 1, limit) == tuple(rate + limit.rate_step for rate in first)
    assert bitmex.margin_rates(base + step + 1, limit) == tuple(rate + 2 * limit.rate_step for rate in first)
    if currency == "xbt":  # the venue's own trade example: 230 XBT
        assert bitmex.margin_rates(230 * unit, limit) == (Fraction("0.015"), Fraction("0.01"))


@given(size=st.integers(1, 10**16), name=st.sampled_from(["SOL/USDC:USDC", "ETH/USDC:USDC"]))
def test_drift_markets_ask_more_to_open_than_to_stay(size: int, name: str) -> None:
    """An account would be liquidatable as soon as it has opened, or in high-leverage mode need more than outside."""
    of = figures("drift-v2", name)
    imf = int(number(of, "imf_factor_1e6"))
    ordinary = drift_v2.ByLevel(int(number(of, "initial_margin_ratio_1e4")),
                                int(number(of, "maintenance_margin_ratio_1e4")))
    high = drift_v2.ByLevel(int(number(of, "high_leverage_initial_ratio_1e4")),
                            int(number(of, "high_leverage_maintenance_ratio_1e4")))
    initial, maintenance = (drift_v2.margin_ratio(size, imf, ordinary, level)
                            for level in (drift_v2.Level.INITIAL, drift_v2.Level.MAINTENANCE))
    assert initial >= maintenance
    for level, listed in ((drift_v2.Level.INITIAL, initial), (drift_v2.Level.MAINTENANCE, maintenance)):
        assert drift_v2.high_leverage_ratio(size, imf, ordinary, high, level) <= listed
    root = imf / 10**6 * sqrt(10 * size + 1) / 10**5
    assert initial / 10**4 == pytest.approx(max(0.05, 0.04 + root), abs=2e-4)  # the venue cuts to 1e-4


def test_drift_collateral_counts_for_less_where_it_is_larger() -> None:
    """USDC would be discounted, or a whale's SOL counted like a small holder's."""
    usdc, sol = figures("drift-v2", "USDC"), figures("drift-v2", "SOL")
    for held, size, weight in ((usdc, 10**15, 10_000), (sol, 2_000 * 10**9, 8_000), (sol, 100_000_000 * 10**9, 814)):
        imf = int(number(held, "imf_factor_1e6"))  # 0.0814 = 1.1 / (1 + 0.00125 * sqrt(1e8)), the page's own formula
        assert drift_v2.asset_weight(size, imf, int(number(held, "initial_asset_weight_1e4"))) == weight
    assert number(sol, "maintenance_asset_weight_1e4") > number(sol, "initial_asset_weight_1e4")


@pytest.mark.parametrize("preset", markets("gmx-v2"), ids=lambda preset: preset.name)
def test_gmx_markets_let_200_times_and_stop_at_the_pool(preset: Preset) -> None:
    """An order would be judged by another factor than the venue's, or open interest pass what the pool reserves."""
    of = preset.figures
    factor = number(of, "min_collateral_factor")
    assert factor == Fraction(1, 200)
    assert number(of, "min_collateral_factor_for_liquidation") <= factor
    multiplier, most = number(of, "open_interest_multiplier_per_usd"), number(of, "max_open_interest_usd")
    assert gmx_v2.order_collateral_factor(factor, most, multiplier) <= Fraction(2, 3) / 100
    assert gmx_v2.order_collateral_factor(factor, 100 * most, multiplier) == 100 * most * multiplier > factor
    assert gmx_v2.reserve_error(Fraction(345, 100) * 10**6, Fraction(10**6), number(of, "reserve_factor"),
                                number(of, "open_interest_reserve_factor")) == (
        None if preset.name == "BTC/USD:USD" else "InsufficientReserve")
    position = gmx_v2.Position(Fraction(1_000), Fraction(1), Fraction(5), is_long=True)
    floor = number(of, "min_collateral_usd")
    assert not gmx_v2.liquidatable(position, Fraction(5), factor, floor)
    assert gmx_v2.liquidatable(position, Fraction("4.99"), factor, floor)
    assert number(of, "positive_impact_factor") < number(of, "negative_impact_factor")
    assert number(of, "min_pnl_factor_after_adl") < number(of, "max_pnl_factor_for_adl")


@pytest.mark.parametrize("preset", markets("synthetix-v3"), ids=lambda preset: preset.name)
def test_synthetix_margins_rise_with_size_over_skew_scale(preset: Preset) -> None:
    """A market's largest position would be asked as little as its smallest."""
    of = preset.figures
    market = synthetix_v3.Market(
        number(of, "skew_scale_base"), number(of, "initial_margin_fraction"), number(of, "minimum_initial_ratio"),
        number(of, "maintenance_scalar"), number(of, "minimum_position_margin_usd"))
    least = number(of, "minimum_position_margin_usd")
    small = synthetix_v3.margins(market, Fraction(1, 10**9), Fraction(1_000))
    assert [margin - least for margin in small] == pytest.approx([2e-8, 5.6e-9], rel=1e-6)
    largest = number(of, "max_market_size_base")
    initial, maintenance = synthetix_v3.margins(market, largest, Fraction(1))
    ratio = largest / market.skew_scale * market.initial_margin_fraction + Fraction("0.02")
    assert (initial - least, maintenance - least) == (largest * ratio, largest * ratio * Fraction("0.28"))
    capacity = synthetix_v3.window_capacity(
        number(of, "maker_fee_ratio"), number(of, "taker_fee_ratio"), market.skew_scale,
        number(of, "window_multiplier"), number(of, "window_seconds"))
    assert 0 < capacity < largest
