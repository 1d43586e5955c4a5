"""A rate from day one: do cold-start quantiles hold in a listing's first year, and does anything simpler do as well?

Two ways to have a first year. *Listings*: coins that appear in a file after its start, scored from the close of their
first bar (on the perpetuals venue that is the first day with volume: what the source back-fills before it is masked).
*Hidden*: coins with a long past whose past is taken away, once a year of their life, so that collapses of grown coins
(LUNA, FTT) fall into somebody's first year; their age is then unknown, and lives begin on different days for
different coins. Peers are all others up to the same close. Margins are set anew every day; those of hidden lives, where
every coin has peers of its own, every week from the second month on.

Rivals, each known at the same time: the coin's own short history (order statistics; its largest loss so far where it is
too short), the peers' plain mean, and the largest of the ten peers nearest in volume. The age range of each bucket is
counted at the opening of the window. The way in which young listings speak of volatility was chosen on both files of
listings; the three hidden studies (*unseen*) served no choice of the method, but their lives were spread over the year
after a first run in which all began on the same day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from leverline import __version__
from leverline.calibrate.cold_start import ColdStart, EarlyVolatility, Peers, market_features, own_history, peers_of
from leverline.evidence.experiments.verdicts import Experiment, Row
from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.errors import InsufficientDataError
from leverline.ground.files import sha256
from leverline.ground.progress import track
from leverline.market.bars import NS_PER_S, Panel
from leverline.market.reading import read_bars
from leverline.measure.loss_models import DEFAULT_MODEL, MIN_HISTORY_DAYS, loss_model, walk_forward
from leverline.measure.losses import Losses, worst_losses
from leverline.measure.resampling import default_block, pooled_rate, resampled_sums
from leverline.measure.scores import quantile_score

CAPITALISATIONS = "daily_market_cap.parquet"
CONFIDENCES = (0.99, 0.995)
BUCKETS = ((0, 30), (31, 90), (91, 250), (251, 365))
FIRST_YEAR = 365
STAGGER = 37
"""Days between the hidden lives of neighbouring coins: begun on one day, all would have one month's market."""
DAILY_UNTIL, WEEK = 31, 7
NEAREST = 10
HOURS = 24
MIN_PEERS = 5
DRAWS = 2000
SEED = 365
OURS = "cold start"
RIVALS = ("own history only", "grand mean of peers", "largest of ten nearest")
METHODS = (OURS, *RIVALS, DEFAULT_MODEL)


@dataclass(frozen=True, slots=True)
class Study:
    """One file and one way to have a first year."""

    label: str
    file: str
    kind: Literal["listings", "hidden"]
    unseen: bool = False


STUDIES = (
    Study("perpetuals, listings", "daily_perp_hyperliquid_all.parquet", "listings"),
    Study("spot, listings", "daily_spot_coinbase.parquet", "listings"),
    Study("spot, past hidden, unseen", "daily_spot_coinbase.parquet", "hidden", unseen=True),
    Study("spot closes with LUNA and FTT, past hidden, unseen", "hourly_close_spot_binance.parquet", "hidden",
          unseen=True),
    Study("spot through LUNA's collapse, past hidden, unseen", "daily_spot_binance_2021_2022_luna.parquet", "hidden",
          unseen=True),
)


@dataclass(frozen=True, slots=True)
class Walked:
    """Margins asked of each newcomer: ``margin[method]`` (n_bars, n_newcomers, 2, n_levels), in force for the next bar.

    ``loss`` (n_bars, n_newcomers, 2) of the windows opened at each bar; ``age`` (n_bars, n_newcomers) in days, -1
    outside the first year; ``own_weight`` like a margin.
    """

    newcomers: tuple[str, ...]
    loss: FloatArray
    age: IntArray
    margin: dict[str, FloatArray]
    own_weight: FloatArray


