"""Funding inside the margin period stays inside maintenance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.calibrate.book import Calibration, calibrate_book
from leverline.calibrate.funding import (
    FundingTerms,
    clamp_use,
    explain_funding,
    funding_terms,
    has_funding,
    payments,
    reserved,
    uncovered_funding,
)
from leverline.calibrate.requirement import Requirement
from leverline.calibrate.tiers import fit_tiers
from leverline.ground.errors import UsageError
from leverline.market.bars import NS_PER_S
from leverline.market.sources.series_files import read_series
from leverline.market.trades import Series
from leverline.model import RiskAppetite
from leverline.model.appetite import PROFILES
from leverline.model.appetite_line import FeesAppetite
from tests.calibrate.markets import Market, bars_of

SYMBOL = "BTC/USDT:USDT"


def calibrated(name: str) -> Calibration:
    return calibrate_book(bars_of(Market(SYMBOL)), RiskAppetite.profile(name), scale="sqrt-time")


def fees(name: str) -> FeesAppetite:
    shipped = RiskAppetite.profile(name).fees
    assert shipped is not None
    return shipped


@given(period=st.floats(0.0, 1e6), interval=st.floats(60.0, 1e5), phase=st.floats(0.0, 1.0))
def test_no_phase_holds_more_payments_than_are_counted(period: float, interval: float, phase: float) -> None:
    """A payment on the first second of a liquidation would not be reserved."""
    first = phase * interval
    fallen_due = 0 if first > period else int(np.floor((period - first) / interval)) + 1
    assert fallen_due <= payments(np.array([period]), interval)[0]
    assert payments(np.array([10.0]), 28_800.0)[0] == 1


@pytest.mark.parametrize("name", PROFILES)
def test_published_tiers_hold_losses_and_funding_together(name: str) -> None:
    """A position at its maintenance margin would be bankrupt by one funding payment while it is being closed."""
    calibration, appetite = calibrated(name), RiskAppetite.profile(name)
    needs = calibration.markets[0].requirement
    terms = funding_terms(needs, fees(name))
    held = reserved(needs, terms)
    grid = needs.notional
    tiers = fit_tiers(grid, held.maintenance_rate * grid, held.initial_rate * grid, n_tiers=appetite.rounding.tiers,
                      rounding=appetite.rounding, minimum_buffer=appetite.initial.minimum_buffer)
    assert terms.clamp_rate > 0
    published = grid <= (tiers[-1].notional_cap or 0) / 1e6
    assert np.max(uncovered_funding(tiers, needs, terms)[published]) <= 1e-9
    assert np.max(held.funding / held.maintenance_rate) <= fees(name).funding_margin_share + 1e-12
    # without the reserve the check does not pass: it is no formality
    bare = calibration.markets[0].limits.tiers
    greedy = replace(terms, clamp_rate=0.05)
    assert np.max(uncovered_funding(bare, needs, greedy)) > 0.01


@given(share=st.floats(0.01, 0.9), interval=st.floats(60.0, 1e5), rates=st.lists(st.floats(0.001, 0.5), min_size=3,
                                                                              max_size=3))
def test_the_reserve_never_lets_anybody_lever_more(share: float, interval: float, rates: list[float]) -> None:
    """Charging for one more risk would make the position cheaper to hold."""
    zero, grid = np.zeros(3), np.array([1e3, 1e4, 1e5])
    needs = Requirement(grid, np.column_stack([np.sort(rates)] * 2), zero, 0.0, False, 0.0005, 0.004, 0.01,
                        np.array([10.0, 600.0, 40_000.0]))
    wanted = fees("exchange").model_copy(update={"funding_margin_share": share, "funding_interval_s": interval,
                                                   "max_funding_rate_per_day": 1e6})
    terms = funding_terms(needs, wanted)
    held = reserved(needs, terms)
    assert np.all(held.maintenance_rate >= needs.maintenance_rate)
    assert np.all(held.initial_rate - held.maintenance_rate == pytest.approx(0.01))
    assert np.max(held.funding / held.maintenance_rate) <= share + 1e-12
    tightest = held.funding / held.maintenance_rate
    assert np.max(tightest) >= share - 2e-6 * np.max(payments(needs.margin_period_s, interval)) / needs.floor


def test_shorter_intervals_narrow_the_clamp() -> None:
    """Hourly funding at an eight-hour clamp would take eight times what is reserved."""
    calibration, appetite = calibrated("ccp"), RiskAppetite.profile("ccp")
    market = calibration.markets[0]
    terms = funding_terms(market.requirement, fees("ccp"))
    why = explain_funding("/i", terms, market.measures, market.requirement, appetite)
    assert set(why) == {f"/i/funding/{key}" for key in terms.limits()}
    moved = why["/i/funding/clamp_rate"].sensitivity
    assert moved["funding interval halved"] is not None
    assert moved["funding interval halved"] < -0.3
    assert all((change or 0) > -1e-9 for driver, change in moved.items() if driver.startswith("volatility"))


def test_the_appetite_s_highest_funding_is_never_passed() -> None:
    """Everybody would post margin for a rate that nobody wants to be charged."""
    calibration = calibrated("perp-dex")
    needs, appetite = calibration.markets[0].requirement, RiskAppetite.profile("perp-dex")
    terms = funding_terms(needs, fees("perp-dex"))
    assert terms.clamp_rate * 24 <= fees("perp-dex").max_funding_rate_per_day
    assert terms.tightest_notional is None
    why = explain_funding("/i", terms, calibration.markets[0].measures, needs, appetite)["/i/funding/clamp_rate"]
    assert "highest funding" in why.binding
    assert why.basis == "assumed"


def test_only_perpetuals_pay_funding() -> None:
    """A dated future would be charged what its expiry already settles."""
    assert has_funding(SYMBOL)
    assert not has_funding("BTC/USDT")
    assert not has_funding("BTC/USD:BTC-261225")
    assert not has_funding("BTCUSDT")


def test_observed_rates_are_brought_to_the_interval() -> None:
    """Eight-hour rates held against an hourly clamp would look clamped all day long."""
    ts = np.arange(100, dtype=np.int64) * 28_800 * NS_PER_S
    value = np.where(np.arange(100) < 10, -0.008, 0.0001)
    use = clamp_use(Series(SYMBOL, "funding", ts, value), FundingTerms(3_600.0, 0.0005, 1e3))
    assert use.share_clamped == pytest.approx(0.1)
    assert use.needed_rate == pytest.approx(0.001)
    with pytest.raises(UsageError, match="funding"):
        clamp_use(Series(SYMBOL, "open-interest", ts, value), FundingTerms(3_600.0, 0.0005, 1e3))


def test_funding_is_not_reserved_twice() -> None:
    """Margin would rise by itself with each calibration of a calibration."""
    needs = calibrated("exchange").markets[0].requirement
    terms = funding_terms(needs, fees("exchange"))
    with pytest.raises(UsageError, match="already"):
        funding_terms(reserved(needs, terms), fees("exchange"))


@pytest.mark.shared_data
def test_a_tenth_of_a_percent_seldom_clamps_bitcoin(shared_data: Path) -> None:
    """A clamp that margin can carry would be of no use if the market needed far more to hold its peg."""
    observed = {one.symbol: one for one in read_series(shared_data / "funding_8h_binance_perp.parquet", "funding")}
    bitcoin = next(series for symbol, series in observed.items() if symbol.startswith("BTC"))
    use = clamp_use(bitcoin, FundingTerms(28_800.0, 0.001, 1e3))
    assert use.observations > 2_000
    assert use.share_clamped < 0.01
