"""Named rules for what is odd but possible: accepted, counted, and kept out of estimation where it would mislead.

==================  =================================================================  =================================
rule                what it sees                                                       what follows
==================  =================================================================  =================================
zero-volume         no trade in a bar of a symbol that trades elsewhere                row masked
inconsistent-ohlc   low above, or high below, the open or the close                    high and low become NaN
print-jump          a log return beyond 0.5 that the very next bar takes back to 9/10  row masked
frozen              one close for very long, without range or volume                   masked after the first
off-grid            a stamp that is not on the symbol's grid                           masked if it shares a bar
gap                 more than 1.5 bars from one row to the next                        nothing: a gap is information
relisting           a log return above 2                                               a new listing begins
collapse            a log return below -2                                              nothing: the loss is scored
missing-field       an empty cell where the symbol has values elsewhere                nothing: the cell is NaN
==================  =================================================================  =================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.market.bars import Finding, grid_phase
from leverline.market.rows import Rows, same_symbol
from leverline.market.segments import collapses, listings, relistings
from leverline.market.times import NS_PER_S, iso, span

RULES = (
    "zero-volume", "inconsistent-ohlc", "print-jump", "frozen", "off-grid", "gap", "relisting", "collapse",
    "missing-field",
)
MAX_FINDINGS = 1_000
"""Findings kept per rule; all are counted."""

PRINT_JUMP_LOG_RETURN = 0.5
PRINT_JUMP_TAKEN_BACK = 0.9
GAP_BARS = 1.5
FROZEN_BARS = 24
FROZEN_S = 86_400
FROZEN_CLOSE_ONLY_S = 7 * 86_400
"""Stable-coins stand still for up to two days of hourly closes at 1e-4 ticks; a week of them is a dead feed."""
_ROUNDING = 2.0**-22
"""Relative slack when prices of one bar are compared: some sources keep some columns in single precision."""


@dataclass(frozen=True, slots=True)
class Examined:
    """Sorted rows after the rules: prices as usable, what is masked, which listing, and what was found."""

    rows: Rows
    masked: BoolArray
    listing: IntArray
    findings: tuple[Finding, ...]
    counts: dict[str, dict[str, int]]  # rule -> symbol -> how often, also beyond the findings kept
    warnings: tuple[str, ...]


def examine(rows: Rows, spacing_ns: int) -> Examined:
    """Apply every rule to rows sorted by symbol and time."""
    rows, warnings = _without_silent_volume(rows)
    ledger = _Ledger(rows)
    ledger.note("missing-field", _missing(rows), lambda i: f"no {' and no '.join(_empty_fields(rows, i))}")
    inconsistent = _inconsistent(rows)
    ledger.note("inconsistent-ohlc", inconsistent, lambda i: _prices(rows, i))
    kept = rows
    if inconsistent.size:
        high, low = rows.high.copy(), rows.low.copy()
        high[inconsistent] = low[inconsistent] = np.nan
        rows = replace(rows, high=high, low=low)
    masked = np.zeros(len(rows), np.bool_)
    for rule, found, say in (
        ("zero-volume", np.flatnonzero(rows.volume == 0), lambda _: "no trade in this bar"),
        ("print-jump", _print_jumps(rows, spacing_ns), lambda i: _jump(rows, i) + ", taken back by the next bar"),
        ("frozen", _frozen(kept, spacing_ns), lambda i: f"the close still stands at {rows.close[i]:g}"),
    ):
        ledger.note(rule, found, say)
        masked[found] = True
    stray, crowded = _off_grid(rows, spacing_ns)
    ledger.note("off-grid", stray, lambda _: f"not on the grid of {span(spacing_ns)}")
    masked[crowded] = True
    steps = np.diff(rows.ts)
    gaps = np.flatnonzero(same_symbol(rows) & (steps > GAP_BARS * spacing_ns))
    missing = dict(zip(gaps.tolist(), missing_bars(steps[gaps], spacing_ns).tolist(), strict=True))
    ledger.note("gap", gaps, lambda i: f"{missing[i]} bars missing until {iso(rows.ts[i + 1])}")
    new = relistings(rows, masked)
    ledger.note("relisting", new, lambda i: _jump(rows, i))
    ledger.note("collapse", collapses(rows, masked), lambda i: _jump(rows, i))
    return Examined(rows, masked, listings(rows, new), tuple(ledger.findings), ledger.counts, warnings)


def missing_bars(steps_ns: IntArray, spacing_ns: int) -> IntArray:
    """Bars that the grid would have held inside steps between bars; shape (n_steps,)."""
    return np.maximum(1, np.rint(steps_ns / spacing_ns).astype(np.int64) - 1)


class _Ledger:
    """Collects findings with a bound and counts without one."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.findings: list[Finding] = []
        self.counts: dict[str, dict[str, int]] = {}

    def note(self, rule: str, found: IntArray, say: Callable[[int], str]) -> None:
        """Record ``rule`` at the positions ``found``."""
        rows = self.rows
        per_symbol = np.bincount(rows.code[found], minlength=len(rows.symbols)) if found.size else np.empty(0, np.int64)
        self.counts[rule] = {rows.symbols[i]: int(per_symbol[i]) for i in np.flatnonzero(per_symbol)}
        self.findings += [
            Finding(rule, rows.files[rows.file[i]], rows.symbols[rows.code[i]], int(rows.ts[i]), say(int(i)))
            for i in found[:MAX_FINDINGS]
        ]


