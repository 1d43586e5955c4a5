r"""How leverage moves when prices do.

Effective leverage is :math:`L = X / E` with exposure :math:`X` (size of positions at marks, holdings and debts in other
than the settlement asset) and equity :math:`E`. A move of the log price :math:`\log p_j` changes both:

.. math:: \frac{\partial L}{\partial \log p_j}
          = \frac{1}{E} \left( \frac{\partial X}{\partial \log p_j} - L \frac{\partial E}{\partial \log p_j} \right)

For one long beside cash this is :math:`L (1 - L)`: a long above 1x grows its leverage as it loses, at a pace that rises
with the square, which is what turns falling prices into forced sales. A short has :math:`L (1 + L)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.margin.tables import MarginTables
from leverline.margin.valuation import Valuation


@dataclass(frozen=True, slots=True)
class LeverageSensitivity:
    """Change of a leverage per unit of log price; times 0.01 for a price 1 % higher. NaN where equity is not positive.

    Attributes
    ----------
    effective_leverage, leverage_ratio : float64 arrays of shape (n_pools,)
        When every market and every asset but the settlement asset moves alike.
    effective_leverage_by_position, leverage_ratio_by_position : float64 arrays of shape (n_positions,)
        Of the position's pool, when that position's market alone moves.
    effective_leverage_by_holding, leverage_ratio_by_holding : float64 arrays of shape (n_holdings,)
        Of the holding's pool, when that asset alone moves; 0 for the settlement asset.
    """

    effective_leverage: FloatArray
    leverage_ratio: FloatArray
    effective_leverage_by_position: FloatArray
    leverage_ratio_by_position: FloatArray
    effective_leverage_by_holding: FloatArray
    leverage_ratio_by_holding: FloatArray


def leverage_sensitivity(tables: MarginTables, valuation: Valuation) -> LeverageSensitivity:
    """Sensitivities of every pool of ``tables.book``; ``valuation`` of the same tables.

    The leverage ratio counts unrealised profits as assets, so at a profit of exactly 0 its slope is the one on the
    losing side.
    """
    book, assets, pools = tables.book, tables.assets, valuation.pools
    of_position, of_holding = book.pool_of_position(), book.pool_of_holding()
    equity = np.where(pools.equity > 0.0, pools.equity, np.nan)
    delta = valuation.positions.delta
    exposure = np.abs(tables.base) * tables.mark[book.position_market]
    profiting = np.where(valuation.positions.pnl > 0.0, delta, 0.0)
    price = np.where(book.amount > 0.0, assets.price_owned[book.holding_asset], assets.price_owed[book.holding_asset])
    value = np.where(assets.is_settlement[book.holding_asset], 0.0, book.amount * price)
    columns = []
    for leverage, by_position, by_holding in (
            (pools.effective_leverage, exposure, np.abs(value)),
            (pools.leverage_ratio, profiting, np.maximum(value, 0.0))):
        position = (by_position - leverage[of_position] * delta) / equity[of_position]
        holding = (by_holding - leverage[of_holding] * value) / equity[of_holding]
        together = (np.bincount(of_position, position, minlength=book.n_pools)
                    + np.bincount(of_holding, holding, minlength=book.n_pools))
        columns.append((np.where(np.isnan(equity), np.nan, together), position, holding))
    (effective, ratio) = columns
    return LeverageSensitivity(effective[0], ratio[0], effective[1], ratio[1], effective[2], ratio[2])
