"""Loops behind :mod:`leverline.calibrate.closed_loop`: many markets' margins through time. Readable twins stand there.

``pace`` is an array in the order of the constants below; times count in steps.
"""

from __future__ import annotations

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.compiled import njit

DELAY, TIGHTENING, LOOSENING, DEAD_BAND, BUFFER, HYSTERESIS, TRIGGER, EMERGENCY, BUDGET, BUDGET_STEPS = range(10)
"""Entries of ``pace``."""
TAIL, FILTERING, FAST, SLOW, GAIN, LOWEST, HIGHEST, NOMINAL, FLOOR, APPETITE, IMPACT, LONG_RUN = range(12)
"""Entries of ``loop``: the model, the coverage feedback, and the users."""
CLOSE = 1e-9
LONG_AGO = 1 << 40
MAX_BUDGET_STEPS = 512
REFILL = 0.1
"""Share of the distance to the leverage they want that users go in a step."""


@njit
def governed(
    held: float, target: float, lowest: float, direction: int, waited: int, waited_emergency: int, pace: FloatArray,
) -> tuple[float, int]:
    """The next level and how it was reached: 0 stands, 1 an ordinary step, 2 an emergency."""
    distance = target / held
    if abs(distance - 1.0) <= CLOSE:
        return held, 0
    up = distance / (1.0 + pace[DEAD_BAND])
    down = distance * (1.0 + pace[BUFFER])
    wanted = up if up > 1.0 else min(1.0, down)
    if abs(wanted - 1.0) <= CLOSE:
        return held, 0
    turns = direction == (-1 if wanted > 1.0 else 1)
    beyond = up if distance > 1.0 else 1.0 / down
    if turns and beyond <= 1.0 + pace[HYSTERESIS]:
        return held, 0
    if distance >= pace[TRIGGER] and waited_emergency >= pace[DELAY]:
        return held * min(wanted, 1.0 + pace[EMERGENCY]), 2
    if waited < pace[DELAY]:
        return held, 0
    if wanted < 1.0:
        return held * max(wanted, 1.0 - pace[LOOSENING]), 1
    room = pace[BUDGET] * min(lowest, held) / held
    if room <= 1.0 + CLOSE:
        return held, 0
    return held * min(wanted, room, 1.0 + pace[TIGHTENING]), 1


@njit
def govern_paths(targets: FloatArray, pace: FloatArray, levels: FloatArray) -> None:
    """Levels in force after each step, into ``levels``; both (n_steps, n_columns).

    A column starts at its first target. NaN where there is no target; the level waits until there is one again.
    """
    n_steps, n_columns = targets.shape
    span = int(pace[BUDGET_STEPS])
    recent = np.empty(MAX_BUDGET_STEPS)
    for j in range(n_columns):
        held, direction, changed, emergency = np.nan, 0, -LONG_AGO, -LONG_AGO
        for t in range(n_steps):
            target = targets[t, j]
            if np.isnan(target):
                levels[t, j] = np.nan
            elif np.isnan(held):
                held = target
                recent[:span] = held
                levels[t, j] = held
            else:
                level, kind = governed(held, target, recent[:span].min(), direction, t - changed, t - emergency, pace)
                if kind > 0 and level != held:
                    direction = 1 if level > held else -1
                    changed = t
                    if kind == 2:
                        emergency = t
                held = level
                levels[t, j] = held
            recent[t % span] = held


@njit
def close_loop(
    shocks: FloatArray, pace: FloatArray, loop: FloatArray, margin: FloatArray, target: FloatArray,
    factor: FloatArray, leverage: FloatArray,
) -> None:
    """All loops of one market at once, column by column; outputs have the shape of ``shocks``, (n_steps, n_markets).

    Row ``t`` of ``margin`` and ``leverage`` is in force while shock ``t`` happens; ``target`` and ``factor`` are known
    after it. Users hold ``APPETITE`` of the leverage allowed; what a tighter line forbids them is sold at once, and
    moves the price on by ``IMPACT`` times that share, in the direction of the shock. A NaN shock stops the clock.
    """
    n_steps, n_markets = shocks.shape
    span = int(pace[BUDGET_STEPS])
    recent = np.empty(MAX_BUDGET_STEPS)
    for j in range(n_markets):
        fast = slow = loop[LONG_RUN] ** 2
        scale, wanted = 1.0, min(1.0, max(loop[FLOOR], loop[TAIL] * loop[LONG_RUN]))
        held, direction, changed, emergency = wanted, 0, -LONG_AGO, -LONG_AGO
        used = loop[APPETITE] / held
        recent[:span] = held
        for t in range(n_steps):
            margin[t, j], leverage[t, j] = held, used
            shock = shocks[t, j]
            if not np.isnan(shock):
                allowed = 1.0 / held
                forced = max(0.0, 1.0 - allowed / used)
                used = min(used, allowed)
                move = shock + np.sign(shock) * loop[IMPACT] * forced
                used += REFILL * (loop[APPETITE] * allowed - used)
                breached = 1.0 if abs(np.expm1(move)) > held else 0.0
                moved = scale * np.exp(loop[GAIN] * (breached - loop[NOMINAL]))
                scale = min(loop[HIGHEST], max(loop[LOWEST], moved))
                fast = loop[FAST] * fast + (1.0 - loop[FAST]) * move * move
                slow = loop[SLOW] * slow + (1.0 - loop[SLOW]) * move * move
                sigma = np.sqrt(0.5 * (fast + slow))
                asked = scale * loop[TAIL] * sigma ** loop[FILTERING] * loop[LONG_RUN] ** (1.0 - loop[FILTERING])
                wanted = min(1.0, max(loop[FLOOR], asked))
                level, kind = governed(held, wanted, recent[:span].min(), direction, t - changed, t - emergency, pace)
                if kind > 0 and level != held:
                    direction = 1 if level > held else -1
                    changed = t
                    if kind == 2:
                        emergency = t
                held = level
            target[t, j], factor[t, j] = wanted, scale
            recent[t % span] = held
