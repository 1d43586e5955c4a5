r"""From requirement curves to published tiers: the best K-step approximation from above.

Two curves over position notional :math:`N` come in: maintenance :math:`M(N)` and initial :math:`I(N) \ge M(N)`, both
amounts on a grid, linear between grid points and through the origin below the first. Out come at most K tiers with

- a maintenance amount that is convex, continuous and piecewise linear with knots at the tier floors,
- an initial rate that is constant in a tier, never falls with size, and is the reciprocal of a venue's leverage,
- both nowhere below their curves, and initial at least (1 + buffer) times maintenance everywhere,

that minimise the mean of :math:`(\hat I - I)/N + (\hat M - M)/N` over log-uniform :math:`N`: what the steps cost a
trader on average, in margin rate, over all sizes alike.

The search is exact. :math:`\hat M` first has to be convex, so :math:`M` is replaced by its cheapest convex majorant
:math:`G` (:func:`convex_majorant`). For fixed floors the least convex polygon above a convex :math:`G` is the one
through :math:`G` at the floors, and the initial rate of a tier depends on its cap alone because requirement rates are
running maxima. So the cost is a sum over tiers, and dynamic programming over candidate floors (Bellman and Roth 1969)
finds the minimum for every number of tiers. The winners are then rounded (maintenance rates up to the step, leverage
down the ladder) in integer arithmetic. Rounding up a maintenance rate can cost a tier a rung of leverage that other
floors would have kept, so from the cheapest after rounding one floor at a time is moved, left out or added as long as
that makes the published tiers cheaper.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from leverline.calibrate.rounding import (
    boundaries_between,
    exact,
    initial_rate,
    leverage_within,
    round_down_notional,
    steps_up,
)
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, require
from leverline.model.appetite import Rounding
from leverline.model.limitbook import Tier
from leverline.model.quantities import UNITS_PER_ONE

SAMPLE_POINTS = 512
"""Log-uniform sizes over which the over-margin is averaged."""

COST_TOLERANCE = 1e-6
"""Mean over-margin rate (a hundredth of a basis point) that one tier more has to save to be worth publishing."""


def fit_tiers(notional: FloatArray, maintenance: FloatArray, initial: FloatArray, *, n_tiers: int,
              rounding: Rounding, minimum_buffer: float) -> tuple[Tier, ...]:
    """The cheapest at most ``n_tiers`` tiers above both curves.

    Parameters
    ----------
    notional : ndarray of shape (n,)
        Position sizes, settlement currency, rising, > 0. The last is the position cap; it is rounded down.
    maintenance, initial : ndarray of shape (n,)
        Requirement amounts, settlement currency; ``initial >= maintenance > 0``.
    n_tiers : int
        The most tiers; fewer are published where another would save less than :data:`COST_TOLERANCE`.
    rounding : Rounding
        Step of maintenance rates and highest leverage.
    minimum_buffer : float
        Initial margin is at least ``1 + minimum_buffer`` times maintenance margin.

    Returns
    -------
    tuple of Tier
        From notional 0, amounts in ledger units. Measured curves are met within 1e-9 of notional (floating-point
        noise); what holds between published numbers holds exactly.

    Raises
    ------
    InsufficientDataError
        Even the smallest tier would need more margin than its notional. The market does not support leverage under
        this appetite, which is a finding about the market, so a caller goes on with the next one.

    Notes
    -----
    Leverage below 1 and marginal maintenance rates above 1 are not published. Sizes that need them are cut off: the
    last ``notional_cap`` is then lower than ``round_down_notional`` of the last grid point, and that difference is how
    a caller knows.
    """
    _check_curves(notional, maintenance, initial)
    require(n_tiers >= 1, "there is at least one tier", got=n_tiers)
    require(minimum_buffer >= 0, "the buffer over maintenance is not negative", got=minimum_buffer)
    curves = _Curves.of(notional, maintenance, initial, minimum_buffer)
    cap = round_down_notional(round(float(notional[-1]) * UNITS_PER_ONE))
    bounds = [0, *boundaries_between(float(notional[0]) * UNITS_PER_ONE, cap, rounding.maintenance_step), cap]
    while len(bounds) > 1:
        tiers = _cheapest(curves, bounds, n_tiers, rounding)
        if tiers is not None:
            return tiers
        bounds.pop()  # the largest sizes need more margin than their notional
    raise InsufficientDataError("even the smallest position needs more margin than its notional",
                                remedy="the market supports no leverage under this appetite")


def convex_majorant(notional: FloatArray, amounts: FloatArray) -> FloatArray:
    r"""The cheapest convex curve through the origin that is nowhere below ``amounts``; shape (n,), same currency.

    A convex function has a greatest convex minorant but no least convex majorant: above a concave stretch one can
    raise the small sizes or the large ones. The one taken minimises the mean of :math:`G/N` over log size, the
    objective of the tiers, and equals ``amounts`` where they are convex. A linear programme in the (non-negative)
    changes of slope, so the result is convex by construction.
    """
    below = np.concatenate(([0.0], notional[:-1]))
    slopes = np.diff(amounts, prepend=0.0) / (notional - below)
    if np.all(np.diff(slopes) >= -1e-12 * np.abs(slopes[1:])):
        return amounts
    from scipy.optimize import linprog

    rate = amounts / notional
    share = np.maximum(1.0 - below[None, :] / notional[:, None], 0.0)  # rate at i from a unit slope change at j
    weight = np.gradient(np.log(notional))
    solved = linprog(weight @ share, A_ub=-share, b_ub=-rate / rate.max(), bounds=(0, None), method="highs",
                     options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10})
    if solved.status != 0:
        raise ArithmeticError(f"the convex majorant was not found: {solved.message}")  # always feasible and bounded
    turns: FloatArray = np.maximum(np.asarray(solved.x, dtype=np.float64), 0.0)
    majorant: FloatArray = share @ turns * (rate.max() * notional)
    return majorant * max(1.0, float(np.max(amounts / majorant)))  # the solver meets the curve within its tolerance


@dataclass(frozen=True)
class _Curves:
    """The two requirements as functions of size, and the sample over which cost is averaged; settlement currency."""

    notional: FloatArray
    maintenance: FloatArray
    majorant: FloatArray
    initial: FloatArray
    buffer: Fraction

    @classmethod
    def of(cls, notional: FloatArray, maintenance: FloatArray, initial: FloatArray, buffer: float) -> _Curves:
        grid, lower, upper = (np.concatenate(([0.0], a)) for a in (notional, maintenance, initial))
        majorant = np.concatenate(([0.0], convex_majorant(notional, maintenance)))
        return cls(grid, lower, majorant, upper, exact(buffer))

    def majorant_at(self, sizes: FloatArray) -> FloatArray:
        return np.interp(sizes, self.notional, self.majorant)

    def initial_rate_up_to(self, sizes: FloatArray) -> FloatArray:
        """The largest I(N)/N over N <= size: I/N is monotone between grid points, so its maxima lie on them."""
        rate = np.maximum.accumulate(np.concatenate(([0.0], self.initial[1:] / self.notional[1:])))
        inside = rate[np.searchsorted(self.notional, sizes, side="right") - 1]
        return np.maximum(inside, np.interp(sizes, self.notional, self.initial) / sizes)

    def sample(self, cap: float) -> tuple[FloatArray, FloatArray]:
        """Log-uniform sizes (mid-points) up to ``cap`` and (I + M)/N there."""
        low = min(float(self.notional[1]), cap / 2)
        log = np.log(low) + (np.arange(SAMPLE_POINTS) + 0.5) / SAMPLE_POINTS * np.log(cap / low)
        sizes = np.exp(log)
        needed = np.interp(sizes, self.notional, self.maintenance) + np.interp(sizes, self.notional, self.initial)
        return sizes, needed / sizes


def _check_curves(notional: FloatArray, maintenance: FloatArray, initial: FloatArray) -> None:
    require(notional.ndim == 1 and notional.size >= 1, "sizes have shape (n,), n >= 1", got=notional.shape)
    require(maintenance.shape == notional.shape == initial.shape, "a requirement has one amount per size",
            got=(maintenance.shape, initial.shape))
    finite = all(bool(np.all(np.isfinite(a))) for a in (notional, maintenance, initial))
    require(finite, "sizes and requirements are finite")
    require(bool(notional[0] > 0 and np.all(np.diff(notional) > 0)), "sizes are positive and rising")
    require(notional[-1] * UNITS_PER_ONE >= 1, "the largest size is at least one ledger unit", got=notional[-1])
    require(bool(np.all(maintenance > 0)), "maintenance margin is positive")
    require(bool(np.all(initial >= maintenance)), "initial margin covers maintenance margin")


def _cheapest(curves: _Curves, bounds: list[int], n_tiers: int, rounding: Rounding) -> tuple[Tier, ...] | None:
    """The best floors for each number of tiers, rounded, and what is cheaper near by; None where nothing can be."""
    sizes, needed = curves.sample(bounds[-1] / UNITS_PER_ONE)
    tried: dict[tuple[int, ...], tuple[float, tuple[Tier, ...] | None]] = {}

    def price(chosen: tuple[int, ...]) -> float:
        if chosen not in tried:
            tiers = _round(curves, [bounds[i] for i in chosen], rounding)
            tried[chosen] = (np.inf, None) if tiers is None else (
                _over_margin(tiers, sizes, needed) + COST_TOLERANCE * len(tiers), tiers)
        return tried[chosen][0]

    cost = segment_costs(curves, bounds, sizes, needed, rounding)
    chains = [tuple(chain) for chain in best_partitions(cost, n_tiers)]
    best = min(chains, key=price, default=None)
    while best is not None:
        nearest = min(_neighbours(best, len(bounds), n_tiers), key=price, default=best)
        if not price(nearest) < price(best):
            break
        best = nearest
    return None if best is None else tried[best][1]


def _neighbours(chosen: tuple[int, ...], n_bounds: int, n_tiers: int) -> Iterator[tuple[int, ...]]:
    """Chains of bounds with one floor less, one moved to another place between its neighbours, or one more."""
    for k in range(1, len(chosen) - 1):
        below, above = chosen[:k], chosen[k + 1 :]
        yield (*below, *above)
        yield from ((*below, i, *above) for i in range(below[-1] + 1, above[0]) if i != chosen[k])
    if len(chosen) <= n_tiers:
        yield from (tuple(sorted((*chosen, i))) for i in range(1, n_bounds - 1) if i not in chosen)


def segment_costs(curves: _Curves, bounds: list[int], sizes: FloatArray, needed: FloatArray,
                  rounding: Rounding) -> FloatArray:
    """Summed over-margin rate of a tier from bound i (open) to bound j (closed), per sample point; shape (m, m).

    Infinite where i >= j and where the cap needs more margin than its notional.
    """
    at = np.array(bounds, dtype=np.float64) / UNITS_PER_ONE
    majorant = curves.majorant_at(at)
    count = np.searchsorted(sizes, at, side="right")
    inverse = np.concatenate(([0.0], np.cumsum(1.0 / sizes)))[count]
    already = np.concatenate(([0.0], np.cumsum(needed)))[count]
    rate = np.full(at.size, np.inf)
    buffered = (1.0 + float(curves.buffer)) * majorant[1:] / at[1:]
    for cap, wanted in enumerate(np.maximum(curves.initial_rate_up_to(at[1:]), buffered), start=1):
        leverage = leverage_within(float(wanted), rounding.max_leverage)
        rate[cap] = np.inf if leverage is None else initial_rate(leverage)
    cost = np.full((at.size, at.size), np.inf)
    for i in range(at.size - 1):
        j = np.arange(i + 1, at.size)
        slope = (majorant[j] - majorant[i]) / (at[j] - at[i])
        deduction = slope * at[i] - majorant[i]
        points = count[j] - count[i]
        cost[i, j] = (rate[j] + slope) * np.maximum(points, 0) - deduction * (inverse[j] - inverse[i])
        cost[i, j] -= already[j] - already[i]
        cost[i, j[~np.isfinite(rate[j])]] = np.inf
    return np.round(cost / sizes.size, 12)  # floors of equal cost: the lower wins, in every unit of account


def best_partitions(cost: FloatArray, n_parts: int) -> list[list[int]]:
    """For k = 1 ... ``n_parts`` the cheapest chain 0 = i_0 < ... < i_k = m - 1 under ``cost[i, j]`` per link.

    Chains that do not exist (infinite cost, more links than bounds) are left out. O(k m^2).
    """
    m = cost.shape[0]
    reached = np.full(m, np.inf)
    reached[0] = 0.0
    origins: list[np.ndarray] = []
    chains: list[list[int]] = []
    for _ in range(min(n_parts, m - 1)):
        through = reached[:, None] + cost
        origins.append(np.argmin(through, axis=0))
        reached = np.min(through, axis=0)
        if np.isfinite(reached[-1]):
            chain = [m - 1]
            for origin in reversed(origins):
                chain.append(int(origin[chain[-1]]))
            chains.append(chain[::-1])
    return chains


def _round(curves: _Curves, bounds: list[int], rounding: Rounding) -> tuple[Tier, ...] | None:
    """Publish the floors ``bounds``: each maintenance rate the least on the step that reaches the curve at the cap.

    What the rounding of lower tiers left over is credited to the next. All amounts are exact ledger units: a rate
    is a whole number of steps, and a floor times a step a whole number of units. None where no leverage is left.
    """
    step = exact(rounding.maintenance_step)
    at = np.array(bounds, dtype=np.float64) / UNITS_PER_ONE
    target = [exact(float(g)) * UNITS_PER_ONE for g in curves.majorant_at(at)]
    measured = curves.initial_rate_up_to(at[1:])
    tiers: list[Tier] = []
    steps, deduction, amount, leverage = 0, Fraction(0), Fraction(0), rounding.max_leverage
    for (floor, cap), goal, wanted in zip(pairwise(bounds), target[1:], measured, strict=True):
        raised = max(1, steps, steps_up((goal - amount) / (cap - floor), rounding.maintenance_step))
        deduction += floor * (raised - steps) * step
        steps = raised
        amount = cap * steps * step - deduction
        by_loss = leverage_within(float(wanted), leverage)
        by_maintenance = leverage_within(amount * (1 + curves.buffer) / cap, leverage)
        if by_loss is None or by_maintenance is None or steps * step > 1:
            return None
        leverage = min(by_loss, by_maintenance)
        tiers.append(Tier(
            notional_floor=floor, notional_cap=cap, max_leverage=leverage, initial_margin_rate=initial_rate(leverage),
            maintenance_margin_rate=float(steps * step), maintenance_deduction=int(deduction)))
    return _merged(tiers)


def _merged(tiers: list[Tier]) -> tuple[Tier, ...]:
    """One tier where neighbours publish the same leverage and maintenance rate (their deductions agree, too)."""
    kept: list[Tier] = []
    for tier in tiers:
        same = kept and (kept[-1].max_leverage, kept[-1].maintenance_margin_rate) == (
            tier.max_leverage, tier.maintenance_margin_rate)
        if same:
            kept[-1] = kept[-1].model_copy(update={"notional_cap": tier.notional_cap})
        else:
            kept.append(tier)
    return tuple(kept)


def _over_margin(tiers: tuple[Tier, ...], sizes: FloatArray, needed: FloatArray) -> float:
    """Mean of published less needed initial and maintenance rates over the sample."""
    caps = np.array([t.notional_cap for t in tiers], dtype=np.float64) / UNITS_PER_ONE
    at = np.minimum(np.searchsorted(caps, sizes, side="left"), len(tiers) - 1)
    rate = np.array([t.initial_margin_rate + t.maintenance_margin_rate for t in tiers])[at]
    deduction = np.array([t.maintenance_deduction for t in tiers], dtype=np.float64)[at] / UNITS_PER_ONE
    return float(np.mean(rate - deduction / sizes - needed))
