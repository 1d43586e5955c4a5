r"""Haircuts by size of a holding: what a venue would get for it.

A holding of value N counts at most at what it would fetch: with price loss q over its own margin period (which grows
with N), slippage s, basis g and fee c

.. math:: H(N) = N \, (q(\mathrm{MPOR}(N)) + s(N) + g + c)

where the venue sells, and :math:`N (q + \max(0, s(N) - s(L)))` where a liquidator does, whose bonus already holds the
slippage of the largest liquidation L. H is published in slices with marginal haircuts, so that no unit more makes a
holding count for less; what lies beyond the largest holding that can be sold in time counts for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leverline.calibrate.collateral_terms import CollateralMeasures, section
from leverline.calibrate.margin_period import margin_period_s
from leverline.calibrate.requirement import PositionCap, position_cap, size_grid
from leverline.calibrate.rounding import exact, round_down_notional, round_up_rate
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError
from leverline.model.appetite import RiskAppetite
from leverline.model.collateral import HaircutTier
from leverline.model.quantities import UNITS_PER_ONE

STEP = 0.001
"""Haircuts are rounded up to this."""


@dataclass(frozen=True, slots=True)
class HaircutCurve:
    """What a holding of each of ``value`` (n,), settlement currency, must be cut by: ``rate`` (n,), never falling.

    ``cap`` is the largest holding that can be sold in time, and why.
    """

    value: FloatArray
    rate: FloatArray
    cap: PositionCap


def haircut_curve(measures: CollateralMeasures, appetite: RiskAppetite) -> HaircutCurve:
    """The average haircut that each size of a holding needs.

    Raises
    ------
    InsufficientDataError
        No depth is known.
    """
    market, costs = measures.market, appetite.costs
    cap = position_cap(market, appetite)
    if cap is None or market.depth is None or cap.notional <= 0.0:
        raise InsufficientDataError("neither volume nor a book is known, so nobody knows what selling it would cost")
    value = size_grid(cap)
    loss = measures.price_loss(margin_period_s(value, appetite, market.volume_per_day))
    slippage = market.depth.cost_rate(value)
    if costs.slippage_bearer == "liquidator":
        borne = float(market.depth.cost_rate(section(appetite).largest_liquidation)[0])
        rate = loss + np.maximum(slippage - borne, 0.0)
    else:
        rate = loss + slippage + market.basis.rate + costs.taker_fee_rate
    rate = np.maximum(np.maximum.accumulate(rate), appetite.rounding.minimum_maintenance_rate)
    return HaircutCurve(value, np.minimum(rate, 1.0), cap)


def haircut_tiers(curve: HaircutCurve, slices: int) -> tuple[HaircutTier, ...]:
    """At most ``slices`` slices whose haircuts together are nowhere below ``curve``, the last of them counting zero.

    Floors stand where the rate has risen by equal parts of its whole rise, on round amounts. With one slice only, all
    of a holding is cut as its largest size needs, and there is no bound.
    """
    amount = curve.value * curve.rate
    cap = float(curve.value[-1])
    floors = [0.0]
    if slices > 1:
        cap = round_down_notional(round(cap * UNITS_PER_ONE)) / UNITS_PER_ONE
        floors = _floors(curve, cap, slices - 1)
    ends = [*floors[1:], cap]
    tiers: list[HaircutTier] = []
    taken = 0.0
    for start, end in zip(floors, ends, strict=True):
        inside = (curve.value > start) & (curve.value < end)
        size = np.append(curve.value[inside], end)
        needed = np.append(amount[inside], end * np.interp(end, curve.value, curve.rate))
        steepest = float(np.max((needed - taken) / (size - start)))
        marginal = min(1.0, max(round_up_rate(max(steepest, 0.0), STEP), tiers[-1].haircut if tiers else 0.0))
        if not tiers or marginal > tiers[-1].haircut:
            tiers.append(HaircutTier(value_floor=round(start * UNITS_PER_ONE), haircut=marginal))
        taken += marginal * (end - start)
    if slices > 1 and tiers[-1].haircut < 1.0:
        tiers.append(HaircutTier(value_floor=round(cap * UNITS_PER_ONE), haircut=1.0))
    return tuple(tiers)


def _floors(curve: HaircutCurve, cap: float, slices: int) -> list[float]:
    """Where slices begin: zero, then round amounts at equal rises of the rate, below the cap."""
    low, high = float(curve.rate[0]), float(curve.rate[-1])
    out = [0.0]
    for k in range(1, slices):
        wanted = low + (high - low) * k / slices
        at = float(curve.value[min(int(np.searchsorted(curve.rate, wanted)), curve.value.size - 1)])
        floor = round_down_notional(max(1, round(at * UNITS_PER_ONE))) / UNITS_PER_ONE
        if out[-1] < floor < cap:
            out.append(floor)
    return out


def counted_haircut(tiers: tuple[HaircutTier, ...], value: FloatArray) -> FloatArray:
    """What ``tiers`` cut off a holding of each of ``value`` (n,), settlement currency."""
    floors = np.array([tier.value_floor for tier in tiers], np.float64) / UNITS_PER_ONE
    ends = np.append(floors[1:], np.inf)
    inside = np.clip(np.asarray(value, np.float64)[:, None] - floors, 0.0, ends - floors)
    return np.asarray(inside @ np.array([float(exact(tier.haircut)) for tier in tiers]), np.float64)
