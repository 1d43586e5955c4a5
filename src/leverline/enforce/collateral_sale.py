"""A bankrupt pool's collateral is sold before anybody else pays: offered first, then taken by the insurance fund."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leverline.enforce.effects import CollateralOffered, CollateralSeized, Effect, FundMovement
from leverline.enforce.insurance_fund import free_of, fund_of_market
from leverline.enforce.ledger import SHARED_FUND
from leverline.enforce.margining import ONE_ASSET
from leverline.enforce.policies import VenuePolicies
from leverline.enforce.state import VenueState
from leverline.enforce.terms import PPM
from leverline.margin.rounding import ceil_div


@dataclass(frozen=True, slots=True)
class Offer:
    """Collateral for sale since a time; the executor was told once."""

    asset: str
    amount: int
    since_ns: int


def sell_collateral(state: VenueState, pools: Sequence[int], policies: VenuePolicies) -> tuple[list[Effect], list[int]]:
    """Effects, and those of ``pools`` (owing, without positions, ascending) that others must pay for.

    They have no collateral left to sell, or it had its time and nobody bought it.
    """
    effects: list[Effect] = []
    bare: list[int] = []
    for pool in pools:
        for asset in sorted(state.terms.assets):
            if state.ledger.cash[pool] < 0 and asset != state.terms.settlement:
                effects += _sell_one(state, pool, asset, policies)
        if not _on_sale(state, pool, policies):
            bare.append(pool)
    return effects, bare


def _on_sale(state: VenueState, pool: int, policies: VenuePolicies) -> bool:
    """Whether some collateral of a pool, at a price, has not been for sale long enough for others to pay."""
    since = {offer.asset: offer.since_ns for offer in state.room("offered").get(pool, ())}
    return any(state.ledger.balance(pool, asset) > 0 and asset in state.asset_price
               and state.now_ns - since.get(asset, state.now_ns) < policies.patience_ns
               for asset in state.terms.assets if asset != state.terms.settlement)


def _sell_one(state: VenueState, pool: int, asset: str, policies: VenuePolicies) -> list[Effect]:
    """Offer what the debt needs of one asset, or let the fund take it once the offer had its time.

    The price is what the asset counted for: the oracle's, less its haircut; the fund is not to lose by it.
    """
    held, oracle = state.ledger.balance(pool, asset), state.asset_price.get(asset)
    if held <= 0 or oracle is None:
        return []
    price = max(1, oracle * state.terms.assets[asset].maintenance_ppm[0] // PPM)
    amount = min(held, ceil_div(-state.ledger.cash[pool] * ONE_ASSET, price))
    offers: tuple[Offer, ...] = state.room("offered").get(pool, ())
    offer = next((one for one in offers if one.asset == asset), None)
    effects: list[Effect] = []
    if offer is None:
        offer = Offer(asset, amount, state.now_ns)
        state.undo.put(state.room("offered"), pool, (*offers, offer))
        effects.append(CollateralOffered(state.pools[pool].key, asset, amount, price))
    if state.now_ns - offer.since_ns >= policies.patience_ns:
        effects += _seize(state, pool, asset, amount, price)
    return effects


def _seize(state: VenueState, pool: int, asset: str, amount: int, price: int) -> list[Effect]:
    """The fund buys as far as its free money goes; what it cannot buy stays for sale."""
    market = state.room("owing")[pool].market
    fund, settlement = fund_of_market(state, market), state.terms.settlement
    amount = min(amount, free_of(state, fund) * ONE_ASSET // price)
    if amount == 0:
        return []
    paid = min(-state.ledger.cash[pool], amount * price // ONE_ASSET)
    state.ledger.move(pool, fund, asset, amount)
    state.ledger.move(fund, pool, settlement, paid)
    seized = CollateralSeized(state.pools[pool].key, asset, amount, paid)
    if paid == 0:  # worth less than a unit
        return [seized]
    return [seized, FundMovement("" if fund == SHARED_FUND else market, -paid, state.ledger.balance(fund, settlement),
                                 f"buys collateral of {state.pools[pool].key}")]
