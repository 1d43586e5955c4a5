"""A drawn book of a venue's size: a million cross accounts with about five positions each in two hundred markets."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import FloatArray, IntArray
from leverline.margin.curves import BracketCurve
from leverline.margin.rules import AssetRules, MarketRules, VenueRules
from leverline.margin.tables import MarginTables, margin_tables
from leverline.model.accounts import AccountBook, Asset, Market, Pools
from leverline.model.market_state import MarketState

ACCOUNTS, POSITIONS, MARKETS, ASSETS = 1_000_000, 5, 200, 8
SEED = 7
FLOORS = np.concatenate(([0.0], np.geomspace(5e4, 2e8, 9)))
"""Ten brackets a market, settlement currency."""
SLICES = (0.0, 1e6, 1e7)
"""Value slices of an asset, settlement currency."""


@cache
def drawn_tables(accounts: int) -> MarginTables:
    """Tables of a drawn book; the same for the same number of accounts.

    Positions a pool are Poisson about ``POSITIONS``, at least one; markets are held by a Zipf law of exponent 0.9;
    notionals are lognormal with a median of 3,000 and a few in every bracket; a pool holds up to two of eight assets,
    enough to leave about one in a hundred below maintenance, and one holding in ten is a debt.
    """
    rng = np.random.default_rng(SEED)
    mark, price = np.exp(rng.normal(2.0, 3.0, MARKETS)), np.exp(rng.normal(2.0, 3.0, ASSETS - 1))
    popularity = np.cumsum(np.arange(1, MARKETS + 1) ** -0.9)
    wanted = np.maximum(1, rng.poisson(POSITIONS, accounts))
    draws = np.searchsorted(popularity / popularity[-1], rng.random(int(wanted.sum())), side="right")
    pool, market = _distinct(np.repeat(np.arange(accounts), wanted), draws, MARKETS)
    notional = rng.lognormal(8.0, 2.0, pool.size)
    size = np.where(rng.random(pool.size) < 0.55, notional, -notional) / mark[market]
    holder, asset = _distinct(np.repeat(np.arange(accounts), 2), rng.integers(0, ASSETS, 2 * accounts), ASSETS)
    value = (np.bincount(pool, notional, minlength=accounts)[holder] * rng.uniform(0.05, 0.5, holder.size) + 50.0)
    amount = np.where(rng.random(holder.size) < 0.1, -0.1, 1.0) * value / np.append(1.0, price)[asset]
    names = np.array([str(i) for i in range(accounts)], dtype=np.object_)
    blank = np.full(accounts, "", dtype=np.object_)
    book = AccountBook(
        tuple(Market("", f"M{m}") for m in range(MARKETS)), tuple(Asset("", f"C{a}") for a in range(ASSETS)),
        Pools(blank, names, blank, names, np.zeros(accounts, dtype=np.uint8), blank),
        _offsets(pool, accounts), market.astype(np.uint32), size,
        mark[market] * np.exp(rng.normal(0.0, 0.05, pool.size)),
        _offsets(holder, accounts), asset.astype(np.uint32), amount)
    prices = {f"M{m}": float(p) for m, p in enumerate(mark)} | {f"C{a}/USD": float(p) for a, p in enumerate(price, 1)}
    return margin_tables(book, {"": drawn_rules()}, MarketState.of(prices))


def moved_prices(tables: MarginTables, count: int) -> list[FloatArray]:
    """``count`` price vectors (n_markets,), each a step of 1 % from the marks: brackets change from one to the next."""
    rng = np.random.default_rng(SEED + 1)
    return [tables.mark * np.exp(rng.normal(0.0, 0.01, tables.mark.size)) for _ in range(count)]


def drawn_rules() -> VenueRules:
    """The one venue of the book, which settles in C0."""
    volatile = AssetRules(SLICES, (0.9, 0.8, 0.5), (0.95, 0.85, 0.6), borrowable=True, debt_initial_weight=1.1,
                          debt_maintenance_weight=1.05)
    assets = {f"C{a}": volatile for a in range(1, ASSETS)}
    assets["C0"] = AssetRules(SLICES, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), borrowable=True)
    return VenueRules("drawn", "C0", {f"M{m}": MarketRules(_curve(m)) for m in range(MARKETS)}, assets)


def _curve(m: int) -> BracketCurve:
    """Maintenance from 0.4 % or a little more to 25 %, initial twice that."""
    rates = np.linspace(0.004 + 5e-5 * m, 0.25, FLOORS.size)
    deductions = np.concatenate(([0.0], np.cumsum(FLOORS[1:] * np.diff(rates))))
    return BracketCurve(tuple(FLOORS.tolist()), tuple((2.0 * rates).tolist()), tuple(rates.tolist()),
                        tuple(deductions.tolist()))


def _distinct(pool: IntArray, item: IntArray, n_items: int) -> tuple[IntArray, IntArray]:
    """Pairs without doubles, ascending by pool and item."""
    pairs = np.sort(pool * n_items + item)
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    return pairs // n_items, pairs % n_items


def _offsets(pool: IntArray, n: int) -> npt.NDArray[np.int32]:
    return np.concatenate(([0], np.cumsum(np.bincount(pool, minlength=n)))).astype(np.int32)
