"""``leverline diff``: two limit books side by side, and what the change does to accounts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leverline.cli import options
from leverline.cli.printing import emit_json, note, number, print_table, say, screen_rows
from leverline.ground.errors import InsufficientDataError, UsageError

if TYPE_CHECKING:
    from leverline.calibrate.diff import BookDiff
    from leverline.calibrate.diff_accounts import AccountEffects
    from leverline.model import LimitBook

SHOWN_UNVALUED = 5


def diff(
    old: Annotated[Path, typer.Argument(help="The book in force.")],
    new: Annotated[Path, typer.Argument(help="The book proposed.")],
    accounts: Annotated[Path | None, typer.Option(help="Positions and holdings: who is affected?")] = None,
    marks: Annotated[Path | None, typer.Option(help="Prices to value the accounts at.")] = None,
    venue: Annotated[str | None, typer.Option(help="Where the books hold, as the accounts name it.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Time of the valuation; default: the newest mark.")] = None,
    max_age: Annotated[str, typer.Option(help="Marks older than this are not used: seconds, or 5m.")] = "60",
    call_ratio: Annotated[float, typer.Option(help="Maintenance over adjusted equity that calls for margin.")] = 0.8,
    as_json: options.AsJson = False,
) -> None:
    """What changes from one limit book to another, whether it tightens or loosens, and whom it would liquidate."""
    from leverline.calibrate.diff import diff_books
    from leverline.model import LimitBook

    if (accounts is None) != (marks is None):
        raise UsageError("accounts are valued at marks", remedy="give both --accounts and --marks")
    if accounts is None and (venue is not None or as_of is not None):
        raise UsageError("--venue and --as-of belong to --accounts")
    instant, age_s = options.parse_as_of(as_of, "--as-of"), options.parse_seconds(max_age, "--max-age")
    books = LimitBook.read(old), LimitBook.read(new)
    changes = diff_books(*books)
    effects = None if accounts is None or marks is None else _effects(
        *books, accounts, marks, venue=venue, as_of_ns=instant, max_age_s=age_s, call_ratio=call_ratio)
    if as_json:
        emit_json(changes.to_dict() | ({} if effects is None else {"effects": effects.to_dict()}))
    else:
        _print_changes(changes, f"{old} to {new}")
        if effects is not None:
            _print_effects(effects)
    if effects is not None and effects.unvalued:
        first = effects.unvalued[0]
        raise InsufficientDataError(
            f"{_accounts(len(effects.unvalued))} could not be valued under both books, the first "
            f"{first.pool.account!r}: {first.reason}", remedy="--json lists all")


def _effects(old: LimitBook, new: LimitBook, accounts: Path, marks: Path, **how: Any) -> AccountEffects:
    from leverline.calibrate.diff_accounts import account_effects
    from leverline.margin.reading_accounts import read_accounts
    from leverline.margin.reading_marks import read_marks

    held, prices = read_accounts(accounts), read_marks(marks)
    for warning in (*held.warnings, *prices.warnings):
        note(f"note: {warning}")
    return account_effects(old, new, held, prices.state, **how)


def _print_changes(changes: BookDiff, title: str) -> None:
    rows = changes.rows()
    if not rows:
        say("the books set the same limits")
        return
    print_table(title, ("limit", "old", "new", "change", "effect"), rows, align="lrrrr")


def _print_effects(effects: AccountEffects) -> None:
    """Whose status changes, what that would force, and the sums."""
    changed, shown = effects.changed(), screen_rows()
    if changed.size:
        print_table(
            "Accounts whose status changes, at unchanged prices",
            ("account", "old", "new", "equity", "maintenance", "becomes", "health factor", "becomes"),
            [(_name(row), row["old_status"], row["new_status"], number(row["equity"]),
              number(row["old_maintenance_margin"]), number(row["new_maintenance_margin"]),
              number(row["old_health_factor"], 3), number(row["new_health_factor"], 3))
             for row in effects.rows(changed[:shown])],
            align="lllrrrrr", caption=f"and {changed.size - shown:,} more" if changed.size > shown else None)
    forced = [*((f.symbol, number(f.long_notional), number(f.short_notional), "-") for f in effects.forced_positions()),
              *((f.asset, "-", "-", number(f.value)) for f in effects.forced_collateral())]
    if forced:
        print_table("To be liquidated", ("", "longs", "shorts", "collateral"), forced[:shown],
                    align="lrrr", caption=f"and {len(forced) - shown:,} more" if len(forced) > shown else None)
    _print_sums(effects)


def _print_sums(effects: AccountEffects) -> None:
    summed = effects.totals()
    say(f"of {_accounts(summed['accounts'])}: {summed['newly_liquidatable']:,} newly liquidatable, "
        f"{summed['newly_called']:,} newly called, {summed['relieved']:,} relieved, "
        f"{summed['newly_without_free_collateral']:,} left without free collateral")
    say(f"maintenance {number(summed['old_maintenance_margin'])}, becomes {number(summed['new_maintenance_margin'])}; "
        f"initial {number(summed['old_initial_margin'])}, becomes {number(summed['new_initial_margin'])}")
    if effects.at_other_venues:
        say(f"{_accounts(effects.at_other_venues)} at other venues, which the books do not reach")
    for one in effects.unvalued[:SHOWN_UNVALUED]:
        say(f"not valued: {one.pool.account}: {one.reason}")
    if len(effects.unvalued) > SHOWN_UNVALUED:
        say(f"... and {len(effects.unvalued) - SHOWN_UNVALUED:,} more that could not be valued")


def _accounts(count: int) -> str:
    return f"{count:,} account{'' if count == 1 else 's'}"


def _name(row: dict[str, Any]) -> str:
    return " / ".join(part for part in (row["venue"], row["account"], row["subaccount"]) if part)
