"""From loss quantiles to the maintenance rate a venue publishes: the same steps for a book and for its backtest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leverline.calibrate.rounding import RATE_TOLERANCE
from leverline.ground.arrays import FloatArray, IntArray
from leverline.market.bars import Panel
from leverline.measure.loss_models import Forecast, LossModel, walk_forward
from leverline.measure.losses import Losses
from leverline.measure.procyclicality import with_buffer, with_floor, with_stress_weight
from leverline.model.appetite import AntiProcyclicality, RiskAppetite


def steadied(forecast: Forecast, panel: Panel, losses: Losses, tools: AntiProcyclicality) -> FloatArray:
    """Loss quantiles after the three anti-procyclicality tools, same shape as ``forecast.quantile``.

    The stressed margin of tool (b) is the largest quantile the model has asked for so far; tool (a)'s buffer melts
    away as margin approaches that same peak; the floor of tool (c) is the plain historical quantile over the named
    look-back. All use the past of each refit only.
    """
    quantile = forecast.quantile
    peak = _running_peak(quantile)
    if tools.stress_weight:
        quantile = with_stress_weight(quantile, peak, tools.stress_weight)
    if tools.buffer:
        quantile = with_buffer(quantile, tools.buffer, exhausted_at=peak)
    if tools.floor_lookback_days is not None:
        long = LossModel("floor", (), 0.0, tools.floor_lookback_days, "order-statistics")
        floor = walk_forward(panel, losses, long, forecast.refits, forecast.exceedances)
        quantile = with_floor(quantile, floor.quantile)
    return quantile


@dataclass(frozen=True, slots=True)
class Published:
    """Maintenance rates of the smallest tier through time, and the part of them that stands against price losses."""

    rate: FloatArray  # (n_refits, n_listings, n_levels)
    against_losses: FloatArray  # the rate less the taker fee, which closing costs in any case


def smallest_tier(quantile: FloatArray, appetite: RiskAppetite) -> Published:
    """Maintenance rate a book asks of a small position: the larger side plus fee, floored, rounded up to the step.

    ``quantile`` has shape (n_refits, n_listings, 2, n_levels). A book's first tier asks at least this, more where
    its chord has to cover larger positions too.
    """
    fee, rounding = appetite.costs.taker_fee_rate, appetite.rounding
    needed = np.maximum(quantile.max(axis=2) + fee, rounding.minimum_maintenance_rate)
    rate = np.ceil((needed - RATE_TOLERANCE) / rounding.maintenance_step) * rounding.maintenance_step
    return Published(rate, rate - fee)


def _running_peak(quantile: FloatArray) -> FloatArray:
    """Largest value so far along the first axis; NaN until the first."""
    return np.asarray(np.fmax.accumulate(quantile, axis=0))


def refit_rows(panel: Panel, refit_s: float) -> IntArray:
    """Rows at whose close a recalibration falls: closes on the UTC grid of ``refit_s`` seconds."""
    closes = panel.ts + panel.spacing_ns
    step = max(1, round(refit_s * 1_000_000_000))
    due = closes // step
    first = np.r_[True, due[1:] != due[:-1]]
    return np.flatnonzero(first).astype(np.int64)
