"""Do two rankings of the same markets agree? Kendall's tau-b and Spearman's rho, with intervals over markets.

Limits are published in steps, so ties are many: tau-b (Kendall 1945, Biometrika 33:239-251) counts them out of both
rankings. Intervals are percentiles over markets drawn with replacement; a drawn pair that is one market twice is a tie
in both rankings and drops out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import require

MINIMUM_MARKETS = 5


@dataclass(frozen=True, slots=True)
class Agreement:
    """A rank coefficient in [-1, 1] over ``markets``, with its interval; NaN with fewer than five or without order."""

    value: float
    low: float
    high: float
    markets: int


def kendall_tau_b(first: FloatArray, second: FloatArray) -> float:
    r"""Kendall's :math:`\tau_b` of two columns (n,), finite: concordant less discordant pairs over untied ones."""
    pairs_first, pairs_second = np.sign(first[:, None] - first), np.sign(second[:, None] - second)
    return _ratio(float(np.sum(pairs_first * pairs_second)), float(np.count_nonzero(pairs_first)),
                  float(np.count_nonzero(pairs_second)))


def spearman_rho(first: FloatArray, second: FloatArray) -> float:
    """Correlation of mid-ranks of two columns (n,), finite."""
    a, b = _mid_ranks(first), _mid_ranks(second)
    a, b = a - a.mean(), b - b.mean()
    return _ratio(float(a @ b), float(a @ a), float(b @ b))


def tau_interval(
    first: FloatArray, second: FloatArray, *, rng: np.random.Generator, confidence: float = 0.95, draws: int = 1000
) -> Agreement:
    """Tau-b of two columns (n,), NaN where unknown, with a bootstrap interval over markets."""
    a, b = _paired(first, second)
    if a.size < MINIMUM_MARKETS:
        return Agreement(float("nan"), float("nan"), float("nan"), int(a.size))
    signs_a, signs_b = np.sign(a[:, None] - a), np.sign(b[:, None] - b)
    agree, untied_a, untied_b = signs_a * signs_b, signs_a**2, signs_b**2
    drawn = _draws(a.size, draws, rng)
    sums = [np.einsum("di,di->d", drawn @ table, drawn) for table in (agree, untied_a, untied_b)]
    resampled = np.array([_ratio(x, y, z) for x, y, z in zip(*sums, strict=True)])
    return _agreement(kendall_tau_b(a, b), resampled, a.size, confidence)


def spearman_interval(
    first: FloatArray, second: FloatArray, *, rng: np.random.Generator, confidence: float = 0.95, draws: int = 1000
) -> Agreement:
    """Spearman's rho of two columns (n,), NaN where unknown, with a bootstrap interval over markets."""
    a, b = _paired(first, second)
    if a.size < MINIMUM_MARKETS:
        return Agreement(float("nan"), float("nan"), float("nan"), int(a.size))
    rows = rng.integers(0, a.size, size=(draws, a.size))
    resampled = np.array([spearman_rho(a[row], b[row]) for row in rows])
    return _agreement(spearman_rho(a, b), resampled, a.size, confidence)


def difference_interval(
    reference: FloatArray, ours: FloatArray, rival: FloatArray, *, rng: np.random.Generator,
    confidence: float = 0.95, draws: int = 1000,
) -> Agreement:
    """How much better ``ours`` agrees with ``reference`` than ``rival``: difference of tau-b, on the same draws."""
    known = np.isfinite(reference) & np.isfinite(ours) & np.isfinite(rival)
    r, a, b = reference[known], ours[known], rival[known]
    if r.size < MINIMUM_MARKETS:
        return Agreement(float("nan"), float("nan"), float("nan"), int(r.size))
    signs = [np.sign(each[:, None] - each) for each in (r, a, b)]
    drawn = _draws(r.size, draws, rng)

    def paired_sum(table: FloatArray) -> FloatArray:
        return np.asarray(np.einsum("di,di->d", drawn @ table, drawn), np.float64)

    base = paired_sum(signs[0] ** 2)
    taus = [np.array([_ratio(x, y, z) for x, y, z in zip(
        paired_sum(signs[0] * other), base, paired_sum(other**2), strict=True)]) for other in signs[1:]]
    return _agreement(kendall_tau_b(r, a) - kendall_tau_b(r, b), taus[0] - taus[1], r.size, confidence)


def _draws(n: int, draws: int, rng: np.random.Generator) -> FloatArray:
    """How often each market stands in each resample, (draws, n)."""
    return rng.multinomial(n, np.full(n, 1.0 / n), size=draws).astype(np.float64)


def _agreement(value: float, resampled: FloatArray, markets: int, confidence: float) -> Agreement:
    require(0.0 < confidence < 1.0, "confidence lies in (0, 1)", got=confidence)
    seen = resampled[np.isfinite(resampled)]
    if not (np.isfinite(value) and seen.size):
        return Agreement(float("nan"), float("nan"), float("nan"), markets)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(seen, [tail, 1.0 - tail])
    return Agreement(value, float(low), float(high), markets)


def _paired(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    require(first.ndim == 1 and first.shape == second.shape, "two columns of one length",
            got=(first.shape, second.shape))
    known = np.isfinite(first) & np.isfinite(second)
    return first[known], second[known]


def _mid_ranks(values: FloatArray) -> FloatArray:
    """Ranks from 1, the mean rank where values tie."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - 0.5 * (counts - 1))[inverse], np.float64)


def _ratio(cross: float, square: float, other: float) -> float:
    """``cross / sqrt(square * other)``; NaN where a column is one value throughout."""
    return float(cross / np.sqrt(float(square) * float(other))) if square > 0 and other > 0 else float("nan")
