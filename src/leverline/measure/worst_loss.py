r"""Is the worst loss as bad as the model says a worst loss should be?

Counting breaches asks one question of one quantile; two models can both pass it and still ask for margins far apart.
Houllier and Murphy (2017, "Borderline", SSRN 3031790) therefore put the *worst loss over the margin period of risk* to
the test: the model's own predictive law of that worst loss gives the observed one a probability, and the probabilities
must be those of a uniform variable. What is implemented here is that idea in three exact forms; the paper's choice of
filters and its own statistic of fit are not reproduced.

All start from probability integral transforms, ``pit``: u_t = F_t(loss_t), the predictive distribution function at the
loss that came, loss positive, so that u near 1 is a bad surprise. Under the null (F_t is the law of loss_t given what
was known before) the u_t are independent and uniform on (0, 1) (Rosenblatt 1952; Diebold, Gunther and Tay 1998), when
the windows do not overlap. A model that knows only its tail gives u_t exactly above a threshold and any smaller value
below. NaN rows are gaps and are dropped. All shapes are (n,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import require


@dataclass(frozen=True, slots=True)
class WorstLoss:
    """The largest transform in ``observations`` periods and its place in the null's law.

    ``p_too_severe`` = P(max >= observed): small where a loss came that the model called all but impossible.
    ``p_too_mild`` = P(max <= observed): small where the model feared far worse than ever came.
    ``p_two_sided`` = min(1, twice the smaller). All NaN without observations.
    """

    worst_pit: float
    observations: int
    p_too_severe: float
    p_too_mild: float
    p_two_sided: float


@dataclass(frozen=True, slots=True)
class TailSeverity:
    """How deep the losses beyond the threshold went; ``mean_exponent`` is 1 under the null, larger is deeper."""

    beyond: int
    mean_exponent: float
    p_too_severe: float
    p_two_sided: float


@dataclass(frozen=True, slots=True)
class PeriodFit:
    """Distance of the worst losses per margin period from the uniform law (Kolmogorov-Smirnov).

    ``distance`` is the larger of both one-sided distances; ``p_too_severe`` is exact and one-sided (too much mass high
    up), ``p_two_sided`` is the usual bound min(1, 2 x smaller one-sided p), on the safe side by very little.
    """

    periods: int
    distance: float
    p_too_severe: float
    p_two_sided: float


def worst_loss(pit: FloatArray) -> WorstLoss:
    """Exact test of the largest transform: the maximum of n independent uniforms is Beta(n, 1), P(max <= u) = u^n.

    It looks at one number, so it has power against a tail that is too thin by orders of magnitude and against little
    else; see :func:`tail_severity` for all losses beyond a threshold.
    """
    u = _transforms(pit)
    if u.size == 0:
        return WorstLoss(float("nan"), 0, float("nan"), float("nan"), float("nan"))
    worst = float(u.max())
    log_mild = u.size * np.log(worst) if worst > 0.0 else -np.inf
    mild, severe = float(np.exp(log_mild)), float(-np.expm1(log_mild))
    return WorstLoss(worst, int(u.size), severe, mild, min(1.0, 2.0 * min(mild, severe)))


def tail_severity(pit: FloatArray, *, threshold: float) -> TailSeverity:
    r"""Exact test of the depth of every loss beyond ``threshold``, a probability such as 0.99, given their number.

    Beyond the threshold c the exponent e_t = -ln((1 - u_t) / (1 - c)) is standard exponential under the null, so the
    sum of k of them is Gamma(k, 1) whatever k is: the test says nothing twice that a count of breaches said before.
    With none beyond the threshold the result is NaN. A transform of exactly 1 has an infinite exponent: the model
    called the loss impossible and p is 0.
    """
    require(0.0 <= threshold < 1.0, "threshold is a probability in [0, 1)", got=threshold)
    u = _transforms(pit)
    beyond = u[u > threshold]
    k = int(beyond.size)
    if k == 0:
        return TailSeverity(0, float("nan"), float("nan"), float("nan"))
    if np.any(beyond == 1.0):
        return TailSeverity(k, float("inf"), 0.0, 0.0)
    total = float(-np.sum(np.log1p(-beyond) - np.log1p(-threshold)))
    severe, mild = float(special.gammaincc(k, total)), float(special.gammainc(k, total))
    return TailSeverity(k, total / k, severe, min(1.0, 2.0 * min(severe, mild)))


def worst_per_period(pit: FloatArray, *, steps: int) -> FloatArray:
    """The transform of the worst step in each margin period of ``steps`` consecutive steps, shape (n // steps,).

    The largest of m independent uniforms raised to the power m is uniform again. A period with a gap in it is dropped,
    and so is the unfinished one at the end. Where the forecast is already of the worst price over the whole period,
    its transform needs no such step (``steps`` = 1).
    """
    require(steps >= 1, "a margin period has at least one step", got=steps)
    u = np.asarray(pit, dtype=np.float64)
    require(u.ndim == 1, "pit has shape (n,)", got=u.shape)
    whole = u[: u.size // steps * steps].reshape(-1, steps)
    return np.asarray(_transforms(np.max(whole, axis=1, initial=-np.inf)[~np.isnan(whole).any(axis=1)]) ** steps)


def worst_loss_fit(pit: FloatArray, *, threshold: float = 0.0) -> PeriodFit:
    """Are the transforms of the worst losses, one per margin period, uniform beyond ``threshold``?

    Kolmogorov-Smirnov against the uniform law on (threshold, 1), given how many lie there: with a threshold of 0 the
    whole law is tested, with one at the forecast quantile only the tail that a margin model must know. One-sided
    p-values by the exact law of Smirnov (Birnbaum and Tingey 1951). NaN without a transform beyond the threshold.
    """
    require(0.0 <= threshold < 1.0, "threshold is a probability in [0, 1)", got=threshold)
    u = _transforms(pit)
    place = np.sort((u[u > threshold] - threshold) / (1.0 - threshold))
    k = int(place.size)
    if k == 0:
        return PeriodFit(0, float("nan"), float("nan"), float("nan"))
    steps = np.arange(k + 1) / k
    severe = float(np.max(place - steps[:-1]))  # the law's line above the sample's stairs: mass sits too high
    mild = float(np.max(steps[1:] - place))
    p_severe, p_mild = (float(special.smirnov(k, max(d, 0.0))) for d in (severe, mild))
    return PeriodFit(k, max(severe, mild), p_severe, min(1.0, 2.0 * min(p_severe, p_mild)))


def _transforms(pit: FloatArray) -> FloatArray:
    """``pit`` without its gaps, each in [0, 1]."""
    u = np.asarray(pit, dtype=np.float64)
    require(u.ndim == 1, "pit has shape (n,)", got=u.shape)
    known = u[~np.isnan(u)]
    require(bool(np.all((known >= 0.0) & (known <= 1.0))), "a probability integral transform lies in [0, 1]")
    return known
