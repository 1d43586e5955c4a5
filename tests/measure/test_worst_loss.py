"""The worst loss and the depth of the tail against laws known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from leverline.ground.errors import UsageError
from leverline.measure.worst_loss import tail_severity, worst_loss, worst_loss_fit, worst_per_period


def test_the_worst_of_n_by_hand() -> None:
    """A loss the model called impossible would be taken for bad luck.

    The worst of 2 at 0.9: both stay below with probability 0.81.
    """
    result = worst_loss(np.array([0.3, np.nan, 0.9]))
    assert (result.worst_pit, result.observations) == (0.9, 2)
    assert [result.p_too_mild, result.p_too_severe, result.p_two_sided] == pytest.approx([0.81, 0.19, 0.38])


def test_a_loss_beyond_the_models_world_is_rejected_outright() -> None:
    """A model whose support ends before the crash would pass."""
    pit = np.array([0.2, 0.5, 1.0])
    assert worst_loss(pit).p_too_severe == 0.0
    assert tail_severity(pit, threshold=0.4).p_too_severe == 0.0


def test_a_tiny_excess_probability_is_not_lost_to_rounding() -> None:
    """In ten years of days a one-in-a-million day would get a p-value out of cancelled digits."""
    assert worst_loss(np.full(3650, 1.0 - 1e-6)).p_too_severe == pytest.approx(-math.expm1(3650 * math.log1p(-1e-6)))


def test_without_observations_nothing_is_claimed() -> None:
    """An empty record would be reported as passed."""
    gaps = np.full(5, np.nan)
    assert math.isnan(worst_loss(gaps).p_two_sided)
    assert math.isnan(tail_severity(np.array([0.1, 0.2]), threshold=0.99).p_two_sided)
    assert math.isnan(worst_loss_fit(np.array([0.1]), threshold=0.99).p_two_sided)
    assert worst_per_period(gaps, steps=2).size == 0


def test_tail_severity_by_hand() -> None:
    """Deep breaches would count as shallow ones.

    One transform at 0.999 beyond 0.99: exponent ln 10, so p = 0.1; two of them: Gamma(2): e^-x (1 + x), x = 2 ln 10.
    """
    one = tail_severity(np.array([0.5, 0.999]), threshold=0.99)
    assert [one.beyond, one.mean_exponent, one.p_too_severe] == pytest.approx([1, math.log(10), 0.1])
    two = tail_severity(np.array([0.999, 0.999]), threshold=0.99)
    assert two.p_too_severe == pytest.approx(0.01 * (1.0 + 2.0 * math.log(10.0)))


def test_the_worst_step_of_a_period_is_uniform_again() -> None:
    """A right model would fail because its margin period has several steps."""
    rng = np.random.default_rng(1)
    worst = worst_per_period(rng.random(40_000), steps=4)
    assert worst.size == 10_000
    assert np.quantile(worst, [0.1, 0.5, 0.99]) == pytest.approx([0.1, 0.5, 0.99], abs=0.015)


def test_a_period_with_a_gap_is_no_period() -> None:
    """The worst of three hours would be judged as the worst of four."""
    pit = np.array([0.5, 0.9, 0.3, np.nan, 0.2, 0.4, 0.99])
    assert worst_per_period(pit, steps=2).tolist() == pytest.approx([0.81, 0.16])


def test_fit_agrees_with_an_independent_kolmogorov_smirnov() -> None:
    """The distance from the uniform law would not be the one that others compute."""
    u = np.random.default_rng(2).random(60) ** 0.7
    ours = worst_loss_fit(u)
    theirs = stats.kstest(u, "uniform", alternative="less", method="exact")
    assert ours.p_too_severe == pytest.approx(float(theirs.pvalue))
    assert ours.distance == pytest.approx(float(stats.kstest(u, "uniform").statistic))


def test_size_and_power_of_all_three() -> None:
    """A right tail would be thrown out too often, or a normal tail under t(3) losses kept.

    500 records of 1000 days; the wrong model is normal with the right standard deviation.
    """
    rng = np.random.default_rng(3)
    right = rng.random((500, 1000))
    wrong = special.ndtr(rng.standard_t(3, size=(500, 1000)) / math.sqrt(3.0))
    wrong = np.minimum(wrong, 1.0 - 1e-16)

    def rejected(records: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> list[float]:
        p = [
            (worst_loss(u).p_too_severe, tail_severity(u, threshold=0.98).p_too_severe,
             worst_loss_fit(u, threshold=0.98).p_too_severe)
            for u in records
        ]
        return [float(rate) for rate in np.mean(np.array(p) < 0.05, axis=0)]

    assert rejected(right) == pytest.approx([0.05, 0.05, 0.05], abs=0.03)
    assert np.all(np.array(rejected(wrong)) > [0.85, 0.85, 0.60])


def test_a_transform_is_a_probability() -> None:
    """Losses handed over in place of their transforms would be tested as if they were."""
    with pytest.raises(UsageError, match="transform"):
        worst_loss(np.array([0.5, 1.2]))
