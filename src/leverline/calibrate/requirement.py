"""What a position of each size needs: maintenance to survive its margin period, initial to be opened at all.

    maintenance(N) = loss quantile over MPOR(N) + slippage(N) + basis + taker fee      (the venue bears slippage)
    initial(N)     = maintenance(N) + loss quantile over the trader's reaction time

The loss quantile is of price moves the market makes by itself; slippage is what the liquidation adds to them; basis is
how far a fill lies from the mark that margin is measured at; the fee is paid once. Nothing is charged twice. Where the
liquidator bears slippage it is not in the margin but in the bonus.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from leverline.calibrate.margin_period import LossCurve, margin_period_s
from leverline.ground.arrays import FloatArray
from leverline.measure.basis import BasisAllowance
from leverline.measure.depth_estimate import DepthEstimate
from leverline.measure.impact import notional_within_time
from leverline.measure.losses import SIDES
from leverline.model.appetite import RiskAppetite
from leverline.model.limitbook import Basis

GRID_POINTS = 241
SMALLEST_NOTIONAL = 1_000.0
"""Settlement currency; the requirement of smaller positions is that of this one, to far less than a rounding step."""
UNCAPPED_NOTIONAL = 1e9
"""Where no volume is known a requirement does not depend on size; the grid ends here and the cap is left open."""
BUMP = 0.1
"""Relative move of a driver in a sensitivity."""


@dataclass(frozen=True, slots=True)
class MarketMeasures:
    """Everything measured of one market that its limits depend on.

    ``volume_per_day`` is *stressed*, the low quantile of traded notional over the look-back; NaN where the source has
    none. ``depth`` is stressed and shared out among the accounts that are liquidated together.
    ``filtering`` is the power of volatility that the loss quantile carries.
    """

    symbol: str
    losses: LossCurve
    losses_at_half_exceedance: LossCurve
    reaction: FloatArray  # (2,), loss quantile over the reaction time, long and short
    volume_per_day: float
    filtering: float
    depth: DepthEstimate | None  # what closing costs, stressed; None where neither volume nor book is known
    basis: BasisAllowance

    @property
    def has_volume(self) -> bool:
        """Whether the time to liquidate is known."""
        return bool(np.isfinite(self.volume_per_day))


@dataclass(frozen=True, slots=True)
class Requirement:
    """Requirement rates of one market over a grid of sizes, each of shape (n,); amounts are rate x notional."""

    notional: FloatArray
    loss_by_side: FloatArray  # (n, 2), long then short
    slippage: FloatArray
    basis: float
    basis_assumed: bool  # from the appetite, where mark and fill were not both seen
    fee: float
    floor: float
    reaction: float
    margin_period_s: FloatArray
    funding: FloatArray | float = 0.0  # most that can fall due inside the margin period

    @property
    def loss(self) -> FloatArray:
        """Loss quantile of the larger side at each size, never falling with size."""
        return np.maximum.accumulate(self.loss_by_side.max(axis=1))

    def binding_side_at(self, notional: float) -> str:
        """The side with the larger loss quantile for a position of ``notional``; it can change with size."""
        long, short = (float(np.interp(notional, self.notional, side)) for side in self.loss_by_side.T)
        return SIDES[int(short > long)]

    @property
    def maintenance_rate(self) -> FloatArray:
        """Average maintenance rate of each size, never below the appetite's floor."""
        return np.maximum(self.loss + self.slippage + self.basis + self.fee, self.floor) + self.funding

    @property
    def initial_rate(self) -> FloatArray:
        """Average initial rate of each size."""
        return self.maintenance_rate + self.reaction


@dataclass(frozen=True, slots=True)
class PositionCap:
    """Largest position, settlement currency, and the constraint that sets it."""

    notional: float
    binding: str


def position_cap(market: MarketMeasures, appetite: RiskAppetite) -> PositionCap | None:
    """The tightest of: liquidation-cost budget, liquidation time, share of volume. None where no depth is known."""
    if market.depth is None:
        return None
    costs, period = appetite.costs, appetite.margin_period
    by_cost = market.depth.notional_within(costs.liquidation_cost_budget)
    candidates = [PositionCap(by_cost, f"liquidation-cost budget ({market.depth.source})")]
    if market.has_volume:
        by_time = notional_within_time(period.max_liquidation_s, participation=period.participation,
                                       volume_per_day=market.volume_per_day)
        by_share = costs.max_share_of_daily_volume * market.volume_per_day
        candidates += [PositionCap(float(by_time), "liquidation time at the participation allowed"),
                       PositionCap(by_share, "share of stressed daily volume")]
    return min(candidates, key=lambda cap: cap.notional)


