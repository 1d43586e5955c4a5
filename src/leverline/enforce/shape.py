"""Whether an event has the shape its type promises: exact types and bounded sizes, before anything is read from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_args, get_type_hints

from leverline.enforce.effects import Reject, Rejected
from leverline.enforce.events import Body, Event, PoolKey
from leverline.model.accounts import Mode

LARGEST = 2**63 - 1
LONGEST_NAME = 200
LONGEST_BOOK = 16_000_000
BODIES: dict[str, type] = {body.__name__: body for body in get_args(Body)}

Check = Callable[[Any, str], Rejected | None]


def shape_fault(event: Event) -> Rejected | None:
    """What is wrong with the shape, or None. A boolean is no integer, and neither is a float."""
    checks = _CHECKS.get(type(event.body)) if isinstance(event, Event) else None
    if checks is None:
        return Rejected(Reject.MALFORMED, "not an event of this version")
    wrong = _number_fault(event.seq, "seq") or _number_fault(event.ts_ns, "ts_ns") or _name_fault(event.id, "id")
    if wrong is not None:
        return wrong
    body = event.body
    for name, check in checks:
        wrong = check(getattr(body, name), name)
        if wrong is not None:
            return wrong
    if event.ts_ns < 0 or not event.id:
        return Rejected(Reject.MALFORMED, "an event has an id, and a time since 1970")
    return None


def half_character(value: str) -> bool:
    """Whether a text holds a lone surrogate, which no file can."""
    return not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value)


def _number_fault(value: Any, name: str) -> Rejected | None:
    if type(value) is not int:
        return Rejected(Reject.MALFORMED, f"{name} is not int")
    return None if -LARGEST <= value <= LARGEST else Rejected(Reject.OVERFLOW, name)


def _name_fault(value: Any, name: str, longest: int = LONGEST_NAME) -> Rejected | None:
    """Names are bounded, and are text that can be written down."""
    if type(value) is str and len(value) <= longest and value.isascii():
        return None  # nearly always
    if type(value) is not str:
        return Rejected(Reject.MALFORMED, f"{name} is not str")
    if len(value) > longest:
        return Rejected(Reject.OVERFLOW, f"{name} is too long")
    return Rejected(Reject.MALFORMED, f"{name} holds half a character") if half_character(value) else None


def _book_fault(value: Any, name: str) -> Rejected | None:
    return _name_fault(value, name, LONGEST_BOOK)


def _pool_fault(value: Any, name: str) -> Rejected | None:
    if type(value) is not PoolKey:
        return Rejected(Reject.MALFORMED, f"{name} is not PoolKey")
    return _name_fault(value.account, name) or _name_fault(value.subaccount, name)


def _flag_fault(value: Any, name: str) -> Rejected | None:
    return None if type(value) is bool else Rejected(Reject.MALFORMED, f"{name} is not bool")


def _mode_fault(value: Any, name: str) -> Rejected | None:
    return None if type(value) is Mode else Rejected(Reject.MALFORMED, f"{name} is not Mode")


_CHECK_OF: dict[Any, Check] = {int: _number_fault, str: _name_fault, PoolKey: _pool_fault, bool: _flag_fault,
                               Mode: _mode_fault}


def _fields_of(kind: type) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(kind)
    return tuple((f.name, hints[f.name]) for f in fields(kind))


SHAPES: dict[type, tuple[tuple[str, Any], ...]] = {kind: _fields_of(kind) for kind in BODIES.values()}
"""Of each type: its fields in order, with their types."""
_CHECKS: dict[type, tuple[tuple[str, Check], ...]] = {
    kind: tuple((name, _book_fault if name == "book" else _CHECK_OF[hint]) for name, hint in rows)
    for kind, rows in SHAPES.items()}
