"""A log of events in a file: read line by line, replayed, and written beside its effects, whole or not at all."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from leverline.enforce.codec import decode, encode, encode_effect
from leverline.enforce.effects import Effect, Reject, Rejected
from leverline.enforce.events import Event
from leverline.enforce.replaying import Replay, Sink
from leverline.enforce.shape import LONGEST_BOOK
from leverline.ground.errors import refuse
from leverline.ground.files import replacing
from leverline.ground.progress import track

LONGEST_LINE = 8 * LONGEST_BOOK
"""Bytes: the longest limit book with every character escaped, and room for the rest."""
_BLOCK = 1 << 20


def read_events(path: Path) -> Iterator[tuple[int, Event]]:
    """Rows (from 1) and their events, one line at a time; a bad line is refused with its row."""
    try:
        with path.open("rb") as stream:
            row = 0
            while line := stream.readline(LONGEST_LINE + 1):
                row += 1
                if len(line) > LONGEST_LINE:
                    refuse(f"a line has at most {LONGEST_LINE:,} bytes", file=str(path), row=row)
                yield row, decode(line, file=str(path), row=row)
    except OSError as error:
        refuse(f"cannot be read: {error.strerror}", file=str(path))


def replay_log(replay: Replay, path: Path) -> None:
    """Apply every event of a file; memory does not grow with the file.

    Raises
    ------
    MalformedInputError
        A line is no event, there is none, or the log has a gap: after an event that is missing, or was refused while
        the numbering went on, everything is refused, and the state would be that of the beginning alone.
    """
    early: tuple[int, int] | None = None  # row of the first event that came too early, and the one that should have
    row = 0
    for row, event in track(read_events(path), "events", total=_lines(path) if sys.stderr.isatty() else None):
        expected = replay.venue.state.seq + 1
        effects = replay.apply(event)
        if replay.venue.state.seq == event.seq and event.seq == expected:
            early = None
        elif early is None and event.seq > expected and _out_of_order(effects):
            early = row, expected
    if not row:
        refuse("holds no event", file=str(path), remedy="name a log of events, one JSON object a line")
    if early is not None:
        refuse(f"event {early[1]} is missing or was refused, and so was everything from here on", file=str(path),
               row=early[0], column="seq", remedy="replay a log without gaps")


def _out_of_order(effects: Sequence[Effect]) -> bool:
    return any(isinstance(effect, Rejected) and effect.reason is Reject.OUT_OF_ORDER for effect in effects)


def _lines(path: Path) -> int | None:
    """How many lines a file has, for a bar of progress; None for what can be read once only."""
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(_BLOCK), b""))


@contextmanager
def writing_logs(folder: Path) -> Iterator[Sink]:
    """A sink that writes ``events.jsonl`` and ``effects.jsonl``; both appear at the end, or nothing does.

    An effects line is ``{"seq", "ts_ns", "effects": [...]}``, of events that had effects.
    """
    existed, written = folder.exists(), False
    try:
        with (replacing(folder / "events.jsonl") as events_part, replacing(folder / "effects.jsonl") as effects_part,
              events_part.open("w", encoding="utf-8", newline="\n") as events,
              effects_part.open("w", encoding="utf-8", newline="\n") as told):

            def take(event: Event, effects: Sequence[Effect]) -> None:
                events.write(f"{encode(event)}\n")
                if effects:
                    row = {"seq": event.seq, "ts_ns": event.ts_ns,
                           "effects": [encode_effect(effect) for effect in effects]}
                    told.write(f"{json.dumps(row, separators=(',', ':'), ensure_ascii=False)}\n")

            yield take
        written = True
    finally:
        if not written and not existed:
            with suppress(OSError):  # it was made for this run, or somebody else put something into it meanwhile
                folder.rmdir()
