"""Is expected shortfall enough? The tests of Acerbi and Szekely (2014, "Backtesting expected shortfall", Risk, Dec.).

Losses positive, shape (n,); ``quantile`` and ``shortfall`` are forecasts of that shape for the level passed with
``breach_probability`` per period. A row with a NaN in any of the three is a gap and is left out. Both statistics are 0
in expectation under the null and negative where losses were worse than forecast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import require

Severity = Callable[[np.random.Generator, int], FloatArray]
"""Draws of loss / expected shortfall given a breach, of mean 1: what the model says of its own tail."""


@dataclass(frozen=True, slots=True)
class ShortfallTest:
    """Both statistics; ``p_value`` is P(Z2 <= observed) by simulation, NaN where no severity was given."""

    z1: float
    z2: float
    observations: int
    breaches: int
    p_value: float


def acerbi_szekely(
    loss: FloatArray,
    quantile: FloatArray,
    shortfall: FloatArray,
    breach_probability: float,
    *,
    severity: Severity | None = None,
    draws: int = 2000,
    rng: np.random.Generator | None = None,
) -> ShortfallTest:
    r"""Test 1 (depth of breaches, given their number) and test 2 (depth and number together).

    .. math:: Z_1 = 1 - \frac{1}{N} \sum_{t: x_t > q_t} \frac{x_t}{s_t}, \qquad
              Z_2 = 1 - \frac{1}{n p} \sum_{t: x_t > q_t} \frac{x_t}{s_t}

    in the paper's eqs. 4 and 6 with losses x = -X. Z1 is NaN without a breach; Z2 is then 1. ``shortfall`` must be
    positive where known.

    The p-value of Z2 needs the model's tail: with ``severity`` (see :func:`gpd_severity`) and ``rng`` the null is drawn
    as Binomial(n, p) breaches, independent, each with its own depth. Without them the paper's table stands in: at
    p = 0.025 and n = 250 Z2 < -0.70 is rejected at 5 %, almost whatever the tail (its section on critical values).
    That figure belongs to n p = 6.25 only; the spread of Z2 goes as 1 / sqrt(n p).
    """
    require(0.0 < breach_probability < 1.0, "a breach probability per period lies in (0, 1)", got=breach_probability)
    x, q, s = (np.asarray(each, dtype=np.float64) for each in (loss, quantile, shortfall))
    require(x.ndim == 1 and x.shape == q.shape == s.shape, "loss, quantile and shortfall share one shape (n,)")
    known = ~(np.isnan(x) | np.isnan(q) | np.isnan(s))
    require(bool(np.all(s[known] > 0.0)), "expected shortfall is a positive loss")
    n = int(np.count_nonzero(known))
    breach = known & (x > q)
    breaches = int(np.count_nonzero(breach))
    total = float(np.sum(x[breach] / s[breach]))
    z1 = 1.0 - total / breaches if breaches else float("nan")
    z2 = 1.0 - total / (n * breach_probability) if n else float("nan")
    p_value = float("nan")
    if severity is not None and n:
        require(rng is not None, "a simulated p-value needs a random generator")
        assert rng is not None  # noqa: S101 - for the type checker; required above
        null = _simulated_z2(n, breach_probability, severity, draws, rng)
        p_value = float((1 + np.count_nonzero(null <= z2)) / (draws + 1))
    return ShortfallTest(z1, z2, n, breaches, p_value)


def gpd_severity(quantile_to_shortfall: float, shape: float) -> Severity:
    """Depth of a breach where the tail beyond the quantile is generalised Pareto with ``shape`` in (-inf, 1).

    With r = quantile / shortfall in (0, 1), shortfall = quantile + scale / (1 - shape) (McNeil, Frey and Embrechts
    2015, eq. 5.20), so in units of the shortfall the scale is (1 - r)(1 - shape) and a breach is r plus such an excess.
    """
    require(0.0 < quantile_to_shortfall < 1.0, "quantile / shortfall lies in (0, 1)", got=quantile_to_shortfall)
    require(shape < 1.0, "a tail of shape 1 or more has no expected shortfall", got=shape)
    scale = (1.0 - quantile_to_shortfall) * (1.0 - shape)

    def draw(rng: np.random.Generator, size: int) -> FloatArray:
        exponent = rng.standard_exponential(size)
        excess = exponent if shape == 0.0 else np.expm1(shape * exponent) / shape
        return np.asarray(quantile_to_shortfall + scale * excess, dtype=np.float64)

    return draw


def _simulated_z2(n: int, p: float, severity: Severity, draws: int, rng: np.random.Generator) -> FloatArray:
    """``draws`` values of Z2 under the null, shape (draws,)."""
    require(draws >= 1, "draws is at least 1", got=draws)
    breaches = rng.binomial(n, p, size=draws)
    depth = severity(rng, int(breaches.sum()))
    totals = np.bincount(np.repeat(np.arange(draws), breaches), weights=depth, minlength=draws)
    return np.asarray(1.0 - totals / (n * p), dtype=np.float64)
