"""The margin period of risk: how long a position can lose before it is closed, and losses over that time.

MPOR(N) = detection + oracle delay + N / (participation x stressed volume per day)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from leverline.calibrate.cold_start import cold_start_quantiles
from leverline.calibrate.publishing import steadied
from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.market.bars import Panel
from leverline.measure.impact import liquidation_time_s
from leverline.measure.loss_models import Forecast, LossModel, walk_forward
from leverline.measure.losses import Losses, payoffs_of, worst_losses
from leverline.model.appetite import SECONDS_PER_DAY, RiskAppetite

Scaling = Literal["sqrt-time", "one-bar"]
SCALINGS: dict[str, str] = {
    "sqrt-time": "losses over less than a bar are distributed as the bar's, scaled by the square root of time, and "
    "taken at the exceedance the shorter period allows: right for a diffusion, too small where prices jump",
    "one-bar": "losses over less than a bar are taken to be the bar's: an upper bound",
}
HORIZONS = 6
"""Horizons at which losses are measured; between them the quantile is linear in the square root of time."""
HORIZONS_BELOW_A_BAR = 3
"""Horizons at which a bar's losses are scaled down, where that was asked for."""
SHORTEST_SHARE_OF_A_BAR = 1e-4
"""Below this share of a bar no further exceedance is read off it; the quantile goes on with the square root of time."""


def margin_period_s(notional: FloatArray, appetite: RiskAppetite, volume_per_day: float) -> FloatArray:
    """MPOR in seconds for each size; without a known volume the fixed parts only."""
    period = appetite.margin_period
    fixed = period.detection_s + period.oracle_delay_s
    if not np.isfinite(volume_per_day):
        return np.full_like(notional, fixed)
    return fixed + liquidation_time_s(
        notional, participation=period.participation, volume_per_day=volume_per_day)


def check_scale(scale: str | None) -> None:
    """Refuse a scaling method that does not exist."""
    if scale is not None and scale not in SCALINGS:
        raise UsageError(f"there is no scaling method {scale!r}", remedy=f"choose one of {', '.join(SCALINGS)}")


@dataclass(frozen=True, slots=True)
class LossCurve:
    """Loss quantile of one market against horizon, per side.

    ``horizon_s`` (k,) rises; ``quantile`` (k, 2) is the loss fraction at that horizon's allowed exceedance, long then
    short, made monotone in the horizon. ``scale`` says what holds below the first horizon.
    """

    horizon_s: FloatArray
    quantile: FloatArray
    scale: str | None

    def at(self, horizon_s: FloatArray) -> FloatArray:
        """Quantiles at ``horizon_s`` (n,), shape (n, 2): linear in the square root of time between horizons."""
        root, known = np.sqrt(horizon_s), np.sqrt(self.horizon_s)
        out = np.column_stack([np.interp(root, known, self.quantile[:, side]) for side in range(2)])
        if self.scale == "sqrt-time":
            short = horizon_s < self.horizon_s[0]
            out[short] = self.quantile[0] * (root[short] / known[0])[:, None]
        return out


