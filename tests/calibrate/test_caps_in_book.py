"""Caps in a whole book: every number explained, unknown markets refused, splitting stated."""

from __future__ import annotations

import pytest

from leverline.calibrate.book import Calibration, calibrate_book
from leverline.calibrate.caps import MarketFacts
from leverline.calibrate.caps_in_book import cap_markets, worst_loss_seen
from leverline.ground.errors import UsageError
from leverline.model import RiskAppetite
from tests.calibrate.markets import Market, bars_of
from tests.calibrate.test_requirement import changed

CCP = RiskAppetite.profile("ccp")
KEYS = ("open_interest_cap", "owner_share_cap", "open_interest_growth_cap", "profit_collateral_cap")


@pytest.fixture(scope="module")
def made() -> Calibration:
    return calibrate_book(bars_of(Market("A/USDT:USDT"), Market("DRY", seed=2, volume=0.0)), CCP)


def test_every_cap_is_set_and_explained(made: Calibration) -> None:
    """A cap without a reason cannot be defended, and one that was not set would not be missed."""
    capped = cap_markets(made, CCP)
    limits = capped.limits["A/USDT:USDT"]
    assert all(getattr(limits, key) for key in KEYS)
    assert set(capped.explanations) == {
        f"/instruments/{name}/{key}" for name in ("A~1USDT:USDT", "DRY") for key in KEYS}
    assert set(capped.explanations["/instruments/A~1USDT:USDT/open_interest_cap"].sensitivity) == {
        "depth: stressed depth and volume -10 %", "volatility +10 %", "reproduction allowed -10 %",
        "all open interest at the highest leverage"}


def test_tiers_and_position_caps_stay_as_they_were(made: Calibration) -> None:
    """Capping the market must not move what one account is asked."""
    capped = cap_markets(made, CCP)
    for market in made.markets:
        assert capped.limits[market.symbol].tiers == market.limits.tiers
        assert capped.limits[market.symbol].position_cap == market.limits.position_cap


def test_a_market_without_volume_is_named(made: Calibration) -> None:
    """An open cap would pass unseen."""
    capped = cap_markets(made, CCP)
    assert capped.limits["DRY"].open_interest_cap is None
    assert any("no cap on open interest" in text and "DRY" in text for text in capped.warnings)
    assert capped.explanations["/instruments/DRY/open_interest_cap"].binding.startswith("not calibrated")


def test_market_value_and_fund_tighten(made: Calibration) -> None:
    """Facts that were given would not reach the cap."""
    free = cap_markets(made, CCP).limits["A/USDT:USDT"].open_interest_cap
    by_value = cap_markets(made, CCP, {"A/USDT:USDT": MarketFacts(market_value=1e5)})
    by_fund = cap_markets(made, CCP, {"A/USDT:USDT": MarketFacts(fund=10.0)})
    assert free is not None
    assert by_value.limits["A/USDT:USDT"].open_interest_cap == 5_000_000_000  # 5 % of 100,000
    tight = by_fund.limits["A/USDT:USDT"].open_interest_cap
    assert tight is not None
    assert tight < free
    assert "use up the fund" in by_fund.explanations["/instruments/A~1USDT:USDT/open_interest_cap"].binding


def test_the_worst_loss_is_that_of_the_bars(made: Calibration) -> None:
    """A fund would be held against a move that never was, or miss the one that was."""
    market, panel = made.markets[0], made.panel
    worst = worst_loss_seen(market, made)
    assert 1.0 - (panel.low[1:, 0] / panel.close[:-1, 0]).min() <= worst < 1.0


def test_facts_of_an_unknown_market_are_refused(made: Calibration) -> None:
    """A misspelt symbol would go without its market value, silently."""
    with pytest.raises(UsageError, match="not calibrated: B"):
        cap_markets(made, CCP, {"B": MarketFacts(market_value=1.0)})


def test_what_splitting_gains_is_stated_where_owners_are_unknown(made: Calibration) -> None:
    """A permissionless venue would believe that its tiers hold large owners."""
    void = cap_markets(made, changed(CCP, caps={"owner_share": 1.0}))
    at = "/instruments/A~1USDT:USDT/owner_share_cap"
    assert void.explanations[at].binding.startswith("void")
    split = void.splits["A/USDT:USDT"]
    assert split.initial_saved_share is not None
    assert f"{100 * split.initial_saved_share:.3g} % less initial margin" in void.explanations[at].binding
    assert any("100 accounts" in text for text in void.warnings)
    assert not any("accounts" in text for text in cap_markets(made, CCP).warnings)
