"""Do cost curves from past snapshots predict the cost of walking the next minute's book?

Level-2 snapshots of bitcoin and ether, perpetual and spot, one a second for under six minutes. At every second the
forecast is made from snapshots and trades up to then and held against two things: the *average* cost over the sixty
snapshots that follow (what a liquidation at a random moment of the next minute pays) and the cost in the *one* snapshot
sixty seconds later. Rivals are the last snapshot's own curve and the square root law, the latter with the coefficient
that the literature gives and with coefficients fitted to the books so far; the best of them *in hindsight* is the one
held against ours. Ours is a race, decided on the past only, among averages of the past and blends of them with the last
snapshot.

Errors are |log(forecast / realised)|. Targets of neighbouring seconds overlap, so intervals draw blocks of a minute;
five minutes hold few of them, and they are one evening's. Sizes beyond the visible book are not scored: of a size, only
moments whose next minute holds it in nine snapshots of ten. The forecasts in the race were written with this file at
hand; the choice among them at each second was not.

What was not at hand is *unseen*: half an hour of bitcoin on another venue, years later, rebuilt every second from
orders. The pooled claims are repeated on it; its errors by size stand among the variants, where the last snapshot is
the better forecast of the smallest sizes, which a slower book serves from its best levels for minutes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leverline import __version__
from leverline.evidence.experiments.verdicts import Experiment, Row
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError
from leverline.ground.files import sha256
from leverline.market.bars import NS_PER_S
from leverline.market.books import BookSnapshots
from leverline.market.order_events import rebuild
from leverline.market.sources.level2 import read_level2
from leverline.market.sources.level3 import read_level3
from leverline.market.sources.trade_files import read_trades
from leverline.market.trades import Trades
from leverline.measure.cost_forecast import (
    blended,
    mean_of_next,
    race,
    relative_error,
    running_mean,
    running_median,
    weighted_mean,
)
from leverline.measure.impact import SECONDS_PER_DAY, slippage_rate
from leverline.measure.liquidity import mid_price, walk_costs
from leverline.measure.resampling import resampled_sums

BOOKS, TRADES = "l2_snapshots_binance_2024_08_08.parquet", "trades_binance_2024_08_08.parquet"
ORDERS, ORDER_TRADES = "l3_events_bitstamp_btcusd_2026_05_02.parquet", "trades_bitstamp_btcusd_2026_05_02.parquet"
ORDER_SYMBOL, ORDER_LEVELS = "BTC/USD", 200
SIZES = np.array([1e4, 3e4, 1e5, 2e5, 3e5])
AHEAD = 60
WARM_UP = 60
"""Snapshots before the first forecast and ahead of each: a minute of one-second snapshots."""
HELD_SHARE = 0.9
DRAWS = 2000
TIE = 0.01
"""Relative errors that are the same for all purposes: what fits the best level costs half a tick by any forecast."""
SEED = 88
OURS, LAST = "race", "last snapshot"
NEXT_MINUTE, ONE_SNAPSHOT = "average of the next minute", "snapshot a minute later"
DEFAULTS = {NEXT_MINUTE: "mean of all", ONE_SNAPSHOT: "median of all"}
"""Where the race starts, before any error is known: a mean is what forecasts an average, and under absolute errors a
median is what forecasts a single draw. The race from the other start was tried too and stands among the variants.
"""
SQUARE_ROOTS = ("square root, coefficient 1", "square root, median fit", "square root, mean fit")


@dataclass(frozen=True, slots=True)
class Scored:
    """One market against one target: error of each forecast (n_origins, 2, n_sizes), NaN where nothing is scored."""

    market: str
    target: str
    errors: dict[str, FloatArray]
    relative: dict[str, FloatArray]  # |forecast / realised - 1|, same shape
    chosen: dict[str, int]  # how often the race chose each


def run(folder: Path) -> Experiment:
    """Run on the level-2 file, on the unseen order events, and on the trades of both, all in ``folder``."""
    names = (BOOKS, TRADES, ORDERS, ORDER_TRADES)
    for name in names:
        if not (folder / name).is_file():
            raise InsufficientDataError(f"{name} is not in {folder}", remedy="name the folder that has it")
    rng = np.random.default_rng(SEED)
    rows: list[Row] = []
    variants: list[dict[str, Any]] = []
    for label, scored in (("four markets", _large_markets(folder)), ("unseen venue", _unseen_market(folder))):
        for target in (NEXT_MINUTE, ONE_SNAPSHOT):
            of_target = [each for each in scored if each.target == target]
            rows += _pooled_rows(of_target, f"{label}, {target}", rng)
            if len(of_target) > 1:
                rows += _size_rows(of_target, f"{label}, {target}")
            variants += _variants(of_target)
    provenance = {"software": f"leverline {__version__}", "seed": SEED,
                  "files": {name: sha256(folder / name) for name in names}, "sizes": SIZES.tolist(),
                  "seconds_ahead": AHEAD, "warm_up": WARM_UP, "block": AHEAD}
    return Experiment("book-costs", tuple(rows), provenance, tuple(variants))


def _large_markets(folder: Path) -> list[Scored]:
    """The four markets of the level-2 file."""
    prints = {_market(trades.symbol): trades for trades in read_trades([folder / TRADES])}
    return [each for books in read_level2([folder / BOOKS])
            for each in score_market(books, prints[_market(books.symbol)])]


def _unseen_market(folder: Path) -> list[Scored]:
    """The market of the order events, its book rebuilt every second."""
    events, = read_level3([folder / ORDERS], symbol=ORDER_SYMBOL)
    trades, = read_trades([folder / ORDER_TRADES], symbol=ORDER_SYMBOL)
    return score_market(rebuild(events, every_s=1.0, levels=ORDER_LEVELS).snapshots, trades)


def score_market(books: BookSnapshots, trades: Trades) -> list[Scored]:
    """Every forecast of one market against both targets, at each second from the warm-up to a minute before the end."""
    cost = walk_costs(books, SIZES).rate
    forecasts = {LAST: cost, **_averages(cost), **_square_roots(books, trades, cost)}
    later = np.full_like(cost, np.nan)
    later[:-AHEAD] = cost[AHEAD:]
    targets = {NEXT_MINUTE: mean_of_next(cost, AHEAD, HELD_SHARE), ONE_SNAPSHOT: later}
    return [_scored(books.symbol, target, forecasts, realised) for target, realised in targets.items()]


def _averages(cost: FloatArray) -> dict[str, FloatArray]:
    """The runners: averages of the past, and blends of the longest with the last snapshot."""
    everything = running_mean(cost)
    return {
        "mean of all": everything,
        "median of all": running_median(cost),
        **{f"mean of {rows} s": running_mean(cost, rows) for rows in (15, 30, 60)},
        **{f"weighted mean, half-life {rows} s": weighted_mean(cost, rows) for rows in (10, 30, 60)},
        **{f"blend, {weight:g} last": blended(cost, everything, weight) for weight in (0.1, 0.25, 0.5)},
    }


def _square_roots(books: BookSnapshots, trades: Trades, cost: FloatArray) -> dict[str, FloatArray]:
    """The law with the volatility and volume of the sample so far, and three coefficients, each from the past only."""
    moves = np.diff(np.log(mid_price(books)), prepend=np.nan)
    spacing_s = float(np.median(np.diff(books.ts))) / NS_PER_S
    sigma = np.sqrt(running_mean(moves**2) * (SECONDS_PER_DAY / spacing_s))
    traded = np.concatenate([[0.0], np.cumsum(trades.price * trades.size)])
    so_far = traded[np.searchsorted(trades.ts, books.ts, side="right")]
    elapsed_s = np.maximum((books.ts - trades.ts[0]) / NS_PER_S, spacing_s)
    volume = so_far / elapsed_s * SECONDS_PER_DAY
    bare = np.array([slippage_rate(SIZES, coefficient=1.0, sigma_per_day=s if np.isfinite(s) else 0.0, volume_per_day=v)
                     for s, v in zip(sigma, volume, strict=True)])[:, None, :] * np.ones_like(cost)
    bare[:WARM_UP // 2] = np.nan  # too few moves for a volatility
    with np.errstate(invalid="ignore", divide="ignore"):
        typical = np.nanmedian(np.log(running_median(cost) / bare)[WARM_UP // 2 :], axis=(1, 2))
        mean = np.nanmean(np.log(running_mean(cost) / bare)[WARM_UP // 2 :], axis=(1, 2))
    fits = {}
    for name, logged in zip(SQUARE_ROOTS[1:], (typical, mean), strict=True):
        coefficient = np.concatenate([np.full(WARM_UP // 2, np.nan), np.exp(logged)])
        fits[name] = coefficient[:, None, None] * bare
    return {SQUARE_ROOTS[0]: bare, **fits}


def _scored(symbol: str, target: str, forecasts: dict[str, FloatArray], realised: FloatArray) -> Scored:
    """Errors of all forecasts from the warm-up on, and of the race among the averages."""
    runners = [name for name in forecasts if name != LAST and name not in SQUARE_ROOTS]
    made = slice(WARM_UP, realised.shape[0] - AHEAD)
    errors = {name: relative_error(forecast, realised)[made] for name, forecast in forecasts.items()}
    own = np.array([errors[name] for name in runners])
    relative = {name: np.abs(forecast[made] / realised[made] - 1.0) for name, forecast in forecasts.items()}
    for start in DEFAULTS.values():
        name = OURS if start == DEFAULTS[target] else f"race, started at the {start}"
        chosen = race(own, AHEAD, runners.index(start))
        raced = np.array([forecasts[runners[k]][made][t] for t, k in enumerate(chosen)])
        errors[name], relative[name] = relative_error(raced, realised[made]), np.abs(raced / realised[made] - 1.0)
        if name == OURS:
            picks = {runners[k]: int(n) for k, n in zip(*np.unique(chosen, return_counts=True), strict=True)}
    return Scored(symbol, target, errors, relative, picks)


def pooled_by_second(scored: list[Scored], name: str) -> FloatArray:
    """Mean error of a forecast at each origin over markets, sides and sizes that *every* forecast is scored on."""
    origins = min(each.errors[name].shape[0] for each in scored)
    total, count = np.zeros(origins), np.zeros(origins)
    for each in scored:
        everyone = np.isfinite(np.array([error[:origins] for error in each.errors.values()])).all(axis=0)
        total += np.where(everyone, each.errors[name][:origins], 0.0).sum(axis=(1, 2))
        count += everyone.sum(axis=(1, 2))
    return np.asarray(np.divide(total, count, out=np.full(origins, np.nan), where=count > 0), np.float64)


def _pooled_rows(scored: list[Scored], target: str, rng: np.random.Generator) -> list[Row]:
    """Ours against the last snapshot and the best of the square roots; markets, sides and sizes together."""
    ours = pooled_by_second(scored, OURS)
    square_root = min(SQUARE_ROOTS, key=lambda name: float(np.nanmean(pooled_by_second(scored, name))))
    rows = []
    for rival in (LAST, square_root):
        theirs = pooled_by_second(scored, rival)
        low, high = difference_interval(ours - theirs, rng)
        rows.append(Row(
            f"{target}: mean |log error|, both sides, {SIZES.size} sizes", float(np.nanmean(ours)),
            f"{rival} {np.nanmean(theirs):.3f}",
            f"95 % interval of the difference, blocks of {AHEAD} s, below 0: {low:.3f} to {high:.3f}", high < 0.0))
        if len(scored) > 1:
            better = sum(_mean(each, OURS) < _mean(each, rival) for each in scored)
            rows.append(Row(f"{target}: markets in which it is better", better, rival, f"all {len(scored)}",
                            better == len(scored)))
    return rows


def _size_rows(scored: list[Scored], target: str) -> list[Row]:
    """The stated error of each size: the median over markets, sides and moments, against both rivals' medians."""
    square_root = min(SQUARE_ROOTS, key=lambda name: float(np.nanmean(pooled_by_second(scored, name))))
    rows = []
    for k, size in enumerate(SIZES):
        median = {name: float(np.nanmedian(np.concatenate([each.relative[name][:, :, k].ravel() for each in scored])))
                  for name in (OURS, LAST, square_root)}
        rows.append(Row(f"{target}: median relative error at {size:,.0f}", median[OURS],
                        f"{LAST} {median[LAST]:.3f}, {square_root} {median[square_root]:.3f}",
                        f"below both, or within {TIE} of them",
                        median[OURS] <= min(median[LAST], median[square_root]) + TIE))
    return rows


