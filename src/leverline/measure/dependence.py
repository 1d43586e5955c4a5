r"""Do markets fall together? Correlation under stress, rank correlation and tail dependence of many pairs at once.

Returns have shape (n_dates, n_assets), NaN where there is none; every pair uses the rows both have. Matrices have
shape (n_assets, n_assets). Intervals come from resampled blocks of consecutive dates
(:mod:`leverline.measure.resampling`), since the days on which everything falls come in clusters.

Which rows count as stress decides what is measured. Correlation over days chosen by how far *these* returns moved is
high even where dependence never changed (Boyer, Gibson and Loretan 1999; Forbes and Rigobon 2002): choose by a
volatility known before the day opened (``VolatilityRegime``), or by named windows. :func:`falling_days` chooses by the
outcome, for the loss a portfolio shares on such days, and is no evidence that correlation rises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.errors import InsufficientDataError, require
from leverline.measure._dependence_kernels import joint_tails, kendall_kernel, spearman_kernel
from leverline.measure.resampling import date_weights, default_block

_MAX_CELLS = 500_000_000  # of what a bootstrap holds at once: 4 GB


@dataclass(frozen=True, slots=True)
class Dependence:
    """One measure of every pair: estimate, interval, rows; NaN where a pair has too few. The diagonal is 1."""

    estimate: FloatArray
    low: FloatArray
    high: FloatArray
    observations: IntArray
    confidence: float


@dataclass(frozen=True, slots=True)
class TailDependence:
    r"""Tail dependence of every pair at threshold k: ``lower`` of joint falls, ``upper`` of joint rises.

    ``k`` (n_assets, n_assets) is how many rows form a tail; ``lower_at_half``, ``upper_at_half``, ``lower_at_double``,
    ``upper_at_double`` are the estimates at half and twice that, so that the choice can be judged: they should agree
    within the interval where the limit is near, and fall towards smaller k where there is none.
    """

    lower: Dependence
    upper: Dependence
    k: IntArray
    lower_at_half: FloatArray
    lower_at_double: FloatArray
    upper_at_half: FloatArray
    upper_at_double: FloatArray


def correlation(returns: FloatArray, *, minimum: int = 30) -> FloatArray:
    """Pearson's correlation over the rows both have; NaN below ``minimum`` rows or without variance."""
    centred = _centred(returns)
    matrix = _correlation(centred, np.isfinite(returns).astype(np.float64), np.ones(len(returns)))
    return np.where(_joint_rows(returns) >= minimum, matrix, np.nan)


def spearman_correlation(returns: FloatArray, *, minimum: int = 30) -> FloatArray:
    """Spearman's rank correlation with average ranks for ties; ranks are of the rows both have."""
    table = _series(returns)
    out = np.empty((table.shape[0],) * 2)
    spearman_kernel(table, *_sorted(table), minimum, out)
    return out


def kendall_tau(returns: FloatArray, *, minimum: int = 30) -> FloatArray:
    r"""Kendall's :math:`\tau_b` (1945) of every pair over the rows both have.

    Concordant less discordant pairs of dates, over the geometric mean of those that are not tied in one and in the
    other. For elliptical laws :math:`\rho = \sin(\pi \tau / 2)`, which no single crash day can move: see
    :func:`correlation_of_tau`.
    """
    table = _series(returns)
    out = np.empty((table.shape[0],) * 2)
    ranks = np.array([np.unique(series, return_inverse=True)[1] + 1 for series in table], np.int64)
    kendall_kernel(table, *_sorted(table), ranks, minimum, out)
    return out


def correlation_of_tau(tau: FloatArray) -> FloatArray:
    """Correlation of an elliptical law from Kendall's ``tau``, ``sin(pi tau / 2)`` (Lindskog, McNeil, Schmock 2003)."""
    return np.asarray(np.sin(0.5 * np.pi * tau), np.float64)


def falling_days(returns: FloatArray, share: float = 0.1) -> BoolArray:
    """The ``share`` of dates with the lowest median return across assets, (n_dates,): days everybody lost."""
    _refuse_shape(returns)
    require(0.0 < share < 1.0, "share lies in (0, 1)", got=share)
    known = np.isfinite(returns).any(axis=1)
    median = np.full(len(returns), np.inf)
    median[known] = np.nanmedian(returns[known], axis=1)
    out = np.zeros(len(returns), bool)
    out[np.argsort(median, kind="stable")[: int(np.ceil(share * np.count_nonzero(known)))]] = True
    return out


