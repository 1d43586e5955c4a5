"""The fund against what its definition promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.calibrate.book import Calibration, calibrate_book
from leverline.calibrate.caps_in_book import cap_markets
from leverline.calibrate.fund import (
    AS_DATES_FELL,
    Accounts,
    FundHoldings,
    FundNeed,
    fund_need,
    fund_target,
    market_shares,
)
from leverline.calibrate.fund_in_book import calibrate_fund, round_up_units
from leverline.calibrate.fund_losses import FullMarkets, expected_shortfall, losses_at_caps, losses_of_accounts
from leverline.calibrate.joint_paths import JointHistory
from leverline.ground.errors import UsageError
from leverline.margin.curves import BracketCurve
from leverline.margin.rules import MarketRules, VenueRules
from leverline.margin.tables import MarginTables, margin_tables
from leverline.model import LimitBook, RiskAppetite
from leverline.model.accounts import AccountBook, Asset, Market, Mode, Pool, Pools
from leverline.model.appetite_line import FundAppetite
from leverline.model.market_state import MarketState
from leverline.model.venue import VenueLimits
from tests.calibrate import markets as synthetic
from tests.calibrate.stressed_markets import full, fund_appetite, joint

amounts = st.lists(st.floats(0.0, 1e9), min_size=1, max_size=60)


def need_of(history: JointHistory | None = None, exposure: FullMarkets | None = None,
            appetite: FundAppetite | None = None, seed: int = 7) -> FundNeed:
    history = history or joint()
    return fund_need(history, exposure or full(history), appetite or fund_appetite(), np.random.default_rng(seed))


@given(losses=amounts, low=st.floats(0.01, 0.98), step=st.floats(0.0, 0.019))
def test_a_deeper_tail_never_costs_less(losses: list[float], low: float, step: float) -> None:
    """A venue that asks for more confidence would get a smaller fund."""
    values = np.array(losses)
    shallow, deep = expected_shortfall(values, low), expected_shortfall(values, low + step)
    assert deep >= shallow * (1 - 1e-9)
    assert values.mean() * (1 - 1e-9) <= shallow <= values.max() * (1 + 1e-9)


@given(losses=amounts, confidence=st.floats(0.05, 0.95), times=st.integers(1, 5))
def test_a_path_counted_twice_is_a_path_drawn_twice(losses: list[float], confidence: float, times: int) -> None:
    """The bootstrap interval would be of another quantity than the estimate."""
    values = np.array(losses)
    weights = np.full(values.size, float(times))
    weights[0] += 1.0
    repeated = np.repeat(values, weights.astype(int))
    assert expected_shortfall(values, confidence, weights) == pytest.approx(expected_shortfall(repeated, confidence))


@given(margin=st.floats(0.0, 0.1))
def test_more_margin_never_leaves_the_fund_more_to_pay_for_one_fall(margin: float) -> None:
    """Tightening the line would make the venue's fund larger."""
    moves = np.random.default_rng(3).standard_t(3, (200, 2, 3)) * 0.03
    before = full(joint(3))
    after = replace(before, initial_rate=before.initial_rate + margin)
    loss = [losses_at_caps([moves], each, 0.99).by_market for each in (before, after)]
    assert np.all(loss[1] <= loss[0] + 1e-9)


def test_a_venue_that_asks_for_more_margin_needs_a_smaller_fund() -> None:
    """Over an event of many windows later liquidations would undo what the margin bought."""
    history = joint(6, windows=6)
    needs = [need_of(history, full(history, initial=0.06 + more, maintenance=0.04 + more)).amount
             for more in (0.0, 0.02, 0.04)]
    assert needs[0] > 1.1 * needs[1] > 1.1**2 * needs[2]


def test_one_fall_costs_what_arithmetic_says() -> None:
    """The loss that a fund is sized for would not be what an account owes after its close-out."""
    history = joint(1, windows=1)
    markets = full(history, notional=1_000.0, owners=1.0)
    moves = np.log(np.array([[[0.9], [0.8 / 0.9]]]))  # down to 90, then to 80: filled at 85 on average
    paid = losses_at_caps([moves], markets, 0.5).total[0]
    assert paid == pytest.approx(1_000.0 * (0.15 + 0.002 * 0.85 - 0.06))
    held = losses_at_caps([np.log(np.array([[[0.985], [0.5]]]))], markets, 0.5)
    assert held.total[0] == 0.0  # still above maintenance when the last window in which one is liquidated ends


