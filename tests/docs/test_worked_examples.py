"""Worked examples: our figures are the rules', venues' are the venues', and the mistakes named explain the others'."""

from __future__ import annotations

import importlib.util
import json
import re
from fractions import Fraction
from types import ModuleType

import pytest

from leverline.margin.brackets import Bracket, Brackets, margin_price
from leverline.margin.rulebooks import aave_v3_0, binance_usdm, dydx_v4, flat
from leverline.margin.rulebooks.aave_v3 import Collateral, Holding, Position
from leverline.margin.rulebooks.binance_usdm import OtherContract, liquidation_price
from leverline.margin.rulebooks.dydx_v4_liquidation import RULEBOOK as DYDX
from tests.docs.tables import DOCS, page, rows, section

GOLDEN = DOCS.parent / "tests" / "golden"
WALLET = Fraction("1535443.01")
ETH, ETH_ENTRY = Fraction("3683.979"), Fraction("1456.84")
BTC, BTC_ENTRY = Fraction("109.488"), Fraction("32481.98")
ETH_TIER = Bracket(Fraction(2_000_000), Fraction(1, 10), Fraction(135_365))
BTC_TIER = Bracket(Fraction(1_000_000), Fraction(25, 1000), Fraction(16_300))
MID_CAP = dydx_v4.LiquidityTier(50_000, 600_000, 40 * 10**12, 100 * 10**12)
PAGE = page("concepts/worked-examples.md")


def table(title: str, first: str) -> dict[str, list[str]]:
    """The rows of the table under ``title`` that starts with ``first``, by their first cell."""
    found = {cells[0]: cells[1:] for cells in rows(section(PAGE, title), first)}
    assert found
    return found


def number(cell: str) -> float:
    return float(cell.replace(",", ""))


def cents(value: Fraction | float | None) -> str:
    assert value is not None
    return f"{float(value):,.2f}"


def without_deduction(tier: Bracket) -> Bracket:
    return Bracket(tier.floor, tier.rate, Fraction(0))


def test_the_steps_of_a_tier_with_its_deduction() -> None:
    """A reader who follows our steps with a calculator would arrive elsewhere than the exchange."""
    steps = table("A tier with its deduction { #deduction }", "step")
    for column, tier in enumerate((ETH_TIER, without_deduction(ETH_TIER))):
        above, below = WALLET + tier.deduction - ETH * ETH_ENTRY, ETH * tier.rate - ETH
        price = above / below
        assert price == liquidation_price(WALLET, ETH, ETH_ENTRY, tier)
        figures = [above, below, price, ETH * price, WALLET + ETH * (price - ETH_ENTRY),
                   ETH * price * ETH_TIER.rate - ETH_TIER.deduction]
        assert [cells[column] for cells in steps.values()] == [cents(figure) for figure in figures]


def test_a_missing_deduction_explains_what_the_other_engine_says() -> None:
    """We would blame an engine's figure on a mistake that does not lead to it."""
    listed = {cells[0]: cells[1:] for cells in rows(PAGE, "example")}
    for name, quantity, entry, tier in (("ETH in a tier with a deduction", ETH, ETH_ENTRY, ETH_TIER),
                                        ("BTC in a whole table", BTC, BTC_ENTRY, BTC_TIER)):
        assert listed[name][0] == cents(liquidation_price(WALLET, quantity, entry, tier))
        assert listed[name][1] == cents(liquidation_price(WALLET, quantity, entry, without_deduction(tier)))


def test_the_venue_s_own_figures_are_the_recorded_ones() -> None:
    """The figure that we call the exchange's would be one of ours."""
    cases = {case["id"]: case for case in json.loads((GOLDEN / "perp-binance.json").read_text())["cases"]}
    assert table("A tier with its deduction { #deduction }", "step")["liquidation price"][0] == cents(
        cases["binance-liqprice-01"]["expected"]["liquidation_price"])
    cross = cases["binance-liqprice-04"]
    pair = table("Two positions in one wallet { #cross }", "")
    assert number(pair["liquidation price"][0]) == cross["expected"]["liquidation_price"]
    assert number(pair["the other position needs"][0]) == round(cross["inputs"]["other"]["maintenance_margin"], 2)
    assert number(pair["the other position has made"][0]) == round(cross["inputs"]["other"]["upnl"], 2)


def test_the_table_s_deductions_follow_from_its_rates() -> None:
    """Deductions in the page would leave a jump at a tier's floor."""
    listed = [(number(floor), number(rate.removesuffix(" %")), number(deduction))
              for floor, rate, deduction in rows(PAGE, "from notional")]
    brackets = Brackets.from_rates([Fraction(floor) for floor, _, _ in listed],
                                   [Fraction(str(rate)) / 100 for _, rate, _ in listed])
    assert [float(row.deduction) for row in brackets.rows] == [deduction for _, _, deduction in listed]
    price = binance_usdm.liquidation_price_in_table(WALLET, BTC, BTC_ENTRY, brackets)
    assert price is not None
    assert brackets.holding(BTC * price) == BTC_TIER
    assert cents(price) in section(PAGE, "A whole table { #table }")


