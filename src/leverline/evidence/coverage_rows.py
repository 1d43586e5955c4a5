"""From scored windows to rows: one a market, side, layer, confidence and horizon; pooled; per stress window."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from leverline.evidence.scoring import Scored
from leverline.evidence.stress_windows import STRESS_WINDOWS
from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.market.bars import Panel
from leverline.measure.coverage import binomial_band, christoffersen_conditional, dynamic_quantile, kupiec
from leverline.measure.losses import SIDES
from leverline.measure.procyclicality import max_increase, peak_to_trough
from leverline.measure.resampling import pooled_rate
from leverline.measure.scores import quantile_score

TOP_SHARE = 0.1
"""The share of days with the highest forecast volatility in which coverage is looked at again."""


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """Coverage, cost and procyclicality of one market, side, layer, confidence and horizon.

    ``observations`` and ``exceedances`` are means over the start offsets of non-overlapping windows, Kupiec's p
    is at those means, Christoffersen's and DQ's are medians over the offsets. Margins are fractions of notional.
    """

    symbol: str
    side: str
    layer: str
    confidence: float
    horizon_s: float
    observations: int
    exceedances: float
    band_low: int
    band_high: int
    kupiec_p: float | None
    christoffersen_p: float | None
    dq_p: float | None
    mean_margin: float | None
    peak_margin: float | None
    peak_to_trough: float | None
    max_increase_5: float | None
    quantile_score: float | None
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PooledRow:
    """All markets and sides of one layer, confidence and horizon; rates are per window of the horizon."""

    layer: str
    confidence: float
    horizon_s: float
    rate: float | None
    interval: tuple[float, float] | None
    rate_top_volatility_decile: float | None
    mean_margin: float | None
    quantile_score: float | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class StressRow:
    """Breaches inside one named spell of stress."""

    window: str
    layer: str
    confidence: float
    horizon_s: float
    observations: int
    exceedances: int
    rate: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON fields."""
        return asdict(self)


