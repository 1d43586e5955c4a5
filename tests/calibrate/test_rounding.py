"""Published numbers: on their steps and ladders, never in the account's favour, without float creep."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.calibrate.rounding import (
    BOUNDARY_MANTISSAS,
    CAP_MANTISSAS,
    LEVERAGES,
    boundaries_between,
    exact,
    initial_rate,
    leverage_within,
    round_down_leverage,
    round_down_notional,
    round_up_rate,
)
from leverline.ground.errors import UsageError

STEPS = st.sampled_from([0.0005, 0.001, 0.0025, 0.005, 0.01])


@pytest.mark.parametrize(("rate", "step", "published"), [
    (0.05, 0.005, 0.05), (0.1 + 0.2, 0.1, 0.3), (0.07, 0.01, 0.07), (0.0501, 0.005, 0.055), (0.004, 0.001, 0.004),
    (0.29, 0.01, 0.29), (0.0, 0.001, 0.0), (0.05 + 1e-12, 0.005, 0.05), (0.05 + 2e-9, 0.005, 0.055),
])
def test_a_rate_goes_up_to_its_step_and_one_on_it_stays(rate: float, step: float, published: float) -> None:
    """Float creep would publish 5.5 % where the curve says 5 %: a tenth more margin for nothing."""
    assert round_up_rate(rate, step) == published


@given(multiple=st.integers(1, 2000), step=STEPS)
def test_every_multiple_of_the_step_is_its_own_rounding(multiple: int, step: float) -> None:
    """Calibrating a published book again would raise its rates although nothing changed."""
    published = float(multiple * exact(step))
    assert round_up_rate(published, step) == published


@given(rate=st.floats(0.0, 1.0), step=STEPS)
def test_a_rounded_rate_is_at_most_one_step_above(rate: float, step: float) -> None:
    """Rounding must neither undercut the measured risk nor overcharge by more than the step the venue chose."""
    published = exact(round_up_rate(rate, step))
    assert exact(rate) - Fraction(1, 10**9) <= published < exact(rate) + exact(step)
    assert published % exact(step) == 0


@pytest.mark.parametrize(("leverage", "maximum", "rung"), [
    (125.0, 125.0, 125.0), (124.9, 125.0, 100.0), (1000.0, 20.0, 20.0), (1000.0, 33.0, 33.0), (32.9, 33.0, 30.0),
    (2.4, 100.0, 2.0), (2.5, 100.0, 2.5), (1.0, 100.0, 1.0), (0.99, 100.0, None), (7.99, 100.0, 7.0),
])
def test_leverage_goes_down_the_ladder(leverage: float, maximum: float, rung: float | None) -> None:
    """A venue that prints a rung above what the market bears lends more than it may lose."""
    assert round_down_leverage(leverage, maximum) == rung


@given(rate=st.fractions(min_value=Fraction(1, 1000), max_value=1), maximum=st.sampled_from([5.0, 33.0, 100.0, 125.0]))
def test_the_rung_for_an_exact_rate_covers_it_as_printed(rate: Fraction, maximum: float) -> None:
    """One third prints as 0.3333333333333333: a rung chosen by the ratio alone would ask a hair too little."""
    rung = leverage_within(rate, maximum)
    assert rung is not None
    assert rung <= maximum
    assert exact(initial_rate(rung)) >= rate
    assert Fraction(1) / exact(rung) >= rate


def test_no_rung_holds_a_rate_above_one_and_a_third_needs_a_lower_rung() -> None:
    """Leverage below 1 is not leverage; and an exact third is not covered by the float printed for it."""
    assert leverage_within(1.0001, 100.0) is None
    assert leverage_within(1.0, 100.0) == 1.0
    assert leverage_within(Fraction(1, 3), 100.0) == 2.5
    assert leverage_within(0.0, 40.0) == 40.0


@pytest.mark.parametrize(("notional", "rounded"), [
    (1, 1), (9, 8), (14, 12), (999, 800), (2_400_000, 2_000_000), (2_500_000, 2_500_000), (7_999_999, 6_000_000),
    (10**15, 10**15), (10**15 - 1, 8 * 10**14),
])
def test_a_cap_goes_down_to_a_round_number(notional: int, rounded: int) -> None:
    """A cap rounded up would let in a position the liquidator cannot close in time."""
    assert round_down_notional(notional) == rounded


@given(notional=st.integers(1, 10**18))
def test_a_rounded_cap_keeps_at_least_half_and_is_stable(notional: int) -> None:
    """A cap that shrinks each time it is rounded would drift away over recalibrations."""
    rounded = round_down_notional(notional)
    assert notional // 2 < rounded <= notional
    assert round_down_notional(rounded) == rounded


@given(low=st.floats(1.0, 1e12), ratio=st.floats(1.0, 1e6), step=STEPS)
def test_boundaries_are_round_and_their_deductions_whole(low: float, ratio: float, step: float) -> None:
    """A boundary off the unit grid would make the deduction a fraction and the maintenance curve jump."""
    high = int(low * ratio) + 1
    bounds = boundaries_between(low, high, step)
    assert bounds == sorted(set(bounds))
    for bound in bounds:
        assert low < bound < high
        assert (bound * exact(step)).denominator == 1
        assert Fraction(bound) / Fraction(10) ** (len(str(bound)) - 1) in BOUNDARY_MANTISSAS


def test_ladders_are_what_they_say() -> None:
    """An unsorted ladder would skip rungs silently; a boundary that is no cap could not be the last."""
    assert list(LEVERAGES) == sorted(set(LEVERAGES), reverse=True)
    assert set(BOUNDARY_MANTISSAS) <= set(CAP_MANTISSAS)


def test_rounding_refuses_what_has_no_meaning() -> None:
    """A zero step or a maximum below 1 is a slip in the appetite, not something to divide by."""
    with pytest.raises(UsageError):
        round_up_rate(0.1, 0.0)
    with pytest.raises(UsageError):
        round_up_rate(float("nan"), 0.001)
    with pytest.raises(UsageError):
        round_down_leverage(10.0, 0.5)
    with pytest.raises(UsageError):
        round_down_notional(0)
