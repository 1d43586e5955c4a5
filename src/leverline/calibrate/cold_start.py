r"""Loss quantiles from day one: a new listing takes its peers' tail and grows out of it as its own history grows.

For a listing too young for the loss model, per side and level and with volatility :math:`\tilde\sigma` per day:

.. math:: \ln q = \gamma \ln \tilde\sigma + w\, \hat t + (1 - w)\, m + \frac{V}{2\psi}

:math:`\tilde\sigma` is its own volatility shrunk towards the one its features predict; :math:`\hat t` the log tail
quantile of its own residuals (:mod:`leverline.measure.young_tail`); m what a regression over mature peers predicts for
it from its features and volatility (:mod:`leverline.measure.pooling`); w the share of the own estimate by precision; V
the posterior variance, with the spread across peers in it; and :math:`V / 2\psi` makes the expected exceedance the
stated one. With history w goes to 1 and V to the sampling variance of the loss model's own quantile, so that what
is asked goes over into what the model asks.

Peers of the tail are the listings for which the loss model speaks at that row. Of volatility, all that trade speak, the
young ones too: a coin is wildest in its first weeks, and only others' first weeks can tell by how much. Everything is
known at the close of the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.errors import InsufficientDataError, require
from leverline.market.bars import Panel
from leverline.measure.estimator import Estimator
from leverline.measure.loss_models import (
    DEFAULT_MODEL,
    MIN_HISTORY_DAYS,
    WARMUP_DAYS,
    Forecast,
    LossModel,
    days_in_look_back,
    loss_model,
    walk_forward,
)
from leverline.measure.losses import SIDES, Losses, payoffs_of
from leverline.measure.pooling import PooledRegression, predictive_log_quantile, shrink
from leverline.measure.volatility import ewma_variance
from leverline.measure.young_tail import young_tail, young_volatility
from leverline.model import Payoff

EARLY_WARMUP_DAYS = 3
"""Days of returns before a young listing's own volatility is looked at; it still weighs little then."""
VOLUME_DAYS = 30
"""Days over which the volume of a listing is taken, or as many as there are."""


@dataclass(frozen=True, slots=True)
class Peers:
    """What other markets show at one row.

    Mature ones: ``log_tail`` (n_peers, 2, n_levels), the log tail quantile of residuals, ``log_sigma`` (n_peers,), log
    volatility per day, ``features`` (n_peers, n_features), NaN where unknown; ``sharpness`` (2, n_levels) is the mean
    over them of the tail's mean excess over its quantile. All that trade, young ones too: ``trading_log_sigma`` (n,)
    and ``trading_features`` (n, n_features).
    """

    log_tail: FloatArray
    log_sigma: FloatArray
    features: FloatArray
    sharpness: FloatArray
    trading_log_sigma: FloatArray
    trading_features: FloatArray


@dataclass(frozen=True, slots=True)
class OwnHistory:
    """What a young listing has shown: arrays over its windows, and the volatility as of now.

    ``loss`` (n_windows, 2) with the log volatility ``log_sigma`` (n_windows,) known when each window opened, NaN before
    there is one, and ``days_seen`` (n_windows,) of returns by then; ``log_sigma_now`` and ``days_seen_now`` the same at
    the row of the forecast.
    """

    loss: FloatArray
    log_sigma: FloatArray
    days_seen: FloatArray
    log_sigma_now: float
    days_seen_now: float

    @classmethod
    def none(cls) -> Self:
        """The history of a market not yet traded."""
        return cls(np.empty((0, 2)), np.empty(0), np.empty(0), float("nan"), 0.0)


@dataclass(frozen=True, slots=True)
class ColdQuantile:
    """Loss quantile (2, n_levels) as fractions of notional, and the share of the listing's own tail in it."""

    quantile: FloatArray
    own_weight: FloatArray
    own_weight_volatility: float

    def explanation(self, side: int, level: int) -> str:
        """The weights in words, such as ``own 0.32, peers 0.68``."""
        own = round(float(self.own_weight[side, level]), 2)
        return f"own {own:.2f}, peers {1.0 - own:.2f}"


