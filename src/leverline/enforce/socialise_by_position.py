"""Socialised loss by position: those who hold a market bear what its bankrupt positions left, lot for lot.

Drift v2 charges it through the funding index, to longs and shorts alike
(:func:`leverline.margin.rulebooks.drift_v2_liquidation.funding_delta`); its rounding leaves some units over. Shares
here are the same to a unit and sum to the loss exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leverline.enforce.deleveraging.apportion import in_proportion
from leverline.enforce.effects import Stage
from leverline.enforce.policies import Absorbed, Debt
from leverline.enforce.socialise import SocialisedLoss, collect
from leverline.enforce.state import VenueState


@dataclass(frozen=True, slots=True)
class SocialisedByPosition:
    """Debts of each market on its holders by lots, nobody beyond its equity; a debt of no market stays owed.

    Where the holders have too little equity between them, the rest stays owed: money is not made.
    """

    stage: Stage = Stage.SOCIALISED

    def pay(self, state: VenueState, debts: Sequence[Debt]) -> list[Absorbed]:
        """Market by market in the order of their names, each as one loss."""
        answers = {place: Absorbed(0, 0, (), "the debt belongs to no market")
                   for place, debt in enumerate(debts) if not debt.owing.market}
        for market in sorted({debt.owing.market for debt in debts} - {""}):
            places = [place for place, debt in enumerate(debts) if debt.owing.market == market]
            group = [debts[place] for place in places]
            shares = self.shares(state, market, sum(debt.owed for debt in group))
            answers |= dict(zip(places, collect(state, shares, group), strict=True))
        return [answers[place] for place in range(len(debts))]

    def shares(self, state: VenueState, market: str, loss: int) -> list[tuple[int, int]]:
        """(pool, units) of each holder of the market with equity, ascending."""
        bearers = [(pool, equity) for pool, equity in SocialisedLoss().bearers(state) if pool in state.holders[market]]
        lots = [abs(state.positions.lots[pool][market]) for pool, _ in bearers]
        borne = in_proportion(loss, lots, [equity for _, equity in bearers])
        return [(pool, amount) for (pool, _), amount in zip(bearers, borne, strict=True)]
