"""At which price of one market, or of one asset, a pool is liquidated, and at which it is bankrupt.

One price moves and every other stands still. The liquidation price is the first one at which the pool's health is
negative, walking from the price of today in the direction in which the position loses: down for a long and for
collateral, up for a short and for a debt. Every bracket, share of profit, slice of collateral and jump of a stepped
requirement on the way is that of the price it is met at. At the price itself, where the requirement is continuous,
health is 0, which is still safe; where it jumps (short positions at a step), the price is the first that is not safe.

The way is walked in one direction only. A pool may fall below maintenance on the other side as well, where a venue does
not count profits and the requirement grows with them; that is not a liquidation price.

For a pool that is below maintenance already, the price is where it would be safe again, in the direction in which the
position gains. It then lies on the other side of today's price.

A coin-margined position is collateral and exposure to the same price: where the rules know an inverse market and the
pool holds its coin, the coin is worth what the market says it is, and both move together.

Steps by value in the settlement coin (:class:`~leverline.margin.curves.CoinStepCurve`) stay those of today's price.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.margin import _liquidation_kernels as kernels
from leverline.margin.tables import MarginTables
from leverline.margin.valuation import Valuation
from leverline.market.symbols import is_unified, parse_unified
from leverline.model.accounts import AccountBook, Asset
from leverline.model.instrument import Payoff


@dataclass(frozen=True, slots=True)
class LiquidationPrices:
    """One entry a position, or one a holding; float64 arrays, NaN where the price does not exist.

    Attributes
    ----------
    price : what the position or holding is valued at today: the mark, or the worse end where the venue prices strictly
    liquidation_price : in the terms of ``price``; NaN where the pool is liquidated at no price of this market alone
    bankruptcy_price : where the pool's equity is 0; NaN where this market alone does not bring it there
    distance : liquidation_price / price - 1; as a move of the price, so negative for a healthy long
    distance_in_daily_volatilities : |log(liquidation_price / price)| over the volatility of one day; negative where the
        pool is below maintenance already; NaN where the volatility is not known
    """

    price: FloatArray
    liquidation_price: FloatArray
    bankruptcy_price: FloatArray
    distance: FloatArray
    distance_in_daily_volatilities: FloatArray


def liquidation_prices(tables: MarginTables, valuation: Valuation) -> LiquidationPrices:
    """Prices of every position of ``tables.book``, shape (n_positions,); ``valuation`` of the same tables."""
    book, curves, assets = tables.book, tables.curves, tables.assets
    out = np.empty((2, book.n_positions))
    kernels.liquidation_prices(
        book.position_offsets, book.position_market, tables.base, tables.cost, tables.price_long, tables.price_short,
        tables.profit_weight_maintenance, curves.first, curves.floor, curves.maintenance_rate, curves.deduction,
        curves.maintenance_slope, curves.maintenance_constant,
        coin_holdings(book, assets.is_settlement), book.holding_asset, book.amount,
        assets.price_owned, assets.price_owed, assets.maintenance_weight, assets.slice_floor, assets.first_slice,
        assets.value_cap, assets.weight_cap, assets.debt_maintenance_weight,
        valuation.pools.health, valuation.pools.equity, out)
    breached = (valuation.pools.health < 0.0)[book.pool_of_position()]
    return _with_distances(valuation.positions.price, out[0], out[1], breached,
                           tables.volatility_per_day[book.position_market])


def holding_liquidation_prices(tables: MarginTables, valuation: Valuation, volatility_per_day: FloatArray | None = None,
                               ) -> LiquidationPrices:
    """Prices of every holding of ``tables.book``, shape (n_holdings,): what a borrower asks for.

    ``volatility_per_day`` of the assets, shape (n_assets,). Holdings of the settlement asset have no price, and
    holdings of a pool that owes nothing are never liquidated: NaN.
    """
    book, assets = tables.book, tables.assets
    liquidated = np.empty(book.amount.size)
    owes, pool = owing_pools(book), book.pool_of_holding()
    kernels.holding_liquidation_prices(
        book.holding_offsets, book.holding_asset, book.amount, assets.price_owned, assets.price_owed,
        assets.maintenance_weight, assets.slice_floor, assets.first_slice, assets.value_cap, assets.weight_cap,
        assets.debt_maintenance_weight, assets.is_settlement, valuation.pools.health, owes, liquidated)
    price = np.where(book.amount > 0.0, assets.price_owned[book.holding_asset], assets.price_owed[book.holding_asset])
    with np.errstate(divide="ignore", invalid="ignore"):
        bankrupt = price - valuation.pools.equity[pool] / book.amount
    reached = owes[pool] & (bankrupt > kernels.NEGLIGIBLE * price) & ~assets.is_settlement[book.holding_asset]
    volatility = np.full(len(book.assets), np.nan) if volatility_per_day is None else volatility_per_day
    return _with_distances(price, liquidated, np.where(reached, bankrupt, np.nan),
                           (valuation.pools.health < 0.0)[pool], volatility[book.holding_asset])


def owing_pools(book: AccountBook) -> BoolArray:
    """Which pools have a position or a debt, shape (n_pools,): no other can be liquidated."""
    owes = np.diff(book.position_offsets) > 0
    owes[book.pool_of_holding()[book.amount < 0.0]] = True
    return owes


def coin_holdings(book: AccountBook, is_settlement: BoolArray) -> npt.NDArray[np.int32]:
    """For each position the holding of its pool whose price is the position's own, -1 for none; empty if all are -1.

    That is a holding of the coin in which an inverse market, by its unified symbol, settles at the same venue.
    """
    places = {asset: k for k, asset in enumerate(book.assets) if not is_settlement[k]}
    coin = np.array([places.get(Asset(venue, _coin(symbol)), -1) for venue, symbol in book.markets], dtype=np.int64)
    inverse = np.flatnonzero(coin[book.position_market] >= 0) if coin.size else np.array([], dtype=np.int64)
    if inverse.size == 0:
        return np.array([], dtype=np.int32)
    n_assets = len(book.assets)
    key = book.pool_of_holding() * n_assets + book.holding_asset  # ascending: a pool's assets are
    wanted = book.pool_of_position()[inverse] * n_assets + coin[book.position_market[inverse]]
    found = np.full(book.n_positions, -1, dtype=np.int32)
    found[inverse] = _places_of(wanted, key)
    return found


def _coin(symbol: str) -> str:
    """The asset in which an inverse market settles; a name no asset has where the market is another."""
    if not is_unified(symbol):
        return ""
    instrument = parse_unified(symbol)
    return instrument.settlement_asset or "" if instrument.payoff is Payoff.INVERSE else ""


def _places_of(wanted: IntArray, ascending: IntArray) -> IntArray:
    """Where each of ``wanted`` stands in ``ascending``; -1 where it does not."""
    at = np.searchsorted(ascending, wanted)
    inside = at < ascending.size
    inside[inside] = ascending[at[inside]] == wanted[inside]
    return np.where(inside, at, -1)


def _with_distances(price: FloatArray, liquidation_price: FloatArray, bankruptcy_price: FloatArray,
                    breached: BoolArray, volatility_per_day: FloatArray) -> LiquidationPrices:
    ratio = liquidation_price / price
    room = np.log(ratio)
    np.abs(room, out=room)
    with np.errstate(divide="ignore", invalid="ignore"):
        room /= volatility_per_day
    np.negative(room, out=room, where=breached)
    return LiquidationPrices(price, liquidation_price, bankruptcy_price, ratio - 1.0, room)
