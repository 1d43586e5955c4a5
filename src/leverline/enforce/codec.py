"""Events as JSON Lines and back: ``{"v": 1, "seq", "ts_ns", "type", "id", "body"}``.

Strict in what it reads: an unknown key, a missing one, a boolean where an integer belongs or a number out of range is
refused with its place, because a sender that is misunderstood is worse than one that is turned away.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any

from leverline.enforce.effects import Effect
from leverline.enforce.events import VERSION, Event, PoolKey
from leverline.enforce.shape import BODIES, LARGEST, LONGEST_BOOK, LONGEST_NAME, SHAPES, half_character
from leverline.ground.errors import refuse
from leverline.model.accounts import Mode

_KEYS = {"v", "seq", "ts_ns", "type", "id", "body"}


def encode(event: Event) -> str:
    """One line, without its newline; equal events give equal bytes."""
    return _ENCODER.encode(
        {"v": VERSION, "seq": event.seq, "ts_ns": event.ts_ns, "type": type(event.body).__name__, "id": event.id,
         "body": {name: getattr(event.body, name) for name in _READERS[type(event.body)]}})


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
        document = _parsed(line if isinstance(line, str) else str(line.removeprefix(BOM_UTF8), "utf-8"))
    except (ValueError, RecursionError) as error:
        refuse(f"is not JSON: {str(error)[:200]}", file=file, row=row)
    if not isinstance(document, dict):
        refuse("an event is a JSON object", file=file, row=row)
    if document.keys() != _KEYS:
        unknown, missing = sorted(document.keys() - _KEYS), sorted(_KEYS - document.keys())
        refuse(f"unknown keys {unknown}, missing keys {missing}", file=file, row=row)
    if type(document["v"]) is not int or document["v"] != VERSION:
        refuse(f"version {document['v']!r} is not {VERSION}", file=file, row=row, column="v")
    kind = document["type"]
    if not isinstance(kind, str) or kind not in BODIES:
        refuse(f"unknown type {kind!r}", file=file, row=row, column="type", remedy=f"one of {', '.join(BODIES)}")
    try:
        return Event(_number(document["seq"], "seq"), _number(document["ts_ns"], "ts_ns"), _name(document["id"], "id"),
                     _body(BODIES[kind], document["body"]))
    except _UnreadableError as error:
        refuse(error.what, file=file, row=row, column=error.key)


class _UnreadableError(Exception):
    def __init__(self, key: str, what: str) -> None:
        super().__init__(f"{key}: {what}")
        self.key, self.what = key, what


def _parsed(line: str) -> Any:
    line = line.strip(" \t\r\n")
    document, end = _DECODER.raw_decode(line)
    if end != len(line):
        raise ValueError("more than one value")
    return document


def _body(kind: type, document: Any) -> Any:
    """Fields of one event type, each read as its annotation says."""
    readers = _READERS[kind]
    if not isinstance(document, dict):
        raise _UnreadableError("body", "is a JSON object")
    if document.keys() != readers.keys():
        document = _with_defaults(kind, document)
    return kind(*[read(document[name], name) for name, read in readers.items()])


def _with_defaults(kind: type, document: dict[str, Any]) -> dict[str, Any]:
    """The fields given and the defaults of those that are not; refuses one without a default, and one unknown."""
    known = {f.name: f.default for f in fields(kind)}
    unknown = sorted(document.keys() - known.keys())
    if unknown:
        raise _UnreadableError("body", f"{kind.__name__} has no {unknown}")
    absent = [name for name, default in known.items() if name not in document and default is MISSING]
    if absent:
        raise _UnreadableError("body", f"{kind.__name__} needs {absent}")
    return {**known, **document}


def _number(value: Any, key: str) -> int:
    if type(value) is not int or not -LARGEST <= value <= LARGEST:
        raise _UnreadableError(key, f"is an integer within 2^63, got {str(value)[:40]!r}")
    return value


def _name(value: Any, key: str, longest: int = LONGEST_NAME) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise _UnreadableError(key, f"is a text of at most {longest} characters")
    if half_character(value):
        raise _UnreadableError(key, "holds half a character")
    return value


def _book(value: Any, key: str) -> str:
    return _name(value, key, LONGEST_BOOK)


def _pool(value: Any, key: str) -> PoolKey:
    if not isinstance(value, list) or len(value) != len(PoolKey._fields):
        raise _UnreadableError(key, "a pool is [account, sub-account]")
    return PoolKey(_name(value[0], key), _name(value[1], key))


def _flag(value: Any, key: str) -> bool:
    if not isinstance(value, bool):
        raise _UnreadableError(key, f"is true or false, got {value!r}")
    return value


def _mode(value: Any, key: str) -> Mode:
    if value not in list(Mode):
        raise _UnreadableError(key, f"a mode is one of {', '.join(Mode)}")
    return Mode(value)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key stands twice")
    return document


_READER_OF: dict[Any, Callable[[Any, str], Any]] = {int: _number, str: _name, PoolKey: _pool, bool: _flag, Mode: _mode}
_READERS = {kind: {name: _book if name == "book" else _READER_OF[hint] for name, hint in rows}
            for kind, rows in SHAPES.items()}
_DECODER = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_no_twins)
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
