"""How published numbers are rounded: always against the account, in exact arithmetic, to what venues print.

A rate is read as the decimal it prints (0.05 is 5/100, not the nearest binary fraction), so a number that already
stands on its step stays there. The ladder of leverages and the round notionals are those of Binance's brackets: in its
349 USD-margined markets of 2024-10-24 all but 12 of 2,805 tiers have one of 17 leverages, each a rung below, and 63 %
of the tier caps are 1, 2, 2.5 or 5 times a power of ten. The other rungs (12, 7, 2.5, 1.5, 1.25) are finer steps for
markets that deserve little leverage.
"""

from __future__ import annotations

import math
from fractions import Fraction

from leverline.ground.errors import require

LEVERAGES = (125.0, 100.0, 75.0, 50.0, 40.0, 30.0, 25.0, 20.0, 15.0, 12.0, 10.0,
             8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.5, 2.0, 1.5, 1.25, 1.0)  # fmt: skip
"""The venue ladder, falling. A venue's own maximum is a rung as well."""

BOUNDARY_MANTISSAS = (Fraction(1), Fraction(2), Fraction(5, 2), Fraction(5))
"""Tier boundaries are these times a power of ten."""

CAP_MANTISSAS = tuple(Fraction(tenths, 10) for tenths in (10, 12, 15, 20, 25, 30, 40, 50, 60, 80))
"""Position caps are these times a power of ten: finer than boundaries, because rounding a cap down costs capacity."""

RATE_TOLERANCE = 1e-9
"""A measured rate this little above a published one counts as met: it is floating-point noise, not risk."""


def exact(value: float) -> Fraction:
    """The rational number that ``value`` prints as: ``exact(0.1) == Fraction(1, 10)``."""
    return Fraction(repr(float(value)))


def steps_up(rate: float | Fraction, step: float, *, tolerance: float = RATE_TOLERANCE) -> int:
    """The smallest whole number of ``step`` that is not below ``rate - tolerance``."""
    require(step > 0, "a rounding step is positive", got=step)
    require(math.isfinite(rate), "a rate is finite", got=rate)
    return math.ceil((_rational(rate) - exact(tolerance)) / exact(step))


def round_up_rate(rate: float | Fraction, step: float) -> float:
    """``rate`` on the next multiple of ``step``; one that stands on a multiple (within 1e-9) stays there."""
    return float(steps_up(rate, step) * exact(step))


def round_down_leverage(leverage: float | Fraction, maximum: float) -> float | None:
    """The highest rung of the ladder not above ``leverage`` nor ``maximum`` (itself a rung); None below 1."""
    require(math.isfinite(maximum) and maximum >= 1, "the highest leverage is at least 1", got=maximum)
    limit = _rational(leverage)
    if exact(maximum) <= limit:
        return float(maximum)
    return next((rung for rung in LEVERAGES if rung <= limit and rung <= maximum), None)


def leverage_within(rate: float | Fraction, maximum: float) -> float | None:
    """The highest rung whose initial margin rate is not below ``rate``; None where even leverage 1 is too much.

    A measured (float) rate may exceed the rung's rate by 1e-9; a Fraction is taken exactly.
    """
    needed = rate if isinstance(rate, Fraction) else exact(rate) - exact(RATE_TOLERANCE)
    if needed <= 0:
        return float(maximum)
    rung = round_down_leverage(1 / needed, maximum)
    while rung is not None and exact(initial_rate(rung)) < needed:  # 1/3 prints a little less than a third
        rung = next((lower for lower in LEVERAGES if lower < rung), None)
    return rung


def initial_rate(leverage: float) -> float:
    """The initial margin rate that belongs to a published leverage: its reciprocal."""
    return 1.0 / leverage


def round_down_notional(notional: int) -> int:
    """The largest round notional (:data:`CAP_MANTISSAS`) not above ``notional``; both in ledger units."""
    require(notional >= 1, "a notional to be rounded is at least one ledger unit", got=notional)
    power = Fraction(10) ** (len(str(notional)) - 1)
    rounded = [m * power for m in CAP_MANTISSAS if m * power <= notional and (m * power).denominator == 1]
    return int(max(rounded))


def boundaries_between(low: float, high: int, step: float) -> list[int]:
    """Round notionals (:data:`BOUNDARY_MANTISSAS`) in the open interval (``low``, ``high``), rising, in ledger units.

    Only those whose product with the rate ``step`` is a whole number of units are kept, so that every deduction
    (a sum of boundary times rate difference) is an exact integer.
    """
    first = math.floor(math.log10(max(low, 1.0)))
    candidates = [
        mantissa * Fraction(10) ** power
        for power in range(first, len(str(high)))
        for mantissa in BOUNDARY_MANTISSAS
    ]
    grid = exact(step)
    return [int(c) for c in candidates if low < c < high and c.denominator == 1 and (c * grid).denominator == 1]


def _rational(value: float | Fraction) -> Fraction:
    return value if isinstance(value, Fraction) else exact(value)
