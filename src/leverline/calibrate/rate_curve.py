r"""A borrow rate with a kink that leaves room for the next rush, and is steep enough to end one.

The kink: utilisation rises by itself, by loans and withdrawals, before borrowers answer a dearer rate. With
:math:`\Delta_q` the quantile of its largest rise inside that time,

.. math:: U^* = \min(\text{appetite}, 1 - \Delta_q).

The slope past it: at full utilisation nobody can withdraw. Demand with elasticity :math:`\varepsilon < 0` falls back to
the kink where :math:`(R_1 / R^*)^{\varepsilon} \le U^*`, so

.. math:: R_1 = \max\bigl(\text{appetite}, R^* (U^*)^{1/\varepsilon}\bigr),

taken at the least elastic end of what is known of demand: a rate that is too steep for a day costs less than a pool
that stays dry.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, UsageError, require
from leverline.measure.elasticity import Elasticity, not_identified
from leverline.model.appetite import RiskAppetite
from leverline.model.appetite_line import FeesAppetite
from leverline.model.collateral import RateCurve
from leverline.model.limitbook import Basis, Explanation, pointer

LOWEST_KINK = 0.05
"""A pool that has to stand emptier than this in order not to run dry is not lent out at all."""
MAX_STEEPNESS = 1_000.0
"""Full rate over kink rate beyond which demand is taken not to answer at all."""
MIN_TAIL_WINDOWS = 2.0
"""Windows that do not overlap expected beyond the quantile; fewer, and the quantile would be a guess."""
BUMP = 0.1
"""Relative move of a driver in a sensitivity."""


def borrow_rate(curve: RateCurve, utilisation: ArrayLike) -> FloatArray:
    """Rate per year at utilisations in [0, 1], by broadcasting."""
    used = np.asarray(utilisation, dtype=np.float64)
    require(bool(np.all((used >= 0) & (used <= 1))), "utilisation lies in [0, 1]")
    below = curve.slope_below_per_year * np.minimum(used / curve.kink, 1.0)
    above = curve.slope_above_per_year * np.maximum(used - curve.kink, 0.0) / (1.0 - curve.kink)
    return np.asarray(curve.base_per_year + below + above)


def utilisation_rises(utilisation: FloatArray, window: int) -> FloatArray:
    """Largest rise inside ``window`` steps after each of ``utilisation`` (n,), shape (n - window,); not negative."""
    used = np.asarray(utilisation, dtype=np.float64)
    require(used.ndim == 1 and bool(np.all((used >= 0) & (used <= 1))), "utilisation (n,) lies in [0, 1]")
    require(window >= 1, "a window is at least one step", got=window)
    if used.size <= window:
        raise InsufficientDataError(f"{used.size} utilisations do not hold one window of {window} steps")
    return np.asarray(np.maximum(sliding_window_view(used, window + 1).max(axis=1) - used[:-window], 0.0))


@dataclass(frozen=True, slots=True)
class CalibratedCurve:
    """A rate curve, explanations by JSON pointer, and warnings."""

    curve: RateCurve
    explanations: dict[str, Explanation]
    warnings: tuple[str, ...]


def rate_curve(asset: str, appetite: RiskAppetite, *, utilisation: FloatArray | None = None,
               spacing_s: float | None = None, elasticity: Elasticity | None = None) -> CalibratedCurve:
    """The curve of one asset; ``utilisation`` (n,) is its pool's past, every ``spacing_s`` seconds.

    Raises
    ------
    InsufficientDataError
        The past is too short for the appetite's confidence, or so wild that no kink leaves room for it.
    """
    if appetite.fees is None:
        raise UsageError("the appetite has no section [fees]", remedy="add one, or calibrate without it")
    fees = appetite.fees
    demand = elasticity or not_identified("no decided change of a rate and no instrument was given",
                                          fees.demand_elasticity)
    room = None if utilisation is None else _room(asset, utilisation, spacing_s, fees)
    kink = _kink(room, fees)
    if kink < LOWEST_KINK:
        raise InsufficientDataError(f"{asset}: utilisation rises by {1.0 - kink:.2f} before borrowers answer",
                                    remedy="do not lend it out, or shorten utilisation_horizon_s by paging borrowers")
    full, answered = _full_rate(kink, fees, demand.high)
    curve = RateCurve(base_per_year=0.0, slope_below_per_year=fees.rate_at_kink_per_year,
                      slope_above_per_year=full - fees.rate_at_kink_per_year, kink=kink)
    warnings = () if answered else (
        f"{asset}: demand may not answer any rate (elasticity up to {demand.high:g}), so no slope ends a rush; "
        "the appetite's rate stands",)
    return CalibratedCurve(curve, _explain(asset, room, kink, full, fees, demand), warnings)


def _room(asset: str, utilisation: FloatArray, spacing_s: float | None, fees: FeesAppetite) -> float:
    """Quantile of the largest rise inside the horizon."""
    if spacing_s is None or not spacing_s > 0:
        raise UsageError("utilisation comes with the seconds between two of its values")
    window = max(1, int(np.ceil(fees.utilisation_horizon_s / spacing_s - 1e-9)))
    rises = utilisation_rises(utilisation, window)
    tail = (1.0 - fees.utilisation_confidence) * rises.size / window
    if tail < MIN_TAIL_WINDOWS:
        raise InsufficientDataError(
            f"{asset}: {rises.size / window:.0f} windows of utilisation show no quantile at "
            f"{fees.utilisation_confidence:g}", remedy="give a longer past, or calibrate without it")
    return float(np.quantile(rises, fees.utilisation_confidence, method="higher"))


def _kink(room: float | None, fees: FeesAppetite) -> float:
    return fees.kink if room is None else min(fees.kink, float(np.floor((1.0 - room) * 1e4 + 1e-9)) / 1e4)


def _full_rate(kink: float, fees: FeesAppetite, elasticity: float) -> tuple[float, bool]:
    """Rate at full utilisation, per year, and whether it brings utilisation back to the kink."""
    if elasticity >= 0.0 or -np.log(kink) / -elasticity > np.log(MAX_STEEPNESS):
        return fees.rate_at_full_per_year, False
    return max(fees.rate_at_full_per_year, fees.rate_at_kink_per_year * kink ** (1.0 / elasticity)), True


def _explain(asset: str, room: float | None, kink: float, full: float, fees: FeesAppetite, demand: Elasticity) -> (
        dict[str, Explanation]):
    """Why kink and slopes stand where they stand; sensitivities are of the rate gained past the kink."""
    at = pointer("collateral", asset, "rates")
    past = full - fees.rate_at_kink_per_year
    moved = {
        "kink -10 %": _full_rate((1.0 - BUMP) * kink, fees, demand.high)[0],
        f"demand elasticity {demand.low:.2g}": _full_rate(kink, fees, min(0.0, demand.low))[0],
    }
    by_demand = full > fees.rate_at_full_per_year
    measured = room is not None and kink < fees.kink
    why = "appetite's highest kink" if room is None or not measured else (
        f"a rise of {100 * room:.3g} % within {fees.utilisation_horizon_s:g} s at {fees.utilisation_confidence:g}")
    if room is None:
        why += "; no utilisation was given"
    return {
        f"{at}/kink": Explanation(
            binding=why, basis=Basis.MEASURED if measured else Basis.ASSUMED,
            sensitivity={} if room is None else {
                "rises of utilisation +10 %": round(_kink((1.0 + BUMP) * room, fees) / kink - 1.0, 4)}),
        f"{at}/base_per_year": Explanation(binding="nothing is charged where nothing is used", basis=Basis.DEFAULTED),
        f"{at}/slope_below_per_year": Explanation(binding="appetite's rate at the kink", basis=Basis.ASSUMED),
        f"{at}/slope_above_per_year": Explanation(
            binding=f"brings demand of elasticity {demand.high:g} back to the kink ({demand.why})" if by_demand
            else "appetite's rate at full utilisation",
            basis=Basis.MEASURED if by_demand and demand.identified else Basis.ASSUMED,
            sensitivity={what: round((rate - fees.rate_at_kink_per_year) / past - 1.0, 4) if past else None
                         for what, rate in moved.items()}),
    }
