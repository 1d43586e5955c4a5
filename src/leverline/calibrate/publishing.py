"""From loss quantiles to the maintenance rate a venue publishes: the same steps for a book and for its backtest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    """Maintenance rate published for a small position: the larger side plus fee, rounded up to the step, floored.

    ``quantile`` has shape (n_refits, n_listings, 2, n_levels). The floor is the reciprocal of the highest leverage
    less the initial margin's buffer, since initial margin may not fall below that reciprocal.
    """
    fee, rounding = appetite.costs.taker_fee_rate, appetite.rounding
    needed = quantile.max(axis=2) + fee
    floor = 1.0 / rounding.max_leverage / (1.0 + appetite.initial.minimum_buffer)
    steps = np.ceil(np.maximum(needed, floor) / rounding.maintenance_step - 1e-9)
    rate = np.minimum(steps * rounding.maintenance_step, np.where(np.isnan(needed), np.nan, 1.0))
    return Published(rate, rate - fee)


def _running_peak(quantile: FloatArray) -> FloatArray:
    """Largest value so far along the first axis; NaN until the first."""
    return np.asarray(np.fmax.accumulate(quantile, axis=0))


def refit_rows(panel: Panel, refit_s: float) -> IntArray:
    """Rows at whose close a recalibration falls: closes on the UTC grid of ``refit_s`` seconds."""
    closes = panel.ts + panel.spacing_ns
    step = round(refit_s * 1_000_000_000)
    due = closes // step
    first = np.r_[True, due[1:] != due[:-1]]
    return np.flatnonzero(first).astype(np.int64)
