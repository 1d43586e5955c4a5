"""Rounding as venues do it: exact, with the direction in the name."""

from __future__ import annotations

from fractions import Fraction

from leverline.ground.errors import UsageError, require


def ceil_div(numerator: int, denominator: int) -> int:
    """``numerator / denominator`` rounded toward plus infinity; the denominator is positive."""
    if denominator <= 0:
        raise UsageError(f"a denominator is positive; got {denominator!r}")
    return -(-numerator // denominator)


def truncated_div(numerator: int, denominator: int) -> int:
    """``numerator / denominator`` rounded toward zero, as machines' integer division does."""
    require(denominator > 0, "a denominator is positive", got=denominator)
    return numerator // denominator if numerator >= 0 else -(-numerator // denominator)


def nearest_tick(price: Fraction, tick: Fraction) -> Fraction:
    """The multiple of ``tick`` closest to ``price``; of two equally close ones the higher."""
    require(tick > 0, "a tick is positive", got=tick)
    return ((price / tick + Fraction(1, 2)) // 1) * tick
