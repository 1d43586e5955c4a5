"""Columns of integers and of texts as bytes: each integer as wide as its column needs, or as its step needs."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import sub
from typing import TypeVar

WIDTHS = (1, 2, 4, 8)
"""Bytes of an integer, little-endian with two's complement; a column's first byte names one by its place."""
_CODES = "bhiq"
_STEPS = 4
"""Added to the first byte where the column is its first value (8 bytes) and then the step to each next one."""
_LOWEST = 1 - 2**63

Value = TypeVar("Value")


class UnreadableColumnError(Exception):
    """The bytes are not columns as they are written here."""


class ColumnWriter:
    """Columns one after another; how many values each has the reader knows from elsewhere."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def number(self, value: int) -> None:
        """One number of 0 to 2^32 - 1."""
        self._parts.append(value.to_bytes(4, "little"))

    def integers(self, values: Sequence[int]) -> None:
        """Integers within 2^63: as they are, or by their steps where that is shorter."""
        form = _width(values)
        steps = list(map(sub, values[1:], values))
        step = _width(steps)
        if step < len(WIDTHS) and 8 + WIDTHS[step] * len(steps) < WIDTHS[form] * len(values):
            self._parts += [bytes([_STEPS + step]), values[0].to_bytes(8, "little", signed=True)]
            self._parts.append(_little(array(_CODES[step], steps)).tobytes())
        else:
            self._parts += [bytes([form]), _little(array(_CODES[form], values)).tobytes()]

    def texts(self, values: Sequence[str]) -> None:
        """Lengths in characters, then all of it in UTF-8."""
        self.integers([len(value) for value in values])
        together = "".join(values).encode()
        self.number(len(together))
        self._parts.append(together)

    def bytes(self) -> bytes:
        """All of it."""
        return b"".join(self._parts)


class ColumnReader:
    """Reads what a :class:`ColumnWriter` wrote; raises :class:`UnreadableColumnError` for anything else."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def number(self, most: int) -> int:
        """One number of 0 to ``most``."""
        value = int.from_bytes(self._take(4), "little")
        _demand(value <= most, f"{value} is more than {most}")
        return value

    def integers(self, count: int, lowest: int = _LOWEST, highest: int = -_LOWEST) -> list[int]:
        """``count`` integers, each within the bounds given."""
        form = self._take(1)[0]
        _demand(form < _STEPS + len(WIDTHS), f"no column has form {form}")
        by_steps, width = divmod(form, _STEPS)
        _demand(count > 0 or not by_steps, "a column without values has no steps")
        first = [int.from_bytes(self._take(8), "little", signed=True)] if by_steps else []
        column = array(_CODES[width])
        column.frombytes(self._take((count - len(first)) * WIDTHS[width]))
        values = list(accumulate(_little(column), initial=first[0])) if first else _little(column).tolist()
        _demand(not values or (lowest <= min(values) and max(values) <= highest),
                f"a number lies outside {lowest} to {highest}")
        return values

    def chosen(self, count: int, table: Sequence[Value]) -> list[Value]:
        """``count`` entries of ``table``, written by their places."""
        return [table[place] for place in self.integers(count, 0, len(table) - 1)]

    def texts(self, count: int, longest: int, *, shortest: int = 0) -> list[str]:
        """``count`` texts of at most ``longest`` characters."""
        lengths = self.integers(count, shortest, longest)
        try:
            together = self._take(self.number(len(self._content))).decode()
        except UnicodeDecodeError as error:
            raise UnreadableColumnError("a text is not UTF-8") from error
        ends = list(accumulate(lengths, initial=0))
        _demand(ends[-1] == len(together), "texts are longer or shorter than they say")
        return [together[start:end] for start, end in pairwise(ends)]

    def end(self) -> None:
        """Nothing may follow."""
        _demand(self._place == len(self._content), "something follows its end")

    def _take(self, count: int) -> bytes:
        taken = self._content[self._place:self._place + count]
        _demand(len(taken) == count, "it ends too early")
        self._place += count
        return taken


def _width(values: Sequence[int]) -> int:
    """Place in ``WIDTHS`` of the narrowest that holds every value; past its end where none does."""
    if not values:
        return 0
    bits = max((~value if value < 0 else value).bit_length() for value in (min(values), max(values)))
    return next((place for place, width in enumerate(WIDTHS) if bits < 8 * width), len(WIDTHS))


def _little(column: array[int]) -> array[int]:
    """The same column with its bytes turned, on a machine that has the high byte first."""
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column


def _demand(condition: bool, what: str) -> None:
    if not condition:
        raise UnreadableColumnError(what)
