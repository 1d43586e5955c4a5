"""Haircut tiers on the way from one to another: at no size does a haircut move farther than one step may.

A haircut weighs what an account already holds, so a tighter one taken over whole would liquidate by decree. Haircuts
never fall with size, in either schedule; so neither does the middle one of the target, the old haircut less a bound,
and the old one plus another, taken at every size. Steps are in points of haircut, a share of value.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from leverline.calibrate.governed_parameter import CLOSE, Why
from leverline.market.bars import NS_PER_S
from leverline.model.appetite_line import GovernorAppetite
from leverline.model.collateral import HaircutTier
from leverline.model.policy import LOOSENED, TIGHTENED, ParameterHistory

MAX_TIERS = 50
"""Most tiers of a schedule in between; beyond it the smallest rises are joined, against the account."""
Tiers = tuple[HaircutTier, ...] | None


@dataclass(frozen=True, slots=True)
class HaircutStep:
    """``change`` is the largest change at any size, positive where it tightens; 0 where ``tiers`` stand."""

    tiers: Tiers
    change: float
    why: Why
    history: ParameterHistory
    due_ns: int | None = None


def furthest(held: Tiers, wanted: Tiers) -> tuple[float, float]:
    """The largest rise and the largest fall (not positive) of the haircut from ``held`` to ``wanted``, at any size."""
    changes = [new - old for _, old, new in _both(held, wanted)]
    return max(0.0, *changes), min(0.0, *changes)


def next_haircuts(
    held: Tiers, wanted: Tiers, history: ParameterHistory, appetite: GovernorAppetite, now_ns: int
) -> HaircutStep:
    """One step towards ``wanted``: first all that tightens, and only when that is done what loosens.

    An emergency has its own bound and does not wait for the last ordinary step, as for every other limit.
    """
    rise, fall = furthest(held, wanted)
    if max(rise, -fall) <= CLOSE:
        return HaircutStep(wanted, 0.0, Why.AT_TARGET, history)
    tightens = rise > appetite.limit_dead_band
    distance = rise if tightens else -fall
    if distance <= appetite.limit_dead_band:
        return HaircutStep(held, 0.0, Why.DEAD_BAND, history)
    direction = TIGHTENED if tightens else LOOSENED
    if history.direction == -direction and distance <= appetite.limit_dead_band + appetite.hysteresis:
        return HaircutStep(held, 0.0, Why.TURNING, history)
    delay = round(appetite.min_delay_s * NS_PER_S)
    urgent = rise >= appetite.emergency_trigger - 1.0 and (
        history.emergency_ns is None or history.emergency_ns + delay <= now_ns)
    if not urgent and history.changed_ns is not None and history.changed_ns + delay > now_ns:
        return HaircutStep(held, 0.0, Why.TOO_SOON, history, history.changed_ns + delay)
    up = (appetite.emergency_max_tightening if urgent else appetite.max_tightening) if tightens else rise
    down = 0.0 if tightens else appetite.max_loosening
    after = ParameterHistory(now_ns, now_ns if urgent else history.emergency_ns, direction, history.levels)
    if distance <= (up if tightens else down) + CLOSE and (fall >= 0.0 or not tightens):
        return HaircutStep(wanted, rise if tightens else fall, Why.REACHED, after)
    moved = bounded(held, wanted, up, down)
    return HaircutStep(moved, min(rise, up) if tightens else max(fall, -down),
                       Why.EMERGENCY if urgent else Why.BOUNDED, after, now_ns + delay)


def bounded(held: Tiers, wanted: Tiers, up: float, down: float) -> Tiers:
    """``wanted``, but at no size above ``held`` by more than ``up`` or below it by more than ``down``."""
    tiers: list[HaircutTier] = []
    for floor, old, new in _both(held, wanted):
        haircut = round(min(max(new, old - down, 0.0), old + up, 1.0), 9)
        if not tiers or haircut > tiers[-1].haircut:
            tiers.append(HaircutTier(value_floor=floor, haircut=haircut))
    while len(tiers) > MAX_TIERS:
        rises = [upper.haircut - lower.haircut for lower, upper in pairwise(tiers)]
        k = rises.index(min(rises))
        tiers[k:k + 2] = [HaircutTier(value_floor=tiers[k].value_floor, haircut=tiers[k + 1].haircut)]
    return tuple(tiers)


def _both(held: Tiers, wanted: Tiers) -> list[tuple[int, float, float]]:
    """Floors of both, from 0, with the haircut of each from there on."""
    floors = sorted({0, *(tier.value_floor for tier in (*(held or ()), *(wanted or ())))})
    return [(floor, _at(held, floor), _at(wanted, floor)) for floor in floors]


def _at(tiers: Tiers, floor: int) -> float:
    return max((tier.haircut for tier in tiers or () if tier.value_floor <= floor), default=0.0)
