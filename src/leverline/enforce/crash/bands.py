"""Safe bands of many pools at once: what :class:`~leverline.enforce.band_watch.BandWatch` draws for one, in columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leverline.enforce.calling import CALL_RATIO_PPM
from leverline.enforce.crash import _kernels as kernels
from leverline.enforce.crash.columns import Curve, PositionColumns, bounded
from leverline.enforce.pool_columns import FLAT, ODD, PoolColumns, among
from leverline.enforce.state import VenueState
from leverline.ground.arrays import BoolArray, IntArray

if TYPE_CHECKING:
    from leverline.enforce.band_watch import Slope

ROUNDING = 8
"""Units that rounding may take of the slack of one position and cash."""


@dataclass(frozen=True, slots=True)
class Triggers:
    """Prices (of falls negated) ascending with their pools, and pools without slack."""

    falls: tuple[IntArray, IntArray]
    rises: tuple[IntArray, IntArray]
    restless: IntArray


def by_kind(columns: PoolColumns, pools: list[int], restless: set[int],
            ) -> tuple[list[int], dict[str, IntArray], list[int]]:
    """``pools`` that hold nothing but settlement cash; by market, those with one position beside it; and the others."""
    pool = np.array(pools, np.int64)
    kind = columns.kind[pool]
    waiting = among(pool, restless) & (kind >= 0)
    simple = {market: pool[(kind == k) & ~waiting] for market, k in columns.markets.items()}
    return (pool[kind == FLAT].tolist(), {market: chosen for market, chosen in simple.items() if chosen.size},
            pool[(kind == ODD) | waiting].tolist())


def triggers(state: VenueState, pools: PoolColumns, market: str, chosen: IntArray, slope: Slope) -> Triggers | None:
    """Of ``chosen`` pools with one position, in ``market``, and settlement cash; None where amounts may leave int64."""
    mark = state.markets[market].mark
    if mark is None or market in state.room("decay") or not slope.smooth:
        none = np.zeros(0, np.int64)
        return Triggers((none, none), (none, none), chosen)
    curve = Curve(state.terms.markets[market], mark)
    columns = PositionColumns.read_off(pools, market, chosen)
    if not curve.fits() or not bounded(state, columns, curve):
        return None
    trigger, is_calm = np.empty(columns.held.size, np.int64), np.empty(columns.held.size, np.bool_)
    kernels.band(columns.held, columns.cost, columns.cash, mark, curve.terms.value, CALL_RATIO_PPM, slope.steepest_ppm,
                 ROUNDING, *curve.tiers, trigger, is_calm)
    return Triggers(_in_order(trigger, columns, is_calm & (columns.held > 0)),
                    _in_order(trigger, columns, is_calm & (columns.held < 0)), columns.pool[~is_calm])


def _in_order(trigger: IntArray, columns: PositionColumns, chosen: BoolArray) -> tuple[IntArray, IntArray]:
    order = np.flatnonzero(chosen)
    order = order[np.argsort(trigger[order], kind="stable")]
    return trigger[order], columns.pool[order]
