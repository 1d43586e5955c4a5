"""``leverline check``: what accounts have and need at marks, under limits or a venue's preset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leverline.cli import options
from leverline.cli.printing import emit_json, is_roomy, note, number, percent, print_table, say, screen_rows, span
from leverline.ground.errors import CheckFailedError, InsufficientDataError, UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from leverline.margin.checking import AccountCheck

SHOWN_SKIPPED = 5
SHOWN_NEAREST = 10
WITHOUT_CENTS = 1_000.0
STYLES = {"healthy": "green", "margin call": "yellow", "liquidatable": "red", "bankrupt": "bold reverse red"}
"""How each status is coloured; the word stands there as well."""


def check(
    accounts: Annotated[Path, typer.Argument(help="Positions and holdings: CSV or Parquet.")],
    marks: Annotated[Path, typer.Option(help="Prices of markets and assets: CSV or Parquet.")],
    limits: Annotated[
        list[str] | None, typer.Option(metavar="[VENUE=]FILE", help="A limit book; may be repeated.")
    ] = None,
    venue: Annotated[
        list[str] | None, typer.Option(metavar="[VENUE=]NAME", help="A venue's preset; may be repeated.")
    ] = None,
    by: Annotated[str, typer.Option(help="Rows by account, owner, market or venue.")] = "account",
    what_if: Annotated[list[str] | None, typer.Option(help="Move prices first: 'BTC=-20%'; may be repeated.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Time of the check; default: the newest mark.")] = None,
    max_age: Annotated[str, typer.Option(help="Marks older than this are not used: seconds, or 5m.")] = "60",
    horizon: Annotated[str | None, typer.Option(help="Ask how probable liquidation is within: seconds, or 1d.")] = None,
    call_ratio: Annotated[float, typer.Option(help="Maintenance over adjusted equity that calls for margin.")] = 0.8,
    out: Annotated[Path | None, typer.Option(help="The rows as Parquet, or everything as JSON, by suffix.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Check accounts against limits at marks; exit 3 if one is below maintenance, 4 if one could not be valued."""
    from leverline.margin.account_report import GROUPS, document
    from leverline.margin.checking import check_accounts, rules_for
    from leverline.margin.reading_accounts import read_accounts
    from leverline.margin.reading_marks import read_marks
    from leverline.margin.what_if import read_shifts

    if by not in GROUPS:
        raise UsageError(f"--by {by!r} is unknown", remedy=f"choose one of {', '.join(GROUPS)}")
    _writable(out, [accounts, marks])
    shifts, age_s = read_shifts(what_if or []), options.parse_seconds(max_age, "--max-age")
    horizon_s = None if horizon is None else options.parse_seconds(horizon, "--horizon")
    instant = options.parse_as_of(as_of, "--as-of")
    rules = options.load_rules(limits or [], venue or [])
    held, prices = read_accounts(accounts), read_marks(marks)
    rules, assumed = rules_for(held.book, rules)
    for warning in (*held.warnings, *prices.warnings, *([] if assumed is None else [assumed])):
        note(f"note: {warning}")
    found = check_accounts(held, rules, prices.state, as_of_ns=instant, max_age_s=age_s, shifts=shifts,
                           call_ratio=call_ratio, horizon_seconds=horizon_s)
    if out is not None:
        _write(found, by, out)
    if as_json:
        emit_json(document(found, by))
    else:
        _print(found, by)
    _judge(found)


def _judge(found: AccountCheck) -> None:
    """Raise what the check comes to; what could not be valued weighs more than what is below maintenance."""
    below = int(found.below_maintenance.sum())
    worst = f"{below:,} account{'s are' if below > 1 else ' is'} below maintenance"
    if found.skipped:
        first = found.skipped[0]
        raise InsufficientDataError(
            f"{len(found.skipped):,} account{'s' if len(found.skipped) > 1 else ''} could not be valued, the first "
            f"{first.pool.account!r}: {first.reason}{f'; {worst}' if below else ''}", remedy="--json lists all")
    if below:
        raise CheckFailedError(worst)


def _writable(out: Path | None, inputs: list[Path]) -> None:
    options.writable_targets({"--out": out}, inputs)
    if out is not None and out.suffix.lower() not in (".parquet", ".json"):
        raise UsageError(f"--out {out}: cannot tell a format from the name", remedy="name it .parquet or .json")


def _write(found: AccountCheck, by: str, out: Path) -> None:
    import json

    from leverline.ground.files import replacing, write_text
    from leverline.margin.account_report import document, group_rows

    if out.suffix.lower() == ".json":
        write_text(out, json.dumps(document(found, by), indent=1, allow_nan=False, ensure_ascii=False) + "\n")
        return
    with replacing(out) as part:
        group_rows(found, by).write_parquet(part, compression="zstd")


def _print(found: AccountCheck, by: str) -> None:
    if by == "account":
        _print_accounts(found)
        _print_nearest(found)
    else:
        _print_groups(found, by)
    _print_totals(found)


