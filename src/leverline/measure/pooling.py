r"""Partial pooling: what peers say of a market that has hardly spoken itself, and how far to believe either.

A quantity of a market (the logarithm of a tail quantile, say) is taken to be drawn around a regression on what is known
of the market at once, its features:

.. math:: y_j = \mu + z_j' b + u_j, \qquad u_j \sim N(0, \tau^2), \qquad b \sim N(0, \tau^2 / \lambda)

with standardised features :math:`z`. :math:`\tau^2` and :math:`\lambda` are those of the largest marginal likelihood
(empirical Bayes; Lindley and Smith 1972, J. R. Statist. Soc. B 34:1-41; MacKay 1992, Neural Computation 4:415-447), so
that features which explain nothing shrink to the peers' plain mean. A market's own estimate is then weighed against
the prediction by the precision of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, require
from leverline.measure.estimator import Estimator

_RIDGES: FloatArray = np.geomspace(1e-2, 1e5, 36)
"""Values of lambda that are tried; the last is no regression at all for any number of peers met here."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What peers say: ``mean`` and ``variance`` of shape (n, n_targets), the spread across peers included."""

    mean: FloatArray
    variance: FloatArray


class PooledRegression(Estimator):
    r"""Regression of peers' quantities on their features, shrunk by empirical Bayes, with a predictive variance.

    A missing feature (NaN) stands at the peers' mean and widens the prediction by what it could have said. A feature
    outside the peers' range is taken at the end of that range, nothing is extrapolated, and widens the prediction by
    what the slope would have made of the rest, at most as much as if it were missing.

    Parameters
    ----------
    minimum_peers : int, default=5
        Fewer are refused.

    Attributes
    ----------
    mean_ : ndarray of shape (n_targets,)
    coefficient_ : ndarray of shape (n_features, n_targets)
        Per feature as given, not standardised.
    spread_ : ndarray of shape (n_targets,)
        :math:`\tau`, the standard deviation across peers that features leave unexplained.
    ridge_ : ndarray of shape (n_targets,)
        :math:`\lambda`.
    n_peers_ : int
    """

    def __init__(self, *, minimum_peers: int = 5) -> None:
        self.minimum_peers = minimum_peers

    def fit(self, targets: FloatArray, features: FloatArray) -> Self:
        """Fit ``targets`` (n_peers, n_targets), finite, on ``features`` (n_peers, n_features), NaN where unknown."""
        require(self.minimum_peers >= 2, "minimum_peers is at least 2", got=self.minimum_peers)
        require(targets.ndim == 2 and features.ndim == 2 and targets.shape[0] == features.shape[0],
                "targets and features have one row a peer", got=(targets.shape, features.shape))
        require(bool(np.isfinite(targets).all()), "targets are finite")
        n = targets.shape[0]
        if n < self.minimum_peers:
            raise InsufficientDataError(f"{n} peers are known, {self.minimum_peers} are needed",
                                        remedy="give more markets with a long history")
        self._describe(features)
        z = self._standardised(features)
        self.mean_ = targets.mean(axis=0)
        left, size, right = np.linalg.svd(z, full_matrices=False) if z.shape[1] else _no_features(n)
        rotated = left.T @ (targets - self.mean_)
        outside = ((targets - self.mean_) ** 2).sum(axis=0) - (rotated**2).sum(axis=0)
        shrunk = 1.0 / (1.0 + size[:, None] ** 2 / _RIDGES)  # (rank, n_ridges)
        square = np.maximum(outside, 0.0)[:, None] + (rotated**2).T @ shrunk  # (n_targets, n_ridges)
        evidence = 0.5 * np.log(shrunk).sum(axis=0) - 0.5 * (n - 1) * np.log(np.maximum(square, 1e-300))
        best = evidence.argmax(axis=1)
        self.ridge_ = _RIDGES[best]
        self.spread_ = np.sqrt(np.take_along_axis(square, best[:, None], axis=1)[:, 0] / (n - 1))
        gain = size[:, None] / (size[:, None] ** 2 + self.ridge_)
        self._standard_coefficient = right.T @ (gain * rotated)
        self.coefficient_ = self._standard_coefficient / self._scale[:, None]
        self._size, self._right, self.n_peers_ = size, right, n
        return self

    def predict(self, features: FloatArray) -> Prediction:
        """Mean and predictive variance for markets with ``features`` (n, n_features), NaN where unknown."""
        require(features.ndim == 2 and features.shape[1] == self._centre.size,
                "features have the columns of the fit", got=features.shape)
        z = self._standardised(features)
        along = (z @ self._right.T) ** 2  # (n, rank)
        reach = along @ (1.0 / (self._size[:, None] ** 2 + self.ridge_))
        beyond = np.maximum((z**2).sum(axis=1) - along.sum(axis=1), 0.0)[:, None] / self.ridge_
        unknown = self._outside(features) ** 2 @ self._standard_coefficient**2
        variance = self.spread_**2 * (1.0 + 1.0 / self.n_peers_ + reach + beyond) + unknown
        return Prediction(self.mean_ + z @ self._standard_coefficient, variance)

    def _describe(self, features: FloatArray) -> None:
        """Centre, scale and range of each feature; one that nobody has, or that is the same for all, says nothing."""
        k = features.shape[1]
        self._centre, self._scale = np.zeros(k), np.ones(k)
        self._low, self._high = np.zeros(k), np.zeros(k)
        for column in range(k):
            seen = features[np.isfinite(features[:, column]), column]
            if seen.size:
                spread = float(seen.std())
                self._centre[column], self._scale[column] = seen.mean(), spread if spread > 0 else 1.0
                self._low[column], self._high[column] = seen.min(), seen.max()

    def _outside(self, features: FloatArray) -> FloatArray:
        """How far each feature lies outside the peers' range, in their standard deviations, at most 1; 1 if missing."""
        past = np.abs(features - np.clip(features, self._low, self._high)) / self._scale
        return np.where(np.isfinite(features), np.minimum(past, 1.0), 1.0)

    def _standardised(self, features: FloatArray) -> FloatArray:
        inside = np.clip(features, self._low, self._high)
        return np.where(np.isfinite(features), (inside - self._centre) / self._scale, 0.0)


