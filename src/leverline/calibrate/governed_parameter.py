r"""One step of one number: how far it may go, and why it goes no further.

A number is seen as a *level*: how much it asks of an account. Of a rate of margin the level is the rate itself, of a
limit that is tighter when lower its reciprocal. With the target's level over the current one as the distance :math:`r`,

.. math:: r > (1 + d): \text{ tighten},\qquad r (1 + b) < 1: \text{ loosen},\qquad \text{else stand},

with dead band :math:`d` and buffer :math:`b`. A margin stops at the band's edge, so that in a calm it keeps the buffer
and in a storm spends it before it rises: the buffer of EMIR RTS 153/2013 Art. 28(1)(a) kept by the rule that moves
margins instead of added to them. Other limits go the whole way. Turning round asks for a further distance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from leverline.ground.errors import require
from leverline.market.bars import NS_PER_S
from leverline.model.appetite_line import GovernorAppetite
from leverline.model.policy import LOOSENED, TIGHTENED, UNMOVED, ParameterHistory

BUDGET_S = 5 * 86_400
"""The span of the procyclicality budget: Murphy, Vasios and Vause (2014) measure the five-day rise."""
CLOSE = 1e-9
"""Relative distance that is none: rates are published to a millionth."""


class Why(StrEnum):
    """Why a number moves, or why it does not move further."""

    AT_TARGET = "at target"
    DEAD_BAND = "inside the dead band or the buffer"
    TURNING = "turning round needs a larger distance"
    TOO_SOON = "too soon after its last change"
    REACHED = "reaches where it should stand"
    BOUNDED = "as far as one step may go"
    EMERGENCY = "emergency: as far as an emergency step may go"
    BUDGET = "as far as the five-day budget allows"
    BUDGET_SPENT = "the five-day budget is spent"
    STALE = "the target is too old to act on"
    OVERRIDDEN = "set by a person until the override ends"
    LIQUIDATES = "would liquidate accounts at unchanged prices"
    HELD = "held by another limit that has to move first"
    UNSET = "set in one book only: no step leads there"
    PEOPLE = "not this policy's to change"
    ADOPTED = "taken over whole: it liquidates nobody"
    ZERO = "0 disables it, which is left to people"
    GRAIN = "finer than the unit in which it is set"
    RAMP = "open positions follow the announced schedule"


@dataclass(frozen=True, slots=True)
class Pace:
    """How a level may move; shares are relative to where it stands; see ``GovernorAppetite``."""

    min_delay_s: float
    max_tightening: float
    max_loosening: float
    dead_band: float
    buffer: float
    hysteresis: float
    emergency_trigger: float
    emergency_max_tightening: float
    five_day_budget: float
    stops_at: Literal["edge", "target"]

    @classmethod
    def of_margin(cls, appetite: GovernorAppetite) -> Pace:
        """Of margin rates: they stop at the edge of the band, and spend the buffer before they rise."""
        return cls(appetite.min_delay_s, appetite.max_tightening, appetite.max_loosening, appetite.dead_band,
                   appetite.buffer, appetite.hysteresis, appetite.emergency_trigger,
                   appetite.emergency_max_tightening, appetite.five_day_budget, "edge")

    @classmethod
    def of_limit(cls, appetite: GovernorAppetite) -> Pace:
        """Of caps and collateral: no buffer, no budget, and outside the dead band they go all the way."""
        return replace(cls.of_margin(appetite), dead_band=appetite.limit_dead_band, buffer=0.0,
                       five_day_budget=math.inf, stops_at="target")


@dataclass(frozen=True, slots=True)
class Step:
    """``factor`` is the new level over the old one; 1 where it stands."""

    factor: float
    why: Why
    due_ns: int | None = None

    @property
    def direction(self) -> int:
        """Tightened, loosened or unmoved."""
        return TIGHTENED if self.factor > 1.0 else LOOSENED if self.factor < 1.0 else UNMOVED


def next_level(distance: float, level: float, history: ParameterHistory, pace: Pace, now_ns: int) -> Step:
    """The step of a level whose target stands ``distance`` (target over current, positive) away.

    ``level`` is where it stands, in the unit of ``history.levels``. An emergency has its own bound and its own clock:
    it does not wait for the last ordinary step, only for the last emergency, and it may overdraw the budget.
    """
    require(distance > 0, "a distance is a positive ratio", got=distance)
    if abs(distance - 1.0) <= CLOSE:
        return Step(1.0, Why.AT_TARGET)
    wanted = _wanted(distance, pace)
    if abs(wanted - 1.0) <= CLOSE:
        return Step(1.0, Why.DEAD_BAND)
    turning = history.direction == (LOOSENED if wanted > 1.0 else TIGHTENED)
    beyond = _beyond(distance, pace)
    if turning and beyond <= 1.0 + pace.hysteresis:
        return Step(1.0, Why.TURNING)
    if distance >= pace.emergency_trigger and _due(history.emergency_ns, pace, now_ns) <= now_ns:
        return _reached(wanted, 1.0 + pace.emergency_max_tightening, Why.EMERGENCY, _due(now_ns, pace, now_ns))
    due = _due(history.changed_ns, pace, now_ns)
    if due > now_ns:
        return Step(1.0, Why.TOO_SOON, due)
    if wanted < 1.0:
        return _reached(wanted, 1.0 - pace.max_loosening, Why.BOUNDED, _due(now_ns, pace, now_ns))
    room = pace.five_day_budget * lowest_level(level, history, now_ns) / level
    if room <= 1.0 + CLOSE:
        return Step(1.0, Why.BUDGET_SPENT, now_ns + NS_PER_S * BUDGET_S // 5)
    bound = min(room, 1.0 + pace.max_tightening)
    why = Why.BUDGET if room < 1.0 + pace.max_tightening else Why.BOUNDED
    return _reached(wanted, bound, why, _due(now_ns, pace, now_ns))


def lowest_level(level: float, history: ParameterHistory, now_ns: int) -> float:
    """The lowest level that held within the last five days: what the budget is counted from."""
    begin = now_ns - BUDGET_S * NS_PER_S
    inside = [past for at, past in history.levels if at > begin]
    before = [past for at, past in history.levels if at <= begin]
    return min([level, *inside, *before[-1:]])


def remembered(history: ParameterHistory, step: Step, level: float, now_ns: int) -> ParameterHistory:
    """History after ``step`` from ``level``; a number that stands leaves it as it was, but for its first level."""
    levels = history.levels or ((now_ns, level),)
    if step.direction == UNMOVED:
        return replace(history, levels=levels)
    begin = now_ns - BUDGET_S * NS_PER_S
    before = [pair for pair in levels if pair[0] <= begin][-1:]
    inside = [pair for pair in levels if pair[0] > begin]
    emergency = now_ns if step.why is Why.EMERGENCY else history.emergency_ns
    return ParameterHistory(now_ns, emergency, step.direction, (*before, *inside, (now_ns, level * step.factor)))


def _wanted(distance: float, pace: Pace) -> float:
    """Where the level would go at once if nothing bounded it, over where it stands; 1 inside the band."""
    if distance > 1.0 + pace.dead_band:
        return distance / (1.0 + pace.dead_band) if pace.stops_at == "edge" else distance
    below = pace.buffer if pace.stops_at == "edge" else pace.dead_band
    if distance * (1.0 + below) < 1.0:
        return distance * (1.0 + below) if pace.stops_at == "edge" else distance
    return 1.0


def _beyond(distance: float, pace: Pace) -> float:
    """How far outside the band the target stands, as a ratio above 1."""
    if distance > 1.0:
        return distance / (1.0 + pace.dead_band)
    return 1.0 / (distance * (1.0 + (pace.buffer if pace.stops_at == "edge" else pace.dead_band)))


def _due(last_ns: int | None, pace: Pace, now_ns: int) -> int:
    return now_ns if last_ns is None else last_ns + round(pace.min_delay_s * NS_PER_S)


def _reached(wanted: float, bound: float, why: Why, due_ns: int) -> Step:
    """``wanted`` where it lies within ``bound``, else the bound, ``why``, and when it goes on."""
    within = wanted <= bound if wanted > 1.0 else wanted >= bound
    return Step(wanted, Why.REACHED) if within else Step(bound, why, due_ns)
