"""Loss models side by side on the same windows: coverage, cost, procyclicality, and who may be called best."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from leverline.calibrate.publishing import refit_rows
from leverline.evidence.coverage_rows import by_date, in_band_share, top_volatility
from leverline.evidence.scoring import Scored, in_force, score, scored_rows
from leverline.ground.arrays import BoolArray, FloatArray
from leverline.ground.display import DisplayTable, ShownAsTables, number_text, percent_text
from leverline.ground.errors import InsufficientDataError
from leverline.ground.progress import track
from leverline.market.bars import Panel
from leverline.measure.comparison import mean_by_date, model_confidence_set
from leverline.measure.loss_models import CONDITIONING_DECAY, LossModel, daily_volatility, walk_forward
from leverline.measure.losses import horizon_in_bars, payoffs_of, worst_losses
from leverline.measure.procyclicality import max_increase, peak_to_trough
from leverline.measure.resampling import PerfectModel, pooled_rate, simulate_perfect_model
from leverline.measure.scores import quantile_score

MIN_OBSERVATIONS = 500
"""Windows a market-side needs before its own band says anything."""


@dataclass(frozen=True, slots=True)
class MethodScore:
    """One model at one confidence and horizon, over all markets and sides, ``model`` layer.

    Rates are breaches per window of the horizon; margins are fractions of notional. ``in_band`` is the share of
    market-sides with at least 500 windows inside their own 95 % binomial band. ``rise_5`` and ``peak_to_trough`` are
    medians over market-sides. ``p_best`` is the model confidence set's p-value; below 0.1 the model is out of the
    90 % set.
    """

    method: str
    confidence: float
    horizon_s: float
    windows: int
    rate: float
    interval: tuple[float, float]
    in_band: float
    sides: int
    top_decile_rate: float
    mean_margin: float
    rise_5: float
    peak_to_trough: float
    quantile_score: float
    p_best: float
    in_set: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON fields; undefined is None."""
        return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Comparison(ShownAsTables):
    """All models at one horizon.

    ``severity`` has, by (method, confidence), loss over margin of the aligned windows, (n_windows, n_sides), NaN where
    there is none: all that :meth:`perfect` needs, where whole paths would fill the memory.
    """

    scores: tuple[MethodScore, ...]
    severity: dict[tuple[str, float], FloatArray]

    def display_tables(self) -> tuple[DisplayTable, ...]:
        """One row a model and confidence, the best score first."""
        rows = [(s.method, percent_text(s.confidence), percent_text(s.rate), percent_text(s.top_decile_rate),
                 percent_text(s.mean_margin), f"{number_text(s.rise_5)}x", number_text(s.quantile_score),
                 "yes" if s.in_set else "no")
                for s in sorted(self.scores, key=lambda s: (s.confidence, s.quantile_score))]
        columns = ("method", "confidence", "breached", "in top decile", "mean margin", "rise in 5", "quantile score",
                   "in confidence set")
        horizon = f"{self.scores[0].horizon_s:g} s" if self.scores else "no horizon"
        return (DisplayTable(f"Methods over {horizon}", columns, rows),)

    def of(self, method: str, confidence: float) -> MethodScore:
        """The score of one model at one confidence."""
        return next(s for s in self.scores if s.method == method and s.confidence == confidence)

    def perfect(self, method: str, confidence: float, rng: np.random.Generator) -> PerfectModel:
        """In-band share of a perfect model whose markets surprise together as this method's do (aligned windows)."""
        return simulate_perfect_model(self.severity[method, confidence], 1.0 - confidence, rng=rng,
                                      min_observations=MIN_OBSERVATIONS)


def compare_methods(
    panel: Panel, models: tuple[LossModel, ...], horizon_s: float, confidences: tuple[float, ...], *,
    rng: np.random.Generator, start_ns: int | None = None, end_ns: int | None = None, refit_s: float = 86_400.0,
) -> Comparison:
    """Walk every model forward and score them on the windows for which all of them have a margin."""
    losses = worst_losses(panel, horizon_in_bars(horizon_s, panel), payoffs_of(panel))
    refits = refit_rows(panel, refit_s)
    exceedances = tuple(1.0 - c for c in confidences)
    asked = {model.name: walk_forward(panel, losses, model, refits, exceedances).quantile
             for model in track(models, "comparing methods")}
    everywhere = np.logical_and.reduce([np.isfinite(quantile) for quantile in asked.values()])
    first, last = scored_rows(panel, start_ns, end_ns)
    conditioning = daily_volatility(panel, (CONDITIONING_DECAY,))
    scores: list[MethodScore] = []
    severity: dict[tuple[str, float], FloatArray] = {}
    for level, confidence in enumerate(confidences):
        scored = {}
        for name, quantile in asked.items():
            common = np.where(everywhere[..., level], quantile[..., level], np.nan)
            held = in_force(common, refits, panel.ts.size)
            scored[name] = score(panel, losses, held, exceedances[level], first, last)
            severity[name, confidence] = _severity(scored[name])
        scores += _rank(panel, scored, confidence, horizon_s, conditioning, rng)
    return Comparison(tuple(scores), severity)


def _severity(held: Scored) -> FloatArray:
    """Loss over margin of the windows aligned with midnight, NaN where there is none or no margin."""
    rows = held.offsets[0]
    seen = held.observed[rows] & (held.margin[rows] > 0.0)
    ratio: FloatArray = np.full(seen.shape, np.nan)
    np.divide(held.loss[rows], held.margin[rows], out=ratio, where=seen)
    return ratio.reshape(rows.size, -1)


def _rank(
    panel: Panel, scored: dict[str, Scored], confidence: float, horizon_s: float,
    conditioning: FloatArray, rng: np.random.Generator,
) -> list[MethodScore]:
    """Score each model and run the model confidence set over dates."""
    one = next(iter(scored.values()))
    observed, rows = one.observed, np.concatenate(one.offsets)
    if not observed[rows].any():
        raise InsufficientDataError("no window has a margin of every method", remedy="give a longer history")
    seen = observed[rows]
    dates = np.broadcast_to(one.dates[rows][:, None, None], seen.shape)[seen]
    pinball = np.column_stack([
        quantile_score(s.loss[rows][seen], s.margin[rows][seen], s.exceedance) for s in scored.values()])
    _, by_day = mean_by_date(pinball, dates)
    best = model_confidence_set(by_day, rng=rng)
    top = top_volatility(one, conditioning, panel)
    refits_apart = max(1, round(panel.bars_per_day))
    out = []
    for k, (name, held) in enumerate(scored.items()):
        breaches, observations = by_date(held)
        rate = pooled_rate(breaches, observations, rng=rng)
        share, sides = in_band_share(held, MIN_OBSERVATIONS)
        margins = held.margin[::refits_apart].reshape(-1, 2 * len(held.symbols))
        margins = np.where(margins > 0.0, margins, np.nan)
        out.append(MethodScore(
            name, confidence, horizon_s, int(observed[rows].sum()), rate.rate, (rate.low, rate.high), share, sides,
            _share(held.breach, top & observed), float(held.margin[observed].mean()),
            _median(max_increase(margins)), _median(peak_to_trough(margins)), float(pinball[:, k].mean()),
            float(best.p_values[k]), bool(best.members[k])))
    return out


def _share(breach: BoolArray, among: BoolArray) -> float:
    """Share of ``among`` that breached."""
    return float(breach[among].mean()) if among.any() else float("nan")


def _median(values: FloatArray) -> float:
    """Median of what is defined."""
    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")
