"""Fees that follow volatility, through what demand makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from leverline.calibrate.book import Calibration, calibrate_book
from leverline.calibrate.fees import FeeSchedule, price_markets, taker_fee
from leverline.ground.errors import UsageError
from leverline.measure.elasticity import Elasticity, not_identified
from leverline.model import LimitBook, RiskAppetite
from leverline.model.appetite import PROFILES
from leverline.model.appetite_line import FeesAppetite
from leverline.model.limitbook import Basis
from tests.calibrate.markets import Market, bars_of

SYMBOL = "BTC/USDT:USDT"
MEASURED = Elasticity(-0.4, -0.6, -0.2, identified=True, why="six decided changes")


def fees(**changes: Any) -> FeesAppetite:
    shipped = RiskAppetite.profile("exchange").fees
    assert shipped is not None
    return FeesAppetite.model_validate(shipped.model_dump() | changes)


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return calibrate_book(bars_of(Market(SYMBOL), Market("X", seed=2)), RiskAppetite.profile("exchange"),
                          scale="sqrt-time")


ratios = st.floats(0.0, 20.0)
elasticities = st.floats(-2.0, 0.0)


@given(ratio=ratios, more=ratios, elasticity=elasticities, sensitivity=st.floats(0.0, 3.0))
def test_a_wilder_market_is_never_cheaper_to_take(ratio: float, more: float, elasticity: float,
                                                  sensitivity: float) -> None:
    """Takers would be paid to come in a storm, when makers and the fund bear most."""
    wanted = fees(volatility_sensitivity=sensitivity, maker_fee_rate=-0.0001)
    calm, storm = taker_fee(sorted((ratio, more)), wanted, elasticity)
    assert 0.0001 <= calm <= storm <= wanted.max_taker_fee_rate


@given(ratio=st.floats(1.0, 3.0), elasticity=st.floats(-0.9, 0.0), sensitivity=st.floats(0.0, 2.0))
def test_income_rises_as_asked_whatever_demand_does(ratio: float, elasticity: float, sensitivity: float) -> None:
    """The fee would be raised and the income fall short by just the trades it drove away."""
    wanted = fees(volatility_sensitivity=sensitivity, max_taker_fee_rate=1e30)
    relative = float(taker_fee(ratio, wanted, elasticity)) / wanted.taker_fee_rate
    assert relative ** (1.0 + elasticity) == pytest.approx(1.0 + sensitivity * (ratio - 1.0), rel=1e-9)


def test_where_demand_is_elastic_no_rise_is_tried() -> None:
    """Each rise would bring in less and ask for the next."""
    assert taker_fee(3.0, fees(), -1.2) == fees().taker_fee_rate
    assert taker_fee(0.5, fees(), -1.2) < fees().taker_fee_rate


def test_normal_volatility_pays_the_normal_fee() -> None:
    """The appetite's fee would never be charged."""
    assert taker_fee(1.0, fees(), -0.5) == fees().taker_fee_rate
    unknown = FeeSchedule(fees(), MEASURED, float("nan"), 0.03)
    assert unknown.taker == fees().taker_fee_rate


def test_a_book_holds_the_schedule_and_says_why(calibration: Calibration) -> None:
    """A fee in a book without a reason, or with one that hides what is assumed."""
    appetite = RiskAppetite.profile("exchange")
    priced = price_markets(calibration, appetite)
    held = priced.limits[SYMBOL].fees
    assert held is not None
    assert set(held) == {"maker", "taker", "taker_forced", "taker_highest"}
    for name in held:
        assert f"/instruments/BTC~1USDT:USDT/fees/{name}" in priced.explanations
    assert "not identified" in priced.warnings[0]
    why = priced.explanations["/instruments/BTC~1USDT:USDT/fees/taker"]
    assert {"volatility +10 %", "demand elasticity -0.8", "demand elasticity -0.2"} == set(why.sensitivity)
    assert price_markets(calibration, appetite, elasticity=MEASURED).warnings == ()
    book = calibration.book
    resealed = LimitBook.of(**{name: getattr(book, name) for name in type(book).model_fields if name not in (
        "id", "schema_", "instruments")}, instruments=priced.limits)
    assert LimitBook.model_validate_json(resealed.to_json()) == resealed


def test_forced_orders_pay_no_more_than_margin_reserves(calibration: Calibration) -> None:
    """A liquidation in a storm would cost a fee that maintenance never held, and the fund would pay it."""
    appetite = RiskAppetite.profile("exchange")
    dear = appetite.model_copy(update={"fees": fees(taker_fee_rate=0.0009)})
    for held in (limits.fees for limits in price_markets(calibration, dear).limits.values()):
        assert held is not None
        assert held["taker_forced"] <= appetite.costs.taker_fee_rate < held["taker"]


def test_sensitivity_to_demand_is_what_it_says() -> None:
    """Whoever doubts the assumed range would read a figure that no fee would follow."""
    schedule = FeeSchedule(fees(), not_identified("nothing", (-0.5, 0.0)), 0.045, 0.03)
    moved = schedule.sensitivities()
    assert moved["demand elasticity -0.5"] == pytest.approx(1.25**2 / 1.25 ** (1 / 0.75) - 1.0, abs=1e-4)
    assert moved["demand elasticity 0"] == pytest.approx(1.25 / 1.25 ** (1 / 0.75) - 1.0, abs=1e-4)


def test_a_measured_elasticity_is_told_from_an_assumed_one() -> None:
    """Basis ``measured`` on a guess is the lie that the whole book is built to avoid."""
    from leverline.calibrate.fees import _explain

    for demand, basis in ((MEASURED, Basis.MEASURED), (not_identified("no", (-0.8, -0.2)), Basis.ASSUMED)):
        schedule = FeeSchedule(fees(), demand, 0.045, 0.03)
        assert _explain("", schedule, schedule.taker)["/taker"].basis is basis


@pytest.mark.parametrize("changes", [
    {"maker_fee_rate": -0.0006}, {"taker_fee_rate": 0.002}, {"demand_elasticity": (-0.2, -0.8)},
    {"demand_elasticity": (-0.5, 0.1)}, {"rate_at_full_per_year": 0.01}, {"funding_margin_share": 1.0},
    {"volatility_sensitivity": -0.1}])
def test_contradictory_terms_are_refused(changes: dict[str, Any]) -> None:
    """The venue would pay for each trade, or charge a fee beyond its own highest."""
    with pytest.raises(ValidationError):
        fees(**changes)


def test_profiles_carry_terms_and_their_absence_is_said(calibration: Calibration) -> None:
    """A calibration would invent fees that nobody decided."""
    for name in PROFILES:
        assert RiskAppetite.profile(name).fees is not None
    with pytest.raises(UsageError, match="fees"):
        price_markets(calibration, RiskAppetite.profile("exchange").model_copy(update={"fees": None}))
    with pytest.raises(UsageError, match="not negative"):
        taker_fee(np.nan, fees(), -0.5)
