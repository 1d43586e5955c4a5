"""Sale at the oracle's price: whoever is not margined here takes lots at once, at the mark less a fee.

For a venue without a book of its own, as those are that trade against an oracle. A pool that a gap took past bankruptcy
is left with a debt, which the loss stages pay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leverline.enforce.bankruptcy import discounted
from leverline.enforce.closing import close
from leverline.enforce.effects import Stage
from leverline.enforce.policies import Absorbed, Closing, VenuePolicies
from leverline.enforce.state import OUTSIDE_POOL, VenueState
from leverline.ground.errors import require

FULL = "the market takes no more at this price"


@dataclass(frozen=True, slots=True)
class OracleSale:
    """Sells at the mark less ``fee_ppm``, in the order of the closings.

    ``capacity``: units of notional at the mark that one market takes on one side in one event; None without a bound.
    What it does not take goes on at the bankruptcy price.
    """

    fee_ppm: int
    capacity: int | None = None
    stage: Stage = Stage.ORACLE

    def __post_init__(self) -> None:
        require(0 <= self.fee_ppm < 10**6, "a fee lies in [0, 1e6) ppm", got=self.fee_ppm)
        require(self.capacity is None or self.capacity >= 0, "a capacity is not negative", got=self.capacity)

    def take(self, state: VenueState, closings: Sequence[Closing], policies: VenuePolicies) -> list[Absorbed]:
        """Each closing in turn, while there is room on its side of its market."""
        room: dict[tuple[str, bool], int | None] = {}
        answers = []
        for closing in closings:
            side = closing.market, closing.lots > 0
            left = room.setdefault(side, self.lots_taken(state, closing.market))
            lots = abs(closing.lots) if left is None else min(abs(closing.lots), left)
            answers.append(self.sold(state, closing, lots, policies))
            if left is not None:
                room[side] = left - lots
        return answers

    def lots_taken(self, state: VenueState, market: str) -> int | None:
        """Lots that the market takes on one side in one event; None without a bound."""
        mark = state.markets[market].mark
        assert mark is not None, "closings have a mark"
        return None if self.capacity is None else self.capacity // state.terms.markets[market].notional(1, mark)

    def sold(self, state: VenueState, closing: Closing, lots: int, policies: VenuePolicies) -> Absorbed:
        """Sell ``lots`` (unsigned) of one closing."""
        if lots == 0:
            return Absorbed(0, 0, (), FULL)
        signed = lots if closing.lots > 0 else -lots
        effects = close(state, policies, closing.pool, closing.market, signed, discounted(state, closing, self.fee_ppm),
                        OUTSIDE_POOL, self.stage, 0)
        return Absorbed(signed, 0, tuple(effects), None if signed == closing.lots else FULL)
