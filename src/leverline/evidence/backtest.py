"""Walk-forward backtest: would yesterday's limits have held today?

Two layers are scored. ``model`` is the bare loss quantile of each side, tested two-sided: too few breaches are a
fault too. ``book`` is the maintenance rate as a venue would have published it (larger side, fee, rounding, floor,
anti-procyclicality), tested one-sided.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from leverline.calibrate.publishing import refit_rows, smallest_tier, steadied
from leverline.evidence.coverage_rows import CoverageRow, PooledRow, StressRow, coverage_rows, pooled_row, stress_rows
from leverline.evidence.crash_days import CrashDay, crash_days
from leverline.evidence.scoring import Scored, in_force, score, scored_rows
from leverline.ground.arrays import FloatArray
from leverline.ground.display import DisplayTable, ShownAsTables, number_text, percent_text
from leverline.ground.errors import InsufficientDataError, UsageError, require
from leverline.ground.progress import track
from leverline.market.bars import NS_PER_S, Bars, Panel
from leverline.measure.loss_models import (
    CONDITIONING_DECAY,
    DEFAULT_MODEL,
    MIN_HISTORY_DAYS,
    WARMUP_DAYS,
    Forecast,
    LossModel,
    daily_volatility,
    loss_model,
    walk_forward,
)
from leverline.measure.losses import Losses, horizon_in_bars, payoffs_of, worst_losses
from leverline.model.appetite import SECONDS_PER_DAY, RiskAppetite
from leverline.model.provenance import Provenance

SURVIVORSHIP = (
    "Only markets present in the input are scored. Delisted and collapsed assets count as far as the input carries "
    "them; an input of survivors makes every method look safer than it was."
)
SEED = 20_201_208


@dataclass(frozen=True, slots=True)
class BacktestPlan:
    """What to walk through. Times in ns UTC (None: as far as the data goes), spans in seconds."""

    horizons_s: tuple[float, ...] = (SECONDS_PER_DAY,)
    confidences: tuple[float, ...] = (0.99, 0.995)
    start_ns: int | None = None
    end_ns: int | None = None
    refit_s: float = SECONDS_PER_DAY
    method: str = DEFAULT_MODEL

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for confidence in self.confidences:
            require(0.9 <= confidence < 1.0, "a confidence lies in [0.9, 1)", got=confidence)
        for given in (self.horizons_s, self.confidences):
            require(0 < len(given) == len(set(given)), "horizons and confidences are given once each", got=given)
        require(self.refit_s > 0, "--refit is positive", got=self.refit_s)
        if self.start_ns is not None and self.end_ns is not None and self.start_ns >= self.end_ns:
            raise UsageError("--start lies before --end")


@dataclass(frozen=True, slots=True)
class Walk:
    """One horizon walked through: the panel, what was lost, what the model said, and both layers scored."""

    panel: Panel
    losses: Losses
    forecast: Forecast
    conditioning: FloatArray  # (n_bars, n_listings), volatility that picks the top decile
    scored: dict[tuple[str, float], Scored] = field(default_factory=dict)  # (layer, confidence)


@dataclass(frozen=True, slots=True)
class BacktestResult(ShownAsTables):
    """Everything the backtest found; see the command-line contract for the JSON form."""

    results: tuple[CoverageRow, ...]
    pooled: tuple[PooledRow, ...]
    stress: tuple[StressRow, ...]
    crash_days: tuple[CrashDay, ...]
    skipped: tuple[tuple[str, str], ...]
    method: str
    provenance: Provenance | None
    walks: tuple[Walk, ...] = ()
    survivorship: str = SURVIVORSHIP

    def display_tables(self) -> tuple[DisplayTable, ...]:
        """Pooled rates, then one row a market, side, layer, confidence and horizon."""
        pooled = [(p.layer, percent_text(p.confidence), f"{p.horizon_s:g}", percent_text(1.0 - p.confidence),
                   percent_text(p.rate), percent_text(p.mean_margin)) for p in self.pooled]
        rows = [(r.symbol, r.side, r.layer, percent_text(r.confidence), f"{r.horizon_s:g}", f"{r.observations:,}",
                 number_text(r.exceedances), f"{r.band_low} to {r.band_high}", percent_text(r.mean_margin), r.verdict)
                for r in self.results]
        return (
            DisplayTable(f"Walk-forward, {self.method}: all markets and sides. {self.survivorship}",
                         ("layer", "confidence", "horizon, s", "allowed", "breached", "mean margin"), pooled),
            DisplayTable("By market and side",
                         ("market", "side", "layer", "confidence", "horizon, s", "windows", "breached", "band",
                          "mean margin", "verdict"), rows))

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of ``leverline backtest --json``; undefined is None."""
        return {
            "results": [row.to_dict() for row in self.results],
            "pooled": [row.to_dict() for row in self.pooled],
            "stress": [row.to_dict() for row in self.stress],
            "crash_days": [day.to_dict() for day in self.crash_days],
            "skipped": [{"symbol": symbol, "reason": reason} for symbol, reason in self.skipped],
            "survivorship": self.survivorship,
            "method": self.method,
            "provenance": self.provenance.model_dump(mode="json") if self.provenance else None,
        }


