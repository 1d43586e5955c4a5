"""``leverline journal``: a venue's journal verified, shown, replayed, and a snapshot made of where it ends."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leverline.cli import options
from leverline.cli.printing import emit_json, note, print_table, say
from leverline.cli.replay import show_replay
from leverline.ground.errors import CheckFailedError, UsageError

if TYPE_CHECKING:
    from leverline.enforce.events import Event
    from leverline.enforce.journal_replay import JournalReplay
    from leverline.enforce.journal_verification import Verification

SHOWN = 20
SHOWN_WIDTH = 120

app = typer.Typer(help="The journal of a venue: is it whole, what stands in it, what comes of it.",
                  no_args_is_help=True)

MOST_LISTED = 1_000_000


def _file(path: Path) -> Path:
    if path.is_dir():
        raise UsageError(f"{path} is a folder", remedy="name the journal in it")
    return path


File = Annotated[Path, typer.Argument(help="The journal, as `replay --journal` wrote it.", callback=_file)]


@app.command()
def verify(file: File, as_json: options.AsJson = False) -> None:
    """Check the whole chain with every event, both slots of the head, and every snapshot; exit 3 where one fails."""
    from leverline.enforce.journal_verification import verify as look

    found = look(file)
    if as_json:
        emit_json(_verified(found))
    else:
        _say_verified(found)
    if not found.holds:
        first, more = found.faults[0], len(found.faults) - 1
        raise CheckFailedError(f"{first.place}: {first.what}" + (f"; and {more} more" if more else ""))


def _verified(found: Verification) -> dict[str, Any]:
    header = found.header
    return {
        "schema": "leverline.journal-verification/1", "file": str(found.path), "holds": found.holds,
        "faults": [{"place": fault.place, "what": fault.what} for fault in found.faults],
        "book_id": None if header is None else header.book_id, "venue": None if header is None else header.venue,
        "events": found.events, "commits": found.commits, "first": _ends(found.first), "last": _ends(found.last),
        "chain": found.chain,
        "head": {"acknowledged": found.acknowledged, "damaged_at": list(found.damaged_slots)},
        "in_doubt": found.in_doubt,
        "snapshots": [{"file": row.name, "bytes": row.bytes, "seq": row.seq, "state_hash": row.state_hash,
                       "refused": row.refused} for row in found.snapshots]}


def _ends(event: Event | None) -> dict[str, Any] | None:
    from leverline.market.times import iso

    return None if event is None else {
        "seq": event.seq, "at": iso(event.ts_ns), "type": type(event.body).__name__, "id": event.id}


def _say_verified(found: Verification) -> None:
    if found.header is not None:
        say(f"{found.path}: venue {found.header.venue}, limits {(found.header.book_id or 'unreadable')[:16]}")
        say(f"{found.events:,} events in {found.commits:,} commits"
            + (", as far as the chain holds" if found.faults else ""))
        for name, event in (("first", _ends(found.first)), ("last", _ends(found.last))):
            if event is not None:
                say(f"{name}: event {event['seq']:,} at {event['at']}, {event['type']} {event['id']!r}")
        if found.acknowledged is not None:
            say(f"acknowledged up to event {found.acknowledged:,}"
                + (f"; the {found.in_doubt:,} beyond were in doubt, and are whole" if found.in_doubt else ""))
    for row in found.snapshots:
        say(f"snapshot {row.name}, {row.bytes:,} bytes: " + (f"passed over, {row.refused}" if row.refused else "whole"))
    for fault in found.faults:
        say(f"FAULT {fault.place}: {fault.what}")
    say("the journal holds" if found.holds else "the journal DOES NOT HOLD")


@app.command()
def show(
    file: File,
    first: Annotated[int | None, typer.Option("--from", help="First event; default: as many as the limit.")] = None,
    last: Annotated[int | None, typer.Option("--to", help="Last event; default: the newest.")] = None,
    limit: Annotated[int, typer.Option(help="Events listed at most: from --from on, else the newest.")] = SHOWN,
    types: Annotated[bool, typer.Option("--types", help="Count all events of the range by type.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """List events; also of a journal that is being written."""
    from leverline.enforce.codec import plain
    from leverline.enforce.journal import Journal
    from leverline.ground.progress import track
    from leverline.market.times import iso

    if not 0 <= limit <= MOST_LISTED or (first is not None and first < 1) or (last is not None and last < (first or 1)):
        raise UsageError("events are counted from 1, and --from comes before --to",
                         remedy=f"name a range, and a --limit of at most {MOST_LISTED:,}")
    with Journal.open(file, writable=False) as journal:
        ends = min(journal.tail.seq, last if last is not None else journal.tail.seq)
        begins = first if first is not None else 1
        listed = range(begins, min(ends, begins + limit - 1) + 1) if first is not None \
            else range(max(begins, ends - limit + 1), ends + 1)
        events = list(journal.between(listed[0], listed[-1])) if listed else []
        counts = None if not types else Counter(
            type(event.body).__name__
            for event in track(journal.between(begins, ends), "events", total=max(0, ends - begins + 1)))
        header, newest = journal.header, journal.tail.seq
    if as_json:
        emit_json({"schema": "leverline.journal-events/1", "file": str(file), "book_id": header.book_id,
                   "venue": header.venue, "last_seq": newest, "types": counts and dict(sorted(counts.items())),
                   "events": [_line(event) for event in events]})
        return
    if events:
        print_table(f"Events {events[0].seq:,} to {events[-1].seq:,} of {newest:,}",
                    ("seq", "at", "type", "id", "body"),
                    [(str(event.seq), iso(event.ts_ns), type(event.body).__name__, event.id, _short(plain(event.body)))
                     for event in events], align="rllll")
    else:
        say(f"no events in the range; the journal holds {newest:,}")
    if counts is not None:
        print_table("Events by type", ("type", "events"), [(name, f"{n:,}") for name, n in sorted(counts.items())],
                    align="lr")


def _line(event: Event) -> Any:
    """As in a file of events."""
    from leverline.enforce.codec import encode

    return json.loads(encode(event))


def _short(body: object) -> str:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return text if len(text) <= SHOWN_WIDTH else text[:SHOWN_WIDTH] + "..."


@app.command()
def replay(file: File, as_json: options.AsJson = False) -> None:
    """Replay from the beginning and compare with every snapshot; exit 3 where one tells of another state."""
    from leverline.enforce.journal_replay import replay_journal
    from leverline.enforce.replay_document import replay_document

    done = replay_journal(file)
    document = {**replay_document(done.replay), "venue": done.venue, "population": None, "seed": None, "notes": [],
                "snapshots": _compared(done), "recovered_state_hash": done.recovered}
    if as_json:
        emit_json(document)
    else:
        show_replay(document)
        for row in done.snapshots:
            say(f"snapshot {row.name}: " + (f"passed over, {row.refused}" if row.refused is not None
                                            else "agrees" if row.agrees else f"DISAGREES at event {row.seq:,}"))
    if not done.agrees:
        wrong = next((row for row in done.snapshots if not row.agrees), None)
        raise CheckFailedError(
            f"{file}: " + ("recovery from the newest snapshot ends in another state" if wrong is None else
                           f"{wrong.name} tells of another state than the replay had after event {wrong.seq}"),
            remedy="remove the snapshots, and look for what differed where they were written")


def _compared(done: JournalReplay) -> list[dict[str, Any]]:
    return [{"file": row.name, "seq": row.seq, "state_hash": row.said, "replayed_state_hash": row.replayed,
             "agrees": row.agrees if row.refused is None else None, "refused": row.refused} for row in done.snapshots]


@app.command()
def snapshot(file: File, as_json: options.AsJson = False) -> None:
    """Recover the venue and write a snapshot of where it stands, so that the next recovery begins there."""
    from leverline.enforce.journal_replay import snapshot_now

    made = snapshot_now(file)
    for refused in made.recovery.refused:
        note(f"note: snapshot {refused.name} passed over: {refused.why}")
    if as_json:
        emit_json({"file": str(made.path), "bytes": made.bytes, "seq": made.seq, "state_hash": made.state_hash,
                   "from_seq": made.recovery.from_seq, "replayed": made.recovery.replayed,
                   "refused": [{"file": row.name, "why": row.why} for row in made.recovery.refused]})
    else:
        say(f"{made.path}: {made.bytes:,} bytes, after event {made.seq:,}")
        say(f"recovered from event {made.recovery.from_seq:,}, {made.recovery.replayed:,} events replayed")
        say(f"state {made.state_hash}")