def run(folder: Path) -> Experiment:
    """Run every study on the files in ``folder``."""
    rng = np.random.default_rng(SEED)
    rows: list[Row] = []
    variants: list[dict[str, Any]] = []
    files = {}
    for study in track(STUDIES, "studies"):
        for name in (study.file, CAPITALISATIONS):
            if not (folder / name).is_file():
                raise InsufficientDataError(f"{name} is not in {folder}", remedy="name the folder that has it")
            files[name] = sha256(folder / name)
        panel = daily(Panel.of(read_bars([folder / study.file])))
        walked = walk_newcomers(panel, capitalisations(folder / CAPITALISATIONS, panel), study.kind)
        for level, confidence in enumerate(CONFIDENCES):
            rows += _coverage(study, walked, level, confidence, rng)
            rows += _scores(study, walked, level, confidence, rng)
            variants += _variants(study, walked, level, confidence, rng)
    provenance = {"software": f"leverline {__version__}", "seed": SEED, "files": files, "model": DEFAULT_MODEL,
                  "horizon": "one day",
                  "refit": "every day; hidden lives every week from the second month on",
                  "buckets_days": [list(bucket) for bucket in BUCKETS]}
    return Experiment("cold-start", tuple(rows), provenance, tuple(variants))


def daily(panel: Panel) -> Panel:
    """Day bars; of hourly closes, the lowest and highest close of a day are its low and high, as far as seen."""
    if round(panel.bars_per_day) == 1:
        return panel
    day_ns = HOURS * 3600 * NS_PER_S
    skip = int(-(panel.ts[0] // panel.spacing_ns) % HOURS)
    n_days = (panel.ts.size - skip) // HOURS
    close = panel.close[skip : skip + n_days * HOURS].reshape(n_days, HOURS, -1)
    seen = np.isfinite(close).any(axis=1)
    last = HOURS - 1 - np.isfinite(close)[:, ::-1].argmax(axis=1)
    low, high = np.fmin.reduce(close, axis=1), np.fmax.reduce(close, axis=1)
    closing = np.where(seen, np.take_along_axis(close, last[:, None, :], axis=1)[:, 0], np.nan)
    return Panel(panel.symbols, panel.ts[skip : skip + n_days * HOURS : HOURS], day_ns, closing, high, low,
                 np.full_like(closing, np.nan))


def capitalisations(path: Path, panel: Panel) -> FloatArray:
    """Market capitalisation known at each close, (n_bars, n_listings): the day's own, NaN where the file has none."""
    table = pl.read_parquet(path).with_columns(pl.col("ts").dt.epoch("ns").alias("ns"))
    out = np.full(panel.close.shape, np.nan)
    by_symbol = table.partition_by("symbol", as_dict=True)
    for column, symbol in enumerate(panel.symbols):
        found = by_symbol.get((symbol,))
        if found is None:
            continue
        at = (found["ns"].to_numpy() - panel.ts[0]) // panel.spacing_ns
        inside = (at >= 0) & (at < panel.ts.size)
        out[at[inside], column] = found["market_cap"].to_numpy()[inside]
    return out


@dataclass(frozen=True, slots=True)
class _Newcomers:
    """The panel with one column more a hidden life; which columns are newcomers, from which row, and their names."""

    panel: Panel
    columns: IntArray
    first: IntArray
    own: IntArray  # column of the coin itself, which is not its peer


def _newcomers(panel: Panel, kind: str) -> _Newcomers:
    """Coins listed after the start of the file; or coins whose past is hidden, a life a year."""
    n = len(panel.symbols)
    first = np.isfinite(panel.close).argmax(axis=0)
    if kind == "listings":
        columns = np.flatnonzero(first > 0)
        return _Newcomers(panel, columns, first[columns], columns)
    own, starts = [], []
    for column in range(n):
        seen = np.flatnonzero(np.isfinite(panel.close[:, column]))
        for place in range(MIN_HISTORY_DAYS + STAGGER * column % FIRST_YEAR, seen.size, FIRST_YEAR):
            own.append(column)
            starts.append(seen[place])
    wide = np.r_[np.arange(n), np.array(own, np.int64)]
    arrays = {name: getattr(panel, name)[:, wide].copy() for name in ("close", "high", "low", "volume")}
    for life, start in enumerate(starts):
        for values in arrays.values():
            values[:start, n + life] = np.nan
    hidden = replace(panel, symbols=tuple(panel.symbols[j] for j in wide), **arrays)
    return _Newcomers(hidden, np.arange(n, wide.size), np.array(starts, np.int64), np.array(own, np.int64))


def walk_newcomers(panel: Panel, capitalisation: FloatArray, kind: Literal["listings", "hidden"]) -> Walked:
    """Every method's margin for every newcomer at every close of its first year, without look-ahead."""
    come, exceedances = _newcomers(panel, kind), tuple(1.0 - c for c in CONFIDENCES)
    model, n_old = loss_model(DEFAULT_MODEL), len(panel.symbols)
    losses = worst_losses(come.panel, 1)
    refits = np.arange(MIN_HISTORY_DAYS, panel.ts.size - 1)
    forecast = walk_forward(come.panel, losses, model, refits, exceedances)
    early = EarlyVolatility.of(come.panel, model)
    shape = (panel.ts.size, come.columns.size, 2, len(CONFIDENCES))
    margin = {name: np.full(shape, np.nan) for name in METHODS}
    weight, age = np.full(shape, np.nan), np.full(shape[:2], -1, np.int64)
    old = np.arange(n_old)
    for refit, row in enumerate(refits):
        alive = _alive(come, losses, int(row))
        age[row, alive] = row - come.first[alive]
        due = alive[(kind == "listings") | (age[row, alive] < DAILY_UNTIL) | (age[row, alive] % WEEK == 0)
                    | np.isnan(margin[OURS][row - 1, alive, 0, 0])]
        for held in (weight, *margin.values()):
            held[row, alive] = held[row - 1, alive]
        if not due.size:
            continue
        features = market_features(come.panel, int(row))
        features[:, 1] = np.log(capitalisation[row, np.r_[old, come.own]] if kind == "hidden" else capitalisation[row])
        if kind == "hidden":
            features[n_old:, 2] = np.nan  # with its past its age is hidden
        for who, peers, estimator in _estimators(forecast, refit, early, features, come, due, old, exceedances, kind):
            column = int(come.columns[who])
            own = own_history(losses, early, int(row), column, model.window_days)
            cold = estimator.quantile(own, features[column])
            margin[OURS][row, who], weight[row, who] = cold.quantile, cold.own_weight
            margin[RIVALS[0]][row, who] = _own_only(own.loss, exceedances)
            mean, largest = _of_peers(peers, features[column], model.filtering)
            margin[RIVALS[1]][row, who], margin[RIVALS[2]][row, who] = mean, largest
            margin[DEFAULT_MODEL][row, who] = forecast.quantile[refit, column]
    return Walked(tuple(come.panel.symbols[j] for j in come.columns), losses.loss[:, come.columns], age, margin, weight)


def _alive(come: _Newcomers, losses: Losses, row: int) -> IntArray:
    """Newcomers in their first year that open a window at ``row``."""
    young = (come.first <= row) & (row <= come.first + FIRST_YEAR)
    return np.flatnonzero(young & np.isfinite(losses.loss[row, come.columns]).all(axis=1))


def _estimators(
    forecast: Any, refit: int, early: EarlyVolatility, features: FloatArray, come: _Newcomers, due: IntArray,
    old: IntArray, exceedances: tuple[float, ...], kind: str,
) -> Iterator[tuple[int, Peers, ColdStart]]:
    """Each newcomer with its peers and the estimator they taught; one for all where no coin is its own peer."""
    if kind == "listings":
        peers = peers_of(forecast, refit, early, features, old)
        if peers.log_sigma.size >= MIN_PEERS:
            estimator = ColdStart(exceedances=exceedances, minimum_peers=MIN_PEERS).fit(peers)
            yield from ((int(who), peers, estimator) for who in due)
        return
    for who in due:
        peers = peers_of(forecast, refit, early, features, old[old != come.own[who]])
        if peers.log_sigma.size >= MIN_PEERS:
            yield int(who), peers, ColdStart(exceedances=exceedances, minimum_peers=MIN_PEERS).fit(peers)


def _own_only(loss: FloatArray, exceedances: tuple[float, ...]) -> FloatArray:
    """Order statistics of a short history at Weibull's plotting positions, (2, n_levels); NaN without any."""
    if not loss.shape[0]:
        return np.full((2, len(exceedances)), np.nan)
    place = np.clip((1.0 - np.asarray(exceedances)) * (loss.shape[0] + 1) - 1.0, 0, loss.shape[0] - 1)
    ordered = np.sort(loss, axis=0)
    return np.array([np.interp(place, np.arange(loss.shape[0]), ordered[:, side]) for side in range(2)])


def _of_peers(peers: Peers, features: FloatArray, power: float) -> tuple[FloatArray, FloatArray]:
    """Geometric mean of the peers' quantiles, and the largest among those nearest in volume, each (2, n_levels)."""
    log_quantile = peers.log_tail + power * peers.log_sigma[:, None, None]
    distance = np.abs(peers.features[:, 0] - features[0])
    nearest = np.argsort(np.where(np.isfinite(distance), distance, np.inf), kind="stable")[:NEAREST]
    return np.exp(log_quantile.mean(axis=0)), np.exp(log_quantile[nearest].max(axis=0))


def _counts(walked: Walked, method: str, level: int, bucket: tuple[int, int]) -> tuple[IntArray, IntArray, BoolArray]:
    """Breaches and observations a date, and what was observed (n_bars, n_newcomers, 2)."""
    margin = walked.margin[method][..., level]
    inside = (walked.age >= bucket[0]) & (walked.age <= bucket[1])
    seen = inside[:, :, None] & np.isfinite(margin) & np.isfinite(walked.loss)
    breach = seen & (walked.loss > np.where(seen, margin, np.inf))
    return breach.sum(axis=(1, 2)), seen.sum(axis=(1, 2)), seen


def _coverage(study: Study, walked: Walked, level: int, confidence: float, rng: np.random.Generator) -> list[Row]:
    """Breach rate of each age bucket against the stated one."""
    rows, allowed = [], 1.0 - confidence
    for bucket in BUCKETS:
        breaches, observations, _ = _counts(walked, OURS, level, bucket)
        rate = pooled_rate(breaches, observations, rng=rng)
        if not rate.observations:
            continue
        rows.append(Row(
            f"{study.label}, {confidence:g}, day {bucket[0]}-{bucket[1]}: breach rate of {rate.observations:,} windows",
            rate.rate, f"{allowed:.4g}",
            f"95 % interval by dates {rate.low:.5f} to {rate.high:.5f} holds the nominal rate",
            rate.low <= allowed <= rate.high))
    return rows


def _scores(study: Study, walked: Walked, level: int, confidence: float, rng: np.random.Generator) -> list[Row]:
    """Quantile score against each rival over the first 250 days, on the windows for which both have a margin."""
    rows, bucket = [], (0, MIN_HISTORY_DAYS)
    for rival in RIVALS:
        seen = _counts(walked, OURS, level, bucket)[2] & _counts(walked, rival, level, bucket)[2]
        ours, theirs = (np.where(seen, quantile_score(
            np.where(seen, walked.loss, 0.0), np.where(seen, walked.margin[name][..., level], 0.0), 1.0 - confidence),
            0.0) for name in (OURS, rival))
        n = int(seen.sum())
        if not n:
            continue
        low, high = _difference_interval((ours - theirs).sum(axis=(1, 2)), seen.sum(axis=(1, 2)), rng)
        rows.append(Row(
            f"{study.label}, {confidence:g}, day 0-{MIN_HISTORY_DAYS}: quantile score", float(ours.sum() / n),
            f"{rival} {theirs.sum() / n:.5f}",
            f"95 % interval by dates of the difference below 0: {low:.5f} to {high:.5f}", high < 0.0))
    return rows


def _difference_interval(total: FloatArray, count: IntArray, rng: np.random.Generator) -> tuple[float, float]:
    """95 % percentile interval of a mean whose sum and count are given a date, by blocks of dates."""
    kept = count > 0
    columns = np.column_stack([total[kept], count[kept]]).astype(np.float64)
    sums = resampled_sums(columns, default_block(int(kept.sum())), DRAWS, rng)
    low, high = np.quantile(sums[:, 0] / sums[:, 1], [0.025, 0.975])
    return float(low), float(high)


def _variants(study: Study, walked: Walked, level: int, confidence: float, rng: np.random.Generator,
              ) -> list[dict[str, Any]]:
    """Every method in every bucket, and in the first three days alone."""
    out = []
    for method in METHODS:
        for bucket in ((0, 2), *BUCKETS):
            breaches, observations, seen = _counts(walked, method, level, bucket)
            rate = pooled_rate(breaches, observations, rng=rng)
            margin = walked.margin[method][..., level][seen]
            weight = walked.own_weight[..., level][seen] if method == OURS else np.empty(0)
            out.append({
                "study": study.label, "method": method, "confidence": confidence, "first_day": bucket[0],
                "last_day": bucket[1], "newcomers": len(walked.newcomers), "windows": rate.observations,
                "rate": _known(rate.rate), "interval": [_known(rate.low), _known(rate.high)],
                "mean_margin": _known(margin.mean() if margin.size else np.nan),
                "mean_own_weight": _known(weight.mean() if weight.size else np.nan)})
    return out


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
