"""Coverage of the default loss model on daily and hourly markets, beside its rivals.

Daily: the coins of a spot venue with more than a year of bars (worst price from highs and lows). Hourly: 51 coins,
delisted and collapsed ones among them, closes only. The default's parameters were chosen on these very files, so this
is evidence that it fits them; ``docs/decisions`` says how it was chosen, and the rows on files that were not used for
the choice are marked *unseen*.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from leverline import __version__
from leverline.evidence.backtest import BacktestPlan, walk
from leverline.evidence.coverage_rows import by_date
from leverline.evidence.experiments.verdicts import Experiment, Row
from leverline.evidence.method_comparison import Comparison, compare_methods
from leverline.ground.errors import InsufficientDataError
from leverline.ground.files import sha256
from leverline.ground.progress import track
from leverline.market.bars import Bars, Panel
from leverline.market.reading import read_bars
from leverline.measure.loss_models import DEFAULT_MODEL, MODELS
from leverline.measure.resampling import pooled_rate
from leverline.model.appetite import SECONDS_PER_DAY, RiskAppetite

CONFIDENCES = (0.99, 0.995, 0.999)
SEED = 99
TOP_DECILE_TOLERANCE = 1.5
CONTROL = "normal-ewma"


@dataclass(frozen=True, slots=True)
class Study:
    """One file at one horizon."""

    label: str
    file: str
    horizon_s: float
    min_days: int = 0
    unseen: bool = False


STUDIES = (
    Study("daily spot, 1 d", "daily_spot_coinbase.parquet", SECONDS_PER_DAY, min_days=366),
    Study("hourly spot, 1 d", "hourly_close_spot_binance.parquet", SECONDS_PER_DAY),
    Study("hourly spot, 8 h", "hourly_close_spot_binance.parquet", SECONDS_PER_DAY / 3),
    Study("daily perps, 1 d, unseen", "daily_perp_hyperliquid_all.parquet", SECONDS_PER_DAY, unseen=True),
    Study("hourly perps, 8 h, unseen", "hourly_ohlcv_binance_18.parquet", SECONDS_PER_DAY / 3, unseen=True),
    Study("hourly BTC 2017 on, 8 h, unseen", "hourly_btc_spot_binance_2017.parquet", SECONDS_PER_DAY / 3, unseen=True),
)


def run(folder: Path) -> Experiment:
    """Run every study whose file is in ``folder``."""
    rng = np.random.default_rng(SEED)
    rows: list[Row] = []
    variants: list[dict[str, Any]] = []
    files = {}
    for study in track(STUDIES, "studies"):
        path = folder / study.file
        if not path.is_file():
            raise InsufficientDataError(f"{study.file} is not in {folder}", remedy="name the folder that has it")
        files[study.file] = sha256(path)
        bars = long_enough(path, study.min_days)
        panel = Panel.of(bars)
        compared = compare_methods(panel, tuple(MODELS.values()), study.horizon_s, CONFIDENCES, rng=rng)
        rows += _rows(study, compared, panel, rng)
        variants += [{"study": study.label, **score.to_dict()} for score in compared.scores]
    provenance = {"software": f"leverline {__version__}", "seed": SEED, "files": files, "default": DEFAULT_MODEL}
    return Experiment("coverage", tuple(rows), provenance, tuple(variants))


def long_enough(path: Path, min_days: int) -> Bars:
    """The bars of symbols with at least ``min_days`` rows; all symbols where it is 0."""
    if not min_days:
        return read_bars([path])
    counts = pl.read_parquet(path, columns=["symbol"]).group_by("symbol", maintain_order=True).len()
    long = counts.filter(pl.col("len") >= min_days)["symbol"].to_list()
    return read_bars([path], symbols=long)


def _rows(study: Study, compared: Comparison, panel: Panel, rng: np.random.Generator) -> list[Row]:
    """The claims of one study, at every confidence."""
    plan = BacktestPlan(horizons_s=(study.horizon_s,), confidences=CONFIDENCES)
    walked = walk(panel, RiskAppetite.profile("ccp"), MODELS[DEFAULT_MODEL], plan, study.horizon_s)
    rows = []
    for confidence in CONFIDENCES:
        allowed, label = 1.0 - confidence, f"{study.label}, {confidence:g}"
        model = walked.scored["model", confidence]
        rate = pooled_rate(*by_date(model), rng=rng)
        rows.append(Row(f"{label}: pooled breach rate per window", rate.rate, f"{allowed:.4g}",
                        f"95 % interval by dates {rate.low:.5f} to {rate.high:.5f} holds the nominal rate",
                        rate.low <= allowed <= rate.high))
        own = compared.of(DEFAULT_MODEL, confidence)
        if own.sides:
            perfect = compared.perfect(DEFAULT_MODEL, confidence, rng)
            rows.append(Row(f"{label}: share of {own.sides} market-sides in band", own.in_band,
                            f"perfect model {perfect.mean:.3f}", f"not below by two SE of {perfect.standard_error:.3f}",
                            own.in_band >= perfect.mean - 2.0 * perfect.standard_error))
        rows.append(Row(f"{label}: rate in top volatility decile", own.top_decile_rate, f"{allowed:.4g}",
                        f"at most {TOP_DECILE_TOLERANCE:g}x", own.top_decile_rate <= TOP_DECILE_TOLERANCE * allowed))
        book = pooled_rate(*by_date(walked.scored["book", confidence]), rng=rng)
        rows.append(Row(f"{label}: book layer's rate", book.rate, f"{allowed:.4g}", "at or below",
                        book.rate <= allowed))
        rows += _ranking(study, compared, confidence, label)
    return rows


def _ranking(study: Study, compared: Comparison, confidence: float, label: str) -> list[Row]:
    """Membership of the model confidence set, and steadiness or cost among the members with conditional coverage.

    Conditional coverage is asked as Christoffersen does, of the rate itself (nominal inside the interval by dates)
    and of the rate when it matters (top decile of forecast volatility).
    """
    own = compared.of(DEFAULT_MODEL, confidence)
    rows = [Row(f"{label}: model confidence set p-value", own.p_best, "0.1", "above", own.in_set)]
    limit = TOP_DECILE_TOLERANCE * (1.0 - confidence)
    nominal = 1.0 - confidence
    fit = [s for s in compared.scores if s.confidence == confidence and s.in_set and s.top_decile_rate <= limit
           and s.interval[0] <= nominal <= s.interval[1]]
    steadiest, cheapest = min(fit, key=lambda s: s.rise_5, default=own), min(fit, key=lambda s: s.mean_margin,
                                                                            default=own)
    rows.append(Row(f"{label}: steadiest or cheapest of the set's members with conditional coverage", own.rise_5,
                    f"steadiest {steadiest.method} {steadiest.rise_5:.2f}x, cheapest {cheapest.method} "
                    f"{cheapest.mean_margin:.3f}", "is one of both", own in (steadiest, cheapest)))
    control = compared.of(CONTROL, confidence)
    if not study.unseen:
        rows.append(Row(f"{label}: the control {CONTROL} fails", control.rate, f"{1.0 - confidence:.4g}",
                        "its interval lies above nominal", control.interval[0] > 1.0 - confidence))
    return rows