def stressed_correlation(
    returns: FloatArray,
    stressed: BoolArray,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
    minimum: int = 30,
    block: int | None = None,
    draws: int = 500,
) -> Dependence:
    """Pearson's correlation over the ``stressed`` dates, (n_dates,), with percentile intervals by date blocks.

    Blocks (default :func:`default_block`) are drawn from the whole calendar, so that how many days of stress there are
    is as uncertain as it is. A pair with fewer than ``minimum`` stressed rows is NaN. In simulations with 150 stressed
    days of 1,500 a 95 % interval held the truth 92 % of the time.
    """
    _refuse_shape(returns)
    require(stressed.shape == returns.shape[:1], "stressed has one value a date", got=stressed.shape)
    require(0.0 < confidence < 1.0, "confidence lies in (0, 1)", got=confidence)
    n, k = returns.shape
    if draws * k * k > _MAX_CELLS:
        raise InsufficientDataError(f"{k} assets x {draws} draws do not fit", remedy="take fewer of either")
    subset = np.where(np.isfinite(returns[stressed]), returns[stressed], np.nan)
    rows = _joint_rows(subset)
    if not bool(np.any(rows[~np.eye(k, dtype=bool)] >= minimum)):
        raise InsufficientDataError(f"no pair has {minimum} stressed dates", remedy="mark more dates as stressed")
    centred, seen = _centred(subset), np.isfinite(subset).astype(np.float64)
    weights = date_weights(n, default_block(n) if block is None else block, draws, rng)[:, stressed].astype(np.float64)
    resampled = np.array([_correlation(centred, seen, w) for w in weights])
    tail = (1.0 - confidence) / 2.0
    low, high = np.nanquantile(np.where(rows >= minimum, resampled, 0.0), [tail, 1.0 - tail], axis=0)
    enough = rows >= minimum
    return Dependence(np.where(enough, _correlation(centred, seen, np.ones(len(subset))), np.nan),
                      np.where(enough, low, np.nan), np.where(enough, high, np.nan), rows, confidence)


