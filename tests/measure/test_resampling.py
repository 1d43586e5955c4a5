"""Bootstrap over dates and the simulated perfect model, against cases with a known answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from leverline.ground.errors import UsageError
from leverline.measure.coverage import binomial_band
from leverline.measure.resampling import (
    date_weights,
    default_block,
    pooled_rate,
    resampled_sums,
    simulate_perfect_model,
)


def in_band_probability(n: int, p: float) -> float:
    low, high = (int(end) for end in binomial_band(n, p))
    return float(stats.binom.cdf(high, n, p) - stats.binom.cdf(low - 1, n, p))


@given(dates=st.integers(1, 60), share=st.floats(0.0, 1.0), seed=st.integers(0, 1000))
def test_a_resample_has_as_many_dates_as_the_record(dates: int, share: float, seed: int) -> None:
    """Resampled rates would be of longer or shorter histories than the one they describe."""
    block = max(1, round(share * dates))
    weights = date_weights(dates, block, 20, np.random.default_rng(seed))
    assert weights.shape == (20, dates)
    assert weights.min() >= 0
    assert weights.sum(axis=1).tolist() == [dates] * 20


def test_every_date_is_drawn_equally_often_and_with_its_neighbours() -> None:
    """Crashes at the edge of the record would count less, or blocks would not keep runs together.

    One block of 7 of 7 dates is the record itself. Of 10 dates in blocks of 4: two full blocks and one of 2, so dates
    4 apart or more are drawn independently but for the fixed total.
    """
    rng = np.random.default_rng(1)
    assert (date_weights(7, 7, 50, rng) == 1).all()
    weights = date_weights(10, 4, 40_000, rng)
    assert weights.mean(axis=0) == pytest.approx(np.ones(10), abs=0.02)
    together = np.asarray(np.corrcoef(weights.T))
    assert together[0, 1] == pytest.approx(together[9, 0], abs=0.03)  # the circle closes
    assert together[0, 1] > 0.4
    assert together[0, 5] < 0.0


def test_sums_over_blocks_have_the_variance_of_the_process() -> None:
    """Intervals would be as if days were independent when they are not.

    For x_t = e_t + e_{t-1} the variance of a sum is 4 n; the circular bootstrap of block b sees 2 + 2 (1 - 1/b).
    """
    rng = np.random.default_rng(2)
    noise = rng.standard_normal(4001)
    x = noise[1:] + noise[:-1]
    x -= x.mean()
    alone, blocks = (float(resampled_sums(x[:, None], b, 1500, rng).var() / 4000) for b in (1, 20))
    assert alone == pytest.approx(2.0, rel=0.15)
    assert blocks == pytest.approx(2.0 + 2.0 * 0.95, rel=0.2)


def test_default_block() -> None:
    """A crash that lasts days would be cut to single days in a short record."""
    assert [default_block(n) for n in (3, 100, 125, 1000, 1001, 27_000)] == [3, 5, 5, 10, 11, 30]


def test_interval_of_one_independent_series_is_the_binomial_one() -> None:
    """The bootstrap would claim more, or less, than exact theory where theory is known."""
    rng = np.random.default_rng(3)
    x = np.zeros(4000)
    x[rng.choice(4000, 200, replace=False)] = 1.0
    result = pooled_rate(x, np.ones(4000), rng=rng, block=1, draws=4000)
    low, high = 0.05 + np.array([-1, 1]) * 1.96 * math.sqrt(0.05 * 0.95 / 4000)
    assert result.rate == 0.05
    assert [result.low, result.high] == pytest.approx([low, high], abs=8e-4)


def test_interval_of_skewed_counts_agrees_with_scipy() -> None:
    """The interval would not reach far enough up where a rare crash carries most of the rate.

    scipy's BCa of the mean of a count, 100 observations a date; plain percentiles lie 4e-4 lower at the top.
    """
    counts = np.zeros(150)
    counts[:10] = [60, 40, 25, 10, 5, 3, 2, 1, 1, 1]
    ours = pooled_rate(counts, np.full(150, 100), rng=np.random.default_rng(18), block=1, draws=20_000)
    theirs = stats.bootstrap(
        (counts / 100,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(19)
    ).confidence_interval
    assert ours.low == pytest.approx(float(theirs.low), rel=0.03)
    assert ours.high == pytest.approx(float(theirs.high), rel=0.03)
    percentile = np.quantile(resampled_sums(counts[:, None], 1, 20_000, np.random.default_rng(20)) / 15_000, 0.975)
    assert ours.high > 1.08 * float(percentile)


def test_one_market_under_thirty_names_has_the_interval_of_one() -> None:
    """Thirty coins that fall together would shrink the interval by the root of thirty."""
    rng = np.random.default_rng(4)
    x = (rng.random(1500) < 0.02).astype(np.float64)
    one = pooled_rate(x, np.ones(1500), rng=np.random.default_rng(5))
    thirty = pooled_rate(30 * x, np.full(1500, 30.0), rng=np.random.default_rng(5))
    assert (thirty.low, thirty.high) == pytest.approx((one.low, one.high))
    assert thirty.observations == 45_000


def test_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """A pooled rate would be called off its nominal value by chance alone.

    40 series, one common factor (correlation 0.5), 400 dates, 5 % breaches; 200 records. Nominal 90 %.
    """
    rng = np.random.default_rng(6)
    level = special.ndtri(0.95)
    held = 0
    for _ in range(200):
        factor = rng.standard_normal((400, 1))
        loss = math.sqrt(0.5) * factor + math.sqrt(0.5) * rng.standard_normal((400, 40))
        result = pooled_rate((loss > level).sum(axis=1), np.full(400, 40), rng=rng, confidence=0.9, draws=300)
        held += result.low <= 0.05 <= result.high
    assert 0.80 < held / 200 < 0.97


def test_no_breach_still_has_an_upper_end() -> None:
    """A record without a breach would prove that breaches are impossible."""
    result = pooled_rate(np.zeros(300), np.full(300, 20), rng=np.random.default_rng(7))
    assert (result.rate, result.low) == (0.0, 0.0)
    assert (1.0 - result.high) ** 300 == pytest.approx(0.025)


def test_dates_without_observations_are_no_dates() -> None:
    """Holes in a record would count as calm days; an empty record would have a rate."""
    x, n = np.array([1, 0, 0, 0, 2, 0]), np.array([5, 5, 0, 0, 5, 5])
    with_holes = pooled_rate(x, n, rng=np.random.default_rng(8))
    without = pooled_rate(x[n > 0], n[n > 0], rng=np.random.default_rng(8))
    assert with_holes == without
    assert math.isnan(pooled_rate([0], [0], rng=np.random.default_rng(9)).high)


def test_perfect_model_of_independent_sides_is_the_binomial_law() -> None:
    """The bar that the model must clear would be higher, or lower, than a perfect model's own share.

    60 independent sides of 1000 dates at 1 %: each is in its band with the exact probability, and the share of 60 has
    the binomial standard error.
    """
    rng = np.random.default_rng(10)
    result = simulate_perfect_model(rng.random((1000, 60)), 0.01, rng=rng, draws=1500)
    inside = in_band_probability(1000, 0.01)
    assert result.mean == pytest.approx(inside, abs=0.005)
    assert result.standard_error == pytest.approx(math.sqrt(inside * (1 - inside) / 60), rel=0.15)
    assert result.sides == 60


def test_perfect_model_of_one_side_under_many_names() -> None:
    """Markets that fall as one would be judged as if their records were independent.

    Forty copies are all in their band or all out of it: the same mean, and a standard error sqrt(40) times as large.
    At 0.05 % the 1000 dates hold half a breach, so the fraction must be drawn once for all of them too.
    """
    for p in (0.01, 0.0005):
        rng = np.random.default_rng(11)
        severity = np.repeat(rng.random((1000, 1)), 40, axis=1)
        result = simulate_perfect_model(severity, p, rng=rng, draws=2000)
        inside = in_band_probability(1000, p)
        assert set(np.unique(result.shares)) == {0.0, 1.0}
        assert result.mean == pytest.approx(inside, abs=0.012)
        assert result.standard_error == pytest.approx(math.sqrt(inside * (1 - inside)), rel=0.2)


def test_a_fraction_of_a_breach_is_not_lost() -> None:
    """A side of 500 windows could never breach at 99.9 %, and its perfect record would always be perfect.

    Band of 500 at 0.1 % and 50 % confidence: P(0) = 0.606, P(1) = 0.303, so it is 0..1, held with probability 0.910.
    """
    rng = np.random.default_rng(12)
    result = simulate_perfect_model(rng.random((500, 40)), 0.001, rng=rng, confidence=0.5, draws=1500)
    low, high = (int(end) for end in binomial_band(500, 0.001, confidence=0.5))
    assert (low, high) == (0, 1)
    assert result.mean == pytest.approx(float(stats.binom.cdf(1, 500, 0.001)), abs=0.008)


def test_sides_listed_late_are_held_to_the_band_of_what_they_have() -> None:
    """Young markets would be tested against the band of old ones; too young ones would be tested at all."""
    rng = np.random.default_rng(13)
    severity = rng.random((1200, 40))
    severity[:600, :20] = np.nan
    severity[:800, 20:30] = np.nan
    result = simulate_perfect_model(severity, 0.02, rng=rng, draws=800)
    young, old = in_band_probability(600, 0.02), in_band_probability(1200, 0.02)
    assert result.sides == 30
    assert result.mean == pytest.approx((20 * young + 10 * old) / 30, abs=0.012)


def test_only_ranks_count_and_the_models_own_level_does_not() -> None:
    """A model breached too often would lower the bar it has to clear."""
    severity = np.random.default_rng(14).random((700, 10))
    one, two = (
        simulate_perfect_model(s, 0.01, rng=np.random.default_rng(15), draws=200).shares
        for s in (severity, 5.0 + severity**0.1)
    )
    assert one.tolist() == two.tolist()


def test_clusters_in_time_are_not_forgiven() -> None:
    """A model whose breaches come in runs would be compared with a perfect model that has runs too.

    Severity in runs of ten: drawn by single dates the law is the binomial one all the same; by long blocks it is not.
    """
    rng = np.random.default_rng(16)
    severity = np.repeat(rng.random((120, 30)), 10, axis=0) + 1e-6 * rng.random((1200, 30))
    single = simulate_perfect_model(severity, 0.02, rng=rng, draws=600)
    blocks = simulate_perfect_model(severity, 0.02, rng=rng, draws=600, block=30)
    inside = in_band_probability(1200, 0.02)
    assert single.mean == pytest.approx(inside, abs=0.01)
    assert blocks.mean < inside - 0.15


def test_probability_of_less_and_no_side() -> None:
    """A share below every draw would have probability zero, or a book without records a share."""
    rng = np.random.default_rng(17)
    result = simulate_perfect_model(rng.random((500, 10)), 0.02, rng=rng, draws=199)
    assert result.probability_of_less(-1.0) == pytest.approx(1 / 200)
    assert result.probability_of_less(1.0) == 1.0
    none = simulate_perfect_model(rng.random((499, 10)), 0.02, rng=rng, draws=10)
    assert none.sides == 0
    assert math.isnan(none.mean)


def test_a_block_longer_than_the_record_is_refused() -> None:
    """A typing error would be taken for a method."""
    with pytest.raises(UsageError, match="block"):
        date_weights(10, 11, 5, np.random.default_rng(0))
    with pytest.raises(UsageError, match="breaches <= observations"):
        pooled_rate([3], [2], rng=np.random.default_rng(0))
