r"""Safe bands: which pools does this tick carry over the line, without looking at the others.

Health is a sum over what a pool holds, each term monotone in one price. The distance :math:`h` of a pool's health from
0 is split over its terms, :math:`h = \sum_j s_j`, and each gets one trigger: the price at which it would have used up
its part. While no trigger is reached no term has lost more than its part, so the pool is on the same side of the line;
a tick therefore looks only at pools whose trigger it reaches, recomputes their health exactly, and splits anew. Moves
in the other direction never need attention.

A wall at distance :math:`s_j` of exposure :math:`e_j` at volatility :math:`\sigma_j` is hit at a rate of about
:math:`(\sigma_j e_j / s_j)^2`; the sum of these is least, given :math:`\sum s_j`, at
:math:`s_j \propto (\sigma_j e_j)^{2/3}` (set the derivatives of the Lagrangian to 0).

Nothing is missed and nothing is late, to the last bit: the verdict is the health of the full valuation, triggers are
rounded towards the price, and their parts leave out what rounding may hide. Health of exactly 0 is safe.

Memory: 45 bytes a leg (a position or holding; 61 where positions have lines of their own), 27 bytes a pool, and four
ladders a market or asset of up to 32 KiB each: about 340 MB for a million pools of seven legs in 200 markets.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.errors import require
from leverline.margin import _tick_kernels as ticking
from leverline.margin import _trigger_kernels as kernels
from leverline.margin._ladder_kernels import Fired, I32Array
from leverline.margin.band_layout import (
    Holdings,
    Positions,
    all_legs,
    driver_prices,
    empty_ladders,
    legs_of,
    longer_ladders,
    longer_legs,
    terms_of,
    volatilities,
)
from leverline.margin.tables import MarginTables


class Crossings(NamedTuple):
    """Pools that crossed the line, ascending: health fell below 0, or came back to 0 or more."""

    breached: IntArray
    recovered: IntArray


_NOBODY = Crossings(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
_POSITIVE, _CONSTANT = "prices are positive and finite", "what settles is worth 1 and does not move"


class TickCrossings(NamedTuple):
    """Crossings of many ticks, in order of tick and pool: at which tick, which pool, and whether it breached."""

    tick: IntArray
    pool: IntArray
    is_breach: BoolArray


class SafeBands:
    """Watches the health of every pool of ``tables`` from tick to tick.

    A tick has two phases: what crossed is found and returned first; pools that were looked at get new triggers
    afterwards, by :meth:`settle` or at the latest by the next call. One object serves one thread.

    Pools that hold a position whose maintenance is not convex in price have no exact trigger; they are looked at on
    every move of a price that concerns them, and :attr:`swept_pools` and :attr:`reason` say so.

    Parameters
    ----------
    tables : MarginTables
        Accounts, rules and first prices; not changed.
    volatility : float64 array of shape (n_markets,), optional
        Of log prices, any common unit; those of ``tables`` by default. Together with ``asset_volatility``, shape
        (n_assets,), it decides how slack is split: a wrong one costs time and never a breach.
    """

    def __init__(self, tables: MarginTables, *, volatility: FloatArray | None = None,
                 asset_volatility: FloatArray | None = None) -> None:
        self._volatility, self._asset_volatility = volatility, asset_volatility
        self._lay_out(tables)

    @property
    def n_pools(self) -> int:
        """How many pools are watched."""
        return int(self._bands.pools.n_legs.size)

    @property
    def breached(self) -> IntArray:
        """Pools whose health is below 0 now, ascending."""
        return np.flatnonzero(self._bands.pools.is_breached)

    @property
    def swept_pools(self) -> IntArray:
        """Pools without exact triggers, ascending."""
        return np.flatnonzero(self._bands.pools.is_swept)

    @property
    def reason(self) -> str | None:
        """Why there are swept pools; None where there are none."""
        swept = self.swept_pools
        if not swept.size:
            return None
        odd = np.flatnonzero(~self._convex & self._held)
        symbols = list(dict.fromkeys(self._tables.book.markets[m].symbol for m in odd))
        names = ", ".join(symbols[:3]) + (", ..." if len(symbols) > 3 else "")
        return (f"maintenance is not convex in price in {names}: {swept.size} of {self.n_pools} pools are recomputed "
                "at every move of their prices")

    @property
    def memory_bytes(self) -> int:
        """What legs, pools and ladders take; the tables come on top."""
        bands = self._bands
        return sum(column.nbytes for part in (bands.ladders, bands.legs, bands.pools, bands.fired) for column in part)

    def health(self, pool: int) -> float:
        """Health of ``pool`` at the prices of the last tick, settlement currency."""
        self._check_pool(pool)
        return kernels.pool_health(self._bands, pool)

    def tick(self, market: int, price_long: float, price_short: float | None = None) -> Crossings:
        """One market's price moved; ``price_short`` where shorts are valued at another."""
        require(0 <= market < len(self._tables.book.markets), "a market of the tables", got=market)
        return self._move(market, price_long, price_long if price_short is None else price_short)

    def tick_asset(self, asset: int, price_owned: float, price_owed: float | None = None) -> Crossings:
        """One asset's price moved; ``price_owed`` where debt is valued at another."""
        require(0 <= asset < len(self._tables.book.assets), "an asset of the tables", got=asset)
        return self._move(self.asset_column(asset), price_owned, price_owned if price_owed is None else price_owed)

    def asset_column(self, asset: int) -> int:
        """The column of an asset in :meth:`ticks`; that of a market is its own number."""
        return len(self._tables.book.markets) + asset

    def ticks(self, column: npt.NDArray[np.integer], price_long: FloatArray, price_short: FloatArray | None = None,
              ) -> TickCrossings:
        """Many ticks one after the other, arrays of shape (n,): the same crossings as one :meth:`tick` each."""
        short = price_long if price_short is None else price_short
        require(column.shape == price_long.shape == short.shape, "one price a tick", got=column.shape)
        self._check_prices(column, price_long, short)
        self.settle()
        columns = column.astype(np.uint32)
        end_of = np.zeros(columns.size, dtype=np.int64)
        parts: list[TickCrossings] = []
        crossed = np.empty(2 * self.n_pools, dtype=np.int32)
        is_breach = np.empty(crossed.size, dtype=np.bool_)
        begin = 0
        while begin < columns.size:
            stop = ticking.run_ticks(self._bands, begin, columns, price_long, short, crossed, is_breach, end_of)
            counts = np.diff(end_of[begin:stop], prepend=0)
            tick, n = np.repeat(np.arange(begin, stop), counts), int(counts.sum())
            order = np.lexsort((crossed[:n], tick))
            parts.append(TickCrossings(tick, crossed[:n][order].astype(np.int64), is_breach[:n][order]))
            begin = stop
        if not parts:
            return TickCrossings(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.bool_))
        return TickCrossings(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def prices(self, price_long: FloatArray, price_short: FloatArray | None = None,
               price_owned: FloatArray | None = None, price_owed: FloatArray | None = None) -> Crossings:
        """All prices moved at once: a pool is looked at once, when all have their new value.

        Prices of markets, shape (n_markets,), and of assets, shape (n_assets,); NaN and None leave one as it was. The
        second of a pair is the first where one price holds for both.
        """
        n_markets, n_assets = len(self._tables.book.markets), len(self._tables.book.assets)
        unmoved = np.full(n_assets, np.nan)
        owned = unmoved if price_owned is None else price_owned
        owed, short = owned if price_owed is None else price_owed, price_long if price_short is None else price_short
        require(price_long.shape == short.shape == (n_markets,), "one price a market", got=price_long.shape)
        require(owned.shape == owed.shape == (n_assets,), "one price an asset", got=owned.shape)
        low, high = np.concatenate((price_long, owned)), np.concatenate((short, owed))
        moved = np.flatnonzero(~(np.isnan(low) & np.isnan(high)))
        self._check_prices(moved, np.where(np.isnan(low), 1.0, low)[moved], np.where(np.isnan(high), 1.0, high)[moved])
        self.settle()
        ticking.move_all(self._bands, np.stack((low, high), axis=1).ravel())
        return self._judged()

    def settle(self) -> None:
        """Second phase: new triggers for the pools that were looked at. Without this the next call begins with it."""
        ticking.settle(self._bands)

    def credit(self, asset: int, pools: IntArray, amounts: FloatArray) -> Crossings:
        """Deposits, withdrawals, fees, interest or funding: ``amounts`` added to what ``pools`` hold of ``asset``.

        A pool that holds none yet gets a holding. Where the weight of collateral depends on its amount, give the
        whole pool to :meth:`update_pool` instead.
        """
        require(0 <= asset < len(self._tables.book.assets), "an asset of the tables", got=asset)
        require(pools.shape == amounts.shape and bool(np.isfinite(amounts).all()), "one finite amount a pool")
        require(not pools.size or 0 <= int(pools.min()) <= int(pools.max()) < self.n_pools, "pools of the tables")
        require(not self._sized[asset], "the weight of this asset depends on the amount held",
                remedy="use update_pool with its weight_cap")
        self._check_prices_known(np.array([self.asset_column(asset)]))
        self.settle()
        done = np.zeros(pools.size, dtype=np.bool_)
        ticking.credit(self._bands, self.asset_column(asset), pools, amounts, done)
        missing = np.flatnonzero(~done)
        for pool in np.unique(pools[missing]).tolist():
            held = self.holdings(pool)
            place = int(np.searchsorted(held.asset, asset))
            self._write(pool, self.positions(pool), Holdings(
                np.insert(held.asset, place, asset), np.insert(held.amount, place, 0.0),
                np.insert(held.weight_cap, place, np.inf)))
        ticking.credit(self._bands, self.asset_column(asset), pools[missing], amounts[missing], done)
        return self._judged()

    def positions(self, pool: int) -> Positions:
        """What ``pool`` holds in markets now."""
        legs, rows = self._bands.legs, self._rows(pool)
        held = np.flatnonzero(legs.kind[rows] <= kernels.PROFIT) + rows.start
        own = held if legs.own_slope.size else held[:0]
        return Positions(legs.driver[held] >> 1, legs.size[held], legs.cost[held], legs.own_slope[own],
                         legs.own_constant[own])

    def holdings(self, pool: int) -> Holdings:
        """What ``pool`` holds in assets now."""
        legs, rows = self._bands.legs, self._rows(pool)
        held = np.flatnonzero(legs.kind[rows] >= kernels.COLLATERAL) + rows.start
        asset = (legs.driver[held] >> 1) - np.uint32(len(self._tables.book.markets))
        return Holdings(asset, legs.size[held], legs.cost[held])

    def update_pool(self, pool: int, *, positions: Positions | None = None, holdings: Holdings | None = None,
                    ) -> Crossings:
        """A trade, a transfer, anything that changes what ``pool`` holds; None leaves positions or holdings alone.

        Both come as margin tables state them (:func:`leverline.margin.band_layout.positions_of`,
        :func:`~leverline.margin.band_layout.holdings_of`), with the own lines and weight caps of their new size.
        """
        self._check_pool(pool)
        self.settle()
        held = self.positions(pool) if positions is None else positions
        kept = self.holdings(pool) if holdings is None else holdings
        for names, n in ((held.market, len(self._tables.book.markets)), (kept.asset, len(self._tables.book.assets))):
            require(bool(np.all(np.diff(names.astype(np.int64)) > 0)) and (not names.size or int(names[-1]) < n),
                    "markets and assets of a pool ascend and are those of the tables", got=names.tolist())
        self._check_prices_known(np.concatenate((held.market.astype(np.int64), self.asset_column(0) + kept.asset)))
        self._write(pool, held, kept)
        ticking.note_pools(self._bands, np.array([pool]))
        return self._judged()

    def replace_rules(self, tables: MarginTables) -> Crossings:
        """Other limits: all is laid out anew from ``tables``, the same pools as they stand now, at its prices."""
        old = self._tables.book
        require(tables.book.n_pools == self.n_pools and tables.book.markets == old.markets
                and tables.book.assets == old.assets, "new rules come with the same pools, markets and assets")
        before = self._bands.pools.is_breached
        self._lay_out(tables)
        after = self._bands.pools.is_breached
        return Crossings(np.flatnonzero(after & ~before), np.flatnonzero(before & ~after))

    def _lay_out(self, tables: MarginTables) -> None:
        """Build everything from ``tables`` and centre every pool."""
        terms, price = terms_of(tables), driver_prices(tables)
        volatility = volatilities(tables, self._volatility, self._asset_volatility)
        legs, n_legs = all_legs(tables, terms)
        held = np.unique(legs.driver)
        require(bool(np.all((price[held] > 0) & np.isfinite(price[held]))), "what is held has a positive price")
        n_pools = tables.book.n_pools
        self._tables, self._convex = tables, tables.convex
        self._held = np.bincount(tables.book.position_market, minlength=tables.convex.size) > 0
        self._sized = ~tables.assets.is_settlement  # what nobody holds does not tell whether its weight falls with size
        self._sized[tables.book.holding_asset] = False
        self._sized[tables.book.holding_asset[np.isfinite(tables.assets.weight_cap)]] = True
        is_swept = np.zeros(n_pools, dtype=np.bool_)
        is_swept[tables.book.pool_of_position()[~tables.convex[tables.book.position_market]]] = True
        room = int(n_legs.max(initial=0))
        self._used = legs.size.size
        self._bands = kernels.Bands(
            empty_ladders(price, legs.size.size), legs, terms,
            kernels.PoolColumns(np.cumsum(n_legs) - n_legs, n_legs.astype(np.int32), n_legs.astype(np.int32),
                                np.zeros(n_pools, dtype=np.bool_), is_swept),
            Fired(np.empty(n_pools, dtype=np.int32), np.zeros(1, dtype=np.int64), np.zeros(n_pools, dtype=np.bool_)),
            price, volatility, np.empty(room), np.empty(room))
        self._crossed: I32Array = np.empty(n_pools, dtype=np.int32)
        kernels.centre_all(self._bands)

    def _move(self, column: int, low: float, high: float) -> Crossings:
        require(0.0 < low < np.inf and 0.0 < high < np.inf, _POSITIVE, got=(low, high))
        require(self._bands.volatility[2 * column] > 0, _CONSTANT)
        return self._crossings(ticking.tick_once(self._bands, column, low, high, self._crossed))

    def _judged(self) -> Crossings:
        """First phase: which of the noted pools crossed the line."""
        return self._crossings(ticking.judge(self._bands, self._crossed, 0))

    def _crossings(self, n: int) -> Crossings:
        """The first ``n`` of what a kernel wrote."""
        if n == 0:
            return _NOBODY
        crossed = np.sort(self._crossed[:n]).astype(np.int64)
        is_breach = self._bands.pools.is_breached[crossed]
        return Crossings(crossed[is_breach], crossed[~is_breach])

    def _write(self, pool: int, positions: Positions, holdings: Holdings) -> None:
        """Let ``pool`` hold this; where it no longer fits, its legs move behind all others."""
        owner = np.zeros(positions.base.size, dtype=np.int64), np.zeros(holdings.amount.size, dtype=np.int64)
        legs, _ = legs_of(positions, owner[0], holdings, owner[1], 1, self._bands.terms)
        pools, n = self._bands.pools, legs.size.size
        ticking.forget_legs(self._bands, pool)
        if n > pools.room[pool]:
            pools.start[pool], pools.room[pool] = self._used, n + n // 2
            self._used += n + n // 2
        self._make_room(n, bool(np.any(legs.own_slope) or np.any(legs.own_constant)))
        begin = int(pools.start[pool])
        pools.n_legs[pool] = n
        pools.is_swept[pool] = bool((~self._convex[positions.market]).any())
        self._held[positions.market] = True
        for name in ("kind", "driver", "size", "cost", "own_slope", "own_constant"):
            column, values = getattr(self._bands.legs, name), getattr(legs, name)
            if column.size:
                column[begin:begin + n] = values if values.size else 0.0  # no own lines, where others have some
        self._bands.legs.pool[begin:begin + n] = pool
        kernels.centre(self._bands, pool)

    def _make_room(self, most: int, has_own: bool) -> None:
        """Room for all legs in use, ``most`` in a pool; arrays double, so that growing costs little a leg."""
        bands, size = self._bands, self._bands.legs.size.size
        if most > bands.worth.size:
            bands = bands._replace(worth=np.empty(2 * most), share=np.empty(2 * most))
        if has_own and not bands.legs.own_slope.size:
            bands = bands._replace(legs=bands.legs._replace(own_slope=np.zeros(size), own_constant=np.zeros(size)))
        if self._used > size:
            room = 2 * self._used
            bands = bands._replace(ladders=longer_ladders(bands.ladders, room), legs=longer_legs(bands.legs, room))
        self._bands = bands

    def _rows(self, pool: int) -> slice:
        self._check_pool(pool)
        start = int(self._bands.pools.start[pool])
        return slice(start, start + int(self._bands.pools.n_legs[pool]))

    def _check_pool(self, pool: int) -> None:
        require(0 <= pool < self.n_pools, "a pool of the tables", got=pool)

    def _check_prices(self, column: npt.NDArray[np.integer], low: FloatArray, high: FloatArray) -> None:
        n_columns = self._bands.price.size // 2
        require(not column.size or (int(column.min()) >= 0 and int(column.max()) < n_columns),
                "columns are markets, then assets", got=n_columns)
        for price in (low, high):
            require(bool(np.all((price > 0) & (price < np.inf))), _POSITIVE)
        require(bool(np.all(self._bands.volatility[2 * column] > 0)), _CONSTANT)

    def _check_prices_known(self, column: IntArray) -> None:
        require(bool(np.isfinite(self._bands.price[2 * column]).all()), "what is held has a price",
                remedy="tick it before it is held")