def _variants(scored: list[Scored]) -> list[dict[str, Any]]:
    """Everything tried, market by market and size by size."""
    return [{
        "target": each.target, "market": each.market, "forecast": name, "mean_abs_log_error": _mean(each, name),
        "median_relative_error": {f"{size:g}": _none_if_nan(np.nanmedian(each.relative[name][:, :, k])
                                                            if np.isfinite(each.relative[name][:, :, k]).any()
                                                            else np.nan)
                                  for k, size in enumerate(SIZES)},
        "scored": int(np.isfinite(error).sum()), "chosen_at": each.chosen.get(name, 0),
    } for each in scored for name, error in each.errors.items()]


def difference_interval(difference: FloatArray, rng: np.random.Generator) -> tuple[float, float]:
    """95 % percentile interval of the mean of ``difference`` (n_origins,) over circular blocks of a minute."""
    known = np.isfinite(difference)
    columns = np.column_stack([np.where(known, difference, 0.0), known.astype(np.float64)])
    sums = resampled_sums(columns, min(AHEAD, difference.size), DRAWS, rng)
    low, high = np.quantile(sums[:, 0] / sums[:, 1], [0.025, 0.975])
    return float(low), float(high)


def _mean(scored: Scored, name: str) -> float:
    everyone = np.isfinite(np.array(list(scored.errors.values()))).all(axis=0)
    return float(scored.errors[name][everyone].mean())


def _none_if_nan(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _market(symbol: str) -> frozenset[str]:
    """The parts of a symbol that names market and instrument, in whichever order a reader joins them."""
    return frozenset(re.split(r"[@:]", symbol))
