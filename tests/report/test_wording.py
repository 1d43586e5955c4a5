"""Numbers in words."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.model import RiskAppetite
from leverline.model.appetite import PROFILES
from leverline.report import wording


def plain(text: str | None) -> str | None:
    """Ordinary spaces for no-break and thin ones."""
    return None if text is None else text.replace("\u00a0", " ").replace("\u202f", " ")


@pytest.mark.parametrize(("said", "meant"), [
    (wording.percent(0.005), "0.5 %"), (wording.percent(0.125), "12.5 %"), (wording.percent(1 / 3, 4), "33.33 %"),
    (wording.percent(0.0001234), "0.0123 %"), (wording.percent(1 - 0.99), "1 %"), (wording.percent(0.0), "0 %"),
    (wording.leverage(12.0), "12x"), (wording.leverage(2.5), "2.5x"), (wording.notional(1.5e6, "USD"), "1.5 M USD"),
    (wording.notional(250_000.0), "250 k"), (wording.notional(0.0, "USD"), "0 USD"),
    (wording.ledger_amount(2_000_000_000_000_000, "USD"), "2 bn USD"), (wording.count(1_740_000), "1 740 000"),
    (wording.p_value(0.00004), "<0.001"), (wording.p_value(0.0314), "0.031"), (wording.span(86_400), "1 day"),
    (wording.span(28_800), "8 hours"), (wording.span(5_400), "1.5 hours"), (wording.span(0), "0 seconds"),
    (wording.date(1_583_971_200 * 10**9), "2020-03-12"), (wording.listing(["a", "b", "c"]), "a, b and c"),
    (wording.listing(["a"]), "a"), (wording.listing([]), "none"),
])
def test_numbers_read_as_a_reader_expects(said: str, meant: str) -> None:
    """A committee that misreads 0.5 % as 5 % sets the wrong limit."""
    assert plain(said) == meant


@given(st.sampled_from([None, math.nan, math.inf, -math.inf]))
def test_what_is_not_known_is_never_a_number(value: float | None) -> None:
    """'nan %' on a page for a committee looks like a result."""
    for say in (wording.percent, wording.leverage, wording.notional, wording.p_value, wording.number):
        assert say(value) is None


@given(st.floats(1e-9, 1e14))
def test_rounding_stays_within_its_digits(value: float) -> None:
    """A figure printed with three digits must be right in all three."""
    text = wording.number(value)
    assert text is not None
    assert "e" not in text
    assert math.isclose(float(text), value, rel_tol=0.006, abs_tol=1e-12)


@pytest.mark.parametrize("name", PROFILES)
def test_every_assumption_of_a_profile_is_told(name: str) -> None:
    """An assumption that is not on the page is a decision about money that nobody sees."""
    appetite = RiskAppetite.profile(name)
    told = wording.appetite_words(appetite)
    parts = appetite.model_dump(exclude={"name", "why", "settlement"})
    n_assumptions = sum(len(part or ()) for part in parts.values()) - 1  # level and unit of the confidence are one row
    assert len(told) == n_assumptions
    assert all(value and value != "None" for _, value, _ in told)
