"""Central exchanges' own figures through our rules."""

from __future__ import annotations

from typing import Any

import pytest

from leverline.evidence.conformance_exchanges import HANDLERS
from tests.golden.comparing import assert_reproduced, golden_cases

STEMS = ("perp-binance", "perp-bybit-okx-gate", "perp-bitmex", "perp-nautilus")


@pytest.mark.parametrize(("stem", "meta", "case"), golden_cases(*STEMS))
def test_the_venues_own_figures_come_out(stem: str, meta: dict[str, Any], case: dict[str, Any]) -> None:
    """A trader who checks us against the exchange's published example would find another number."""
    assert_reproduced(HANDLERS, stem, meta, case)
