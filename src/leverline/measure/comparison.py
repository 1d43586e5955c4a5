"""Which forecast is better, and which cannot be told apart from the best?

Losses are scores of forecasts (:mod:`leverline.measure.scores`), smaller is better. Markets fall together, so scores
of one date are not independent: they are averaged over all series of a date first, and dates, in their order, are what
is tested and resampled. All models must be scored on the same observations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from leverline.ground.arrays import BoolArray, FloatArray
from leverline.ground.errors import require
from leverline.measure.resampling import default_block, resampled_sums


@dataclass(frozen=True, slots=True)
class DieboldMariano:
    """Mean score of the first less the second, its standard error and p-values; NaN where nothing varies.

    ``p_two_sided`` tests equal accuracy, ``p_first_worse`` is small where the first scores worse than the second.
    """

    mean_difference: float
    standard_error: float
    statistic: float
    p_two_sided: float
    p_first_worse: float
    dates: int
    lags: int


@dataclass(frozen=True, slots=True)
class ModelConfidenceSet:
    """Per model (columns of the losses): ``p_values`` (k,), and ``members`` (k,), true where p > 1 - confidence.

    ``eliminated`` names the columns in the order in which they left, worst first; the last one is the best model.
    """

    p_values: FloatArray
    members: BoolArray
    eliminated: tuple[int, ...]
    confidence: float
    block: int


def mean_by_date(losses: FloatArray, dates: npt.ArrayLike) -> tuple[npt.NDArray[np.generic], FloatArray]:
    """Average ``losses``, (n,) or (n, k), over the rows of each date: (distinct dates ascending, means (n_dates[, k])).

    A row in which any model has no score (NaN) is left out for all of them. Every date then weighs the same, however
    many series it has.
    """
    score = np.asarray(losses, dtype=np.float64)
    label = np.asarray(dates)
    require(score.ndim in (1, 2) and label.shape == score.shape[:1], "losses have shape (n,) or (n, k), dates (n,)")
    table = score.reshape(score.shape[0], -1)
    kept = ~np.isnan(table).any(axis=1)
    distinct, row = np.unique(label[kept], return_inverse=True)
    count = np.bincount(row, minlength=distinct.size)
    sums = [np.bincount(row, weights=column, minlength=distinct.size) for column in table[kept].T]
    means = np.stack(sums, axis=1) / count[:, None]
    return distinct, means.reshape(distinct.shape + score.shape[1:])


def newey_west_variance(series: FloatArray, *, lags: int | None = None) -> float:
    r"""Variance of the mean of ``series``, (n,), autocorrelation allowed for (Newey and West 1987).

    .. math:: \frac{1}{n} \left[ \gamma_0 + 2 \sum_{j=1}^{L} \left(1 - \frac{j}{L+1}\right) \gamma_j \right]

    with autocovariances divided by n. ``lags`` defaults to floor(4 (n / 100)^(2/9)) (Newey and West 1994).
    """
    n = series.size
    require(series.ndim == 1 and n >= 2, "a series of at least two values is needed", got=series.shape)
    length = _lags(n) if lags is None else lags
    require(0 <= length < n, "lags lie in 0..n-1", got=length)
    e = series - series.mean()
    autocovariance = np.array([e[j:] @ e[: n - j] for j in range(length + 1)]) / n
    weight = 1.0 - np.arange(1, length + 1) / (length + 1.0)
    return float((autocovariance[0] + 2.0 * weight @ autocovariance[1:]) / n)


def diebold_mariano(first: FloatArray, second: FloatArray, *, lags: int | None = None) -> DieboldMariano:
    """Equal predictive accuracy (Diebold and Mariano 1995, J. Bus. Econ. Stat. 13(3):253-263), Newey-West, normal law.

    ``first`` and ``second`` have shape (dates,), one mean score a date (:func:`mean_by_date`), finite. ``lags`` as in
    :func:`newey_west_variance`. Where the two never differ by a varying amount the test is undefined: NaN.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    require(a.ndim == 1 and a.shape == b.shape, "scores have one shape (dates,)", got=(a.shape, b.shape))
    require(bool(np.all(np.isfinite(a)) and np.all(np.isfinite(b))), "scores are finite", remedy="use mean_by_date")
    difference = a - b
    length = _lags(a.size) if lags is None else lags
    variance = newey_west_variance(difference, lags=length)
    mean = float(difference.mean())
    scale = float(np.abs(a).max(initial=0.0) + np.abs(b).max(initial=0.0))
    if variance <= (1e-14 * scale) ** 2:  # rounding of equal scores is not a difference
        return DieboldMariano(mean, 0.0, float("nan"), float("nan"), float("nan"), a.size, length)
    error = float(np.sqrt(variance))
    statistic = mean / error
    worse = float(special.ndtr(-statistic))
    return DieboldMariano(
        mean, error, statistic, 2.0 * float(special.ndtr(-abs(statistic))), worse, a.size, length
    )