def test_prices_by_size_are_those_of_the_recorded_brackets() -> None:
    """The error of an engine would be stated against a price that the exchange's table does not give."""
    (preset,) = [p for p in binance_usdm.RULEBOOK.presets if p.name == "BTC/USDT:USDT"]
    floors, rates = preset.figures["notional_floor_usdt"], preset.figures["maintenance_margin_rate"]
    assert isinstance(floors, list)
    assert isinstance(rates, list)
    brackets = Brackets.from_rates([Fraction(floor) for floor in floors], [Fraction(str(rate)) for rate in rates])
    table_rows = rows(PAGE, "size, BTC")
    assert len(table_rows) == 4
    for size, ours, theirs, apart in table_rows:
        quantity, entry = Fraction(size), Fraction(60_000)
        price = binance_usdm.liquidation_price_in_table(quantity * entry / 10, quantity, entry, brackets)
        assert price is not None
        assert ours == cents(price)
        assert theirs == cents(_whole_notional_price(quantity * entry / 10, quantity, entry, brackets))
        assert float(apart) == pytest.approx((number(theirs) / float(price) - 1) * 1e4, abs=0.005)


def _whole_notional_price(wallet: Fraction, quantity: Fraction, entry: Fraction, brackets: Brackets) -> Fraction:
    """Highest price, from entry down, at which equity is at most the tier's rate on the whole notional.

    In each tier that is its own price, or the tier's upper end where the requirement jumps over equity.
    """
    found = []
    for index, row in enumerate(brackets.rows):
        own = margin_price(wallet, quantity, entry, without_deduction(row))
        top = brackets.rows[index + 1].floor / quantity if index + 1 < len(brackets.rows) else entry
        if own is not None and min(own, top) * quantity >= row.floor:
            found.append(min(own, top, entry))
    return max(found)


def test_a_second_position_takes_its_share_of_the_wallet() -> None:
    """A trader would be told of seven times the room there is, or we would say so of an engine that did not."""
    own = Bracket(Fraction(0), Fraction(4, 1000), Fraction(0))
    wallet, one, entry = Fraction(5), Fraction(1), Fraction(100)
    prices = (entry * (1 - Fraction(1, 20) + own.rate), liquidation_price(wallet, one, entry, own),
              liquidation_price(wallet, one, entry, own, [OtherContract(Fraction(4), Fraction(0))]))
    listed = rows(PAGE, "what is taken into account")
    assert [cells[2] for cells in listed] == [cents(price) for price in prices]
    assert [float(cells[3].removesuffix(" %")) for cells in listed] == [round(100 - number(c[2]), 2) for c in listed]


def test_the_exchange_s_pair_in_one_wallet() -> None:
    """Cross prices in the page would differ from the rule's, or the blind ones would not be blind."""
    pair = table("Two positions in one wallet { #cross }", "")
    eth = _beside(ETH, ETH_ENTRY, Fraction("1335.18"), ETH_TIER)
    btc = _beside(BTC, BTC_ENTRY, Fraction("31967.27"), BTC_TIER)
    for column, (quantity, entry, tier, other) in enumerate(((BTC, BTC_ENTRY, BTC_TIER, eth),
                                                             (ETH, ETH_ENTRY, ETH_TIER, btc))):
        needs, made = other.maintenance_margin, other.unrealized_profit
        assert pair["the other position needs"][column] == cents(needs)
        assert pair["the other position has made"][column] == cents(made)
        assert pair["liquidation price"][column] == cents(liquidation_price(WALLET, quantity, entry, tier, [other]))
        blind = OtherContract(Fraction(0), made)
        assert pair["the other's need left out"][column] == cents(
            liquidation_price(WALLET, quantity, entry, tier, [blind]))


def test_one_rate_for_both_contracts_explains_the_other_engine() -> None:
    """We would blame an engine's cross prices on its single table, and they would come from something else."""
    pair = table("Two positions in one wallet { #cross }", "")
    for row, rate in (("lrvx 0.11.0 with BTC's table", Fraction(25, 1000)),
                      ("lrvx 0.11.0 with ETH's tier of 10 %", Fraction(1, 10))):
        flat_tier = Bracket(Fraction(0), rate, Fraction(0))
        eth = _beside(ETH, ETH_ENTRY, Fraction("1335.18"), flat_tier)
        btc = _beside(BTC, BTC_ENTRY, Fraction("31967.27"), flat_tier)
        assert pair[row] == [cents(liquidation_price(WALLET, BTC, BTC_ENTRY, flat_tier, [eth])),
                             cents(liquidation_price(WALLET, ETH, ETH_ENTRY, flat_tier, [btc]))]


