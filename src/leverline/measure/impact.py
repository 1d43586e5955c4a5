"""What closing a position costs: square-root impact, and the volume that may be counted upon in stress.

Notional and volume are in quote currency, volatility and volume per day, rates are fractions of the price. All
functions are elementwise and broadcast; NaN or non-positive volume gives NaN: an unknown cost is not a small one.
"""

from __future__ import annotations

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import require

MEAN_OVER_PEAK = 2.0 / 3.0
"""Average over final displacement of a price that moves as the square root of what has been executed."""

SECONDS_PER_DAY = 86_400.0


def peak_impact(notional: FloatArray | float, *, coefficient: float, sigma_per_day: FloatArray | float,
                volume_per_day: FloatArray | float) -> FloatArray:
    r"""How far a liquidation of ``notional`` has moved the price when it ends, a fraction of the price.

    .. math:: I(N) = Y \sigma_D \sqrt{N / V_D}

    Measured on more than a million Bitcoin metaorders, over four decades of size (Donier and Bonart 2015, arXiv
    1412.4503); ``coefficient`` is Y, of order one. Fitted on orders of at most about a tenth of daily volume: beyond
    that it is an extrapolation.
    """
    require(coefficient >= 0, "coefficient is not negative", got=coefficient)
    require(not bool(np.any(np.asarray(notional) < 0)), "notional is not negative")
    require(not bool(np.any(np.asarray(sigma_per_day) < 0)), "sigma_per_day is not negative")
    share = np.asarray(notional, np.float64) / _usable(volume_per_day)
    return np.asarray(coefficient * np.asarray(sigma_per_day) * np.sqrt(share), np.float64)


def slippage_rate(notional: FloatArray | float, *, coefficient: float, sigma_per_day: FloatArray | float,
                  volume_per_day: FloatArray | float) -> FloatArray:
    """Average price given up in liquidating ``notional``, a fraction of the price: two thirds of the peak impact.

    The law holds along the whole trajectory (same paper), so the average over it is the integral of a square root.
    Participation does not enter: trading twice as fast for half as long moves the price as far. It decides the time,
    :func:`liquidation_time_s`, and so the risk carried meanwhile.
    """
    return np.asarray(MEAN_OVER_PEAK * peak_impact(
        notional, coefficient=coefficient, sigma_per_day=sigma_per_day, volume_per_day=volume_per_day), np.float64)


def notional_within_slippage(budget_rate: float, *, coefficient: float, sigma_per_day: FloatArray | float,
                             volume_per_day: FloatArray | float) -> FloatArray:
    """Largest notional whose :func:`slippage_rate` is at most ``budget_rate``; inf where impact is zero."""
    require(budget_rate >= 0, "budget_rate is not negative", got=budget_rate)
    unit = np.asarray(MEAN_OVER_PEAK * coefficient * np.asarray(sigma_per_day, np.float64))
    with np.errstate(divide="ignore", over="ignore"):  # an impact of next to nothing bounds nothing
        return np.asarray(_usable(volume_per_day) * (budget_rate / unit) ** 2, np.float64)


def liquidation_time_s(notional: FloatArray | float, *, participation: float,
                       volume_per_day: FloatArray | float) -> FloatArray:
    """Seconds to liquidate ``notional`` while being ``participation`` of the volume."""
    require(0.0 < participation <= 1.0, "participation lies in (0, 1]", got=participation)
    require(not bool(np.any(np.asarray(notional) < 0)), "notional is not negative")
    days = np.asarray(notional, np.float64) / (participation * _usable(volume_per_day))
    return np.asarray(SECONDS_PER_DAY * days, np.float64)


def notional_within_time(seconds: float, *, participation: float, volume_per_day: FloatArray | float) -> FloatArray:
    """Largest notional that can be liquidated in ``seconds`` at ``participation`` of the volume."""
    require(seconds >= 0, "seconds is not negative", got=seconds)
    require(0.0 < participation <= 1.0, "participation lies in (0, 1]", got=participation)
    return np.asarray(participation * _usable(volume_per_day) * (seconds / SECONDS_PER_DAY), np.float64)


def stressed_volume(volume: FloatArray, price: FloatArray, quantile: float, window: int, *,
                    spacing_s: float) -> FloatArray:
    """Low quantile of traded notional, quote currency per day, shape (n_symbols,).

    Liquidations come when others have left, so the average day is the wrong one: taken is the ``quantile`` of notional
    over rolling windows of ``window`` bars. The window is the time a liquidation may last: a shorter one finds the dead
    minute of a night, a longer one averages it away.

    Parameters
    ----------
    volume : ndarray of shape (n_bars, n_symbols)
        Base units per bar; NaN where unknown.
    price : ndarray of shape (n_bars, n_symbols)
        Quote per base unit, of the same bar.
    quantile : float
        In (0, 1), such as 0.1.
    window : int
        Bars per rolling window, at least 1.
    spacing_s : float
        Seconds per bar.

    Notes
    -----
    A window counts if at least half its bars are known and something traded in it: no trade at all is a halt or a
    frozen feed, not a market of depth zero, and a result is therefore never zero. Inside a window that counts, bars
    without volume and unknown bars add nothing and are not scaled up: what was not seen is not relied upon. NaN for
    a symbol without such a window.
    """
    require(0.0 < quantile < 1.0, "quantile lies in (0, 1)", got=quantile)
    require(window >= 1, "window is at least one bar", got=window)
    require(spacing_s > 0, "spacing_s is positive", got=spacing_s)
    require(volume.ndim == 2 and volume.shape == price.shape, "volume and price have shape (n_bars, n_symbols)",
            got=(volume.shape, price.shape))
    require(not bool(np.any(volume < 0)), "volume is not negative")
    notional = volume * price
    known = np.isfinite(notional)
    traded = rolling_sum(np.where(known, notional, 0.0), window)
    usable = (2 * rolling_sum(known.astype(np.float64), window) >= window) & \
             (rolling_sum((known & (notional > 0)).astype(np.float64), window) > 0)
    per_day = traded * (SECONDS_PER_DAY / (window * spacing_s))
    out = np.full(volume.shape[1], np.nan)
    for j in np.flatnonzero(usable.any(axis=0)):
        out[j] = np.quantile(per_day[usable[:, j], j], quantile)
    return out


def rolling_sum(values: FloatArray, window: int) -> FloatArray:
    """Sums over each full window of rows, (n_rows - window + 1, n_columns), or (0, n_columns); no drift of rounding."""
    if values.shape[0] < window:
        return np.empty((0, values.shape[1]))
    return np.asarray(np.lib.stride_tricks.sliding_window_view(values, window, axis=0).sum(axis=-1), np.float64)


def _usable(volume_per_day: FloatArray | float) -> FloatArray:
    volume = np.asarray(volume_per_day, np.float64)
    return np.where(volume > 0, volume, np.nan)
