"""Coverage, cost and procyclicality of margins that move: historical, filtered, the three EMIR tools, and governed.

Every margin is refitted daily at 99 % over a day and scored on the same windows. The governed margin is the default
loss model's (with a look-back of 1,000 days, as the governor has no use for a fast tail) led by the ``[governor]`` of
the ``ccp`` profile. The three tools stand on filtered historical simulation with decay 0.97, each at the least that
EMIR RTS 153/2013 Art. 28(1) asks for; the look-back of tool (c) is ten years, or all there is. Band and pace of the
governor were chosen on these very samples, so the answers show what such a rule can do and not what it foretells;
everything tried is among the variants.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np

from leverline import __version__
from leverline.calibrate.closed_loop import govern_levels
from leverline.calibrate.publishing import refit_rows, steadied
from leverline.evidence.coverage_rows import top_volatility
from leverline.evidence.experiments.coverage import long_enough
from leverline.evidence.experiments.verdicts import Experiment, Row
from leverline.evidence.scoring import Scored, in_force, score, scored_rows
from leverline.evidence.stress_windows import day_number
from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.errors import InsufficientDataError
from leverline.ground.files import sha256
from leverline.ground.progress import track
from leverline.market.bars import Panel
from leverline.measure.loss_models import (
    CONDITIONING_DECAY,
    DEFAULT_MODEL,
    MODELS,
    LossModel,
    daily_volatility,
    walk_forward,
)
from leverline.measure.losses import Losses, horizon_in_bars, payoffs_of, worst_losses
from leverline.measure.procyclicality import max_increase, peak_to_trough
from leverline.measure.scores import quantile_score
from leverline.model.appetite import SECONDS_PER_DAY, AntiProcyclicality, RiskAppetite
from leverline.model.appetite_line import GovernorAppetite

CONFIDENCE = 0.99
TOP_DECILE_TOLERANCE = 1.5
COST_TOLERANCE = 1.05
MIN_DAYS = 100
"""Days of margin a market-side needs before its peak and trough count."""
OURS = "governed"
TOOLS_ON = "fhs-0.97"
RIVALS = ("historical-365", "historical-1000", "fhs-0.97", "fhs-0.99", "emir-a", "emir-b", "emir-c")
TOOLS = {
    "emir-a": AntiProcyclicality(buffer=0.25, stress_weight=0.0),
    "emir-b": AntiProcyclicality(buffer=0.0, stress_weight=0.25),
    "emir-c": AntiProcyclicality(buffer=0.0, stress_weight=0.0, floor_lookback_days=3_650),
}
BANDS = tuple(product((0.0, 0.05, 0.1, 0.25), (0.0, 0.1, 0.25, 0.35, 0.5), (0.0095, 0.015, 0.02)))
"""Dead bands, buffers and daily tightenings tried; the shipped ones are among them."""
CRASHES = {"2020-03-12": ("2020-03-12",), "2021-05-19": ("2021-05-19",),
           "November 2022": tuple(f"2022-11-{day:02d}" for day in range(6, 11))}  # fmt: skip
MEASURES = {"rise_5": "median largest five-day rise", "rise_5_worst": "worst five-day rise",
            "peak_to_trough": "median peak to trough", "peak_to_trough_worst": "worst peak to trough"}


@dataclass(frozen=True, slots=True)
class Study:
    """One file, and the least days of bars of a market that counts."""

    label: str
    file: str
    min_days: int = 0


STUDIES = (
    Study("51 coins", "hourly_close_spot_binance.parquet"),
    Study("30 coins, highs and lows", "daily_spot_coinbase.parquet", min_days=366),
    Study("BTC since 2017", "hourly_btc_spot_binance_2017.parquet"),
    Study("perps", "daily_perp_hyperliquid_all.parquet"),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """One margin over all markets and sides of a study. Rates are multiples of nominal, margins shares of notional."""

    margin: str
    rate: float
    top_decile_rate: float
    mean_margin: float
    quantile_score: float
    rise_5: float
    rise_5_worst: float
    peak_to_trough: float
    peak_to_trough_worst: float

    @property
    def is_conditional(self) -> bool:
        """Whether it covers when volatility is high."""
        return self.top_decile_rate <= TOP_DECILE_TOLERANCE


@dataclass(frozen=True, slots=True)
class Walked:
    """A study walked through: margins by name, (n_refits, n_listings, 2), and the targets the governor was led by."""

    panel: Panel
    losses: Losses
    refits: IntArray
    margins: dict[str, FloatArray]
    target: FloatArray
    everywhere: BoolArray  # where every margin is known
    conditioning: FloatArray  # (n_bars, n_listings), the volatility that picks the top decile


def run(folder: Path) -> Experiment:
    """Run every study whose file is in ``folder``."""
    rows: list[Row] = []
    variants: list[dict[str, Any]] = []
    files = {}
    governor = _shipped()
    for study in track(STUDIES, "studies"):
        path = folder / study.file
        if not path.is_file():
            raise InsufficientDataError(f"{study.file} is not in {folder}", remedy="name the folder that has it")
        files[study.file] = sha256(path)
        walked = walk_margins(Panel.of(long_enough(path, study.min_days)), governor)
        standings = {name: _standing(name, scored_margin(walked, name), walked) for name in walked.margins}
        scored = {name: scored_margin(walked, name) for name in (OURS, TOOLS_ON)}
        rows += _frontier_rows(study, standings)
        for crash, days in CRASHES.items():
            rows += _crash_rows(study, crash, days, walked, scored)
            variants += [{"study": study.label, "crash": crash, **call}
                         for call in margin_calls(days, walked, scored)]
        variants += [{"study": study.label, **asdict(standing)} for standing in standings.values()]
    provenance = {"software": f"leverline {__version__}", "files": files, "governor": governor.model_dump()}
    return Experiment("apc-frontier", tuple(rows), provenance, tuple(variants))


def _shipped() -> GovernorAppetite:
    governor = RiskAppetite.profile("ccp").governor
    if governor is None:
        raise LookupError("the ccp profile has no governor")  # held by a test
    return governor


def walk_margins(panel: Panel, governor: GovernorAppetite) -> Walked:
    """Every margin at every refit, each from what was known by then."""
    losses = worst_losses(panel, horizon_in_bars(SECONDS_PER_DAY, panel), payoffs_of(panel))
    refits = refit_rows(panel, SECONDS_PER_DAY)
    exceedances = (1.0 - CONFIDENCE,)

    def quantile(model: LossModel) -> FloatArray:
        return walk_forward(panel, losses, model, refits, exceedances).quantile[..., 0]

    margins = {name: quantile(MODELS[name]) for name in RIVALS if name in MODELS}
    base = walk_forward(panel, losses, MODELS[TOOLS_ON], refits, exceedances)
    margins |= {name: steadied(base, panel, losses, tool)[..., 0] for name, tool in TOOLS.items()}
    margins[DEFAULT_MODEL] = quantile(MODELS[DEFAULT_MODEL])
    slow = replace(MODELS[DEFAULT_MODEL], name=f"{DEFAULT_MODEL}-1000", window_days=1_000)
    target = quantile(slow)
    margins[slow.name] = target
    margins[OURS] = _led(target, governor)
    margins[f"{OURS} on {DEFAULT_MODEL}"] = _led(margins[DEFAULT_MODEL], governor)
    for dead_band, buffer, tightening in BANDS:
        if (dead_band, buffer, tightening) != (governor.dead_band, governor.buffer, governor.max_tightening):
            tried = governor.model_copy(update={"dead_band": dead_band, "buffer": buffer, "max_tightening": tightening})
            name = f"{OURS}, dead band {dead_band:g}, buffer {buffer:g}, tightening {tightening:g}"
            margins[name] = _led(target, tried)
    everywhere: BoolArray = np.logical_and.reduce([np.isfinite(margin) for margin in margins.values()])
    return Walked(panel, losses, refits, margins, target, everywhere, daily_volatility(panel, (CONDITIONING_DECAY,)))


def _led(target: FloatArray, governor: GovernorAppetite) -> FloatArray:
    """The governor on every market and side by itself."""
    return govern_levels(target.reshape(target.shape[0], -1), governor).reshape(target.shape)


def scored_margin(walked: Walked, name: str) -> Scored:
    """One margin held against the windows for which all have one."""
    first, last = scored_rows(walked.panel, None, None)
    margin = np.where(walked.everywhere, walked.margins[name], np.nan)
    return score(walked.panel, walked.losses, in_force(margin, walked.refits, walked.panel.ts.size), 1.0 - CONFIDENCE,
                 first, last)


def _standing(name: str, held: Scored, walked: Walked) -> Standing:
    nominal = 1.0 - CONFIDENCE
    rows = np.concatenate(held.offsets)
    seen = held.observed[rows]
    top = top_volatility(held, walked.conditioning, walked.panel) & held.observed
    margins = held.margin[walked.refits].reshape(walked.refits.size, -1)
    margins = np.where(margins > 0.0, margins, np.nan)[:, np.isfinite(margins).sum(axis=0) >= MIN_DAYS]
    rise, ratio = max_increase(margins), peak_to_trough(margins)
    score_at = quantile_score(held.loss[rows][seen], held.margin[rows][seen], nominal)
    return Standing(
        name, float(held.breach[rows].sum() / seen.sum() / nominal), float(held.breach[top].mean() / nominal),
        float(held.margin[held.observed].mean()), float(score_at.mean()), float(np.nanmedian(rise)),
        float(np.nanmax(rise)), float(np.nanmedian(ratio)), float(np.nanmax(ratio)))


def _frontier_rows(study: Study, standings: dict[str, Standing]) -> list[Row]:
    """Steadiness against the steadiest rival, cost against each, coverage when it matters, and rank by score."""
    own, rivals = standings[OURS], [standings[name] for name in RIVALS]
    rows = []
    for measure, words in MEASURES.items():
        best = min(rivals, key=lambda s: getattr(s, measure))
        ours, theirs = getattr(own, measure), getattr(best, measure)
        rows.append(Row(f"{study.label}: {words}", ours, f"{theirs:.3f}, {best.margin}, the steadiest",
                        "not above", ours <= theirs))
    for rival in rivals:
        ratio = own.mean_margin / rival.mean_margin
        fit = "" if rival.is_conditional else f", which breaches {rival.top_decile_rate:.2f}x in the top decile"
        rows.append(Row(f"{study.label}: mean margin over that of {rival.margin}{fit}", ratio,
                        f"{rival.mean_margin:.4f}", f"at most {COST_TOLERANCE:g}x", ratio <= COST_TOLERANCE))
    rows.append(Row(f"{study.label}: rate in top volatility decile over nominal", own.top_decile_rate, "1",
                    f"at most {TOP_DECILE_TOLERANCE:g}", own.is_conditional))
    fit_ones = sorted((s for s in (own, *rivals) if s.is_conditional), key=lambda s: s.quantile_score)
    if own in fit_ones:
        rank = 1 + fit_ones.index(own)
        rows.append(Row(f"{study.label}: rank by quantile score", rank,
                        ", ".join(s.margin for s in fit_ones), "first among those with coverage in the top decile",
                        rank == 1))
    return rows


def _crash_rows(
    study: Study, crash: str, days: tuple[str, ...], walked: Walked, scored: dict[str, Scored]
) -> list[Row]:
    """Whether the governed margin was lost through, and whether the target rose above it, on the days of a crash."""
    calls = margin_calls(days, walked, scored)
    if not calls:
        return []
    breached = np.mean([call["loss"] > call["margin"] for call in calls])
    emptied = np.mean([call["target"] > call["margin"] for call in calls])
    rival = np.mean([call["loss"] > call["margin_of_rival"] for call in calls])
    where = f"{study.label}, {crash}, {len(calls)} margins"
    return [
        Row(f"{where}: share lost through", float(breached), f"0; {TOOLS_ON} {rival:.3f}", "none", not breached),
        Row(f"{where}: share whose buffer is spent (target above margin)", float(emptied), "0", "none", not emptied),
    ]


def margin_calls(days: tuple[str, ...], walked: Walked, scored: dict[str, Scored]) -> list[dict[str, Any]]:
    """Every market and side on each of ``days``: margin held, loss, target, and what is called at the day's close.

    A window belongs to the day in which it opens at midnight; the call is the rise of the margin to the next midnight.
    Shares of notional.
    """
    held, rival = scored[OURS], scored[TOOLS_ON]
    aligned = held.offsets[0]
    target = in_force(walked.target, walked.refits, walked.panel.ts.size)
    columns = walked.panel.newest
    calls = []
    for row, after in pairwise(aligned.tolist()):
        day = day_number(int(held.dates[row]))
        if day not in days:
            continue
        for at, side in zip(*np.nonzero(held.observed[row]), strict=True):
            symbol = held.symbols[at]
            goal = target[after, columns[symbol], side]
            if not np.isfinite(goal):
                continue
            calls.append({
                "day": day, "symbol": symbol, "side": ("long", "short")[side], "loss": float(held.loss[row, at, side]),
                "margin": float(held.margin[row, at, side]), "target": float(goal),
                "call": _rise(held, row, after, at, side), "margin_of_rival": float(rival.margin[row, at, side]),
                "call_of_rival": _rise(rival, row, after, at, side)})
    return calls


def _rise(held: Scored, row: int, after: int, at: int, side: int) -> float | None:
    """Change of a margin from one midnight to the next; None where there is none the day after."""
    change = float(held.margin[after, at, side] - held.margin[row, at, side])
    return change if np.isfinite(change) else None
