"""What brackets must be (tiers from 1, notionals joined from 0 on) and what is odd about them and accepted.

=========================  ========================================================================
rule                       strikes
=========================  ========================================================================
rate-falls                 a maintenance rate below that of the tier before it
leverage-rises             more leverage than the tier before it allows
maintenance-above-initial  a maintenance rate above 1 / leverage: liquidated on entry
margin-jumps               a deduction that makes the margin jump where two tiers meet
=========================  ========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NoReturn

import numpy as np
import polars as pl

from leverline.ground.errors import refuse
from leverline.market.bars import Finding
from leverline.market.brackets import ExchangeBracket, ExchangeBrackets
from leverline.market.observations import MAX_FINDINGS
from leverline.model.provenance import DataFile

RULES = ("rate-falls", "leverage-rises", "maintenance-above-initial", "margin-jumps")
MAX_LEVERAGE = 10_000.0
"""More than any venue has offered; beyond it a column was mistaken for another."""
_ROUNDING = 1e-9
"""Relative slack where products of decimals that binary numbers only approximate are compared."""


def checked_brackets(source: DataFile, frame: pl.DataFrame, spelled: Mapping[str, str]) -> ExchangeBrackets:
    """Brackets of typed columns (an open cap is NaN) with the findings on them.

    ``spelled`` is the file's own name of each column. Without ``maintenance_deduction`` it follows from continuity.
    """
    _refuse_out_of_range(source.name, frame, spelled)
    _refuse_unjoined(source.name, frame, spelled)
    given = "maintenance_deduction" in frame.columns
    rows = [
        ExchangeBracket(
            symbol=row["symbol"], tier=int(row["tier"]), currency=row.get("currency") or _settlement(row["symbol"]),
            notional_floor=row["notional_floor"],
            notional_cap=None if np.isnan(row["notional_cap"]) else row["notional_cap"],
            maintenance_margin_rate=row["maintenance_margin_rate"], max_leverage=row["max_leverage"],
            maintenance_deduction=row.get("maintenance_deduction", 0.0))
        for row in frame.iter_rows(named=True)
    ]
    brackets = ExchangeBrackets(tuple(rows if given else _with_deductions(rows)), given, (source,))
    findings, _ = examined(brackets)
    warnings = () if given else (f"{source.name}: no deductions are given; they follow from continuity",)
    return replace(brackets, findings=findings, warnings=warnings)


def examined(brackets: ExchangeBrackets) -> tuple[tuple[Finding, ...], dict[str, dict[str, int]]]:
    """Findings (their time is 0: brackets have none), and symbol -> rule -> how often."""
    file = brackets.files[0].name if brackets.files else "brackets"
    findings: dict[str, list[Finding]] = {rule: [] for rule in RULES}
    counts = {}
    for symbol, rows in brackets.by_symbol().items():
        counts[symbol] = dict.fromkeys(RULES, 0)
        for rule, detail in _odd(rows):
            counts[symbol][rule] += 1
            if len(findings[rule]) < MAX_FINDINGS:
                findings[rule].append(Finding(rule, file, symbol, 0, detail))
    return tuple(f for kept in findings.values() for f in kept), counts


def _odd(rows: Sequence[ExchangeBracket]) -> list[tuple[str, str]]:
    found = [("maintenance-above-initial",
              f"tier {row.tier}: {row.maintenance_margin_rate:g} at leverage {row.max_leverage:g}")
             for row in rows if row.maintenance_margin_rate * row.max_leverage > 1 + _ROUNDING]
    for low, high in pairwise(rows):
        if high.maintenance_margin_rate < low.maintenance_margin_rate:
            found.append(("rate-falls", f"tier {high.tier}: {high.maintenance_margin_rate:g} after "
                                        f"{low.maintenance_margin_rate:g}"))
        if high.max_leverage > low.max_leverage:
            found.append(("leverage-rises", f"tier {high.tier}: {high.max_leverage:g} after {low.max_leverage:g}"))
        at = high.notional_floor
        below = at * low.maintenance_margin_rate - low.maintenance_deduction
        above = at * high.maintenance_margin_rate - high.maintenance_deduction
        if abs(above - below) > _ROUNDING * at:
            found.append(("margin-jumps", f"tier {high.tier}: from {below:g} to {above:g} at {at:g}"))
    return found


def _refuse_out_of_range(file: str, frame: pl.DataFrame, spelled: Mapping[str, str]) -> None:
    for column, bad, rule in (
        ("tier", (frame["tier"] % 1 != 0) | (frame["tier"] > 1_000), "is no tier: tiers count from 1"),
        ("maintenance_margin_rate", frame["maintenance_margin_rate"] > 1, "is no fraction: 0.05 is 5 %"),
        ("max_leverage", (frame["max_leverage"] < 1) | (frame["max_leverage"] > MAX_LEVERAGE),
         f"is no leverage from 1 to {MAX_LEVERAGE:g}"),
    ):
        row = bad.arg_max()
        if row is not None and bad[row]:
            refuse(f"{frame[column][row]:g} {rule}", file=file, row=row + 1, column=spelled[column])


def _refuse_unjoined(file: str, frame: pl.DataFrame, spelled: Mapping[str, str]) -> None:
    """Refuse the first row that does not continue its market's brackets."""
    last: dict[str, tuple[float, float]] = {}
    columns = (frame[name].to_list() for name in ("symbol", "tier", "notional_floor", "notional_cap"))
    for row, (symbol, tier, floor, cap) in enumerate(zip(*columns, strict=True), 1):
        before, top = last.get(symbol, (0.0, 0.0))

        def broken(what: str, column: str, row: int = row) -> NoReturn:
            refuse(what, file=file, row=row, column=spelled[column],
                   remedy="list each market's tiers from 1 on, from notional 0 on, without a hole")

        if tier != before + 1:
            broken(f"{symbol} has tier {tier:g} after {before:g}" if before else f"{symbol} starts with tier {tier:g}",
                   "tier")
        if floor != top:
            broken(f"{symbol} tier {tier:g} starts at {floor:g}, the one before it ends at {top:g}", "notional_floor")
        if cap <= floor:
            broken(f"{symbol} tier {tier:g} ends at {cap:g}, not above {floor:g}", "notional_cap")
        last[symbol] = (tier, cap)


def _with_deductions(rows: Sequence[ExchangeBracket]) -> list[ExchangeBracket]:
    """The deduction of each tier that lets the margin continue where two tiers meet."""
    done: list[ExchangeBracket] = []
    latest: dict[str, ExchangeBracket] = {}
    for row in rows:
        low = latest.get(row.symbol)
        step = 0.0 if low is None else row.notional_floor * (row.maintenance_margin_rate - low.maintenance_margin_rate)
        latest[row.symbol] = replace(row, maintenance_deduction=step + (low.maintenance_deduction if low else 0.0))
        done.append(latest[row.symbol])
    return done


def _settlement(symbol: str) -> str:
    """The settlement asset that a unified symbol names; empty where it names none."""
    _, _, settle = symbol.partition(":")
    return settle.partition("-")[0]