def _without_silent_volume(rows: Rows) -> tuple[Rows, tuple[str, ...]]:
    """Volume that is zero in every bar of a symbol is not known, rather than zero."""
    trades = np.zeros(len(rows.symbols), np.bool_)
    trades[np.unique(rows.code[rows.volume > 0])] = True
    silent = (rows.volume == 0) & ~trades[rows.code]
    if not silent.any():
        return rows, ()
    names = [rows.symbols[i] for i in np.unique(rows.code[silent])]
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    warning = f"volume is zero throughout and taken as unknown: {', '.join(names[:10])}{more}"
    return replace(rows, volume=np.where(silent, np.nan, rows.volume)), (warning,)


def _optional(rows: Rows) -> dict[str, FloatArray]:
    return {"open": rows.open, "high": rows.high, "low": rows.low, "volume": rows.volume}


def _missing(rows: Rows) -> IntArray:
    hit = np.zeros(len(rows), np.bool_)
    for values in _optional(rows).values():
        absent = np.isnan(values)
        if absent.any() and not absent.all():
            known = np.zeros(len(rows.symbols), np.bool_)
            known[np.unique(rows.code[~absent])] = True
            hit |= absent & known[rows.code]
    return np.flatnonzero(hit)


def _empty_fields(rows: Rows, at: int) -> list[str]:
    return [name for name, values in _optional(rows).items() if np.isnan(values[at])]


def _inconsistent(rows: Rows) -> IntArray:
    body_low, body_high = np.fmin(rows.open, rows.close), np.fmax(rows.open, rows.close)
    wrong = (rows.low > body_low * (1 + _ROUNDING)) | (rows.high < body_high * (1 - _ROUNDING))
    return np.flatnonzero(wrong)


def _print_jumps(rows: Rows, spacing_ns: int) -> IntArray:
    """The bar in between: both steps are single bars, and what is left of the move is at most a tenth."""
    move = np.diff(np.log(rows.close))
    step = same_symbol(rows) & (np.diff(rows.ts) <= GAP_BARS * spacing_ns)
    away, back = move[:-1], move[1:]
    jump = (np.abs(away) > PRINT_JUMP_LOG_RETURN) & (
        np.abs(away + back) <= (1 - PRINT_JUMP_TAKEN_BACK) * np.abs(away)
    )
    return np.flatnonzero(jump & step[:-1] & step[1:]) + 1


def _frozen(rows: Rows, spacing_ns: int) -> IntArray:
    """Bars after the first of a run of one close without volume: a day (at least 24 bars) where high = low = close is
    known, a week (at least 24 bars) where only the close is.
    """
    ranged = np.isfinite(rows.high) & np.isfinite(rows.low)
    flat = ranged & (rows.high == rows.low) & (rows.high == rows.close)
    still = ~(rows.volume > 0) & (flat | ~ranged)
    goes_on = still[1:] & still[:-1] & same_symbol(rows) & (np.diff(rows.close) == 0)
    start = np.flatnonzero(np.concatenate([[True], ~goes_on])) if len(rows) else np.empty(0, np.int64)
    if not goes_on.any():
        return np.empty(0, np.int64)
    length = np.diff(np.concatenate([start, [len(rows)]]))
    all_flat = np.minimum.reduceat(flat, start)
    needed_s = np.where(all_flat, FROZEN_S, FROZEN_CLOSE_ONLY_S)
    too_long = (length >= FROZEN_BARS) & (length * spacing_ns >= needed_s * NS_PER_S)
    inside = np.repeat(too_long, length)
    inside[start] = False
    return np.flatnonzero(inside)


def _off_grid(rows: Rows, spacing_ns: int) -> tuple[IntArray, IntArray]:
    """Rows off their symbol's most common phase, and those among them (or their followers) that share a bar."""
    phase = rows.ts % spacing_ns
    stray = np.zeros(len(rows), np.bool_)
    if bool((phase == phase[0]).all()):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    bounds = np.searchsorted(rows.code, np.arange(len(rows.symbols) + 1))
    for begin, end in pairwise(bounds.tolist()):
        values, counts = np.unique(phase[begin:end], return_counts=True)
        if values.size > 1:
            stray[begin:end] = phase[begin:end] != values[np.argmax(counts)]
    cell = (rows.ts - grid_phase(rows.ts, spacing_ns)) // spacing_ns
    at = np.lexsort((rows.ts, stray, cell, rows.code))
    shares = (np.diff(rows.code[at]) == 0) & (np.diff(cell[at]) == 0)
    return np.flatnonzero(stray), np.sort(at[1:][shares])


def _prices(rows: Rows, at: int) -> str:
    return ", ".join(f"{n} {getattr(rows, n)[at]:g}" for n in ("open", "high", "low", "close")
                     if np.isfinite(getattr(rows, n)[at]))


def _jump(rows: Rows, at: int) -> str:
    return f"close {rows.close[at]:g}, log return {np.log(rows.close[at] / rows.close[at - 1]):+.2f}"
