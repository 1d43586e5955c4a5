"""What a venue went through, counted from its effects as they leave it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from leverline.enforce.effects import (
    BreakerTransition,
    CollateralSeized,
    Deleveraged,
    Effect,
    FundMovement,
    LiquidationClosed,
    LossShared,
    MarginCall,
    Rejected,
    Stage,
    StageRefused,
)
from leverline.enforce.events import Event, PoolKey
from leverline.enforce.margining import standing
from leverline.enforce.state import VenueState

MOST_FUND_STEPS = 4_000
"""Rows of the path of the funds before neighbours are joined: as many as somebody reads, and a file holds."""


@dataclass(slots=True)
class StageTally:
    """Closings of one stage: how many, of how many pools, notional at their price and penalties in units."""

    closings: int = 0
    pools: set[PoolKey] = field(default_factory=set)
    notional: int = 0
    penalty: int = 0


@dataclass(frozen=True, slots=True)
class FundStep:
    """One change of the fund of ``market`` (empty: the shared one), in units, as its effect said.

    On a long path one row stands for ``changes`` in succession: their sum, and the last one's time and balance.
    """

    ts_ns: int
    market: str
    amount: int
    balance: int
    why: str
    changes: int = 1


@dataclass(slots=True)
class Tally:
    """Counts over a run; amounts in units of the settlement asset. ``closed_in``: notional closed, by market.

    ``breaker_log`` keeps the time (ns UTC) of each effect. ``fund_paid`` is what funds paid for debts of pools and for
    sales beyond bankruptcy, without what they gave for collateral.
    """

    events: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    margin_calls: int = 0
    stages: dict[Stage, StageTally] = field(default_factory=dict)
    worse_off: int = 0
    refused: Counter[tuple[Stage, str]] = field(default_factory=Counter)
    deleveraged: StageTally = field(default_factory=StageTally)
    closed_in: Counter[str] = field(default_factory=Counter)
    fund_path: list[FundStep] = field(default_factory=list)
    fund_balance: dict[str, int] = field(default_factory=dict)
    fund_paid: int = 0
    loss_shared: int = 0
    sharing_pools: set[PoolKey] = field(default_factory=set)
    breaker_log: list[tuple[int, BreakerTransition]] = field(default_factory=list)
    _changes_a_step: int = 1

    def count(self, state: VenueState, event: Event, effects: Sequence[Effect]) -> None:
        """Take in one event and what it gave."""
        self.events[type(event.body).__name__] += 1
        for effect in effects:
            self._count_one(state, event.ts_ns, effect)
        self._shorten_path()

    def _shorten_path(self) -> None:
        while len(self.fund_path) > 2 * MOST_FUND_STEPS:
            self.fund_path = _joined(self.fund_path, self._changes_a_step)
            if len(self.fund_path) > MOST_FUND_STEPS + MOST_FUND_STEPS // 2:
                self._changes_a_step *= 2
                self.fund_path = _joined(self.fund_path, self._changes_a_step)

    def _count_one(self, state: VenueState, ts_ns: int, effect: Effect) -> None:
        match effect:
            case Rejected():
                self.rejected[effect.reason.value] += 1
            case MarginCall():
                self.margin_calls += 1
            case LiquidationClosed():
                row = self.stages.setdefault(effect.stage, StageTally())
                notional = state.terms.markets[effect.market].notional(effect.lots, effect.price)
                _closed(row, effect.pool, notional)
                self.closed_in[effect.market] += notional
                row.penalty += effect.penalty
                self.worse_off += effect.worse_off
            case Deleveraged():
                notional = state.terms.markets[effect.market].notional(effect.lots, effect.price)
                _closed(self.deleveraged, effect.pool, notional)
            case StageRefused():
                self.refused[effect.stage, effect.reason] += 1
            case FundMovement():
                self.fund_paid += max(0, -effect.amount)
                self.fund_path.append(FundStep(ts_ns, effect.market, effect.amount, effect.balance, effect.why))
                self.fund_balance[effect.market] = effect.balance
            case CollateralSeized():
                self.fund_paid -= effect.paid  # its movement was counted with the payments
            case LossShared():
                self.loss_shared += effect.amount
                self.sharing_pools.add(effect.pool)
            case BreakerTransition():
                self.breaker_log.append((ts_ns, effect))
            case _:
                pass


@dataclass(frozen=True, slots=True)
class Solvency:
    """How a venue stands: sums over margined pools, in units.

    ``unpaid`` is what pools without positions still owe; ``underwater`` the negative equity of pools that are open.
    ``conserved``: cash of all and the cost of open positions agree to the unit. Pools without a price are ``unpriced``
    and in no sum.
    """

    pools: int
    open_pools: int
    equity: int
    unpaid: int
    underwater_pools: int
    underwater: int
    unpriced: int
    conserved: bool

    @property
    def solvent(self) -> bool:
        """Nobody owes what he does not have."""
        return self.conserved and not self.unpaid and not self.underwater_pools


def solvency(state: VenueState) -> Solvency:
    """Value every margined pool at the marks in force."""
    equity = unpaid = underwater_pools = underwater = unpriced = open_pools = 0
    for pool, record in enumerate(state.pools):
        if record.external:
            continue
        now, is_open = standing(state, pool), bool(state.positions.lots[pool])
        open_pools += is_open
        if not now.priced:
            unpriced += 1
            continue
        equity += now.equity
        if now.equity < 0:
            unpaid += 0 if is_open else -now.equity
            underwater_pools += is_open
            underwater += -now.equity if is_open else 0
    costs = sum(sum(costs.values()) for costs in state.positions.cost)
    conserved = state.ledger.total(state.terms.settlement) == costs
    margined = sum(not record.external for record in state.pools)
    return Solvency(margined, open_pools, equity, unpaid, underwater_pools, underwater, unpriced, conserved)


def _joined(steps: Sequence[FundStep], most: int) -> list[FundStep]:
    """Neighbours of one fund as one row of up to ``most`` changes; amounts still add up to balances."""
    kept: list[FundStep] = []
    last: dict[str, int] = {}
    for step in steps:
        place = last.get(step.market)
        before = None if place is None else kept[place]
        if place is not None and before is not None and before.changes + step.changes <= most:
            kept[place] = replace(step, amount=before.amount + step.amount, changes=before.changes + step.changes,
                                  why=step.why if step.why == before.why else "several")
        else:
            last[step.market] = len(kept)
            kept.append(step)
    return sorted(kept, key=lambda step: step.ts_ns)


def _closed(row: StageTally, pool: PoolKey, notional: int) -> None:
    row.closings += 1
    row.pools.add(pool)
    row.notional += notional
