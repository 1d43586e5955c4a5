"""When a figure of ours equals a venue's: the tolerances of the golden cases, stated once.

A case's own ``rtol`` or ``tolerance_abs`` decides where it is given. Otherwise integers and integer strings are equal
to the last unit or not at all, other numbers agree to 1e-9 relative; figures of option venues to 1e-8 relative or 1e-6
absolute and those made with QuantLib to 1e-4 absolute, because their sources print no more.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction

_INTEGER = re.compile(r"[+-]?\d+")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a number may lie: within either bound; ``exact_integers``: an expected integer is met to the unit."""

    relative: Fraction
    absolute: Fraction
    exact_integers: bool

    def admits(self, expected: Fraction, got: Fraction, *, is_integer: bool) -> bool:
        """Whether ``got`` is close enough to ``expected``, which was written as an integer or not."""
        if self.exact_integers and is_integer:
            return expected == got
        return abs(expected - got) <= max(self.absolute, self.relative * abs(expected))


def tolerance_of(case: Mapping[str, object], file_stem: str) -> Tolerance:
    """The tolerance of ``case`` out of a file named ``file_stem`` (without its ending)."""
    given = [number_of(case.get(key)) for key in ("rtol", "tolerance_abs")]
    if any(bound is not None for bound in given):
        relative, absolute = (bound if bound is not None else Fraction(0) for bound in given)
        return Tolerance(relative, absolute, exact_integers=False)
    if "quantlib" in file_stem:
        return Tolerance(Fraction(0), Fraction(1, 10**4), exact_integers=False)
    if file_stem.startswith("options-"):
        return Tolerance(Fraction(1, 10**8), Fraction(1, 10**6), exact_integers=True)
    return Tolerance(Fraction(1, 10**9), Fraction(0), exact_integers=True)


def number_of(value: object) -> Fraction | None:
    """A number, or a string that is one, as a fraction; None for anything else and for what is not finite.

    A float stands for its shortest decimal: 0.1 means a tenth.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal | Fraction):
        return None
    if isinstance(value, int | Fraction):
        return Fraction(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    try:
        decimal = Decimal(str(value))
    except InvalidOperation:
        return None
    return Fraction(decimal) if decimal.is_finite() else None


def agrees(expected: object, got: object, tolerance: Tolerance) -> bool:
    """Whether ``got`` says what ``expected`` says; ``got`` may say more (further keys of an object)."""
    if isinstance(expected, Mapping):
        return isinstance(got, Mapping) and all(
            key in got and agrees(value, got[key], tolerance) for key, value in expected.items())
    if isinstance(expected, Sequence) and not isinstance(expected, str):
        return (isinstance(got, Sequence) and not isinstance(got, str) and len(expected) == len(got)
                and all(agrees(a, b, tolerance) for a, b in zip(expected, got, strict=True)))
    if isinstance(expected, bool) or isinstance(got, bool) or expected is None or got is None:
        return type(expected) is type(got) and expected == got
    if isinstance(expected, str) and isinstance(got, str) and "|" in expected:  # a list of figures in one string
        return agrees(expected.split("|"), got.split("|"), tolerance)
    ours, theirs = number_of(got), number_of(expected)
    if ours is None or theirs is None:
        return expected == got
    return tolerance.admits(theirs, ours, is_integer=_INTEGER.fullmatch(str(expected)) is not None)
