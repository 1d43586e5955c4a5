"""``./dev simulate``: many worlds, one after another; a seed that fails comes with the command that repeats it."""

from __future__ import annotations

import argparse
import gc
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.simulation.world import World, lines

EVENTS = 2_500
SEEDS = 200
SHOWN = 20
"""Last events of a world that failed, where it runs alone."""


@dataclass
class Tally:
    """What a run of worlds came to."""

    worlds: int = 0
    events: int = 0
    crashes: int = 0
    failed: list[int] = field(default_factory=list)
    reached: Counter[str] = field(default_factory=Counter)

    def add(self, world: World, *, failed: bool) -> None:
        """One more world."""
        self.worlds += 1
        self.events += world.sent
        self.crashes += world.crashes
        self.reached.update(world.reached)
        if failed:
            self.failed.append(world.seed)


def command(seed: int, events: int) -> str:
    """What repeats one world."""
    return f"./dev simulate --seed {seed}" + ("" if events == EVENTS else f" --events {events}")


def simulate(seed: int, events: int = EVENTS, *, keeps_log: bool = False) -> tuple[World, Exception | None]:
    """One world, and what was wrong in it."""
    world = World(seed, events, log=[] if keeps_log else None)
    try:
        world.run()
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed is told
        return world, error
    return world, None


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 where a seed failed."""
    asked = _arguments(arguments)
    only = asked.seed is not None and asked.seeds is None
    first, count = asked.seed or 0, 1 if only else asked.seeds or SEEDS
    tally, started = Tally(), time.process_time()
    gc.disable()  # a world is small, and gone at its end
    for seed in range(first, first + count):
        gc.collect()
        world, error = simulate(seed, asked.events, keeps_log=only)
        tally.add(world, failed=error is not None)
        if error is not None:
            _tell(world, error, asked.events, whole=only)
        if tally.worlds % 100 == 0:
            print(_progress(tally, time.process_time() - started), file=sys.stderr, flush=True)
    print(_progress(tally, time.process_time() - started))
    for name in sorted(tally.reached):
        print(f"  {name:60} {tally.reached[name]:>9,}")
    for seed in tally.failed:
        print(f"failed: {command(seed, asked.events)}")
    return 1 if tally.failed else 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, help=f"how many worlds ({SEEDS})")
    parser.add_argument("--events", type=int, default=EVENTS, help=f"sent in each of them ({EVENTS})")
    parser.add_argument("--seed", type=int, help="the first seed (0); alone: this one only, with all there is to say")
    return parser.parse_args(arguments)


def _progress(tally: Tally, seconds: float) -> str:
    return (f"{tally.worlds:,} worlds, {tally.events:,} events, {tally.crashes:,} recoveries,"
            f" {len(tally.failed)} failed; {seconds:,.0f} s of processor time,"
            f" {tally.events / max(seconds, 1e-9):,.0f} events/s")


def _tell(world: World, error: Exception, events: int, *, whole: bool) -> None:
    why = str(error).splitlines()[0][:300] if str(error) else traceback.format_tb(error.__traceback__)[-1].strip()
    print(f"seed {world.seed} ({world.preset}) after {world.sent:,} events: {type(error).__name__}: {why}\n"
          f"  again: {command(world.seed, events)}", flush=True)
    if whole:
        traceback.print_exception(error)
        print(*lines(world)[-SHOWN:], sep="\n")


if __name__ == "__main__":
    sys.exit(main())
