"""``leverline replay --journal`` and ``leverline journal``: durable runs, and what one can ask of their journals."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leverline.enforce import journaled_replay
from leverline.enforce.codec import decode, encode
from leverline.enforce.durable_venue import DurableVenue, begin, recover
from leverline.enforce.journal import Journal
from tests.calibrate.governed_books import BTC, FLAT, book_of
from tests.cli.conftest import Ran, Run, one_line
from tests.durability.stream import book, draw

EVENTS = draw(7, 90).events
CRASH = [(100, 101, 99, 100), (100, 100, 97, 98), (98, 98, 80, 82), (82, 95, 81, 94), (94, 96, 90, 91)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits of a few events, and no wait for the disk: nothing is pulled from under these tests."""
    monkeypatch.setattr(journaled_replay, "BATCH_EVENTS", 16)
    monkeypatch.setattr(journaled_replay, "BATCH_DELAY_S", 1e9)
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Limits, events, and an events file that lacks the last thirty."""
    book().write(tmp_path / "limits.json")
    for name, events in (("events.jsonl", EVENTS), ("begun.jsonl", EVENTS[:60])):
        (tmp_path / name).write_text("".join(encode(event) + "\n" for event in events))
    return tmp_path


def replayed(run: Run, events: str, *more: object) -> Ran:
    ran = run("replay", events, "--limits", "limits.json", "--json", *more)
    assert ran.code == 0, ran.err
    return ran


def test_a_journaled_replay_prints_what_one_without_prints(run: Run, folder: Path) -> None:
    """Durability would change the result."""
    plain = replayed(run, "events.jsonl")
    first = replayed(run, "events.jsonl", "--journal", "day.journal")
    again = replayed(run, "events.jsonl", "--journal", "day.journal")
    assert plain.out == first.out == again.out
    assert first.err == ""
    assert again.err == "note: day.journal: 90 events were there already, and are this run's\n"


def test_a_longer_log_goes_on_where_a_journal_ends(run: Run, folder: Path) -> None:
    """Tomorrow's events could not be appended to today's."""
    replayed(run, "begun.jsonl", "--journal", "day.journal")
    whole = replayed(run, "events.jsonl", "--journal", "day.journal")
    assert whole.out == replayed(run, "events.jsonl").out
    with Journal.open(folder / "day.journal", writable=False) as journal:
        assert list(journal.events()) == EVENTS


def test_bars_with_a_population_are_durable_too(run: Run, tmp_path: Path) -> None:
    """A crash replay, the longest of all runs, would have to begin anew."""
    rows = [f"2026-01-01T{hour:02}:00:00Z,{BTC},{','.join(map(str, prices))},50000"
            for hour, prices in enumerate(CRASH)]
    (tmp_path / "bars.csv").write_text("\n".join(["ts,symbol,open,high,low,close,volume", *rows]) + "\n")
    book_of(FLAT, liquidation_fee_rate=0.005).write(tmp_path / "limits.json")
    given = ("replay", "bars.csv", "--limits", "limits.json", "--population", 40, "--fund", 1000, "--json")
    plain, first, again = run(*given), run(*given, "--journal", "j"), run(*given, "--journal", "j", "--out", "run")
    assert first.code == again.code == 0, again.err
    assert plain.out == first.out == again.out
    state = json.loads(plain.out)["state_hash"]
    assert run("journal", "replay", "j", "--json").document["state_hash"] == state
    logged = [decode(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    with Journal.open(tmp_path / "j", writable=False) as journal:
        assert list(journal.events()) == logged
    other = run(*given, "--journal", "j", "--seed", 1)
    assert other.code == 2
    assert "j: was made from other input: its event" in one_line_of_error(other)


def one_line_of_error(ran: Ran) -> str:
    """The refusal, without the notes of a run that had begun."""
    return next(line for line in ran.err.splitlines() if line.startswith("leverline: "))


@pytest.mark.parametrize(("arguments", "says"), [
    (["begun.jsonl", "--limits", "limits.json", "--journal", "day.journal"], "this run ends before its event 61"),
    (["events.jsonl", "--limits", "other.json", "--journal", "day.journal"], "was made under other limits"),
    (["events.jsonl", "--limits", "limits.json", "--journal", "day.journal", "--venue", "okx"], "made by venue"),
    (["events.jsonl", "--limits", "limits.json", "--journal", "events.jsonl"], "is also the input"),
    (["events.jsonl", "--limits", "limits.json", "--journal", "text"], "is not a journal"),
    (["events.jsonl", "--limits", "limits.json", "--journal", "."], "is a folder"),
    (["events.jsonl", "--limits", "limits.json", "--journal", "nowhere/day.journal"], "no such folder"),
    (["events.jsonl", "--limits", "limits.json", "--out", "run", "--journal", "run/replay.json"], "is also --out's")])
def test_a_journal_that_is_not_this_runs_is_refused(run: Run, folder: Path, journal: Path, arguments: list[str],
                                                    says: str) -> None:
    """Two runs would be written into one history, or a file be overwritten."""
    assert journal.exists()
    book(10).write(folder / "other.json")
    (folder / "text").write_text("what somebody wrote\n")
    (folder / "run").mkdir()
    before = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    ran = run("replay", *arguments)
    assert ran.code == 2
    assert says in one_line(ran)
    assert {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()} == before


def test_a_journal_in_use_is_refused(run: Run, folder: Path) -> None:
    """Two processes would write one history."""
    replayed(run, "begun.jsonl", "--journal", "day.journal")
    with Journal.open(folder / "day.journal"):
        for command in (("replay", "events.jsonl", "--limits", "limits.json", "--journal", "day.journal"),
                        ("journal", "snapshot", "day.journal")):
            ran = run(*command)
            assert ran.code == 1
            assert "is being written by another process" in one_line(ran)
        for verb in ("verify", "show", "replay"):
            assert run("journal", verb, "day.journal").code == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: a commit waits for the disk."""
    path = tmp_path_factory.mktemp("made") / "day.journal"
    venue, begun = begin(path, book(), "leverline")
    durable = DurableVenue(venue, begun, batch_events=16, batch_delay_s=1e9)
    for event in EVENTS:
        durable.take(event)
    durable.close()
    return path


