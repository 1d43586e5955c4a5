r"""Reproduction across markets: forced selling in one moves the others, by dependence or by shared liquidity.

A *side* is the longs or the shorts of one market. Forcing :math:`Q_b` of side b moves its own market by
:math:`I_b(Q_b)` and market i by ``transmission[i, market of b]`` times that. The matrix

.. math:: K_{ab} = \frac{F_a(\text{move that } Q_b \text{ makes in the market of } a)}{Q_b}

is the next-generation matrix of epidemiology (Diekmann, Heesterbeek and Metz 1990, J. Mathematical Biology
28:365-382): forced notional released in side a by a unit forced in side b. Its spectral radius is the reproduction
number of all markets together. Each source acts alone in :math:`K`, as there; what two sources release only together
shows in :func:`released_in_pools` with their joint moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import require
from leverline.margin.forced_impact import Impact
from leverline.margin.reproduction import LiquidationLadder, Pressure, liquidatable_pools
from leverline.margin.tables import MarginTables
from leverline.margin.valuation import value_accounts


@dataclass(frozen=True, slots=True)
class MarketSide:
    """The longs or the shorts of one market: what they release, and what forcing them does to their own price."""

    market: int
    ladder: LiquidationLadder
    impact: Impact


def reproduction_matrix(sides: Sequence[MarketSide], transmission: FloatArray, notional: FloatArray) -> FloatArray:
    """K of shape (n_sides, n_sides) where side b is forced by ``notional[b]`` (positive, quote currency).

    ``transmission`` (n_markets, n_markets): relative move of market i for one of market j, 1 on the diagonal: a beta,
    or 1 between venues that trade out of one pool of liquidity. A negative one turns the price against the other side.
    """
    _check_transmission(transmission)
    require(notional.shape == (len(sides),), "one forced notional a side", got=notional.shape)
    require(bool(np.all(notional > 0)), "a forced notional is positive")
    own_move = np.array([side.ladder.pressure * float(side.impact.move(notional[b : b + 1])[0])
                         for b, side in enumerate(sides)])
    market = np.array([side.market for side in sides], dtype=np.int64)
    matrix = np.zeros((len(sides), len(sides)))
    for a, target in enumerate(sides):
        passed_on = transmission[target.market, market]
        against = np.where(passed_on != 0, target.ladder.pressure * passed_on * own_move, 0.0)
        matrix[a] = target.ladder.released(against) / notional
    return matrix


def spectral_radius(matrix: FloatArray) -> float:
    """Largest absolute eigenvalue of a matrix that is not negative; 0 for an empty one, NaN where an entry is unknown.

    By Perron and Frobenius it is itself an eigenvalue and does not fall when an entry rises.
    """
    require(matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1], "the matrix is square", got=matrix.shape)
    if not np.isfinite(matrix).all():
        return float("nan")
    require(bool(np.all(matrix >= 0)), "reproduction is not negative")
    return float(np.abs(np.linalg.eigvals(matrix)).max(initial=0.0))


def pool_reproduction_matrix(
    tables: MarginTables, impacts: Sequence[tuple[Impact, Impact]], transmission: FloatArray, notional: FloatArray,
    asset_market: IntArray,
) -> FloatArray:
    """K from whole pools revalued, of shape (2 n_markets, 2 n_markets): all longs in the book's order, then all shorts.

    Beside :func:`reproduction_matrix` this has what liquidation prices market by market leave out: a cross pool is
    squeezed by all its markets and its collateral at once, and when it falls all its positions are forced, wherever
    they are. One valuation of the book a side.

    Parameters
    ----------
    tables : MarginTables
    impacts : sequence of n_markets pairs
        Of forced selling and of forced buying.
    transmission : float64 array of shape (n_markets, n_markets)
    notional : float64 array of shape (2 n_markets,), positive
        Forced in each side, quote currency.
    asset_market : int64 array of shape (n_assets,)
        Market whose move an asset's price follows; -1 for one that stays.
    """
    n = len(tables.book.markets)
    _check_transmission(transmission)
    require(transmission.shape == (n, n) and len(impacts) == n, "one impact pair and one row of moves a market",
            got=(len(impacts), transmission.shape))
    require(notional.shape == (2 * n,) and bool(np.all(notional > 0)), "one positive forced notional a side")
    matrix = np.zeros((2 * n, 2 * n))
    for b in range(2 * n):
        market, buying = b % n, b // n
        size = float(impacts[market][buying].move(notional[b : b + 1])[0])
        moves = transmission[:, market] * size * (Pressure.BUYING if buying else Pressure.SELLING)
        matrix[:, b] = released_in_pools(tables, moves, asset_market).ravel() / notional[b]
    return matrix


def released_in_pools(tables: MarginTables, moves: FloatArray, asset_market: IntArray) -> FloatArray:
    """Notional that becomes forced when all markets move at once, (2, n_markets): longs to sell, shorts to buy.

    ``moves`` (n_markets,) are fractions of the prices, above -1; ``asset_market`` as in
    :func:`pool_reproduction_matrix`. Forced are all positions of pools that are not liquidatable at the prices of
    ``tables`` and are so after the move, valued before it. A NaN move leaves everything unknown.
    """
    book = tables.book
    n = len(book.markets)
    require(moves.shape == (n,) and asset_market.shape == (len(book.assets),), "one move a market, one market an asset",
            got=(moves.shape, asset_market.shape))
    if np.isnan(moves).any():
        return np.full((2, n), np.nan)
    require(bool(np.all(moves > -1)), "a price falls by less than its whole", got=moves.tolist())
    before, after = value_accounts(tables), value_accounts(_moved(tables, moves, asset_market))
    falls = liquidatable_pools(after) & ~liquidatable_pools(before)
    forced = np.where(falls[book.pool_of_position()], before.positions.notional, 0.0)
    held = book.position_market.astype(np.int64)
    return np.array([np.bincount(held, np.where(tables.base * sign > 0, forced, 0.0), minlength=n) for sign in (1, -1)])


def _moved(tables: MarginTables, moves: FloatArray, asset_market: IntArray) -> MarginTables:
    """The same accounts where prices have moved."""
    factor = 1.0 + moves
    follows = np.where(asset_market >= 0, np.append(factor, 1.0)[asset_market], 1.0)
    assets = replace(tables.assets, price_owned=tables.assets.price_owned * follows,
                     price_owed=tables.assets.price_owed * follows)
    return replace(tables, mark=tables.mark * factor, price_long=tables.price_long * factor,
                   price_short=tables.price_short * factor, assets=assets)


def _check_transmission(transmission: FloatArray) -> None:
    require(transmission.ndim == 2 and transmission.shape[0] == transmission.shape[1], "transmission is square",
            got=transmission.shape)
    require(bool(np.all(np.diag(transmission) == 1.0)), "a market's own move passes whole: 1 on the diagonal")
    require(bool(np.isfinite(transmission).all()), "transmission is finite")
