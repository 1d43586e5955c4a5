"""How good market data is: a report per symbol, each oddity with its file, symbol and time.

Unlike :func:`~leverline.market.reading.read_bars` it goes on where bars would be refused: it says why, and describes
what is left once repeated rows are dropped and each symbol is sorted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from leverline.ground.arrays import IntArray
from leverline.ground.errors import InsufficientDataError, LeverlineError, MalformedInputError
from leverline.market.bars import Finding
from leverline.market.columns import typed_columns
from leverline.market.reading import Input, joined, tables_of
from leverline.market.rows import Disorder, Rows, disorder, refuse_disorder
from leverline.market.spacing import common_spacing, symbol_spacings
from leverline.market.suspicion import GAP_BARS, MAX_FINDINGS, RULES, Examined, examine, missing_bars
from leverline.market.symbols import SymbolNaming
from leverline.market.times import NS_PER_S, iso, span
from leverline.model.provenance import DataFile

ORDER_RULES = ("duplicate", "unsorted", "overlap")
"""What bars are refused for and a description only reports."""


@dataclass(frozen=True, slots=True)
class SymbolQuality:
    """One symbol: its extent (times are ISO 8601 with Z), its holes, and how often each rule struck."""

    symbol: str
    rows: int
    first: str
    last: str
    spacing_s: float | None
    close_only: bool
    has_volume: bool
    missing_bars: int
    longest_gap_bars: int
    longest_gap_after: str | None
    masked: int
    listings: int
    counts: dict[str, int]  # rule -> how often; every rule is present


@dataclass(frozen=True, slots=True)
class QualityReport:
    """What was seen. ``refused`` says why :func:`read_bars` would not take the input; empty where it would."""

    files: tuple[DataFile, ...]
    symbols: tuple[SymbolQuality, ...]
    spacing_s: float | None
    findings: tuple[Finding, ...]  # at most 1,000 a rule; ``counts`` has all
    counts: dict[str, int]
    warnings: tuple[str, ...]
    refused: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """True where nothing was refused, odd or warned of."""
        return not (self.refused or self.warnings or any(self.counts.values()))

    def columns(self) -> tuple[str, ...]:
        """Headings of :meth:`rows`: a column for every rule that struck."""
        return ("symbol", "rows", "first", "last", "spacing", "masked", "missing bars", "longest gap", *self._struck())

    def rows(self) -> list[tuple[str, ...]]:
        """One line of text a symbol; times to the minute, gaps in bars."""
        return [
            (s.symbol, str(s.rows), _minute(s.first), _minute(s.last),
             "" if s.spacing_s is None else span(round(s.spacing_s * NS_PER_S)),
             str(s.masked), str(s.missing_bars), str(s.longest_gap_bars),
             *(str(s.counts[rule]) for rule in self._struck()))
            for s in self.symbols
        ]

    def first_findings(self, per_rule: int = 5) -> list[tuple[str, ...]]:
        """Rule, file, symbol, time and detail of the first cases of each rule, as text."""
        firsts = (list(islice((f for f in self.findings if f.rule == rule), per_rule)) for rule in self._struck())
        return [(f.rule, f.file, f.symbol, iso(f.ts), f.detail) for kept in firsts for f in kept]

    def _struck(self) -> list[str]:
        return [rule for rule, number in self.counts.items() if number]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON: no NaN, times ISO 8601 with Z."""
        return {
            "files": [f.model_dump(mode="json") for f in self.files],
            "rows": sum(s.rows for s in self.symbols),
            "spacing_s": self.spacing_s,
            "symbols": [asdict(s) for s in self.symbols],
            "counts": self.counts,
            "findings": [{**asdict(f), "ts": iso(f.ts)} for f in self.findings],
            "findings_kept_per_rule": MAX_FINDINGS,
            "warnings": list(self.warnings),
            "refused": list(self.refused),
            "clean": self.clean,
        }


def describe(
    paths: Sequence[Path],
    strict: bool = False,
    naming: SymbolNaming | None = None,
) -> QualityReport:
    """Describe files of bars. Under ``strict`` the first reason to refuse them is raised instead of reported.

    A file that cannot be read at all is named in ``refused`` and left out; where none can, its error is raised.
    """
    found, errors = _readable(paths, strict, naming)
    broken = disorder(found.rows)
    try:
        refuse_disorder(found.rows, broken)
    except MalformedInputError as error:
        errors.append(error)
    if strict and errors:
        raise errors[0]
    rows = _mended(found.rows, broken)
    try:
        common_spacing(rows)
    except (MalformedInputError, InsufficientDataError) as error:
        if strict:
            raise
        errors.append(error)
    return _report(found, rows, _order_findings(found.rows, broken), errors)


def _readable(
    paths: Sequence[Path], strict: bool, naming: SymbolNaming | None
) -> tuple[Input, list[LeverlineError]]:
    """The tables whose every cell can be read, and why the others cannot."""
    tables, typed = [], []
    errors: list[LeverlineError] = []
    for path in paths:
        try:
            (table,) = tables_of(path)
            typed.append(typed_columns(table, strict=strict))
            tables.append(table)
        except MalformedInputError as error:
            errors.append(error)
    if errors and (strict or not tables):
        raise errors[0]
    return joined(tables, typed, naming), errors


