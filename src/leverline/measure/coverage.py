"""Does a forecast quantile hold? Tests of how often, and when, losses pass it.

A *breach* is a loss strictly above its forecast; ``breach_probability`` is the probability the forecast claims for
one, **per observation period** (one bar or one window of the horizon: 0.01 of a daily series is 0.01 per day, 0.01 of
eight-hour windows is 0.01 per eight hours). Losses are positive.

Counts broadcast: a scalar, or one number a series. Breach arrays have shape (n,) or (n, k), one column a series, rows
in order of time; results then have shape () or (k,). ``observed`` of the same shape marks the rows a series has; a
missing row is neither a breach nor a calm period, and no transition is counted across it. **An undefined statistic is
NaN, and so is its p-value**: each function says when.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.errors import require


@dataclass(frozen=True, slots=True)
class LikelihoodRatio:
    """A likelihood-ratio (or Wald) statistic and its asymptotic chi-squared p-value; NaN where undefined."""

    statistic: FloatArray
    p_value: FloatArray
    degrees: int


@dataclass(frozen=True, slots=True)
class Transitions:
    """Pairs of consecutive periods by state: ``calm_breach`` counts a calm period followed by a breach."""

    calm_calm: IntArray
    calm_breach: IntArray
    breach_calm: IntArray
    breach_breach: IntArray


def binomial_band(
    observations: npt.ArrayLike, breach_probability: float, *, confidence: float = 0.95
) -> tuple[IntArray, IntArray]:
    """Exact central acceptance band for the number of breaches: ``low <= breaches <= high`` is accepted.

    With X ~ Binomial(observations, breach_probability) and a = 1 - confidence, ``low`` is the largest count with
    P(X < low) <= a/2 and ``high`` the smallest with P(X > high) <= a/2, so the band holds X with probability at
    least ``confidence`` (more, as X is discrete). No observations: (0, 0).
    """
    _require_probability(breach_probability)
    _require_confidence(confidence)
    n = np.asarray(observations, dtype=np.int64)
    require(bool(np.all(n >= 0)), "observations are counts, not negative")
    distinct, where = np.unique(n, return_inverse=True)
    tail = (1.0 - confidence) / 2.0
    low = _smallest_count(distinct, lambda k: _at_most(k, distinct, breach_probability) > tail)
    high = _smallest_count(distinct, lambda k: _at_least(k + 1, distinct, breach_probability) <= tail)
    return low[where].reshape(n.shape), high[where].reshape(n.shape)


def clopper_pearson(
    breaches: npt.ArrayLike, observations: npt.ArrayLike, *, confidence: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Exact interval for the breach probability per period, breaches independent (Clopper and Pearson 1934).

    Beta quantiles: low = B(a/2; x, n - x + 1), high = B(1 - a/2; x + 1, n - x); 0 and 1 at the ends. Without an
    observation nothing is known: (0, 1).
    """
    _require_confidence(confidence)
    x, n = _counts(breaches, observations)
    tail = (1.0 - confidence) / 2.0
    low = special.betaincinv(np.maximum(x, 1), n - x + 1, tail)
    high = special.betaincinv(x + 1, np.maximum(n - x, 1), 1.0 - tail)
    return np.where(x == 0, 0.0, low), np.where(x == n, 1.0, high)


def too_many_breaches(
    breaches: npt.ArrayLike, observations: npt.ArrayLike, breach_probability: float
) -> FloatArray:
    """One-sided exact p-value P(X >= breaches), X ~ Binomial(observations, breach_probability).

    Small where the forecast is breached too often; a forecast that is breached too seldom is never rejected. NaN
    without observations.
    """
    _require_probability(breach_probability)
    x, n = _counts(breaches, observations)
    return np.where(n > 0, _at_least(x, n, breach_probability), np.nan)


def kupiec(breaches: npt.ArrayLike, observations: npt.ArrayLike, breach_probability: float) -> LikelihoodRatio:
    r"""Unconditional coverage (Kupiec 1995, J. Derivatives 3(2):73-84), chi-squared with one degree of freedom.

    .. math:: LR_{uc} = 2 \left[ x \ln\frac{x/n}{p} + (n - x) \ln\frac{1 - x/n}{1 - p} \right]

    with 0 ln 0 = 0: at no breach it is -2 n ln(1 - p). Two-sided: too few breaches count as well. NaN without
    observations.
    """
    _require_probability(breach_probability)
    x, n = _counts(breaches, observations)
    statistic = _bernoulli_ratio(x, n, breach_probability)
    return _ratio(np.where(n > 0, statistic, np.nan), degrees=1)