def model_confidence_set(
    losses: FloatArray,
    *,
    rng: np.random.Generator,
    confidence: float = 0.90,
    block: int | None = None,
    draws: int = 2000,
) -> ModelConfidenceSet:
    r"""The models that cannot be told from the best (Hansen, Lunde and Nason 2011, Econometrica 79(2):453-497).

    ``losses`` has shape (dates, k), k >= 2, finite: mean score a date and model (:func:`mean_by_date`). With
    :math:`\bar d_{ij}` the mean difference of two models and its bootstrap standard error, the statistic of a set is

    .. math:: T_R = \max_{i, j} \bar d_{ij} / \widehat{se}(\bar d_{ij})

    (their section 3.1.2; pairwise errors cancel what two models have in common, which is most of it). Its law is taken
    from a circular block bootstrap of whole dates, ``block`` long (default :func:`default_block`), the same draws for
    every pair and step. While more than one model is left, the worse of the pair with the largest statistic leaves; a
    model's p-value is the largest p of the steps until it left, and 1 for the last. The set holds the best model with
    probability ``confidence`` in the limit. Models that never differ tie: they leave last, with p = 1.
    """
    score = np.asarray(losses, dtype=np.float64)
    require(score.ndim == 2 and score.shape[1] >= 2, "losses have shape (dates, k), k >= 2", got=score.shape)
    require(score.shape[0] >= 2, "at least two dates are needed", got=score.shape)
    require(bool(np.all(np.isfinite(score))), "scores are finite", remedy="use mean_by_date")
    require(0.0 < confidence < 1.0, "confidence lies in (0, 1)", got=confidence)
    dates, models = score.shape
    length = default_block(dates) if block is None else block
    centred = score - score.mean(axis=0)
    resampled = resampled_sums(centred, length, draws, rng) / dates
    statistic, null = _pairwise(score.mean(axis=0), resampled)
    left = list(range(models))
    order: list[int] = []
    p_values = np.ones(models)
    p_so_far = 0.0
    while len(left) > 1:
        among = np.ix_(left, left)
        observed = statistic[among]
        worst = left[int(np.unravel_index(np.argmax(observed), observed.shape)[0])]
        law = null[:, left][:, :, left].max(axis=(1, 2))
        p_so_far = max(p_so_far, float(np.mean(law >= observed.max())))
        p_values[worst] = p_so_far
        order.append(worst)
        left.remove(worst)
    order.extend(left)
    return ModelConfidenceSet(p_values, p_values > 1.0 - confidence, tuple(order), confidence, length)


def _pairwise(means: FloatArray, resampled: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Differences over bootstrap standard errors: observed (k, k) and under the null (draws, k, k); 0 between ties."""
    difference = resampled[:, :, None] - resampled[:, None, :]
    error = np.sqrt(np.mean(difference**2, axis=0))
    observed = means[:, None] - means[None, :]
    tied = error <= 1e-14 * np.abs(means).max()
    error = np.where(tied, 1.0, error)
    return np.where(tied, 0.0, observed) / error, np.where(tied, 0.0, difference) / error


def _lags(n: int) -> int:
    return min(int(4.0 * (n / 100.0) ** (2.0 / 9.0)), n - 1)
