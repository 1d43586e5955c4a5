"""The waterfall over closings and debts in columns, stage by stage as :mod:`leverline.enforce.waterfall` runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from leverline.enforce.backstop import BackstopVault
from leverline.enforce.collateral_sale import sell_collateral
from leverline.enforce.crash.closing import Answer, deleveraging, no_vault, oracle_sale
from leverline.enforce.crash.look import BEFORE, Crash, begin
from leverline.enforce.crash.losses import Debts, Payment, insurance_fund, socialised
from leverline.enforce.deleveraging_stage import Deleveraging
from leverline.enforce.effect_batch import EffectBatch, Refusals, Singles, place
from leverline.enforce.effects import Effect, Stage, StageRefused
from leverline.enforce.events import Body
from leverline.enforce.insurance_fund import InsuranceFund
from leverline.enforce.liquidating import follow_up, forget_debt, let_go, trim_resting
from leverline.enforce.margining import standing
from leverline.enforce.oracle_sale import OracleSale
from leverline.enforce.policies import (
    ORDER,
    Absorbed,
    Closing,
    ClosingStage,
    Debt,
    LiquidationGate,
    LossStage,
    VenuePolicies,
)
from leverline.enforce.socialise import SocialisedLoss
from leverline.enforce.state import VenueState
from leverline.enforce.watch import Watch
from leverline.enforce.waterfall import debts_of
from leverline.ground.arrays import IntArray

CLOSING_FORMS: dict[type, Callable[[Crash, Any, list[int]], Answer | None]] = {
    OracleSale: oracle_sale,
    BackstopVault: no_vault,
    Deleveraging: deleveraging,
}
LOSS_FORMS: dict[type, Callable[[Crash, Any, Debts], Payment | None]] = {
    InsuranceFund: insurance_fund,
    SocialisedLoss: socialised,
}
"""Stages with a form in columns; a form answers None where it must leave its stage to the exact way."""
LAST = 1 << 25
"""Rank of a refusal: after everything that its stage did for the closing. Closings of one pool are as far apart."""


def in_columns(state: VenueState, body: Body, looked: Sequence[int], policies: VenuePolicies, gate: LiquidationGate,
               watch: Watch, before: Sequence[Effect]) -> EffectBatch | None:
    """Everything that follows from a price that many pools must be looked at for, its effects after those ``before``.

    None, with nothing done, where the exact path is to be taken.
    """
    crash = begin(state, body, looked, policies, gate, watch)
    if crash is None:
        return None
    crash.tables.append(Singles(place(BEFORE, 0, np.arange(len(before))), tuple(before)))
    for stage in policies.closing_stages:
        crash.phase += 1
        _offer(crash, stage)
    crash.rows.write(state)
    waiting = sorted({*crash.pool[crash.left != 0].tolist(), *(c.pool for c in crash.exact if c.lots)})
    state.undo.put_all(state.room("pending"), waiting, [state.now_ns] * len(waiting))
    _meet_losses(crash, looked)
    return EffectBatch(state.pools, crash.tables)


def _offer(crash: Crash, stage: ClosingStage) -> None:
    """Offer what is left to one stage, in the order of the pools; say what it refused."""
    offered = [i for i, closing in enumerate(crash.exact)
               if closing.lots and ORDER.index(stage.stage) > ORDER.index(crash.came_from[i])]
    if not offered and (stage.stage is Stage.BOOK or not crash.left.any()):
        return
    form = CLOSING_FORMS.get(type(stage))
    answer = form(crash, stage, offered) if form is not None else None
    if answer is None:
        _offer_each(crash, stage, offered)
        return
    crash.left -= answer.taken
    rest = crash.pool[crash.left != 0]
    crash.tables.append(Refusals(place(crash.phase, rest, LAST), rest, stage.stage, answer.refused))
    _hand_back(crash, stage, offered, answer.exact)


def _offer_each(crash: Crash, stage: ClosingStage, offered: list[int]) -> None:
    """The exact way: rows become closings for this stage, and rows again after it."""
    crash.elsewhere = None
    crash.rows.write(crash.state)
    left = np.flatnonzero(crash.left).tolist()
    mine = [(Closing(crash.rows.pools[k], crash.market, int(crash.left[k]), int(crash.bankruptcy[k])), k) for k in left]
    merged = sorted([*mine, *((crash.exact[i], -1 - i) for i in offered)], key=lambda pair: pair[0].pool)
    answers = stage.take(crash.state, [closing for closing, _ in merged], crash.policies)
    crash.rows.read_again(crash.state)
    of_others: dict[int, Absorbed] = {}
    for (closing, k), taken in zip(merged, answers, strict=True):
        if k < 0:
            of_others[-1 - k] = taken
            continue
        crash.left[k] -= taken.lots
        effects: list[Effect] = [*taken.effects]
        if crash.left[k]:
            effects.append(StageRefused(stage.stage, crash.state.pools[closing.pool].key, taken.refused or "exhausted"))
        crash.say(closing.pool, effects)
    _hand_back(crash, stage, offered, [of_others[i] for i in offered])


def _hand_back(crash: Crash, stage: ClosingStage, offered: list[int], answers: Sequence[Absorbed]) -> None:
    """What one stage did with the exact closings."""
    told: dict[int, int] = {}  # closings of a pool so far
    for i, taken in zip(offered, answers, strict=True):
        closing = crash.exact[i]
        left = closing.lots - taken.lots
        crash.exact[i] = replace(closing, lots=left)
        effects: list[Effect] = [*taken.effects]
        if left:
            effects.append(StageRefused(stage.stage, crash.state.pools[closing.pool].key, taken.refused or "exhausted"))
        rank = told.get(closing.pool, 0)
        crash.say(closing.pool, effects, rank * LAST)
        told[closing.pool] = rank + 1


def _meet_losses(crash: Crash, looked: Sequence[int]) -> None:
    """As the venue does after every event: what is overtaken ends, debts are paid by collateral and by the stages."""
    state, rows = crash.state, crash.rows
    changed = sorted(pool for pool in state.undo.keys(state.ledger.cash).difference(rows.pools)
                     if not state.pools[pool].external)
    crash.phase += 1
    for pool in changed:
        crash.say(pool, [*trim_resting(state, pool), *let_go(state, pool)])
        follow_up(state, pool)
    for pool in sorted(set(state.room("resting")).intersection(rows.pools)):  # auctioned in this event, then a winner
        crash.say(pool, [*trim_resting(state, pool), *let_go(state, pool)])
    _follow_up_rows(crash)
    owing = sorted(set(state.room("owing")).difference(rows.pools) & {*looked, *changed})
    due = [pool for pool in owing if not state.positions.lots[pool] and standing(state, pool).liquidatable]
    sold, bare = sell_collateral(state, due, crash.policies)
    crash.phase += 1
    crash.say(0, sold)
    debtors = np.flatnonzero((rows.held == 0) & (rows.cash < 0))
    _cover(crash, debtors, bare)
    rows.write(state)
    settled = rows.pool[debtors[rows.cash[debtors] >= 0]].tolist()
    state.undo.remove_all(state.room("owing"), settled)
    for pool in owing:
        if state.ledger.cash[pool] >= 0 or state.positions.lots[pool]:
            forget_debt(state, pool)


def _follow_up_rows(crash: Crash) -> None:
    """Who was called in this event stays called, unless the positions are gone and nothing is owed."""
    rows, calls = crash.rows, crash.state.room("calls")
    clear = (rows.held == 0) & (rows.cash >= 0)
    told = rows.pool[crash.newly_called & ~clear].tolist()
    crash.state.undo.put_all(calls, told, [crash.state.now_ns] * len(told))
    crash.state.undo.remove_all(calls, rows.pool[crash.called & clear].tolist())


def _cover(crash: Crash, debtors: IntArray, bare: Sequence[int]) -> None:
    """Debts of the rows and of the others, by each loss stage in turn."""
    state, rows = crash.state, crash.rows
    for stage in crash.policies.loss_stages:
        places = debtors[rows.cash[debtors] < 0]
        exact = debts_of(state, bare)
        if not places.size and not exact:
            break
        crash.phase += 1
        form = LOSS_FORMS.get(type(stage))
        debts = Debts(places, -rows.cash[places], exact)
        paid = form(crash, stage, debts) if form is not None else None
        if paid is None:
            _cover_each(crash, stage, debts)
            continue
        for reason, left in paid.refused:
            pool = rows.pool[left]
            crash.tables.append(Refusals(place(crash.phase, pool, LAST), pool, stage.stage, reason))
        for debt, answer in zip(exact, paid.exact, strict=True):
            _say_unpaid(crash, stage, debt, answer)


def _cover_each(crash: Crash, stage: LossStage, debts: Debts) -> None:
    """The exact way."""
    state, rows = crash.state, crash.rows
    rows.write(state)
    mine = [Debt(rows.pools[k], state.room("owing")[rows.pools[k]], -int(rows.cash[k])) for k in debts.places.tolist()]
    merged = sorted([*mine, *debts.exact], key=lambda debt: debt.pool)
    answers = stage.pay(state, merged)
    rows.read_again(state)
    for debt, answer in zip(merged, answers, strict=True):
        crash.say(debt.pool, answer.effects)
        _say_unpaid(crash, stage, debt, answer)


def _say_unpaid(crash: Crash, stage: LossStage, debt: Debt, answer: Absorbed) -> None:
    if answer.paid < debt.owed:
        refused = StageRefused(stage.stage, crash.state.pools[debt.pool].key, answer.refused or "exhausted")
        crash.say(debt.pool, [refused], LAST)
