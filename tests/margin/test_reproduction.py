"""Forced selling that forces selling: when it dies out, and when it takes everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.margin.forced_impact import CurveImpact, Impact, PowerImpact, square_root_impact
from leverline.margin.reproduction import (
    LiquidationLadder,
    Pressure,
    cascade,
    ladder_of_distribution,
    liquidation_ladder,
    reproduction,
    reproduction_number,
    reproduction_of_distribution,
)
from leverline.measure.cost_curve import curve_from_costs, extend_with_bands, square_root_curve

SHARES = {5.0: 0.5, 10.0: 0.3, 20.0: 0.15, 50.0: 0.05}
impacts = st.one_of(
    st.builds(PowerImpact, st.floats(1e-6, 1e-3), st.sampled_from([0.5, 0.7, 1.0])),
    st.builds(lambda rate: CurveImpact(square_root_curve(rate)), st.floats(1e-6, 1e-3)),
    st.builds(lambda scale: CurveImpact(curve_from_costs(
        np.array([1e2, 1e3, 1e4]) * scale, np.array([1e-4, 1e-3, 5e-3]), 1e-4)), st.floats(0.1, 10.0)),
)


@st.composite
def sides(draw: st.DrawFn) -> tuple[list[float], list[float], list[float]]:
    """Liquidation prices (some never), notionals and signs of a few positions around a mark of 100."""
    n = draw(st.integers(1, 12))
    price = draw(st.lists(st.one_of(st.floats(5.0, 400.0), st.just(float("nan"))), min_size=n, max_size=n))
    notional = draw(st.lists(st.floats(1.0, 1e4), min_size=n, max_size=n))
    sign = draw(st.lists(st.sampled_from([1.0, -1.0]), min_size=n, max_size=n))
    return price, notional, sign


def ladder(drawn: tuple[list[float], list[float], list[float]], pressure: Pressure) -> LiquidationLadder:
    price, notional, sign = (np.array(column) for column in drawn)
    return liquidation_ladder(price, notional, sign, 100.0, pressure)


def test_uniform_liquidation_prices_and_linear_impact_reproduce_alike_at_every_size() -> None:
    """The one case with a closed form would not come out: R = open interest * impact rate / width, whatever Q."""
    n, interest, width, rate = 20_000, 3e6, 0.25, 5e-8
    longs = 100.0 * (1.0 - width * (np.arange(n) + 1.0) / n)
    steps = liquidation_ladder(longs, np.full(n, interest / n), np.ones(n), 100.0, Pressure.SELLING)
    expected = interest * rate / width
    sizes = np.array([1e4, 1e5, 1e6, 4e6])
    assert reproduction_number(steps, PowerImpact(rate, 1.0), sizes) == pytest.approx(expected, rel=0.01)
    found = reproduction(steps, PowerImpact(rate, 1.0), 1e4, 4e6)
    assert found.supremum == pytest.approx(expected, rel=1e-6)
    assert np.isnan(found.critical_notional)
    doubled = reproduction(steps, PowerImpact(2.0 * rate, 1.0), 1e4, 2e6)
    assert doubled.critical_notional == pytest.approx(1e4, rel=0.01)


def test_a_cascade_of_constant_reproduction_is_a_geometric_series() -> None:
    """The size of a cascade, Q0 / (1 - R), would be misjudged."""
    n, width, rate, interest = 50_000, 0.5, 1e-7, 2.5e6
    longs = 100.0 * (1.0 - width * (np.arange(n) + 1.0) / n)
    steps = liquidation_ladder(longs, np.full(n, interest / n), np.ones(n), 100.0, Pressure.SELLING)
    ended = cascade(steps, PowerImpact(rate, 1.0), 1e5)  # R = 0.5
    assert ended.amplification == pytest.approx(2.0, rel=2e-3)
    assert not ended.exhausted
    assert np.diff(ended.cumulative)[:4] == pytest.approx([5e4, 2.5e4, 1.25e4, 6.25e3], rel=0.02)
    assert cascade(steps, PowerImpact(2.2 * rate, 1.0), 1e5).exhausted  # R = 1.1


@given(drawn=sides(), impact=impacts, pressure=st.sampled_from(list(Pressure)), start=st.floats(1.0, 1e4))
def test_a_cascade_ends_where_position_by_position_it_ends(
    drawn: tuple[list[float], list[float], list[float]], impact: Impact, pressure: Pressure, start: float,
) -> None:
    """The fast cascade would liquidate people whom the market never reached, or spare some that it did."""
    alive = [(p, q) for p, q, s in zip(*drawn, strict=True)
             if s == -pressure and p == p and pressure * (p / 100.0 - 1.0) > 0]
    total = start
    while True:
        moved = float(impact.move(np.array([total]))[0])
        hit = [row for row in alive if pressure * (row[0] / 100.0 - 1.0) <= moved]
        if not hit:
            break
        alive.remove(hit[0])  # one at a time, each moving the price for the next
        total += hit[0][1]
    ended = cascade(ladder(drawn, pressure), impact, start)
    assert ended.cumulative[-1] == pytest.approx(total, rel=1e-9)
    assert ended.exhausted == (not alive)
    assert (np.diff(ended.cumulative) > 0).all()


@given(drawn=sides(), impact=impacts, pressure=st.sampled_from(list(Pressure)), low=st.floats(1.0, 1e3),
       width=st.floats(1.0, 1e4))
def test_nothing_on_a_grid_exceeds_the_supremum(
    drawn: tuple[list[float], list[float], list[float]], impact: Impact, pressure: Pressure, low: float, width: float,
) -> None:
    """A cap would be set by a maximum that a finer grid overturns."""
    steps = ladder(drawn, pressure)
    found = reproduction(steps, impact, low, low * width)
    grid = np.geomspace(low, low * width, 200)[1:-1]
    number = reproduction_number(steps, impact, grid)
    assert (number <= found.supremum * (1.0 + 1e-9)).all()
    over = grid[number >= 1.0 + 1e-9]
    assert not over.size or found.critical_notional <= over[0]
    assert np.isnan(found.critical_notional) == (found.supremum < 1.0)


@given(drawn=sides(), impact=impacts, start=st.floats(1.0, 1e4))
def test_below_one_a_cascade_stays_within_its_bound(
    drawn: tuple[list[float], list[float], list[float]], impact: Impact, start: float,
) -> None:
    """sup R < 1 would promise that a cascade ends, and it would run on."""
    steps = ladder(drawn, Pressure.SELLING)
    total = float(steps.cumulative[-1]) if steps.cumulative.size else 0.0
    bound = reproduction(steps, impact, start, start + total).supremum
    ended = cascade(steps, impact, start)
    if bound < 1.0:
        assert ended.cumulative[-1] <= start / (1.0 - bound) * (1.0 + 1e-9)
    if not ended.exhausted:  # it stopped by itself, so R at its end lies below one
        assert reproduction_number(steps, impact, ended.cumulative[-1:])[0] < 1.0


@given(interest=st.floats(1e3, 1e9), factor=st.floats(1.0, 100.0), rate=st.floats(1e-7, 1e-4),
       pressure=st.sampled_from(list(Pressure)))
def test_more_open_interest_never_reproduces_less(
    interest: float, factor: float, rate: float, pressure: Pressure,
) -> None:
    """A cap on open interest could be met by letting more in."""
    small, large = (reproduction_of_distribution(SHARES, 0.01, size, PowerImpact(rate, 0.5), 1e3, 1e7, pressure)
                    for size in (interest, interest * factor))
    assert large.supremum >= small.supremum
    assert large.supremum == pytest.approx(factor * small.supremum)  # R is linear in open interest


@pytest.mark.parametrize("pressure", Pressure)
def test_a_leverage_falls_where_its_account_does(pressure: Pressure) -> None:
    """The assumed distribution would liquidate at other prices than the margin rule."""
    steps = ladder_of_distribution(SHARES, 0.01, 1e6, pressure)
    for leverage, share in SHARES.items():
        entry, side = 100.0, -float(pressure)
        units = 1.0 / entry
        rungs = [x for x in steps.move if abs(units * side * entry * pressure * x + 1.0 / leverage
                                              - 0.01 * units * entry * (1.0 + pressure * x)) < 1e-12]
        assert len(rungs) == 1  # equity meets maintenance at the moved price
        freed = steps.released(np.array([rungs[0] * (1 - 1e-9), rungs[0]]))
        assert freed[1] - freed[0] == pytest.approx(share * 1e6)
    assert steps.cumulative[-1] == pytest.approx(1e6)


@given(impact=impacts, size=st.floats(1.0, 1e6), move=st.floats(1e-6, 0.5))
def test_an_impact_and_its_inverse_agree(impact: Impact, size: float, move: float) -> None:
    """The price would be said to be reached by less selling than it takes."""
    needed = float(impact.notional_reaching(np.array([move]))[0])
    assert float(impact.move(np.array([needed]))[0]) >= move * (1 - 1e-9)
    if needed > 0:
        assert float(impact.move(np.array([needed * (1 - 1e-6)]))[0]) <= move * (1 + 1e-9)
    moved = impact.move(np.array([size, 2 * size]))
    assert moved[0] <= moved[1]


def test_a_depth_curve_displaces_as_its_levels_stand() -> None:
    """The price would move by the average cost, which lags behind where the market trades."""
    curve = curve_from_costs(np.array([100.0, 300.0]), np.array([0.001, 0.002]), float("nan"))
    impact = CurveImpact(curve)  # 100 at 0.1 %, then 200 at 0.25 %
    assert impact.move(np.array([0.0, 99.0, 100.0, 299.0, 300.0])) == pytest.approx([0.001, 0.001] + [0.0025] * 3)
    assert np.isnan(impact.move(np.array([301.0])))[0]
    assert impact.notional_reaching(np.array([0.0005, 0.002, 0.0025, 0.003])).tolist() == [0.0, 100.0, 100.0, np.inf]
    banded = CurveImpact(extend_with_bands(curve, np.array([0.01, 0.02]), np.array([1_000.0, 3_000.0])))
    assert banded.move(np.array([1_000.0, 2_000.0])) == pytest.approx([0.01, 0.015], rel=0.02)


def test_unknown_depth_never_passes_as_safe() -> None:
    """A market whose book ends at the fifth level would get an unlimited cap."""
    curve = CurveImpact(curve_from_costs(np.array([100.0]), np.array([0.001]), float("nan")))
    steps = ladder_of_distribution({10.0: 1.0}, 0.01, 1e4)
    assert np.isnan(reproduction(steps, curve, 10.0, 1e4).supremum)
    assert np.isnan(reproduction_number(steps, curve, np.array([1e4])))[0]
    with pytest.raises(InsufficientDataError, match="impact is not known"):
        cascade(steps, curve, 1e4)


def test_what_is_liquidatable_already_starts_a_cascade_and_is_not_released_by_it() -> None:
    """Positions past their price would be counted as contagion, and R of a small order would be boundless."""
    steps = liquidation_ladder(np.array([101.0, 100.0, 90.0]), np.array([1.0, 2.0, 4.0]), np.ones(3), 100.0,
                               Pressure.SELLING)
    assert steps.at_mark == 3.0
    assert steps.released(np.array([0.0, 0.05, 0.1 + 1e-12])).tolist() == [0.0, 0.0, 4.0]
    known = liquidation_ladder(np.array([np.nan, 90.0]), np.array([1.0, 4.0]), np.ones(2), 100.0, Pressure.SELLING,
                               at_mark=np.array([True, False]))
    assert (known.at_mark, known.cumulative.tolist()) == (1.0, [4.0])


@pytest.mark.parametrize("wrong", [
    lambda: ladder_of_distribution({10.0: 0.9}, 0.01, 1e6),
    lambda: ladder_of_distribution({200.0: 1.0}, 0.01, 1e6),
    lambda: ladder_of_distribution({10.0: 1.0}, 0.01, float("inf")),
    lambda: ladder_of_distribution({10.0: 1.0}, 1.0, 1e6),
    lambda: reproduction(ladder_of_distribution({10.0: 1.0}, 0.01, 1e6), PowerImpact(1.0, 0.5), 0.0, 1.0),
    lambda: cascade(ladder_of_distribution({10.0: 1.0}, 0.01, 1e6), PowerImpact(1.0, 0.5), 0.0),
    lambda: PowerImpact(float("nan"), 0.5),
    lambda: square_root_impact(coefficient=1.0, sigma_per_day=0.04, volume_per_day=0.0),
])
def test_what_has_no_meaning_is_refused(wrong: object) -> None:
    """A share forgotten, or a leverage that no rule allows, would quietly give a number."""
    assert callable(wrong)
    with pytest.raises(UsageError):
        wrong()


def test_the_square_root_law_is_that_of_liquidation_costs() -> None:
    """Margin and cascades would disagree on what the same sale does to the price."""
    from leverline.measure.impact import peak_impact

    law = {"coefficient": 0.9, "sigma_per_day": 0.05, "volume_per_day": 2e9}
    sizes = np.array([1e5, 1e7, 3e8])
    assert square_root_impact(**law).move(sizes) == pytest.approx(peak_impact(sizes, **law))
