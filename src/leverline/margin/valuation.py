r"""What every pool has and needs at the prices of its tables.

A position in a market with price :math:`p` has :math:`\text{pnl} = b p - C`; of a profit only ``profit_weight`` counts
(initial: also never more than ``profit_cap_initial``), of a loss everything. A holding is worth ``amount`` times the
price of what is owned, or of what is owed where it is negative; its slices of value count at their weights. Then

=========================  ===========================================================================================
equity                     value of holdings + pnl, unweighted
adjusted equity            counted collateral - counted debt + counted pnl (initial and maintenance weights)
health                     adjusted equity (maintenance) - maintenance margin
liquidatable               health < 0 in a pool that owes something; equality is safe
=========================  ===========================================================================================

All amounts are in settlement currency; prices in quote units per base unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import require
from leverline.margin import _valuation_kernels as kernels
from leverline.margin.tables import MarginTables


class Status(StrEnum):
    """How a pool stands, from best to worst.

    Margin call: adjusted equity below the margin-call level. Liquidatable: health below 0.
    Bankrupt: equity below 0. A pool that owes nothing, by position or by debt, is always healthy.
    """

    HEALTHY = "healthy"
    MARGIN_CALL = "margin call"
    LIQUIDATABLE = "liquidatable"
    BANKRUPT = "bankrupt"


STATUSES = tuple(Status)
"""What ``PoolValues.status`` counts in."""


@dataclass(frozen=True, slots=True)
class PoolValues:
    """One entry a pool of ``tables.book.pools``; float64 arrays of shape (n_pools,) in settlement currency or ratios.

    Attributes
    ----------
    equity : value of holdings and unrealised profit, unweighted
    collateral_value, debt_value : value of positive and (as a positive number) of negative holdings, unweighted
    unrealized_pnl : sum of the positions' pnl
    adjusted_equity_initial, adjusted_equity : what counts towards initial and towards maintenance margin
    initial_margin, maintenance_margin : requirements
    health : adjusted_equity - maintenance_margin
    health_factor : (adjusted equity + counted debt) / (maintenance margin + counted debt): for a loan counted
        collateral over counted debt, for positions adjusted equity over maintenance margin; infinite where nothing is
        required
    margin_ratio : maintenance_margin / adjusted_equity, liquidated above 1; infinite where adjusted equity is not
        positive, NaN where there is no position
    leverage_ratio : (positive holdings + unrealised profits) / equity; NaN where equity is not positive
    effective_leverage : (gross notional + holdings and debts in other than the settlement asset) / equity; NaN where
        equity is not positive
    debt_to_equity : (debts + unrealised losses) / equity, which is leverage_ratio - 1; NaN where equity is not positive
    free_collateral : adjusted_equity_initial - initial_margin; negative where no position may be opened
    withdrawable : what may leave: free collateral without the part that is only unrealised profit, at most what is held
    margin_call_level : adjusted equity below which the pool is called, its health factor then being 1 / call_ratio:
        maintenance_margin / call_ratio where nothing is borrowed
    gross_notional : sum of the positions' size times mark
    status : uint8 array, index into ``STATUSES``
    """

    equity: FloatArray
    collateral_value: FloatArray
    debt_value: FloatArray
    unrealized_pnl: FloatArray
    adjusted_equity_initial: FloatArray
    adjusted_equity: FloatArray
    initial_margin: FloatArray
    maintenance_margin: FloatArray
    health: FloatArray
    health_factor: FloatArray
    margin_ratio: FloatArray
    leverage_ratio: FloatArray
    effective_leverage: FloatArray
    debt_to_equity: FloatArray
    free_collateral: FloatArray
    withdrawable: FloatArray
    margin_call_level: FloatArray
    gross_notional: FloatArray
    status: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class PositionValues:
    """One entry a position of ``tables.book``; float64 arrays of shape (n_positions,), settlement currency.

    Attributes
    ----------
    price : what the position is valued at: ``price_long`` or ``price_short`` of its market
    notional : size times price
    pnl : unrealised profit, not weighted
    initial_margin, maintenance_margin : its part of the pool's requirements
    delta : change of equity per unit of the log price, signed: base units times price
    """

    price: FloatArray
    notional: FloatArray
    pnl: FloatArray
    initial_margin: FloatArray
    maintenance_margin: FloatArray
    delta: FloatArray


@dataclass(frozen=True, slots=True)
class Valuation:
    """What :func:`value_accounts` returns. ``call_ratio``: maintenance margin over the margin-call level."""

    pools: PoolValues
    positions: PositionValues
    call_ratio: float


def value_accounts(tables: MarginTables, *, call_ratio: float = 0.8) -> Valuation:
    """Value every pool and position of ``tables`` at its prices.

    ``call_ratio``: a pool is called for margin where its health factor falls below ``1 / call_ratio``, so that 0.8
    calls at a quarter above what liquidates. Pools are valued one by one and in order: a pool's numbers do not depend
    on its neighbours.
    """
    require(0.0 < call_ratio <= 1.0, "call_ratio lies in (0, 1]", got=call_ratio)
    book, curves, assets = tables.book, tables.curves, tables.assets
    positions = np.empty((kernels.POSITION_ROWS, book.n_positions))
    kernels.value_positions(
        book.position_market, tables.base, tables.cost, tables.price_long, tables.price_short,
        curves.first.view(np.uint32), curves.floor, curves.initial_rate, curves.maintenance_rate, curves.deduction,
        curves.initial_slope, curves.initial_constant, curves.maintenance_slope, curves.maintenance_constant, positions)
    pools = np.empty((kernels.POOL_ROWS, book.n_pools))
    status = np.empty(book.n_pools, dtype=np.uint8)
    kernels.value_pools(
        book.position_offsets, book.position_market, tables.base, tables.mark, positions,
        tables.profit_weight_initial, tables.profit_weight_maintenance, tables.profit_cap_initial,
        book.holding_offsets, book.holding_asset, book.amount, assets.weight_cap,
        assets.price_owned, assets.price_owed, assets.first_slice, assets.slice_floor,
        assets.initial_weight, assets.maintenance_weight, assets.value_cap,
        assets.debt_initial_weight, assets.debt_maintenance_weight, assets.is_settlement,
        call_ratio, pools, status)
    return Valuation(PoolValues(*(*pools, status)), PositionValues(*positions), call_ratio)