@dataclass(frozen=True, slots=True)
class Posterior:
    """An own estimate and a prediction put together: mean, variance, and the share of the own estimate in the mean."""

    mean: FloatArray
    variance: FloatArray
    own_weight: FloatArray


def shrink(
    own: FloatArray, own_variance: FloatArray | float, prior: FloatArray, prior_variance: FloatArray
) -> Posterior:
    r"""Precision-weighted mean of an own estimate and a prior, element by element.

    .. math:: w = \frac{P}{P + v}, \qquad m = w\,\hat y + (1 - w)\,\mu, \qquad V = w\,v

    with prior variance P and sampling variance v. Where ``own`` is NaN or v is infinite the weight is zero and the
    prior stands.
    """
    known = np.isfinite(own) & np.isfinite(own_variance)
    noise = np.where(known, own_variance, 1.0)
    weight = np.where(known, prior_variance / (prior_variance + noise), 0.0)
    mean = weight * np.where(known, own, 0.0) + (1.0 - weight) * prior
    return Posterior(mean, np.where(known, weight * noise, prior_variance), weight)


def predictive_log_quantile(mean: FloatArray, variance: FloatArray, sharpness: FloatArray) -> FloatArray:
    r"""The log level whose *expected* exceedance is the stated one, when the true log quantile is N(mean, variance).

    Near the quantile the log of the exceedance probability falls by :math:`1/\psi` per unit of log loss, so a level c
    is exceeded with :math:`E[p\, e^{-(c - y)/\psi}] = p\, e^{-(c - m)/\psi + V / 2\psi^2}`, which is p at
    :math:`c = m + V / 2\psi`. ``sharpness`` is :math:`\psi`, the tail's mean excess over its quantile in log units.
    """
    return np.asarray(mean + variance / (2.0 * sharpness), np.float64)


def _no_features(n: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The decomposition of a table without columns."""
    return np.empty((n, 0)), np.empty(0), np.empty((0, 0))
