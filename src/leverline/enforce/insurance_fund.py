"""The insurance fund: one of each market, one shared; it stands behind sales beyond bankruptcy and pays what is owed.

It never goes below zero: what it pays is bounded by what it has, and what stands behind resting orders is reserved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leverline.enforce.effects import Effect, FundMovement, Reject, Stage
from leverline.enforce.events import FundInsurance
from leverline.enforce.ledger import LIMIT, OUTSIDE, SHARED_FUND, fund_of
from leverline.enforce.orders import committed, place_order
from leverline.enforce.owing import Peril
from leverline.enforce.policies import Absorbed, Closing, Debt, VenuePolicies
from leverline.enforce.rejection import reject_unless
from leverline.enforce.state import VenueState
from leverline.enforce.terms import PPM
from leverline.margin.rounding import ceil_div

ALL_PERILS = frozenset(Peril)


def fund_insurance(state: VenueState, body: FundInsurance) -> list[Effect]:
    """The house pays into a fund; a market has its own from its first payment on."""
    if body.market:
        reject_unless(body.market in state.terms.markets, Reject.UNKNOWN_MARKET, body.market)
    reject_unless(body.amount > 0, Reject.NOT_POSITIVE)
    reject_unless(body.amount < LIMIT, Reject.OVERFLOW)
    fund = fund_of(body.market) if body.market else SHARED_FUND
    state.ledger.move(OUTSIDE, fund, state.terms.settlement, body.amount)
    return [_movement(state, body.market, body.amount, "paid in by the house")]


def fund_of_market(state: VenueState, market: str) -> str:
    """The market's own fund where it has one, else the shared one."""
    own = fund_of(market)
    return own if (own, state.terms.settlement) in state.ledger.others else SHARED_FUND


def free_of(state: VenueState, fund: str) -> int:
    """Units of a fund that stand behind no order."""
    free = state.ledger.balance(fund, state.terms.settlement) - committed(state, fund)
    assert free >= 0, "what is reserved is there"
    return free


def make_good(state: VenueState, pool: int, fund: str, amount: int) -> list[Effect]:
    """Pay into a pool what a fill brought less than bankruptcy; the order had it reserved."""
    if amount == 0:
        return []
    assert amount <= state.ledger.balance(fund, state.terms.settlement), "what was reserved is there"
    state.ledger.move(fund, pool, state.terms.settlement, amount)
    return [_movement(state, market_of(fund), -amount, f"pays for {state.pools[pool].key}")]


def pay_in(state: VenueState, pool: int, fund: str, amount: int) -> list[Effect]:
    """The part of a pool's penalty that its liquidator does not get."""
    if amount == 0:
        return []
    state.ledger.move(pool, fund, state.terms.settlement, amount)
    return [_movement(state, market_of(fund), amount, f"penalty of {state.pools[pool].key}")]


def market_of(fund: str) -> str:
    """The market whose fund it is; empty for the shared one."""
    return fund.removeprefix(SHARED_FUND).removeprefix(":")


@dataclass(frozen=True, slots=True)
class InsuranceFund:
    """Pays what a bankrupt pool still owes: the market's own fund first, then the shared one.

    ``loss_cap``: units at most for one pool's debt, of both together; ``perils``: what it covers; ``pools_shared``:
    whether a market with a fund of its own may draw on the shared one as well.
    """

    loss_cap: int | None = None
    perils: frozenset[Peril] = ALL_PERILS
    pools_shared: bool = True
    stage: Stage = Stage.INSURANCE_FUND

    def pay(self, state: VenueState, debts: Sequence[Debt]) -> list[Absorbed]:
        """Each debt in turn, up to the cap and what is left."""
        return [self._pay_one(state, debt) for debt in debts]

    def _pay_one(self, state: VenueState, debt: Debt) -> Absorbed:
        if debt.owing.peril not in self.perils:
            return Absorbed(0, 0, (), self.refusal(state, debt, 0))
        due = self._due(debt)
        paid, effects = 0, list[Effect]()
        for fund, market in self.funds(state, debt.owing.market):
            amount = min(due - paid, free_of(state, fund))
            if amount > 0:
                state.ledger.move(fund, debt.pool, state.terms.settlement, amount)
                effects.append(_movement(state, market, -amount, f"pays for {state.pools[debt.pool].key}"))
                paid += amount
        return Absorbed(0, paid, tuple(effects), self.refusal(state, debt, paid))

    def refusal(self, state: VenueState, debt: Debt, paid: int) -> str | None:
        """Why it left the rest; what stands behind resting orders is theirs until they end."""
        if paid == debt.owed:
            return None
        if debt.owing.peril not in self.perils:
            return f"the fund does not cover {debt.owing.peril.value}"
        if paid == self._due(debt):
            return "the cap of one loss"
        spoken_for = any(committed(state, fund) for fund, _ in self.funds(state, debt.owing.market))
        return "what is left stands behind resting orders" if spoken_for else "exhausted"

    def _due(self, debt: Debt) -> int:
        return debt.owed if self.loss_cap is None else min(debt.owed, self.loss_cap)

    def funds(self, state: VenueState, market: str) -> list[tuple[str, str]]:
        """(account, its market) in the order in which they pay."""
        own = fund_of_market(state, market)
        if own == SHARED_FUND:
            return [(SHARED_FUND, "")]
        return [(own, market), (SHARED_FUND, "")] if self.pools_shared else [(own, market)]


@dataclass(frozen=True, slots=True)
class FundBackedOrder:
    """A second order at a price beyond bankruptcy, as far as the fund can pay for the worst fill.

    The limit goes ``beyond_ppm`` past the mark at most: a fund does not buy at any price. What may be lost is reserved
    while the order rests, so that one unit never backs two orders.
    """

    beyond_ppm: int = 50_000
    stage: Stage = Stage.INSURANCE_FUND

    def take(self, state: VenueState, closings: Sequence[Closing], policies: VenuePolicies,  # noqa: ARG002 - protocol's
             ) -> list[Absorbed]:
        """An order for each closing that the fund can carry whole at the mark at least."""
        return [self._back(state, closing) for closing in closings]

    def _back(self, state: VenueState, closing: Closing) -> Absorbed:
        mark, terms = state.markets[closing.market].mark, state.terms.markets[closing.market]
        assert mark is not None, "a liquidatable pool is priced"
        fund = fund_of_market(state, closing.market)
        slack = free_of(state, fund) // (abs(closing.lots) * terms.value)  # ticks beyond bankruptcy that it can pay
        past_mark = ceil_div(mark * self.beyond_ppm, PPM)
        if closing.lots > 0:
            wanted = min(closing.bankruptcy, max(1, mark - past_mark))
            limit = max(wanted, closing.bankruptcy - slack)
            refused = limit > max(mark, 1) or limit == closing.bankruptcy
        else:
            wanted = max(closing.bankruptcy, mark + past_mark)
            limit = min(wanted, closing.bankruptcy + slack)
            refused = limit < mark or limit == closing.bankruptcy
        if refused:
            return Absorbed(0, 0, (), "the fund cannot carry a sale at the mark")
        reserved = abs(closing.bankruptcy - limit) * abs(closing.lots) * terms.value
        order = place_order(state, closing, limit, self.stage, fund=fund, reserved=reserved)
        return Absorbed(closing.lots, 0, (order,))


def _movement(state: VenueState, market: str, amount: int, why: str) -> FundMovement:
    fund = fund_of(market) if market else SHARED_FUND
    return FundMovement(market, amount, state.ledger.balance(fund, state.terms.settlement), why)
