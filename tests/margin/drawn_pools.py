"""Pools drawn for one preset of the engine: sizes over all its steps, money around what they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from leverline.margin.curves import StepCurve
from leverline.margin.rules import VenueRules
from leverline.margin.tables import MarginTables, margin_tables
from leverline.model.accounts import AccountBook, Asset, Market, Mode, Pool, Pools
from leverline.model.instrument import Payoff
from leverline.model.market_state import MarketState


class Position(NamedTuple):
    """Signed contracts at an entry price, as the book holds them."""

    symbol: str
    contracts: float
    entry: float


@dataclass(frozen=True, slots=True)
class DrawnPool:
    """What one pool holds: positions, and signed amounts by asset."""

    positions: tuple[Position, ...]
    holdings: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Price:
    """What a name is worth, and the open interest of a market in contracts."""

    low: float
    mark: float
    high: float
    open_interest: float


Prices = Mapping[str, Price]


class Sizes(NamedTuple):
    """How positions of a market are drawn: a price near today's, the smallest step of size in contracts."""

    price: float
    lot: float


def drawn_prices(rng: np.random.Generator, near: Mapping[str, float], spread: float = 0.0) -> dict[str, Price]:
    """Marks of six decimals within a quarter of ``near``, with an open interest from nothing to a billion in value."""
    prices = {}
    for name, about in near.items():
        mark = round(about * rng.uniform(0.8, 1.25), 6)
        low, high = round(mark * (1 - spread), 6), round(mark * (1 + spread), 6)
        prices[name] = Price(low, mark, high, round(10.0 ** rng.uniform(4, 9) / mark, 3))
    return prices


def drawn_positions(rng: np.random.Generator, rules: VenueRules, sizes: Mapping[str, Sizes], prices: Prices, most: int,
                    ) -> tuple[Position, ...]:
    """Up to ``most`` positions in different markets, between 20 and a billion of notional each."""
    chosen = sorted(rng.choice(list(sizes), size=min(int(rng.integers(1, most + 1)), len(sizes)), replace=False))
    positions = []
    for symbol in chosen:
        market, (_, lot) = rules.markets[symbol], sizes[symbol]
        value = market.contract_size * (1.0 if market.payoff is Payoff.INVERSE else prices[symbol].mark)
        whole = max(1, round(10.0 ** rng.uniform(1.3, 9.0) / value / lot))
        if isinstance(market.curve, StepCurve) and market.curve.cap is not None:  # nothing larger may be opened
            whole = min(whole, int(market.curve.cap))
        decimals = max(0, round(-np.log10(lot)))
        contracts = round(whole * lot, decimals) * (1 if rng.random() < 0.5 else -1)
        entry = round(prices[symbol].mark * float(np.exp(rng.normal(0, 0.05))), 6)
        positions.append(Position(symbol, contracts, entry))
    return tuple(positions)


def gross(rules: VenueRules, pool: DrawnPool, prices: Prices) -> float:
    """Everything the pool holds and owes, without signs: what floats round against."""
    positions = sum(abs(p.contracts) * rules.markets[p.symbol].contract_size
                    * (max(prices[p.symbol].high, p.entry) if rules.markets[p.symbol].payoff is Payoff.LINEAR else 1.0)
                    for p in pool.positions)
    return positions + sum(abs(x) * price_of(rules, asset, prices).high for asset, x in pool.holdings.items())


def price_of(rules: VenueRules, asset: str, prices: Prices) -> Price:
    """An asset's price; the settlement asset is worth 1."""
    return Price(1.0, 1.0, 1.0, 0.0) if asset == rules.settlement else prices[f"{asset}/USD"]


def laid_out(rules: VenueRules, pools: Sequence[DrawnPool], prices: Prices) -> MarginTables:
    """The engine's tables of these pools; none may be skipped."""
    markets, assets = sorted({p.symbol for pool in pools for p in pool.positions}), sorted(
        {asset for pool in pools for asset in pool.holdings})
    places = {name: k for k, name in enumerate(markets)}, {name: k for k, name in enumerate(assets)}
    held = [p for pool in pools for p in sorted(pool.positions)]
    kept = [item for pool in pools for item in sorted(pool.holdings.items())]
    book = AccountBook(
        tuple(Market("", name) for name in markets), tuple(Asset("", name) for name in assets),
        Pools.of(Pool("", f"a{k}", "", "o", Mode.CROSS, "") for k in range(len(pools))),
        np.cumsum([0, *(len(pool.positions) for pool in pools)]).astype(np.int32),
        np.array([places[0][p.symbol] for p in held], dtype=np.uint32),
        np.array([p.contracts for p in held], dtype=np.float64), np.array([p.entry for p in held], dtype=np.float64),
        np.cumsum([0, *(len(pool.holdings) for pool in pools)]).astype(np.int32),
        np.array([places[1][asset] for asset, _ in kept], dtype=np.uint32),
        np.array([amount for _, amount in kept], dtype=np.float64))
    tables = margin_tables(book, {"": rules}, market_state(prices))
    assert not tables.skipped
    return tables


def market_state(prices: Prices) -> MarketState:
    """The engine's prices."""
    rows = list(prices.values())
    mark = np.array([row.mark for row in rows])
    unknown = np.full(mark.shape, np.nan)
    return MarketState(tuple(prices), mark, np.array([row.low for row in rows]), np.array([row.high for row in rows]),
                       unknown, np.full(mark.shape, -1, dtype=np.int64), unknown,
                       np.array([row.open_interest for row in rows]))
