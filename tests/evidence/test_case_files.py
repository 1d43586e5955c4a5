"""Reading case files and comparing figures."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from leverline.evidence.case_comparison import agrees, tolerance_of
from leverline.evidence.case_files import family_of


@pytest.mark.parametrize(("case_id", "family"), [
    ("dydx-fillable-07", "dydx-fillable"), ("derive-pmrm2/test_1_collateral_cash_only", "derive-pmrm2"),
    ("aave-exec-3.0-account-00", "aave-exec-3.0-account"),
    ("liquity-baserate-decay-0.01-432s", "liquity-baserate-decay"),
    ("llamma-p-oracle--10", "llamma-p-oracle"), ("maker-linear-0s", "maker-linear"),
    ("euler-liq-healthy", "euler-liq-healthy"),
    ("aave4-bonus-var-0", "aave4-bonus-var"), ("simm-2.5-10d/testC68", "simm-2.5-10d"),
])
def test_a_family_is_the_id_without_its_running_number(case_id: str, family: str) -> None:
    """Cases of one family would be counted as families of their own, or be answered by another's rule."""
    assert family_of(case_id) == family


@pytest.mark.parametrize(("expected", "got", "same"), [
    ({"a": 1}, {"a": 1, "b": 2}, True), ({"a": 1}, {"b": 1}, False), ({"a": 1}, [1], False),
    (True, True, True), (True, 1, False), (1, True, False), (None, None, True), (0, None, False),
    ([1, 2], (1, 2), True), ([1, 2], [1, 2, 3], False), ("12", 12, True), ("12", "13", False),
    (10**15, 10**15 + 1, False), (str(10**30), 10**30 + 1, False), (1e15, 1e15 + 1, True), (1000, 1000.0000001, False),
    (0.1, Fraction(1, 10), True), (0.1, 0.1 + 1e-12, True), (0.1, 0.1001, False), ("0.08", Decimal("0.08"), True),
    (0.1, float("nan"), False), ("Stays", "Stays", True), ("Stays", "Goes", False),
    ("1.0|2.0", "1.0|2.0000000001", True), ("1.0|2.0", "1.0", False),
])
def test_figures_agree_as_the_golden_cases_say(expected: object, got: object, same: bool) -> None:
    """A rule off by one unit would pass, or one that is exact would fail on the way a figure is written."""
    assert agrees(expected, got, tolerance_of({}, "perp-x")) is same


@pytest.mark.parametrize(("case", "stem", "distance", "same"), [
    ({"rtol": 1e-4}, "perp-x", 0.009, True), ({"rtol": 1e-4}, "perp-x", 0.011, False),
    ({"tolerance_abs": "5"}, "lending-x", 5, True), ({"tolerance_abs": "5"}, "lending-x", 6, False),
    ({}, "options-x", 9e-7, True), ({}, "options-x", 2e-6, False), ({}, "options-quantlib", 9e-5, True),
    ({}, "perp-x", 9e-7, False),
])
def test_the_tolerance_is_the_case_s_or_its_file_s(
    case: dict[str, object], stem: str, distance: float, same: bool
) -> None:
    """Figures of a source that prints four digits would be held to nine."""
    expected = 100 if "tolerance_abs" in case else 100.00000000001
    assert agrees(expected, expected + distance, tolerance_of(case, stem)) is same
