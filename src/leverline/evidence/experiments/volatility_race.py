"""Which volatility forecast is best? EWMA, HAR, ranges, GARCH and GJR on the same days, by QLIKE.

Daily coins: the target is the squared return from close to close, unbiased but noisy. Bitcoin: the sum of 24 squared
hourly returns. Every forecast enters at the level it has and at the level its own past record gives it (*levelled*,
:func:`recalibrated_variance`): ranges are short and HAR is fed with ranges where there are no hours, so the levelled
field is the one in which verdicts are given; the raw one is listed beside it. The reference is HAR.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from leverline import __version__
from leverline.evidence.experiments.forecast_race import Race, race
from leverline.evidence.experiments.verdicts import Experiment, Row
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError
from leverline.ground.files import sha256
from leverline.ground.progress import track
from leverline.market.bars import Panel
from leverline.market.reading import read_bars
from leverline.measure.discounted import recalibrated_variance
from leverline.measure.garch import GarchVolatility
from leverline.measure.implied import horizon_mean
from leverline.measure.range_volatility import (
    RangeVolatility,
    bar_variance,
    previous_close,
    yang_zhang_variance,
)
from leverline.measure.term_structure import daily_returns
from leverline.measure.volatility import HarVolatility, ewma_variance, realised_variance

DAILY, HOURLY = "daily_spot_coinbase.parquet", "hourly_btc_spot_binance_2017.parquet"
SEED = 99
REFERENCE = "har"
SHIPPED = "ewma-mix-0.94-0.99"
"""The volatility of the default loss model."""
LEVEL_HALF_LIFE_DAYS = 365.0
HORIZONS_DAYS = (7, 30)
GARCH_REFIT_DAYS = 60
HOURS = 24
_BURN_IN_DAYS = 60  # after the first forecast, so that the levelled field has a level


def run(folder: Path) -> Experiment:
    """Run both studies and the horizons; ``folder`` holds the two files."""
    for name in (DAILY, HOURLY):
        if not (folder / name).is_file():
            raise InsufficientDataError(f"{name} is not in {folder}", remedy="name the folder that has it")
    rng = np.random.default_rng(SEED)
    rows: list[Row] = []
    variants: list[dict[str, Any]] = []
    notes: dict[str, str] = {}
    for study, build in track((("daily coins", _coins), ("bitcoin from hours", _bitcoin)), "studies"):
        forecasts, realised, note = build(folder)
        notes[study] = note
        for field in ("levelled", "raw"):
            entered = {name: _levelled(h, realised) if field == "levelled" else h for name, h in forecasts.items()}
            finished = race({n: h[:-1] for n, h in entered.items()}, realised, REFERENCE, rng=rng)
            variants += [{"study": study, "field": field, **s.to_dict()} for s in finished.standings]
            if field == "levelled":
                rows += _verdicts(study, finished)
    for days in HORIZONS_DAYS:
        finished = _horizon(folder, days, rng)
        variants += [{"study": f"bitcoin, {days} d", "field": "raw", **s.to_dict()} for s in finished.standings]
        direct = finished.of("har-direct")
        rows.append(Row(f"bitcoin, {days} d: QLIKE of a direct HAR less that of the square root of time",
                        direct.difference, "0", "below, p < 0.05", direct.difference < 0 and direct.p_better < 0.05))
    provenance = {"software": f"leverline {__version__}", "seed": SEED, "reference": REFERENCE, "notes": notes,
                  "files": {name: sha256(folder / name) for name in (DAILY, HOURLY)}}
    return Experiment("volatility-race", tuple(rows), provenance, tuple(variants))


def _levelled(forecast: FloatArray, realised: FloatArray) -> FloatArray:
    return recalibrated_variance(forecast, realised, LEVEL_HALF_LIFE_DAYS, minimum=_BURN_IN_DAYS)


def _verdicts(study: str, finished: Race) -> list[Row]:
    """Is HAR beaten, and what does the shipped volatility cost against the best of all?"""
    har, shipped, best = finished.of(REFERENCE), finished.of(SHIPPED), finished.standings[0]
    rival = min((s for s in finished.standings if s.name != REFERENCE), key=lambda s: s.qlike)
    members = "; ".join(s.name for s in finished.standings if s.in_set)
    return [
        Row(f"{study}: model confidence set p-value of HAR", har.mcs_p, "0.1", f"above; the set: {members}",
            har.in_set),
        Row(f"{study}: QLIKE of the best rival ({rival.name}) less that of HAR", rival.difference, "0",
            "not below with p < 0.05", not (rival.difference < 0 and rival.p_better < 0.05)),
        Row(f"{study}: QLIKE of the shipped volatility ({SHIPPED}) less that of the best ({best.name})",
            shipped.qlike - best.qlike, "0", "the shipped one is in the model confidence set", shipped.in_set),
    ]


def _coins(folder: Path) -> tuple[dict[str, FloatArray], FloatArray, str]:
    """Forecasts (n_days + 1, n_coins) by name, squared returns, and what the fits said: coins with a year of bars."""
    counts = pl.read_parquet(folder / DAILY, columns=["symbol"]).group_by("symbol", maintain_order=True).len()
    long = counts.filter(pl.col("len") >= 366)["symbol"].to_list()
    panel = Panel.of(read_bars([folder / DAILY], symbols=long))
    returns = panel.log_returns()
    forecasts, note = _field(returns, panel.high, panel.low, panel.close, None)
    return forecasts, returns**2, f"{len(long)} coins; {note}"


def _bitcoin(folder: Path) -> tuple[dict[str, FloatArray], FloatArray, str]:
    """The same for bitcoin, with the realised variance of hours as target and as HAR's input."""
    hours, (high, low, close) = _hours(folder)
    realised = realised_variance(hours, HOURS)
    forecasts, note = _field(daily_returns(hours, HOURS), high, low, close, realised)
    forecasts |= {f"ewma-hours-{d:g}": ewma_variance(np.sqrt(realised), d, 30) for d in (0.8, 0.9, 0.94)}
    return forecasts, realised, note