def _mended(rows: Rows, broken: Disorder) -> Rows:
    """Sorted, the first of rows with one symbol and time kept."""
    ordered = rows.in_order() if not broken.duplicates.size else rows.take(
        np.setdiff1d(np.arange(len(rows)), broken.duplicates)).in_order()
    repeated = (np.diff(ordered.code) == 0) & (np.diff(ordered.ts) == 0)  # across files
    return ordered.take(np.flatnonzero(np.concatenate([[True], ~repeated])))


def _order_findings(rows: Rows, broken: Disorder) -> dict[str, list[Finding]]:
    details = {"duplicate": "a bar of this time came before", "unsorted": "earlier than the row before it",
               "overlap": "another input of this symbol reaches past this bar"}
    found = zip(ORDER_RULES, (broken.duplicates, broken.unsorted, broken.overlaps), strict=True)
    return {rule: [Finding(rule, rows.files[rows.file[i]], rows.symbols[rows.code[i]], int(rows.ts[i]),
                           f"row {rows.row[i]}: {details[rule]}") for i in at] for rule, at in found}


def _report(
    found: Input, rows: Rows, order: dict[str, list[Finding]], errors: Sequence[LeverlineError]
) -> QualityReport:
    """Examine symbols of one spacing together, so that a mixed input is described too."""
    counts = {s: dict.fromkeys((*ORDER_RULES, *RULES), 0) for s in rows.symbols}
    findings = [f for at in order.values() for f in at[:MAX_FINDINGS]]
    for f in (f for at in order.values() for f in at):
        counts[f.symbol][f.rule] += 1
    spacings = _spacings(rows)
    described: dict[str, SymbolQuality] = {}
    warnings = list(found.warnings)
    for spacing in np.unique(spacings):
        part = rows.only([s for s, own in zip(rows.symbols, spacings, strict=True) if own == spacing])
        examined = examine(part, int(spacing)) if spacing else None
        if examined is not None:
            findings += examined.findings
            warnings += examined.warnings
            for rule, per_symbol in examined.counts.items():
                for symbol, number in per_symbol.items():
                    counts[symbol][rule] += number
        for quality in _symbols(part, examined, int(spacing), counts):
            described[quality.symbol] = quality
    totals = {rule: sum(per[rule] for per in counts.values()) for rule in (*ORDER_RULES, *RULES)}
    overall = int(np.bincount(np.unique(spacings, return_inverse=True)[1]).argmax())
    return QualityReport(
        found.files, tuple(described[s] for s in rows.symbols), _seconds(int(np.unique(spacings)[overall])),
        _bounded(findings), totals, tuple(warnings), tuple(str(e) for e in errors))


def _spacings(rows: Rows) -> IntArray:
    try:
        return symbol_spacings(rows)
    except InsufficientDataError:
        return np.zeros(len(rows.symbols), np.int64)


def _symbols(
    rows: Rows, examined: Examined | None, spacing_ns: int, counts: dict[str, dict[str, int]]
) -> Iterator[SymbolQuality]:
    bounds = np.searchsorted(rows.code, np.arange(len(rows.symbols) + 1))
    for i, symbol in enumerate(rows.symbols):
        at = slice(int(bounds[i]), int(bounds[i + 1]))
        ts = rows.ts[at]
        missing, longest, after = _holes(ts, spacing_ns)
        yield SymbolQuality(
            symbol=symbol, rows=ts.size, first=iso(ts[0]), last=iso(ts[-1]), spacing_s=_seconds(spacing_ns),
            close_only=not bool((np.isfinite(rows.high[at]) & np.isfinite(rows.low[at])).any()),
            has_volume=bool((rows.volume[at] > 0).any()), missing_bars=missing, longest_gap_bars=longest,
            longest_gap_after=after, masked=int(examined.masked[at].sum()) if examined else 0,
            listings=int(examined.listing[at][-1]) + 1 if examined else 1, counts=counts[symbol])


def _holes(ts: IntArray, spacing_ns: int) -> tuple[int, int, str | None]:
    """Missing bars in all gaps, those of the longest, and the last bar before it."""
    steps = np.diff(ts)
    gaps = np.flatnonzero(steps > GAP_BARS * spacing_ns)
    if not spacing_ns or not gaps.size:
        return 0, 0, None
    missing = missing_bars(steps[gaps], spacing_ns)
    longest = int(np.argmax(missing))
    return int(missing.sum()), int(missing[longest]), iso(ts[gaps[longest]])


def _bounded(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The first findings of each rule, rules in their order."""
    per_rule: dict[str, list[Finding]] = {rule: [] for rule in (*ORDER_RULES, *RULES)}
    for finding in findings:
        if len(per_rule[finding.rule]) < MAX_FINDINGS:
            per_rule[finding.rule].append(finding)
    return tuple(f for kept in per_rule.values() for f in kept)


def _minute(instant: str) -> str:
    return f"{instant[:16]}Z"


def _seconds(spacing_ns: int) -> float | None:
    return spacing_ns / NS_PER_S if spacing_ns else None
