"""Expected-shortfall tests against the paper's rule, a hand-worked case and their own size and power."""

from __future__ import annotations

import math

import numpy as np
import pytest

from leverline.ground.errors import UsageError
from leverline.measure.acerbi_szekely import acerbi_szekely, gpd_severity


def test_both_statistics_by_hand() -> None:
    """Breaches twice as deep as forecast would look as forecast.

    Ten periods at p = 0.1, one breach of 6 against a shortfall of 3: Z1 = 1 - 2 = -1, Z2 = 1 - 2 / (10 x 0.1) = -1.
    With a second of 3: Z1 = 1 - (2 + 1)/2 = -0.5, Z2 = 1 - 3 = -2. A gap counts for nothing.
    """
    loss = np.array([6.0, *[0.0] * 9, np.nan])
    quantile, shortfall = np.full(11, 2.0), np.full(11, 3.0)
    one = acerbi_szekely(loss, quantile, shortfall, 0.1)
    assert (one.z1, one.z2, one.observations, one.breaches) == pytest.approx((-1.0, -1.0, 10, 1))
    loss[1] = 3.0
    two = acerbi_szekely(loss, quantile, shortfall, 0.1)
    assert (two.z1, two.z2) == pytest.approx((-0.5, -2.0))
    assert math.isnan(two.p_value)


def test_no_breach_and_no_row() -> None:
    """A calm record would be reported with a depth it never had."""
    calm = acerbi_szekely(np.zeros(5), np.ones(5), np.full(5, 2.0), 0.1)
    assert math.isnan(calm.z1)
    assert calm.z2 == 1.0
    empty = acerbi_szekely(np.array([np.nan]), np.ones(1), np.ones(1), 0.1)
    assert math.isnan(empty.z2)


def test_gpd_severity_has_the_shortfall_as_its_mean() -> None:
    """The simulated null would be centred on another shortfall than the forecast's."""
    rng = np.random.default_rng(1)
    for shape in (-0.2, 0.0, 0.25):
        draws = gpd_severity(0.7, shape)(rng, 400_000)
        assert draws.mean() == pytest.approx(1.0, abs=5e-3)
        assert draws.min() >= 0.7


def test_the_papers_critical_value_comes_out_of_the_simulation() -> None:
    """The rule of -0.70 (250 days, 2.5 %, 5 % size) would belong to another statistic.

    Normal losses: quantile 1.960, shortfall phi(1.960)/0.025 = 2.338. The paper's table gives about -0.70 for tails
    from normal to t(5); the rejection rate at -0.70 must then be close to 5 %.
    """
    rng = np.random.default_rng(2)
    losses = rng.standard_normal((4000, 250))
    shortfall = math.exp(-0.5 * 1.959964**2) / math.sqrt(2 * math.pi) / 0.025
    q, s = np.full(250, 1.959964), np.full(250, shortfall)
    z2 = np.array([acerbi_szekely(row, q, s, 0.025).z2 for row in losses])
    assert z2.mean() == pytest.approx(0.0, abs=0.03)
    assert float(np.mean(z2 < -0.70)) == pytest.approx(0.045, abs=0.015)


def test_size_and_power_of_the_simulated_p_value() -> None:
    """A shortfall two thirds of the truth would pass, or a true one be refused.

    Exponential losses at p = 0.025: quantile -ln p, shortfall one more, tail shape 0; 500 periods.
    """
    rng = np.random.default_rng(3)
    q = np.full(500, -math.log(0.025))
    severity = gpd_severity(float(q[0] / (q[0] + 1.0)), 0.0)

    def rejected(scale: float) -> float:
        p = [
            acerbi_szekely(scale * rng.standard_exponential(500), q, q + 1.0, 0.025,
                           severity=severity, draws=400, rng=rng).p_value
            for _ in range(300)
        ]
        return float(np.mean(np.array(p) < 0.05))

    assert rejected(1.0) == pytest.approx(0.05, abs=0.035)
    assert rejected(1.5) > 0.95


def test_what_has_no_meaning_is_refused() -> None:
    """A tail without a mean, or a shortfall that is a gain, would be given a p-value."""
    with pytest.raises(UsageError, match="expected shortfall"):
        gpd_severity(0.7, 1.0)
    with pytest.raises(UsageError, match="positive"):
        acerbi_szekely(np.ones(2), np.ones(2), np.array([1.0, -1.0]), 0.1)
    with pytest.raises(UsageError, match="generator"):
        acerbi_szekely(np.ones(2), np.ones(2), np.ones(2), 0.1, severity=gpd_severity(0.5, 0.1))
