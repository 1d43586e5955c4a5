"""Eyes inside a venue under test: what its policies and its watch see at the moment when they decide.

After an event much has changed that a decision was made on. So sizes, stages and queues are wrapped and judged when
they are asked, at the prices that they use; and what an event wrote is judged before the list of writes is cleared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from leverline.enforce.band_watch import BandWatch
from leverline.enforce.bankruptcy import closing_of
from leverline.enforce.deleveraging.queues import QueueByProfitAndLeverage
from leverline.enforce.deleveraging_stage import Deleveraging
from leverline.enforce.effects import Stage
from leverline.enforce.ledger import SHARED_FUND
from leverline.enforce.margining import Standing, standing
from leverline.enforce.policies import (
    Absorbed,
    Closing,
    ClosingStage,
    DeleveragingPolicy,
    SizePolicy,
    Slice,
    VenuePolicies,
)
from leverline.enforce.state import VenueState

AT_BANKRUPTCY = (Stage.BACKSTOP, Stage.DELEVERAGING)
"""Stages that take lots at their bankruptcy price."""


@dataclass(frozen=True, slots=True)
class WitnessedSize:
    """I4: asked only of a pool that is below maintenance at the prices in force, and cuts what is there."""

    of: SizePolicy

    @property
    def harms_by_design(self) -> bool:
        return self.of.harms_by_design

    @property
    def cooldown_ns(self) -> int:
        return self.of.cooldown_ns

    def slices(self, state: VenueState, pool: int, now: Standing) -> list[Slice]:
        assert now == standing(state, pool), "judged at the prices in force"
        assert now.liquidatable
        assert now.counted_maintenance < now.maintenance or not state.positions.lots[pool]
        made = self.of.slices(state, pool, now)
        held = state.positions.lots[pool]
        assert len({piece.market for piece in made}) == len(made)
        for piece in made:
            assert 0 < piece.lots * held[piece.market] <= held[piece.market] ** 2
        return made


@dataclass(frozen=True, slots=True)
class WitnessedQueue:
    """I6: what is needed and no lot more, nobody beyond its own; and no rank inverted where an order is promised."""

    of: DeleveragingPolicy

    @property
    def promises_order(self) -> bool:
        return self.of.promises_order

    @property
    def promises_continuity(self) -> bool:
        return self.of.promises_continuity

    def allot(self, state: VenueState, market: str, need: int, winners: Sequence[int]) -> list[tuple[int, int]]:
        held = {pool: abs(state.positions.lots[pool][market]) for pool in winners}
        assert all(state.positions.lots[pool][market] * need < 0 for pool in winners)
        allotted = self.of.allot(state, market, need, winners)
        taken = dict(allotted)
        assert len(taken) == len(allotted)
        assert all(0 <= lots <= held[pool] for pool, lots in allotted)
        assert sum(taken.values()) == min(abs(need), sum(held.values()))
        if self.of.promises_order:
            assert isinstance(self.of, QueueByProfitAndLeverage)
            rank = {pool: self.of.rank(state, market, pool)[:2] for pool in winners}
            touched = [rank[pool] for pool, lots in allotted if lots]
            spared = [rank[pool] for pool in winners if taken.get(pool, 0) < held[pool]]
            assert not touched or not spared or max(touched) <= min(spared), "a rank is inverted"
        return allotted


@dataclass(frozen=True, slots=True)
class WitnessedStage:
    """I5: a pool closed whole at its bankruptcy prices leaves nothing to pay, as far as a price above zero can."""

    of: ClosingStage

    @property
    def stage(self) -> Stage:
        return self.of.stage

    def take(self, state: VenueState, closings: Sequence[Closing], policies: VenuePolicies) -> list[Absorbed]:
        asked: dict[int, dict[str, int]] = {}
        for closing in closings:
            asked.setdefault(closing.pool, {})[closing.market] = closing.lots
        loose = {c.pool for c in closings if c.bankruptcy == 1  # or priced before another stage took a part
                 or closing_of(state, c.pool, c.market, c.lots).bankruptcy != c.bankruptcy}
        whole = {pool for pool, lots in asked.items() if lots == state.positions.lots[pool]} - loose
        answers = self.of.take(state, closings, policies)
        for pool in whole:
            if self.stage in AT_BANKRUPTCY and not state.positions.lots[pool]:
                assert standing(state, pool).equity >= 0
        return answers


def witnessed(policies: VenuePolicies) -> VenuePolicies:
    """The same policies, watched."""
    return replace(policies, size=WitnessedSize(policies.size),
                   closing_stages=tuple(map(_witnessed_stage, policies.closing_stages)))


def _witnessed_stage(stage: ClosingStage) -> ClosingStage:
    if isinstance(stage, Deleveraging):
        return WitnessedStage(replace(stage, policy=WitnessedQueue(stage.policy)))
    return WitnessedStage(stage) if stage.stage is Stage.BACKSTOP else stage


class CheckingWatch(BandWatch):
    """I1 to I3 by the writes of each event alone: what one balance gains another loses."""

    def accepted(self, state: VenueState, looked: Collection[int]) -> None:
        money_of_writes_is_conserved(state)
        lots_of_writes_sum_to_zero(state)
        super().accepted(state, looked)


def money_of_writes_is_conserved(state: VenueState) -> None:
    """I1, I3: cash gained is cost released, other assets change hands only; no fund written goes below zero."""
    ledger, before = state.ledger, state.undo.before
    gained: Counter[str] = Counter()
    for pool, was in before(ledger.cash).items():
        gained[ledger.settlement] += ledger.cash[pool] - was
    for (holder, asset), was in before(ledger.others).items():
        gained[asset] += ledger.others[holder, asset] - (was or 0)
        assert ledger.others[holder, asset] >= 0 or not str(holder).startswith(SHARED_FUND)
    cost = sum(_gain(state.positions.cost[pool], before(state.positions.cost[pool]), market)
               for pool in range(len(state.pools)) for market in before(state.positions.cost[pool]))
    assert gained.pop(ledger.settlement, 0) == cost
    assert not any(gained.values())


def lots_of_writes_sum_to_zero(state: VenueState) -> None:
    """I2: a lot bought is a lot sold, and open interest follows the longs."""
    net: Counter[str] = Counter()
    long: Counter[str] = Counter()
    for row in state.positions.lots:
        for market, was in state.undo.before(row).items():
            net[market] += row.get(market, 0) - (was or 0)
            long[market] += max(0, row.get(market, 0)) - max(0, was or 0)
    assert not any(net.values())
    for market, was in state.undo.before(state.markets).items():
        assert state.markets[market].open_interest - (was.open_interest if was else 0) == long.pop(market, 0)
    assert not any(long.values())


def _gain(row: dict[str, Any], before: Any, market: str) -> int:
    return int(row.get(market, 0) - (before[market] or 0))
