"""From one market's calibration to what the page shows beside its bars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leverline.calibrate.beside_bars import mean_volume_per_day
from leverline.calibrate.book import Calibration, MarketCalibration
from leverline.ground.arrays import FloatArray
from leverline.measure.cost_curve import CostCurve, root_rate
from leverline.measure.depth_estimate import DepthEstimate
from leverline.model import RiskAppetite
from leverline.model.limitbook import Basis, pointer
from leverline.model.quantities import UNITS_PER_ONE
from leverline.report.beside.content import ImpliedPath, LiquidationCost, MarkGap, YoungListing

POINTS = 120
BEYOND_CAP = 3.0
"""The curve is drawn up to so many times the position cap, so that what a larger position would cost is seen."""


def liquidation_cost(
    made: Calibration, market: MarketCalibration, appetite: RiskAppetite
) -> LiquidationCost | None:
    """Cost of closing by size, as used and as seen; None where no depth is known."""
    depth = market.measures.depth
    if depth is None:
        return None
    cap = market.limits.position_cap
    why = made.book.explanations.get(pointer("instruments", market.symbol, "position_cap"))
    sizes = market.requirement.notional
    notional = np.geomspace(sizes[0], BEYOND_CAP * sizes[-1], POINTS)
    seen = any(curve.notional.size > 1 for curve in depth.curves)
    return LiquidationCost(
        notional=notional, rate=depth.cost_rate(notional),
        calm_rate=_as_seen(made, market, depth, appetite.costs.impact_coefficient).cost_rate(notional),
        source=depth.parts(notional), budget_rate=appetite.costs.liquidation_cost_budget,
        cap=None if cap is None else cap / UNITS_PER_ONE, cap_binding=why.binding if why else None,
        most_trusted=depth.source, age_s=_known(depth.age_s), shape_only=depth.shape_only, basis=depth.basis,
        stress_factor=depth.stress_factor if seen else None, crowding=depth.crowding, notes=depth.notes)


def _as_seen(
    made: Calibration, market: MarketCalibration, depth: DepthEstimate, coefficient: float
) -> DepthEstimate:
    """The same depth before stress and for one account; beyond what was seen the law with today's figures."""
    panel, column = made.panel, market.column
    volume = mean_volume_per_day(panel, column, made.as_of_ns)
    today = root_rate(coefficient, float(made.sigma_per_day[-1, column]), float("nan") if volume is None else volume)

    def whole(curve: CostCurve) -> CostCurve:
        return replace(curve.scaled(depth.crowding / depth.stress_factor), root_rate=today)

    return replace(depth, curves=(whole(depth.curves[0]), whole(depth.curves[1])))


def mark_gap(market: MarketCalibration) -> MarkGap:
    """The allowance between mark and fill, measured or assumed."""
    found = market.measures.basis
    if found.basis is not Basis.MEASURED:
        return MarkGap(found.rate, found.basis, found.why)
    return MarkGap(found.rate, found.basis, found.why, _known(found.low), _known(found.high), _known(found.calm_rate),
                   found.observations, found.large_moves)


def implied_path(market: MarketCalibration) -> ImpliedPath | None:
    """The three forecasts from the index's first day on; None where no index was given."""
    use = market.implied
    if use is None:
        return None
    known = np.flatnonzero(np.isfinite(use.implied))
    rows = slice(int(known[0]), None) if known.size else slice(0, 0)
    return ImpliedPath(use.ts[rows], use.realised[rows], use.implied[rows], use.blended[rows], use.factor, use.basis)


def young_listing(made: Calibration, market: MarketCalibration) -> YoungListing | None:
    """Days of history and their weight; None for a market old enough for the loss model."""
    if market.own_weight is None:
        return None
    closes: FloatArray = made.panel.close[:, market.column]
    return YoungListing(float(np.isfinite(closes).sum()) / made.panel.bars_per_day, market.own_weight)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
