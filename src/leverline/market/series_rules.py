"""When values of a series are known, what their order must be, and what is odd about them and accepted.

============  =====================================================================================================
rule          strikes
============  =====================================================================================================
gap           more than 1.5 intervals from one value to the next
zero-value    a zero where a market that exists cannot have one
frozen        one value ten times or more in a row (not for funding, whose resting rate is a constant)
jump          a log change beyond 2 from one value to the next; for funding a rate beyond 4 % of the notional
back-filled   one value through a whole history of twenty or more: today's number written into the past
============  =====================================================================================================

Nothing is left out for it: the findings say where to look before a number is used.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import InsufficientDataError, MalformedInputError
from leverline.market.format_report import FormatReport, SymbolLine
from leverline.market.observations import Observations, Oddity, TypedTable, counts_of, findings_of, together
from leverline.market.rows import disorder, refuse_disorder, same_symbol
from leverline.market.series_kinds import SeriesKind
from leverline.market.spacing import symbol_spacings
from leverline.market.suspicion import GAP_BARS
from leverline.market.symbols import SymbolNaming
from leverline.market.times import NS_PER_S, iso, span
from leverline.market.trades import Series

RULES = ("gap", "zero-value", "frozen", "jump", "back-filled")
FROZEN_VALUES = 10
BACK_FILLED_VALUES = 20
JUMP_LOG_CHANGE = 2.0
EXTREME_FUNDING = 0.04
"""Per interval; the widest clamp of a large venue (Hyperliquid: 4 % an hour)."""


def series_of_tables(
    tables: Sequence[TypedTable], kind: SeriesKind, naming: SymbolNaming | None = None, *, at_end: bool = False
) -> tuple[Series, ...]:
    """One :class:`Series` a symbol, from columns ``symbol, ts, value``; ``at_end`` moves stamps by one interval."""
    rows = together(tables, naming)
    refuse_disorder(rows, disorder(rows), "value")
    rows = rows.in_order()
    spacings = _spacings(rows)
    if at_end and not spacings.all():
        raise InsufficientDataError(
            f"{kind.name} is known at the end of its interval, whose length one value does not tell",
            remedy="give more values")
    oddities = _oddities(rows, kind, spacings)
    findings = findings_of(rows, oddities)
    files = tuple(table.file for table in tables)
    warnings = tuple(said for table in tables for said in table.warnings)
    return tuple(
        Series(symbol=symbol, kind=kind.name, ts=rows.ts[at] + (spacing if at_end else 0),
               value=rows.columns["value"][at], files=files,
               findings=tuple(f for f in findings if f.symbol == symbol), warnings=warnings)
        for (symbol, at), spacing in zip(rows.groups(), spacings.tolist(), strict=True))


def describe_tables(
    tables: Sequence[TypedTable], kind: SeriesKind, naming: SymbolNaming | None,
    errors: Sequence[MalformedInputError], *, strict: bool,
) -> FormatReport:
    """What is in the tables, also where :func:`series_of_tables` would refuse them; under ``strict`` it raises."""
    rows, refused = together(tables, naming), list(errors)
    broken = disorder(rows)
    try:
        refuse_disorder(rows, broken, "value")
    except MalformedInputError as error:
        if strict:
            raise
        refused.append(error)
    rows = rows.take(np.setdiff1d(np.arange(len(rows)), broken.duplicates)).in_order()
    spacings = _spacings(rows)
    oddities = _oddities(rows, kind, spacings)
    counts = counts_of(rows, oddities)
    lines = tuple(
        SymbolLine(symbol, at.stop - at.start, _measured(rows.ts[at], rows.columns["value"][at], spacing),
                   counts[symbol])
        for (symbol, at), spacing in zip(rows.groups(), spacings.tolist(), strict=True))
    return FormatReport(
        kind.name, tuple(table.file for table in tables), lines, RULES, findings_of(rows, oddities),
        tuple(said for table in tables for said in table.warnings), tuple(map(str, refused)))


def _spacings(rows: Observations) -> IntArray:
    """Interval of each symbol, ns; zero where no symbol has two values."""
    try:
        return symbol_spacings(rows)
    except InsufficientDataError:
        return np.zeros(len(rows.symbols), np.int64)


def _oddities(rows: Observations, kind: SeriesKind, spacings: IntArray) -> tuple[Oddity, ...]:
    value, same = rows.columns["value"], same_symbol(rows)
    steps = np.diff(rows.ts)
    gaps = np.flatnonzero(same & (steps > GAP_BARS * spacings[rows.code[1:]]))
    found = [Oddity("gap", gaps, lambda i: f"nothing for {span(int(steps[i]))}")]
    if kind.zero_is_odd:
        found.append(Oddity("zero-value", np.flatnonzero(value == 0), lambda _: "the value is zero"))
    if kind.signed:
        extreme = np.flatnonzero(np.abs(value) > EXTREME_FUNDING)
        return (*found, Oddity("jump", extreme, lambda i: f"{value[i]:+.4f} of the notional in one interval"))
    starts, lengths = _runs(value, same)
    whole = np.bincount(rows.code, minlength=len(rows.symbols))[rows.code[starts]] == lengths
    filled = starts[whole & (lengths >= BACK_FILLED_VALUES)]
    frozen = starts[(lengths >= FROZEN_VALUES) & ~(whole & (lengths >= BACK_FILLED_VALUES))]
    length_at = dict(zip(starts.tolist(), lengths.tolist(), strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.diff(np.log(value))
    jumps = np.flatnonzero(same & np.isfinite(change) & (np.abs(change) > JUMP_LOG_CHANGE)) + 1
    return (
        *found,
        Oddity("frozen", frozen, lambda i: f"{value[i]:g}, {length_at[i]} times in a row"),
        Oddity("jump", jumps, lambda i: f"{value[i]:g} after {value[i - 1]:g}"),
        Oddity("back-filled", filled, lambda i: f"{value[i]:g} in all {length_at[i]} values"),
    )


def _runs(value: FloatArray, same: np.typing.NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """First position and length of every run of equal values within a symbol."""
    starts = np.flatnonzero(np.concatenate([[True], ~(same & (np.diff(value) == 0))]))
    return starts, np.diff(np.concatenate([starts, [value.size]]))


def _measured(ts: IntArray, value: FloatArray, spacing_ns: int) -> dict[str, str | int | float | None]:
    steps = np.diff(ts)
    return {
        "first": iso(ts[0]), "last": iso(ts[-1]), "interval_s": spacing_ns / NS_PER_S if spacing_ns else None,
        "lowest": float(value.min()), "median": float(np.median(value)), "highest": float(value.max()),
        "longest_gap_s": float(steps.max() / NS_PER_S) if steps.size else None,
    }