def _field(
    returns: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray, realised: FloatArray | None
) -> tuple[dict[str, FloatArray], str]:
    """Variance forecasts by name, each (n_days + 1, n_assets); HAR on ``realised``, or on ranges where it is None."""
    opened = previous_close(close)
    ranges = bar_variance(opened, high, low, close)
    out = {f"ewma-{d:g}": ewma_variance(returns, d, 30) for d in (0.94, 0.97, 0.99)}
    out[SHIPPED] = 0.5 * (out["ewma-0.94"] + out["ewma-0.99"])
    out["har"] = HarVolatility().fit(ranges if realised is None else realised).sigma_ ** 2
    out["har-squared-returns"] = HarVolatility().fit(returns**2).sigma_ ** 2
    for d in (0.85, 0.9, 0.94):
        out[f"parkinson-{d:g}"] = RangeVolatility(decay=d).fit(high, low, close).sigma_ ** 2
    out["garman-klass-0.9"] = RangeVolatility(estimator="garman-klass", decay=0.9).fit(high, low, close).sigma_ ** 2
    out["rogers-satchell-0.9"] = RangeVolatility(estimator="rogers-satchell",
                                                 decay=0.9).fit(high, low, close).sigma_ ** 2
    out["yang-zhang-30"] = yang_zhang_variance(opened, high, low, close, 30)
    garch = GarchVolatility(refit_every=GARCH_REFIT_DAYS).fit(returns)
    gjr = GarchVolatility(kind="gjr", refit_every=GARCH_REFIT_DAYS).fit(returns)
    out |= {"garch-t": garch.sigma_**2, "gjr-t": gjr.sigma_**2}
    said = "; ".join(f"{fit.kind}: {int(fit.attempts_.sum())} fits, {int(fit.failures_.sum())} not used, "
                     f"{int(fit.integrated_.sum())} integrated"
                     for fit in (garch, gjr))
    return {name: np.where(h > 0, h, np.nan) for name, h in out.items()}, said


def _hours(folder: Path) -> tuple[FloatArray, tuple[FloatArray, FloatArray, FloatArray]]:
    """Bitcoin's hourly log returns from a midnight on, (n_days * 24, 1), and daily high, low, close, (n_days, 1)."""
    panel = Panel.of(read_bars([folder / HOURLY]))
    hour = panel.ts // panel.spacing_ns % HOURS
    start = int(np.flatnonzero(hour == 0)[0])
    n_days = (panel.ts.size - start) // HOURS
    span = slice(start, start + n_days * HOURS)
    high, low, close = (column[span, 0].reshape(n_days, HOURS) for column in (panel.high, panel.low, panel.close))
    some = np.isfinite(close).any(axis=1)
    last = HOURS - 1 - np.argmax(np.isfinite(close[:, ::-1]), axis=1)
    daily = (np.where(some, np.fmax.reduce(high, axis=1), np.nan), np.where(some, np.fmin.reduce(low, axis=1), np.nan),
             close[np.arange(n_days), last])
    return panel.log_returns()[span], (daily[0][:, None], daily[1][:, None], daily[2][:, None])


def _horizon(folder: Path, days: int, rng: np.random.Generator) -> Race:
    """Mean variance per day over ``days``: HAR for that horizon against the one-day forecast held, both as they are."""
    realised = realised_variance(_hours(folder)[0], HOURS)
    one_day = HarVolatility().fit(realised).sigma_ ** 2
    direct = HarVolatility(horizon=days, minimum=250).fit(realised).sigma_ ** 2
    target = horizon_mean(realised[:, 0], days)[:, None]
    return race({"square-root-of-time": one_day[:-1], "har-direct": direct[:-1]}, target, "square-root-of-time",
                rng=rng, lags=days - 1 + 10, first_row=365)
