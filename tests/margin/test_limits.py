"""A limit book as rules of the engine: the book's own numbers, in currency."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.margin.limits import asset_rules, bracket_curve, market_rules, rules_of_book
from leverline.margin.tables import margin_tables
from leverline.margin.valuation import value_accounts
from leverline.model import AssetLimits, InstrumentLimits, VenueLimits
from leverline.model.accounts import AccountBook, Asset, Market, Mode, Pool, Pools
from leverline.model.collateral import HaircutTier
from leverline.model.instrument import Payoff
from leverline.model.limitbook import Tier
from leverline.model.market_state import MarketState
from leverline.model.quantities import UNITS_PER_ONE
from tests.model.books import book, fields, schedule

BTC = "BTC/USDT:USDT"


def holding(symbol: str, quantity: float, entry: float, **amounts: float) -> AccountBook:
    """One account with one position and some holdings."""
    return AccountBook(
        (Market("", symbol),), tuple(Asset("", asset) for asset in amounts),
        Pools.of([Pool("", "a", "", "a", Mode.CROSS, "")]), np.array([0, 1], np.int32), np.zeros(1, np.uint32),
        np.array([quantity]), np.array([entry]), np.array([0, len(amounts)], np.int32),
        np.arange(len(amounts), dtype=np.uint32), np.array(list(amounts.values())))


def in_book(tiers: tuple[Tier, ...], notional: float) -> tuple[float, float]:
    """Initial and maintenance margin as the book's own definition has them; tiers hold floor < notional <= cap."""
    tier = next(t for t in reversed(tiers) if t.notional_floor < notional * UNITS_PER_ONE or t is tiers[0])
    return (notional * tier.initial_margin_rate,
            notional * tier.maintenance_margin_rate - tier.maintenance_deduction / UNITS_PER_ONE)


@st.composite
def drawn_tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    """Schedules whose deductions are rounded down to the ledger unit, as calibration rounds them."""
    floors = sorted(draw(st.lists(st.integers(1, 10**8), min_size=0, max_size=5, unique=True)))
    steps = st.lists(st.integers(1, 4_000), min_size=len(floors) + 1, max_size=len(floors) + 1, unique=True)
    rates = [step * 1e-4 + 7e-9 for step in sorted(draw(steps))]  # not whole: deductions have to be rounded
    edges: list[float | None] = [0.0, *floors, None]
    return schedule(*((edges[k] or 0.0, edges[k + 1], 1.0 / (2.0 * rate), rate) for k, rate in enumerate(rates)))


@given(tiers=drawn_tiers(), notional=st.floats(0.01, 1e9))
def test_margin_is_what_the_book_says(tiers: tuple[Tier, ...], notional: float) -> None:
    """An account would be liquidated by other numbers than those that were reviewed and signed."""
    rules = rules_of_book(book(instruments={BTC: InstrumentLimits(tiers=tiers)}, explanations={}))
    tables = margin_tables(holding(BTC, notional, 1.0, USDT=1.0), {"": rules}, MarketState.of({BTC: 1.0}))
    values = value_accounts(tables).pools
    initial, maintenance = in_book(tiers, notional)
    assert tables.convex.all()
    assert values.maintenance_margin[0] == pytest.approx(maintenance, rel=1e-9, abs=2.0 / UNITS_PER_ONE)
    near_floor = min(abs(notional - t.notional_floor / UNITS_PER_ONE) for t in tiers) < 1e-2
    assert near_floor or values.initial_margin[0] == pytest.approx(initial, rel=1e-9)


def test_tiers_that_hardly_differ_keep_their_order() -> None:
    """A book with two nearly equal tiers could not be checked at all."""
    tiers = schedule((0, 1, 10, 0.01), (1, 1.001, 10, 0.01 + 1e-9), (1.001, None, 10, 0.01 + 2e-9))
    assert bracket_curve(tiers).floors == pytest.approx((0.0, 1.0, 1.001), rel=1e-9)


@pytest.mark.parametrize(("quantity", "rate"), [(1.25, 0.02), (0.1 + 0.2 + 0.95, 0.02), (1.2501, 0.04)])
def test_a_position_of_exactly_a_tiers_cap_is_in_that_tier(quantity: float, rate: float) -> None:
    """A trader told "up to 50,000 at 50x" would open 50,000 at 50x and be asked for the margin of 25x."""
    tiers = schedule((0, 50_000, 50, 0.01), (50_000, None, 25, 0.02))
    rules = rules_of_book(book(instruments={BTC: InstrumentLimits(tiers=tiers)}))
    tables = margin_tables(holding(BTC, quantity, 40_000.0, USD=5_000.0), {"": rules}, MarketState.of({BTC: 40_000.0}))
    assert tables.convex.all()
    assert value_accounts(tables).pools.initial_margin[0] == pytest.approx(quantity * 40_000.0 * rate, rel=1e-9)


def test_a_book_whose_margin_jumps_keeps_its_floors_and_is_not_convex() -> None:
    """Trigger prices would be taken for exact where the requirement leaps."""
    tiers = schedule((0, 50_000, 50, 0.01), (50_000, None, 25, 0.02))
    jump = (tiers[0], tiers[1].model_copy(update={"maintenance_deduction": 100 * UNITS_PER_ONE}))
    curve = bracket_curve(jump)
    assert curve.floors == pytest.approx((0.0, 50_000.0), rel=1e-9)
    rules = rules_of_book(book(instruments={BTC: InstrumentLimits(tiers=jump)}, explanations={}))
    assert not margin_tables(holding(BTC, 1, 1, USDT=1), {"": rules}, MarketState.of({BTC: 1.0})).convex.any()