def transitions(breaches: BoolArray, *, observed: BoolArray | None = None) -> Transitions:
    """Count consecutive pairs of periods by state; a pair with an unobserved member is not counted."""
    hit, seen = _hits(breaches, observed)
    pair = seen[1:] & seen[:-1]
    before, after = hit[:-1], hit[1:]

    def count(chosen: BoolArray) -> IntArray:
        return np.asarray(np.count_nonzero(chosen & pair, axis=0), dtype=np.int64)

    return Transitions(
        calm_calm=count(~before & ~after),
        calm_breach=count(~before & after),
        breach_calm=count(before & ~after),
        breach_breach=count(before & after),
    )


def christoffersen_independence(breaches: BoolArray, *, observed: BoolArray | None = None) -> LikelihoodRatio:
    """Do breaches follow one another? (Christoffersen 1998, Int. Econ. Review 39(4):841-862, LR_ind.)

    A first-order Markov chain against independent breaches, both fitted to the pairs of consecutive periods;
    chi-squared with one degree of freedom. That law is rough: in simulations a nominal 5 % test rejects 1 to 2 % of
    right models at p = 0.01 and n up to 4000, and 8 to 10 % where two or three breaches are expected to follow one
    another and none does (p = 0.05, n = 1000); :func:`~leverline.measure.simulated_size.simulated_p_value` is exact.
    NaN where the chain never stood in one of its states (no breach followed by an
    observed period, or no calm one): nothing can then be said about what follows it.
    """
    pairs = transitions(breaches, observed=observed)
    after_calm, after_breach = _rows(pairs)
    hits = pairs.calm_breach + pairs.breach_breach
    pooled = hits / np.maximum(after_calm + after_breach, 1)
    statistic = _bernoulli_ratio(pairs.calm_breach, after_calm, pooled) + _bernoulli_ratio(
        pairs.breach_breach, after_breach, pooled
    )
    return _ratio(np.where((after_calm > 0) & (after_breach > 0), statistic, np.nan), degrees=1)


def christoffersen_conditional(
    breaches: BoolArray, breach_probability: float, *, observed: BoolArray | None = None
) -> LikelihoodRatio:
    """Conditional coverage (Christoffersen 1998, LR_cc): the chain against independent breaches at the claimed rate.

    Chi-squared with two degrees of freedom. It is conditional on the first period: LR_cc = LR_uc + LR_ind holds
    exactly, LR_uc taken over the second member of every pair. NaN under the same conditions as LR_ind.
    """
    _require_probability(breach_probability)
    pairs = transitions(breaches, observed=observed)
    after_calm, after_breach = _rows(pairs)
    statistic = _bernoulli_ratio(pairs.calm_breach, after_calm, breach_probability) + _bernoulli_ratio(
        pairs.breach_breach, after_breach, breach_probability
    )
    return _ratio(np.where((after_calm > 0) & (after_breach > 0), statistic, np.nan), degrees=2)


def dynamic_quantile(
    breaches: BoolArray,
    forecast: FloatArray,
    breach_probability: float,
    *,
    lags: int = 4,
    observed: BoolArray | None = None,
) -> LikelihoodRatio:
    r"""Can a breach be foretold? (Engle and Manganelli 2004, J. Bus. Econ. Stat. 22(4):367-381, out-of-sample DQ.)

    .. math:: DQ = \frac{h' X (X'X)^{-1} X' h}{p (1 - p)}, \qquad h_t = 1\{loss_t > forecast_t\} - p

    with X = [1, h_{t-1}, ..., h_{t-lags}, forecast_t]; chi-squared with ``lags + 2`` degrees of freedom. ``forecast``
    has the shape of ``breaches`` and must be finite where observed. A row is used where it and its ``lags``
    predecessors are observed. With few breaches the law has too thin a tail: in simulations a nominal 5 % test rejects
    19 % of right models at p = 0.01 and n = 500, 11 % at n = 1000, 7 % at n = 4000;
    :func:`~leverline.measure.simulated_size.simulated_p_value` mends that. NaN where X'X has no
    inverse: a constant forecast, or lagged hits that never move (no breach, or one at the very end).
    """
    _require_probability(breach_probability)
    require(lags >= 1, "lags is at least 1", got=lags)
    hit, seen = _hits(breaches, observed)
    level = np.asarray(forecast, dtype=np.float64)
    require(level.shape == hit.shape, "forecast has the shape of breaches", got=level.shape)
    require(bool(np.all(np.isfinite(level[seen]))), "forecast is finite wherever it is observed")
    columns = (hit, level, seen) if hit.ndim == 2 else (hit[:, None], level[:, None], seen[:, None])
    series = zip(*(column.T for column in columns), strict=True)
    statistic = np.array([_dynamic_quantile_of(h - breach_probability, q, s, lags) for h, q, s in series])
    scaled = statistic / (breach_probability * (1.0 - breach_probability))
    return _ratio(scaled.reshape(hit.shape[1:]), degrees=lags + 2)