class ColdStart(Estimator):
    """Quantiles for young listings from mature peers; see the module for the formula.

    Parameters
    ----------
    model : LossModel, default the default model
        With a Pareto tail; gives the power of volatility and the share above the threshold.
    exceedances : tuple of float
        Probabilities per horizon, one a level of the peers' quantiles.
    horizon_bars : int, default=1
        Bars a window lasts: windows that overlap count once per horizon.
    minimum_peers : int, default=5
        Fewer are refused.
    """

    def __init__(self, *, exceedances: tuple[float, ...], horizon_bars: int = 1, model: LossModel | None = None,
                 minimum_peers: int = 5) -> None:
        self.exceedances = exceedances
        self.horizon_bars = horizon_bars
        self.model = model
        self.minimum_peers = minimum_peers

    def fit(self, peers: Peers) -> Self:
        """Learn from ``peers`` how tails and volatilities go with features."""
        self._model = self.model or loss_model(DEFAULT_MODEL)
        require(self._model.tail == "gpd", "a cold start needs a model with a Pareto tail", got=self._model.name)
        require(peers.log_tail.shape[1:] == (2, len(self.exceedances)),
                "peers' tails have a level for each exceedance", got=peers.log_tail.shape)
        if peers.log_tail.shape[0] < self.minimum_peers:
            raise InsufficientDataError(f"{peers.log_tail.shape[0]} peers are known, {self.minimum_peers} are needed",
                                        remedy="calibrate young listings together with older ones")
        tails = peers.log_tail.reshape(peers.log_tail.shape[0], -1)
        self.volatility_ = PooledRegression(minimum_peers=self.minimum_peers).fit(
            peers.trading_log_sigma[:, None], peers.trading_features)
        self.tail_ = PooledRegression(minimum_peers=self.minimum_peers).fit(
            tails, np.column_stack([peers.log_sigma, peers.features]))
        self.sharpness_ = peers.sharpness
        self.n_peers_ = tails.shape[0]
        return self

    def quantile(self, own: OwnHistory, features: FloatArray) -> ColdQuantile:
        """Quantiles of one listing with ``features`` (n_features,), NaN where unknown."""
        expected = self.volatility_.predict(features[None, :])
        volatility = young_volatility(
            np.append(own.log_sigma, own.log_sigma_now), np.append(own.days_seen, own.days_seen_now),
            float(expected.mean[0, 0]), float(expected.variance[0, 0]))
        power, sigma = self._model.filtering, float(volatility.mean[-1])
        from_peers = self.tail_.predict(np.append(sigma, features)[None, :])
        shape = self.sharpness_.shape
        slope = power + self.tail_.coefficient_[0].reshape(shape)
        doubt = from_peers.variance[0].reshape(shape) + slope**2 * float(volatility.variance[-1])
        residual = own.loss / np.exp(power * volatility.mean[:-1])[:, None]
        tail = young_tail(residual, self._model, np.asarray(self.exceedances), self.sharpness_, self.horizon_bars)
        both = shrink(tail.log_quantile, tail.variance, from_peers.mean[0].reshape(shape), doubt)
        log_quantile = power * sigma + predictive_log_quantile(both.mean, both.variance, self.sharpness_)
        return ColdQuantile(np.exp(log_quantile), both.own_weight, float(volatility.own_weight[-1]))


