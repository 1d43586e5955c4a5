"""What a pool owes once its positions are gone, and where that came from: a fund covers the perils that it names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from leverline.enforce.state import VenueState


class Peril(StrEnum):
    """Where a debt comes from."""

    LIQUIDATION = "liquidation"
    SETTLEMENT = "settlement"
    CASH = "cash"  # fees, interest or a shared loss, without a position


@dataclass(frozen=True, slots=True)
class Owing:
    """A pool without positions has negative cash: since it left ``market`` (empty: none), by ``peril``.

    It is followed up when its collateral no longer carries it.
    """

    market: str
    peril: Peril


def note_owing(state: VenueState, pool: int, owing: Owing) -> None:
    """Write where a pool's debt comes from; the outside market owes nothing that is followed up."""
    if not state.pools[pool].external:
        state.undo.put(state.room("owing"), pool, owing)
