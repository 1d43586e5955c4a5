"""Rate curves: room above the kink for the next rush, and a slope that ends it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.calibrate.rate_curve import borrow_rate, rate_curve, utilisation_rises
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.measure.elasticity import Elasticity
from leverline.model import RiskAppetite
from leverline.model.appetite import PROFILES
from leverline.model.collateral import RateCurve

HOUR = 3_600.0
APPETITE = RiskAppetite.profile("exchange")


def pool(seed: int, jump: float, n: int = 24 * 400) -> FloatArray:
    """Hourly utilisation around 60 % with a rush of size ``jump`` twenty times a year."""
    rng = np.random.default_rng(seed)
    used = np.empty(n)
    level = 0.6
    for t in range(n):
        level += 0.02 * (0.6 - level) + 0.002 * rng.standard_normal() + jump * (rng.random() < 20 / 8_760)
        used[t] = min(1.0, max(0.0, level))
    return used


@given(kink=st.floats(0.05, 0.95), slopes=st.tuples(st.floats(0, 1), st.floats(0, 10)),
       used=st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_more_use_is_never_cheaper(kink: float, slopes: tuple[float, float], used: list[float]) -> None:
    """The last of a pool would be lent at a discount."""
    curve = RateCurve(base_per_year=0.01, slope_below_per_year=slopes[0], slope_above_per_year=slopes[1], kink=kink)
    low, high = borrow_rate(curve, sorted(used))
    assert low <= high + 1e-12
    assert borrow_rate(curve, kink) == pytest.approx(0.01 + slopes[0])
    assert borrow_rate(curve, 1.0) == pytest.approx(0.01 + sum(slopes))


@pytest.mark.parametrize("jump", [0.1, 0.3])
def test_from_the_kink_rushes_seldom_reach_the_end(jump: float) -> None:
    """Lenders could not withdraw: the kink would be a round number and not room for what happens."""
    past, future = pool(1, jump), pool(2, jump)
    found = rate_curve("USDC", APPETITE, utilisation=past, spacing_s=HOUR)
    rises = utilisation_rises(future, 24)
    assert np.mean(found.curve.kink + rises > 1.0) <= 0.03
    why = found.explanations["/collateral/USDC/rates/kink"]
    assert (why.basis == "measured") == (found.curve.kink < 0.8)


def test_a_wilder_pool_gets_an_earlier_kink() -> None:
    """Two pools of different risk would be run at one utilisation."""
    kinks = [rate_curve("A", APPETITE, utilisation=pool(1, jump), spacing_s=HOUR).curve.kink
             for jump in (0.0, 0.25, 0.45)]
    assert kinks[0] == 0.8
    assert kinks[0] > kinks[1] > kinks[2]


@given(kink=st.floats(0.3, 0.9), value=st.floats(-2.0, -0.2))
def test_the_full_rate_brings_demand_back_to_the_kink(kink: float, value: float) -> None:
    """The slope would be steep to look at and too flat to end a rush."""
    assert APPETITE.fees is not None
    fees = APPETITE.fees.model_copy(update={"kink": kink})
    demand = Elasticity(value, value, value, identified=True, why="decided changes")
    curve = rate_curve("A", APPETITE.model_copy(update={"fees": fees}), elasticity=demand).curve
    ratio = float(borrow_rate(curve, 1.0) / borrow_rate(curve, curve.kink))
    assert ratio**value <= kink + 1e-9
    assert borrow_rate(curve, 1.0) >= fees.rate_at_full_per_year - 1e-12


def test_demand_that_answers_nothing_is_said() -> None:
    """A pool would be thought safe behind a slope that nobody minds."""
    deaf = Elasticity(-0.1, -0.2, 0.05, identified=True, why="decided changes")
    found = rate_curve("A", APPETITE, elasticity=deaf)
    assert APPETITE.fees is not None
    assert borrow_rate(found.curve, 1.0) == pytest.approx(APPETITE.fees.rate_at_full_per_year)
    assert "no slope ends a rush" in found.warnings[0]


@pytest.mark.parametrize("name", PROFILES)
def test_without_a_past_the_appetite_stands_and_is_called_assumed(name: str) -> None:
    """An assumed kink would pass for a measured one."""
    found = rate_curve("A", RiskAppetite.profile(name))
    assert {why.basis for why in found.explanations.values()} <= {"assumed", "defaulted"}
    assert set(found.explanations) == {f"/collateral/A/rates/{key}" for key in RateCurve.model_fields}


def test_what_cannot_show_a_kink_is_refused() -> None:
    """A quantile of three windows, a utilisation of 130 %, or a pool that can empty in a day."""
    with pytest.raises(InsufficientDataError, match="windows"):
        rate_curve("A", APPETITE, utilisation=pool(1, 0.1, 24 * 30), spacing_s=HOUR)
    with pytest.raises(UsageError, match=r"\[0, 1\]"):
        rate_curve("A", APPETITE, utilisation=np.full(20_000, 1.3), spacing_s=HOUR)
    with pytest.raises(UsageError, match="seconds"):
        rate_curve("A", APPETITE, utilisation=pool(1, 0.1))
    with pytest.raises(InsufficientDataError, match="do not lend"):
        rate_curve("A", APPETITE, utilisation=np.tile([0.0, 1.0], 10_000), spacing_s=HOUR)
    with pytest.raises(UsageError, match="fees"):
        rate_curve("A", APPETITE.model_copy(update={"fees": None}))