@pytest.fixture
def journal(run: Run, folder: Path, made: Path) -> Path:
    for each in sorted(made.parent.iterdir()):
        shutil.copy(each, folder)
    return folder / made.name


def test_verify_says_what_a_journal_holds(run: Run, journal: Path) -> None:
    """An auditor would have to believe that it is whole."""
    run("journal", "snapshot", journal)
    ran = run("journal", "verify", "day.journal", "--json")
    assert ran.code == 0, ran.err
    found = ran.document
    assert list(found) == ["schema", "file", "holds", "faults", "book_id", "venue", "events", "commits", "first",
                           "last", "chain", "head", "in_doubt", "snapshots"]
    assert (found["holds"], found["faults"], found["events"], found["in_doubt"]) == (True, [], 90, 0)
    assert found["book_id"] == book().id
    assert found["head"] == {"acknowledged": 90, "damaged_at": []}
    assert (found["first"]["seq"], found["last"]["seq"], found["last"]["id"]) == (1, 90, EVENTS[-1].id)
    assert [(row["seq"], row["refused"]) for row in found["snapshots"]] == [(90, None)]
    said = run("journal", "verify", "day.journal").out
    assert "90 events in 6 commits" in said
    assert said.endswith("the journal holds\n")


def altered(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


def head_slot(path: Path) -> None:
    with Path(f"{path}-head").open("r+b") as head:
        head.seek(4100)
        head.write(b"x")


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "tail": (lambda path: altered(path, "DELETE FROM batch WHERE last = 90"), "but event 90 was acknowledged"),
    "middle": (lambda path: altered(path, "UPDATE batch SET ts_ns = 1 WHERE first = 33"),
               "day.journal: events 33 to 48: the chain does not hold"),
    "slot": (head_slot, "day.journal-head, byte 4096: a slot of the head is damaged; the other one holds"),
    "head": (lambda path: Path(f"{path}-head").write_bytes(b""), "day.journal-head: both slots are damaged"),
    "gone": (lambda path: Path(f"{path}-head").unlink(), "day.journal: its head file is missing"),
    "magic": (lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]), "cannot be read"),
    "venue": (lambda path: altered(path, "UPDATE header SET content = replace(content, 'leverline\"}', 'gone\"}')"),
              "its header cannot be used: venue 'gone' is unknown"),
    "snapshot": (lambda path: path.with_name("day.journal-snapshot-" + "0" * 17 + "90").write_bytes(b"half"),
                 "cannot be read")}


