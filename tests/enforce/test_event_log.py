"""Logs of events in files: read in order, refused where they have holes, written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leverline.enforce import event_log
from leverline.enforce.codec import encode
from leverline.enforce.event_log import read_events, replay_log, writing_logs
from leverline.enforce.events import Body, Deposit, Event, OpenPool, OracleUpdate, Withdraw
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.replaying import Replay
from leverline.ground.errors import MalformedInputError
from leverline.model.accounts import Mode
from tests.enforce.worlds import ANN, BTC, SECOND, terms

BODIES: tuple[Body, ...] = (
    OracleUpdate(BTC, "one", 100_000, 0, 0), OpenPool(ANN, "ann", Mode.CROSS), Deposit(ANN, "USDT", 10**6),
    OracleUpdate(BTC, "one", 90_000, 0, 0), OracleUpdate(BTC, "one", 80_000, 0, 0))
EVENTS = tuple(Event(place, place * SECOND, f"e{place}", body) for place, body in enumerate(BODIES, start=1))


def written(path: Path, *events: Event) -> Path:
    path.write_text("".join(f"{encode(event)}\n" for event in events))
    return path


def replayed(path: Path) -> Replay:
    replay = Replay.of(terms(), LEVERLINE)
    replay_log(replay, path)
    return replay


def test_a_log_is_read_in_order_whatever_its_line_ends(tmp_path: Path) -> None:
    """A log from another system would be refused, or its last event lost."""
    path = written(tmp_path / "events.jsonl", *EVENTS)
    assert [event for _, event in read_events(path)] == list(EVENTS)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n").removesuffix(b"\r\n"))
    assert list(read_events(path)) == list(enumerate(EVENTS, start=1))


def test_a_gap_is_refused_with_its_row(tmp_path: Path) -> None:
    """The state of the first half would be told as that of the whole run."""
    path = written(tmp_path / "events.jsonl", EVENTS[0], EVENTS[1], *EVENTS[3:])
    with pytest.raises(MalformedInputError, match="event 3 is missing") as refused:
        replayed(path)
    assert refused.value.place is not None
    assert refused.value.place.row == 3


def test_a_gap_at_the_end_is_a_gap(tmp_path: Path) -> None:
    """One missing event would pass if only a single one followed it."""
    with pytest.raises(MalformedInputError, match="event 4 is missing"):
        replayed(written(tmp_path / "events.jsonl", *EVENTS[:3], EVENTS[4]))


def test_an_event_that_came_too_early_and_again_is_no_gap(tmp_path: Path) -> None:
    """The log of a live venue, refusals and all, could not be replayed."""
    early = Event(4, 3 * SECOND, "early", BODIES[3])
    refused = Event(3, 3 * SECOND, "too much", Withdraw(ANN, "USDT", 10**9))
    replay = replayed(written(tmp_path / "events.jsonl", *EVENTS[:2], early, refused, *EVENTS[2:], EVENTS[0]))
    assert replay.venue.state.seq == 5
    assert replay.tally.rejected == {"out of order": 1, "insufficient balance": 1, "duplicate": 1}


def test_an_empty_log_is_refused(tmp_path: Path) -> None:
    """A venue to which nothing happened would be called solvent."""
    with pytest.raises(MalformedInputError, match="holds no event"):
        replayed(written(tmp_path / "events.jsonl"))


def test_an_endless_line_is_refused_before_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without line ends would fill the memory."""
    monkeypatch.setattr(event_log, "LONGEST_LINE", 1_000)
    (tmp_path / "events.jsonl").write_text(encode(EVENTS[0]) + "\n" + "x" * 5_000)
    with pytest.raises(MalformedInputError, match="at most 1,000 bytes") as refused:
        replayed(tmp_path / "events.jsonl")
    assert refused.value.place is not None
    assert refused.value.place.row == 2


def test_logs_appear_when_the_run_has_ended(tmp_path: Path) -> None:
    """Half a log would lie where a whole one is looked for."""
    out = tmp_path / "run"
    with writing_logs(out) as sink:
        replay = Replay.of(terms(), LEVERLINE, sink)
        for event in (*EVENTS, EVENTS[0]):
            replay.apply(event)
        assert not (out / "events.jsonl").exists()
    assert sorted(path.name for path in out.iterdir()) == ["effects.jsonl", "events.jsonl"]
    assert [event for _, event in read_events(out / "events.jsonl")] == [*EVENTS, EVENTS[0]]
    (told,) = (json.loads(line) for line in (out / "effects.jsonl").read_text().splitlines())
    assert (told["seq"], told["effects"][0]["reason"]) == (1, "duplicate")


@pytest.mark.parametrize("before", [None, "of before"])
def test_a_run_that_fails_leaves_nothing(tmp_path: Path, before: str | None) -> None:
    """Files of a run that never ended would be taken for a result, or would replace an older one."""
    out = tmp_path / "run"
    if before is not None:
        out.mkdir()
        (out / "events.jsonl").write_text(before)
    replay = Replay.of(terms(), LEVERLINE)
    with pytest.raises(MalformedInputError), writing_logs(out) as replay.sink:
        replay_log(replay, written(tmp_path / "gap.jsonl", EVENTS[0], EVENTS[2]))
    assert out.exists() == (before is not None)
    if before is not None:
        assert [(path.name, path.read_text()) for path in out.iterdir()] == [("events.jsonl", before)]
