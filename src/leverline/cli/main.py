"""The application: verbs, and how an error becomes a line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from leverline import __version__
from leverline.cli import (
    backtest,
    bench,
    calibrate,
    check,
    conform,
    data,
    demo,
    diff,
    journal,
    plan,
    replay,
    reproduce,
    venues,
)
from leverline.ground.errors import LeverlineError

INTERRUPTED = 130

app = typer.Typer(
    name="leverline",
    help="Leverage limits from market data: calibrated, tested, explained.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"leverline {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Leverage limits from market data: calibrated, tested, explained."""


app.command("demo")(demo.demo)
app.add_typer(data.app, name="data")
app.command("calibrate")(calibrate.calibrate)
app.command("backtest")(backtest.backtest)
app.command("check")(check.check)
app.command("diff")(diff.diff)
app.command("plan")(plan.plan)
app.command("replay")(replay.replay)
app.add_typer(journal.app, name="journal")
app.command("conform")(conform.conform)
app.command("venues")(venues.venues)
app.command("reproduce")(reproduce.reproduce)
app.command("bench")(bench.bench)


def main() -> None:
    """Run the command line; every expected error is one line on stderr and its own exit code."""
    try:
        app()
    except LeverlineError as error:
        typer.echo(f"leverline: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except SystemExit as left:
        if left.code == INTERRUPTED:  # typer turns Ctrl-C into it without a word
            typer.echo("leverline: interrupted; nothing was half-written", err=True)
        raise
