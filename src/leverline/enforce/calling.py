"""Margin calls: a pool that comes near liquidation is told so once, and again only after it had recovered."""

from __future__ import annotations

from leverline.enforce.effects import Effect, MarginCall
from leverline.enforce.margining import Standing
from leverline.enforce.state import VenueState
from leverline.enforce.terms import PPM
from leverline.margin.rounding import ceil_div

CALL_RATIO_PPM = 800_000
"""Maintenance over counted equity at which the call goes out: four fifths, as exchanges warn at 80 %."""
RECOVERED_RATIO_PPM = 750_000
"""And below which the pool counts as recovered; the gap keeps a pool at the edge from being called every tick."""


def call_level(now: Standing) -> int:
    """Counted equity below which the call goes out, units."""
    return ceil_div(now.maintenance * PPM, CALL_RATIO_PPM)


def call_margin(state: VenueState, pool: int, now: Standing) -> list[Effect]:
    """The call, if this pool has just crossed its call level; forgets an older call once it recovered."""
    called = pool in state.room("calls")
    if not now.priced or not now.owes:
        if called and not now.owes:
            state.undo.remove(state.room("calls"), pool)
        return []
    level = call_level(now)
    if not called and now.counted_maintenance < level:
        state.undo.put(state.room("calls"), pool, state.now_ns)
        return [MarginCall(state.pools[pool].key, level - now.counted_maintenance)]
    if called and now.counted_maintenance >= ceil_div(now.maintenance * PPM, RECOVERED_RATIO_PPM):
        state.undo.remove(state.room("calls"), pool)
    return []
