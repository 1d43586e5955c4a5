"""Safe bands over days of ticks: what the short test says, where rare things have time to happen."""

from __future__ import annotations

import numpy as np
import pytest

from tests.margin.watched_world import World


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_no_breach_is_missed_late_or_early_in_a_hundred_thousand_ticks(seed: int) -> None:
    """An account would be liquidated a tick after it fell below maintenance, or before, or never."""
    world = World(seed, n_pools=20_000)
    world.live(100_000)
    np.testing.assert_array_equal(world.bands.breached, np.flatnonzero(world.is_breached))
