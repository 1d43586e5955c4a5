r"""All loops at once: volatility model, coverage feedback, governor, and users who react to the limits they are given.

Each loop is harmless alone. Together they might swing: a tighter line forces users to sell, which is volatility, which
tightens the line. So they are run together, over drawn, constant and hostile shocks, and what is shown of one (it
settles, it does not cycle, it stays bounded) is shown of all.

With shock :math:`\epsilon_t`, margin :math:`m_t` in force, users' leverage :math:`\ell_t` and sold share
:math:`f_t = \max(0, 1 - 1/(m_t \ell_t))`:

.. math::
    r_t = \epsilon_t + \mathrm{sign}(\epsilon_t)\, \iota f_t, \qquad
    c_{t+1} = \mathrm{clip}\bigl(c_t\, e^{g (1\{|e^{r_t} - 1| > m_t\} - p)}\bigr), \qquad
    T_{t+1} = c_{t+1}\, q\, \sigma_{t+1}^{\gamma} \bar\sigma^{1 - \gamma},

and the governor leads :math:`m_t` to :math:`T_{t+1}`, as
:func:`~leverline.calibrate.governed_parameter.next_level` does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from leverline.calibrate._closed_loop_kernels import MAX_BUDGET_STEPS, REFILL, close_loop, govern_paths
from leverline.calibrate.governed_parameter import BUDGET_S, Pace, next_level, remembered
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import require
from leverline.market.bars import NS_PER_S
from leverline.model.appetite import SECONDS_PER_DAY
from leverline.model.appetite_line import FeedbackAppetite, GovernorAppetite
from leverline.model.policy import ParameterHistory


@dataclass(frozen=True, slots=True)
class Loop:
    """What surrounds the governor. Volatilities per step; ``nominal`` is the allowed breach probability per step.

    ``tail`` is the target over volatility when volatility stands at ``long_run_volatility``; ``filtering`` the power of
    volatility in it. ``use`` is the share of allowed leverage that users take, ``impact`` the log price move per share
    of their positions that a tighter line makes them sell.
    """

    tail: float = 3.0
    filtering: float = 0.5
    fast: float = 0.94
    slow: float = 0.99
    long_run_volatility: float = 0.04
    floor: float = 0.01
    nominal: float = 0.01
    use: float = 0.8
    impact: float = 0.1
    feedback: FeedbackAppetite | None = None

    def __post_init__(self) -> None:
        for share in (self.filtering, self.use, self.nominal, self.fast, self.slow):
            require(0.0 <= share <= 1.0, "filtering, use, nominal and decays lie in [0, 1]", got=share)
        require(self.tail > 0 and self.long_run_volatility > 0 and 0 < self.floor < 1 and self.impact >= 0,
                "tail, volatility and floor are positive, impact is not negative")


@dataclass(frozen=True, slots=True)
class LoopPaths:
    """Paths of shape (n_steps, n_markets); row ``t`` of ``margin`` and ``leverage`` is in force at shock ``t``."""

    margin: FloatArray
    target: FloatArray
    factor: FloatArray
    leverage: FloatArray


def govern_levels(targets: FloatArray, appetite: GovernorAppetite, *, step_s: float = SECONDS_PER_DAY) -> FloatArray:
    """Margins that the governor holds while it is led by ``targets`` (n_steps, n_columns), one step every ``step_s``.

    Row ``t`` holds from target ``t`` on. NaN where there is no target; the level waits for the next one.
    """
    targets = np.ascontiguousarray(targets, dtype=np.float64)
    require(targets.ndim == 2, "targets have shape (n_steps, n_columns)", got=targets.shape)
    require(not bool(np.any(targets <= 0)), "targets are positive, or NaN where there is none")
    levels = np.empty_like(targets)
    govern_paths(targets, _pace_array(Pace.of_margin(appetite), step_s), levels)
    return levels


def govern_levels_readable(
    targets: FloatArray, appetite: GovernorAppetite, *, step_s: float = SECONDS_PER_DAY
) -> FloatArray:
    """What :func:`govern_levels` computes, by the rule that moves books."""
    pace = Pace.of_margin(appetite)
    levels = np.full(targets.shape, np.nan)
    for j in range(targets.shape[1]):
        history, held = ParameterHistory(), None
        for t, target in enumerate(targets[:, j].tolist()):
            if target != target:
                continue
            held, history = (target, ParameterHistory(levels=((_at(t, step_s), target),))) if held is None else (
                _stepped(held, target, history, pace, _at(t, step_s)))
            levels[t, j] = held
    return levels


def closed_loop(shocks: FloatArray, appetite: GovernorAppetite, loop: Loop, *, step_s: float = SECONDS_PER_DAY) -> (
        LoopPaths):
    """Run all loops over ``shocks``, log returns (n_steps, n_markets) that would happen without the users' selling."""
    shocks = np.ascontiguousarray(shocks, dtype=np.float64)
    require(shocks.ndim == 2, "shocks have shape (n_steps, n_markets)", got=shocks.shape)
    require(not bool(np.isinf(shocks).any()), "shocks are finite, or NaN where there is none")
    paths = LoopPaths(*(np.empty_like(shocks) for _ in range(4)))
    close_loop(shocks, _pace_array(Pace.of_margin(appetite), step_s), _loop_array(loop),
               paths.margin, paths.target, paths.factor, paths.leverage)
    return paths


