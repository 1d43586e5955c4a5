"""Fixed-point arithmetic of on-chain venues: integers with an implied unit, the direction of rounding in the name."""

from __future__ import annotations

from leverline.ground.errors import LeverlineError, require
from leverline.margin.rounding import ceil_div

BPS = 10_000
"""One, in basis points."""
WAD = 10**18
"""One, in 1e-18."""
RAY = 10**27
"""One, in 1e-27."""


class VenueRefusesError(LeverlineError):
    """The venue's own code would revert: the rule does not allow this transaction at all."""


def mul_div_floor(a: int, b: int, divisor: int) -> int:
    """``a * b / divisor``, toward minus infinity; the divisor is positive."""
    require(divisor > 0, "a divisor is positive", got=divisor)
    return a * b // divisor


def mul_div_ceil(a: int, b: int, divisor: int) -> int:
    """``a * b / divisor``, toward plus infinity; the divisor is positive."""
    return ceil_div(a * b, divisor)


def mul_div_half_up(a: int, b: int, divisor: int) -> int:
    """``a * b / divisor`` to the nearest integer as Solidity does it: half of the divisor, floored, is added."""
    require(divisor > 0, "a divisor is positive", got=divisor)
    return (a * b + divisor // 2) // divisor


def power_half_up(base: int, exponent: int, one: int) -> int:
    """``base`` (in units of 1 / ``one``) to an integer power by squaring, each product rounded half up.

    The order of products is that of DappHub's ``rpow``: it decides the last digit.
    """
    require(exponent >= 0, "an exponent is not negative", got=exponent)
    result = base if exponent % 2 else one
    exponent //= 2
    while exponent:
        base = mul_div_half_up(base, base, one)
        if exponent % 2:
            result = mul_div_half_up(result, base, one)
        exponent //= 2
    return result