def accounts_of(history: JointHistory, *, size: float, owner: str = "") -> MarginTables:
    """One long and one short in every market, each with 6 % of margin, isolated in accounts of their own."""
    symbols, pools, quantity = history.symbols, [], []
    for symbol in symbols:
        for sign, side in ((1.0, "long"), (-1.0, "short")):
            pools.append(Pool("v", f"{symbol}-{side}", "", owner or f"{symbol}-{side}", Mode.CROSS, ""))
            quantity.append(sign * size / 100.0)
    n = len(pools)
    book = AccountBook(
        markets=tuple(Market("v", s) for s in symbols), assets=(Asset("v", "USD"),), pools=Pools.of(pools),
        position_offsets=np.arange(n + 1, dtype=np.int32),
        position_market=np.repeat(np.arange(len(symbols), dtype=np.uint32), 2), quantity=np.array(quantity),
        entry_price=np.full(n, 100.0), holding_offsets=np.arange(n + 1, dtype=np.int32),
        holding_asset=np.zeros(n, np.uint32), amount=np.full(n, 0.06 * size))
    curve = BracketCurve((0.0,), (0.06,), (0.04,), (0.0,))
    rules = {"v": VenueRules("v", "USD", {s: MarketRules(curve) for s in symbols})}
    return margin_tables(book, rules, MarketState.of(dict.fromkeys(symbols, 100.0)))


def test_accounts_that_fill_the_caps_lose_what_full_markets_lose() -> None:
    """The fund would change with how the same positions are written down."""
    history = joint(3)
    markets = full(history, notional=1_000.0, owners=1.0)
    moves = np.random.default_rng(5).standard_t(3, (60, 4, 3)) * 0.04
    at_caps = losses_at_caps([moves], markets, 0.9)
    tables = accounts_of(history, size=1_000.0)
    rates = dict.fromkeys(history.symbols, 0.002)
    actual = losses_of_accounts([moves], 60, tables, history.symbols, rates, 0.9)
    assert at_caps.total.sum() > 0
    np.testing.assert_allclose(actual.by_market, at_caps.by_market, atol=1e-6)
    np.testing.assert_allclose(actual.owner_tails, at_caps.owner_tails, atol=1e-6)


def test_one_owner_of_every_account_is_one_owner() -> None:
    """Cover-N would count the hundred accounts of one trader as a hundred traders."""
    history = joint(3)
    moves = np.random.default_rng(5).standard_t(3, (60, 4, 3)) * 0.04
    rates = dict.fromkeys(history.symbols, 0.002)
    one = losses_of_accounts([moves], 60, accounts_of(history, size=1e3, owner="whale"), history.symbols, rates, 0.9)
    assert one.owner_tails.size == 1
    assert one.owner_tails[0] == pytest.approx(expected_shortfall(one.total, 0.9))


def test_positions_in_markets_that_do_not_move_are_refused() -> None:
    """An account in an unknown market would pass as one that cannot lose."""
    history = joint(3)
    tables = accounts_of(history, size=1e3)
    with pytest.raises(UsageError, match="not calibrated"):
        fund_need(joint(2), Accounts(tables, {}), fund_appetite(paths=100, confidence=0.9), np.random.default_rng(1))


def test_the_same_seed_gives_the_same_fund() -> None:
    """A book could not be reproduced from its provenance."""
    first, second = need_of(), need_of()
    assert (first.shortfall, first.low, first.high, first.cover) == (
        second.shortfall, second.low, second.high, second.cover)


def test_markets_that_fall_together_need_a_larger_fund() -> None:
    """Joint breaches would be averaged away: 24 of 30 coins broke their margin on one day."""
    history = joint(12, common=0.05, windows=4)
    apart, together = (need_of(history, appetite=fund_appetite(stressed_correlation=rho)) for rho in (0.0, 0.9))
    assert together.shortfall > 1.3 * apart.shortfall
    drawn = [next(e for e in need.events if e.source != AS_DATES_FELL) for need in (apart, together)]
    assert drawn[1].markets_at_once > drawn[0].markets_at_once


def test_the_fund_is_never_below_what_the_record_alone_would_have_cost() -> None:
    """A drawn law milder than history would decide."""
    history = joint(12, common=0.95)
    need = need_of(history)
    assert need.amount >= max(event.shortfall for event in need.events)
    assert need.low <= need.shortfall <= need.high
    assert {event.source for event in need.events} > {AS_DATES_FELL}


