"""The waterfall: a loss meets the stages in order; the next runs when one is exhausted or said why it refused.

All that one event hands on goes through together, so that a rule which ranks or shares looks at everybody once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from leverline.enforce.effects import Effect, Stage, StageRefused
from leverline.enforce.margining import standing
from leverline.enforce.policies import ORDER, Closing, Debt, VenuePolicies
from leverline.enforce.state import VenueState


def take_closings(state: VenueState, handed: Sequence[tuple[Closing, Stage]], policies: VenuePolicies) -> list[Effect]:
    """Offer closings to the stages after the one that each comes from; what nobody takes waits for another look."""
    if not handed:
        return []
    effects: list[Effect] = []
    left = [closing for closing, _ in handed]
    for stage in policies.closing_stages:
        offered = [i for i, (_, came_from) in enumerate(handed)
                   if left[i].lots and ORDER.index(stage.stage) > ORDER.index(came_from)]
        if not offered:
            continue
        answers = stage.take(state, [left[i] for i in offered], policies)
        for i, taken in zip(offered, answers, strict=True):
            closing = left[i]
            assert 0 <= taken.lots * closing.lots <= closing.lots**2, "a stage takes at most what is offered"
            effects += taken.effects
            left[i] = replace(closing, lots=closing.lots - taken.lots)
            if left[i].lots:
                effects.append(StageRefused(stage.stage, state.pools[closing.pool].key, taken.refused or "exhausted"))
    for closing in left:
        if closing.lots:
            state.undo.put(state.room("pending"), closing.pool, state.now_ns)
    return effects


def cover_debts(state: VenueState, pools: Sequence[int], policies: VenuePolicies) -> list[Effect]:
    """What pools without positions owe beyond their collateral, paid by each loss stage in turn, to the unit."""
    effects: list[Effect] = []
    for stage in policies.loss_stages:
        debts = debts_of(state, pools)
        if not debts:
            break
        before = [state.ledger.cash[debt.pool] for debt in debts]
        answers = stage.pay(state, debts)
        for debt, cash, paid in zip(debts, before, answers, strict=True):
            assert 0 <= paid.paid <= debt.owed, "a stage pays at most what is owed"
            assert state.ledger.cash[debt.pool] == cash + paid.paid, "what a stage pays arrives"
            effects += paid.effects
            if paid.paid < debt.owed:
                effects.append(StageRefused(stage.stage, state.pools[debt.pool].key, paid.refused or "exhausted"))
    return effects



def debts_of(state: VenueState, pools: Sequence[int]) -> list[Debt]:
    """What each of ``pools``, without positions, owes beyond its collateral: a haircut is no loss before a sale."""
    missing = [(pool, -standing(state, pool).equity) for pool in pools]
    return [Debt(pool, state.room("owing")[pool], owed) for pool, owed in missing if owed > 0]
