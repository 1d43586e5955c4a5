"""The breakers' experiment on 2025-10-10."""

from __future__ import annotations

from pathlib import Path

import pytest

from leverline.enforce.breaker_terms import SWITCHES
from leverline.evidence.experiments.breakers_oct10 import run


@pytest.mark.shared_data
def test_both_costs_of_every_breaker_are_told(shared_data: Path) -> None:
    """An account of breakers that leaves one out, or only its good side, sells it."""
    experiment = run(shared_data)
    against = {row["against"]: row for row in experiment.variants if "against" in row}
    assert set(against) == {"contract alone", "spot alone", *(f"without {name}" for name in SWITCHES)}
    assert all(row["avoided_usd"] >= 0 and row["caused_usd"] >= 0 for row in against.values())
    halts = [row for row in experiment.variants if row.get("to") == "halted"]
    assert halts
    assert all(row["reason"] for row in halts)
    assert experiment.rows[1].holds
