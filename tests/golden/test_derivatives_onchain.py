"""The venues' own figures, run through the rulebooks of derivatives venues on chain."""

from __future__ import annotations

from typing import Any

import pytest

from leverline.evidence.case_files import family_of
from leverline.evidence.conformance_derivatives_onchain import HANDLERS
from tests.golden.comparing import assert_reproduced, golden_cases

CASES = [case for case in golden_cases("perp-dydx-v4", "perp-drift-v2", "perp-hyperliquid", "perp-gmx-v2",
                                       "perp-synthetix-v3") if family_of(case.id) in HANDLERS]


@pytest.mark.parametrize(("stem", "meta", "case"), CASES)
def test_the_rule_is_the_venues(stem: str, meta: dict[str, Any], case: dict[str, Any]) -> None:
    """An account would be margined or liquidated otherwise here than at its venue."""
    assert_reproduced(HANDLERS, stem, meta, case)