@dataclass(frozen=True, slots=True)
class EarlyVolatility:
    """Log volatility per day of every listing with a short warm-up, and the days of returns seen, (n_bars, n).

    NaN where a listing has no bar: a dead market is nobody's peer.
    """

    log_sigma: FloatArray
    days_seen: FloatArray

    @classmethod
    def of(cls, panel: Panel, model: LossModel) -> Self:
        """From the model's own mix of exponentially weighted variances; row ``t`` is known at its close."""
        returns, warmup = panel.log_returns(), max(2, round(EARLY_WARMUP_DAYS * panel.bars_per_day))
        mixed = np.mean([ewma_variance(returns, d ** (1.0 / panel.bars_per_day), warmup)[1:]
                         for d in model.decays_per_day], axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            logged = 0.5 * np.log(mixed * panel.bars_per_day)
        log_sigma = np.where((mixed > 0.0) & np.isfinite(panel.close), logged, np.nan)
        return cls(log_sigma, np.cumsum(np.isfinite(returns), axis=0) / panel.bars_per_day)


def peers_of(
    forecast: Forecast, refit: int, early: EarlyVolatility, features: FloatArray, columns: IntArray
) -> Peers:
    """Peers among ``columns`` at refit number ``refit``; ``features`` (n_listings, n_features) are those known then."""
    quantile, sigma = forecast.quantile[refit, columns], forecast.volatility[refit, columns]
    sound = (np.isfinite(quantile) & (quantile > 0.0)).all(axis=(1, 2)) & np.isfinite(sigma)
    quantile, sigma, kept = quantile[sound], sigma[sound], columns[sound]
    shape = forecast.shape[refit, kept][..., None]
    # (1 - xi)(ES - q) is the Pareto scale at the quantile, so this is dq/q per unit of -ln p
    steepness = (1.0 - shape) * (forecast.shortfall[refit, kept] - quantile) / quantile
    sharpness = steepness.mean(axis=0) if kept.size else np.full(quantile.shape[1:], np.nan)
    scaled = np.log(quantile) - forecast.model.filtering * np.log(sigma)[:, None, None]
    now = early.log_sigma[forecast.refits[refit], columns]
    trading = columns[np.isfinite(now)]
    return Peers(scaled, np.log(sigma), features[kept], sharpness, now[np.isfinite(now)], features[trading])


def own_history(losses: Losses, early: EarlyVolatility, row: int, column: int, look_back: int) -> OwnHistory:
    """Windows of one listing completed by the close of ``row``, at most ``look_back`` bars old."""
    start = max(0, row + 1 - look_back)
    rows = start + np.flatnonzero(
        (losses.known[start : row + 1, column] <= row)
        & np.isfinite(losses.loss[start : row + 1, column]).all(axis=1))
    return OwnHistory(losses.loss[rows, column], early.log_sigma[rows, column], early.days_seen[rows, column],
                      float(early.log_sigma[row, column]), float(early.days_seen[row, column]))


def market_features(panel: Panel, row: int, capitalisation: FloatArray | None = None) -> FloatArray:
    """Features of every listing known at the close of ``row``: log volume, log capitalisation, log age; (n, 3).

    Volume is the median of daily traded notional over the last 30 days (fewer for a younger listing);
    ``capitalisation`` (n_listings,) is in the same currency, NaN where unknown; age counts days since the first bar.
    """
    days = panel.bars_per_day
    recent = slice(max(0, row + 1 - round(VOLUME_DAYS * days)), row + 1)
    out = np.full((len(panel.symbols), 3), np.nan)
    notional = panel.volume[recent] * panel.close[recent]
    for column in range(len(panel.symbols)):
        traded = notional[np.isfinite(notional[:, column]) & (notional[:, column] > 0.0), column]
        if traded.size:
            out[column, 0] = np.log(np.median(traded) * days)
        seen = np.flatnonzero(np.isfinite(panel.close[: row + 1, column]))
        if seen.size:
            out[column, 2] = np.log1p((row - seen[0]) / days)
    if capitalisation is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            out[:, 1] = np.where(capitalisation > 0.0, np.log(capitalisation), np.nan)
    return out


@dataclass(frozen=True, slots=True)
class ColdQuantiles:
    """Quantiles (n_listings, 2, n_levels) of listings too young for the model, NaN for all others.

    ``own_weight``, same shape, is the share of a listing's own tail; the peers' is the rest. ``assumed`` (n_listings,)
    is True where no feature and no volatility of its own was known, so that the figure is the peers' grand mean.
    """

    quantile: FloatArray
    own_weight: FloatArray
    assumed: BoolArray
    n_peers: int


def cold_start_quantiles(
    panel: Panel, losses: Losses, refit_row: int, exceedances: tuple[float, ...], features: FloatArray | None = None,
    *, model: LossModel | None = None,
) -> ColdQuantiles:
    """Quantiles at the close of ``refit_row`` for every listing that has traded by then and is too young for the model.

    Young is who shows the model too few days of bars in its look-back: a market that comes back from a long halt is as
    good as new. A listing that is old enough and has none all the same (a side that never lost, a price that never
    moved) gets none here either.

    ``features`` (n_listings, n_features) default to :func:`market_features` without a capitalisation.

    Raises
    ------
    InsufficientDataError
        Fewer than five listings are old enough to be peers.
    """
    chosen = model or loss_model(DEFAULT_MODEL)
    known = market_features(panel, refit_row) if features is None else features
    forecast = walk_forward(panel, losses, chosen, np.array([refit_row]), exceedances)
    estimator = ColdStart(exceedances=exceedances, horizon_bars=losses.horizon_bars, model=chosen)
    early = EarlyVolatility.of(panel, chosen)
    estimator.fit(peers_of(forecast, 0, early, known, np.arange(len(panel.symbols))))
    out = np.full(forecast.quantile.shape[1:], np.nan)
    weight, assumed = np.full_like(out, np.nan), np.zeros(len(panel.symbols), np.bool_)
    look_back = round(chosen.window_days * panel.bars_per_day)
    days = days_in_look_back(panel, chosen, refit_row)
    needed = MIN_HISTORY_DAYS + WARMUP_DAYS + losses.horizon_bars / panel.bars_per_day  # windows count once complete
    young = (days > 0.0) & (days <= needed)
    for column in np.flatnonzero(young & np.isnan(forecast.quantile[0]).any(axis=(1, 2))):
        own = own_history(losses, early, refit_row, int(column), look_back)
        cold = estimator.quantile(own, known[column])
        out[column], weight[column] = cold.quantile, cold.own_weight
        assumed[column] = np.isnan(known[column]).all() and not np.isfinite(own.log_sigma_now)
    bounded = np.array([SIDES.index("short" if payoff is Payoff.INVERSE else "long") for payoff in payoffs_of(panel)])
    columns = np.arange(len(panel.symbols))
    out[columns, bounded] = np.minimum(out[columns, bounded], 1.0)  # the side whose price can only fall to nothing
    return ColdQuantiles(out, weight, assumed, estimator.n_peers_)
