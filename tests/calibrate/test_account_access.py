"""Leverage by class of account."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.calibrate.account_access import account_access
from leverline.ground.errors import UsageError
from leverline.model import InstrumentLimits, RiskAppetite, Tier


def limits_at(leverage: float) -> InstrumentLimits:
    return InstrumentLimits(tiers=(Tier(
        notional_floor=0, notional_cap=None, max_leverage=leverage, initial_margin_rate=1.0 / leverage,
        maintenance_margin_rate=0.5 / leverage, maintenance_deduction=0),))


def with_classes(classes: dict[str, float] | None) -> RiskAppetite:
    return RiskAppetite.profile("exchange").model_copy(update={"account_classes": classes})


@given(offered=st.floats(1.0, 125.0), more=st.floats(1.0, 2.0), wanted=st.floats(1.0, 100.0))
def test_no_class_has_more_than_the_market_offers_and_tightening_never_gives_more(
    offered: float, more: float, wanted: float,
) -> None:
    """A professional account would open where the margin schedule forbids it."""
    given_to = [account_access({"A": limits_at(each)}, with_classes({"professional": wanted})).markets["A"]
                ["professional"] for each in (offered, offered * more)]
    assert given_to[0] <= min(offered, wanted)
    assert given_to[0] <= given_to[1]


def test_every_class_in_every_market_is_explained() -> None:
    """A class's leverage would stand without a reason."""
    found = account_access({"A/USD:USD": limits_at(10.0)}, with_classes({"retail": 2.0, "professional": 50.0}))
    assert found.venue == {"retail": 2.0, "professional": 50.0}
    assert found.markets == {"A/USD:USD": {"retail": 2.0, "professional": 10.0}}
    assert found.explanations["/instruments/A~1USD:USD/account_classes/professional"].binding == (
        "the first tier's leverage")
    assert len(found.explanations) == 4


def test_without_classes_everybody_is_admitted() -> None:
    """A venue that tells no classes apart would lock out all accounts."""
    found = account_access({"A": limits_at(10.0)}, with_classes(None))
    assert (found.venue, found.markets, found.explanations) == (None, {}, {})


@pytest.mark.parametrize("classes", [{"professional": 101.0}, {" ": 2.0}])
def test_a_class_that_contradicts_the_appetite_is_refused(classes: dict[str, float]) -> None:
    """Two numbers of one file would disagree, and one would win in silence."""
    with pytest.raises(UsageError):
        account_access({"A": limits_at(10.0)}, with_classes(classes))