def test_amounts_leave_the_ledger_s_units() -> None:
    """A cap of five million dollars would bind at five, or never."""
    rules = rules_of_book(book()).markets[BTC]
    assert rules.position_cap == 5_000_000.0
    assert rules.taker_fee_rate == 0.0005
    capped = schedule((0, 50_000, 50, 0.01), (50_000, 80_000, 25, 0.02))
    limits = InstrumentLimits(tiers=capped, payoff=Payoff.INVERSE, contract_size=100.0, tick=0.5, lot=2.0,
                              open_interest_cap=7 * UNITS_PER_ONE, profit_collateral_cap=3 * UNITS_PER_ONE)
    found = market_rules(limits)
    assert found.curve == bracket_curve(capped)
    assert bracket_curve(capped).cap == 80_000.0
    assert (found.payoff, found.contract_size, found.tick, found.lot) == (Payoff.INVERSE, 100.0, 0.5, 2.0)
    assert (found.open_interest_cap, found.profit_cap_initial, found.taker_fee_rate) == (7.0, 3.0, 0.0)


def test_classes_of_a_market_go_before_those_of_the_venue() -> None:
    """Retail accounts would get the leverage of market makers."""
    instruments = fields()["instruments"]
    own = {BTC: instruments[BTC].model_copy(update={"account_classes": {"vip": 9.0}})}
    rules = rules_of_book(book(instruments=instruments | own, venue=VenueLimits(account_classes={"retail": 2.0})))
    assert rules.markets[BTC].account_classes == {"vip": 9.0}
    assert rules.markets["ETH/USDT:USDT"].account_classes == {"retail": 2.0}


@pytest.mark.parametrize(("limits", "floors", "initial", "maintenance"), [
    ({"ltv": 0.8, "liquidation_threshold": 0.85}, (0.0,), (0.8,), (0.85,)),
    ({"liquidation_threshold": 0.85}, (0.0,), (0.85,), (0.85,)),
    ({}, (0.0,), (1.0,), (1.0,)),
    ({"haircut_tiers": ((0, 0.1), (1_000, 0.4))}, (0.0, 1_000.0), (0.9, 0.6), (0.9, 0.6)),
    ({"haircut_tiers": ((500, 0.1),)}, (0.0, 500.0), (1.0, 0.9), (1.0, 0.9)),
    ({"ltv": 0.7, "liquidation_threshold": 0.75, "haircut_tiers": ((0, 0.1), (1_000, 0.28))}, (0.0, 1_000.0),
     (0.7, 0.7), (0.75, 0.72)),
])
def test_collateral_counts_for_the_less_of_its_loan_limit_and_its_haircut(
    limits: dict[str, Any], floors: tuple[float, ...], initial: tuple[float, ...], maintenance: tuple[float, ...]
) -> None:
    """A whale's deposit would back as much a unit as one that can be sold in a minute."""
    tiers = limits.pop("haircut_tiers", None)
    rows = None if tiers is None else tuple(
        HaircutTier(value_floor=floor * UNITS_PER_ONE, haircut=haircut) for floor, haircut in tiers)
    rules = asset_rules(AssetLimits(**limits, haircut_tiers=rows, supply_cap=9 * UNITS_PER_ONE))
    assert rules.floors == floors
    assert rules.initial_weights == pytest.approx(initial)
    assert rules.maintenance_weights == pytest.approx(maintenance)
    assert rules.value_cap == 9.0


def test_an_asset_is_lent_where_the_book_says_how_much() -> None:
    """A debt that no pool funds would pass for a loan."""
    assert not asset_rules(AssetLimits(ltv=0.5)).borrowable
    assert not asset_rules(AssetLimits(ltv=0.5, borrow_cap=0)).borrowable
    assert asset_rules(AssetLimits(ltv=0.5, borrow_cap=1)).borrowable


def test_what_linear_markets_settle_in_is_the_ledger_s_unit_unless_it_is_listed() -> None:
    """A depegged dollar coin would be counted at 1 though the book prices it, or a margin balance need a mark of 1."""
    plain = rules_of_book(book())
    assert [plain.settles(asset) for asset in ("USD", "USDT", "USDC", "ETH")] == [True, True, False, False]
    inverse = fields()["instruments"][BTC].model_copy(update={"payoff": Payoff.INVERSE})
    coin = rules_of_book(book(instruments={"BTC/USD:BTC": inverse}, explanations={}))
    assert not coin.settles("BTC")
    listed = rules_of_book(book(collateral={"USDT": AssetLimits(ltv=0.9)}))
    assert not listed.settles("USDT")
    state = MarketState.of({BTC: 100.0, "USDT/USD": 0.5})
    equity = value_accounts(margin_tables(holding(BTC, 1.0, 100.0, USDT=10.0), {"": listed}, state)).pools.equity
    assert equity.tolist() == [5.0]
    (skipped,) = margin_tables(holding(BTC, 1.0, 100.0, USDC=10.0), {"": plain}, state).skipped
    assert "USDC" in skipped.reason
