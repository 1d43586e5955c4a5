"""Whether an event has the shape its type promises: exact types and bounded sizes, before anything is read from it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args, get_type_hints

from leverline.enforce.effects import Reject, Rejected
from leverline.enforce.events import Body, Event, PoolKey

LARGEST = 2**63 - 1
LONGEST_NAME = 200
LONGEST_BOOK = 50_000_000
BODIES: dict[str, type] = {body.__name__: body for body in get_args(Body)}


def shape_fault(event: Event) -> Rejected | None:
    """What is wrong with the shape, or None. A boolean is no integer, and neither is a float."""
    if not isinstance(event, Event) or BODIES.get(type(event.body).__name__) is not type(event.body):
        return Rejected(Reject.MALFORMED, "not an event of this version")
    wrong = (_fault(int, event.seq, "seq") or _fault(int, event.ts_ns, "ts_ns") or _fault(str, event.id, "id")
             or next(filter(None, (_fault(kind, getattr(event.body, name), name)
                                   for name, kind in _SHAPES[type(event.body)])), None))
    if wrong is None and (event.ts_ns < 0 or not event.id):
        wrong = Rejected(Reject.MALFORMED, "an event has an id, and a time since 1970")
    return wrong


def _fields_of(kind: type) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(kind)
    return tuple((f.name, hints[f.name]) for f in fields(kind))


_SHAPES = {kind: _fields_of(kind) for kind in BODIES.values()}


def _fault(kind: Any, value: Any, name: str) -> Rejected | None:
    if type(value) is not kind:
        return Rejected(Reject.MALFORMED, f"{name} is not {kind.__name__}")
    if kind is int and not -LARGEST <= value <= LARGEST:
        return Rejected(Reject.OVERFLOW, name)
    if kind is str:
        return _text_fault(value, name)
    if kind is PoolKey:
        return _fault(str, value.account, name) or _fault(str, value.subaccount, name)
    return None


def _text_fault(value: str, name: str) -> Rejected | None:
    """Names are bounded, and are text that can be written down."""
    if len(value) > (LONGEST_BOOK if name == "book" else LONGEST_NAME):
        return Rejected(Reject.OVERFLOW, f"{name} is too long")
    return Rejected(Reject.MALFORMED, f"{name} holds half a character") if half_character(value) else None


def half_character(value: str) -> bool:
    """Whether a text holds a lone surrogate, which no file can."""
    return not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value)