def tail_dependence(
    returns: FloatArray,
    *,
    rng: np.random.Generator,
    share: float | None = None,
    confidence: float = 0.95,
    minimum: int = 100,
    block: int | None = None,
    draws: int = 500,
) -> TailDependence:
    r"""Empirical tail dependence of every pair, lower and upper, with intervals.

    .. math:: \hat\lambda_L(k) = \frac1k \sum_t 1\{R_{x,t} \le k,\ R_{y,t} \le k\}

    with ranks over the rows both have (Schmidt and Stadtmüller 2006, eq. 8). ``share`` of those rows forms a tail; by
    default :math:`k = \lceil\sqrt n\,\rceil`, which grows while its share of the data falls, as consistency asks.
    The estimate is of dependence *at that depth*: the Gaussian law has none in the limit and 0.2 to 0.4 at a twentieth
    of the data (correlation 0.5 to 0.7), so look at half and double k too, and at :func:`tail_dependence_curve`.

    Intervals are Wilson's (1927) for k trials, fewer where dates cluster: the bootstrap by date blocks gives the
    variance of the share with the thresholds held, and ``k lambda (1 - lambda)`` over it the number of independent
    trials (Kish 1965), never more than k. Wilson's form keeps coverage where few joint days were seen, or none.
    In simulations of 1,600 independent days a 95 % interval held the truth at that depth 97 % of the time for t(3) with
    correlation 0.5, 99 % for Clayton's law (lambda 0.7) and 92 % for independent series.
    """
    _refuse_shape(returns)
    require(share is None or 0.0 < share < 0.5, "share lies in (0, 0.5)", got=share)
    require(0.0 < confidence < 1.0, "confidence lies in (0, 1)", got=confidence)
    n = len(returns)
    if draws * n > _MAX_CELLS:
        raise InsufficientDataError(f"{n} rows x {draws} draws do not fit", remedy="take daily bars or fewer draws")
    rows = _joint_rows(returns)
    wanted = np.sqrt(rows) if share is None else share * rows
    k = np.where(rows >= minimum, np.maximum(np.ceil(wanted - 1e-9), 1), 0).astype(np.int64)
    weights = date_weights(n, default_block(n) if block is None else block, draws, rng).astype(np.float64)
    none = np.empty((0, n))
    half, double = np.where(k > 0, np.maximum(k // 2, 1), 0), np.minimum(2 * k, rows)
    found: dict[str, tuple[Dependence, FloatArray, FloatArray]] = {}
    for side, sign in (("lower", 1.0), ("upper", -1.0)):
        table = _series(sign * returns)
        joint, variance = _tails(table, k, weights)
        found[side] = (_wilson(joint, k, variance, rows, confidence), _share(_tails(table, half, none)[0], half),
                       _share(_tails(table, double, none)[0], double))
    (lower, lower_half, lower_double), (upper, upper_half, upper_double) = found["lower"], found["upper"]
    return TailDependence(lower, upper, k, lower_half, lower_double, upper_half, upper_double)


def tail_dependence_curve(
    first: FloatArray, second: FloatArray, side: Literal["lower", "upper"] = "lower"
) -> FloatArray:
    """The estimate at every k from 1 to half the joint rows, (n // 2,): a plateau is where to read it.

    ``first`` and ``second`` have shape (n_dates,); ties are ranked in the order of dates.
    """
    require(first.shape == second.shape and first.ndim == 1, "both have shape (n_dates,)")
    known = np.isfinite(first) & np.isfinite(second)
    sign = 1.0 if side == "lower" else -1.0
    ranks = [np.argsort(np.argsort(sign * column[known], kind="stable")) for column in (first, second)]
    deeper = np.maximum(*ranks)
    depth = np.arange(1, int(np.count_nonzero(known)) // 2 + 1)
    return np.asarray(np.searchsorted(np.sort(deeper), depth, side="left") / depth, np.float64)


def _tails(table: FloatArray, k: IntArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Joint counts and resampled variances of the lower tails of ``table`` (n_assets, n)."""
    total, variance = np.full(k.shape, np.nan), np.full(k.shape, np.nan)
    joint_tails(table, *_sorted(table), k, weights, total, np.zeros(table.shape[1]), variance)
    return total, variance


def _share(joint: FloatArray, k: IntArray) -> FloatArray:
    out = np.where(k > 0, joint / np.maximum(k, 1), np.nan)
    np.fill_diagonal(out, 1.0)
    return out


def _wilson(joint: FloatArray, k: IntArray, variance: FloatArray, rows: IntArray, confidence: float) -> Dependence:
    share = _share(joint, k)
    trials = np.maximum(k, 1).astype(np.float64)
    single = share * (1.0 - share)
    with np.errstate(invalid="ignore", divide="ignore"):
        clustered = np.where((single > 0) & (variance > 0), single / variance, trials)
    effective = np.clip(clustered, 1.0, trials)
    z = float(ndtri(0.5 + confidence / 2.0))
    centre = (share + z**2 / (2.0 * effective)) / (1.0 + z**2 / effective)
    half = z / (1.0 + z**2 / effective) * np.sqrt(single / effective + z**2 / (4.0 * effective**2))
    low, high = np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)
    np.fill_diagonal(low, 1.0)
    np.fill_diagonal(high, 1.0)
    return Dependence(share, low, high, rows, confidence)


def _correlation(centred: FloatArray, seen: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted correlation of every pair over joint rows; ``centred`` (n, k) is 0 where ``seen`` is."""
    weighted = centred * weights[:, None]
    count = (seen * weights[:, None]).T @ seen
    total = weighted.T @ seen  # [a, b]: sum of a over the rows b has
    square = (weighted * centred).T @ seen
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = square / count - (total / count) ** 2
        product = (weighted.T @ centred) / count - total * total.T / count**2
        scale = np.sqrt(np.maximum(spread, 0.0) * np.maximum(spread.T, 0.0))
        out = np.where(scale > 0, product / scale, np.nan)
    return np.asarray(np.clip(out, -1.0, 1.0), np.float64)


def _centred(returns: FloatArray) -> FloatArray:
    """Returns less their column's mean, 0 where there is none."""
    _refuse_shape(returns)
    seen = np.isfinite(returns)
    mean = np.where(seen, returns, 0.0).sum(axis=0) / np.maximum(np.count_nonzero(seen, axis=0), 1)
    return np.where(seen, returns - mean, 0.0)


def _series(returns: FloatArray) -> FloatArray:
    """One row a series, contiguous, as the kernels walk them."""
    _refuse_shape(returns)
    return np.ascontiguousarray(returns.T, np.float64)


def _sorted(table: FloatArray) -> tuple[IntArray, IntArray]:
    """Per series its rows smallest first, NaN last, and how many are known."""
    return np.argsort(table, axis=1, kind="stable"), np.count_nonzero(np.isfinite(table), axis=1)


def _joint_rows(returns: FloatArray) -> IntArray:
    seen = np.isfinite(returns).astype(np.float64)
    return np.rint(seen.T @ seen).astype(np.int64)


def _refuse_shape(returns: FloatArray) -> None:
    require(returns.ndim == 2, "returns have shape (n_dates, n_assets)", got=returns.shape)
    require(not bool(np.isinf(returns).any()), "returns are finite, or NaN where there is none")
