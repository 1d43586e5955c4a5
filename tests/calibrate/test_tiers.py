"""Published tiers: above their curves everywhere, exact where numbers meet, and the cheapest there are."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.calibrate import tiers as module
from leverline.calibrate.rounding import (
    LEVERAGES,
    boundaries_between,
    exact,
    leverage_within,
    round_down_notional,
)
from leverline.calibrate.schedule import continuous_deductions, initial_amount, maintenance_amount, tier_of
from leverline.calibrate.tiers import best_partitions, convex_majorant, fit_tiers, segment_costs
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.model.appetite import Rounding
from leverline.model.limitbook import InstrumentLimits, Tier
from leverline.model.quantities import UNITS_PER_ONE


@dataclass(frozen=True)
class Case:
    """One calibration: the curves and what the venue asks of their publication."""

    notional: FloatArray
    maintenance: FloatArray
    initial: FloatArray
    n_tiers: int
    rounding: Rounding
    buffer: float

    def fit(self, scale: float = 1.0) -> tuple[Tier, ...]:
        return fit_tiers(self.notional * scale, self.maintenance * scale, self.initial * scale, n_tiers=self.n_tiers,
                         rounding=self.rounding, minimum_buffer=self.buffer)


def rounding(step: float = 0.001, max_leverage: float = 100.0) -> Rounding:
    return Rounding(minimum_maintenance_rate=0.0, maintenance_step=step, max_leverage=max_leverage, tiers=10)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Curves that rise more or less convexly, with noise, dents and jumps; cheap to prohibitive."""
    n = draw(st.integers(1, 16))
    low = 10.0 ** draw(st.floats(0.5, 5.0))
    notional = low * np.geomspace(1.0, 10.0 ** draw(st.floats(0.2, 5.0)), n) if n > 1 else np.array([low])
    base = draw(st.floats(0.001, 0.25))
    growth = np.array(draw(st.lists(st.floats(-0.2, 0.9), min_size=n, max_size=n)))
    rate = base * np.exp(np.cumsum(growth) - growth[0])
    reaction = draw(st.floats(0.0, 0.1)) + np.array(draw(st.lists(st.floats(0.0, 0.02), min_size=n, max_size=n)))
    return Case(notional, rate * notional, (rate + reaction) * notional, draw(st.integers(1, 8)),
                rounding(draw(st.sampled_from([0.0005, 0.001, 0.005, 0.01])),
                         draw(st.sampled_from([20.0, 33.0, 100.0]))),
                draw(st.sampled_from([0.0, 0.1, 0.333])))


