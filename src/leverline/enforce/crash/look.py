"""A price that makes many pools liquidatable at once, handled in columns: same state, same effects, one batch.

In columns go the pools that hold one position, in the market whose price came, and settlement cash, and wait for
nothing; all others go the exact way, one by one, and both meet every stage together in the order of pool numbers. What
has no form in columns (a stage, a size policy, a market whose figures leave int64) goes the exact way too, so that this
path decides nothing: it is how fast the same decision is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from leverline.enforce.calling import CALL_RATIO_PPM, RECOVERED_RATIO_PPM
from leverline.enforce.crash import _kernels as kernels
from leverline.enforce.crash.columns import Curve, PositionColumns, bounded, simple_pools
from leverline.enforce.effect_batch import MarginCalls, Refusals, Singles, Table, place
from leverline.enforce.effects import Effect, Stage
from leverline.enforce.events import Body, OracleUpdate
from leverline.enforce.liquidating import look_at_each
from leverline.enforce.policies import Closing, LiquidationGate, SizePolicy, VenuePolicies
from leverline.enforce.pool_columns import PoolColumns, among
from leverline.enforce.sizing import CloseFactor, Portion, TargetHealth, WholePool
from leverline.enforce.state import VenueState
from leverline.enforce.watch import Watch
from leverline.ground.arrays import BoolArray, IntArray

BEFORE, LOOK = 0, 1
"""Phases of an event, by which effects are ordered; each stage is a phase of its own after them."""


@dataclass(slots=True)
class Crash:
    """An event under way. ``rows`` are the simple pools that are liquidated, ``left`` their lots to close, signed."""

    state: VenueState
    policies: VenuePolicies
    market: str
    curve: Curve
    before: PoolColumns  # all pools as they were before the price
    rows: PositionColumns
    left: IntArray
    bankruptcy: IntArray
    called: BoolArray  # before this event
    newly_called: BoolArray
    exact: list[Closing] = field(default_factory=list)  # of the other pools, as far as they are left
    came_from: list[Stage] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    phase: int = LOOK
    elsewhere: set[int] | None = field(default_factory=set)  # other pools whose positions changed; None if unknown

    @property
    def pool(self) -> IntArray:
        """Numbers of the rows' pools."""
        return self.rows.pool

    def now(self, elsewhere: set[int]) -> PoolColumns:
        """All pools' positions at this moment, where they changed in the rows and ``elsewhere`` alone."""
        return self.before.changed(self.state, self.rows.pool, self.rows.held, self.rows.cost, elsewhere)

    def say(self, pool: int, effects: Sequence[Effect], rank: int = 0) -> None:
        """Effects of one pool in the present phase, made one by one."""
        if effects:
            self.tables.append(Singles(place(self.phase, pool, rank + np.arange(len(effects))), tuple(effects)))


def size_in_columns(size: SizePolicy) -> tuple[int, int, int] | None:
    """Number and two figures of a size policy that kernels know; None for any other."""
    if size.cooldown_ns or type(size) not in (WholePool, Portion, CloseFactor, TargetHealth):
        return None
    match size:
        case WholePool():
            return kernels.WHOLE, 0, 0
        case Portion() if 0 < size.share_ppm <= 10**6 and 0 <= size.least < 2**60:
            return kernels.PORTION, size.share_ppm, size.least
        case CloseFactor() if 0 < size.share_ppm <= 10**6 and 0 <= size.whole_below_ppm <= 10**6:
            return kernels.CLOSE_FACTOR, size.share_ppm, size.whole_below_ppm
        case TargetHealth() if 0 <= size.target_ppm <= 4 * 10**6:
            return kernels.TARGET_HEALTH, size.target_ppm, 0
    return None


def begin(state: VenueState, body: Body, looked: Sequence[int], policies: VenuePolicies, gate: LiquidationGate,
          watch: Watch) -> Crash | None:
    """Look at everybody after a price; None, and nothing done, where the exact path is to be taken."""
    if not isinstance(body, OracleUpdate) or body.name not in state.markets:
        return None
    market, mark = body.name, state.markets[body.name].mark
    size = size_in_columns(policies.size)
    if (size is None or mark is None or policies.patience_ns or policies.most_cuts is not None
            or market in state.room("decay") or not gate(state, market)):
        return None
    curve = Curve(state.terms.markets[market], mark)
    assert not state.undo.keys(state.ledger.cash), "a price moves no cash"
    pools = watch.columns(state)
    is_simple = simple_pools(state, pools, market, looked)
    if not is_simple.any() or not curve.fits():
        return None
    pool = np.array(looked, np.int64)
    columns = PositionColumns.read_off(pools, market, pool[is_simple])
    if not bounded(state, columns, curve):
        return None
    crash = _look_in_columns(state, policies, curve, columns, pools, size)
    for other in pool[~is_simple].tolist():
        effects, handed = look_at_each(state, [other], policies, gate)
        crash.say(other, effects)
        crash.exact += [closing for closing, _ in handed]
        crash.came_from += [stage for _, stage in handed]
    return crash


def _look_in_columns(state: VenueState, policies: VenuePolicies, curve: Curve, columns: PositionColumns,
                     pools: PoolColumns, size: tuple[int, int, int]) -> Crash:
    """Margin calls of all, and the closings of those below maintenance."""
    n, calls = columns.held.size, state.room("calls")
    called = among(columns.pool, calls)
    deficit, closing, bankruptcy = (np.zeros(n, np.int64) for _ in range(3))
    recovered = np.zeros(n, np.bool_)
    kernels.look(columns.held, columns.cost, columns.cash, called, curve.mark, curve.terms.value,
                 curve.terms.penalty_ppm, CALL_RATIO_PPM, RECOVERED_RATIO_PPM, *size, *curve.tiers, deficit, recovered,
                 closing, bankruptcy)
    sinking, pool = np.flatnonzero(closing), columns.pool
    newly = deficit > 0
    afloat = closing == 0
    told = pool[newly & afloat].tolist()
    state.undo.put_all(calls, told, [state.now_ns] * len(told))
    state.undo.remove_all(calls, pool[recovered & afloat].tolist())
    crash = Crash(state, policies, columns.market, curve, pools, columns.taken(sinking), closing[sinking],
                  bankruptcy[sinking], called[sinking], newly[sinking])
    crash.tables += [MarginCalls(place(LOOK, pool[newly]), pool[newly], deficit[newly]),
                     Refusals(place(LOOK, pool[sinking], 1), pool[sinking], Stage.BOOK, "the venue has no book")]
    return crash