def size_grid(cap: PositionCap | None) -> FloatArray:
    """Sizes at which the requirement is computed, log-spaced up to the cap."""
    high = UNCAPPED_NOTIONAL if cap is None else cap.notional
    return np.geomspace(min(SMALLEST_NOTIONAL, high / 100.0), high, GRID_POINTS)


def requirement(market: MarketMeasures, appetite: RiskAppetite, notional: FloatArray) -> Requirement:
    """Rates at each of ``notional`` (n,), settlement currency, the larger of both sides."""
    period = margin_period_s(notional, appetite, market.volume_per_day)
    slippage = np.zeros_like(notional)
    if market.depth is not None and appetite.costs.slippage_bearer == "venue":
        slippage = market.depth.cost_rate(notional)
    return Requirement(
        notional=notional, loss_by_side=market.losses.at(period), slippage=slippage,
        basis=market.basis.rate, basis_assumed=market.basis.basis is Basis.ASSUMED,
        fee=appetite.costs.taker_fee_rate, floor=appetite.rounding.minimum_maintenance_rate,
        reaction=float(market.reaction.max()), margin_period_s=period)


def longest_period_s(appetite: RiskAppetite, *, with_volume: bool) -> float:
    """The longest margin period that a requirement or one of its sensitivities asks for, seconds."""
    period = appetite.margin_period
    liquidation = period.max_liquidation_s if with_volume else 0.0
    return (1.0 + BUMP) * (period.detection_s + period.oracle_delay_s) + liquidation / (1.0 - BUMP)


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Relative change of both rates at each size when one driver moves."""

    driver: str
    maintenance: FloatArray
    initial: FloatArray


def sensitivities(market: MarketMeasures, appetite: RiskAppetite, notional: FloatArray) -> tuple[Sensitivity, ...]:
    """How the requirement answers to confidence, horizon, volatility and depth, all else equal, before rounding."""
    base = requirement(market, appetite, notional)
    out = []
    for driver, (bumped_market, bumped_appetite) in moved_drivers(market, appetite).items():
        bumped = requirement(bumped_market, bumped_appetite, notional)
        out.append(Sensitivity(driver, bumped.maintenance_rate / base.maintenance_rate - 1.0,
                               bumped.initial_rate / base.initial_rate - 1.0))
    return tuple(out)


CAP_DRIVERS = ("depth: stressed depth and volume -10 %", "volatility +10 %")
"""What moves a position cap; confidence does not, and the margin period's end is the cap itself."""


def cap_sensitivities(market: MarketMeasures, appetite: RiskAppetite) -> dict[str, float]:
    """Relative change of the position cap when one driver moves, all else equal; empty where there is no cap."""
    base = position_cap(market, appetite)
    if base is None or not base.notional:
        return {}
    bumped = moved_drivers(market, appetite)
    moved = {driver: position_cap(*bumped[driver]) for driver in CAP_DRIVERS}
    return {driver: cap.notional / base.notional - 1.0 for driver, cap in moved.items() if cap is not None}


def moved_drivers(market: MarketMeasures, appetite: RiskAppetite) -> dict[str, tuple[MarketMeasures, RiskAppetite]]:
    """Market and appetite with one driver moved, by what was moved."""
    lengthened = appetite.margin_period.model_copy(update={
        "detection_s": appetite.margin_period.detection_s * (1.0 + BUMP),
        "oracle_delay_s": appetite.margin_period.oracle_delay_s * (1.0 + BUMP),
        "participation": appetite.margin_period.participation / (1.0 + BUMP),
    })
    louder = (1.0 + BUMP) ** market.filtering
    moved = {
        "confidence: allowed exceedance halved": (
            replace(market, losses=market.losses_at_half_exceedance), appetite),
        "horizon: margin period +10 %": (market, appetite.model_copy(update={"margin_period": lengthened})),
        "volatility +10 %": (
            replace(market, losses=replace(market.losses, quantile=market.losses.quantile * louder),
                    reaction=market.reaction * louder,
                    depth=moved_depth(market.depth, louder_tail=1.0 + BUMP)), appetite),
    }
    if market.depth is not None:
        moved["depth: stressed depth and volume -10 %"] = (
            replace(market, volume_per_day=market.volume_per_day * (1.0 - BUMP),
                    depth=moved_depth(market.depth, left=1.0 - BUMP)), appetite)
    return moved


def moved_depth(depth: DepthEstimate | None, *, left: float = 1.0, louder_tail: float = 1.0) -> DepthEstimate | None:
    """The estimate with ``left`` of its depth, and square-root impact beyond what is visible ``louder_tail`` times."""
    if depth is None:
        return None
    long, short = (replace(c.scaled(left), root_rate=c.scaled(left).root_rate * louder_tail) for c in depth.curves)
    return replace(depth, curves=(long, short))
