"""Every number of a book says why it stands where it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from leverline.calibrate.book import Calibration, calibrate_book
from leverline.model import RiskAppetite
from leverline.model.limitbook import Basis, Explanation, pointer
from tests.calibrate.markets import Market, bars_of
from tests.calibrate.test_requirement import changed

CCP = RiskAppetite.profile("ccp")


@pytest.fixture(scope="module")
def made() -> Calibration:
    return calibrate_book(bars_of(Market("BTC/USDT:USDT"), Market("DRY~/X", seed=2, volume=0.0)), CCP)


def leaves(document: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Pointers and values of everything that is not a container."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from leaves(value, at + pointer(key))
    elif isinstance(document, list):
        for k, value in enumerate(document):
            yield from leaves(value, f"{at}/{k}")
    else:
        yield at, document


def of(made: Calibration, symbol: str, *parts: str | int) -> Explanation:
    return made.book.explanations[pointer("instruments", symbol, *parts)]


def test_every_number_is_explained_and_every_explanation_points_at_something(made: Calibration) -> None:
    """A committee would ask for the reason of a number, and there would be none."""
    document = json.loads(made.book.to_json())
    named = dict(leaves(document["instruments"], "/instruments"))
    numbers = {at for at, value in named.items()
               if isinstance(value, int | float) or (isinstance(value, str) and value.isdigit())}
    assert len(numbers) > 20
    assert numbers <= made.book.explanations.keys()
    assert made.book.explanations.keys() <= named.keys()


def test_without_volume_numbers_are_assumed_and_the_cap_is_open(made: Calibration) -> None:
    """A book without a liquidity term would pass for one that measured liquidity."""
    limits = made.book.instruments["DRY~/X"]
    assert limits.position_cap is None
    assert [t.notional_cap for t in limits.tiers] == [None]
    assert of(made, "DRY~/X", "tiers", 0, "maintenance_margin_rate").basis is Basis.ASSUMED
    assert of(made, "DRY~/X", "position_cap").binding == "no volume is known: no cap"
    assert of(made, "BTC/USDT:USDT", "tiers", 0, "maintenance_margin_rate").basis is Basis.MEASURED
    assert any("DRY~/X: no volume" in w for w in made.book.provenance.warnings)


def test_rates_and_caps_carry_their_sensitivities(made: Calibration) -> None:
    """Nobody could see how much of a limit hangs on one assumption."""
    for name in ("maintenance_margin_rate", "initial_margin_rate"):
        moved = of(made, "BTC/USDT:USDT", "tiers", 0, name).sensitivity
        assert {key.split()[0].rstrip(":") for key in moved} == {"confidence", "horizon", "volatility", "depth"}
        assert all(change is not None and change >= 0 for change in moved.values())
    leverage = of(made, "BTC/USDT:USDT", "tiers", 0, "max_leverage").sensitivity
    assert all(change is not None and change <= 0 for change in leverage.values())
    assert of(made, "BTC/USDT:USDT", "position_cap").sensitivity["depth: stressed depth and volume -10 %"] == -0.1


def test_a_number_that_the_appetite_sets_is_called_assumed() -> None:
    """A floor or a maximum leverage would pass for a measurement."""
    calm = bars_of(Market("A", daily_volatility=0.001))
    book = calibrate_book(calm, CCP).book
    rate = book.explanations["/instruments/A/tiers/0/maintenance_margin_rate"]
    assert rate.basis is Basis.ASSUMED
    assert "appetite's minimum 2 %" in rate.binding
    leverage = book.explanations["/instruments/A/tiers/0/max_leverage"]
    assert book.instruments["A"].tiers[0].max_leverage == 20
    assert leverage.basis is Basis.ASSUMED
    assert "appetite's highest leverage 20x" in leverage.binding


def test_buffer_and_reaction_time_are_told_apart() -> None:
    """A venue would shorten the reaction time and wonder why leverage stays."""
    bars = bars_of(Market("A"))
    by_buffer = changed(CCP, initial={"minimum_buffer": 1.0, "reaction_confidence": 0.9})
    by_reaction = changed(CCP, initial={"minimum_buffer": 0.0, "reaction_confidence": 0.999})
    at = "/instruments/A/tiers/0/initial_margin_rate"
    assert "buffer of 100 %" in calibrate_book(bars, by_buffer).book.explanations[at].binding
    assert "over the reaction time" in calibrate_book(bars, by_reaction).book.explanations[at].binding


def test_a_cap_set_by_margin_itself_is_not_blamed_on_liquidity() -> None:
    """A venue would wait for more volume to lift a cap that volatility sets."""
    wild = calibrate_book(bars_of(Market("A", daily_volatility=0.1)), changed(
        CCP, costs={"impact_coefficient": 30.0, "liquidation_cost_budget": 50.0, "max_share_of_daily_volume": 1.0}))
    why = wild.book.explanations["/instruments/A/position_cap"]
    assert why.binding == "larger positions need more margin than their notional"
    assert why.sensitivity == {}
