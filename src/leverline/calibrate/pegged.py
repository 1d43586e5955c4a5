"""Pegged, staked and correlated assets: what may be lent is decided by the tail of a ratio, not of a price.

A stablecoin or a staked coin is worth what it redeems for until it is not. A loan against it opens at the lower of the
market and the redemption price, so that a discount is never lent against; and its threshold covers the loss of the
reference together with the fall of the ratio. The fall is the larger of the model's quantile and the worst one seen
inside a margin period: a depeg is an event, and a look-back without one does not make it unlikely.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leverline.calibrate.margin_period import LossCurve, horizons_s, loss_curves
from leverline.ground.arrays import BoolArray, FloatArray
from leverline.ground.errors import InsufficientDataError
from leverline.market.bars import Panel
from leverline.measure.dependence import correlation
from leverline.measure.loss_models import LossModel
from leverline.measure.ratio_tail import DepegRecord, depeg_record, ratio_panel
from leverline.model.appetite import RiskAppetite

MIN_STRESSED_ROWS = 30


@dataclass(frozen=True, slots=True)
class PegMeasures:
    """The ratio of an asset to its ``reference``; ``reference_losses`` None where that is the currency itself."""

    reference: str
    ratio: LossCurve
    reference_losses: LossCurve | None
    record: DepegRecord

    def loss(self, period_s: FloatArray) -> FloatArray:
        """Loss of a holder over each of ``period_s`` (n,) if reference and ratio fall together at their quantiles."""
        fall: FloatArray = np.maximum(self.ratio.at(period_s)[:, 0], self.record.worst_loss[0])
        if self.reference_losses is None:
            return fall
        return np.asarray(1.0 - (1.0 - self.reference_losses.at(period_s)[:, 0]) * (1.0 - fall), np.float64)


def ratio_curve(ratio: Panel, horizon_s: FloatArray, appetite: RiskAppetite, model: LossModel,
                scale: str | None) -> LossCurve:
    """Loss curve of the one ratio of ``ratio`` at ``horizon_s`` (k,).

    Raises
    ------
    InsufficientDataError
        The ratio has less history than the loss model asks for.
    """
    curve = loss_curves(ratio, horizon_s, appetite, model, scale).of(0)
    if not bool(np.isfinite(curve.quantile).all()):
        raise InsufficientDataError(f"{ratio.symbols[0]}: too short a history for the tail of the ratio")
    return curve


def loss_within(panel: Panel, column: int, seconds: float, confidence: float, appetite: RiskAppetite,
                model: LossModel, scale: str | None) -> FloatArray:
    """Loss quantile over ``seconds`` at ``confidence`` per that time, (2,), long then short; zero for no time at all.

    Where no scaling was named a time below a bar is scaled by the square root of time: with the bar's own loss the
    seconds of a liquidator would cost a day.
    """
    if not seconds:
        return np.zeros(2)
    one = Panel(symbols=(panel.symbols[column],), ts=panel.ts, spacing_ns=panel.spacing_ns,
                close=panel.close[:, column : column + 1], high=panel.high[:, column : column + 1],
                low=panel.low[:, column : column + 1], volume=panel.volume[:, column : column + 1])
    way = scale or "sqrt-time"
    horizons = horizons_s(seconds, seconds, one, way, "the latency")
    curve = loss_curves(one, horizons, appetite, model, way, fixed_exceedance=1.0 - confidence).of(0)
    return np.asarray(curve.at(np.array([seconds]))[0], np.float64)


def peg_measures(
    panel: Panel, asset: int, reference: int | None, horizon_s: FloatArray, appetite: RiskAppetite, model: LossModel,
    scale: str | None, *, reference_losses: LossCurve | None, reference_name: str, redemption: FloatArray | None = None,
) -> PegMeasures:
    """Tail and record of the ratio of column ``asset`` to column ``reference`` (None: the currency) of ``panel``.

    Events are falls inside the shortest horizon, and at least one bar: a depeg is a jump and is not scaled down.
    """
    ratio = ratio_panel(panel, asset, reference, redemption)
    bars = max(1, int(np.ceil(float(horizon_s[0]) / panel.spacing_s)))
    return PegMeasures(reference_name, ratio_curve(ratio, horizon_s, appetite, model, scale), reference_losses,
                       depeg_record(ratio, bars))


def stressed_pair_correlation(panel: Panel, first: int, second: int, sigma_per_day: FloatArray,
                              quantile: float) -> float:
    """Correlation of log returns over bars that opened in the top ``quantile`` of the second's volatility.

    ``sigma_per_day`` (n_bars, n_listings) is known at each close; a bar is stressed by what was known before it, since
    choosing by the move itself would find correlation where there is none. NaN below 30 such bars.
    """
    stressed = stressed_rows(sigma_per_day[:, second], quantile)
    pair = np.where(stressed[:, None], panel.log_returns()[:, [first, second]], np.nan)
    return float(correlation(pair, minimum=MIN_STRESSED_ROWS)[0, 1])


def stressed_rows(sigma_per_day: FloatArray, quantile: float) -> BoolArray:
    """Rows whose preceding row's volatility, (n_bars,), lies in its top ``quantile``."""
    before = np.concatenate([[np.nan], sigma_per_day[:-1]])
    known = np.isfinite(before)
    if not known.any():
        return np.zeros(before.shape, np.bool_)
    return np.asarray(known & (before >= np.nanquantile(before, 1.0 - quantile)), np.bool_)
