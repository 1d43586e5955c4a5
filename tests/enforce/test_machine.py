"""Random events against the venue's invariants, under every way of closing positions, with eyes and without."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from leverline.enforce.policy_presets import PRESETS
from tests.enforce.machine import VenueMachine


@pytest.mark.parametrize("seeing", [False, True], ids=["one source", "breakers"])
@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_whatever_comes_the_venue_stays_sound(preset: str, seeing: bool) -> None:
    """Money that appears or goes, a position sold twice, a halt without an end: any of them under some sequence."""
    machine = type("Machine", (VenueMachine,), {"presets": (preset,), "starts": (seeing,)})
    run_state_machine_as_test(machine, settings=settings(
        max_examples=5, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)))