def backtest(bars: Bars, appetite: RiskAppetite, plan: BacktestPlan, provenance: Provenance | None = None) -> (
        BacktestResult):
    """Walk ``bars`` forward under ``plan``.

    Raises
    ------
    InsufficientDataError
        Every symbol was skipped, or a horizon is shorter than a bar.
    """
    panel = Panel.of(bars)
    model = loss_model(plan.method)
    for horizon_s in sorted(plan.horizons_s, reverse=True):  # one that cannot be meant before one that bars cannot show
        horizon_in_bars(horizon_s, panel)
    walks = tuple(
        walk(panel, appetite, model, plan, horizon_s) for horizon_s in track(plan.horizons_s, "walking forward")
    )
    skipped = _skipped(walks)
    if len(skipped) == len(bars.symbols):
        raise InsufficientDataError(
            f"no symbol has enough history: {skipped[0][0]}: {skipped[0][1]}",
            remedy=f"a margin needs {MIN_HISTORY_DAYS} days of bars before its first day",
        )
    left_out = {symbol for symbol, _ in skipped}
    rng = np.random.default_rng(SEED)
    results: list[CoverageRow] = []
    pooled: list[PooledRow] = []
    stress: list[StressRow] = []
    crashes: list[CrashDay] = []
    for walked, horizon_s in zip(walks, plan.horizons_s, strict=True):
        for (layer, confidence), scored in walked.scored.items():
            results += coverage_rows(scored, layer, confidence, horizon_s, walked.forecast.refits, left_out)
            pooled.append(pooled_row(scored, layer, confidence, horizon_s, walked.conditioning, walked.panel, rng))
            stress += stress_rows(scored, layer, confidence, horizon_s)
            if layer == "book":
                crashes += crash_days(scored, layer, confidence, horizon_s)
    return BacktestResult(tuple(results), tuple(pooled), tuple(stress), tuple(crashes), skipped, plan.method,
                          provenance, walks)


def walk(panel: Panel, appetite: RiskAppetite, model: LossModel, plan: BacktestPlan, horizon_s: float) -> Walk:
    """Forecast and score one horizon."""
    horizon = horizon_in_bars(horizon_s, panel)
    losses = worst_losses(panel, horizon, payoffs_of(panel))
    refits = refit_rows(panel, plan.refit_s)
    exceedances = tuple(1.0 - c for c in plan.confidences)
    forecast = walk_forward(panel, losses, model, refits, exceedances)
    book = smallest_tier(steadied(forecast, panel, losses, appetite.anti_procyclicality), appetite)
    first, last = scored_rows(panel, plan.start_ns, plan.end_ns)
    scored = {}
    for level, confidence in enumerate(plan.confidences):
        both = np.repeat(book.against_losses[:, :, None, level], 2, axis=2)
        for layer, margin in (("model", forecast.quantile[..., level]), ("book", both)):
            held = in_force(margin, refits, panel.ts.size)
            scored[layer, confidence] = score(panel, losses, held, exceedances[level], first, last)
    return Walk(panel, losses, forecast, daily_volatility(panel, (CONDITIONING_DECAY,)), scored)


def _skipped(walks: tuple[Walk, ...]) -> tuple[tuple[str, str], ...]:
    """Symbols without a single scored window at any horizon, and why."""
    seen: dict[str, bool] = {}
    for walked in walks:
        for scored in walked.scored.values():
            for at, symbol in enumerate(scored.symbols):
                seen[symbol] = seen.get(symbol, False) or bool(scored.observed[:, at].any())
    panel = walks[0].panel
    days = dict.fromkeys(seen, 0.0)
    for column, symbol in enumerate(panel.symbols):
        bars = int(np.isfinite(panel.close[:, column]).sum())
        days[symbol] = max(days[symbol], bars * panel.spacing_ns / NS_PER_S / SECONDS_PER_DAY)
    needed = MIN_HISTORY_DAYS + (WARMUP_DAYS if walks[0].forecast.model.decays_per_day else 0)
    return tuple((symbol, _reason(days[symbol], needed)) for symbol, scored_once in seen.items() if not scored_once)


def _reason(days: float, needed: int) -> str:
    """Why a market with ``days`` of bars has no scored window."""
    if days <= needed:
        return f"{days:.0f} days of bars, more than {needed} are needed before the first scored window"
    return f"{days:.0f} days of bars, but none of its windows in the scored span has both a margin and an end"
