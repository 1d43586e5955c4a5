"""Coverage statistics against hand-worked figures, an independent library and their own size and power."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from leverline.ground.arrays import BoolArray, FloatArray
from leverline.ground.errors import UsageError
from leverline.measure.coverage import (
    binomial_band,
    christoffersen_conditional,
    christoffersen_independence,
    clopper_pearson,
    dynamic_quantile,
    kupiec,
    too_many_breaches,
    transitions,
)


def clustered(rng: np.random.Generator, n: int, k: int, p: float, stay: float) -> BoolArray:
    """Breaches of a Markov chain with stationary rate ``p`` that stays in breach with probability ``stay``."""
    enter = p * (1.0 - stay) / (1.0 - p)
    draws = rng.random((n, k))
    chain = np.empty((n, k), dtype=np.bool_)
    chain[0] = draws[0] < p
    for t in range(1, n):
        chain[t] = draws[t] < np.where(chain[t - 1], stay, enter)
    return chain


def test_band_of_six_years_of_days() -> None:
    """A model breached 13 times in six years at 99 % would be called wrong, or one breached 33 times right."""
    low, high = binomial_band(2217, 0.01)
    assert (int(low), int(high)) == (13, 32)


@given(n=st.integers(0, 3000), p=st.floats(0.0005, 0.6), confidence=st.floats(0.5, 0.999))
def test_band_is_central_and_as_narrow_as_its_definition_allows(n: int, p: float, confidence: float) -> None:
    """A venue would be failed, or passed, by a count that chance allots the other way."""
    low, high = (int(end) for end in binomial_band(n, p, confidence=confidence))
    tail, slack = (1.0 - confidence) / 2.0, 1e-9
    assert stats.binom.cdf(low - 1, n, p) <= tail + slack
    assert low == n or stats.binom.cdf(low, n, p) >= tail - slack
    assert stats.binom.sf(high, n, p) <= tail + slack
    assert high == 0 or stats.binom.sf(high - 1, n, p) >= tail - slack


def test_band_keeps_the_shape_of_its_counts() -> None:
    """A table of sides x horizons would be matched with the bands of other cells."""
    counts = np.array([[0, 500], [2217, 500]])
    low, high = binomial_band(counts, 0.01)
    assert low.tolist() == [[0, 1], [13, 1]]
    assert high.tolist() == [[0, 10], [32, 10]]


def test_clopper_pearson_at_its_closed_ends() -> None:
    """A market without a breach would be reported as if breaches were impossible.

    With 0 of n the upper end solves (1 - p)^n = a/2, with n of n the lower end solves p^n = a/2.
    """
    low, high = clopper_pearson([0, 10, 0], [10, 10, 0])
    assert low.tolist() == pytest.approx([0.0, 0.025**0.1, 0.0])
    assert high.tolist() == pytest.approx([1.0 - 0.025**0.1, 1.0, 1.0])


@given(n=st.integers(1, 400), share=st.floats(0.0, 1.0))
def test_clopper_pearson_ends_are_where_the_count_becomes_too_extreme(n: int, share: float) -> None:
    """The interval of a breach rate would leave out rates the count does not speak against."""
    x = round(share * n)
    low, high = (float(end) for end in clopper_pearson(x, n, confidence=0.9))
    assert x == 0 or stats.binom.sf(x - 1, n, low) == pytest.approx(0.05, rel=1e-6)
    assert x == n or stats.binom.cdf(x, n, high) == pytest.approx(0.05, rel=1e-6)


def test_one_sided_p_value_by_enumeration() -> None:
    """A book whose rates are breached too often would pass, or a cautious one fail.

    P(X >= 2) of three trials at 0.1 is 3 x 0.01 x 0.9 + 0.001 = 0.028; no breach is never too many.
    """
    assert too_many_breaches([0, 2, 3, 0], [3, 3, 3, 0], 0.1).tolist() == pytest.approx(
        [1.0, 0.028, 0.001, math.nan], nan_ok=True
    )


def test_kupiec_by_hand() -> None:
    """The regulator's own arithmetic would give another verdict than ours.

    No breach in 100 at 1 %: -200 ln 0.99 = 2.01007. Six in 250 at 1 %: 2 [6 ln 2.4 + 244 ln(0.976 / 0.99)] = 3.5553,
    and P(chi2_1 > x) = erfc(sqrt(x / 2)).
    """
    result = kupiec([0, 6, 100, 0], [100, 250, 100, 0], 0.01)
    by_hand = 2.0 * (6.0 * math.log(2.4) + 244.0 * math.log(0.976 / 0.99))
    assert by_hand == pytest.approx(3.5553, abs=1e-4)
    assert result.statistic.tolist() == pytest.approx(
        [2.01007, by_hand, -200.0 * math.log(0.01), math.nan], rel=1e-5, nan_ok=True
    )
    assert result.p_value[:2].tolist() == pytest.approx([math.erfc(math.sqrt(2.01007 / 2)), 0.05935], abs=1e-4)
    assert math.isnan(result.p_value[3])


def test_transitions_do_not_cross_a_gap() -> None:
    """Two breaches with a halt between them would be called a cluster."""
    hit = np.array([True, True, False, False, True, True, False])
    seen = np.array([True, True, True, True, True, False, True])
    pairs = transitions(hit, observed=seen)
    counts = [int(c) for c in (pairs.calm_calm, pairs.calm_breach, pairs.breach_calm, pairs.breach_breach)]
    assert counts == [1, 1, 1, 1]


def test_christoffersen_by_hand() -> None:
    """Clusters would be weighed wrongly.

    0 0 1 1 0 0 0 1 0 0 has pairs 00: 4, 01: 2, 10: 2, 11: 1. Fitted rates 1/3 after calm, 1/3 after breach: equal, so
    LR_ind = 0. 0 1 1 1 0 0 0 0 0 has 00: 4, 01: 1, 10: 1, 11: 2: rates 1/5, 2/3, pooled 3/8.
    """
    even = np.array([0, 0, 1, 1, 0, 0, 0, 1, 0, 0], dtype=np.bool_)
    run = np.array([0, 1, 1, 1, 0, 0, 0, 0, 0], dtype=np.bool_)
    assert float(christoffersen_independence(even).statistic) == pytest.approx(0.0, abs=1e-12)
    fitted = 4 * math.log(0.8) + math.log(0.2) + math.log(1 / 3) + 2 * math.log(2 / 3)
    pooled = 5 * math.log(5 / 8) + 3 * math.log(3 / 8)
    claimed = 5 * math.log(0.9) + 3 * math.log(0.1)
    assert float(christoffersen_independence(run).statistic) == pytest.approx(2 * (fitted - pooled))
    conditional = christoffersen_conditional(run, 0.1)
    assert float(conditional.statistic) == pytest.approx(2 * (fitted - claimed))
    assert float(conditional.p_value) == pytest.approx(math.exp(-(fitted - claimed)))  # chi2_2 is exponential


@pytest.mark.parametrize(
    "breaches",
    [np.zeros(50, np.bool_), np.ones(50, np.bool_), np.arange(50) == 49, np.zeros(0, np.bool_), np.ones(1, np.bool_)],
    ids=["none", "always", "only the last", "empty", "one row"],
)
def test_a_chain_that_never_left_a_state_says_nothing(breaches: BoolArray) -> None:
    """A market with no breach at all would be certified as free of clusters."""
    assert math.isnan(float(christoffersen_independence(breaches).p_value))
    assert math.isnan(float(christoffersen_conditional(breaches, 0.01).p_value))


def test_one_breach_in_the_middle_is_no_cluster() -> None:
    """A single crash would be rejected as clustering."""
    assert float(christoffersen_independence(np.arange(500) == 250).p_value) > 0.9


@given(seed=st.integers(0, 10_000))
def test_conditional_is_coverage_plus_independence(seed: int) -> None:
    """The two halves of the test would not add up to the whole."""
    rng = np.random.default_rng(seed)
    hit = clustered(rng, 300, 1, 0.05, 0.3)[:, 0]
    independence = christoffersen_independence(hit)
    conditional = christoffersen_conditional(hit, 0.05)
    if not math.isnan(float(independence.statistic)):
        coverage = kupiec(int(hit[1:].sum()), 299, 0.05)
        assert float(conditional.statistic) == pytest.approx(
            float(coverage.statistic) + float(independence.statistic), abs=1e-8
        )


def test_dynamic_quantile_equals_a_least_squares_regression() -> None:
    """The statistic would not be the one that its authors and every reader compute.

    h'X (X'X)^-1 X'h is the explained sum of squares of the regression of h on X, here by numpy's least squares.
    """
    rng = np.random.default_rng(3)
    hit, level = rng.random(400) < 0.1, rng.random(400)
    h = hit - 0.1
    design = np.column_stack([np.ones(396), h[3:-1], h[2:-2], h[1:-3], h[:-4], level[4:]])
    fitted = design @ np.linalg.lstsq(design, h[4:], rcond=None)[0]
    result = dynamic_quantile(hit, level, 0.1)
    assert float(result.statistic) == pytest.approx(float(fitted @ fitted) / 0.09)
    assert float(result.p_value) == pytest.approx(float(stats.chi2.sf(float(fitted @ fitted) / 0.09, 6)))


def test_dynamic_quantile_does_not_depend_on_the_unit_of_the_forecast() -> None:
    """A forecast in basis points would fail where the same one in fractions passes."""
    rng = np.random.default_rng(4)
    hit, level = rng.random(500) < 0.05, 0.1 + 1e-5 * rng.random(500)
    one, other = (float(dynamic_quantile(hit, scale * level, 0.05).statistic) for scale in (1.0, 1e4))
    assert one == pytest.approx(other, rel=1e-6)


def test_dynamic_quantile_is_undefined_rather_than_wrong() -> None:
    """A flat forecast, or a market without breaches, would get a p-value out of rounding errors."""
    rng = np.random.default_rng(5)
    hit = rng.random((300, 4)) < 0.1
    hit[:, 1] = False
    hit[:, 2] = np.arange(300) == 299
    level = rng.random((300, 4))
    level[:, 0] = 0.1
    level[5, 3] = np.nan
    seen = np.ones((300, 4), np.bool_)
    seen[5, 3] = False
    undefined = np.isnan(dynamic_quantile(hit, level, 0.1, observed=seen).p_value)
    assert undefined.tolist() == [True, True, True, False]
    assert math.isnan(float(dynamic_quantile(hit[:3, 3], level[:3, 3], 0.1).p_value))


def test_columns_are_tested_as_if_alone() -> None:
    """One market's breaches would leak into the verdict on another."""
    rng = np.random.default_rng(6)
    hit, level, seen = rng.random((400, 3)) < 0.1, rng.random((400, 3)), rng.random((400, 3)) < 0.95
    together = [
        christoffersen_independence(hit, observed=seen).statistic,
        dynamic_quantile(hit, level, 0.1, observed=seen).statistic,
    ]
    for side in range(3):
        h, q, s = hit[:, side], level[:, side], seen[:, side]
        assert float(together[0][side]) == float(christoffersen_independence(h, observed=s).statistic)
        assert float(together[1][side]) == float(dynamic_quantile(h, q, 0.1, observed=s).statistic)