@pytest.mark.parametrize("name", DAMAGES)
def test_verify_names_the_place_of_what_does_not_hold(run: Run, journal: Path, name: str) -> None:
    """A damaged journal would be found out on the day it is needed."""
    damage, says = DAMAGES[name]
    damage(journal)
    ran = run("journal", "verify", journal, "--json")
    assert ran.code == 3
    assert not ran.document["holds"]
    assert says in f"{ran.document['faults'][0]['place']}: {ran.document['faults'][0]['what']}"
    assert says in one_line_of_error(ran)
    said = run("journal", "verify", journal)
    assert said.code == 3
    assert says in said.out
    assert "DOES NOT HOLD" in said.out


@pytest.mark.parametrize("verb", ["show", "replay", "snapshot"])
@pytest.mark.parametrize("name", ["tail", "head", "gone", "magic"])
def test_a_damaged_journal_is_refused_with_its_place(run: Run, journal: Path, name: str, verb: str) -> None:
    """Numbers would be read off a journal that is not the acknowledged one."""
    damage, says = DAMAGES[name]
    damage(journal)
    ran = run("journal", verb, "day.journal", "--json")
    assert ran.code == 2
    assert says in one_line(ran)


@pytest.mark.parametrize("verb", ["verify", "show", "replay", "snapshot"])
@pytest.mark.parametrize("name", ["nothing", "nowhere/nothing", ".", "limits.json", "other.sqlite"])
def test_what_is_no_journal_is_refused(run: Run, folder: Path, verb: str, name: str) -> None:
    """A typing error would look like a lost journal, or leave a new file."""
    altered(folder / "other.sqlite", "CREATE TABLE batch (first INTEGER)")
    before = sorted(folder.iterdir())
    ran = run("journal", verb, name)
    assert ran.code == 2
    assert "is a folder" in one_line(ran) or "there is no journal" in ran.err or "is not a journal" in ran.err
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(("options", "seqs"), [
    ([], range(71, 91)), (["--limit", 3], range(88, 91)), (["--from", 5], range(5, 25)),
    (["--from", 5, "--to", 7], range(5, 8)), (["--to", 7], range(1, 8)), (["--to", 30, "--limit", 2], range(29, 31)),
    (["--from", 85, "--limit", 50], range(85, 91)), (["--from", 91], range(0)), (["--limit", 0], range(0)),
    (["--to", 500, "--limit", 1], range(90, 91))])
def test_show_lists_the_range_asked_for(run: Run, journal: Path, options: list[object], seqs: range) -> None:
    """Somebody who looks for an event would be shown its neighbours."""
    ran = run("journal", "show", journal, "--json", *options)
    assert ran.code == 0, ran.err
    document = ran.document
    assert list(document) == ["schema", "file", "book_id", "venue", "last_seq", "types", "events"]
    assert [decode(json.dumps(row)) for row in document["events"]] == [EVENTS[seq - 1] for seq in seqs]
    assert (document["last_seq"], document["types"]) == (90, None)


def test_show_counts_types_over_the_whole_range(run: Run, journal: Path) -> None:
    """The counts would be those of one screen."""
    expected: dict[str, int] = {}
    for event in EVENTS[9:80]:
        expected[type(event.body).__name__] = expected.get(type(event.body).__name__, 0) + 1
    given = ("journal", "show", journal, "--from", 10, "--to", 80, "--limit", 2, "--types")
    assert run(*given, "--json").document["types"] == dict(sorted(expected.items()))
    said = run(*given).out
    assert "Events 10 to 11 of 90" in said
    assert "Events by type" in said