def horizons_s(
    shortest_s: float, longest_s: float, panel: Panel, scale: str | None, what: str = "the margin period"
) -> FloatArray:
    """Seconds at which losses are measured, rising, from the shortest margin period to the longest.

    Whole bars; under ``sqrt-time`` also fractions of the first one. ``what`` names the period in an error.

    Raises
    ------
    InsufficientDataError
        The shortest is below one bar and no scaling method was named.
    """
    spacing = panel.spacing_s
    if shortest_s < spacing and scale is None:
        raise InsufficientDataError(
            f"{what} is {shortest_s:g} s, bars are {spacing:g} s apart",
            remedy=f"give finer bars, or name a method: --scale {' | --scale '.join(SCALINGS)}",
        )
    low = max(1, int(shortest_s // spacing))
    high = max(low, int(-(-longest_s // spacing)))
    whole = np.unique(np.round(np.geomspace(low, high, HORIZONS))) * spacing
    if scale != "sqrt-time" or shortest_s >= spacing:
        return np.asarray(whole, np.float64)
    shortest = max(shortest_s, SHORTEST_SHARE_OF_A_BAR * spacing)
    if longest_s <= shortest:
        return np.array([shortest])
    return np.concatenate([np.geomspace(shortest, spacing, HORIZONS_BELOW_A_BAR + 1)[:-1], whole])


@dataclass(frozen=True, slots=True)
class LossCurves:
    """Loss quantiles of every listing at a set of horizons, as of one row, and the forecasts they came from.

    A forecast speaks of whole bars; its losses times ``time_factor`` are those of the horizon.
    """

    horizon_s: FloatArray  # (k,)
    quantile: FloatArray  # (k, n_listings, 2)
    scale: str | None
    forecasts: tuple[Forecast, ...]  # one a horizon
    time_factor: FloatArray  # (k,), below 1 where a bar's losses were scaled down
    own_weight: FloatArray  # (n_listings,), a young listing's least share of its own tail at any horizon; NaN if mature

    def of(self, column: int) -> LossCurve:
        """The curve of one listing."""
        return LossCurve(self.horizon_s, np.maximum.accumulate(self.quantile[:, column], axis=0), self.scale)


def loss_curves(
    panel: Panel, horizons: FloatArray, appetite: RiskAppetite, model: LossModel, scale: str | None,
    exceedance_factor: float = 1.0, fixed_exceedance: float | None = None, cold_start: bool = False,
) -> LossCurves:
    """Loss quantiles as of the panel's last row at each of ``horizons``, seconds, shape (k,).

    The allowed exceedance of a horizon comes from the appetite's confidence and its unit, times
    ``exceedance_factor``, or is ``fixed_exceedance`` per horizon. A horizon below a bar uses the bar's losses at its
    *own* exceedance, since a day holds more of the shorter periods, times the square root of its share of the bar.
    With ``cold_start`` listings too young for the model take their peers' tail, where there are enough peers.
    """
    tools = appetite.anti_procyclicality
    refits = _peak_refits(panel) if tools.buffer or tools.stress_weight else np.array([panel.ts.size - 1])
    factors = np.sqrt(np.minimum(horizons / panel.spacing_s, 1.0))
    forecasts, quantiles, own_weight = [], [], np.full(len(panel.symbols), np.nan)
    for seconds, factor in zip(horizons.tolist(), factors, strict=True):
        allowed = fixed_exceedance or appetite.confidence.exceedance_per_margin_period(seconds)
        losses = worst_losses(panel, max(1, round(seconds / panel.spacing_s)), payoffs_of(panel))
        forecast = walk_forward(panel, losses, model, refits, (allowed * exceedance_factor,))
        forecasts.append(forecast)
        quantile = steadied(forecast, panel, losses, tools)[-1, :, :, 0]
        if cold_start:
            weight = _fill_young(quantile, panel, losses, model, allowed * exceedance_factor)
            own_weight = np.fmin(own_weight, weight)
        quantiles.append(factor * quantile)
    return LossCurves(horizons, np.array(quantiles), scale, tuple(forecasts), factors, own_weight)


def _fill_young(
    quantile: FloatArray, panel: Panel, losses: Losses, model: LossModel, exceedance: float
) -> FloatArray:
    """Put pooled quantiles where ``quantile`` (n_listings, 2) is NaN; the own weight of each listing, NaN if mature."""
    weight = np.full(len(panel.symbols), np.nan)
    young = np.isnan(quantile).any(axis=1)
    if not young.any() or model.tail != "gpd":
        return weight
    try:
        pooled = cold_start_quantiles(panel, losses, panel.ts.size - 1, (exceedance,), model=model)
    except InsufficientDataError:  # fewer peers than a pool needs: young listings stay without a quantile
        return weight
    filled = young & np.isfinite(pooled.quantile).all(axis=(1, 2))
    quantile[filled] = pooled.quantile[filled, :, 0]
    weight[filled] = pooled.own_weight[filled].min(axis=(1, 2))
    return weight


def _peak_refits(panel: Panel) -> IntArray:
    """Rows a day apart ending at the last one: the path over which the stressed peak of margin is taken."""
    step = max(1, round(SECONDS_PER_DAY / panel.spacing_s))
    return np.arange(panel.ts.size - 1, -1, -step)[::-1].astype(np.int64)
