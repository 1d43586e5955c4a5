"""A limit book in the shapes that other systems read, and tiers read back from ccxt's shape.

Amounts leave as numbers in the settlement currency (the book's ledger units divided by 10^6); rates and leverages leave
as they stand in the book. Symbols leave as the book has them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from pydantic import ValidationError

from leverline.calibrate.collateral_steps import STEERED, grains, value_at
from leverline.calibrate.rounding import exact, initial_rate
from leverline.calibrate.schedule import continuous_deductions
from leverline.ground.errors import refuse
from leverline.model.limitbook import InstrumentLimits, LimitBook, Tier
from leverline.model.quantities import UNITS_PER_ONE

OPEN_CAP = 2**63 - 1
"""What Binance prints as the cap of a last bracket that has none."""

CSV_COLUMNS = ("symbol", "tier", "currency", "notional_floor", "notional_cap", "max_leverage", "initial_margin_rate",
               "maintenance_margin_rate", "maintenance_deduction", "binding_side")  # fmt: skip


def to_ccxt(book: LimitBook) -> dict[str, list[dict[str, Any]]]:
    """The book as ccxt's ``LeverageTier`` structures per symbol, as ``fetchLeverageTiers`` returns them.

    ``currency`` is the book's settlement asset, an open last cap is None, and ``info`` is the book's own tier document
    (amounts in ledger units), which also carries what ccxt's shape has no field for: the deduction.
    """
    return {symbol: [_ccxt_tier(symbol, book.settlement, number, tier) for number, tier in enumerate(limits.tiers, 1)]
            for symbol, limits in book.instruments.items()}


def _ccxt_tier(symbol: str, currency: str, number: int, tier: Tier) -> dict[str, Any]:
    return {
        "tier": number,
        "symbol": symbol,
        "currency": currency,
        "minNotional": _amount(tier.notional_floor),
        "maxNotional": None if tier.notional_cap is None else _amount(tier.notional_cap),
        "maintenanceMarginRate": tier.maintenance_margin_rate,
        "maxLeverage": tier.max_leverage,
        "info": tier.model_dump(mode="json"),
    }


def from_ccxt(tiers: Sequence[Mapping[str, Any]]) -> tuple[Tier, ...]:
    """Tiers of one market from ccxt's structures, in the order given; ``info`` is not read.

    ccxt has no field for the deduction, so it follows from continuity; a fraction of a ledger unit is dropped, against
    the account. A cap of None, or of 2^63 - 1 and above, is open. Refuses (exit 2) what lacks a field, is no number,
    or does not join into a schedule; rows count from 1.
    """
    if not tiers:
        refuse("the tiers form no schedule: there are none", file=None)
    rows = list(enumerate(tiers, 1))
    floors = [_units(entry, row, "minNotional") for row, entry in rows]
    caps = [_cap(entry, row) for row, entry in rows]
    rates = [float(_number(entry, row, "maintenanceMarginRate")) for row, entry in rows]
    leverages = [float(_number(entry, row, "maxLeverage")) for row, entry in rows]
    if not all(leverage > 0 for leverage in leverages):
        refuse("a leverage is positive", file=None, row=1 + [v > 0 for v in leverages].index(False),
               column="maxLeverage")
    try:
        read = tuple(
            Tier(notional_floor=floor, notional_cap=cap, max_leverage=leverage,
                 initial_margin_rate=initial_rate(leverage), maintenance_margin_rate=rate,
                 maintenance_deduction=int(deduction))
            for floor, cap, rate, leverage, deduction
            in zip(floors, caps, rates, leverages, continuous_deductions(floors, rates), strict=True))
        return InstrumentLimits(tiers=read).tiers
    except ValidationError as error:
        first = error.errors()[0]
        refuse(f"the tiers form no schedule: {first['msg']}", file=None)


def to_binance_brackets(book: LimitBook) -> tuple[list[dict[str, Any]], list[str]]:
    """Binance's ``leverageBracket`` documents, and one line for every number that its shape could not hold.

    ``initialLeverage`` is an integer there. A leverage of 2.5 leaves as 2: the venue would ask more initial margin
    than the book, never less; each such bracket is named in the second result, which a caller has to show. ``cum`` is
    the maintenance deduction. A last cap that is open leaves as 2^63 - 1. ``symbol`` is the book's; Binance's own
    market name is the caller's to put.
    """
    documents: list[dict[str, Any]] = []
    lowered: list[str] = []
    for symbol, limits in book.instruments.items():
        brackets = []
        for number, tier in enumerate(limits.tiers, 1):
            whole = int(tier.max_leverage)
            if whole < 1:
                refuse(f"{symbol} bracket {number}: leverage {tier.max_leverage} has no integer form from 1", file=None)
            if whole != tier.max_leverage:
                lowered.append(f"{symbol} bracket {number}: leverage {tier.max_leverage:g} leaves as {whole}")
            brackets.append({
                "bracket": number,
                "initialLeverage": whole,
                "notionalCap": OPEN_CAP if tier.notional_cap is None else _amount(tier.notional_cap),
                "notionalFloor": _amount(tier.notional_floor),
                "maintMarginRatio": tier.maintenance_margin_rate,
                "cum": _amount(tier.maintenance_deduction),
            })
        documents.append({"symbol": symbol, "brackets": brackets})
    return documents, lowered


def to_csv(book: LimitBook) -> str:
    """One row per symbol and tier (:data:`CSV_COLUMNS`), amounts in the settlement currency; empty is unset or open."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for symbol, limits in book.instruments.items():
        for number, tier in enumerate(limits.tiers, 1):
            cap = "" if tier.notional_cap is None else _decimal(tier.notional_cap)
            writer.writerow((
                symbol, number, book.settlement, _decimal(tier.notional_floor), cap, f"{tier.max_leverage:g}",
                tier.initial_margin_rate, tier.maintenance_margin_rate, _decimal(tier.maintenance_deduction),
                limits.binding_side or ""))
    return out.getvalue()


