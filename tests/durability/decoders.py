"""Everything that reads bytes of a journal, beneath the checksums: what may leave it, and the corpus it is fuzzed from.

``python -m tests.durability.decoders CORPUS`` writes the corpus anew; ``tests/durability/fuzz.py`` runs atheris on it.
"""

from __future__ import annotations

import hashlib
import sys
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from leverline.enforce.batch_codec import BATCH_VERSION, LARGEST_CONTENT, decode_batch, encode_batch
from leverline.enforce.codec import decode, encode
from leverline.enforce.events import AdoptLimits, Event
from leverline.enforce.journal import Journal
from leverline.enforce.journal_rows import JournalHeader
from leverline.enforce.policy_presets import PRESETS
from leverline.enforce.snapshots import Refused, Snapshot, read_snapshot, snapshot_path
from leverline.enforce.state_codec import decode_state, encode_state
from leverline.enforce.terms import terms_of_book
from leverline.enforce.venue import Venue
from leverline.ground.errors import MalformedInputError
from tests.durability.judging import quick_folder
from tests.durability.stream import book, draw

CORPUS = Path(__file__).parent / "corpus"
LONG = 500
"""Events of each example run: auctions come late."""


def read_line(content: bytes) -> None:
    """One event as a line."""
    try:
        event = decode(content)
    except MalformedInputError:
        return
    assert decode(encode(event)) == event


def read_batch(content: bytes) -> None:
    """A batch beneath its compression."""
    try:
        events = decode_batch(bytes([BATCH_VERSION]) + zlib.compress(content, 1))
    except MalformedInputError:
        return
    assert decode_batch(encode_batch(events)) == events


def read_packed_batch(content: bytes) -> None:
    """A batch as it stands in a row."""
    try:
        events = decode_batch(content)
    except MalformedInputError:
        return
    assert decode_batch(encode_batch(events)) == events


def read_state(content: bytes) -> None:
    """A snapshot's state."""
    try:
        decode_state(content)
    except ValueError:
        return


def read_header(content: bytes) -> None:
    """A journal's header, and the limit book in it."""
    try:
        header = JournalHeader.decoded(content.decode(errors="surrogateescape"))
    except ValueError:
        return
    assert JournalHeader.decoded(header.encoded()) == header


def read_snapshot_file(content: bytes) -> None:
    """A snapshot's file beside an empty journal."""
    header = JournalHeader(book().to_json(), "leverline")
    with quick_folder() as folder, Journal.create(folder / "a", header) as journal:
        path = snapshot_path(journal.path, 0)
        path.write_bytes(content)
        assert isinstance(read_snapshot(journal, path), Refused | Snapshot)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "lines": read_line, "batches": read_batch, "packed": read_packed_batch, "states": read_state,
    "headers": read_header, "snapshots": read_snapshot_file}


def unpacked(batch: bytes) -> bytes:
    """Beneath the compression."""
    return zlib.decompressobj().decompress(batch[1:], LARGEST_CONTENT)


@cache
def examples() -> dict[str, dict[str, bytes]]:
    """What is written today, by target and name: every kind of event, and a state of every preset."""
    kinds: dict[str, list[Event]] = {}
    states = {}
    for seed, preset in enumerate(sorted(PRESETS)):
        venue = Venue(terms_of_book(book()), PRESETS[preset])
        for event in draw(seed, LONG, preset).events:
            venue.apply(event)
            rows = kinds.setdefault(type(event.body).__name__, [])
            if len(rows) < 2 and not (isinstance(event.body, AdoptLimits) and rows):
                rows.append(event)
        states[preset] = encode_state(venue.state)
    batches = {name: encode_batch(rows) for name, rows in kinds.items()}
    batches["everything"] = encode_batch([event for rows in kinds.values() for event in rows])
    return {"lines": {name: encode(rows[0]).encode() for name, rows in kinds.items()}, "packed": batches,
            "batches": {name: unpacked(batch) for name, batch in batches.items()}, "states": states,
            "headers": {"header": JournalHeader(book().to_json(), "leverline").encoded().encode()}}


def kept(target: str) -> dict[str, bytes]:
    """The corpus of one target: what is kept, and what is written today."""
    found = {path.name: path.read_bytes() for path in sorted((CORPUS / target).glob("*"))}
    return found | {f"today's {name}": content for name, content in examples().get(target, {}).items()}


def main(folder: Path) -> None:
    """Write the examples; what is there already stays."""
    for target, contents in examples().items():
        if target not in ("lines", "packed"):  # the others follow from these, and from the program of the day
            continue
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / target / f"{name}-{hashlib.sha256(content).hexdigest()[:8]}").write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
