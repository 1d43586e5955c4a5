r"""Realised coverage feeds back on the margin: a factor that breaches raise and calm lets fall, clipped.

With :math:`b_t` the share of margins that were breached in step ``t``, :math:`p` the nominal share and gain :math:`g`,

.. math:: c_{t+1} = \mathrm{clip}\bigl(c_t\, e^{g (b_t - p)},\ \underline c,\ \overline c\bigr).

The step is that of adaptive conformal inference (Gibbs, Candès 2021, eq. 2), taken on the logarithm of the margin
instead of the level of the quantile: a level near 0 or 1 asks for a margin that no data supports, a factor does not.

Summed over ``T`` steps, with :math:`U_T` what the upper clip cut off the logarithm and :math:`L_T` what the lower one
added,

.. math:: \bar b_T - p = \frac{\ln (c_T / c_0) + U_T - L_T}{g\, T},

an identity, whatever the losses and however wrong the model. Where the clip does not bind, realised coverage is
therefore nominal to within :math:`\ln(\overline c / \underline c) / (g T)`; where it binds, the amount cut is the miss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from leverline.calibrate.publishing import steadied
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import UsageError, require
from leverline.market.bars import Panel
from leverline.measure.loss_models import LossModel, walk_forward
from leverline.measure.losses import payoffs_of, worst_losses
from leverline.model.appetite import SECONDS_PER_DAY, RiskAppetite
from leverline.model.appetite_line import FeedbackAppetite
from leverline.model.limitbook import Basis, Explanation, pointer


def unclipped_factor(factor: ArrayLike, breached: ArrayLike, nominal: float, gain: float) -> FloatArray:
    """The factor after one step before it is clipped; arguments as of :func:`next_factor`."""
    held, seen = np.asarray(factor, dtype=np.float64), np.asarray(breached, dtype=np.float64)
    require(bool(np.all(held > 0)), "a factor on margins is positive")
    require(bool(np.all(np.isnan(seen) | ((seen >= 0) & (seen <= 1)))), "a breach is a share in [0, 1], or NaN")
    require(0.0 < nominal < 1.0, "the nominal breach share lies in (0, 1)", got=nominal)
    return np.asarray(np.where(np.isnan(seen), held, held * np.exp(gain * (seen - nominal))))


def next_factor(factor: ArrayLike, breached: ArrayLike, nominal: float, appetite: FeedbackAppetite) -> FloatArray:
    """Factor on margins after one step, by broadcasting.

    Parameters
    ----------
    factor : array_like
        In force during the step.
    breached : array_like
        Whether (or in what share of markets) losses passed the margin, in [0, 1]. NaN, nothing was observed, leaves the
        factor: a halt is not a calm day.
    nominal : float
        Allowed breach probability a step, in (0, 1).
    """
    return np.asarray(np.clip(unclipped_factor(factor, breached, nominal, appetite.gain),
                              appetite.lowest, appetite.highest))


@dataclass(frozen=True, slots=True)
class FeedbackPath:
    """The factor through time, and what became of coverage under it. Columns are factors, one or several.

    Attributes
    ----------
    factor : ndarray of shape (n_steps + 1, k)
        Row ``t`` was in force in step ``t``; the last row is the factor to go on with.
    breached : ndarray of shape (n_steps, k)
        Share of margins breached, NaN where nothing was observed.
    cut_above, cut_below : ndarray of shape (k,)
        What the clip took off the logarithm of the factor at its upper end, and put on at its lower one.
    clipped_share : ndarray of shape (k,)
        Share of observed steps at which the clip bound.
    miss_from_clip : ndarray of shape (k,)
        Breach share beyond nominal (below it, where negative) that is owed to the clip.
    """

    factor: FloatArray
    breached: FloatArray
    cut_above: FloatArray
    cut_below: FloatArray
    clipped_share: FloatArray
    miss_from_clip: FloatArray

    @property
    def breach_share(self) -> FloatArray:
        """Mean of ``breached`` over what was observed, (k,); NaN without any."""
        seen = np.isfinite(self.breached)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(seen, self.breached, 0.0).sum(axis=0) / seen.sum(axis=0))


def feed_back(losses: FloatArray, margins: FloatArray, nominal: float, appetite: FeedbackAppetite, *,
              together: bool = False, known_after: int = 1) -> FeedbackPath:
    """Walk the factor over ``losses`` against ``margins`` of a model, both (n_steps, n) in order of time.

    A loss strictly above factor times margin is a breach; NaN in either is no observation. ``together`` moves one
    factor by the share of breached columns, else each column has its own. A breach of step ``t`` moves the factor that
    is in force from step ``t + known_after`` on: a loss over five bars is known five bars later.
    """
    losses, margins = np.asarray(losses, dtype=np.float64), np.asarray(margins, dtype=np.float64)
    require(losses.ndim == 2 and losses.shape == margins.shape, "losses and margins have one shape (n_steps, n)",
            got=(losses.shape, margins.shape))
    require(known_after >= 1, "a loss is known after it happened", got=known_after)
    n_steps, n = losses.shape
    k = 1 if together else n
    factor = np.ones((n_steps + 1, k))
    factor[0] = np.clip(1.0, appetite.lowest, appetite.highest)
    breached = np.full((n_steps, k), np.nan)
    above, below, clipped = np.zeros(k), np.zeros(k), np.zeros(k)
    for t in range(n_steps):
        seen = np.isfinite(losses[t]) & np.isfinite(margins[t])
        hit = np.where(seen, losses[t] > factor[t] * margins[t], np.nan)
        breached[t] = (np.nanmean(hit) if seen.any() else np.nan) if together else hit
        news = breached[t + 1 - known_after] if t + 1 >= known_after else np.full(k, np.nan)
        free = unclipped_factor(factor[t], news, nominal, appetite.gain)
        factor[t + 1] = next_factor(factor[t], news, nominal, appetite)
        cut = np.log(free / factor[t + 1])
        above += np.maximum(cut, 0.0)
        below -= np.minimum(cut, 0.0)
        clipped += np.abs(cut) > 0.0
    observed = np.maximum(np.isfinite(breached).sum(axis=0), 1)
    miss = (above - below) / (appetite.gain * observed) if appetite.gain else np.full(k, np.nan)
    return FeedbackPath(factor, breached, above, below, clipped / observed, miss)


@dataclass(frozen=True, slots=True)
class ConfidenceAdjustment:
    """Factor on loss quantiles from a venue's own realised coverage, and why it stands there."""

    factor: float
    nominal: float  # breach probability a step
    path: FeedbackPath
    explanations: dict[str, Explanation]
    warnings: tuple[str, ...]