def coverage_rows(
    scored: Scored, layer: str, confidence: float, horizon_s: float, refits: IntArray, left_out: set[str]
) -> list[CoverageRow]:
    """One row a market and side, in the input's order; a market without a window at this horizon has nulls."""
    n_symbols = len(scored.symbols)
    flat = (scored.loss.shape[0], 2 * n_symbols)
    breach, observed = scored.breach.reshape(flat), scored.observed.reshape(flat)
    loss, margin = scored.loss.reshape(flat), scored.margin.reshape(flat)
    p = scored.exceedance
    observations: FloatArray = np.array([observed[rows].sum(axis=0) for rows in scored.offsets]).mean(axis=0)
    exceedances: FloatArray = np.array([breach[rows].sum(axis=0) for rows in scored.offsets]).mean(axis=0)
    counted: IntArray = np.round(observations).astype(np.int64)
    low, high = binomial_band(counted, p)
    uncond = kupiec(np.round(exceedances).astype(np.int64), counted, p).p_value
    cond, dq = _serial_tests(breach, observed, margin, p, scored.offsets)
    scores = _column_means(quantile_score(loss, margin, p), observed)
    means = _column_means(margin, observed)
    held = _margins_held(margin, refits)
    ratio, increase = peak_to_trough(held), max_increase(held)
    rows = []
    for k in range(flat[1]):
        symbol, side = scored.symbols[k // 2], SIDES[k % 2]
        if symbol in left_out:
            continue
        peak = np.max(margin[:, k], where=observed[:, k], initial=-np.inf)
        rows.append(CoverageRow(
            symbol, side, layer, confidence, horizon_s, int(counted[k]), round(float(exceedances[k]), 4),
            int(low[k]), int(high[k]), _known(uncond[k]), _known(cond[k]), _known(dq[k]), _known(means[k]),
            _known(peak), _known(ratio[k]), _known(increase[k]), _known(scores[k]),
            verdict(layer, exceedances[k], counted[k] * p, int(low[k]), int(high[k]))))
    return rows


def verdict(layer: str, exceedances: float, expected: float, low: int, high: int) -> str:
    """In words: two-sided for the model, one-sided for the book; undecided where no breach is expected at all."""
    if exceedances > high:
        return "too many breaches"
    if expected < 1.0:
        return "undecided"
    if layer == "model" and exceedances < low:
        return "too few breaches"
    return "holds"


def in_band_share(scored: Scored, min_observations: int) -> tuple[float, int]:
    """Share of market-sides inside their 95 % binomial band, averaged over start offsets, and how many sides."""
    flat = (scored.loss.shape[0], 2 * len(scored.symbols))
    breach, observed = scored.breach.reshape(flat), scored.observed.reshape(flat)
    shares, sides = [], 0
    for rows in scored.offsets:
        seen = observed[rows].sum(axis=0)
        low, high = binomial_band(seen, scored.exceedance)
        hits = breach[rows].sum(axis=0)
        enough = seen >= min_observations
        if enough.any():
            shares.append(float(((hits >= low) & (hits <= high))[enough].mean()))
            sides = max(sides, int(enough.sum()))
    return (float(np.mean(shares)) if shares else float("nan")), sides


def pooled_row(
    scored: Scored, layer: str, confidence: float, horizon_s: float, conditioning: FloatArray, panel: Panel,
    rng: np.random.Generator,
) -> PooledRow:
    """Pool all windows of all offsets; the interval resamples blocks of dates, since markets breach together."""
    breaches, observations = by_date(scored)
    rate = pooled_rate(breaches, observations, rng=rng)
    top = top_volatility(scored, conditioning, panel)
    seen = top & scored.observed
    top_rate = float(scored.breach[top].sum() / seen.sum()) if seen.any() else float("nan")
    observed = scored.observed
    margin, loss = scored.margin[observed], scored.loss[observed]
    if not observed.any():
        return PooledRow(layer, confidence, horizon_s, None, None, None, None, None)
    return PooledRow(layer, confidence, horizon_s, _known(rate.rate), (rate.low, rate.high), _known(top_rate),
                     float(margin.mean()), float(quantile_score(loss, margin, scored.exceedance).mean()))


def by_date(scored: Scored) -> tuple[IntArray, IntArray]:
    """Breaches and observations of each date on which windows opened, over all markets, sides and offsets."""
    rows = np.concatenate(scored.offsets)
    _, day = np.unique(scored.dates[rows], return_inverse=True)
    hits = np.bincount(day, scored.breach[rows].sum(axis=(1, 2)))
    seen = np.bincount(day, scored.observed[rows].sum(axis=(1, 2)))
    return hits.astype(np.int64), seen.astype(np.int64)


def top_volatility(scored: Scored, conditioning: FloatArray, panel: Panel) -> BoolArray:
    """Windows opened when the market's forecast volatility stood in its own top decile of the scored sample."""
    merged = np.full(scored.loss.shape[:2], np.nan)
    for column, symbol in enumerate(panel.symbols):
        at = scored.symbols.index(symbol)
        lives = np.isfinite(panel.close[:, column])
        merged[lives, at] = conditioning[lives, column]
    merged[~scored.observed.any(axis=2)] = np.nan
    top = np.zeros(merged.shape, bool)
    for at in range(len(scored.symbols)):
        path = merged[:, at]
        if np.isfinite(path).any():
            top[:, at] = path >= np.nanquantile(path, 1.0 - TOP_SHARE)
    return np.repeat(top[:, :, None], 2, axis=2)


def stress_rows(scored: Scored, layer: str, confidence: float, horizon_s: float) -> list[StressRow]:
    """Breaches in each named spell that the scored sample covers."""
    rows = np.concatenate(scored.offsets)
    out = []
    for window in STRESS_WINDOWS:
        first, last = window.days
        inside = rows[(scored.dates[rows] >= first) & (scored.dates[rows] <= last)]
        observations, hits = int(scored.observed[inside].sum()), int(scored.breach[inside].sum())
        if observations:
            out.append(StressRow(window.name, layer, confidence, horizon_s, observations, hits, hits / observations))
    return out


def _serial_tests(
    breach: BoolArray, observed: BoolArray, margin: FloatArray, p: float, offsets: tuple[IntArray, ...]
) -> tuple[FloatArray, FloatArray]:
    """Medians over start offsets of the conditional-coverage and dynamic-quantile p-values, per column."""
    cond, dq = [], []
    for rows in offsets:
        seen = observed[rows]
        cond.append(christoffersen_conditional(breach[rows], p, observed=seen).p_value)
        dq.append(dynamic_quantile(breach[rows], margin[rows], p, observed=seen).p_value)
    return _median(np.array(cond)), _median(np.array(dq))


def _median(values: FloatArray) -> FloatArray:
    """Median along the first axis over what is defined; NaN where nothing is."""
    out = np.full(values.shape[1], np.nan)
    some = np.isfinite(values).any(axis=0)
    out[some] = np.nanmedian(values[:, some], axis=0)
    return out


def _margins_held(margin: FloatArray, refits: IntArray) -> FloatArray:
    """Margin in force from each refit on, one row a refit; NaN where nothing was scored right then."""
    held = margin[refits]
    return np.where(held > 0.0, held, np.nan)


def _column_means(values: FloatArray, observed: BoolArray) -> FloatArray:
    """Mean of each column over what was observed; NaN where nothing was."""
    count = observed.sum(axis=0)
    total = np.where(observed, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
