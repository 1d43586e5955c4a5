"""Does an implied volatility index improve the forecast of bitcoin's realised variance, a day and a week ahead?

Target: the mean of daily realised variances from hourly bars. Realised forecast: HAR, fitted on all hours since 2017.
Index: its value at the end of the day before. Premium, weight and level are chosen from forecasts that were over. The
setting called *shipped* is the estimator's default and was not chosen here; every other one that was tried is listed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from leverline import __version__
from leverline.evidence.experiments.forecast_race import Race, race
from leverline.evidence.experiments.verdicts import Experiment, Row
from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import InsufficientDataError
from leverline.ground.files import sha256
from leverline.market.bars import NS_PER_S, Panel
from leverline.market.reading import read_bars
from leverline.measure.discounted import recalibrated_variance
from leverline.measure.implied import BlendedVolatility, Combination, horizon_mean, implied_variance_per_day
from leverline.measure.volatility import HarVolatility, realised_variance
from leverline.model.appetite import SECONDS_PER_DAY

INDEX, HOURLY = "daily_dvol_btc.parquet", "hourly_btc_spot_binance_2017.parquet"
SEED = 99
HORIZONS_DAYS = (1, 7)
HALF_LIVES_DAYS = (90.0, 180.0, 365.0)
COMBINATIONS: tuple[Combination, ...] = ("log-linear", "convex")
SHIPPED = "blend"
HOURS = 24


def run(folder: Path) -> Experiment:
    """Race blend, realised and implied at both horizons; ``folder`` holds the two files."""
    for name in (INDEX, HOURLY):
        if not (folder / name).is_file():
            raise InsufficientDataError(f"{name} is not in {folder}", remedy="name the folder that has it")
    rng = np.random.default_rng(SEED)
    days, realised = _realised(folder)
    index = _index(folder, days)
    rows: list[Row] = []
    variants: list[dict[str, Any]] = []
    said = {}
    for horizon in HORIZONS_DAYS:
        sigma = HarVolatility(horizon=horizon).fit(realised[:, None]).sigma_[:, 0]
        blend = BlendedVolatility(horizon_days=horizon).fit(sigma, realised, index)
        said[f"{horizon} d"] = f"{blend.basis_}; mean weight {blend.weight_[blend.blended_].mean():.2f}"
        target = horizon_mean(realised, horizon)
        forecasts = _forecasts(blend, sigma, realised, index, horizon)
        finished = race({name: h[:-1, None] for name, h in forecasts.items()}, target[:, None], "realised", rng=rng,
                        lags=None if horizon == 1 else horizon - 1 + 8)
        variants += [{"horizon_days": horizon, "dates": finished.dates, **s.to_dict()} for s in finished.standings]
        rows += _verdicts(horizon, finished)
        absent = BlendedVolatility(horizon_days=horizon).fit(sigma, realised)
        away = float(np.nanmax(np.abs(absent.sigma_ - sigma)))
        rows.append(Row(f"{horizon} d: largest difference from realised only where there is no index", away, "0",
                        "1e-12, and it says so", away <= 1e-12 and absent.basis_.startswith("realised only")))
    provenance = {"software": f"leverline {__version__}", "seed": SEED, "last_day": said,
                  "files": {name: sha256(folder / name) for name in (INDEX, HOURLY)}}
    return Experiment("implied-blend", tuple(rows), provenance, tuple(variants))


def _forecasts(
    blend: BlendedVolatility, sigma: FloatArray, realised: FloatArray, index: FloatArray, horizon: int
) -> dict[str, FloatArray]:
    """Every forecast by name, variance per day, (n_days + 1,), on the days on which the index has a record."""
    out = {SHIPPED: blend.sigma_**2, "realised": sigma**2, "implied": blend.implied_only_**2}
    target = horizon_mean(realised, horizon)
    out["realised, levelled"] = recalibrated_variance(sigma**2, target, blend.half_life, delay=horizon)
    out["implied, with its premium"] = np.concatenate([[np.nan], implied_variance_per_day(index)])
    out["half and half"] = np.sqrt(out["realised"] * out["implied"])
    for combination in COMBINATIONS:
        for half_life in HALF_LIVES_DAYS:
            tried = BlendedVolatility(combination=combination, half_life=half_life, horizon_days=horizon)
            out[f"blend, {combination}, half-life {half_life:g} d"] = tried.fit(sigma, realised, index).sigma_ ** 2
    return {name: np.where(blend.blended_, h, np.nan) for name, h in out.items()}


def _verdicts(horizon: int, finished: Race) -> list[Row]:
    blend, implied = finished.of(SHIPPED), finished.of("implied")
    members = "; ".join(s.name for s in finished.standings if s.in_set)
    return [
        Row(f"{horizon} d: QLIKE of the blend less that of realised only", blend.difference, "0", "below, p < 0.05",
            blend.difference < 0 and blend.p_better < 0.05),
        Row(f"{horizon} d: QLIKE of the blend less that of implied only", blend.qlike - implied.qlike, "0", "below",
            blend.qlike < implied.qlike),
        Row(f"{horizon} d: model confidence set p-value of the blend", blend.mcs_p, "0.1", f"above; the set: {members}",
            blend.in_set),
    ]


def _realised(folder: Path) -> tuple[IntArray, FloatArray]:
    """Days since 1970 and their realised variance, both (n_days,), from the first whole day of hours on."""
    panel = Panel.of(read_bars([folder / HOURLY]))
    start = int(np.flatnonzero(panel.ts // panel.spacing_ns % HOURS == 0)[0])
    realised = realised_variance(panel.log_returns()[start:], HOURS)[:, 0]
    first = int(panel.ts[start]) // (int(SECONDS_PER_DAY) * NS_PER_S)
    return np.arange(first, first + realised.size), realised


def _index(folder: Path, days: IntArray) -> FloatArray:
    """The index at the end of each of ``days``, (n_days,), NaN where it is absent."""
    table = pl.read_parquet(folder / INDEX, columns=["ts", "dvol"])
    at = table["ts"].cast(pl.Datetime("ns", "UTC")).to_physical().to_numpy() // (int(SECONDS_PER_DAY) * NS_PER_S)
    out = np.full(days.size, np.nan)
    known = (at >= days[0]) & (at <= days[-1])
    out[at[known] - days[0]] = table["dvol"].to_numpy()[known]
    return out
