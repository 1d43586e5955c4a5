"""One exception tree. Every error says what was wrong, where, and what to do; each class has one exit code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the input something stands: file, row (1 = first data row), column. Unknown parts are None."""

    file: str | None = None
    row: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        parts = [self.file] if self.file else []
        if self.row is not None:
            parts.append(f"row {self.row}")
        if self.column is not None:
            parts.append(f"column {self.column!r}")
        return ", ".join(parts)


class LeverlineError(Exception):
    """Something failed. ``exit_code`` is what the command line returns for it."""

    exit_code = 1

    def __init__(self, what: str, *, place: Place | None = None, remedy: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.place = place
        self.remedy = remedy

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place and str(self.place) else ""
        todo = f" ({self.remedy})" if self.remedy else ""
        return f"{where}{self.what}{todo}"


class UsageError(LeverlineError):
    """A call or an option that cannot be meant: wrong name, value out of range."""

    exit_code = 2


class MalformedInputError(LeverlineError):
    """An input that cannot be read as what it claims to be. Refused whole, never repaired."""

    exit_code = 2


class CheckFailedError(LeverlineError):
    """A check that was asked for does not hold."""

    exit_code = 3


class InsufficientDataError(LeverlineError):
    """Data too old, too short or too coarse for what was asked."""

    exit_code = 4


def require(condition: bool, what: str, *, got: object = None, remedy: str | None = None) -> None:
    """Raise :class:`UsageError` unless ``condition`` holds; ``what`` states the rule, ``got`` the offender."""
    if not condition:
        raise UsageError(what if got is None else f"{what}; got {got!r}", remedy=remedy)


def refuse(what: str, *, file: str | None, row: int | None = None, column: str | None = None,
           remedy: str | None = None) -> NoReturn:
    """Raise :class:`MalformedInputError` naming file, row and column."""
    raise MalformedInputError(what, place=Place(file, row, column), remedy=remedy)
