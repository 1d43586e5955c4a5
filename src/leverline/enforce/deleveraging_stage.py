"""Deleveraging: winners are closed against bankrupt pools at the bankruptcy price, one lot for one lot."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from leverline.enforce.effects import Deleveraged, Effect, LiquidationClosed, Stage
from leverline.enforce.margining import standing
from leverline.enforce.policies import Absorbed, Closing, DeleveragingPolicy, VenuePolicies
from leverline.enforce.positions import trade
from leverline.enforce.state import VenueState


@dataclass(frozen=True, slots=True)
class Deleveraging:
    """Closes what is left against the winners whom the policy names, never a lot more than is needed.

    Everything that one event hands on in a market and on a side is allotted at once, so that ranks are those before
    the first of them; the allotted lots meet the closings in the order of pool numbers, each at its own price.
    ``only_bankrupt``: a pool that still has equity is left to the book; ``spares_the_weak``: a winner is passed over
    whom the worst of the prices would leave without equity, because the two bankruptcy prices do not overlap (dYdX).
    """

    policy: DeleveragingPolicy
    only_bankrupt: bool = False
    spares_the_weak: bool = False
    stage: Stage = Stage.DELEVERAGING

    def take(self, state: VenueState, closings: Sequence[Closing], policies: VenuePolicies,  # noqa: ARG002 - protocol's
             ) -> list[Absorbed]:
        """Group by market and side, allot, match."""
        answers: list[Absorbed | None] = [None] * len(closings)
        groups: dict[tuple[str, bool], list[int]] = {}
        for i, closing in enumerate(closings):
            if self.only_bankrupt and standing(state, closing.pool).equity >= 0:
                answers[i] = Absorbed(0, 0, (), "the pool is not bankrupt")
            else:
                groups.setdefault((closing.market, closing.lots > 0), []).append(i)
        closed = frozenset(closing.pool for closing in closings)
        for (market, is_long), places in sorted(groups.items()):
            group = [closings[i] for i in places]
            for i, answer in zip(places, self.match(state, market, is_long, group, closed), strict=True):
                answers[i] = answer
        return [answer for answer in answers if answer is not None]

    def match(self, state: VenueState, market: str, is_long: bool, group: list[Closing], closed: Collection[int],
              ) -> list[Absorbed]:
        """Allot the lots of one market and side, and close the group against them; ``closed`` pools win nothing."""
        need = sum(closing.lots for closing in group)
        winners = winners_of(state, market, is_long, closed)
        if self.spares_the_weak:
            worst = (max if is_long else min)(closing.bankruptcy for closing in group)
            winners = [pool for pool in winners if _equity_closed_at(state, market, pool, worst) >= 0]
        allotted = self.policy.allot(state, market, need, winners)
        assert sum(lots for _, lots in allotted) <= abs(need), "nobody is closed beyond the need"
        queue = [[pool, lots] for pool, lots in allotted if lots]
        answers = []
        for closing in group:
            effects, open_lots = list[Effect](), abs(closing.lots)
            while open_lots and queue:
                winner, available = queue[0]
                lots = min(open_lots, available)
                effects.append(_close_against(state, closing, winner, lots))
                open_lots -= lots
                queue[0][1] -= lots
                if queue[0][1] == 0:
                    queue.pop(0)
            done = abs(closing.lots) - open_lots
            if done:
                effects.append(LiquidationClosed(0, state.pools[closing.pool].key, market, _signed(done, closing),
                                                 closing.bankruptcy, 0, self.stage))
            answers.append(Absorbed(_signed(done, closing), 0, tuple(effects),
                                    "no winner holds the other side" if open_lots else None))
        return answers


def winners_of(state: VenueState, market: str, is_long: bool, closed: Collection[int],
               holders: Iterable[int] | None = None) -> list[int]:
    """Pools on the other side, ascending; neither the outside market nor a pool that is being ``closed`` itself.

    Closed anywhere, not in this market alone: what it lost as a winner its own bankruptcy price would not know.
    ``holders``: all who may be on the other side, where that is known to be fewer than hold the market.
    """
    return sorted(pool for pool in (state.holders[market] if holders is None else holders)
                  if (state.positions.lots[pool][market] < 0) is is_long
                  and pool not in closed and not state.pools[pool].external)


def _equity_closed_at(state: VenueState, market: str, pool: int, price: int) -> int:
    """Equity of a pool, units, if all its lots were closed at ``price`` ticks."""
    mark = state.markets[market].mark
    assert mark is not None, "closings have a mark"
    lots = state.positions.lots[pool][market]
    return standing(state, pool).equity + lots * (price - mark) * state.terms.markets[market].value


def _close_against(state: VenueState, closing: Closing, winner: int, lots: int) -> Deleveraged:
    buyer, seller = (winner, closing.pool) if closing.lots > 0 else (closing.pool, winner)
    trade(state, closing.market, buyer, seller, lots, closing.bankruptcy)
    return Deleveraged(state.pools[winner].key, state.pools[closing.pool].key, closing.market, lots, closing.bankruptcy)


def _signed(lots: int, closing: Closing) -> int:
    return lots if closing.lots > 0 else -lots
