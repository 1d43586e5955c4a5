"""Prices of Dutch auctions over time, in ray (1e-27) per unit of collateral; every curve rounds down.

Source: makerdao/dss src/abaci.sol, read 2026-11. All three start at ``top`` and never rise.
"""

from __future__ import annotations

from leverline.ground.errors import require
from leverline.margin.fixed_point import RAY, mul_div_floor, power_half_up


def linear_price(top: int, elapsed_s: int, duration_s: int) -> int:
    """Straight from ``top`` to zero over ``duration_s``; zero from then on."""
    require(elapsed_s >= 0, "time since the start is not negative", got=elapsed_s)
    if elapsed_s >= duration_s:
        return 0
    return mul_div_floor(top, (duration_s - elapsed_s) * RAY // duration_s, RAY)


def stairstep_price(top: int, elapsed_s: int, step_s: int, cut: int) -> int:
    """Multiplied by ``cut`` (ray) once every ``step_s`` seconds, flat in between."""
    require(elapsed_s >= 0, "time since the start is not negative", got=elapsed_s)
    require(step_s > 0, "a step lasts longer than nothing", got=step_s)
    require(0 < cut <= RAY, "cut is a share of one in ray", got=cut)
    return mul_div_floor(top, power_half_up(cut, elapsed_s // step_s, RAY), RAY)


def exponential_price(top: int, elapsed_s: int, cut: int) -> int:
    """Multiplied by ``cut`` (ray) every second."""
    return stairstep_price(top, elapsed_s, 1, cut)
