"""The limit book: sealed, closed, finite, and the same after every way it travels."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from leverline.ground.errors import MalformedInputError
from leverline.model import AssetLimits, VenueLimits
from leverline.model.limitbook import (
    InstrumentLimits,
    LimitBook,
    Tier,
    canonical_json,
    pointer,
    units,
)
from tests.model.books import AS_OF, book, fields, schedule

TINY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, (*path, key))]
    if isinstance(value, list):
        return [leaf for index, inner in enumerate(value) for leaf in leaves(inner, (*path, index))]
    return [(path, value)]


def put(document: Any, path: tuple[str | int, ...], value: Any) -> None:
    for part in path[:-1]:
        document = document[part]
    document[path[-1]] = value


def other(value: Any) -> Any:
    """Another value that the same field would accept."""
    if isinstance(value, str):
        return str(int(value) + 1) if value.isdigit() else value.replace("2025", "2026") + ("" if "Z" in value else "x")
    return "1" if value is None else value + 1


LEAVES = [(path, value) for path, value in leaves(json.loads(book().to_json())) if path != ("id",)]


@pytest.mark.parametrize(("path", "value"), LEAVES, ids=[pointer(*path) for path, _ in LEAVES])
def test_no_leaf_of_the_file_can_be_edited_unseen(path: tuple[str | int, ...], value: Any, tmp_path: Path) -> None:
    """One leverage changed by hand in a file that still reads as signed is a limit nobody approved."""
    document = json.loads(book().to_json())
    put(document, path, other(value))
    target = tmp_path / "limits.json"
    target.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(MalformedInputError) as caught:
        LimitBook.read(target)
    assert caught.value.exit_code == 2
    assert str(target) in str(caught.value)


@pytest.mark.parametrize("change", [
    {"settlement": "USDC"}, {"as_of": AS_OF + timedelta(microseconds=1)}, {"challenges": "0" * 64}, {"overrides": ()},
    {"instruments": {"ETH/USDT:USDT": fields()["instruments"]["ETH/USDT:USDT"]}}, {"explanations": {}},
    {"collateral": {"ETH": AssetLimits(ltv=0.8)}}, {"venue": VenueLimits()},
])
def test_any_other_content_has_another_id(change: dict[str, Any]) -> None:
    """Two different books under one id could be swapped after the vote."""
    assert book(**change).id != book().id


def test_the_id_is_the_hash_of_the_content_and_nothing_else() -> None:
    """Anyone must be able to recompute the id from the file with a few lines of any language."""
    import hashlib

    document = json.loads(book().to_json())
    sealed = document.pop("id")
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == sealed == book().id
    assert canonical_json(document) == text


def test_the_same_instant_in_another_zone_is_the_same_book() -> None:
    """A calibration run in Singapore must not get another id than the same one run in London."""
    there = AS_OF.astimezone(timezone(timedelta(hours=8)))
    assert book(as_of=there).id == book().id
    assert '"as_of": "2025-09-30T00:00:00Z"' in book(as_of=there).to_json()


def test_reading_gives_back_what_was_written_byte_for_byte(tmp_path: Path) -> None:
    """A book that changes by being read and written again cannot be rolled back to."""
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    book().write(first)
    LimitBook.read(first).write(second)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().endswith(b"}\n")


amounts = st.integers(0, 2**80)
rates = st.floats(0, 10, allow_nan=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
limits = st.builds(
    InstrumentLimits, contract_size=st.floats(1e-9, 1e9), binding_side=st.sampled_from(["long", "short", None]),
    tiers=st.sampled_from([schedule((0, None, 3, 0.1)), schedule((0, 7, 50, 0.001), (7, 9.000001, 1.25, 0.75))]),
    position_cap=st.none() | amounts, open_interest_cap=st.none() | amounts, price_band=st.none() | rates,
    fees=st.none() | st.dictionaries(texts, rates, max_size=2))
books = st.builds(
    book, as_of=st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
    settlement=texts, instruments=st.dictionaries(texts, limits, max_size=3), challenges=st.none() | texts,
    collateral=st.dictionaries(texts, st.builds(AssetLimits, ltv=st.none() | rates, supply_cap=amounts), max_size=2))


@TINY
@given(written=books)
def test_any_book_survives_its_file(written: LimitBook, tmp_path: Path) -> None:
    """A symbol, a date or a large amount that does not come back would move a limit without anybody moving it."""
    target = tmp_path / "limits.json"
    written.write(target)
    read = LimitBook.read(target)
    assert read == written
    assert read.content_hash() == written.id
    assert canonical_json(json.loads(read.to_json())) == canonical_json(json.loads(written.to_json()))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_no_number_that_is_none_enters_a_book(bad: float) -> None:
    """A NaN cap compares false with everything, so every check against it would pass."""
    with pytest.raises(ValidationError):
        AssetLimits(ltv=bad)
    with pytest.raises(ValidationError):
        InstrumentLimits(tiers=schedule((0, None, 3, 0.1)), funding={"clamp": bad})
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"x": bad})


@pytest.mark.parametrize("text", [
    "", "null", "[]", "{}", "NaN", "[" * 10_000, "\ufeff{}", '{"schema": "leverline.limitbook/2"}',
])
def test_what_is_no_book_is_refused_with_exit_2(text: str, tmp_path: Path) -> None:
    """A truncated download must not be taken for a book without limits."""
    target = tmp_path / "limits.json"
    target.write_text(text, encoding="utf-8")
    with pytest.raises(MalformedInputError) as caught:
        LimitBook.read(target)
    assert caught.value.exit_code == 2
    with pytest.raises(MalformedInputError, match="cannot be read"):
        LimitBook.read(tmp_path / "absent.json")
    target.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MalformedInputError):
        LimitBook.read(target)


@pytest.mark.parametrize("place", [(), ("venue",), ("instruments", "ETH/USDT:USDT"), ("collateral", "ETH"),
                                   ("instruments", "ETH/USDT:USDT", "tiers", 0), ("provenance",)])
def test_unknown_keys_are_refused_wherever_they_stand(place: tuple[str | int, ...]) -> None:
    """A misspelt 'postion_cap' that is ignored leaves the market without a cap."""
    document = json.loads(book().to_json())
    put(document, (*place, "postion_cap"), "1")
    with pytest.raises(ValidationError, match="postion_cap"):
        LimitBook.model_validate(document)


@pytest.mark.parametrize("amount", [1.0, True, "1.5", "1e6", " 1", "", "--1", "-1", "¹", "٣"])
def test_a_ledger_amount_is_whole_digits_or_refused(amount: Any) -> None:
    """An amount read through a float loses units above 2^53 and nobody sees it."""
    with pytest.raises(ValidationError):
        VenueLimits.model_validate_json(json.dumps({"insurance_fund_target": amount}))
    with pytest.raises(ValidationError):
        VenueLimits(insurance_fund_target=amount)
    assert VenueLimits.model_validate({"insurance_fund_target": "12"}).insurance_fund_target == 12


def test_a_book_cannot_be_changed_in_place() -> None:
    """The engine enforces the object it was handed; it must be the one that was sealed."""
    sealed = book()
    with pytest.raises(ValidationError):
        sealed.settlement = "EUR"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        sealed.instruments["BTC/USDT:USDT"].tiers[0].max_leverage = 1000.0  # type: ignore[misc]


ROWS = ((0, 10, 20, 0.02), (10, 20, 10, 0.05))


@pytest.mark.parametrize(("change", "message"), [
    ({0: {"notional_floor": 1}}, "starts at notional 0"), ({0: {"maintenance_deduction": 1}}, "starts at notional 0"),
    ({1: {"notional_floor": 10_000_001}}, "where the one below ends"), ({1: {"notional_cap": 10_000_000}}, "above its"),
    ({1: {"initial_margin_rate": 0.04}}, "never fall"), ({1: {"maintenance_margin_rate": 0.01}}, "convex"),
    ({0: {"notional_cap": None}}, "where the one below ends"), ({0: {"maintenance_margin_rate": 0.051}}, "covers"),
])
def test_tiers_that_make_no_schedule_are_refused(change: dict[int, dict[str, Any]], message: str) -> None:
    """A gap, an overlap or a falling rate is a size at which growing a position sets margin free."""
    tiers = [Tier.model_validate(t.model_dump() | change.get(i, {})) for i, t in enumerate(schedule(*ROWS))]
    if "covers" in message:
        tiers = tiers[:1]
    with pytest.raises(ValidationError, match=message):
        InstrumentLimits(tiers=tuple(tiers))
    with pytest.raises(ValidationError, match="at least one tier"):
        InstrumentLimits(tiers=())


def test_pointers_and_units_follow_their_definitions() -> None:
    """A symbol holds a slash; unescaped it would point into nowhere and its explanation be lost."""
    assert pointer("instruments", "BTC/USD:a~b", 0) == "/instruments/BTC~1USD:a~0b/0"
    assert pointer() == ""
    assert units(1.5) == 1_500_000
    assert units(0.0000019) == 1
