"""``leverline demo``: the main job on real data, end to end, without configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leverline.cli import options
from leverline.cli.printing import emit_json, note, say

AS_OF = "2020-12"
BACKTEST_FROM = "2016-01-01"


def demo(
    out: Annotated[Path, typer.Option(help="Folder for limits.json and report.html.")] = Path("out"),
    open_report: Annotated[bool, typer.Option("--open", help="Open the report in the browser.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Limits for BTC, ETH and LTC as of December 2020, and whether they held from 2016 on, 12 March 2020 included."""
    if out.exists() and not out.is_dir():
        from leverline.ground.errors import UsageError

        raise UsageError(f"--out {out} is a file", remedy="name a folder")
    from leverline.calibrate.whole_line import calibrate_line
    from leverline.cli.backtest import print_crash_days, print_pooled, print_results
    from leverline.cli.calibrate import print_limits, print_line, summary
    from leverline.evidence.proving import prove_book, rival_methods
    from leverline.market.sources.datasets import DEMO, load
    from leverline.measure.loss_models import DEFAULT_MODEL
    from leverline.model import RiskAppetite
    from leverline.report.build import write_report

    bars, appetite = load(DEMO), RiskAppetite.profile("ccp")
    made = calibrate_line(bars, appetite, as_of_ns=options.parse_as_of(AS_OF, "as of"))
    start_ns = options.parse_as_of(BACKTEST_FROM, "start")
    tested = prove_book(made, bars, appetite, method=DEFAULT_MODEL, start_ns=start_ns)
    limits, report = out / "limits.json", out / "report.html"
    made.book.write(limits)
    write_report(report, made, bars, appetite, tested, rival_methods(tested, start_ns))
    if as_json:
        emit_json(summary(made, tested, limits))
    else:
        print_limits(made)
        print_line(made)
        print_results(tested)
        print_pooled(tested)
        print_crash_days(tested)
        for file in bars.files:
            say(f"data: {file.name}; licence: {file.licence}; {file.origin}")
        say(f"limits: {limits}\nreport: {report}")
        for warning in made.book.provenance.warnings:
            note(f"warning: {warning}")
    if open_report:
        import webbrowser

        webbrowser.open(report.absolute().as_uri())
