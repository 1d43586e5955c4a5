"""Liquidation prices of a million positions: one walk a position against NumPy trying every tier on all of them.

The book is one of :mod:`leverline.evidence.bench.million_accounts` with 250,000 accounts. Beside the row stands what
the price of a single position is worth on the real Binance ladder, ours and that of another engine where installed.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np

from leverline.evidence.bench import health_peers
from leverline.evidence.bench.million_accounts import drawn_tables
from leverline.evidence.bench.peer_engines import ENTRY, MARGIN_RATE, SIZES_BTC, Ladder
from leverline.evidence.bench.rows import BenchRow, interleaved
from leverline.ground.arrays import FloatArray
from leverline.margin.curves import BracketCurve
from leverline.margin.liquidation_price import LiquidationPrices, liquidation_prices
from leverline.margin.rules import MarketRules, VenueRules
from leverline.margin.tables import MarginTables, margin_tables
from leverline.margin.valuation import Valuation, value_accounts
from leverline.model.accounts import AccountBook, Asset, Market, Mode, Pool, Pools
from leverline.model.market_state import MarketState

BASELINE = "NumPy: the price by every tier for all positions, kept where the tier holds the notional at that price"
ACCOUNTS = 250_000
AGREEMENT = 1e-9
"""Relative to the price; roots below the rounding of the pool's amounts are 0 on both sides."""
ROWS = ("liquidation-price", "liquidation-price-rate", "liquidation-price-compile")


def rows() -> list[BenchRow]:
    """CPU seconds and ratio, positions per CPU second, and what the first call took to compile."""
    tables = drawn_tables(ACCOUNTS)
    valuation = value_accounts(tables)
    started = time.process_time()
    ours = liquidation_prices(tables, valuation)
    compiled = time.process_time() - started
    check(ours, tier_by_tier(tables, valuation))
    fast, slow, limit = interleaved(partial(liquidation_prices, tables, valuation),
                                    partial(tier_by_tier, tables, valuation), partial(bare_passes, tables))
    return [
        BenchRow("liquidation-price", fast, "CPU s", BASELINE, slow / fast, limit / fast, notes()),
        BenchRow("liquidation-price-rate", tables.book.n_positions / fast, "positions / CPU s"),
        BenchRow("liquidation-price-compile", max(0.0, compiled - fast), "CPU s, first call only"),
    ]


def check(ours: LiquidationPrices, theirs: LiquidationPrices) -> None:
    """Refuse to time two sides that differ in any price, or in whether there is one."""
    for name in ("liquidation_price", "bankruptcy_price", "distance"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        np.testing.assert_allclose(mine, other, rtol=AGREEMENT, atol=AGREEMENT if name == "distance" else 0.0,
                                   err_msg=name)
    assert 0.2 < np.isfinite(ours.liquidation_price).mean() < 1.0  # noqa: S101 - NaN alone would agree as well


def tier_by_tier(tables: MarginTables, valuation: Valuation) -> LiquidationPrices:
    """The same prices without a walk: ten tiers a market, full profits, no own lines and no coin margin."""
    book, curves = tables.book, tables.curves
    market, pool = book.position_market, book.pool_of_position()
    size, side, price = np.abs(tables.base), np.sign(tables.base), tables.mark[market]
    first = curves.first[market].astype(np.int64)
    positions = valuation.positions
    rest = valuation.pools.health[pool] - positions.pnl + positions.maintenance_margin - tables.cost
    tiers = int(curves.first[1])
    found = np.full(book.n_positions, np.nan)
    for k in range(tiers):
        floor = curves.floor[first + k]
        ceiling = curves.floor[first + k + 1] if k + 1 < tiers else np.inf
        notional = (rest + curves.deduction[first + k]) / (curves.maintenance_rate[first + k] - side)
        holds = (notional > _ROUNDING * size * price) & (floor <= notional) & (notional <= ceiling)
        found[holds] = notional[holds] / size[holds]
    bankrupt = price - valuation.pools.equity[pool] / tables.base
    bankrupt = np.where(bankrupt > _ROUNDING * price, bankrupt, np.nan)
    distance = found / price - 1.0
    breached = (valuation.pools.health < 0.0)[pool]
    with np.errstate(invalid="ignore"):
        room = np.where(breached, -1.0, 1.0) * np.abs(np.log(found / price)) / tables.volatility_per_day[market]
    return LiquidationPrices(price, found, bankrupt, distance, room)


_ROUNDING = 1e-12
"""A root below this share of the price is a rounded 0."""


def bare_passes(tables: MarginTables) -> FloatArray:
    """The least any method must do: read what a position is, and write its five numbers."""
    moved = np.empty((5, tables.book.n_positions))
    moved[:] = tables.base + tables.cost
    moved[0] += tables.book.position_market
    return moved


def notes() -> dict[str, Any]:
    """Error of the liquidation price on the venue's own ladder, basis points by size in BTC; positive is too early."""
    ladder = health_peers.binance_ladder()
    errors = {f"{size:g}": health_peers.error_bp(ladder, size, _on_ladder(ladder, size)) for size in SIZES_BTC}
    return {"ladder": f"Binance {health_peers.SYMBOL}, October 2024; error of the liquidation price in bp by size in "
                      "BTC; positive is too early",
            "leverline": {"error_bp": {size: round(error, 6) + 0.0 for size, error in errors.items()}},
            "lrvx": health_peers.asked_apart("lrvx", ladder)}


def _on_ladder(ladder: Ladder, size: float) -> float:
    """Our price of a long of ``size`` BTC at the entry and margin that the engines are asked about."""
    curve = BracketCurve(tuple(ladder.floors), tuple(2.0 * rate for rate in ladder.rates), tuple(ladder.rates),
                         tuple(ladder.deductions))
    one = np.array([0, 1], dtype=np.int32)
    index = np.zeros(1, dtype=np.uint32)
    book = AccountBook(
        (Market("", health_peers.SYMBOL),), (Asset("", "USDT"),), Pools.of([Pool("", "a", "", "a", Mode.CROSS, "")]),
        one, index, np.array([size]), np.array([ENTRY]), one, index, np.array([size * ENTRY * MARGIN_RATE]))
    rules = {"": VenueRules("binance", "USDT", {health_peers.SYMBOL: MarketRules(curve)})}
    tables = margin_tables(book, rules, MarketState.of({health_peers.SYMBOL: ENTRY}))
    return float(liquidation_prices(tables, value_accounts(tables)).liquidation_price[0])
