r"""The taker fee that follows volatility, and what demand does to it.

Volatility costs the venue by the positions it carries, not by the trades that it sees. So what has to rise with
volatility is fee *income*, and a fee that drives trades away must rise further to bring in the same. With normal fee
:math:`f_0`, volatility over its normal :math:`\rho`, sensitivity :math:`s` and demand elasticity
:math:`\varepsilon \in (-1, 0]`,

.. math:: f = f_0\, m^{1/(1 + \varepsilon)}, \qquad m = 1 + s (\rho - 1) \ge 1,

since income goes as :math:`f^{1 + \varepsilon}`. In a calm, :math:`m < 1`, the fee falls to :math:`f_0 m`: the volume
that a cheaper fee may draw is not counted on. Where demand is as elastic as -1 or more no rise brings in more, and the
fee stays. It never passes the appetite's highest, and never falls below the rebate it pays for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import UsageError, require
from leverline.measure.elasticity import Elasticity, not_identified
from leverline.model.appetite import RiskAppetite
from leverline.model.appetite_line import FeesAppetite
from leverline.model.limitbook import Basis, Explanation, InstrumentLimits, pointer

if TYPE_CHECKING:  # the book is wired from here, so its module may import this one
    from leverline.calibrate.book import Calibration

NORMAL_DAYS = 365
"""Days whose median volatility is normal: as long as volume and volatility are stressed over."""
BUMP = 0.1
"""Relative move of volatility in a sensitivity."""


def taker_fee(volatility_ratio: ArrayLike, fees: FeesAppetite, elasticity: float) -> FloatArray:
    """Taker fee, fraction of notional, at volatilities over their normal, by broadcasting."""
    ratio = np.asarray(volatility_ratio, dtype=np.float64)
    require(bool(np.all((ratio >= 0) & np.isfinite(ratio))), "volatility over its normal is finite and not negative")
    require(elasticity <= 0, "demand does not rise with its price", got=elasticity)
    asked = np.maximum(0.0, 1.0 + fees.volatility_sensitivity * (ratio - 1.0))
    power = 1.0 / (1.0 + elasticity) if elasticity > -1.0 else 0.0
    with np.errstate(over="ignore"):  # an unbounded fee is bounded below
        fee = fees.taker_fee_rate * np.where(asked > 1.0, asked**power, asked)
    return np.asarray(np.clip(fee, max(0.0, -fees.maker_fee_rate), fees.max_taker_fee_rate))


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """One market's fees: what is charged now and at which volatility (per day) that would change."""

    fees: FeesAppetite
    elasticity: Elasticity
    sigma_per_day: float
    normal_sigma_per_day: float

    @property
    def volatility_ratio(self) -> float:
        """Today's volatility over its normal; 1 where either is unknown."""
        known = np.isfinite(self.sigma_per_day) and self.normal_sigma_per_day > 0
        return self.sigma_per_day / self.normal_sigma_per_day if known else 1.0

    @property
    def taker(self) -> float:
        """Taker fee now."""
        return float(taker_fee(self.volatility_ratio, self.fees, min(0.0, self.elasticity.value)))

    def sensitivities(self) -> dict[str, float | None]:
        """Relative change of today's taker fee by what is moved; None where the fee is zero."""
        at, now = self.volatility_ratio, self.taker
        moved = {
            "volatility +10 %": taker_fee(at * (1.0 + BUMP), self.fees, min(0.0, self.elasticity.value)),
            f"demand elasticity {self.elasticity.low:.2g}": taker_fee(at, self.fees, min(0.0, self.elasticity.low)),
            f"demand elasticity {self.elasticity.high:.2g}": taker_fee(at, self.fees, min(0.0, self.elasticity.high)),
        }
        return {what: round(float(fee) / now - 1.0, 4) if now else None for what, fee in moved.items()}


