"""What an implied-volatility index says of tomorrow, as a factor on the volatility that bars measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.market.bars import NS_PER_S, Panel
from leverline.market.trades import Series
from leverline.measure.implied import BlendedVolatility

DAY_NS = 86_400 * NS_PER_S
FACTOR_BOUNDS = (0.5, 2.0)
"""One print of an index moves no margin further than this; a shock that lasts shows in the bars."""


@dataclass(frozen=True, slots=True)
class ImpliedUse:
    """How an index entered one market: ``factor`` on realised volatility, and in words what it is made of.

    ``ts`` (n,) ends of days, ns UTC; ``realised``, ``implied``, ``blended`` (n,) forecasts per day known then, NaN
    where there is none.
    """

    factor: float
    basis: str
    ts: IntArray
    realised: FloatArray
    implied: FloatArray
    blended: FloatArray


def implied_use(panel: Panel, sigma_per_day: FloatArray, column: int, index: Series) -> ImpliedUse:
    """Blend the index (fraction per root year) with ``sigma_per_day`` (n_bars, n_listings) by past QLIKE.

    Days are UTC; an index value counts for the day at whose end it was known, and for the next day's forecast only.
    """
    closes = panel.ts + panel.spacing_ns
    day_of = (closes - 1) // DAY_NS
    days = np.arange(day_of[0], day_of[-1] + 1)
    returns = panel.log_returns()[:, column]
    seen = np.isfinite(returns)
    squares = np.bincount(day_of[seen] - days[0], returns[seen] ** 2, minlength=days.size)
    traded = np.bincount(day_of[seen] - days[0], minlength=days.size) > 0
    whole = (days + 1) * DAY_NS <= closes[-1]  # the variance of half a day is no day's
    realised = np.where(traded & whole & (squares > 0.0), squares, np.nan)
    last_bar = np.searchsorted(day_of, days, side="right") - 1
    sigma = sigma_per_day[last_bar, column]
    forecast = np.concatenate([[np.nan], np.where(sigma > 0.0, sigma, np.nan)])
    points = np.full(days.size, np.nan)
    at = (index.ts - 1) // DAY_NS - days[0]
    inside = (at >= 0) & (at < days.size)
    points[at[inside]] = 100.0 * index.value[inside]
    blend = BlendedVolatility().fit(forecast, realised, points)
    wanted = float(blend.sigma_[-1] / forecast[-1]) if np.isfinite(forecast[-1]) else 1.0
    factor = float(np.clip(wanted, *FACTOR_BOUNDS))
    basis = blend.basis_ + (f"; its factor {wanted:.2f} was held at {factor:g}" if factor != wanted else "")
    return ImpliedUse(factor, basis, (days + 1) * DAY_NS, forecast[1:], blend.implied_only_[1:],
                      blend.sigma_[1:])
