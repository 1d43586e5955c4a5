"""Funding between longs and shorts, interest between borrowers and lenders: payers round up, the residue is dust."""

from __future__ import annotations

from leverline.enforce.cash import check_asset
from leverline.enforce.effects import Effect, Reject
from leverline.enforce.events import Funding, Interest
from leverline.enforce.ledger import DUST
from leverline.enforce.rejection import RejectedError, reject_unless
from leverline.enforce.state import VenueState
from leverline.enforce.terms import PPM
from leverline.enforce.trading import known_market
from leverline.margin.rounding import ceil_div


def funding(state: VenueState, body: Funding) -> list[Effect]:
    """Every holder pays or receives ``rate_ppm`` of its notional at the mark; what rounding leaves goes to dust."""
    known_market(state, body.market)
    reject_unless(abs(body.rate_ppm) < PPM, Reject.OVERFLOW, "a funding rate is below 100 %")
    mark = state.markets[body.market].mark
    if mark is None:
        raise RejectedError(Reject.NO_PRICE, body.market)
    terms, asset = state.terms.markets[body.market], state.terms.settlement
    for pool in sorted(state.holders[body.market]):
        owed = state.positions.lots[pool][body.market] * mark * terms.value * body.rate_ppm
        state.ledger.book(DUST, pool, asset, ceil_div(owed, PPM))  # what is received is rounded down the same way
    assert state.ledger.balance(DUST, asset) >= 0, "rounding favours the house"
    return []


def interest(state: VenueState, body: Interest) -> list[Effect]:
    """Debtors owe ``rate_ppm`` more, rounded up; lenders share it pro rata, rounded down; the residue is dust.

    A holding of the asset lends it; a negative balance borrows it. Where nobody lends, nobody can have borrowed.
    """
    check_asset(state, body.asset)
    reject_unless(0 <= body.rate_ppm < PPM, Reject.OVERFLOW, "an interest rate is in [0, 100 %)")
    balances = [state.ledger.balance(pool, body.asset) for pool in range(len(state.pools))]
    lent = sum(amount for pool, amount in enumerate(balances) if amount > 0 and not state.pools[pool].external)
    due = {pool: ceil_div(-amount * body.rate_ppm, PPM) for pool, amount in enumerate(balances)
           if amount < 0 and not state.pools[pool].external}
    collected = sum(due.values())
    reject_unless(collected == 0 or lent > 0, Reject.NOTHING_TO_DO, "nobody lends this asset")
    for pool, amount in due.items():
        state.ledger.move(pool, DUST, body.asset, amount)
    for pool, amount in enumerate(balances):
        if amount > 0 and not state.pools[pool].external:
            state.ledger.move(DUST, pool, body.asset, collected * amount // lent if lent else 0)
    return []
