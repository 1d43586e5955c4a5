"""``leverline calibrate``: bars and an appetite in, a limit book and its evidence out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leverline.cli import options
from leverline.cli.printing import amount, emit_json, note, number, percent, print_table, say

if TYPE_CHECKING:
    from leverline.calibrate.book import Calibration
    from leverline.evidence.backtest import BacktestResult

INSTRUMENT_KEYS = ("binding_side", "position_cap", "open_interest_cap", "owner_share_cap", "open_interest_growth_cap",
                   "profit_collateral_cap", "fees", "funding", "account_classes")
"""What ``--json`` shows of each market beside its tiers."""


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
    assets: Annotated[
        Path | None, typer.Option(help="What is known of assets: pegs, groups, holders, market values.")
    ] = None,
    accounts: Annotated[
        Path | None, typer.Option(help="Actual accounts, to size the fund and the cash on.")
    ] = None,
    fund: Annotated[
        float | None, typer.Option(help="What the insurance fund holds now: bounds open interest.")
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
    known_files = [file for file in (assets, accounts) if file is not None]
    options.writable_targets({"--out": out, "--report": report},
                             [*bars, *known_files, *(f for given in beside_files for f in given)])
    as_of_ns = options.parse_as_of(as_of, "--as-of")
    risk_appetite = options.read_appetite(profile, appetite)
    from leverline.calibrate.margin_period import check_scale
    from leverline.calibrate.whole_line import calibrate_line
    from leverline.evidence.proving import prove_book, rival_methods
    from leverline.measure.loss_models import DEFAULT_MODEL, loss_model

    name = loss_model(method or DEFAULT_MODEL).name
    check_scale(scale)
    naming = options.naming_of(quote, kind, symbol_map)
    read = options.load_bars(bars, symbols=symbols, naming=naming, strict=strict, until_ns=as_of_ns)
    beside = options.load_beside(*beside_files, naming, strict=strict)
    made = calibrate_line(read, risk_appetite, as_of_ns=as_of_ns, scale=scale, method=name, beside=beside,
                          cold_start=not no_cold_start, known=options.load_known(assets, accounts, fund))
    tested = None if no_backtest else prove_book(made, read, risk_appetite, method=name)
    made.book.write(out)
    if report is not None:
        from leverline.report.build import write_report

        write_report(report, made, read, risk_appetite, tested, rival_methods(tested) if tested else ())
    if as_json:
        emit_json(summary(made, tested, out))
    else:
        print_limits(made)
        print_line(made)
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
            symbol: {"max_leverage": limits["tiers"][0]["max_leverage"],
                     **{key: limits[key] for key in INSTRUMENT_KEYS}, "tiers": limits["tiers"]}
            for symbol, limits in book["instruments"].items()
        },
        "collateral": book["collateral"], "venue": book["venue"],
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


def print_line(made: Calibration) -> None:
    """The rest of the book: a line a market and asset, and what the venue holds."""
    book, currency = made.book, made.book.settlement
    capped = [(symbol, amount(limits.open_interest_cap), amount(limits.profit_collateral_cap),
               percent((limits.fees or {}).get("taker"), 3),
               percent((limits.funding or {}).get("clamp_rate"), 4))
              for symbol, limits in book.instruments.items()]
    if any(cell != "-" for row in capped for cell in (row[1], row[2], row[4])):
        print_table("Caps and fees", ("market", f"open interest,\n{currency}", "profit as\ncollateral", "taker fee",
                                      "funding clamp"), capped, align="lrrrr")
    if book.collateral:
        print_table("Collateral", ("asset", "LTV", "threshold", "bonus", f"supply cap,\n{currency}", "borrow cap",
                                   "quality"),
                    [(asset, percent(a.ltv, 1), percent(a.liquidation_threshold, 1),
                      percent(a.liquidation_bonus, 1), amount(a.supply_cap), amount(a.borrow_cap),
                      number(None if a.quality is None else a.quality.score)) for asset, a in book.collateral.items()],
                    align="lrrrrrr")
    for line in _venue_lines(made):
        say(line)


def _venue_lines(made: Calibration) -> list[str]:
    """What the venue as a whole holds to, in words."""
    venue, out = made.book.venue, []
    if venue.insurance_fund_target is not None:
        out.append(f"insurance fund: {amount(venue.insurance_fund_target)} {made.book.settlement}")
    if venue.liquidity_buffer is not None:
        kept = venue.liquidity_buffer
        out.append(f"cash at hand: {amount(kept.withdrawals)} for withdrawals, {amount(kept.settlement)} for "
                   "settlement")
    if venue.offsets is not None:
        best = max(venue.offsets, key=lambda offset: offset.credit, default=None)
        out.append("offsets: none" if best is None else f"offsets: {len(venue.offsets)}, the largest credit "
                   f"{percent(best.credit)} ({best.first}, {best.second})")
    if venue.confidence_adjustment is not None:
        out.append(f"margins times {venue.confidence_adjustment:.3f} for realised coverage")
    return out


def print_evidence(tested: BacktestResult) -> None:
    """Pooled coverage of both layers."""
    from leverline.cli.backtest import print_pooled

    print_pooled(tested)
