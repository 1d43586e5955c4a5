"""What a venue's rules ask of an order in each market, as plain numbers: laid out once, read by every pre-trade check.

A market's requirement depends on the size that an order leads to, so it is kept as the curve's own coefficients and not
as the lines of :mod:`leverline.margin.tables`, which hold for the sizes of one book.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import require
from leverline.margin.curves import (
    BracketCurve,
    CoinStepCurve,
    Curve,
    EntryCurve,
    OpenInterestCurve,
    SizeLinearCurve,
    SizeRootCurve,
    StepCurve,
)
from leverline.margin.rules import AssetRules, MarketRules, VenueRules
from leverline.model.instrument import Payoff
from leverline.model.market_state import MarketState

TIERS, OPEN_INTEREST, SIZE_LINEAR, SIZE_ROOT, ENTRY, COIN_STEPS = range(6)
"""Codes of the kinds of curve."""

STEP_VALUE = 1e-4
"""Settlement currency; sizes are searched to this where a lot is not known. 2^53 of them are more than any market."""


class MarketTerms(NamedTuple):
    """One market. Prices in quote per base unit, caps in settlement currency and infinite where there is none.

    Attributes
    ----------
    kind : code of the curve
    lot : contracts; where the venue's is not known (``lot_known``), the step of the search for a size
    lots_per_contract : the same as a whole number, which gives sizes without a rounded tail; 0 where it is none
    mark, price_long, price_short : NaN where the market has no mark
    open_interest : contracts, one side; NaN where unknown
    size_cap : end of the table, in contracts if ``by_contracts``
    ascending : whether no larger size is at a lower initial rate
    floors, initial_rates : tiers of a table; the whole position is at the rate of the tier that holds it
    coefficients : numbers of the other curves, in the order of :func:`_coefficients`
    """

    kind: int
    inverse: bool
    contract_size: float
    lot: float
    lot_known: bool
    lots_per_contract: float
    mark: float
    price_long: float
    price_short: float
    fee_rate: float
    profit_weight: float
    profit_cap: float
    position_cap: float
    open_interest: float
    open_interest_cap: float
    size_cap: float
    by_contracts: bool
    ascending: bool
    floors: FloatArray
    initial_rates: FloatArray
    coefficients: FloatArray


class CashTerms(NamedTuple):
    """How the settlement asset counts towards initial margin, owned (slices of value) and owed."""

    value_cap: float
    root_discount: float
    debt_weight: float
    floors: FloatArray
    weights: FloatArray


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """One venue at one time. ``classes``: highest leverage by class of account; None admits everybody.

    ``packed``: terms of market and cash as one vector, because handing it to compiled code costs less than fields.
    """

    venue: str
    settlement: str
    markets: Mapping[str, MarketTerms]
    classes: Mapping[str, Mapping[str, float] | None]
    cash: CashTerms
    packed: Mapping[str, FloatArray]


def order_terms(rules: VenueRules, state: MarketState, *, withheld: Collection[str] = ()) -> OrderTerms:
    """Terms of every market of ``rules`` at the prices and open interest of ``state``.

    Names in ``withheld``, stale ones for instance, count as without a price: nothing may be opened there.
    Refused where a fee, a rate or a leverage could make a larger order ask for less: the search for the largest size
    rests on it.
    """
    marks = {name: k for k, name in enumerate(state.names) if name not in withheld}
    for symbol, market in rules.markets.items():
        require(all(leverage > 0 for leverage in (market.account_classes or {}).values()),
                f"{symbol}: a class's leverage is positive", got=market.account_classes)
    settled = rules.assets.get(rules.settlement, AssetRules(borrowable=True))
    cash = CashTerms(_or_infinite(settled.value_cap), settled.root_discount, settled.debt_initial_weight,
                     np.array(settled.floors, dtype=np.float64), np.array(settled.initial_weights, dtype=np.float64))
    markets = {symbol: _market_terms(symbol, market, rules.strict_prices, state, marks.get(symbol))
               for symbol, market in rules.markets.items()}
    return OrderTerms(
        venue=rules.name, settlement=rules.settlement, markets=markets,
        classes={symbol: market.account_classes for symbol, market in rules.markets.items()}, cash=cash,
        packed={symbol: _packed(market, cash) for symbol, market in markets.items()})


def _packed(market: MarketTerms, cash: CashTerms) -> FloatArray:
    """Lengths of tiers, coefficients and slices; then the fields of both in their order, arrays flat."""
    lengths = [market.floors.size, market.coefficients.size, cash.floors.size]
    return np.concatenate([np.atleast_1d(np.asarray(part, dtype=np.float64)) for part in (lengths, *market, *cash)])


def _market_terms(symbol: str, market: MarketRules, strict: bool, state: MarketState, place: int | None) -> MarketTerms:
    mark = low = high = open_interest = math.nan
    if place is not None:
        mark, open_interest = float(state.mark[place]), float(state.open_interest[place])
        low, high = (float(state.low[place]), float(state.high[place])) if strict else (mark, mark)
    require(market.lot is None or market.lot > 0.0, f"{symbol}: a lot is positive", got=market.lot)
    lot = market.lot or _step(market.contract_size * (1.0 if market.payoff is Payoff.INVERSE else mark))
    per_contract = round(1.0 / lot)
    coefficients = _coefficients(market.curve)
    require(min(coefficients, default=0.0) >= 0.0, f"{symbol}: a curve's coefficients are not negative",
            got=market.curve)
    require(not isinstance(market.curve, OpenInterestCurve) or market.curve.initial_rate <= 1.0,
            f"{symbol}: a rate that rises to 1 with open interest starts at most there", got=market.curve)
    floors, rates, cap, by_contracts = _tiers(market.curve)
    require(min(rates) >= 0.0, f"{symbol}: initial rates are not negative", got=rates)
    return MarketTerms(
        kind=_kind(market.curve), inverse=market.payoff is Payoff.INVERSE, contract_size=float(market.contract_size),
        lot=lot, lot_known=market.lot is not None,
        lots_per_contract=float(per_contract) if per_contract and 1.0 / per_contract == lot else 0.0,
        mark=mark, price_long=low, price_short=high,
        fee_rate=max(0.0, market.taker_fee_rate),  # a rebate is no collateral before it is paid
        profit_weight=float(market.profit_weight_initial), profit_cap=_or_infinite(market.profit_cap_initial),
        position_cap=_or_infinite(market.position_cap), open_interest=open_interest,
        open_interest_cap=_or_infinite(market.open_interest_cap), size_cap=_or_infinite(cap),
        by_contracts=by_contracts, ascending=all(a <= b for a, b in pairwise(rates)),
        floors=np.array(floors, dtype=np.float64), initial_rates=np.array(rates, dtype=np.float64),
        coefficients=np.array(coefficients, dtype=np.float64),
    )


def _step(contract_value: float) -> float:
    """A power of ten of contracts worth at most :data:`STEP_VALUE`; 1 where a contract's value is not known."""
    return 10.0 ** math.floor(math.log10(STEP_VALUE / contract_value)) if contract_value > 0.0 else 1.0


