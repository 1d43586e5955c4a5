"""Two hundred seeded worlds, and every seed that ever failed; what a world is stands in ``world.py``."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import pytest

from leverline.enforce.policy_presets import PRESETS
from tests.simulation.run import EVENTS, SEEDS, command, simulate
from tests.simulation.world import World

REGRESSIONS = sorted((Path(__file__).parent / "regressions").glob("*.toml"))


def must_hold(seed: int, events: int) -> World:
    """One world, or the command that shows what is wrong in it."""
    world, error = simulate(seed, events)
    if error is not None:
        raise AssertionError(f"repeat it by: {command(seed, events)}") from error
    return world


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_world_holds(seed: int) -> None:
    """A venue that forgets an acknowledged event, or stands wrong after a crash, pays out what it does not owe."""
    must_hold(seed, EVENTS)


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_a_world_that_once_failed_holds(path: Path) -> None:
    """What was wrong once comes back where nobody looks."""
    was = tomllib.loads(path.read_text())
    must_hold(was["seed"], was["events"])


def test_a_seed_is_the_same_world_again() -> None:
    """A failure that cannot be repeated cannot be mended."""
    def run() -> tuple[object, ...]:
        world, error = simulate(5, 600, keeps_log=True)
        assert error is None
        sizes = {name: len(content) for name, content in world.disk.visible().items()}  # SQLite salts its log
        return world.log, world.crashes, world.reached, world.durable.venue.state.digest(), sizes

    assert run() == run()


def test_worlds_reach_what_they_are_for() -> None:
    """A simulation in which no stage acts and nothing is ever in doubt proves nothing."""
    reached = Counter[str]()
    for seed in range(2 * len(PRESETS)):
        reached.update(must_hold(seed, 1_000).reached)
    for name in ("shown", "size: in", "size: after", "price: in", "price: after", "deleveraging: in",
                 "deleveraging: after", "pays: insurance fund: in", "disk: write", "disk: sync", "disk fails: sync EIO",
                 "disk fails: write ENOSPC", "recovery: crash", "recovery: from a snapshot",
                 "recovery: from the beginning", "recovery: a snapshot refused", "in doubt: durable", "in doubt: lost",
                 "stopped"):
        assert reached[name], name