def _beside(quantity: Fraction, entry: Fraction, mark: Fraction, tier: Bracket) -> OtherContract:
    return OtherContract(quantity * mark * tier.rate - tier.deduction, quantity * (mark - entry))


def test_the_tier_of_the_page_is_the_chain_s() -> None:
    """Figures would be worked out for a tier that dYdX does not have."""
    (preset,) = [p for p in DYDX.presets if p.name == "mid-cap"]
    assert list(preset.figures.values()) == [
        MID_CAP.initial_margin_ppm, MID_CAP.maintenance_fraction_ppm, MID_CAP.open_interest_lower,
        MID_CAP.open_interest_upper]


def test_the_requirement_grows_with_open_interest_as_the_table_says() -> None:
    """A trader would bring a margin with which the chain refuses the order."""
    listed = rows(PAGE, "open interest, million")
    assert len(listed) == 7
    for millions, initial, leverage, maintenance in listed:
        needed = dydx_v4.initial_margin(10**11, MID_CAP, int(millions) * 10**12)
        assert initial == cents(needed / 1e6)
        assert leverage == cents(1e11 / needed)
        assert maintenance == cents(dydx_v4.maintenance_margin(10**11, MID_CAP) / 1e6)


def test_the_flat_models_explain_what_the_other_engine_asks() -> None:
    """We would blame an engine's figure on its division by leverage, and it would come from something else."""
    notional, rates = Fraction(100_000), (Fraction(5, 100), Fraction(3, 100))
    standard, leveraged = (cells[1:] for cells in rows(PAGE, "nautilus_trader 1.221.0"))
    assert standard == [cents(flat.standard_margin(notional, rate)) for rate in rates]
    assert leveraged == [cents(flat.leveraged_margin(notional, rate, Fraction(20))) for rate in rates]


def test_the_picture_is_of_the_rule() -> None:
    """The line in the page would not be the rule's (python docs/_build/drawings.py)."""
    drawings = _drawings()
    assert drawings.MID_CAP == MID_CAP
    drawn = drawings.open_interest()
    assert drawn == (DOCS / "recorded" / "dydx-open-interest.svg").read_text(encoding="utf-8")
    points = re.findall(r"([\d.]+),([\d.]+)", re.findall(r'points="([^"]+)"', drawn)[0])
    assert len(points) == 25
    for x, y in points:
        millions = round((float(x) - drawings.LEFT) / (drawings.across(1) - drawings.LEFT))
        rate = dydx_v4.initial_rate_ppm(MID_CAP, millions * 10**12) / dydx_v4.PPM
        assert float(y) == pytest.approx(drawings.down(rate), abs=0.06)


def _drawings() -> ModuleType:
    spec = importlib.util.spec_from_file_location("drawings", DOCS / "_build" / "drawings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_aave_position_through_its_liquidation() -> None:
    """A borrower would reckon with another loss than the protocol takes."""
    steps = table("An Aave position through its liquidation { #aave }", "step")

    def at(price: int) -> Position:
        return Position((Collateral("WETH", 10 * 10**18, 10**18, price * 10**8, 8_000, 8_250, 10_500, 1_000),),
                        (Holding("USDC", 16_000 * 10**6, 10**6, 10**8),))

    taken, left = aave_v3_0.liquidate(at(1_900), "WETH", "USDC")
    state = aave_v3_0.account_state(left)
    assert [cells[0] for cells in steps.values()] == [
        f"{aave_v3_0.account_state(at(2_000)).health_factor / 1e18}",
        cents(16_000 / (10 * 0.825)),
        f"{aave_v3_0.account_state(at(1_900)).health_factor / 1e18}",
        cents(taken.debt_repaid / 1e6),
        f"{taken.collateral_seized / 1e18:.7f}",
        f"{taken.to_liquidator / 1e18:.7f}",
        f"{taken.protocol_fee / 1e18:.7f}",
        f"{left.collateral[0].amount / 1e18:.7f}",
        cents(left.debt[0].amount / 1e6),
        f"{state.health_factor / 1e18}",
        cents((state.collateral_value - state.debt_value) / 1e8),
    ]


def test_the_overview_repeats_what_the_sections_say() -> None:
    """The first table, which most will read alone, would promise other figures than the sections below it."""
    listed = {cells[0]: cells[1:3] for cells in rows(PAGE, "example")}
    assert len(listed) == 5
    for venue, other in listed.values():
        for figure in (venue, *other.split(" or ")):
            body = PAGE.split("{ #deduction }")[1]
            assert re.search(rf"(?<![\d.,]){re.escape(figure)}(?:\.00)?(?![\d]|[.,]\d)", body), figure