def to_steward_update(book: LimitBook) -> list[dict[str, Any]]:
    """Collateral as a risk steward's update: rates in basis points, caps in whole units of the settlement currency.

    One document an asset, with the names of the stewards' tables; what the book leaves unset is left out, and is then
    not touched. All is rounded against the account. A protocol that caps in tokens divides by its own price.
    """
    documents: list[dict[str, Any]] = []
    for asset, limits in book.collateral.items():
        found = {steered.steward_name: grains(value, steered, towards="tight") for steered in STEERED
                 if (value := value_at(limits, steered.path)) is not None}
        documents.append({"asset": asset, "currency": book.settlement, **found})
    return documents


def _amount(amount: int) -> int | float:
    """Ledger units as a number in the settlement currency: an integer where it is whole, as venues print it."""
    return amount // UNITS_PER_ONE if amount % UNITS_PER_ONE == 0 else amount / UNITS_PER_ONE


def _decimal(amount: int) -> str:
    """Ledger units as decimal digits in the settlement currency, without rounding."""
    whole, part = divmod(amount, UNITS_PER_ONE)
    return f"{whole}.{part:06d}".rstrip("0") if part else str(whole)


def _number(entry: Mapping[str, Any], row: int, column: str) -> Fraction:
    value = entry.get(column)
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(f"a number is wanted, not {value!r}", file=None, row=row, column=column)
    if isinstance(value, int):
        return Fraction(value)
    if not abs(value) < float("inf"):
        refuse(f"a finite number is wanted, not {value!r}", file=None, row=row, column=column)
    return exact(value)


def _units(entry: Mapping[str, Any], row: int, column: str) -> int:
    units = _number(entry, row, column) * UNITS_PER_ONE
    if units.denominator != 1 or units < 0:
        refuse(f"an amount is a whole number of 1/{UNITS_PER_ONE}, not negative; got {entry[column]!r}", file=None,
               row=row, column=column)
    return int(units)


def _cap(entry: Mapping[str, Any], row: int) -> int | None:
    if "maxNotional" in entry and entry["maxNotional"] is None:
        return None
    units = _units(entry, row, "maxNotional")
    return None if units >= OPEN_CAP * UNITS_PER_ONE else units
