"""Scores: the truth must score best, in the unit and sign of losses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from leverline.measure.scores import fz0_score, quantile_score


def test_quantile_score_by_hand() -> None:
    """Margin not needed and losses not covered would be weighed the wrong way round.

    At p = 0.01: a loss 2 above the forecast costs 0.99 x 2, one 2 below costs 0.01 x 2, one at it nothing.
    """
    assert quantile_score([5.0, 1.0, 3.0, np.nan], 3.0, 0.01).tolist() == pytest.approx(
        [1.98, 0.02, 0.0, math.nan], nan_ok=True
    )


def test_quantile_score_is_least_at_the_true_quantile() -> None:
    """Ranking by score would prefer a margin that is not the quantile asked for.

    Exponential losses: the quantile passed with probability p is -ln p.
    """
    losses = np.random.default_rng(1).standard_exponential(400_000)
    true = -math.log(0.01)
    grid = true + np.array([-0.6, -0.3, 0.0, 0.3, 0.6])
    assert int(np.argmin([quantile_score(losses, q, 0.01).mean() for q in grid])) == 2


def test_fz0_by_hand_and_in_the_lower_tail() -> None:
    """A sign turned on the way from returns to losses would reward margins that are too low.

    The paper's form for outcome y, quantile v, shortfall e < 0: -1{y <= v}(v - y)/(p e) + v/e + ln(-e) - 1.
    """
    p, y, v, e = 0.025, -0.30, -0.10, -0.15
    lower_tail = -(v - y) / (p * e) + v / e + math.log(-e) - 1.0
    assert float(fz0_score(-y, -v, -e, p)) == pytest.approx(lower_tail)
    assert float(fz0_score(0.05, -v, -e, p)) == pytest.approx(v / e + math.log(-e) - 1.0)


def test_fz0_is_least_at_the_true_pair_only() -> None:
    """A model could buy a better score with a wrong shortfall (strict consistency).

    Exponential losses have quantile -ln p and shortfall one more. Around the truth the expected score is known:
    E(x - q)+ = exp(-q), so S(q, s) = (exp(-q)/p + q)/s + ln s - 1.
    """
    losses = np.random.default_rng(2).standard_exponential(1_000_000)
    p, q, s = 0.05, -math.log(0.05), 1.0 - math.log(0.05)
    moves = [(0.0, 0.0), (0.3, 0.0), (-0.3, 0.0), (0.0, 0.4), (0.0, -0.4), (0.3, 0.3), (-0.3, -0.3), (0.3, -0.3)]
    sample = [float(fz0_score(losses, q + a, s + b, p).mean()) for a, b in moves]
    expected = [(math.exp(-(q + a)) / p + q + a) / (s + b) + math.log(s + b) - 1.0 for a, b in moves]
    assert sample == pytest.approx(expected, abs=5e-3)
    assert int(np.argmin(sample)) == 0


def test_fz0_differences_do_not_depend_on_the_unit() -> None:
    """Scores in dollars and in fractions would rank two models differently."""
    loss = np.array([0.02, 0.2, 0.5])
    in_fraction = fz0_score(loss, 0.1, 0.2, 0.01) - fz0_score(loss, 0.12, 0.19, 0.01)
    in_percent = fz0_score(100 * loss, 10.0, 20.0, 0.01) - fz0_score(100 * loss, 12.0, 19.0, 0.01)
    assert in_fraction.tolist() == pytest.approx(in_percent.tolist())


def test_fz0_has_no_value_without_a_positive_shortfall() -> None:
    """The logarithm of a negative shortfall would enter a mean as a number or stop the run."""
    assert np.isnan(fz0_score([0.1, 0.1], 0.1, [0.0, -0.2], 0.01)).all()
