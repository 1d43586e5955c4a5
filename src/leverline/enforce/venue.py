"""The venue: one event in, its effects out. No clock, no randomness, no input or output inside.

Same events, same state, byte for byte: live, in replay and in simulation. A rejected event changes nothing, not even
the sequence: the next event carries the number that the rejected one asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from leverline.enforce import (
    adoption,
    auctions,
    breakers,
    cash,
    conversion,
    funding,
    insurance_fund,
    liquidating,
    operator_actions,
    oracle,
    trading,
)
from leverline.enforce.band_watch import BandWatch
from leverline.enforce.collateral_sale import sell_collateral
from leverline.enforce.effects import Effect, Reject, Rejected
from leverline.enforce.events import (
    AdoptLimits,
    AuctionBid,
    Body,
    Convert,
    Deposit,
    DepthUpdate,
    Event,
    Fill,
    Funding,
    FundInsurance,
    Interest,
    LiquidationFill,
    OpenPool,
    OracleUpdate,
    OrderIntent,
    Pause,
    PoolKey,
    Resume,
    Settle,
    TimePassed,
    Transfer,
    Withdraw,
)
from leverline.enforce.margining import standing
from leverline.enforce.policies import LiquidationGate, VenuePolicies
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.rejection import RejectedError
from leverline.enforce.shape import shape_fault
from leverline.enforce.state import PoolRecord, VenueState
from leverline.enforce.terms import VenueTerms
from leverline.enforce.watch import Watch, moved
from leverline.enforce.waterfall import cover_debts
from leverline.ground.errors import UsageError, require
from leverline.model.accounts import Mode

Handler = Callable[[VenueState, Any], list[Effect]]
PolicyHandler = Callable[[VenueState, Any, VenuePolicies], list[Effect]]

OUTSIDE_MARKET = PoolKey("outside market")
"""Pool 0: everybody who is not margined here. Unlimited, so that lots sum to zero and money is conserved."""

HANDLERS: dict[type, Handler] = {
    OpenPool: cash.open_pool,
    Deposit: cash.deposit,
    Withdraw: cash.withdraw,
    Transfer: cash.transfer,
    OrderIntent: trading.order_intent,
    Fill: trading.fill,
    OracleUpdate: oracle.oracle_update,
    Funding: funding.funding,
    Interest: funding.interest,
    Convert: conversion.convert,
    Settle: conversion.settle,
    AdoptLimits: adoption.adopt_limits,
    Pause: operator_actions.pause,
    Resume: operator_actions.resume,
    FundInsurance: insurance_fund.fund_insurance,
    DepthUpdate: breakers.depth_update,
    TimePassed: lambda state, body: [],  # noqa: ARG005 - time moves what waits, after the event
}

COLUMNS_FROM = 256
"""Pools to look at in one event from which columns pay."""

POLICY_HANDLERS: dict[type, PolicyHandler] = {
    LiquidationFill: liquidating.liquidation_fill,
    AuctionBid: auctions.auction_bid,
}


class Venue:
    """Applies events to a :class:`VenueState`.

    Parameters
    ----------
    terms : VenueTerms
        The limits in force at the start.
    policies : VenuePolicies, optional
        How positions are closed and losses met; the project's own by default.
    gate : LiquidationGate, optional
        Whether a market's positions may be liquidated now.
    watch : Watch, optional
        Whom a price makes the venue look at; by default those alone whose safe band it leaves.
    columns_from : int or None, optional
        From how many pools on a price is handled in columns where that is possible, which changes nothing but the time
        it takes (:mod:`leverline.enforce.crash`); None for never.
    """

    def __init__(self, terms: VenueTerms, policies: VenuePolicies = LEVERLINE, *,
                 gate: LiquidationGate = breakers.may_liquidate, watch: Watch | None = None,
                 columns_from: int | None = COLUMNS_FROM) -> None:
        self.state = VenueState.of(terms)
        self.policies = policies
        self.gate = gate
        self.watch = BandWatch() if watch is None else watch
        self.columns_from = columns_from
        cash.new_pool(self.state, PoolRecord(OUTSIDE_MARKET, OUTSIDE_MARKET.account, Mode.CROSS, "", external=True))
        self.state.undo.keep()

    def resume(self, state: VenueState) -> None:
        """Go on from a state that another venue of the same policies stood in."""
        require(not self.state.seq, "a venue that has begun goes on from its own state", got=self.state.seq)
        self.state = state
        self.watch.accepted(state, range(len(state.pools)))

    def apply(self, event: Event) -> Sequence[Effect]:
        """Effects of one event; a single :class:`Rejected` where it changed nothing.

        A tuple, or after a crash an :class:`~leverline.enforce.effect_batch.EffectBatch`.
        """
        state = self.state
        misplaced = shape_fault(event) or self._misplaced(event)
        if misplaced is not None:
            return (misplaced,)
        before_ns = state.now_ns
        try:
            state.now_ns = event.ts_ns
            effects = self._handle(event.body)
        except RejectedError as error:
            return self._taken_back(before_ns, Rejected(error.reason, error.detail))
        except UsageError as error:  # a balance out of range: the ledger refuses to carry it
            return self._taken_back(before_ns, Rejected(Reject.OVERFLOW, str(error)))
        state.remember(event.id, event.seq)
        state.undo.keep()
        return tuple(effects) if isinstance(effects, list) else effects

    def _taken_back(self, before_ns: int, why: Rejected) -> tuple[Effect, ...]:
        """The state as it was, byte for byte."""
        self.state.undo.take_back()
        self.state.now_ns = before_ns
        self.watch.rejected()
        return (why,)

    def _misplaced(self, event: Event) -> Rejected | None:
        """Replayed, out of sequence, or from before what is known already."""
        if event.id in self.state.seen:
            return Rejected(Reject.DUPLICATE, f"already applied as event {self.state.seen[event.id]}")
        if event.seq != self.state.seq + 1:
            return Rejected(Reject.OUT_OF_ORDER, f"event {self.state.seq + 1} comes next")
        if event.ts_ns < self.state.now_ns:
            return Rejected(Reject.OUT_OF_ORDER, "time does not go back")
        return None

    def _handle(self, body: Body) -> Sequence[Effect]:
        """The event itself, then everything that follows from it."""
        state = self.state
        kind = type(body)
        if kind in POLICY_HANDLERS:
            effects = POLICY_HANDLERS[kind](state, body, self.policies)
        elif kind in HANDLERS:
            effects = HANDLERS[kind](state, body)
        else:
            raise RejectedError(Reject.MALFORMED, f"no handler for {kind.__name__}")
        if kind is OrderIntent:
            return effects  # a question moves nothing
        effects += breakers.watch(state, body)
        effects += adoption.step_decays(state)
        looked = moved(state, body, self.watch)
        batch = self._in_columns(body, looked, effects) if looked else None
        if batch is None:
            if looked:
                effects += liquidating.look_at(state, looked, self.policies, self.gate)
            if looked or kind is TimePassed:
                effects += self._meet_losses(looked, every=kind is TimePassed)
        self.watch.accepted(state, looked)
        return effects if batch is None else batch

    def _in_columns(self, body: Body, looked: list[int], before: list[Effect]) -> Sequence[Effect] | None:
        """All effects of a crash, ``before`` among them; None where pools are to be looked at one by one."""
        if self.columns_from is None or len(looked) < self.columns_from or self.policies.patience_ns:
            return None
        from leverline.enforce.crash.waterfall import in_columns  # compiles: a venue without a crash never needs it

        return in_columns(self.state, body, looked, self.policies, self.gate, self.watch, before)

    def _meet_losses(self, looked: list[int], *, every: bool) -> list[Effect]:
        """Orders that the event overtook end; debts without positions are paid from collateral, then by the stages."""
        state = self.state
        changed = sorted(pool for pool in state.undo.before(state.ledger.cash) if not state.pools[pool].external)
        if not changed and not state.room("owing"):
            return []
        effects: list[Effect] = []
        for pool in changed:
            effects += liquidating.trim_resting(state, pool)
            effects += liquidating.let_go(state, pool)
            liquidating.follow_up(state, pool)
        owing = sorted(state.room("owing") if every else {*looked, *changed} & set(state.room("owing")))
        if not owing:
            return effects
        due = [pool for pool in owing if not state.positions.lots[pool] and standing(state, pool).liquidatable]
        sold, bare = sell_collateral(state, due, self.policies)
        covered = cover_debts(state, bare, self.policies)
        for pool in owing:
            if state.ledger.cash[pool] >= 0 or state.positions.lots[pool]:  # settled, or looked at as any other
                liquidating.forget_debt(state, pool)
        return effects + sold + covered
