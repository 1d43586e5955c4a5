"""The published schema: current, and true of the documents we write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from leverline.model.limitbook import LimitBook
from leverline.model.schema import limitbook_schema, schema_text
from tests.model.books import book
from tests.model.schema_checker import violations

FILE = Path(__file__).parents[2] / "schema" / "limitbook-1.json"


def document(written: LimitBook | None = None) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((written or book()).to_json())
    return read


def test_the_schema_file_is_the_one_the_model_makes() -> None:
    """Others build readers from the file; if it lags behind the model they refuse our books or misread them."""
    assert FILE.read_text(encoding="utf-8") == schema_text(), "run: python -m leverline.model.schema " + str(FILE)


def test_a_written_book_follows_the_schema() -> None:
    """A schema that our own documents break is worse than none."""
    schema = limitbook_schema()
    assert violations(document(), schema, schema) == []


@pytest.mark.parametrize(("path", "value"), [
    (("schema",), "leverline.limitbook/2"), (("as_of",), "2025-09-30T00:00:00+00:00"), (("settlement",), None),
    (("instruments", "ETH/USDT:USDT", "tiers", 0, "notional_cap"), 1000),
    (("instruments", "ETH/USDT:USDT", "tiers", 0, "notional_cap"), "-5"),
    (("instruments", "ETH/USDT:USDT", "tiers", 0, "notional_cap"), "1e6"),
    (("instruments", "ETH/USDT:USDT", "tiers", 0, "max_leverage"), 0),
    (("instruments", "ETH/USDT:USDT", "tiers", 0, "initial_margin_rate"), "0.05"),
    (("instruments", "ETH/USDT:USDT", "kind"), "swap"), (("collateral", "ETH", "ltv"), -0.1),
    (("venue", "unknown"), 1), (("explanations", "/x"), {}),
])
def test_the_schema_refuses_what_the_format_forbids(path: tuple[str | int, ...], value: Any) -> None:
    """A schema that lets an amount through as a float would have it rounded by the first reader."""
    broken = document()
    place: Any = broken
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    schema = limitbook_schema()
    assert violations(broken, schema, schema)


def test_every_key_is_present_and_must_be() -> None:
    """A reader that meets a missing key cannot tell 'no cap' from 'forgotten'."""
    schema = limitbook_schema()
    whole = document()
    for name, body in [("", schema), *schema["$defs"].items()]:
        if body["type"] == "object":
            assert set(body["required"]) == set(body["properties"]), name
            assert body["additionalProperties"] is False, name
    for key in whole:
        assert violations({k: v for k, v in whole.items() if k != key}, schema, schema)
