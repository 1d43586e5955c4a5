"""``leverline calibrate``: bars and an appetite in, a limit book and its evidence out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leverline.cli import options
from leverline.cli.printing import amount, emit_json, note, percent, print_table, say

if TYPE_CHECKING:
    from leverline.calibrate.book import Calibration
    from leverline.evidence.backtest import BacktestResult


def calibrate(
    bars: options.BarFiles,
    out: Annotated[Path, typer.Option(help="Where the limit book goes (JSON).")],
    symbols: options.Symbols = None,
    profile: options.Profile = None,
    appetite: options.Appetite = None,
    as_of: Annotated[str | None, typer.Option(help="Use only what was known then; default: the newest close.")] = None,
    scale: Annotated[str | None, typer.Option(help="For margin periods below a bar: sqrt-time or one-bar.")] = None,
    report: Annotated[Path | None, typer.Option(help="Where the HTML report goes.")] = None,
    books: Annotated[
        list[Path] | None, typer.Option(help="Level-2 snapshots or depth bands; may be given several times.")
    ] = None,
    implied: Annotated[
        list[Path] | None, typer.Option(help="Implied-volatility index (DVOL-like); may be given several times.")
    ] = None,
    marks: Annotated[
        list[Path] | None, typer.Option(help="Bars of mark prices, to measure mark against fill.")
    ] = None,
    no_cold_start: Annotated[
        bool, typer.Option("--no-cold-start", help="Leave out listings too young for the loss model.")
    ] = False,
    no_backtest: Annotated[bool, typer.Option("--no-backtest", help="Skip the walk-forward backtest.")] = False,
    method: options.Method = None,
    quote: options.Quote = None,
    kind: options.KindOption = None,
    symbol_map: options.SymbolMap = None,
    strict: options.Strict = False,
    as_json: options.AsJson = False,
) -> None:
    """Calibrate a limit book from market data, and show by backtest whether it would have held."""
    beside_files = (books or [], implied or [], marks or [])
    options.writable_targets({"--out": out, "--report": report}, [*bars, *(f for given in beside_files for f in given)])
    as_of_ns = options.parse_as_of(as_of, "--as-of")
    risk_appetite = options.read_appetite(profile, appetite)
    from leverline.calibrate.book import calibrate_book
    from leverline.calibrate.margin_period import check_scale
    from leverline.evidence.proving import prove_book, rival_methods
    from leverline.measure.loss_models import DEFAULT_MODEL, loss_model

    name = loss_model(method or DEFAULT_MODEL).name
    check_scale(scale)
    naming = options.naming_of(quote, kind, symbol_map)
    read = options.load_bars(bars, symbols=symbols, naming=naming, strict=strict, until_ns=as_of_ns)
    beside = options.load_beside(*beside_files, naming, strict=strict)
    made = calibrate_book(read, risk_appetite, as_of_ns=as_of_ns, scale=scale, method=name, beside=beside,
                          cold_start=not no_cold_start)
    tested = None if no_backtest else prove_book(made, read, risk_appetite, method=name)
    made.book.write(out)
    if report is not None:
        from leverline.report.build import write_report

        write_report(report, made, read, risk_appetite, tested, rival_methods(tested) if tested else ())
    if as_json:
        emit_json(summary(made, tested, out))
    else:
        print_limits(made)
        if tested is not None:
            print_evidence(tested)
        say(f"limits: {out}" + (f"\nreport: {report}" if report else ""))
        for warning in made.book.provenance.warnings:
            note(f"warning: {warning}")


def summary(made: Calibration, tested: BacktestResult | None, out: Path) -> dict[str, object]:
    """The JSON document of ``calibrate --json``."""
    book = made.book.model_dump(mode="json", by_alias=True)
    return {
        "out": str(out), "id": book["id"], "as_of": book["as_of"], "settlement": book["settlement"],
        "instruments": {
            symbol: {"max_leverage": limits["tiers"][0]["max_leverage"], "binding_side": limits["binding_side"],
                     "position_cap": limits["position_cap"], "tiers": limits["tiers"]}
            for symbol, limits in book["instruments"].items()
        },
        "skipped": [{"symbol": symbol, "reason": reason} for symbol, reason in made.skipped],
        "warnings": book["provenance"]["warnings"],
        "backtest": None if tested is None else tested.to_dict(),
    }


def print_limits(made: Calibration) -> None:
    """One line a market and tier: what a trader may do."""
    rows = []
    for symbol, limits in made.book.instruments.items():
        for k, tier in enumerate(limits.tiers):
            name = f"{symbol} ({limits.binding_side} binds)" if k == 0 else ""
            up_to = "any size" if tier.notional_cap is None else amount(tier.notional_cap)
            rows.append((name, up_to, f"{tier.max_leverage:g}x", percent(tier.initial_margin_rate),
                         percent(tier.maintenance_margin_rate, 1), amount(tier.maintenance_deduction)))
    as_of = made.book.model_dump(mode="json")["as_of"]
    print_table(f"Leverage limits as of {as_of}",
                ("market", f"position up to,\n{made.book.settlement}", "leverage", "initial", "maintenance",
                 "deduction"), rows, align="lrrrrr")
    if made.skipped:
        print_table("Left out", ("market", "why"), made.skipped, align="ll")


def print_evidence(tested: BacktestResult) -> None:
    """Pooled coverage of both layers."""
    from leverline.cli.backtest import print_pooled

    print_pooled(tested)