def _print_accounts(found: AccountCheck) -> None:
    """The accounts nearest to liquidation."""
    from leverline.margin.account_report import account_rows, riskiest

    shown = screen_rows()
    order = riskiest(found)
    rows = account_rows(found, order[:shown]).to_dicts()
    room = {"free": "free_collateral", "withdrawable": "withdrawable"} if is_roomy() else {}
    print_table(_title(found, "Accounts"),
                ("account", "status", "equity", "maintenance", "health factor", "leverage", *room),
                [(_pool(row), _band(row["status"]), _money(row["equity"]), _money(row["maintenance_margin"]),
                  number(row["health_factor"], 3), number(row["effective_leverage"]),
                  *(_money(row[column]) for column in room.values())) for row in rows],
                align="llrrrr" + "r" * len(room), caption=_more(order.size, shown))


def _print_nearest(found: AccountCheck) -> None:
    """The positions and holdings whose own price is nearest to liquidating them."""
    from leverline.margin.account_report import nearest_rows

    rows = nearest_rows(found, SHOWN_NEAREST).to_dicts()
    if not rows:
        return
    horizon, roomy = found.horizon_seconds, is_roomy()
    print_table(
        "Nearest to liquidation, that price alone moving",
        ("account", "", "size", "price", "liquidation", "distance",
         *(["daily volatilities", "bankruptcy"] if roomy else []),
         *([] if horizon is None else [f"probability in {span(horizon)}"])),
        [(_pool(row), row["name"], f"{row['size']:,.10g}", _price(row["price"]), _price(row["liquidation_price"]),
          percent(row["distance"]),
          *([number(row["distance_in_daily_volatilities"]), _price(row["bankruptcy_price"])] if roomy else []),
          *([] if horizon is None else [percent(row["liquidation_probability_per_horizon"])])) for row in rows],
        align="llrrrr" + "rr" * roomy + "r" * (horizon is not None),
        caption=_more(found.book.n_positions, SHOWN_NEAREST))


def _print_groups(found: AccountCheck, by: str) -> None:
    from leverline.margin.account_report import group_rows

    shown = screen_rows()
    groups = group_rows(found, by)
    rows = groups[:shown].to_dicts()
    if by == "market":
        room = {"net": "net_notional", "maintenance": "maintenance_margin"} if is_roomy() else {}
        print_table(_title(found, "Markets"),
                    ("market", "mark", "positions", "below", "notional", *room, "largest owner"),
                    [(" / ".join(part for part in (row["venue"], row["symbol"]) if part), _price(row["mark"]),
                      row["positions"], row["below_maintenance"], _money(row["gross_notional"]),
                      *(_money(row[column]) for column in room.values()), percent(row["largest_owner_share"]))
                     for row in rows],
                    align="lrrrrr" + "r" * len(room), caption=_more(groups.height, shown))
        return
    print_table(_title(found, f"{by.capitalize()}s"),
                (by, "accounts", "below", "equity", "maintenance", "notional", "lowest health", "shortfall"),
                [(row[by] or "-", row["accounts"], row["below_maintenance"], _money(row["equity"]),
                  _money(row["maintenance_margin"]), _money(row["gross_notional"]),
                  number(row["lowest_health_factor"], 3), _money(row["shortfall"])) for row in rows],
                align="lrrrrrrr", caption=_more(groups.height, shown))


def _print_totals(found: AccountCheck) -> None:
    from leverline.margin.account_report import totals
    from leverline.margin.valuation import STATUSES

    summed = totals(found)
    say(", ".join(f"{summed[s.value.replace(' ', '_')]:,} {s.value}" for s in reversed(STATUSES)))
    say(f"equity {_money(summed['equity'])}, maintenance {_money(summed['maintenance_margin'])}, gross notional "
        f"{_money(summed['gross_notional'])}, shortfall {_money(summed['shortfall'])}")
    if summed["below_maintenance_before"] is not None:
        say(f"below maintenance: {int(found.below_maintenance.sum()):,}; at the marks as given "
            f"{summed['below_maintenance_before']:,}")
    for one in found.skipped[:SHOWN_SKIPPED]:
        say(f"not valued: {one.pool.account}{f' at {one.pool.venue}' if one.pool.venue else ''}: {one.reason}")
    if len(found.skipped) > SHOWN_SKIPPED:
        say(f"... and {len(found.skipped) - SHOWN_SKIPPED:,} more that could not be valued")


def _title(found: AccountCheck, what: str) -> str:
    from leverline.market.times import iso

    moved = ", ".join(f"{name} {100 * shift:+g} %" for name, shift in found.shifts.items())
    at = f" at {iso(found.as_of_ns)}" if found.as_of_ns >= 0 else ""
    return f"{what}{at}{f', if {moved}' if moved else ''}"


def _more(rows: int, shown: int) -> str | None:
    return f"and {rows - shown:,} more" if rows > shown else None


def _pool(row: dict[str, Any]) -> str:
    """Names of a pool in one cell; without the subaccount's where the row is named alike."""
    subaccount = "" if row["subaccount"] == row.get("name") else row["subaccount"]
    return " / ".join(part for part in (row["venue"], row["account"], subaccount) if part)


def _band(status: str) -> Text:
    from rich.text import Text

    return Text(status, style=STYLES[status])


def _money(value: float | None) -> str:
    """An amount; without cents from a thousand on."""
    return number(value, 2 if value is None or abs(value) < WITHOUT_CENTS else 0)


def _price(value: float | None) -> str:
    return "-" if value is None else f"{value:,.8g}"

