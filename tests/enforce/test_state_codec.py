"""A state written down and read back is the same state, whatever a venue went through; anything else is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields
from enum import Enum
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from leverline.enforce.events import PoolKey
from leverline.enforce.policy_presets import PRESETS
from leverline.enforce.state import VenueState
from leverline.enforce.state_codec import ENUMS, RECORDS, decode_state, encode_state
from leverline.enforce.terms import terms_of_book
from leverline.enforce.venue import Venue
from leverline.evidence.bench.drawn_venue import DrawnVenue, limits
from tests.durability.stream import book, draw


def fresh(preset: str = "leverline") -> Venue:
    return Venue(terms_of_book(book()), PRESETS[preset])


def must_be_kept(state: VenueState) -> VenueState:
    again = decode_state(encode_state(state))
    assert again.digest() == state.digest()
    assert encode_state(again) == encode_state(state)
    for f in fields(state):
        if f.name not in ("undo", "ledger"):
            assert getattr(again, f.name) == getattr(state, f.name), f.name
            assert type(getattr(again, f.name)) is type(getattr(state, f.name)), f.name
    return again


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_whatever_a_venue_went_through_is_kept_and_it_goes_on_alike(preset: str) -> None:
    """A venue would come back from a snapshot with other balances, or take another way from there."""
    venue, events = fresh(preset), draw(sum(map(ord, preset)), 400, preset).events
    for event in events[:300]:
        venue.apply(event)
        if event.seq % 100 == 0:
            must_be_kept(venue.state)
    other = fresh(preset)
    other.resume(must_be_kept(venue.state))
    for event in events[300:]:
        assert list(other.apply(event)) == list(venue.apply(event))
    assert other.state.digest() == venue.state.digest()


def test_a_venue_with_several_sources_and_breakers_is_kept() -> None:
    """The breakers would forget that a market is halted."""
    venue = Venue(terms_of_book(limits(breakers=True)), PRESETS["leverline"])
    drawn = DrawnVenue(venue.state, venue.apply, 20, 5)
    drawn.open()
    drawn.run(400)
    kinds = {type(value).__name__ for room in must_be_kept(venue.state).rooms.values() for value in room.values()}
    assert {"Feed", "Growth"} <= kinds


records = st.one_of([st.builds(kind) for kind in RECORDS.values()] + [st.sampled_from(kind) for kind in ENUMS.values()])
plain = st.none() | st.booleans() | st.integers() | st.text()
values = st.recursive(records | plain | st.fractions() | st.builds(PoolKey, st.text(), st.text()),
                      lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=6)
rooms = st.dictionaries(st.text() | st.integers() | st.tuples(st.text(), st.integers()), values, max_size=6) \
    | st.dictionaries(st.text() | st.builds(PoolKey, st.text(), st.text()), values, max_size=6)


@pytest.mark.parametrize("name", [*RECORDS, *ENUMS])
def test_every_kind_of_record_has_a_place(name: str) -> None:
    """The first venue that holds one of the kind could write no snapshot any more."""

    @settings(max_examples=10)
    @given(made=st.builds(RECORDS[name]) if name in RECORDS else st.sampled_from(ENUMS[name]))
    def kept(made: Any) -> None:
        state = fresh().state
        state.rooms["orders"][7] = made
        again = must_be_kept(state).rooms["orders"][7]
        assert type(again) is type(made)

    kept()


@settings(max_examples=25)
@given(rows=rooms, more=st.lists(values, max_size=4))
def test_rooms_of_any_mixture_are_kept(rows: Any, more: Any) -> None:
    """Two kinds side by side would come back as one another: True as 1, a tuple as a list."""
    state = fresh().state
    state.rooms["orders"] = rows
    state.rooms["calls"] = {"rows": more}
    again = must_be_kept(state)
    for before, after in zip([*rows, *rows.values(), *more],
                             [*again.rooms["orders"], *again.rooms["orders"].values(), *again.rooms["calls"]["rows"]],
                             strict=True):
        assert type(before) is type(after)


class _Other(Enum):
    ONE = 1


@pytest.mark.parametrize("strange", [1.5, {1}, b"x", _Other.ONE, object(), float("nan")])
def test_what_has_no_place_is_refused_when_it_is_written(strange: object) -> None:
    """It would be found out at the recovery, when it is too late."""
    state = fresh().state
    state.rooms["orders"][1] = strange
    with pytest.raises((TypeError, ValueError)):
        encode_state(state)


def mutated(document: Any, path: list[int], value: Any) -> Any:
    """The document with one place of it replaced."""
    if not path or not isinstance(document, list) or not document:
        return value
    place = path[0] % len(document)
    return [*document[:place], mutated(document[place], path[1:], value), *document[place + 1:]]


WHOLE = json.loads(encode_state(fresh().state))
json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.floats(allow_nan=False),
                           lambda inner: st.lists(inner, max_size=3), max_leaves=5)


@given(path=st.lists(st.integers(0, 30), max_size=6), value=json_values)
def test_a_document_that_was_changed_is_refused_with_a_value_error_or_read(path: list[int], value: Any) -> None:
    """A file of another version would stop the venue, instead of an older snapshot being taken."""
    with suppress(ValueError):
        decode_state(json.dumps(mutated(WHOLE, path, value)).encode())


@given(raw=st.binary(max_size=60))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    """Whatever stands in a file, it is refused and not run into."""
    with pytest.raises(ValueError, match=r".*"):
        decode_state(raw)
