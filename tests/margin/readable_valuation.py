"""The twin of the valuation's kernels: the same numbers pool by pool, out of the rules and without a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from leverline.margin.curves import (
    BracketCurve,
    CoinStepCurve,
    EntryCurve,
    OpenInterestCurve,
    SizeLinearCurve,
    SizeRootCurve,
    StepCurve,
)
from leverline.margin.rules import AssetRules, MarketRules, VenueRules
from leverline.model.accounts import AccountBook
from leverline.model.instrument import Payoff
from leverline.model.market_state import MarketState


@dataclass(frozen=True)
class Held:
    """A position: signed size in base units, what it cost, what it is worth a unit, and what it asks for."""

    base: float
    price: float
    pnl: float
    initial: float
    maintenance: float


def held(rules: MarketRules, contracts: float, entry: float, price: float, open_interest_value: float) -> Held:
    size = contracts * rules.contract_size
    if rules.payoff is Payoff.INVERSE:  # worth size * (1 / entry - 1 / price) coins, each of them ``price``
        pnl = size * (1.0 / entry - 1.0 / price) * price
        base = size / entry
        initial, maintenance = requirement(rules, contracts, base, abs(size), abs(size), open_interest_value,
                                           coins=abs(size) / price)
    else:
        pnl, base = size * (price - entry), size
        notional = abs(base) * price
        initial, maintenance = requirement(rules, contracts, base, notional, abs(size) * entry, open_interest_value)
    return Held(base, price, pnl, initial, maintenance)


def requirement(rules: MarketRules, contracts: float, base: float, notional: float, at_entry: float,
                open_interest_value: float, coins: float = math.nan) -> tuple[float, float]:
    """Initial and maintenance margin of one position by its curve, in settlement currency.

    ``coins``: the value of an inverse position in the coin it settles in.
    """
    curve, size = rules.curve, abs(base)
    match curve:
        case BracketCurve():
            holding = max(k for k, floor in enumerate(curve.floors) if floor <= notional)
            lines = zip(curve.maintenance_rates, curve.deductions, strict=True)
            return curve.initial_rates[holding] * notional, max(r * notional - c for r, c in lines)
        case StepCurve():
            driver = abs(contracts) if curve.by_contracts else notional
            step = max(k for k, floor in enumerate(curve.floors) if floor <= driver)
            return curve.initial_rates[step] * notional, curve.maintenance_rates[step] * notional
        case OpenInterestCurve():
            lower, upper = curve.open_interest_lower, curve.open_interest_upper
            share = 0.0
            if upper > 0 and open_interest_value > lower:
                share = min(1.0, (open_interest_value - lower) / (upper - lower))
            rate = curve.initial_rate + share * (1.0 - curve.initial_rate)
            return rate * notional, curve.initial_rate * curve.maintenance_fraction * notional
        case SizeLinearCurve():
            rate = curve.base_rate + curve.rate_per_base_unit * size
            return (rate * notional + curve.constant,
                    rate * curve.maintenance_share * notional + curve.constant)
        case SizeRootCurve():
            root = curve.factor * math.sqrt(10.0 * size + 1.0 / curve.unit)
            rates = [max(w, 0.8 * w + root) if root else w for w in (curve.initial_rate, curve.maintenance_rate)]
            return rates[0] * notional, rates[1] * notional
        case EntryCurve():
            rates = [curve.initial_rate, curve.maintenance_rate]
            return max(rates[0] * at_entry, curve.least), max(rates[1] * at_entry, curve.least)
        case CoinStepCurve():
            extra = max(0, math.ceil((coins - curve.base) / curve.step)) * curve.rate_step
            return (curve.initial_rate + extra) * notional, (curve.maintenance_rate + extra) * notional


def counted(rules: AssetRules, amount: float, value: float, weights: tuple[float, ...]) -> float:
    """What a holding counts as collateral: the integral of the slices' weights up to its capped value."""
    top = min(value, math.inf if rules.value_cap is None else rules.value_cap)
    cap = 1.1 / (1.0 + rules.root_discount * math.sqrt(10.0 * amount)) if rules.root_discount > 0 else math.inf
    ends = (*rules.floors[1:], math.inf)
    return sum(max(0.0, min(top, end) - floor) * min(weight, cap)
               for floor, end, weight in zip(rules.floors, ends, weights, strict=True))


@dataclass(frozen=True)
class Purse:
    """A holding: what it is worth (positive either way), and what it counts as collateral or as debt."""

    value: float
    is_debt: bool
    settles: bool
    initial: float
    maintenance: float


def purse(rules: AssetRules, settles: bool, amount: float, owned: float, owed: float) -> Purse:
    if amount > 0:
        value = amount * owned
        return Purse(value, False, settles, counted(rules, amount, value, rules.initial_weights),
                     counted(rules, amount, value, rules.maintenance_weights))
    value = -amount * owed
    return Purse(value, True, settles, value * rules.debt_initial_weight, value * rules.debt_maintenance_weight)


