"""A process that writes a journal and says what it acknowledged: ``python -m tests.durability.driver --help``.

Each line of stdout is the number of an event that is durable; the last one is ``end`` and the state's digest. The same
command goes on where an earlier one stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from leverline.enforce.durable_venue import DurableVenue, begin, recover
from leverline.enforce.effects import Effect, Rejected
from leverline.enforce.events import Event
from leverline.enforce.head_file import head_path
from leverline.enforce.journal import Journal
from leverline.ground.errors import LeverlineError
from tests.durability.stream import book, draw


def main() -> int:
    """0: all of it is durable; 1: the writer stopped, and said why on stderr."""
    parser = argparse.ArgumentParser()
    parser.add_argument("journal", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=300)
    parser.add_argument("--batch", type=int, default=3)
    parser.add_argument("--snapshot-every", type=int, default=50)
    parser.add_argument("--venue", default="leverline")
    given = parser.parse_args()
    events = draw(given.seed, given.events, given.venue).events
    try:
        return _write(given.journal, events, given.venue, given.batch, given.snapshot_every)
    except LeverlineError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        return 1


def _write(path: Path, events: Sequence[Event], venue_name: str, batch: int, snapshot_every: int) -> int:
    if head_path(path).exists():
        journal = Journal.open(path)
        venue, _ = recover(journal)
    else:
        venue, journal = begin(path, book(), venue_name)
    durable = DurableVenue(venue, journal, _show, batch_events=batch, batch_delay_s=3600.0,
                           snapshot_every=snapshot_every)
    try:
        for event in events[venue.state.seq:]:
            durable.take(event)
    finally:
        durable.close()
    print("end", venue.state.digest(), flush=True)  # noqa: T201
    return 0


def _show(event: Event, effects: Sequence[Effect]) -> None:
    assert not (effects and isinstance(effects[0], Rejected)), effects
    print(event.seq, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
