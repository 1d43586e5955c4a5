"""Accounts laid out for safe bands: pools as rows of legs, rules as terms, empty ladders."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.errors import require
from leverline.margin._ladder_kernels import NOWHERE, Ladders
from leverline.margin._trigger_kernels import COLLATERAL, DEBT, PROFIT, REQUIREMENT, WHOLE, Legs, Terms
from leverline.margin.tables import MarginTables

_LEAST_SLOPE = 1e-3
"""A long of which less than this share of a price rise reaches health is two legs: the sum of its lines would be lost
in their rounding, or fall."""
_BUCKETS = (256, 8192)
"""Fewest and most buckets of a ladder; a ladder spans two octaves, so 8192 are 1.2 to 2.4 basis points wide."""
_PLACES_A_LEG = 4
_FREE_PLACES = 2**20
"""Buckets that any book may have, however small: 4 MiB."""


class Positions(NamedTuple):
    """Positions of one pool, ascending by market, as in ``MarginTables``.

    market : uint32; base, cost : float64; slope, constant : float64, own lines of maintenance, both empty where no
    position has one
    """

    market: npt.NDArray[np.uint32]
    base: FloatArray
    cost: FloatArray
    slope: FloatArray
    constant: FloatArray


class Holdings(NamedTuple):
    """Holdings of one pool, ascending by asset. asset : uint32; amount, weight_cap : float64."""

    asset: npt.NDArray[np.uint32]
    amount: FloatArray
    weight_cap: FloatArray


def positions_of(tables: MarginTables, pool: int) -> Positions:
    """What ``pool`` holds in markets."""
    begin, end = tables.book.position_offsets[pool:pool + 2]
    curves = tables.curves
    own = slice(begin, end) if curves.maintenance_slope.size else slice(0, 0)
    return Positions(tables.book.position_market[begin:end], tables.base[begin:end], tables.cost[begin:end],
                     curves.maintenance_slope[own], curves.maintenance_constant[own])


def holdings_of(tables: MarginTables, pool: int) -> Holdings:
    """What ``pool`` holds in assets."""
    begin, end = tables.book.holding_offsets[pool:pool + 2]
    return Holdings(tables.book.holding_asset[begin:end], tables.book.amount[begin:end],
                    tables.assets.weight_cap[begin:end])


def all_legs(tables: MarginTables, terms: Terms) -> tuple[Legs, IntArray]:
    """Legs of every pool in order, and how many each has."""
    book, curves = tables.book, tables.curves
    positions = Positions(book.position_market, tables.base, tables.cost, curves.maintenance_slope,
                          curves.maintenance_constant)
    holdings = Holdings(book.holding_asset, book.amount, tables.assets.weight_cap)
    return legs_of(positions, book.pool_of_position(), holdings, book.pool_of_holding(), book.n_pools, terms)


def legs_of(positions: Positions, position_pool: IntArray, holdings: Holdings, holding_pool: IntArray, n_pools: int,
            terms: Terms) -> tuple[Legs, IntArray]:
    """Legs of pools ``0 .. n_pools - 1``: of each its positions, then its holdings; and how many each has."""
    for column in (positions.base, positions.cost, holdings.amount, positions.slope, positions.constant):
        require(bool(np.isfinite(column).all()), "sizes, costs and amounts are finite")
    is_split = _is_split(positions, terms)
    of_position = 1 + is_split.astype(np.int64)
    repeated = np.repeat(np.arange(position_pool.size), of_position)
    is_second = np.zeros(repeated.size, dtype=np.bool_)
    is_second[1:] = repeated[1:] == repeated[:-1]
    n_markets = terms.profit_weight.size
    kind = np.concatenate((
        np.where(is_second, REQUIREMENT, np.where(is_split[repeated], PROFIT, WHOLE)),
        np.where(holdings.amount > 0, COLLATERAL, DEBT))).astype(np.uint8)
    driver = np.concatenate((
        2 * positions.market[repeated].astype(np.int64) + (positions.base[repeated] < 0),
        2 * (n_markets + holdings.asset.astype(np.int64)) + ~(holdings.amount > 0))).astype(np.uint32)
    pool = np.concatenate((position_pool[repeated], holding_pool))
    order = np.argsort(pool, kind="stable")
    own: tuple[FloatArray, FloatArray] = (np.empty(0), np.empty(0))
    if positions.slope.size:
        nothing = np.zeros(holdings.amount.size)
        own = (np.concatenate((positions.slope[repeated], nothing))[order],
               np.concatenate((positions.constant[repeated], nothing))[order])
    size = np.concatenate((positions.base[repeated], holdings.amount))
    cost = np.concatenate((positions.cost[repeated], holdings.weight_cap))
    return (Legs(kind[order], driver[order], size[order], cost[order], *own, pool[order].astype(np.int32)),
            np.bincount(pool, minlength=n_pools))


def _is_split(positions: Positions, terms: Terms) -> BoolArray:
    """Longs whose requirement grows about as fast as what counts of their profit, or faster."""
    market = positions.market.astype(np.int64)
    steepest = terms.rate[terms.first[1:].astype(np.int64) - 1][market]  # rates rise with size
    if positions.slope.size:
        steepest = steepest + positions.slope
    counts = np.minimum(terms.profit_weight, 1.0)[market]
    return (positions.base > 0) & (counts - steepest < _LEAST_SLOPE)


def terms_of(tables: MarginTables) -> Terms:
    """Rules of ``tables`` as the kernels read them."""
    curves, assets = tables.curves, tables.assets
    require(bool(np.all(assets.maintenance_weight >= 0) and np.all(assets.debt_maintenance_weight >= 0)),
            "weights of collateral and debt are not negative")
    require(bool(np.all(tables.profit_weight_maintenance >= 0)), "a weight of profits is not negative")
    return Terms(curves.first.view(np.uint32), curves.floor, curves.maintenance_rate, curves.deduction,
                 tables.profit_weight_maintenance, _gaps(tables), assets.first_slice.view(np.uint32),
                 assets.slice_floor, assets.maintenance_weight, assets.value_cap, assets.debt_maintenance_weight)


def _gaps(tables: MarginTables) -> FloatArray:
    """By how much the brackets of each market fail to join, summed over its floors; shape (n_markets,)."""
    curves = tables.curves
    jump = np.abs(curves.floor[1:] * np.diff(curves.maintenance_rate) - np.diff(curves.deduction))
    market = np.repeat(np.arange(tables.convex.size), np.diff(curves.first))
    within = market[1:] == market[:-1]
    return np.bincount(market[1:][within], jump[within], minlength=tables.convex.size).astype(np.float64)


def volatilities(tables: MarginTables, of_markets: FloatArray | None, of_assets: FloatArray | None) -> FloatArray:
    """Volatility of every driver, positive, or 0 where the price is the constant 1 of a settlement asset.

    What is unknown takes the median of what is known: the numbers only say how slack is split.
    """
    markets = tables.volatility_per_day if of_markets is None else of_markets
    assets = np.full(len(tables.book.assets), np.nan) if of_assets is None else of_assets
    require(markets.shape == tables.mark.shape, "one volatility a market", got=markets.shape)
    require(assets.shape == tables.assets.is_settlement.shape, "one volatility an asset", got=assets.shape)
    columns = np.concatenate((markets, assets))
    known = columns[np.isfinite(columns) & (columns > 0)]
    columns = np.where(np.isfinite(columns) & (columns > 0), columns, np.median(known) if known.size else 1.0)
    columns[markets.size:][tables.assets.is_settlement] = 0.0
    return np.repeat(columns, 2)


def driver_prices(tables: MarginTables) -> FloatArray:
    """Price of every driver, shape (n_drivers,): of each market long and short, of each asset owned and owed."""
    assets = tables.assets
    return np.concatenate((np.stack((tables.price_long, tables.price_short), axis=1).ravel(),
                           np.stack((assets.price_owned, assets.price_owed), axis=1).ravel()))


def empty_ladders(price: FloatArray, n_legs: int) -> Ladders:
    """Ladders of ``price.size`` drivers about their prices, with no leg in them and room for ``n_legs``."""
    n_ladders = 2 * price.size
    room = max(_FREE_PLACES, _PLACES_A_LEG * n_legs) // max(1, n_ladders)
    buckets = min(max(2 ** max(0, room.bit_length() - 1), _BUCKETS[0]), _BUCKETS[1])
    require(n_ladders * buckets + price.size < 2**31, "at most two million markets and assets", got=price.size // 2)
    shift = 53 - (buckets.bit_length() - 1)  # half the buckets to an octave, whose numbers share 52 bits
    bits = np.where(np.isfinite(price), price, 1.0).view(np.int64)
    return Ladders(
        head=np.full(n_ladders * buckets + price.size, NOWHERE, dtype=np.int32),
        nearest=np.tile([-np.inf, np.inf], price.size),
        anchor=(bits >> shift) - buckets // 2,
        following=np.full(n_legs, NOWHERE, dtype=np.int32), preceding=np.full(n_legs, NOWHERE, dtype=np.int32),
        place=np.full(n_legs, NOWHERE, dtype=np.int32), trigger=np.zeros(n_legs),
        layout=np.array([buckets, shift], dtype=np.int64))


def longer_ladders(ladders: Ladders, n_legs: int) -> Ladders:
    """The same ladders with room for ``n_legs``."""
    more = n_legs - ladders.trigger.size
    nowhere = np.full(more, NOWHERE, dtype=np.int32)
    return ladders._replace(
        following=np.concatenate((ladders.following, nowhere)), preceding=np.concatenate((ladders.preceding, nowhere)),
        place=np.concatenate((ladders.place, nowhere)), trigger=np.concatenate((ladders.trigger, np.zeros(more))))


def longer_legs(legs: Legs, n_legs: int) -> Legs:
    """The same legs with room for ``n_legs``."""
    more = n_legs - legs.size.size
    room, own_room = np.zeros(more), np.zeros(more if legs.own_slope.size else 0)
    return Legs(np.append(legs.kind, room.astype(np.uint8)), np.append(legs.driver, room.astype(np.uint32)),
                np.append(legs.size, room), np.append(legs.cost, room), np.append(legs.own_slope, own_room),
                np.append(legs.own_constant, own_room), np.append(legs.pool, room.astype(np.int32)))
