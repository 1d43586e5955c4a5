r"""Health of all pools at one set of prices after another, and nothing else: scenarios, replays, large gaps.

Health is a sum over positions, so the order in which they are read is free. :class:`HealthSweep` lays them out once,
slot-major over blocks of pools sorted by their number of positions (jagged diagonal storage; Saad, Krylov subspace
methods on supercomputers, 1989), and remembers each position's bracket, which seldom changes from price to price and is
checked every time. Costs at entry, own constants and collateral become one number a pool.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import require
from leverline.margin import _sweep_kernels as kernels
from leverline.margin.tables import MarginTables

_Number = TypeVar("_Number", bound=np.generic)


class HealthSweep:
    """Revalues health at new prices; holdings stay at the asset prices of the tables until they are repriced.

    One sweep serves one thread. Equal to ``health`` of a full valuation up to the rounding of sums, in any order of
    calls.

    Parameters
    ----------
    tables : MarginTables
    """

    def __init__(self, tables: MarginTables) -> None:
        self._tables = tables
        book = tables.book
        weighted = tables.profit_weight_maintenance[book.position_market] != 1.0
        has_weighted = np.zeros(book.n_pools, dtype=np.bool_)
        has_weighted[book.pool_of_position()[weighted]] = True
        self._one_by_one = np.flatnonzero(has_weighted)  # their profit has a kink that the layout does not carry
        laid_out = np.flatnonzero(~has_weighted)
        counts = np.diff(book.position_offsets)
        self._order = laid_out[np.argsort(-counts[laid_out], kind="stable")]
        self._lay_out(counts[self._order])
        self.reprice_assets(tables.assets.price_owned, tables.assets.price_owed)

    def reprice_assets(self, price_owned: FloatArray, price_owed: FloatArray) -> None:
        """Value holdings at these prices, each of shape (n_assets,), from now on."""
        n_assets = len(self._tables.book.assets)
        require(price_owned.shape == price_owed.shape == (n_assets,), "one price an asset",
                got=(price_owned.shape, price_owed.shape))
        self._counted = counted_holdings(self._tables, price_owned, price_owed)
        self._constant = self._counted[self._order] - self._paid

    def health(self, price_long: FloatArray, price_short: FloatArray | None = None) -> FloatArray:
        """Health of every pool, shape (n_pools,), with markets at these prices, shape (n_markets,).

        ``price_short`` is ``price_long`` where one price holds for both sides. A NaN price gives NaN to its holders.
        """
        short = price_long if price_short is None else price_short
        shape = (len(self._tables.book.markets),)
        require(price_long.shape == short.shape == shape, "one price a market", got=(price_long.shape, short.shape))
        out = np.empty(self._tables.book.n_pools)
        price = np.stack((price_long, short), axis=1).ravel()
        kernels.health_by_slots(self._slot_start, self._slot_length, self._constant, self._column, self._slope,
                                self._bracket, price, self._table, self._order, out)
        if self._one_by_one.size:
            _health_of(self._tables, self._one_by_one, self._counted, price_long, short, out)
        return out

    def _lay_out(self, counts: IntArray) -> None:
        """Set the layout of the pools in ``_order``, which have ``counts`` positions, falling."""
        tables, curves, book = self._tables, self._tables.curves, self._tables.book
        self._slot_length, self._slot_start = slots(counts)
        rank = np.repeat(np.arange(counts.size), counts)
        slot = np.arange(rank.size) - np.repeat(np.cumsum(counts) - counts, counts)
        source = np.repeat(book.position_offsets[self._order].astype(np.int64), counts) + slot
        target = self._slot_start[rank // kernels.BLOCK, slot] + rank % kernels.BLOCK
        base, market = tables.base[source], book.position_market[source].astype(np.int64)
        owed = tables.cost[source]
        if curves.maintenance_slope.size:  # own lines stand where a market's brackets ask nothing: they join the slope
            owed = owed + curves.maintenance_constant[source]
            slope = base - curves.maintenance_slope[source] * np.abs(base)
        else:
            slope = base
        self._paid = np.bincount(rank, owed, minlength=counts.size)
        self._slope = _placed(slope, target)
        self._column = _placed(2 * market + (base < 0), target).astype(_unsigned(2 * len(book.markets)))
        self._bracket = _placed(curves.first[market], target).astype(_unsigned(curves.floor.size))
        self._table = bracket_table(tables)


def maintenance_health(tables: MarginTables, price_long: FloatArray | None = None,
                       price_short: FloatArray | None = None) -> FloatArray:
    """Health of every pool once, shape (n_pools,), at other prices a market than the tables' where they are given."""
    out = np.empty(tables.book.n_pools)
    counted = counted_holdings(tables, tables.assets.price_owned, tables.assets.price_owed)
    _health_of(tables, np.arange(tables.book.n_pools), counted, tables.price_long if price_long is None else price_long,
               tables.price_short if price_short is None else price_short, out)
    return out


def counted_holdings(tables: MarginTables, price_owned: FloatArray, price_owed: FloatArray) -> FloatArray:
    """Collateral less debt of each pool as maintenance counts them, shape (n_pools,), settlement currency."""
    book, assets = tables.book, tables.assets
    out = np.empty(book.n_pools)
    kernels.counted_holdings(
        book.holding_offsets, book.holding_asset, book.amount, assets.weight_cap, price_owned, price_owed,
        assets.first_slice, assets.slice_floor, assets.maintenance_weight, assets.value_cap,
        assets.debt_maintenance_weight, out)
    return out


def bracket_table(tables: MarginTables) -> FloatArray:
    """Floor, ceiling, maintenance rate and deduction of each bracket, shape (n_brackets, 4); a last one has no end."""
    curves = tables.curves
    ceiling = np.append(curves.floor[1:], np.inf)
    ceiling[curves.first[1:].astype(np.int64) - 1] = np.inf
    return np.stack((curves.floor, ceiling, curves.maintenance_rate, curves.deduction), axis=1)


def slots(counts: IntArray) -> tuple[IntArray, IntArray]:
    """Length and start of every slot, shape (n_blocks, most positions); ``counts`` of positions fall from pool to pool.

    A slot is as long as its block has pools with that many positions; slots follow each other block by block.
    """
    n_blocks = -(-counts.size // kernels.BLOCK)
    most = int(counts[0]) if counts.size else 0
    length = np.zeros((n_blocks, most), dtype=np.int64)
    for b in range(n_blocks):
        block = counts[b * kernels.BLOCK:(b + 1) * kernels.BLOCK]
        length[b] = np.searchsorted(-block, -np.arange(most), side="left")
    ends = np.cumsum(length.ravel()).reshape(length.shape)
    return length, ends - length


def _health_of(tables: MarginTables, pools: IntArray, counted: FloatArray, price_long: FloatArray,
               price_short: FloatArray, out: FloatArray) -> None:
    book, curves = tables.book, tables.curves
    kernels.health_of(
        pools, counted, book.position_offsets, book.position_market, tables.base, tables.cost, price_long, price_short,
        tables.profit_weight_maintenance, curves.first.view(np.uint32), curves.floor, curves.maintenance_rate,
        curves.deduction, curves.maintenance_slope, curves.maintenance_constant, out)


def _placed(values: npt.NDArray[_Number], target: IntArray) -> npt.NDArray[_Number]:
    out = np.empty_like(values)
    out[target] = values
    return out


def _unsigned(n: int) -> type[np.unsignedinteger]:
    """The narrowest index type for ``n`` places: indices are a good part of what is read."""
    return np.uint16 if n <= 2**16 else np.uint32