def _kind(curve: Curve) -> int:
    match curve:
        case BracketCurve() | StepCurve():
            return TIERS
        case OpenInterestCurve():
            return OPEN_INTEREST
        case SizeLinearCurve():
            return SIZE_LINEAR
        case SizeRootCurve():
            return SIZE_ROOT
        case EntryCurve():
            return ENTRY
        case CoinStepCurve():
            return COIN_STEPS


def _tiers(curve: Curve) -> tuple[tuple[float, ...], tuple[float, ...], float | None, bool]:
    """Floors, initial rates, end of the table and whether contracts pick the tier; one empty tier for other curves."""
    match curve:
        case BracketCurve():
            return curve.floors, curve.initial_rates, curve.cap, False
        case StepCurve():
            return curve.floors, curve.initial_rates, curve.cap, curve.by_contracts
        case _:
            return (0.0,), (0.0,), None, False


def _coefficients(curve: Curve) -> tuple[float, ...]:
    """What the kernel unpacks by kind; none for tables."""
    match curve:
        case BracketCurve() | StepCurve():
            return ()
        case OpenInterestCurve():
            return curve.initial_rate, curve.open_interest_lower, curve.open_interest_upper, curve.rate_unit
        case SizeLinearCurve():
            return curve.base_rate, curve.rate_per_base_unit, curve.constant
        case SizeRootCurve():
            return curve.initial_rate, curve.factor, curve.unit, curve.rate_unit
        case EntryCurve():
            return curve.initial_rate, curve.least, curve.fee_rate
        case CoinStepCurve():
            return curve.initial_rate, curve.base, curve.step, curve.rate_step


def _or_infinite(bound: float | None) -> float:
    return math.inf if bound is None else float(bound)