def readable_pool(book: AccountBook, rules: Mapping[str, VenueRules], state: MarketState, i: int,
                  call_ratio: float) -> tuple[dict[str, float], str, list[Held]]:
    """Columns, status and positions of pool ``i``."""
    price = {name: k for k, name in enumerate(state.names)}
    positions, gross, counts = [], 0.0, [0.0, 0.0, 0.0]
    for p in range(book.position_offsets[i], book.position_offsets[i + 1]):
        venue, symbol = book.markets[book.position_market[p]]
        market, at = rules[venue].markets[symbol], price[symbol]
        side = state.low if book.quantity[p] > 0 else state.high
        used = float(side[at] if rules[venue].strict_prices else state.mark[at])
        contracts = float(book.quantity[p])
        unit = 1.0 if market.payoff is Payoff.INVERSE else state.mark[at]
        interest = float(state.open_interest[at] * market.contract_size * unit)
        one = held(market, contracts, float(book.entry_price[p]), used, interest)
        positions.append(one)
        gross += abs(one.base) * float(state.mark[at])
        weighted = [one.pnl * weight if one.pnl > 0 else one.pnl
                    for weight in (market.profit_weight_initial, market.profit_weight_maintenance)]
        if market.profit_cap_initial is not None and one.pnl > 0:
            weighted[0] = min(weighted[0], market.profit_cap_initial)
        counts = [counts[0] + weighted[0], counts[1] + weighted[1], counts[2] + max(weighted[0], 0.0)]
    purses = []
    for h in range(book.holding_offsets[i], book.holding_offsets[i + 1]):
        venue, asset = book.assets[book.holding_asset[h]]
        settles = asset == rules[venue].settlement
        asset_rules = rules[venue].assets.get(asset, AssetRules(borrowable=True))
        owned = owed = 1.0
        if not settles:
            at = price[f"{asset}/USD"]
            strict = rules[venue].strict_prices
            owned, owed = ((float(state.low[at]), float(state.high[at])) if strict else (float(state.mark[at]),) * 2)
        purses.append(purse(asset_rules, settles, float(book.amount[h]), owned, owed))
    return columns(positions, purses, gross, counts, call_ratio)


def columns(positions: list[Held], purses: list[Purse], gross: float, counts: list[float],
            call_ratio: float) -> tuple[dict[str, float], str, list[Held]]:
    """All columns of a pool from its parts; ``counts``: counted pnl initial, maintenance, and the former's profits."""
    collateral = sum(x.value for x in purses if not x.is_debt)
    debt = sum(x.value for x in purses if x.is_debt)
    counted_debt = sum(x.maintenance for x in purses if x.is_debt)
    pnl = sum(x.pnl for x in positions)
    equity = collateral - debt + pnl
    adjusted_initial = counts[0] + sum(-x.initial if x.is_debt else x.initial for x in purses)
    adjusted = counts[1] + sum(-x.maintenance if x.is_debt else x.maintenance for x in purses)
    initial, maintenance = sum(x.initial for x in positions), sum(x.maintenance for x in positions)
    assets = collateral + sum(x.pnl for x in positions if x.pnl > 0)
    liabilities = debt - sum(x.pnl for x in positions if x.pnl < 0)
    exposure = gross + sum(x.value for x in purses if not x.settles)
    required, solvent, health = maintenance + counted_debt, equity > 0, adjusted - maintenance
    call_level = (maintenance + counted_debt) / call_ratio - counted_debt
    owes = bool(positions) or debt > 0
    status = "healthy" if not owes or (equity >= 0 and health >= 0 and adjusted >= call_level) else (
        "bankrupt" if equity < 0 else "liquidatable" if health < 0 else "margin call")
    return {
        "equity": equity, "collateral_value": collateral, "debt_value": debt, "unrealized_pnl": pnl,
        "adjusted_equity_initial": adjusted_initial, "adjusted_equity": adjusted,
        "initial_margin": initial, "maintenance_margin": maintenance, "health": health,
        "health_factor": (adjusted + counted_debt) / required if required > 0 else
                         -math.inf if owes and health < 0 else math.inf,
        "margin_ratio": math.nan if not positions else maintenance / adjusted if adjusted > 0 else math.inf,
        "leverage_ratio": assets / equity if solvent else math.nan,
        "effective_leverage": exposure / equity if solvent else math.nan,
        "debt_to_equity": liabilities / equity if solvent else math.nan,
        "free_collateral": adjusted_initial - initial,
        "withdrawable": max(0.0, min(adjusted_initial - initial - counts[2], collateral)),
        "margin_call_level": call_level, "gross_notional": gross,
    }, status, positions
