"""Rank agreement against hand-worked cases and definitions; intervals over markets."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from leverline.measure.rank_agreement import (
    difference_interval,
    kendall_tau_b,
    spearman_interval,
    spearman_rho,
    tau_interval,
)


def test_by_hand_with_ties() -> None:
    """Ladders are published in steps; a tie counted as agreement flatters every comparison."""
    first, second = np.array([1.0, 1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0, 3.0])
    # pairs: (1,2) tied in first, (2,3) tied in second, the other four agree
    assert kendall_tau_b(first, second) == pytest.approx(4 / 5)
    # mid-ranks 1.5 1.5 3 4 and 1 2.5 2.5 4: cross sum 3.75, sums of squares 4.5 each
    assert spearman_rho(first, second) == pytest.approx(3.75 / 4.5)


def test_against_an_independent_implementation() -> None:
    """A coefficient of our own making could not be compared with anybody's."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        first, second = np.round(rng.normal(size=(2, 30)), 1)
        assert kendall_tau_b(first, second) == pytest.approx(kendalltau(first, second).statistic)
        assert spearman_rho(first, second) == pytest.approx(spearmanr(first, second).statistic)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """A lower end above zero would be found between rankings that have nothing to do with each other."""
    rng = np.random.default_rng(2)
    holds = {tau_interval: 0, spearman_interval: 0}
    for _ in range(150):
        first, second = rng.normal(size=(2, 40))
        for interval in holds:
            said = interval(first, second, rng=rng, draws=150)
            holds[interval] += said.low <= 0.0 <= said.high
    assert all(0.86 <= count / 150 <= 1.0 for count in holds.values())


def test_unknown_markets_are_left_out_and_too_few_say_nothing() -> None:
    """One market's missing capitalisation would make the whole comparison NaN, or three markets a finding."""
    first, second = np.arange(8.0), np.arange(8.0)
    second[6:] = np.nan
    said = tau_interval(first, second, rng=np.random.default_rng(3), draws=100)
    assert (said.value, said.markets) == (1.0, 6)
    assert np.isnan(tau_interval(first[:4], second[:4], rng=np.random.default_rng(3)).value)


def test_a_better_ranking_is_found_better() -> None:
    """Ranking by volume would look as good as a calibration that knows more than volume."""
    rng = np.random.default_rng(4)
    truth = rng.normal(size=80)
    near, far = truth + 0.3 * rng.normal(size=80), truth + 2.0 * rng.normal(size=80)
    assert difference_interval(truth, near, far, rng=rng, draws=300).low > 0.0
    same = difference_interval(truth, near, near, rng=rng, draws=100)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
