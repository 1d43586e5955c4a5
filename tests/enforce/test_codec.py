"""Events written and read, one documented example a type, and lines that must be turned away."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import hypothesis.strategies as st
import pytest
from hypothesis import given

from leverline.enforce.codec import decode, encode, encode_effect
from leverline.enforce.effects import Effect, MarginCall, Stage, StageRefused
from leverline.enforce.events import Body, Deposit, Event, PoolKey
from leverline.enforce.shape import BODIES, shape_fault
from leverline.ground.errors import MalformedInputError
from leverline.model.accounts import Mode

PAGE = Path(__file__).parents[2] / "docs" / "formats" / "events.md"
LINE = '{"v":1,"seq":1,"ts_ns":0,"type":"Deposit","id":"a","body":{"pool":["ann",""],"asset":"USDT","amount":5}}'

names = st.text(max_size=20).filter(lambda text: not any("\ud800" <= letter <= "\udfff" for letter in text))
pools = st.builds(PoolKey, names, names)
integers = st.integers(-(2**63) + 1, 2**63 - 1)
by_hint = {"int": integers, "str": names, "PoolKey": pools, "bool": st.booleans(), "Mode": st.sampled_from(Mode)}
bodies = st.one_of(*(st.builds(kind, **{name: by_hint[hint] for name, hint in kind.__annotations__.items()})
                     for kind in get_args(Body)))


@given(body=bodies, seq=integers, ts=integers, key=names)
def test_an_event_written_and_read_is_the_same(body: Any, seq: Any, ts: Any, key: Any) -> None:
    """A journal that reads back another event replays another day."""
    event = Event(seq, ts, key, body)
    assert decode(encode(event)) == event
    assert encode(decode(encode(event))) == encode(event)


def examples() -> list[str]:
    """The JSON lines of the page."""
    return [line for line in PAGE.read_text().splitlines() if line.startswith('{"v":1,')]


def test_the_page_shows_one_example_of_every_type() -> None:
    """A type that no page shows is written wrongly by everybody who guesses."""
    assert sorted(json.loads(line)["type"] for line in examples()) == sorted(BODIES)


@pytest.mark.parametrize("line", examples(), ids=lambda line: json.loads(line)["type"])
def test_an_example_of_the_page_is_what_the_venue_writes(line: Any) -> None:
    """A page that shows what is refused sends every newcomer into it."""
    event = decode(line)
    assert encode(event) == line
    assert shape_fault(event) is None


def test_effects_are_shown_by_name() -> None:
    """An effect without its page cannot be read off a stream."""
    text = PAGE.read_text()
    assert [kind.__name__ for kind in get_args(Effect) if f"`{kind.__name__}`" not in text] == []


def changed(**keys: Any) -> str:
    return json.dumps({**json.loads(LINE), **keys})


def body(**keys: Any) -> str:
    row = json.loads(LINE)["body"]
    return changed(body={**row, **keys})


@pytest.mark.parametrize(("line", "words"), [
    ("", "not JSON"), ("[1]", "JSON object"), ("{", "not JSON"), ("[" * 100_000, "not JSON"),
    (changed(v=2), "version"), (changed(v=True), "version"), (changed(v=1.0), "version"),
    (changed(type="Gift"), "unknown type"), (changed(type=["Deposit"]), "unknown type"),
    (changed(extra=1), "unknown keys"), ('{"v":1}', "missing keys"),
    (LINE.replace('"seq":1', '"seq":1,"seq":2'), "twice"),
    (changed(seq=1.0), "integer"), (changed(seq=True), "integer"), (changed(seq="1"), "integer"),
    (changed(seq=2**63), "integer"), (changed(body=[]), "JSON object"),
    (body(amount=1e3), "integer"), (body(amount=None), "integer"), (body(amount=10**400), "integer"),
    (LINE.replace("5}", "NaN}"), "not JSON"), (LINE.replace("5}", "Infinity}"), "not JSON"),
    (LINE.replace("5}", "9" * 5_000 + "}"), "not JSON"),
    (body(pool="ann"), "a pool is"), (body(pool=["ann"]), "a pool is"), (body(pool=["ann", 1]), "text"),
    (body(asset="x" * 201), "text"), (body(asset="\ud800"), "half a character"), (body(gift=1), "has no"),
    (changed(body={"pool": ["ann", ""], "asset": "USDT"}), "needs"),
    (changed(type="OpenPool", body={"pool": ["a", ""], "owner": "a", "mode": "wild"}), "mode"),
])
def test_a_line_that_cannot_be_meant_is_refused_with_its_place(line: Any, words: Any) -> None:
    """A sender that is misunderstood is worse than one that is turned away."""
    with pytest.raises(MalformedInputError, match=words) as caught:
        decode(line, file="events.jsonl", row=7)
    assert caught.value.place is not None
    assert (caught.value.place.file, caught.value.place.row) == ("events.jsonl", 7)


@given(text=st.text(max_size=200) | st.binary(max_size=200))
def test_no_line_breaks_the_reader(text: Any) -> None:
    """Whatever stands in a file, the reader answers with a refusal and not with a crash."""
    with pytest.raises(MalformedInputError):
        decode(text)


@given(place=st.integers(0, len(LINE) - 1), letter=st.characters())
def test_a_changed_letter_is_read_as_written_or_refused(place: Any, letter: Any) -> None:
    """One flipped character gives another event or none, never a half-read one."""
    try:
        event = decode(LINE[:place] + letter + LINE[place + 1:])
    except MalformedInputError:
        return
    assert isinstance(event.body, Deposit)
    assert decode(encode(event)) == event


def test_effects_are_plain_json() -> None:
    """A subscriber reads effects with any JSON reader."""
    assert encode_effect(MarginCall(PoolKey("ann", "btc"), 5)) == {
        "type": "MarginCall", "pool": ["ann", "btc"], "deficit": 5}
    refused = encode_effect(StageRefused(Stage.BOOK, PoolKey("ann"), "late"))
    assert json.loads(json.dumps(refused))["stage"] == "book"


def test_an_event_built_in_python_is_held_to_the_same_shape() -> None:
    """A float that slips into the ledger through the API would round somebody's money."""
    good = decode(LINE)
    assert shape_fault(good) is None
    assert shape_fault(replace(good, ts_ns=1.5)) is not None  # type: ignore[arg-type]
    assert shape_fault(replace(good, id="")) is not None
    assert shape_fault("deposit") is not None  # type: ignore[arg-type]
