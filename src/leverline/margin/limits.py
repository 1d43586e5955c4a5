"""A limit book as a venue's rules: amounts out of ledger units, tiers as brackets, collateral limits as weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from leverline.margin.curves import INCLUSIVE, BracketCurve
from leverline.margin.rules import AssetRules, MarketRules, VenueRules
from leverline.market.symbols import is_unified, parse_unified
from leverline.model.collateral import AssetLimits
from leverline.model.instrument import Payoff
from leverline.model.limitbook import InstrumentLimits, LimitBook, Tier
from leverline.model.quantities import UNITS_PER_ONE

_ROUNDED = 2.0 / UNITS_PER_ONE
"""How far two deductions, each rounded to a ledger unit, may stand from continuity; settlement currency."""


def rules_of_book(book: LimitBook, name: str = "limits") -> VenueRules:
    """The rules that ``book`` sets; ``name`` is what messages call it.

    The ledger counts in the book's settlement asset. What a linear market of the book settles in (USDT in
    ``BTC/USDT:USDT``) is the ledger's own unit too, unless the book lists it as collateral; every other asset needs a
    place among the book's collateral and a mark.
    """
    listed = set(book.collateral)
    units = {asset for symbol, limits in book.instruments.items() for asset in _settled_in(symbol, limits)}
    return VenueRules(
        name=name, settlement=book.settlement, also_settles=frozenset(units - listed),
        markets={symbol: market_rules(limits, book.venue.account_classes) for symbol, limits in
                 book.instruments.items()},
        assets={asset: asset_rules(limits) for asset, limits in book.collateral.items()},
        as_of=book.as_of.isoformat().replace("+00:00", "Z"), source=f"limit book {book.id}",
    )


def market_rules(limits: InstrumentLimits, venue_classes: dict[str, float] | None = None) -> MarketRules:
    """Rules of one market; ``venue_classes`` hold where the market names no account classes of its own."""
    return MarketRules(
        curve=bracket_curve(limits.tiers), payoff=limits.payoff, contract_size=limits.contract_size,
        tick=limits.tick, lot=limits.lot, taker_fee_rate=(limits.fees or {}).get("taker", 0.0),
        profit_cap_initial=_amount(limits.profit_collateral_cap), position_cap=_amount(limits.position_cap),
        open_interest_cap=_amount(limits.open_interest_cap),
        account_classes=limits.account_classes if limits.account_classes is not None else venue_classes,
    )


def bracket_curve(tiers: Sequence[Tier]) -> BracketCurve:
    """Tiers as brackets in settlement currency.

    A book rounds deductions down to its ledger unit, so that two neighbouring lines cross a hair beside the floor
    between them. The bracket starts where they cross: the requirement is then the book's own line everywhere and does
    not jump. Tiers that differ by less than that hair keep their floors. A notional of exactly a tier's cap is in that
    tier, as the book says and a venue that enforces it has it, where the deductions meet at the floor exactly.
    """
    floors = [0.0, *(_crossing(lower, upper) for lower, upper in pairwise(tiers))]
    if any(upper <= lower for lower, upper in pairwise(floors)):
        floors = [0.0, *(tier.notional_floor / UNITS_PER_ONE * (1.0 + INCLUSIVE) for tier in tiers[1:])]
    return BracketCurve(
        floors=tuple(floors), initial_rates=tuple(t.initial_margin_rate for t in tiers),
        maintenance_rates=tuple(t.maintenance_margin_rate for t in tiers),
        deductions=tuple(t.maintenance_deduction / UNITS_PER_ONE for t in tiers), cap=_amount(tiers[-1].notional_cap),
    )


def asset_rules(limits: AssetLimits) -> AssetRules:
    """Weights of one asset: by slice what the loan's limit and the haircut leave, whichever is less.

    ``ltv`` weighs what may be opened, ``liquidation_threshold`` what is liquidated; unset they take nothing off. The
    supply cap, which is the whole venue's, bounds what one holding can count.
    """
    threshold = 1.0 if limits.liquidation_threshold is None else limits.liquidation_threshold
    ltv = threshold if limits.ltv is None else min(limits.ltv, threshold)
    slices = [(tier.value_floor / UNITS_PER_ONE, 1.0 - tier.haircut) for tier in limits.haircut_tiers or ()]
    if not slices or slices[0][0] > 0.0:
        slices.insert(0, (0.0, 1.0))
    lent = limits.rates is not None if limits.borrow_cap is None else limits.borrow_cap > 0
    return AssetRules(
        floors=tuple(floor for floor, _ in slices),
        initial_weights=tuple(min(ltv, weight) for _, weight in slices),
        maintenance_weights=tuple(min(threshold, weight) for _, weight in slices),
        value_cap=_amount(limits.supply_cap), borrowable=lent,
    )


def _settled_in(symbol: str, limits: InstrumentLimits) -> set[str]:
    """The asset in which profits of a linear market are paid; empty where its symbol does not tell."""
    if limits.payoff is not Payoff.LINEAR or not is_unified(symbol):
        return set()
    settled = parse_unified(symbol).settlement_asset
    return {settled} if settled else set()


def _crossing(lower: Tier, upper: Tier) -> float:
    """Notional at which the upper tier begins to ask more; its floor where their lines do not meet there."""
    floor = upper.notional_floor / UNITS_PER_ONE
    steeper = upper.maintenance_margin_rate - lower.maintenance_margin_rate
    apart = (upper.maintenance_deduction - lower.maintenance_deduction) / UNITS_PER_ONE
    if steeper <= 0.0 or abs(floor * steeper - apart) > _ROUNDED:
        return floor * (1.0 + INCLUSIVE)
    crossing = apart / steeper
    return floor * (1.0 + INCLUSIVE) if abs(crossing - floor) <= INCLUSIVE * floor else crossing


def _amount(units: int | None) -> float | None:
    return None if units is None else units / UNITS_PER_ONE