def _rejected(p_value: FloatArray) -> float:
    return float(np.mean(np.nan_to_num(p_value, nan=1.0) < 0.05))


def test_size_is_near_nominal() -> None:
    """Good models would be thrown out far more often than one time in twenty.

    1000 series of 1000 periods at 5 %. The independence test has a known excess here: about 50 breaches, 2.5 expected
    pairs, and the 8 % of records without a pair reach 2 x 2.5 = 5 > 3.84 and are rejected for being too even.
    """
    rng = np.random.default_rng(7)
    hit, level = rng.random((1000, 1000)) < 0.05, rng.random((1000, 1000))
    assert _rejected(kupiec(hit.sum(axis=0), 1000, 0.05).p_value) == pytest.approx(0.05, abs=0.025)
    assert _rejected(christoffersen_independence(hit).p_value) == pytest.approx(0.08, abs=0.03)
    assert _rejected(christoffersen_conditional(hit, 0.05).p_value) == pytest.approx(0.05, abs=0.03)
    assert _rejected(dynamic_quantile(hit, level, 0.05).p_value) == pytest.approx(0.06, abs=0.035)


def test_power_against_clusters_and_against_too_many() -> None:
    """A model that fails in every crisis, or twice as often as it says, would pass.

    2000 periods at 1 %: a breach is followed by another with probability 0.25 (the rate is right), or the rate is 2 %.
    """
    rng = np.random.default_rng(8)
    crowd = clustered(rng, 2000, 300, 0.01, 0.25)
    assert _rejected(christoffersen_independence(crowd).p_value) > 0.80
    assert _rejected(christoffersen_conditional(crowd, 0.01).p_value) > 0.75
    assert _rejected(dynamic_quantile(crowd, rng.random(crowd.shape), 0.01).p_value) > 0.85
    often = rng.binomial(2000, 0.02, size=300)
    assert _rejected(kupiec(often, 2000, 0.01).p_value) > 0.90
    assert _rejected(too_many_breaches(often, 2000, 0.01)) > 0.90


def test_dynamic_quantile_sees_breaches_that_the_forecast_foretells() -> None:
    """A model too low whenever it is high would pass: the pooled rate hides what the top decile shows.

    The breach probability is 0.01 on average but proportional to the forecast squared; breaches do not follow others.
    """
    rng = np.random.default_rng(9)
    level = rng.gamma(1.0, size=(2000, 300))
    hit = rng.random(level.shape) < 0.005 * level**2
    assert _rejected(dynamic_quantile(hit, level, 0.01).p_value) > 0.90
    assert _rejected(christoffersen_independence(hit).p_value) < 0.15


def test_counts_that_cannot_be_are_refused() -> None:
    """More breaches than observations, or a probability in percent, would give a verdict."""
    with pytest.raises(UsageError, match="breaches <= observations"):
        kupiec(5, 4, 0.01)
    with pytest.raises(UsageError, match="probability"):
        binomial_band(100, 1.0)
    with pytest.raises(UsageError, match="boolean"):
        transitions(np.array([0.0, np.nan]))
