"""``leverline plan``: the legal steps from one limit book to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leverline.cli import options
from leverline.cli.printing import emit_json, note, print_table, say
from leverline.ground.errors import InsufficientDataError, UsageError

if TYPE_CHECKING:
    from leverline.calibrate.plan import Plan
    from leverline.model.accounts import AccountBook
    from leverline.model.market_state import MarketState
    from leverline.model.policy import LimitPolicy

GOVERNOR = "governor"


def plan(
    current: Annotated[Path, typer.Argument(help="The book in force.")],
    target: Annotated[Path, typer.Argument(help="The book to arrive at.")],
    steward: Annotated[str, typer.Option(help="Who moves the limits: manual, automated, phase3, or governor.")],
    start: Annotated[
        str | None, typer.Option(help="When the first step may be taken; default: one delay after CURRENT's as-of.")
    ] = None,
    profile: options.Profile = None,
    appetite: options.Appetite = None,
    accounts: Annotated[Path | None, typer.Option(help="Positions and holdings: whom does a step liquidate?")] = None,
    marks: Annotated[Path | None, typer.Option(help="Prices to value the accounts at.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """The schedule of legal steps from one limit book to another, and the risk along the way."""
    from leverline.calibrate.plan import plan_steps
    from leverline.model import LimitBook

    held, prices = _valued(accounts, marks)
    made = plan_steps(LimitBook.read(current), LimitBook.read(target), _policy(steward, profile, appetite),
                      start_ns=options.parse_as_of(start, "--start"), accounts=held, marks=prices)
    if as_json:
        emit_json({"steward": steward, **made.to_dict()})
    else:
        _show(made, steward)


def _valued(accounts: Path | None, marks: Path | None) -> tuple[AccountBook | None, MarketState | None]:
    """Accounts and the marks to value them at; both or neither, and no mark much older than the newest."""
    from leverline.margin.reading_accounts import read_accounts
    from leverline.margin.reading_marks import read_marks, stale_marks

    if accounts is None and marks is None:
        return None, None
    if accounts is None or marks is None:
        raise UsageError("accounts are valued at marks", remedy="give both --accounts and --marks")
    held, prices = read_accounts(accounts), read_marks(marks)
    for warning in (*held.warnings, *prices.warnings):
        note(f"note: {warning}")
    stale = stale_marks(prices.state)
    if stale:
        raise InsufficientDataError(next(iter(stale.values())), remedy="give marks of one time")
    return held.book, prices.state


def _policy(steward: str, profile: str | None, appetite: Path | None) -> LimitPolicy:
    from leverline.calibrate.governor import Governor
    from leverline.calibrate.steward import Steward

    if steward != GOVERNOR:
        if profile is not None or appetite is not None:
            raise UsageError(f"--profile and --appetite belong to --steward {GOVERNOR}")
        return Steward.named(steward)
    chosen = options.read_appetite(profile, appetite)
    if chosen.governor is None:
        raise UsageError(f"the appetite {chosen.name!r} has no [governor]", remedy="add one, or name a steward")
    return Governor(chosen.governor)


def _show(made: Plan, steward: str) -> None:
    for table in made.display_tables():
        if table.rows:
            numbers = "r" * (len(table.columns) - 3)
            print_table(table.caption, table.columns, table.rows, align=f"ll{numbers}l")
    if made.risk:
        print_table("Loans on the way: fall of the collateral before bad debt, and leverage of a loop",
                    ("at", "asset", "fall", "at target", "loop", "at target"),
                    [(r.at, r.asset, *(f"{x:.4g}" if x is not None else "-" for x in (
                        r.fall_before_bad_debt, r.fall_before_bad_debt_at_target, r.loop_leverage,
                        r.loop_leverage_at_target))) for r in made.risk], align="llrrrr")
    for row in made.liquidations or ():
        say(f"{row.at}: {row.account} would be liquidated at unchanged prices "
            f"({', '.join((*row.symbols, *row.assets))})")
    if not made.steps:
        say("the books set the same limits" if not made.unreached else f"{steward} can make no step")
        return
    dates = len({step.at for step in made.steps})
    say(f"{len(made.steps)} steps on {dates} dates, {made.days:g} days from {made.start} to {made.complete_at}; "
        f"{len(made.unreached)} limits are not reached")