@pytest.mark.parametrize("options", [["--from", 0], ["--from", 5, "--to", 4], ["--limit", -1], ["--limit", 10**7]])
def test_a_range_that_cannot_be_meant_is_refused(run: Run, journal: Path, options: list[object]) -> None:
    """Nothing would be shown, and nobody told why."""
    ran = run("journal", "show", journal, *options)
    assert ran.code == 2
    assert "events are counted from 1" in one_line(ran)


def test_a_long_body_is_cut_for_people_and_whole_in_json(run: Run, journal: Path) -> None:
    """A limit book of a megabyte would roll over the screen, or be lost."""
    adopts = next(event for event in draw(7, 2_000).events if type(event.body).__name__ == "AdoptLimits")
    whole = draw(7, adopts.seq).events
    (journal.parent / "long.jsonl").write_text("".join(encode(event) + "\n" for event in whole))
    replayed(run, "long.jsonl", "--journal", "long.journal")
    said = run("journal", "show", "long.journal", "--limit", 1).out
    assert "..." in said
    assert len(said) < 2_000
    shown = run("journal", "show", "long.journal", "--limit", 1, "--json").document["events"]
    assert decode(json.dumps(shown[0])) == adopts


def test_replay_prints_what_the_run_came_to(run: Run, journal: Path) -> None:
    """Whoever holds a journal alone could not tell how the day ended."""
    live = replayed(run, "events.jsonl").document
    run("journal", "snapshot", journal)
    ran = run("journal", "replay", journal, "--json")
    assert ran.code == 0, ran.err
    document = ran.document
    assert {key: document[key] for key in live} == live
    assert [(row["seq"], row["agrees"]) for row in document["snapshots"]] == [(90, True)]
    assert document["recovered_state_hash"] == live["state_hash"]
    said = run("journal", "replay", journal).out
    assert f"state {live['state_hash']}" in said
    assert "agrees" in said


def test_replay_exits_3_where_a_snapshot_tells_of_another_state(run: Run, journal: Path,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    """A venue would recover from a state that its events do not lead to."""
    def another(*given: Any) -> Any:
        venue, recovery = recover(*given)
        venue.state.ledger.cash[1] += 1
        return venue, recovery

    monkeypatch.setattr("leverline.enforce.journal_replay.recover", another)
    run("journal", "snapshot", journal)
    monkeypatch.undo()
    ran = run("journal", "replay", journal, "--json")
    assert ran.code == 3
    assert "tells of another state than the replay had after event 90" in one_line_of_error(ran)
    assert [row["agrees"] for row in ran.document["snapshots"]] == [False]


def test_snapshot_says_where_and_how_large(run: Run, journal: Path) -> None:
    """An operator would not know what was written."""
    ran = run("journal", "snapshot", "day.journal", "--json")
    assert ran.code == 0, ran.err
    document = ran.document
    assert list(document) == ["file", "bytes", "seq", "state_hash", "from_seq", "replayed", "refused"]
    made = Path(document["file"])
    assert made.stat().st_size == document["bytes"]
    assert (document["seq"], document["from_seq"], document["replayed"]) == (90, 0, 90)
    made.write_bytes(made.read_bytes()[:-1])
    again = run("journal", "snapshot", "day.journal")
    assert again.err.startswith("note: snapshot day.journal-snapshot-0000000000000000090 passed over: ")
    assert "recovered from event 0, 90 events replayed" in again.out


def test_a_copy_of_a_journal_at_rest_is_a_journal(run: Run, journal: Path, tmp_path: Path) -> None:
    """A backup would need more than its two files."""
    (tmp_path / "backup").mkdir()
    for name in ("day.journal", "day.journal-head"):
        shutil.copy(tmp_path / name, tmp_path / "backup")
    assert run("journal", "verify", "backup/day.journal").code == 0
    ran = replayed(run, "events.jsonl", "--journal", "backup/day.journal")
    assert ran.out == replayed(run, "events.jsonl").out
