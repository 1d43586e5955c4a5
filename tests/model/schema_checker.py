"""Just enough of JSON Schema (draft 2020-12) to hold a document to the schemas we publish.

A keyword it does not know is an error, so nothing in a schema goes unchecked unseen.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "number": (int, float), "integer": int, "boolean": bool,
    "null": type(None)}
_SAID_ELSEWHERE = {"$schema", "$id", "$defs", "title", "description", "properties", "additionalProperties"}


def violations(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "") -> list[str]:
    """Every place where ``value`` breaks ``schema``, as pointer and keyword."""
    found: list[str] = []
    for keyword, rule in schema.items():
        if keyword in _SAID_ELSEWHERE:
            continue
        if keyword == "$ref":
            found += violations(value, root["$defs"][rule.removeprefix("#/$defs/")], root, at)
        elif keyword == "anyOf":
            if all(violations(value, option, root, at) for option in rule):
                found.append(f"{at} anyOf")
        elif not _holds(keyword, rule, value):
            found.append(f"{at} {keyword}")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        other = schema.get("additionalProperties", True)
        for key, inner in value.items():
            if key in known:
                found += violations(inner, known[key], root, f"{at}/{key}")
            elif other is False:
                found.append(f"{at}/{key} additionalProperties")
            elif isinstance(other, dict):
                found += violations(inner, other, root, f"{at}/{key}")
    if isinstance(value, list) and "items" in schema:
        for index, inner in enumerate(value):
            found += violations(inner, schema["items"], root, f"{at}/{index}")
    return found


def _holds(keyword: str, rule: Any, value: Any) -> bool:
    if keyword == "type":
        return isinstance(value, _TYPES[rule]) and (rule == "boolean" or not isinstance(value, bool))
    if keyword == "enum":
        return value in rule
    if keyword == "const":
        return bool(value == rule)
    if keyword == "required":
        return not isinstance(value, dict) or all(key in value for key in rule)
    if keyword == "pattern":
        return not isinstance(value, str) or re.search(rule, value) is not None
    if keyword == "minimum":
        return not isinstance(value, int | float) or value >= rule
    if keyword == "exclusiveMinimum":
        return not isinstance(value, int | float) or value > rule
    if keyword == "maximum":
        return not isinstance(value, int | float) or value <= rule
    if keyword == "exclusiveMaximum":
        return not isinstance(value, int | float) or value < rule
    if keyword == "items":
        return True  # walked by the caller
    if keyword == "format" and rule == "date-time":
        return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None
    raise AssertionError(f"the schema uses {keyword!r}, which this checker does not know")