def closed_loop_readable(
    shocks: FloatArray, appetite: GovernorAppetite, loop: Loop, *, step_s: float = SECONDS_PER_DAY
) -> LoopPaths:
    """What :func:`closed_loop` computes, a step and a market at a time, by the rule that moves books."""
    pace = Pace.of_margin(appetite)
    paths = LoopPaths(*(np.empty(shocks.shape) for _ in range(4)))
    long_run = loop.long_run_volatility
    for j in range(shocks.shape[1]):
        fast = slow = long_run**2
        scale = 1.0
        held = target = _target(loop, scale, long_run)
        used = loop.use / held
        history = ParameterHistory(levels=((_at(-1, step_s), held),))
        for t, shock in enumerate(shocks[:, j].tolist()):
            paths.margin[t, j], paths.leverage[t, j] = held, used
            if shock == shock:
                sold = max(0.0, 1.0 - 1.0 / held / used)
                move = shock + float(np.sign(shock)) * loop.impact * sold
                used = min(used, 1.0 / held)
                used += REFILL * (loop.use * (1.0 / held) - used)
                scale = _next_factor(loop, scale, breached=abs(float(np.expm1(move))) > held)
                fast = loop.fast * fast + (1.0 - loop.fast) * move * move
                slow = loop.slow * slow + (1.0 - loop.slow) * move * move
                target = _target(loop, scale, float(np.sqrt(0.5 * (fast + slow))))
                held, history = _stepped(held, target, history, pace, _at(t, step_s))
            paths.target[t, j], paths.factor[t, j] = target, scale
    return paths


def _stepped(held: float, target: float, history: ParameterHistory, pace: Pace, now_ns: int) -> (
        tuple[float, ParameterHistory]):
    step = next_level(target / held, held, history, pace, now_ns)
    return held * step.factor, remembered(history, step, held, now_ns)


def _target(loop: Loop, scale: float, sigma: float) -> float:
    """The calibrated margin, never below the floor nor above the notional."""
    asked = scale * loop.tail * sigma**loop.filtering * loop.long_run_volatility ** (1.0 - loop.filtering)
    return float(min(1.0, max(loop.floor, asked)))


def _next_factor(loop: Loop, scale: float, *, breached: bool) -> float:
    """One market's step of :func:`~leverline.calibrate.coverage_feedback.next_factor`, without arrays."""
    if loop.feedback is None:
        return scale
    moved = scale * math.exp(loop.feedback.gain * (float(breached) - loop.nominal))
    return min(loop.feedback.highest, max(loop.feedback.lowest, moved))


def _pace_array(pace: Pace, step_s: float) -> FloatArray:
    """The pace in steps; entries in the kernels' order."""
    require(step_s > 0, "a step takes time", got=step_s)
    span = max(1, int(np.ceil(BUDGET_S / step_s)))
    require(span <= MAX_BUDGET_STEPS, f"five days are at most {MAX_BUDGET_STEPS} steps", got=span)
    return np.array([np.ceil(pace.min_delay_s / step_s - 1e-9), pace.max_tightening, pace.max_loosening, pace.dead_band,
                     pace.buffer, pace.hysteresis, pace.emergency_trigger, pace.emergency_max_tightening,
                     pace.five_day_budget, span])


def _loop_array(loop: Loop) -> FloatArray:
    """Entries in the kernels' order."""
    gain, lowest, highest = (0.0, 1.0, 1.0) if loop.feedback is None else (
        loop.feedback.gain, loop.feedback.lowest, loop.feedback.highest)
    return np.array([loop.tail, loop.filtering, loop.fast, loop.slow, gain, lowest, highest, loop.nominal, loop.floor,
                     loop.use, loop.impact, loop.long_run_volatility])


def _at(step: int, step_s: float) -> int:
    """Time of a step, ns."""
    return round(step * step_s * NS_PER_S)
