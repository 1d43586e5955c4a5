"""Field types that several nouns share: ledger units, rates, instants."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

UNITS_PER_ONE = 1_000_000
"""Ledger units in one unit of a USD-like settlement asset."""


class Noun(BaseModel):
    """Immutable, closed (no unknown keys), finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)


def _units(value: Any) -> Any:
    if isinstance(value, str):
        if not value.lstrip("-").isascii() or not value.lstrip("-").isdigit():
            raise ValueError("a ledger amount is a string of decimal digits")
        return int(value)
    if isinstance(value, bool | float):
        raise ValueError("a ledger amount is an integer, never a float")  # noqa: TRY004 - pydantic wants ValueError
    return value


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("an instant carries its offset from UTC")
    return value.astimezone(UTC)


Units = Annotated[
    int,
    BeforeValidator(_units),
    Field(ge=0),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^(0|[1-9][0-9]*)$"}, mode="serialization"),
]
"""Ledger amount: integer units of the settlement asset (10^-6 for USD-like); a string of digits in JSON."""

Rate = Annotated[float, Field(ge=0)]
"""A fraction of notional, never percent."""

Instant = Annotated[
    datetime,
    AfterValidator(_utc),
    PlainSerializer(lambda t: t.isoformat().replace("+00:00", "Z"), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": "Z$"}, mode="serialization"),
]
"""A time in UTC; ISO 8601 with Z in JSON."""
