"""All loops together: they settle, they do not cycle, and nothing drives them out of bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from leverline.calibrate.closed_loop import (
    Loop,
    closed_loop,
    closed_loop_readable,
    govern_levels,
    govern_levels_readable,
)
from leverline.calibrate.coverage_feedback import next_factor
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import UsageError
from leverline.model import RiskAppetite
from leverline.model.appetite import PROFILES
from leverline.model.appetite_line import FeedbackAppetite, GovernorAppetite

FEEDBACK = FeedbackAppetite(gain=0.05, lowest=0.8, highest=1.5)
IMPACTS = (0.0, 0.1, 0.5)


def governor(name: str, **changes: Any) -> GovernorAppetite:
    shipped = RiskAppetite.profile(name).governor
    assert shipped is not None
    return GovernorAppetite.model_validate(shipped.model_dump() | changes)


def drawn(seed: int, n_steps: int = 400) -> FloatArray:
    """Fat-tailed shocks of three markets with halts in them."""
    rng = np.random.default_rng(seed)
    shocks = 0.04 * rng.standard_t(3, (n_steps, 3))
    shocks[rng.random(shocks.shape) < 0.02] = np.nan
    return np.asarray(shocks)


def alternating(n_steps: int, magnitude: FloatArray) -> FloatArray:
    """The same size every day, up and down in turn: constant input for whatever squares it."""
    signs = np.where(np.arange(n_steps) % 2 == 0, 1.0, -1.0)
    return np.asarray(signs[:, None] * magnitude)


@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(PROFILES), impact=st.sampled_from(IMPACTS),
       step_s=st.sampled_from([3_600.0, 86_400.0, 259_200.0]), feedback=st.sampled_from([None, FEEDBACK]),
       hysteresis=st.sampled_from([0.0, 0.1]))
@hypothesis_settings(max_examples=20)
def test_kernel_and_rule_of_books_agree(seed: int, name: str, impact: float, step_s: float,
                                        feedback: FeedbackAppetite | None, hysteresis: float) -> None:
    """Stability would be shown of another governor than the one that moves limit books."""
    pace, loop = governor(name, hysteresis=hysteresis), Loop(impact=impact, feedback=feedback)
    fast = closed_loop(drawn(seed), pace, loop, step_s=step_s)
    plain = closed_loop_readable(drawn(seed), pace, loop, step_s=step_s)
    for field in ("margin", "target", "factor", "leverage"):
        np.testing.assert_allclose(getattr(fast, field), getattr(plain, field), rtol=1e-12)
    targets = np.where(np.isnan(drawn(seed)), np.nan, fast.target)
    np.testing.assert_allclose(govern_levels(targets, pace, step_s=step_s),
                               govern_levels_readable(targets, pace, step_s=step_s), rtol=1e-12)


def test_the_factor_in_the_loop_is_the_feedback_that_calibrates() -> None:
    """Stability would be shown of another feedback than the one that moves margins."""
    shocks = drawn(5)[:, :1]
    paths = closed_loop(shocks, governor("ccp"), Loop(feedback=FEEDBACK, impact=0.0))
    factor, expected = 1.0, []
    for shock, margin in zip(shocks[:, 0], paths.margin[:, 0], strict=True):
        breached = np.nan if np.isnan(shock) else float(abs(np.expm1(shock)) > margin)
        factor = float(next_factor(factor, breached, 0.01, FEEDBACK))
        expected.append(factor)
    np.testing.assert_allclose(paths.factor[:, 0], expected, rtol=1e-12)
    assert min(expected) < 1.0 < max(expected)


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("impact", IMPACTS)
def test_constant_input_ends_in_a_constant_line(name: str, impact: float) -> None:
    """Limits would breathe for ever in a market in which nothing changes, and users would pay for each breath."""
    shocks = alternating(4_000, np.linspace(0.002, 0.4, 60))
    margin = closed_loop(shocks, governor(name), Loop(impact=impact)).margin
    assert np.all(margin[-1_000:] == margin[-1])


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("impact", IMPACTS)
def test_feedback_under_constant_input_swings_little_and_slowly(name: str, impact: float) -> None:
    """A coverage count is a relay: where each shock just meets the margin it could flutter between two lines."""
    shocks = alternating(6_000, np.linspace(0.002, 0.4, 60))
    late = closed_loop(shocks, governor(name), Loop(impact=impact, feedback=FEEDBACK)).margin[-2_000:]
    assert np.max(late.max(axis=0) / late.min(axis=0)) <= 1.1
    for column in late.T:
        moves = np.diff(column)
        assert np.count_nonzero(np.diff(np.sign(moves[moves != 0]))) <= 10


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("impact", IMPACTS)
def test_a_step_of_volatility_is_followed_without_overshoot(name: str, impact: float) -> None:
    """Margins would shoot past what the storm asks for and have to come down while it lasts."""
    size = np.where((np.arange(2_400) >= 600) & (np.arange(2_400) < 1_400), 0.06, 0.02)
    shocks = alternating(2_400, np.ones(1)) * size[:, None]
    paths = closed_loop(shocks, governor(name), Loop(impact=impact))
    storm, calm = paths.margin[600:1_400, 0], paths.margin[1_400:, 0]
    assert storm[-1] > paths.margin[599, 0]
    assert np.all(np.diff(storm) >= 0)
    assert np.all(np.diff(calm[1:]) <= 0)
    assert calm[-1] < storm[-1]


@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(PROFILES), impact=st.floats(0.0, 2.0),
       scale=st.sampled_from([0.01, 0.3, 5.0]), gain=st.floats(0.0, 0.5))
@hypothesis_settings(max_examples=25)
def test_hostile_input_cannot_drive_the_line_out_of_bounds(seed: int, name: str, impact: float, scale: float,
                                                           gain: float) -> None:
    """Whoever can shake a price could shut a market by margin, or empty it of margin, or jerk it from day to day."""
    rng = np.random.default_rng(seed)
    shocks = scale * rng.choice([-1.0, 0.0, 1.0], (600, 4)) * rng.choice([1e-3, 1.0], (600, 1))
    pace, loop = governor(name), Loop(impact=impact, feedback=FEEDBACK.model_copy(update={"gain": gain}))
    margin = closed_loop(shocks, pace, loop).margin
    ratio = margin[1:] / margin[:-1]
    assert loop.floor <= margin.min()
    assert margin.max() <= 1.0 + pace.buffer
    assert ratio.max() <= 1.0 + pace.emergency_max_tightening + 1e-12
    assert ratio.min() >= 1.0 - pace.max_loosening - 1e-12


@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(PROFILES))
@hypothesis_settings(max_examples=15)
def test_outside_emergencies_the_five_day_budget_holds(seed: int, name: str) -> None:
    """The procyclicality budget would be a number in a file."""
    pace = governor(name, emergency_trigger=1e9, five_day_budget=1.03)
    rng = np.random.default_rng(seed)
    targets = 0.1 * np.exp(np.cumsum(0.2 * rng.standard_normal((300, 3)), axis=0))
    levels = govern_levels(targets, pace)
    assert np.max(levels[5:] / levels[:-5]) <= 1.03 + 1e-9
    assert np.max(levels[5:] / levels[:-5]) > 1.02


def test_a_tighter_line_makes_users_sell_and_that_is_felt() -> None:
    """The loop would be called closed while nothing the governor does came back to it."""
    rng = np.random.default_rng(1)
    shocks = 0.02 * rng.standard_t(3, (800, 4)) * np.where(np.arange(800) > 400, 4.0, 1.0)[:, None]
    alone, felt = (closed_loop(shocks, governor("exchange"), Loop(impact=impact)).target for impact in (0.0, 2.0))
    assert np.mean(felt[450:]) > np.mean(alone[450:])


def test_what_is_no_loop_is_refused() -> None:
    """A share of two hundred percent, or a target of nothing, would pass through and come out as a limit."""
    with pytest.raises(UsageError, match="lie in"):
        Loop(use=2.0)
    with pytest.raises(UsageError, match="positive"):
        govern_levels(np.zeros((3, 1)), governor("ccp"))
    with pytest.raises(UsageError, match="finite"):
        closed_loop(np.full((3, 1), np.inf), governor("ccp"), Loop())
