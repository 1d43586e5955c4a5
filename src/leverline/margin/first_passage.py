r"""How likely a price, and with it a pool, meets its liquidation within a horizon.

The price is a geometric Brownian motion without drift: :math:`dS = \sigma S\, dW`, a martingale, so that nobody's
liquidation is likelier for an opinion on the trend; its log price then drifts by :math:`-\sigma^2 / 2`. Between today's
price :math:`S` and a barrier :math:`L` with :math:`x = |\log(L / S)|`, :math:`v = \sigma \sqrt{T}` and :math:`s = -1`
for a barrier below, :math:`s = +1` for one above, the probability to touch it by time :math:`T` is

.. math:: P = \Phi\!\left(\frac{-x - s v^2 / 2}{v}\right) + \frac{S}{L}\, \Phi\!\left(\frac{-x + s v^2 / 2}{v}\right)

(the reflection principle under a change of drift; Shreve, Stochastic Calculus for Finance II, 2004, corollary 7.2.2;
Harrison, Brownian Motion and Stochastic Flow Systems, 1985, 1.8). Returns with fat tails or changing volatility touch
near barriers less often and far ones more often: the number ranks and prices, it does not cover.

Where several prices decide, there is no closed form and the pool is simulated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import require
from leverline.margin import _passage_kernels as kernels
from leverline.margin.liquidation_price import LiquidationPrices, owing_pools
from leverline.margin.tables import MarginTables
from leverline.margin.valuation import Valuation

SECONDS_PER_DAY = 86_400.0
_PATHS_AT_ONCE = 256
"""Paths drawn together; fixed, so that the same seed gives the same numbers whatever the number of paths."""


@dataclass(frozen=True, slots=True)
class PassageEstimate:
    """Simulated probabilities per horizon and their standard errors, arrays of one shape."""

    liquidation_probability_per_horizon: FloatArray
    standard_error: FloatArray


def touch_probability_per_horizon(
    price: npt.ArrayLike, barrier: npt.ArrayLike, volatility_per_day: npt.ArrayLike, *, horizon_seconds: float,
) -> FloatArray:
    """Probability that a driftless geometric Brownian motion from ``price`` touches ``barrier`` within the horizon.

    Arguments broadcast. A NaN barrier, which does not exist, gives 0; a NaN volatility or price gives NaN; a barrier
    at the price gives 1.
    """
    from scipy.special import log_ndtr, ndtr  # late: scipy is slow to import

    require(horizon_seconds > 0.0, "a horizon is positive", got=horizon_seconds)
    at, level, sigma = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64)
                                             for x in (price, barrier, volatility_per_day)))
    require(not np.any(sigma < 0.0), "a volatility is not negative")
    require(not (np.any(at <= 0.0) or np.any(level <= 0.0)), "prices are positive")
    spread = sigma * np.sqrt(horizon_seconds / SECONDS_PER_DAY)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_move = np.log(level / at)
        shift = 0.5 * np.sign(log_move) * spread
        reach = -np.abs(log_move) / spread
        # in logs, as S / L may be huge where the second factor vanishes
        touched = ndtr(reach - shift) + np.exp(log_ndtr(reach + shift) - log_move)
    touched = np.where(spread == 0.0, 0.0, np.minimum(touched, 1.0))
    touched = np.where(log_move == 0.0, 1.0, touched)
    return np.where(np.isnan(at) | np.isnan(spread), np.nan, np.where(np.isnan(level), 0.0, touched))


def probability_of_liquidation(
    tables: MarginTables, valuation: Valuation, prices: LiquidationPrices, *, horizon_seconds: float,
) -> FloatArray:
    """``liquidation_probability_per_horizon`` of every position, shape (n_positions,), all from the same tables.

    It is that of the position's own price alone, all else standing still. 1 where the pool is below maintenance
    already, 0 where no price liquidates it, NaN where the market's volatility or the pool's health is not known.
    """
    book = tables.book
    touched = touch_probability_per_horizon(
        prices.price, prices.liquidation_price, tables.volatility_per_day[book.position_market],
        horizon_seconds=horizon_seconds)
    health = valuation.pools.health[book.pool_of_position()]
    return np.where(health < 0.0, 1.0, np.where(np.isnan(health), np.nan, touched))


def simulate_first_passage(
    price: npt.ArrayLike, barrier: npt.ArrayLike, volatility_per_day: npt.ArrayLike, *, horizon_seconds: float,
    paths: int, steps: int, rng: np.random.Generator,
) -> PassageEstimate:
    r"""The same probability from simulated paths, arguments of one shape (n,): what the closed form is held against.

    Between two steps at distances :math:`a, b` from the barrier, both on the safe side, a Brownian bridge touches it
    with probability :math:`\exp(-2 a b / (\sigma^2 \Delta t))` (Glasserman, Monte Carlo Methods in Financial
    Engineering, 2004, 6.4): no step is too coarse for a single barrier.
    """
    require(paths > 1 and steps > 0, "a simulation has paths and steps", got=(paths, steps))
    at, level, sigma = (np.atleast_1d(np.asarray(x, dtype=np.float64)) for x in (price, barrier, volatility_per_day))
    variance = sigma**2 * (horizon_seconds / SECONDS_PER_DAY / steps)
    log_move = np.log(level / at)
    side = np.sign(log_move)  # +1 where the barrier lies above
    room = np.broadcast_to(np.abs(log_move), (paths, at.size)).copy()
    survival = np.ones((paths, at.size))
    for _ in range(steps):
        step = -0.5 * variance + np.sqrt(variance) * rng.standard_normal((paths, at.size))
        after = room - side * step
        survival *= np.where(after > 0.0, -np.expm1(-2.0 * room * np.maximum(after, 0.0) / variance), 0.0)
        room = after
    return PassageEstimate(1.0 - survival.mean(axis=0), survival.std(axis=0, ddof=1) / np.sqrt(paths))


def simulate_pool_liquidation(
    tables: MarginTables, *, volatility_per_day: FloatArray, correlation: FloatArray, horizon_seconds: float,
    paths: int, steps: int, rng: np.random.Generator, pools: IntArray | None = None,
) -> PassageEstimate:
    """Probability that a pool's health falls below 0 within the horizon while all of its prices move together.

    Parameters
    ----------
    volatility_per_day : float64 array of shape (n_markets + n_assets,)
        Of every market, then of every asset; 0 for a price that stands still.
    correlation : float64 array of shape (n_markets + n_assets, n_markets + n_assets)
        Of daily log returns; symmetric, with ones on its diagonal and no negative eigenvalue. 1 between a
        coin-margined market and its coin.
    horizon_seconds : float
    paths, steps : int
        All pools see the same paths. Prices are exact at every step; between steps health is taken for a Brownian
        bridge, which is exact as steps grow (Glasserman, 2004, 6.4).
    rng : numpy.random.Generator
    pools : int64 array, default all

    Returns
    -------
    PassageEstimate
        Of shape (n_pools,) of those chosen. A pool that owes nothing is never liquidated.
    """
    book = tables.book
    n_series = len(book.markets) + len(book.assets)
    require(volatility_per_day.shape == (n_series,), "one volatility a market and an asset",
            got=volatility_per_day.shape)
    require(paths > 1 and steps > 0 and horizon_seconds > 0.0, "a simulation has paths, steps and a horizon",
            got=(paths, steps, horizon_seconds))
    chosen = np.arange(book.n_pools) if pools is None else pools
    require(not np.any(np.isnan(volatility_per_day[_series_of(tables, chosen)])),
            "every price of the chosen pools has a volatility")
    sigma = np.nan_to_num(volatility_per_day)
    sigma[len(book.markets):][tables.assets.is_settlement] = 0.0  # the unit that everything is counted in
    root = _root(correlation, n_series) * sigma[:, None]
    step_days = horizon_seconds / SECONDS_PER_DAY / steps
    total, squared = np.zeros(chosen.size), np.zeros(chosen.size)
    for first in range(0, paths, _PATHS_AT_ONCE):
        shocks = rng.standard_normal((min(_PATHS_AT_ONCE, paths - first), steps, n_series))
        moves = shocks @ root.T * np.sqrt(step_days) - 0.5 * step_days * sigma**2
        growth = np.exp(np.concatenate((np.zeros((moves.shape[0], 1, n_series)), np.cumsum(moves, axis=1)), axis=1))
        _add_survival(tables, chosen, growth, root @ root.T, step_days, total, squared)
    mean = total / paths
    variance = np.maximum(squared / paths - mean**2, 0.0) * paths / (paths - 1)
    owes = owing_pools(book)[chosen]
    return PassageEstimate(np.where(owes, 1.0 - mean, 0.0), np.where(owes, np.sqrt(variance / paths), 0.0))


def _series_of(tables: MarginTables, chosen: IntArray) -> IntArray:
    """Markets and assets that the chosen pools hold; the settlement asset stands still and needs no volatility."""
    book = tables.book
    held = np.isin(book.pool_of_position(), chosen)
    owned = np.isin(book.pool_of_holding(), chosen) & ~tables.assets.is_settlement[book.holding_asset]
    return np.concatenate((book.position_market[held].astype(np.int64),
                           len(book.markets) + book.holding_asset[owned].astype(np.int64)))


def _root(correlation: FloatArray, n_series: int) -> FloatArray:
    """A matrix whose product with its transpose is ``correlation``; singular ones are allowed."""
    require(correlation.shape == (n_series, n_series), "correlations of every market and asset", got=correlation.shape)
    require(bool(np.allclose(correlation, correlation.T) and np.allclose(np.diag(correlation), 1.0)),
            "a correlation matrix is symmetric with ones on its diagonal")
    values, vectors = np.linalg.eigh(correlation)
    require(bool(values[0] > -1e-8 * n_series), "a correlation matrix has no negative eigenvalue", got=values[0])
    root: FloatArray = vectors * np.sqrt(np.maximum(values, 0.0))
    return root


def _add_survival(tables: MarginTables, chosen: IntArray, growth: FloatArray, covariance: FloatArray,
                  step_days: float, total: FloatArray, squared: FloatArray) -> None:
    book, curves, assets = tables.book, tables.curves, tables.assets
    side_price = np.where(tables.base > 0.0, tables.price_long[book.position_market],
                          tables.price_short[book.position_market])
    holding_price = np.where(book.amount > 0.0, assets.price_owned[book.holding_asset],
                             assets.price_owed[book.holding_asset])
    kernels.pool_survival(
        chosen, book.position_offsets, book.position_market, tables.base, tables.cost, side_price,
        tables.profit_weight_maintenance, curves.first, curves.floor, curves.maintenance_rate, curves.deduction,
        curves.maintenance_slope, curves.maintenance_constant,
        book.holding_offsets, book.holding_asset, book.amount, holding_price,
        assets.maintenance_weight, assets.slice_floor, assets.first_slice, assets.value_cap, assets.weight_cap,
        assets.debt_maintenance_weight, growth, covariance, step_days, total, squared)