@given(amount=st.floats(0.0, 1e9), haircut=st.floats(0.0, 0.9), inflow=st.floats(0.0, 0.01), days=st.floats(0.0, 30.0))
def test_the_target_meets_the_need_after_haircut_and_inflow(
    amount: float, haircut: float, inflow: float, days: float,
) -> None:
    """The fund would be short by its own fall in the very event it is for."""
    appetite = fund_appetite(replenishment_per_day=inflow, calm_days_counted=days)
    target = fund_target(amount, appetite, haircut)
    assert target * (1 + inflow * days) * (1 - haircut) == pytest.approx(amount)
    assert fund_target(amount, appetite, min(0.95, haircut + 0.05)) >= target


def test_a_fund_in_a_coin_that_falls_with_the_losses_is_cut_by_that_fall() -> None:
    """A fund held in a venue's own coin would look full until the day it is needed."""
    need = need_of(joint(6, sigma=0.05, windows=4), appetite=fund_appetite(asset_haircut=0.02))
    held = FundHoldings({"USD": 0.5, "M0": 0.5})
    cuts = held.haircuts(need, fund_appetite(asset_haircut=0.02), "USD")
    assert cuts["USD"] == 0.02 <= cuts["M0"] < 1.0
    assert held.haircut(cuts) == pytest.approx((cuts["USD"] + cuts["M0"]) / 2)
    for wrong in ({"USD": 0.5}, {"USD": 0.5, "NOPE": 0.5}, {"USD": 1.5, "M0": -0.5}):
        with pytest.raises(UsageError):
            FundHoldings(wrong).haircuts(need, fund_appetite(), "USD")


def test_a_market_uses_at_most_its_share() -> None:
    """One coin could empty the fund of all others, as YFI nearly did."""
    need = need_of()
    shares = market_shares(need, fund_appetite(market_share=0.3))
    assert set(shares) == set(need.symbols)
    assert all(0 < share <= 0.3 for share in shares.values())


@given(amount=st.floats(0.0, 1e12))
def test_targets_are_rounded_up(amount: float) -> None:
    """The published fund would be smaller than the calculated one."""
    assert 0 <= round_up_units(amount) / 1e6 - amount <= 0.011 * amount + 1e-6


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    bars = synthetic.bars_of(*(synthetic.Market(f"M{k}/USD:USD", seed=k + 1, volume=1e7) for k in range(3)))
    return calibrate_book(bars, RiskAppetite.profile("ccp"))


def test_a_calibrated_fund_explains_every_number_and_fits_the_book(calibration: Calibration) -> None:
    """A number of the book would stand without a reason."""
    appetite = RiskAppetite.profile("ccp")
    appetite = appetite.model_copy(update={"fund": fund_appetite(paths=1_000)})
    capped = cap_markets(calibration, appetite)
    found = calibrate_fund(calibration, appetite, rng=np.random.default_rng(2), limits=capped.limits)
    assert found.limits is not None
    venue = VenueLimits(insurance_fund_target=found.limits.target, insurance_fund=found.limits)
    book = LimitBook.of(as_of=calibration.book.as_of, settlement="USD", instruments=capped.limits, venue=venue,
                        explanations=found.explanations, provenance=calibration.book.provenance)
    assert LimitBook.model_validate_json(book.to_json()) == book
    named = {p.removeprefix("/venue/insurance_fund/").split("/")[0] for p in found.explanations}
    assert set(type(found.limits).model_fields) <= named
    assert found.explanations["/venue/insurance_fund/target"].sensitivity["volatility +10 %"] is not None


def test_caps_of_nothing_need_no_fund_and_say_so(calibration: Calibration) -> None:
    """A venue without open markets would be asked for money, or crash."""
    appetite = RiskAppetite.profile("ccp")
    closed = {m.symbol: m.limits.model_copy(update={"open_interest_cap": 0}) for m in calibration.markets}
    found = calibrate_fund(calibration, appetite, rng=np.random.default_rng(2), limits=closed)
    assert found.limits is None
    assert found.warnings
    assert "no market" in found.explanations["/venue/insurance_fund_target"].binding


def test_appetites_that_cannot_be_met_are_refused(calibration: Calibration) -> None:
    """A confidence that no path shows would be answered with the largest of a few draws."""
    appetite = RiskAppetite.profile("ccp")
    few = appetite.model_copy(update={"fund": fund_appetite(paths=100, confidence=0.999)})
    for wrong in (few, appetite.model_copy(update={"fund": None})):
        with pytest.raises(UsageError):
            calibrate_fund(calibration, wrong, rng=np.random.default_rng(2))
    with pytest.raises(UsageError, match="limits are missing"):
        calibrate_fund(calibration, appetite, rng=np.random.default_rng(2), limits={"X": calibration.markets[0].limits})
