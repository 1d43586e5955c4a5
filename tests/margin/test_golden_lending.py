"""The venues' own figures of lending protocols, reproduced by the rulebooks."""

from __future__ import annotations

from typing import Any

import pytest

from leverline.evidence.conformance_lending import HANDLERS
from tests.golden.comparing import assert_reproduced, golden_cases

STEMS = (
    "lending-aave-v3",
    "lending-silo",
    "lending-liquity",
    "lending-maker",
    "lending-comet",
    "lending-aave-v4",
    "lending-curve-llamma",
    "lending-morpho",
    "lending-euler",
)


@pytest.mark.parametrize(("stem", "meta", "case"), golden_cases(*STEMS))
def test_a_rulebook_gives_the_venues_own_figure(stem: str, meta: dict[str, Any], case: dict[str, Any]) -> None:
    """A risk engine that approximates the venue liquidates accounts that the venue would not."""
    assert_reproduced(HANDLERS, stem, meta, case)
