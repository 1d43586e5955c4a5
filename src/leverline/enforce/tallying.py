"""What a venue went through, counted from its effects as they leave it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

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
from leverline.enforce.ledger import SHARED_FUND, fund_of
from leverline.enforce.margining import standing
from leverline.enforce.state import VenueState


@dataclass(slots=True)
class StageTally:
    """Closings of one stage: how many, of how many pools, notional at their price and penalties in units."""

    closings: int = 0
    pools: set[PoolKey] = field(default_factory=set)
    notional: int = 0
    penalty: int = 0


@dataclass(frozen=True, slots=True)
class FundStep:
    """What one event changed in the fund of ``market`` (empty: the shared one), read off the ledger, in units."""

    ts_ns: int
    market: str
    amount: int
    balance: int
    why: str


@dataclass(slots=True)
class Tally:
    """Counts over a run; amounts in units of the settlement asset.

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
    fund_path: list[FundStep] = field(default_factory=list)
    fund_balance: dict[str, int] = field(default_factory=dict)
    fund_paid: int = 0
    loss_shared: int = 0
    sharing_pools: set[PoolKey] = field(default_factory=set)
    breaker_log: list[tuple[int, BreakerTransition]] = field(default_factory=list)

    def count(self, state: VenueState, event: Event, effects: Sequence[Effect]) -> None:
        """Take in one event and what it gave."""
        self.events[type(event.body).__name__] += 1
        for effect in effects:
            self._count_one(state, event.ts_ns, effect)
        if effects:
            self._look_at_funds(state, event.ts_ns, effects)

    def _look_at_funds(self, state: VenueState, ts_ns: int, effects: Sequence[Effect]) -> None:
        """Penalties reach a fund without an effect of their own, so the path is read off the balances."""
        said = {effect.market: effect.why for effect in reversed(effects) if isinstance(effect, FundMovement)}
        for market in ("", *state.terms.markets):
            balance = state.ledger.balance(fund_of(market) if market else SHARED_FUND, state.terms.settlement)
            before = self.fund_balance.get(market, 0)
            if balance != before:
                why = said.get(market, "penalties")
                self.fund_path.append(FundStep(ts_ns, market, balance - before, balance, why))
                self.fund_balance[market] = balance

    def _count_one(self, state: VenueState, ts_ns: int, effect: Effect) -> None:
        match effect:
            case Rejected():
                self.rejected[effect.reason.value] += 1
            case MarginCall():
                self.margin_calls += 1
            case LiquidationClosed():
                row = self.stages.setdefault(effect.stage, StageTally())
                _closed(row, effect.pool, state.terms.markets[effect.market].notional(effect.lots, effect.price))
                row.penalty += effect.penalty
                self.worse_off += effect.worse_off
            case Deleveraged():
                notional = state.terms.markets[effect.market].notional(effect.lots, effect.price)
                _closed(self.deleveraged, effect.pool, notional)
            case StageRefused():
                self.refused[effect.stage, effect.reason] += 1
            case FundMovement():
                self.fund_paid += max(0, -effect.amount)
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


def _closed(row: StageTally, pool: PoolKey, notional: int) -> None:
    row.closings += 1
    row.pools.add(pool)
    row.notional += notional