@dataclass(frozen=True, slots=True)
class PricedMarkets:
    """Limits by symbol with their fees, explanations by JSON pointer, warnings, and the schedules behind them."""

    limits: dict[str, InstrumentLimits]
    explanations: dict[str, Explanation]
    warnings: tuple[str, ...]
    schedules: dict[str, FeeSchedule]


def price_markets(calibration: Calibration, appetite: RiskAppetite, *, elasticity: Elasticity | None = None,
                  limits: Mapping[str, InstrumentLimits] | None = None) -> PricedMarkets:
    """Maker and taker fees of every market of ``calibration``, on top of ``limits`` where these were changed since.

    Maintenance reserves the closing fee of the appetite's costs, so an order that the venue forces pays no more than
    that (``taker_forced``), whatever volatility does to the fee of everybody else.
    """
    if appetite.fees is None:
        raise UsageError("the appetite has no section [fees]", remedy="add one, or calibrate without it")
    fees, known = appetite.fees, {market.symbol: market.limits for market in calibration.markets} | dict(limits or {})
    demand = elasticity or not_identified("no decided change of a fee and no instrument was given",
                                          fees.demand_elasticity)
    schedules = {market.symbol: _schedule(calibration, market.column, fees, demand) for market in calibration.markets}
    out: dict[str, InstrumentLimits] = {}
    why: dict[str, Explanation] = {}
    for symbol, schedule in schedules.items():
        forced = min(schedule.taker, appetite.costs.taker_fee_rate)
        out[symbol] = known[symbol].model_copy(update={"fees": {
            "maker": fees.maker_fee_rate, "taker": schedule.taker, "taker_forced": forced,
            "taker_highest": fees.max_taker_fee_rate}})
        why |= _explain(pointer("instruments", symbol, "fees"), schedule, forced)
    warnings = () if demand.identified else (f"elasticity of demand {demand.why}: fees use {demand.value:g}, between "
                                             f"{demand.low:g} and {demand.high:g}",)
    return PricedMarkets(out, why, warnings, schedules)


def _schedule(calibration: Calibration, column: int, fees: FeesAppetite, demand: Elasticity) -> FeeSchedule:
    rows = max(1, round(NORMAL_DAYS * calibration.panel.bars_per_day))
    seen = calibration.sigma_per_day[-rows:, column]
    normal = float(np.median(seen[np.isfinite(seen)])) if np.isfinite(seen).any() else float("nan")
    return FeeSchedule(fees, demand, float(calibration.sigma_per_day[-1, column]), normal)


def _explain(at: str, schedule: FeeSchedule, forced: float) -> dict[str, Explanation]:
    """Why each fee stands where it stands."""
    fees, ratio, demand = schedule.fees, schedule.volatility_ratio, schedule.elasticity
    taker = schedule.taker
    if not np.isfinite(schedule.sigma_per_day):
        binding, basis = "fee at normal volatility: today's is not known", Basis.DEFAULTED
    elif taker >= fees.max_taker_fee_rate:
        binding, basis = f"appetite's highest taker fee, at {ratio:.2f} times the normal volatility", Basis.ASSUMED
    elif ratio > 1.0 and demand.value <= -1.0:
        binding, basis = "demand so elastic that no rise of the fee brings in more", Basis.ASSUMED
    else:
        binding = (f"volatility {ratio:.2f} times its median of a year; demand elasticity {demand.value:.2g} "
                   f"({demand.why})")
        basis = Basis.MEASURED if demand.identified or ratio <= 1.0 else Basis.ASSUMED
    held = forced < taker
    return {
        f"{at}/taker": Explanation(binding=binding, basis=basis, sensitivity=schedule.sensitivities()),
        f"{at}/maker": Explanation(binding="risk appetite", basis=Basis.ASSUMED),
        f"{at}/taker_forced": Explanation(
            binding="closing fee that maintenance margin reserves" if held else "the taker fee, which is reserved",
            basis=Basis.ASSUMED if held else basis),
        f"{at}/taker_highest": Explanation(binding="risk appetite", basis=Basis.ASSUMED),
    }
