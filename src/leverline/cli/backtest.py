"""``leverline backtest``: walk the data forward and score the margins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from leverline.cli import options
from leverline.cli.printing import emit_json, level, number, percent, print_sections, print_table, say

if TYPE_CHECKING:
    from leverline.evidence.backtest import BacktestResult


def backtest(
    bars: options.BarFiles,
    symbols: options.Symbols = None,
    profile: options.Profile = None,
    appetite: options.Appetite = None,
    start: Annotated[str | None, typer.Option(help="First window opens at or after this time.")] = None,
    end: Annotated[str | None, typer.Option(help="Last window opens at or before this time.")] = None,
    refit: Annotated[str, typer.Option(help="Time between recalibrations, on the UTC grid.")] = "1d",
    method: options.Method = None,
    confidence: Annotated[str, typer.Option(help="Confidence levels per horizon.")] = "0.99,0.995",
    horizon: Annotated[str, typer.Option(help="Horizons.")] = "1d",
    quote: options.Quote = None,
    kind: options.KindOption = None,
    symbol_map: options.SymbolMap = None,
    strict: options.Strict = False,
    as_json: options.AsJson = False,
) -> None:
    """Would yesterday's limits have held today? Coverage, cost and procyclicality, walk-forward."""
    risk_appetite = options.read_appetite(profile, appetite)
    from leverline.calibrate.tracing import provenance_of
    from leverline.evidence.backtest import SEED, BacktestPlan
    from leverline.evidence.backtest import backtest as run
    from leverline.measure.loss_models import DEFAULT_MODEL, MODELS, loss_model

    if method == "help":
        for model in MODELS.values():
            say(model.name)
        return
    plan = BacktestPlan(
        horizons_s=options.parse_spans(horizon, "--horizon"), confidences=options.parse_confidences(confidence),
        start_ns=options.parse_as_of(start, "--start"), end_ns=options.parse_as_of(end, "--end"),
        refit_s=options.parse_span(refit, "--refit"), method=loss_model(method or DEFAULT_MODEL).name)
    read = options.load_bars(bars, symbols=symbols, naming=options.naming_of(quote, kind, symbol_map), strict=strict)
    from dataclasses import asdict

    provenance = provenance_of(read, risk_appetite, read.newest_close_ns,
                               {"loss_model": asdict(loss_model(plan.method)), "plan": asdict(plan)}, seed=SEED)
    tested = run(read, risk_appetite, plan, provenance)
    if as_json:
        emit_json(tested.to_dict())
    else:
        print_results(tested)
        print_pooled(tested)
        print_crash_days(tested)


def print_results(tested: BacktestResult) -> None:
    """One line a market and side, under the layer, confidence and horizon that it was scored at."""
    sections: dict[str, list[tuple[str, ...]]] = {}
    for row in tested.results:
        sections.setdefault(f"{row.layer} {level(row.confidence, row.horizon_s)}", []).append((
            f"{row.symbol} {row.side}", f"{row.exceedances:g}/{row.observations}", f"{row.band_low}..{row.band_high}",
            number(row.kupiec_p), number(row.christoffersen_p), number(row.dq_p), percent(row.mean_margin, 1),
            number(row.peak_to_trough, 1), number(row.max_increase_5), _VERDICTS.get(row.verdict, row.verdict)))
    print_sections(f"Walk-forward coverage of {tested.method}",
                   ("market", "breaches", "95 %\nband", "Kupiec\np", "Christ.\np", "DQ\np", "mean\nmargin",
                    "peak/\ntrough", "5-step\nrise", "verdict"), sections, align="lrrrrrrrrr",
                   caption=tested.survivorship)


_VERDICTS = {"too many breaches": "too many", "too few breaches": "too few"}


def print_pooled(tested: BacktestResult) -> None:
    """Coverage over all markets and sides, with its interval."""
    rows = [
        (f"{row.layer} {level(row.confidence, row.horizon_s)}", percent(1 - row.confidence, 3), percent(row.rate, 3),
         "-" if row.interval is None else f"{percent(row.interval[0], 3)} to {percent(row.interval[1], 3)}",
         percent(row.rate_top_volatility_decile, 3), percent(row.mean_margin, 1))
        for row in tested.pooled
    ]
    print_table("Breaches per window, all markets and sides",
                ("layer", "allowed", "breached", "95 % interval\nby dates", "stormiest\ntenth", "mean\nmargin"), rows,
                align="lrrrrr", caption=tested.survivorship)


def print_crash_days(tested: BacktestResult) -> None:
    """The days on which most markets breached the published book."""
    rows = [
        (day.date, day.name or "-", level(day.confidence, day.horizon_s), f"{day.markets} of {day.markets_observed}",
         "\n".join(f"{b.symbol} {b.side} {percent(b.loss, 1)} against {percent(b.margin, 1)}"
                   for b in day.breaches[:2]))
        for day in sorted(tested.crash_days, key=lambda d: -d.markets)[:10]
    ]
    if rows:
        print_table("Days on which the published book broke, most markets first",
                    ("date", "known as", "level", "markets", "worst losses against margin"), rows, align="rllrl",
                    caption=tested.survivorship)
