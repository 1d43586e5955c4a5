"""What trades must be (in order, each once) and what is odd about them and accepted.

==============  ======================================================================  ================================
rule            strikes                                                                 what follows
==============  ======================================================================  ================================
print-jump      a log return beyond 0.5 that the very next print takes back to 9/10     the print is left out
missing-trades  numbers skipped, where nine of ten follow each other without a hole     nothing: volume is understated
==============  ======================================================================  ================================
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leverline.ground.arrays import IntArray
from leverline.ground.errors import MalformedInputError
from leverline.market.format_report import FormatReport, SymbolLine
from leverline.market.observations import Observations, Oddity, TypedTable, counts_of, findings_of, together
from leverline.market.rows import refuse_row, same_symbol
from leverline.market.suspicion import PRINT_JUMP_LOG_RETURN, PRINT_JUMP_TAKEN_BACK
from leverline.market.symbols import SymbolNaming
from leverline.market.times import NS_PER_S, iso
from leverline.market.trades import Trades

RULES = ("print-jump", "missing-trades")
CONSECUTIVE_SHARE = 0.9
"""Numbers that follow each other before a hole means a missing trade: some venues number all their markets as one."""


def trades_of_tables(tables: Sequence[TypedTable], naming: SymbolNaming | None = None) -> tuple[Trades, ...]:
    """One :class:`Trades` a symbol, from columns ``symbol, ts, price, size, aggressor, id`` of every input."""
    rows = together(tables, naming)
    refuse_broken_order(rows)
    rows = rows.in_order()
    oddities = _oddities(rows)
    findings = findings_of(rows, oddities)
    off_market = np.zeros(len(rows), np.bool_)
    off_market[oddities[0].at] = True
    files = tuple(table.file for table in tables)
    warnings = tuple(said for table in tables for said in table.warnings)
    return tuple(
        Trades(symbol=symbol, ts=rows.ts[at][kept], price=rows.columns["price"][at][kept],
               size=rows.columns["size"][at][kept], aggressor=rows.columns["aggressor"][at][kept], files=files,
               findings=tuple(f for f in findings if f.symbol == symbol), warnings=warnings)
        for symbol, at in rows.groups() for kept in [~off_market[at]])


def describe_tables(
    tables: Sequence[TypedTable], naming: SymbolNaming | None, errors: Sequence[MalformedInputError], *, strict: bool
) -> FormatReport:
    """What is in the tables, also where :func:`trades_of_tables` would refuse them; under ``strict`` it raises."""
    rows, refused = together(tables, naming), list(errors)
    try:
        refuse_broken_order(rows)
    except MalformedInputError as error:
        if strict:
            raise
        refused.append(error)
    rows = rows.in_order()
    oddities = _oddities(rows)
    counts = counts_of(rows, oddities)
    lines = tuple(SymbolLine(symbol, at.stop - at.start, _measured(rows, at), counts[symbol])
                  for symbol, at in rows.groups())
    return FormatReport(
        "trades", tuple(table.file for table in tables), lines, RULES, findings_of(rows, oddities),
        tuple(said for table in tables for said in table.warnings), tuple(map(str, refused)))


def refuse_broken_order(rows: Observations) -> None:
    """Refuse trades (in the order they were given) that go back in time, come twice, or overlap between files."""
    at = np.lexsort((np.arange(len(rows)), rows.file, rows.code))
    one_run = (np.diff(rows.code[at]) == 0) & (np.diff(rows.file[at]) == 0)
    falls = at[1:][one_run & (np.diff(rows.ts[at]) < 0)]
    if falls.size:
        refuse_row(rows, int(falls.min()), "{1} goes back in time to {2}", "sort the trades of each market by time")
    twice = _repeated_numbers(rows)
    if twice.size:
        first = int(twice[0])
        refuse_row(rows, first, f"{{1}} has trade {rows.columns['id'][first]} twice", "keep each trade once",
                   column="trade_id")
    starts = np.flatnonzero(np.concatenate([[True], ~one_run]))
    over = _overlapping(rows, at, starts)
    if over is not None:
        refuse_row(rows, over, "{1} at {2} overlaps another input of the same market", "give each trade once")


def _repeated_numbers(rows: Observations) -> IntArray:
    number = rows.columns["id"]
    at = np.lexsort((number, rows.code))
    same = (np.diff(number[at]) == 0) & (np.diff(rows.code[at]) == 0) & (number[at][1:] >= 0)
    return np.sort(at[1:][same])


def _overlapping(rows: Observations, at: IntArray, starts: IntArray) -> int | None:
    """First row of a file's trades of a market that begin before another file's have ended."""
    ts = rows.ts[at]
    first, last = np.minimum.reduceat(ts, starts), np.maximum.reduceat(ts, starts)
    code = rows.code[at][starts]
    latest = np.full(len(rows.symbols), np.iinfo(np.int64).min)
    for i in np.lexsort((last, first, code)).tolist():
        if first[i] < latest[code[i]]:
            return int(at[starts[i]])
        latest[code[i]] = max(latest[code[i]], last[i])
    return None


def _oddities(rows: Observations) -> tuple[Oddity, Oddity]:
    price, number = rows.columns["price"], rows.columns["id"]
    holes = np.zeros(len(rows), np.int64)
    for _, at in rows.groups():
        steps = np.diff(np.sort(number[at]))
        if steps.size and number[at].min() >= 0 and np.count_nonzero(steps == 1) >= CONSECUTIVE_SHARE * steps.size:
            holes[at.start + 1:at.stop] = np.maximum(0, np.diff(number[at]) - 1)
    jumps = _print_jumps(rows)
    return (Oddity("print-jump", jumps, lambda i: f"price {price[i]:g} after {price[i - 1]:g}, taken back at once"),
            Oddity("missing-trades", np.flatnonzero(holes), lambda i: f"{holes[i]} numbers before it missing"))


def _print_jumps(rows: Observations) -> IntArray:
    """Prints between two that agree, a log return beyond the bound away from both."""
    move = np.diff(np.log(rows.columns["price"]))
    same = same_symbol(rows)
    away, back = move[:-1], move[1:]
    jump = (np.abs(away) > PRINT_JUMP_LOG_RETURN) & (
        np.abs(away + back) <= (1 - PRINT_JUMP_TAKEN_BACK) * np.abs(away))
    return np.flatnonzero(jump & same[:-1] & same[1:]) + 1


def _measured(rows: Observations, at: slice) -> dict[str, str | int | float | None]:
    ts, price, size = rows.ts[at], rows.columns["price"][at], rows.columns["size"][at]
    silence = np.diff(ts)
    longest = int(np.argmax(silence)) if silence.size else None
    return {
        "first": iso(ts[0]), "last": iso(ts[-1]), "low": float(price.min()), "high": float(price.max()),
        "notional": float(price @ size), "buyer_took_share": float(size[rows.columns["aggressor"][at] > 0].sum()
                                                                   / size.sum()),
        "longest_silence_s": None if longest is None else float(silence[longest] / NS_PER_S),
        "longest_silence_after": None if longest is None else iso(ts[longest]),
    }