def dense_notionals(tiers: tuple[Tier, ...]) -> list[int]:
    """Every boundary, one unit to each side of it, and sizes between."""
    points: set[int] = set()
    for tier in tiers:
        assert tier.notional_cap is not None
        width = tier.notional_cap - tier.notional_floor
        points |= {tier.notional_floor + 1, tier.notional_cap, tier.notional_cap - 1}
        points |= {tier.notional_floor + max(1, width * k // 17) for k in range(1, 17)}
    return sorted(p for p in points if p > 0)


def amounts(tiers: tuple[Tier, ...], notional: int) -> tuple[Fraction, Fraction]:
    tier = tier_of(tiers, notional)
    assert tier is not None
    return maintenance_amount(tier, notional), initial_amount(tier, notional)


@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_published_margin_is_never_below_the_measured(case: Case) -> None:
    """A size at which the book asks less than the measured loss is a hole through which the venue pays."""
    try:
        tiers = case.fit()
    except InsufficientDataError:
        return
    for notional, maintenance, initial in zip(case.notional, case.maintenance, case.initial, strict=True):
        position = round(notional * UNITS_PER_ONE)
        if tier_of(tiers, position) is None:
            continue
        published_maintenance, published_initial = amounts(tiers, position)
        slack = 3e-9 * position + 1
        assert published_maintenance >= exact(maintenance) * UNITS_PER_ONE - slack
        assert published_initial >= exact(initial) * UNITS_PER_ONE - slack


@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_published_numbers_fit_each_other_exactly(case: Case) -> None:
    """A jump or a crossing between published numbers is found by whoever sizes a position one unit over a boundary."""
    try:
        tiers = case.fit()
    except InsufficientDataError:
        return
    InstrumentLimits(tiers=tiers)
    assert len(tiers) <= case.n_tiers
    step = exact(case.rounding.maintenance_step)
    rates = [t.maintenance_margin_rate for t in tiers]
    assert [Fraction(t.maintenance_deduction) for t in tiers] == continuous_deductions(
        [t.notional_floor for t in tiers], rates)
    for tier in tiers:
        assert exact(tier.maintenance_margin_rate) % step == 0
        assert tier.max_leverage in {*LEVERAGES, case.rounding.max_leverage}
        assert tier.max_leverage <= case.rounding.max_leverage
        assert tier.initial_margin_rate == 1 / tier.max_leverage
        assert tier.notional_cap == round_down_notional(tier.notional_cap or 0)
    for lower, upper in pairwise(tiers):
        assert upper.max_leverage < lower.max_leverage or upper.maintenance_margin_rate > lower.maintenance_margin_rate
        assert upper.max_leverage <= lower.max_leverage
        assert maintenance_amount(lower, upper.notional_floor) == maintenance_amount(upper, upper.notional_floor)
    for notional in dense_notionals(tiers):
        maintenance, initial = amounts(tiers, notional)
        assert initial >= maintenance * (1 + exact(case.buffer))
        assert maintenance > 0
    for tier in tiers:  # the open lower end
        assert initial_amount(tier, tier.notional_floor) >= (
            maintenance_amount(tier, tier.notional_floor) * (1 + exact(case.buffer)))


@settings(max_examples=60, deadline=None)
@given(case=cases(), decades=st.integers(1, 12))
def test_the_unit_of_account_does_not_matter(case: Case, decades: int) -> None:
    """A market quoted in cents must not get other terms than the same market in dollars."""
    scale = 10.0**decades
    try:
        here = case.fit()
    except InsufficientDataError:
        with pytest.raises(InsufficientDataError):
            case.fit(scale)
        return
    there = case.fit(scale)
    assert there[-1].notional_cap == (here[-1].notional_cap or 0) * 10**decades
    step = case.rounding.maintenance_step  # floors of equal cost before rounding may differ by this after it
    assert over_margin(case, there, scale) == pytest.approx(over_margin(case, here, 1.0), abs=step)


def over_margin(case: Case, tiers: tuple[Tier, ...], scale: float) -> float:
    """Mean published less measured margin rate over log-uniform sizes, from exact amounts."""
    assert tiers[-1].notional_cap is not None
    cap = tiers[-1].notional_cap / UNITS_PER_ONE / scale
    low = min(float(case.notional[0]), cap / 2)
    sizes = np.exp(np.log(low) + (np.arange(512) + 0.5) / 512 * np.log(cap / low))
    grid = np.concatenate(([0.0], case.notional))
    needed = np.interp(sizes, grid, np.concatenate(([0.0], case.maintenance + case.initial)))
    published = [float(sum(amounts(tiers, round(float(n) * scale * UNITS_PER_ONE)))) for n in sizes]
    return float(np.mean((np.array(published) / UNITS_PER_ONE / scale - needed) / sizes))


def chain_cost(case: Case, bounds: list[int], chain: list[int], sizes: FloatArray) -> float:
    """What a choice of floors costs, the slow way: build both published curves, then average their excess."""
    grid = np.concatenate(([0.0], case.notional))
    majorant = np.concatenate(([0.0], convex_majorant(case.notional, case.maintenance)))
    initial = np.concatenate(([0.0], case.initial))
    at = np.array([bounds[i] for i in chain]) / UNITS_PER_ONE
    polygon = np.interp(sizes, at, np.interp(at, grid, majorant))
    stepped = np.zeros_like(sizes)
    for floor, cap in pairwise(at):
        fine = np.unique(np.concatenate((np.linspace(cap / 1e3, cap, 2000), grid[(grid > 0) & (grid <= cap)])))
        worst = float(np.max(np.interp(fine, grid, initial) / fine))
        buffered = (1 + case.buffer) * float(np.interp(cap, grid, majorant)) / cap
        leverage = leverage_within(max(worst, buffered), case.rounding.max_leverage)
        if leverage is None:
            return np.inf
        stepped[(sizes > floor) & (sizes <= cap)] = 1 / leverage
    needed = (np.interp(sizes, grid, initial) + np.interp(sizes, grid, np.concatenate(([0.0], case.maintenance))))
    return float(np.mean(stepped + (polygon - needed) / sizes))


@settings(max_examples=25, deadline=None)
@given(case=cases())
def test_no_choice_of_floors_is_cheaper_than_the_one_taken(case: Case) -> None:
    """Traders would pay margin that no risk asks for because the search stopped early."""
    cap = round_down_notional(round(float(case.notional[-1]) * UNITS_PER_ONE))
    inner = boundaries_between(float(case.notional[0]) * UNITS_PER_ONE, cap, case.rounding.maintenance_step)[-6:]
    bounds = [0, *inner, cap]
    curves = module._Curves.of(case.notional, case.maintenance, case.initial, case.buffer)
    sizes, needed = curves.sample(cap / UNITS_PER_ONE)
    cost = segment_costs(curves, bounds, sizes, needed, case.rounding)
    found = {len(chain) - 1: chain for chain in best_partitions(cost, len(bounds) - 1)}
    for parts in range(1, len(bounds)):
        chains = [[0, *middle, len(bounds) - 1] for middle in combinations(range(1, len(bounds) - 1), parts - 1)]
        least = min(chain_cost(case, bounds, chain, sizes) for chain in chains)
        if np.isinf(least):
            assert parts not in found
        else:
            claimed = sum(cost[i, j] for i, j in pairwise(found[parts]))
            assert claimed == pytest.approx(chain_cost(case, bounds, found[parts], sizes), abs=1e-9)
            assert claimed == pytest.approx(least, abs=1e-9)


def test_rounding_does_not_cost_a_rung_that_other_floors_would_keep() -> None:
    """A trader would post a third where a quarter is enough, because of half a per mille of rounding."""
    rng = np.random.default_rng(7)
    for _ in range(20):
        top, base, slope, reaction = 10 ** rng.uniform(4.2, 5.7), *rng.uniform((0.004, 0.005, 0.0), (0.12, 0.1, 0.05))
        notional = np.geomspace(1_000.0, top, 61)
        maintenance = base + slope * np.sqrt(notional / top)
        initial = maintenance + reaction
        case = Case(notional, maintenance * notional, initial * notional, 3, rounding(0.005, 20.0), 0.1)
        cap = round_down_notional(round(top * UNITS_PER_ONE))
        inner = boundaries_between(1_000.0 * UNITS_PER_ONE, cap, 0.005)
        curves = module._Curves.of(case.notional, case.maintenance, case.initial, case.buffer)
        choices = [module._round(curves, [0, *chosen, cap], case.rounding)
                   for parts in range(3) for chosen in combinations(inner, parts)]
        sample = curves.sample(cap / UNITS_PER_ONE)
        least = min(module._over_margin(tiers, *sample) for tiers in choices if tiers is not None)
        assert module._over_margin(case.fit(), *sample) <= least + 5e-4


@settings(max_examples=80, deadline=None)
@given(case=cases())
def test_the_majorant_is_convex_above_the_curve_and_idle_on_convex_ones(case: Case) -> None:
    """A tier through a dented curve would undercut it between two grid points."""
    majorant = convex_majorant(case.notional, case.maintenance)
    assert np.all(majorant >= case.maintenance * (1 - 1e-12))
    slopes = np.diff(majorant, prepend=0.0) / np.diff(case.notional, prepend=0.0)
    assert np.all(np.diff(slopes) >= -1e-8 * np.abs(slopes[1:]))
    again = convex_majorant(case.notional, majorant)
    assert again == pytest.approx(majorant, rel=1e-6)


def test_the_majorant_of_a_dent_is_the_cheapest_by_hand() -> None:
    """Two rates 10 % then 5 %: no convex curve may fall, so the only sensible answer is 10 % throughout."""
    notional = np.array([1.0, 10.0, 100.0])
    assert convex_majorant(notional, np.array([0.1, 0.5, 5.0])) == pytest.approx([0.1, 1.0, 10.0])


def test_a_flat_curve_is_one_tier_without_float_creep() -> None:
    """Five percent at every size must be published as five percent, once."""
    notional = np.geomspace(1e3, 1e7, 40)
    (tier,) = fit_tiers(notional, 0.05 * notional, 0.1 * notional, n_tiers=10, rounding=rounding(), minimum_buffer=0.1)
    assert (tier.maintenance_margin_rate, tier.max_leverage) == (0.05, 10.0)
    assert tier.notional_cap == 10**7 * UNITS_PER_ONE


def test_known_tiers_are_found_again() -> None:
    """A venue whose curve is already tiers must get its own tiers back, not others that look like them."""
    floors = [0, 10_000, 100_000, 1_000_000]
    rates, leverages, cap = [0.01, 0.02, 0.05, 0.1], [50.0, 25.0, 10.0, 5.0], 5_000_000
    deductions = [float(d) for d in continuous_deductions(floors, rates)]
    notional = np.unique(np.concatenate((np.geomspace(1e3, cap, 300), np.array([*floors[1:], cap], dtype=float))))
    at = np.searchsorted(floors, notional, side="left") - 1
    maintenance = notional * np.array(rates)[at] - np.array(deductions)[at]
    tiers = fit_tiers(notional, maintenance, notional / np.array(leverages)[at], n_tiers=6, rounding=rounding(),
                      minimum_buffer=0.0)
    assert [(t.notional_floor // UNITS_PER_ONE, t.maintenance_margin_rate, t.max_leverage) for t in tiers] == list(
        zip(floors, rates, leverages, strict=True))
    assert [t.maintenance_deduction for t in tiers] == [int(d * UNITS_PER_ONE) for d in deductions]


def test_more_tiers_never_cost_more() -> None:
    """A venue that allows itself more steps must not end up with a dearer schedule."""
    notional = np.geomspace(1e3, 5e7, 60)
    maintenance = notional * (0.004 * np.sqrt(1 + notional / 2e5) + 0.01 * np.sqrt(notional / 1e8))
    case = Case(notional, maintenance, 1.2 * maintenance + 0.004 * notional, 1, rounding(), 0.1)
    costs = [over_margin(case, fit_tiers(notional, maintenance, case.initial, n_tiers=k, rounding=case.rounding,
                                         minimum_buffer=0.1), 1.0) for k in range(1, 9)]
    assert all(later <= earlier + 1e-6 for earlier, later in pairwise(costs))
    assert costs[-1] < 0.25 * costs[0]


def test_sizes_that_need_more_than_their_notional_are_cut_off() -> None:
    """Leverage below 1 is not a limit but a prohibition: the cap says so, no tier pretends otherwise."""
    notional = np.geomspace(1e3, 1e8, 50)
    maintenance = notional * 0.2 * np.sqrt(1 + notional / 1e6)
    tiers = fit_tiers(notional, maintenance, 1.3 * maintenance, n_tiers=8, rounding=rounding(), minimum_buffer=0.1)
    assert tiers[-1].max_leverage >= 1
    assert tiers[-1].notional_cap == 10**7 * UNITS_PER_ONE
    with pytest.raises(InsufficientDataError, match="more margin than its notional"):
        fit_tiers(notional, 1.1 * notional, 1.2 * notional, n_tiers=8, rounding=rounding(), minimum_buffer=0.1)


@pytest.mark.parametrize(("notional", "maintenance", "initial"), [
    ([1.0, 1.0], [0.1, 0.1], [0.2, 0.2]), ([2.0, 1.0], [0.1, 0.1], [0.2, 0.2]), ([0.0, 1.0], [0.1, 0.1], [0.2, 0.2]),
    ([1.0, 2.0], [0.1, np.nan], [0.2, 0.2]), ([1.0, 2.0], [0.0, 0.1], [0.2, 0.2]), ([1.0, 2.0], [0.3, 0.1], [0.2, 0.2]),
    ([1.0, 2.0], [0.1], [0.2]), ([], [], []),
])
def test_curves_that_are_no_requirements_are_refused(
        notional: list[float], maintenance: list[float], initial: list[float]) -> None:
    """A NaN or a falling grid that slipped through would be published as a limit."""
    with pytest.raises(UsageError):
        fit_tiers(np.array(notional), np.array(maintenance), np.array(initial), n_tiers=3, rounding=rounding(),
                  minimum_buffer=0.1)
