"""Random events against the venue's invariants."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.enforce.machine import VenueMachine

TestVenue = VenueMachine.TestCase
TestVenue.settings = settings(max_examples=25, stateful_step_count=40, deadline=None,
                              suppress_health_check=list(HealthCheck))