def _dynamic_quantile_of(hit: FloatArray, forecast: FloatArray, seen: BoolArray, lags: int) -> float:
    """The form h'X (X'X)^-1 X'h of one series; NaN where the columns of X, each scaled to length one, are dependent."""
    n = hit.size
    if n <= lags:
        return float("nan")
    used = np.logical_and.reduce([seen[lags - j : n - j] for j in range(lags + 1)])
    level = forecast[lags:][used]
    if level.size < lags + 2:
        return float("nan")
    past = [hit[lags - j : n - j][used] for j in range(1, lags + 1)]
    # Centred before scaling: with the intercept the space spanned is the same, and a constant column shows as zero.
    design = np.column_stack([np.ones(level.size), *(_centred(column) for column in [*past, level])])
    length = np.linalg.norm(design, axis=0)
    if np.any(length == 0.0):
        return float("nan")
    unit = design / length
    correlation = unit.T @ unit
    if np.linalg.eigvalsh(correlation)[0] < 1e-9:
        return float("nan")
    projected = unit.T @ hit[lags:][used]
    return float(projected @ np.linalg.solve(correlation, projected))


def _centred(column: FloatArray) -> FloatArray:
    """``column`` less its mean; exactly zero where what remains is rounding."""
    centred = column - column.mean()
    return centred if np.ptp(column) > 1e-12 * np.abs(column).max() else np.zeros_like(centred)


def _at_most(k: IntArray, n: IntArray, p: float) -> FloatArray:
    """P(X <= k) for X ~ Binomial(n, p), 0 <= k <= n, as the complement of a regularised incomplete beta function."""
    return np.where(k >= n, 1.0, special.betaincc(k + 1, np.maximum(n - k, 1), p))


def _at_least(k: IntArray, n: IntArray, p: float) -> FloatArray:
    """P(X >= k) for X ~ Binomial(n, p), k >= 0."""
    inside = special.betainc(np.maximum(k, 1), np.maximum(n - k + 1, 1), p)
    return np.where(k == 0, 1.0, np.where(k > n, 0.0, inside))


def _smallest_count(n: IntArray, holds: Callable[[IntArray], BoolArray]) -> IntArray:
    """The smallest k in 0..n where ``holds`` is true, elementwise, by bisection; ``holds`` is monotone, true at n."""
    low, high = np.zeros_like(n), n.copy()
    while np.any(low < high):
        middle = (low + high) // 2
        reached = holds(middle)
        high = np.where(reached, middle, high)
        low = np.where(reached, low, np.minimum(middle + 1, high))
    return low


def _bernoulli_ratio(hits: IntArray, trials: IntArray, p: npt.ArrayLike) -> FloatArray:
    """Twice the log-likelihood of ``hits`` in ``trials`` at their own rate less that at ``p``; 0 without a trial."""
    misses = trials - hits
    rate = hits / np.maximum(trials, 1)
    chance = np.asarray(p, dtype=np.float64)
    own = special.xlogy(hits, rate) + special.xlog1py(misses, -rate)
    claimed = special.xlogy(hits, chance) + special.xlog1py(misses, -chance)
    return np.asarray(np.maximum(2.0 * (own - claimed), 0.0), dtype=np.float64)


def _rows(pairs: Transitions) -> tuple[IntArray, IntArray]:
    """How often the chain left each state: (from calm, from breach)."""
    return pairs.calm_calm + pairs.calm_breach, pairs.breach_calm + pairs.breach_breach


def _ratio(statistic: FloatArray, *, degrees: int) -> LikelihoodRatio:
    return LikelihoodRatio(statistic, np.asarray(special.chdtrc(degrees, statistic), dtype=np.float64), degrees)


def _hits(breaches: BoolArray, observed: BoolArray | None) -> tuple[BoolArray, BoolArray]:
    """Breaches and the mask of observed rows, both boolean; an unobserved row holds no breach."""
    hit = np.asarray(breaches)
    require(hit.dtype == np.bool_, "breaches are boolean", got=hit.dtype)
    require(hit.ndim in (1, 2), "breaches have shape (n,) or (n, k)", got=hit.shape)
    seen = np.ones_like(hit) if observed is None else np.asarray(observed, dtype=np.bool_)
    require(seen.shape == hit.shape, "observed has the shape of breaches", got=seen.shape)
    return hit & seen, seen


def _counts(breaches: npt.ArrayLike, observations: npt.ArrayLike) -> tuple[IntArray, IntArray]:
    x, n = np.broadcast_arrays(np.asarray(breaches, dtype=np.int64), np.asarray(observations, dtype=np.int64))
    require(bool(np.all((x >= 0) & (x <= n))), "0 <= breaches <= observations")
    return x, n


def _require_probability(p: float) -> None:
    require(0.0 < p < 1.0, "a breach probability per period lies in (0, 1)", got=p)


def _require_confidence(confidence: float) -> None:
    require(0.0 < confidence < 1.0, "confidence lies in (0, 1)", got=confidence)