TOLERATED_MISS = 0.5
"""Breach share owed to the upper clip, over nominal, beyond which the model is at fault and not its confidence."""


def confidence_adjustment(panel: Panel, model: LossModel, appetite: RiskAppetite) -> ConfidenceAdjustment:
    """The factor that coverage over all of ``panel`` asks for, one for all markets and both sides.

    The model is walked forward over windows of a bar or of the fixed margin period, whichever is longer; a day is
    breached where one of its windows is. Its bare quantiles are scored: what rounding, floors and the larger side add
    is decided, not misjudged, and is not taken back.

    Raises
    ------
    UsageError
        The appetite has no section ``feedback``.
    """
    if appetite.feedback is None:
        raise UsageError("the appetite has no section [feedback]", remedy="add one, or calibrate without it")
    period = appetite.margin_period
    bars = max(1, round((period.detection_s + period.oracle_delay_s) / panel.spacing_s))
    step = max(bars, round(SECONDS_PER_DAY / panel.spacing_s))
    losses = worst_losses(panel, bars, payoffs_of(panel))
    refits = np.arange(0, panel.ts.size, step, dtype=np.int64)
    forecast = walk_forward(panel, losses, model, refits,
                            (appetite.confidence.exceedance_per_margin_period(bars * panel.spacing_s),))
    margins = steadied(forecast, panel, losses, appetite.anti_procyclicality)[..., 0].reshape(refits.size, -1)
    opened = losses.loss if bars < step else losses.loss[refits]  # windows longer than a day are not let overlap
    worst = _worst_of_steps(opened.reshape(opened.shape[0], -1), step if bars < step else 1)
    nominal = appetite.confidence.exceedance_per_margin_period(step * panel.spacing_s)
    return _explained(feed_back(worst, margins, nominal, appetite.feedback, together=True), nominal, appetite.feedback)


def _worst_of_steps(losses: FloatArray, rows: int) -> FloatArray:
    """Largest of every ``rows`` rows of ``losses`` (n, k), NaN where there is none: a step is breached once."""
    short = -losses.shape[0] % rows
    padded = np.concatenate([losses, np.full((short, losses.shape[1]), np.nan)])
    return np.asarray(np.fmax.reduce(padded.reshape(-1, rows, losses.shape[1]), axis=1))


def _explained(path: FeedbackPath, nominal: float, appetite: FeedbackAppetite) -> ConfidenceAdjustment:
    """The last factor with its reason; without an observation it is 1, and says so."""
    at, steps = pointer("venue", "confidence_adjustment"), int(np.isfinite(path.breached).sum())
    if not steps:
        reason = Explanation(binding="no coverage was observed yet", basis=Basis.DEFAULTED)
        return ConfidenceAdjustment(float(path.factor[-1, 0]), nominal, path, {at: reason}, ())
    factor, realised, clipped = float(path.factor[-1, 0]), float(path.breach_share[0]), float(path.clipped_share[0])
    binding = (f"{100 * realised:.3g} % of margins breached over {steps} steps under it, {100 * nominal:.3g} % "
               f"allowed; clipped in {100 * clipped:.3g} % of them")
    one_more = float(next_factor(factor, 1.0, nominal, appetite)) / factor - 1.0
    calm = float(next_factor(factor, 0.0, nominal, appetite)) / factor - 1.0
    explanation = Explanation(binding=binding, basis=Basis.MEASURED, sensitivity={
        "one more step in which every margin is breached": round(one_more, 6),
        "one more step without a breach": round(calm, 6)})
    missed = float(path.miss_from_clip[0])
    warnings = () if not missed > TOLERATED_MISS * nominal else (
        f"the confidence adjustment met its clip of {appetite.highest:g}, and {100 * missed:.3g} % of margins were "
        "breached beyond nominal for that: the loss model is to be replaced, not scaled",)
    return ConfidenceAdjustment(factor, nominal, path, {at: explanation}, warnings)
