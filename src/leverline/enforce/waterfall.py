"""The waterfall: a loss meets the stages in order; the next runs when one is exhausted or said why it refused."""

from __future__ import annotations

from dataclasses import replace

from leverline.enforce.effects import Effect, StageRefused
from leverline.enforce.policies import Closing, VenuePolicies
from leverline.enforce.state import VenueState


def take_closing(state: VenueState, closing: Closing, policies: VenuePolicies) -> list[Effect]:
    """Offer the lots to each closing stage in turn until none are left."""
    effects: list[Effect] = []
    for stage in policies.closing_stages:
        if closing.lots == 0:
            break
        taken = stage.take(state, closing)
        assert 0 <= taken.lots * _sign(closing.lots) <= abs(closing.lots), "a stage takes at most what is offered"
        effects += taken.effects
        closing = replace(closing, lots=closing.lots - taken.lots)
        if closing.lots:
            effects.append(StageRefused(stage.stage, state.pools[closing.pool].key, taken.refused or "exhausted"))
    return effects


def cover_shortfall(state: VenueState, pool: int, market: str, policies: VenuePolicies) -> list[Effect]:
    """What a pool without positions and other assets still owes, paid by each loss stage in turn, to the unit."""
    cash = state.ledger.cash[pool]
    if cash >= 0 or state.positions.lots[pool] or _owns_more(state, pool):
        return []
    effects: list[Effect] = []
    for stage in policies.loss_stages:
        owed = -state.ledger.cash[pool]
        if owed == 0:
            break
        paid = stage.pay(state, pool, market, owed)
        assert 0 <= paid.paid <= owed, "a stage pays at most what is owed"
        assert state.ledger.cash[pool] == paid.paid - owed, "what a stage pays arrives"
        effects += paid.effects
        if paid.paid < owed:
            effects.append(StageRefused(stage.stage, state.pools[pool].key, paid.refused or "exhausted"))
    return effects


def _owns_more(state: VenueState, pool: int) -> bool:
    """Whether other collateral is left that could be sold first."""
    return any(state.ledger.balance(pool, asset) > 0 for asset in state.terms.assets
               if asset != state.terms.settlement)


def _sign(lots: int) -> int:
    return 1 if lots > 0 else -1
