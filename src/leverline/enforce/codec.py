"""Events as JSON Lines and back: ``{"v": 1, "seq", "ts_ns", "type", "id", "body"}``.

Strict in what it reads: an unknown key, a missing one, a boolean where an integer belongs or a number out of range is
refused with its place, because a sender that is misunderstood is worse than one that is turned away.
"""

from __future__ import annotations

import json
import types
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from leverline.enforce.effects import Effect
from leverline.enforce.events import VERSION, Event, PoolKey
from leverline.enforce.shape import BODIES, LARGEST, LONGEST_BOOK, LONGEST_NAME, half_character
from leverline.ground.errors import refuse
from leverline.model.accounts import Mode

_KEYS = {"v", "seq", "ts_ns", "type", "id", "body"}


def encode(event: Event) -> str:
    """One line, without its newline; equal events give equal bytes."""
    return json.dumps(
        {"v": VERSION, "seq": event.seq, "ts_ns": event.ts_ns, "type": type(event.body).__name__, "id": event.id,
         "body": plain(event.body)}, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """JSON values of an event's or an effect's body: dataclasses as objects, pools as their name."""
    if isinstance(value, PoolKey):
        return [value.account, value.subaccount]
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def encode_effect(effect: Effect) -> dict[str, Any]:
    """An effect as a JSON object with its type."""
    return {"type": type(effect).__name__, **plain(effect)}


def decode(line: str | bytes, *, file: str | None = None, row: int | None = None) -> Event:
    """One event; raises :class:`MalformedInputError` with file, row and the key that is wrong."""
    try:
        document = json.loads(line, parse_constant=_no_constant, object_pairs_hook=_no_twins)
    except (ValueError, RecursionError) as error:
        refuse(f"is not JSON: {str(error)[:200]}", file=file, row=row)
    if not isinstance(document, dict):
        refuse("an event is a JSON object", file=file, row=row)
    unknown, missing = sorted(set(document) - _KEYS), sorted(_KEYS - set(document))
    if unknown or missing:
        refuse(f"unknown keys {unknown}, missing keys {missing}", file=file, row=row)
    if type(document["v"]) is not int or document["v"] != VERSION:
        refuse(f"version {document['v']!r} is not {VERSION}", file=file, row=row, column="v")
    kind = document["type"]
    if not isinstance(kind, str) or kind not in BODIES:
        refuse(f"unknown type {kind!r}", file=file, row=row, column="type", remedy=f"one of {', '.join(BODIES)}")
    try:
        return Event(_read(int, document["seq"], "seq"), _read(int, document["ts_ns"], "ts_ns"),
                     _read(str, document["id"], "id"), _body(BODIES[kind], document["body"]))
    except _UnreadableError as error:
        refuse(error.what, file=file, row=row, column=error.key)


class _UnreadableError(Exception):
    def __init__(self, key: str, what: str) -> None:
        super().__init__(f"{key}: {what}")
        self.key, self.what = key, what


def _body(kind: type, document: Any) -> Any:
    """Fields of one event type, each read as its annotation says."""
    if not isinstance(document, dict):
        raise _UnreadableError("body", "is a JSON object")
    known = {f.name: f for f in fields(kind)}
    unknown = sorted(set(document) - set(known))
    if unknown:
        raise _UnreadableError("body", f"{kind.__name__} has no {unknown}")
    hints = get_type_hints(kind)
    absent = [name for name, f in known.items() if name not in document and f.default is MISSING]
    if absent:
        raise _UnreadableError("body", f"{kind.__name__} needs {absent}")
    return kind(**{name: _read(hints[name], value, name) for name, value in document.items()})


def _read(hint: Any, value: Any, key: str) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        options = get_args(hint)
        return None if value is None and type(None) in options else _read(options[0], value, key)
    if hint is PoolKey:
        if not isinstance(value, list) or len(value) != len(PoolKey._fields):
            raise _UnreadableError(key, "a pool is [account, sub-account]")
        return PoolKey(*(_read(str, part, key) for part in value))
    if hint is Mode:
        if value not in list(Mode):
            raise _UnreadableError(key, f"a mode is one of {', '.join(Mode)}")
        return Mode(value)
    if hint is bool:
        if not isinstance(value, bool):
            raise _UnreadableError(key, f"is true or false, got {value!r}")
        return value
    if hint is int:
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > LARGEST:
            raise _UnreadableError(key, f"is an integer within 2^63, got {str(value)[:40]!r}")
        return value
    assert hint is str, f"no reader for {hint}"
    longest = LONGEST_BOOK if key == "book" else LONGEST_NAME
    if not isinstance(value, str) or len(value) > longest:
        raise _UnreadableError(key, f"is a text of at most {longest} characters")
    if half_character(value):
        raise _UnreadableError(key, "holds half a character")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key stands twice")
    return document
