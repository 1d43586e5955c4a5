"""Times at the border: text, epochs and Arrow times become int64 nanoseconds UTC, and go out as ISO 8601 with Z."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import polars as pl

from leverline.ground.errors import UsageError, refuse

NS_PER_S = 1_000_000_000
EARLIEST_NS = 1_230_768_000 * NS_PER_S
"""2009-01-01: no crypto market is older than Bitcoin's first block."""
EARLIEST_WRITTEN_NS = 31_536_000 * NS_PER_S
"""1971-01-01, for dates and times that are written out: equity histories are older than crypto markets. Today's epochs
that somebody took for a finer unit fall into the first weeks of 1970."""
LATEST_NS = 4_102_444_800 * NS_PER_S
"""2100-01-01: anything later is a unit mistaken for another."""

_NS_PER_UNIT = {"s": NS_PER_S, "ms": 1_000_000, "us": 1_000, "ns": 1}
_FAST = "%Y-%m-%dT%H:%M:%SZ"
_INTEGER = r"^-?[0-9]+$"
_CLOCK = r"[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
_ZONED = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{_CLOCK}(?:Z|[+-][0-9]{{2}}:?[0-9]{{2}})$"
_NAIVE = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:{_CLOCK})?$"
_ACCEPTED = "write ISO 8601 such as 2024-01-31T08:00:00Z, or whole epoch s, ms, us or ns"
_RANGE = "check the unit; epochs lie between 2009-01-01 and 2100-01-01"
_WRITTEN_RANGE = "check the unit; dates lie between 1971-01-01 and 2100-01-01"


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """Where a column of times stands and how strictly it is read."""

    file: str
    column: str = "ts"
    strict: bool = False

    def refuse(self, what: str, row: int | None, remedy: str | None = None) -> NoReturn:
        """Refuse the 0-based ``row`` of this column."""
        refuse(what, file=self.file, row=None if row is None else row + 1, column=self.column, remedy=remedy)


def epoch_ns(times: pl.Series, where: TimeColumn) -> tuple[pl.Series, str | None]:
    """Int64 ns UTC of every value, and a warning where times were naive; refuses what has no one meaning.

    Text is ISO 8601 or whole epochs; integers are epoch s, ms, us or ns by magnitude, one unit a column. Naive times
    mean UTC, with a warning; under ``where.strict`` they are refused.
    """
    missing = first_true(times.is_null())
    if missing is not None:
        where.refuse("the time is missing", missing)
    if times.dtype == pl.String:
        return _of_text(times, where)
    if isinstance(times.dtype, pl.Datetime):
        warning = None if times.dtype.time_zone else _naive(where, 0)
        factor = _NS_PER_UNIT[times.dtype.time_unit]
        return _scaled(times.to_physical(), factor, where), warning
    if times.dtype == pl.Date:
        return _scaled(times.to_physical().cast(pl.Int64), 86_400 * NS_PER_S, where), _naive(where, 0)
    if not times.dtype.is_integer():
        where.refuse(f"times of type {times.dtype} cannot be read", None, _ACCEPTED)
    return _of_integers(times, where), None


def first_true(flags: pl.Series) -> int | None:
    """0-based position of the first True; None where there is none."""
    at = flags.arg_max()
    return int(at) if at is not None and bool(flags[at]) else None


def parse_instant(text: str, *, name: str = "the time") -> int:
    """Nanoseconds UTC of ``2020``, ``2020-12``, ``2020-12-08`` or a full ISO 8601 time (naive means UTC): its start."""
    padded = text + {4: "-01-01", 7: "-01"}.get(len(text), "")
    if re.match(_ZONED, padded) or re.match(_NAIVE, padded):
        try:
            moment = datetime.fromisoformat(padded)
        except ValueError as error:
            raise UsageError(f"{name} {text!r} does not exist: {error}") from error
        return _ns_of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    raise UsageError(f"{name} {text!r} is not ISO 8601", remedy="write 2020-12, 2020-12-08 or 2020-12-08T00:00:00Z")


def iso(ns: int) -> str:
    """ISO 8601 with Z of nanoseconds UTC, without trailing zeros of the fraction."""
    seconds, fraction = divmod(int(ns), NS_PER_S)
    text = f"{datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"
    return f"{text}.{fraction:09d}".rstrip("0").rstrip(".") + "Z" if fraction else f"{text}Z"


def span(ns: int) -> str:
    """A duration in the largest unit that holds it whole: ``1d``, ``8h``, ``5m``, ``30s``, else seconds."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if ns and ns % (size * NS_PER_S) == 0:
            return f"{ns // (size * NS_PER_S)}{unit}"
    return f"{ns / NS_PER_S:g}s"


def _ns_of(moment: datetime) -> int:
    since = moment - datetime.fromtimestamp(0, UTC)
    return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1_000


def _naive(where: TimeColumn, row: int) -> str:
    if where.strict:
        where.refuse("the time has no zone", row, "append Z or an offset; naive times are refused under --strict")
    return f"{where.file}: times carry no zone and are taken as UTC"


def _of_text(times: pl.Series, where: TimeColumn) -> tuple[pl.Series, str | None]:
    fast = times.str.to_datetime(_FAST, time_unit="us", strict=False)
    if fast.null_count() == 0 and bool((times.str.len_bytes() == 20).all()):
        return _scaled(fast.to_physical(), 1_000, where), None
    kinds = {name: times.str.contains(pattern) for name, pattern in
             (("an epoch", _INTEGER), ("a time with a zone", _ZONED), ("a time without a zone", _NAIVE))}
    epoch, zoned, naive = kinds.values()
    bad = first_true(~(epoch | zoned | naive))
    if bad is not None:
        where.refuse(f"{times[bad]!r} is not a time", bad, _ACCEPTED)
    first = next(name for name, flags in kinds.items() if flags[0])
    other = first_true(~kinds[first])
    if other is not None:
        where.refuse(f"the column starts with {first} ({times[0]!r}) and here has {times[other]!r}", other,
                     "write all times of a file in one form")
    if first == "an epoch":
        whole = times.cast(pl.Int64, strict=False)
        huge = first_true(whole.is_null())
        if huge is not None:
            where.refuse(f"{times[huge]!r} is no epoch", huge, _RANGE)
        return _of_integers(whole, where), None
    parsed = _full_form(times, naive=first == "a time without a zone").str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", strict=False)
    bad = first_true(parsed.is_null())
    if bad is not None:
        where.refuse(f"{times[bad]!r} is not a time", bad, _ACCEPTED)
    warning = _naive(where, 0) if first == "a time without a zone" else None
    return _scaled(parsed.to_physical(), 1_000, where), warning


def _full_form(times: pl.Series, *, naive: bool) -> pl.Series:
    """Every accepted spelling as date, T, seconds and offset, so that one format reads them all."""
    text = times.str.replace(" ", "T", literal=True).str.replace("Z", "+00:00", literal=True)
    if naive:
        dated = pl.select(pl.when(text.str.len_bytes() == 10).then(text + "T00:00:00").otherwise(text)).to_series()
        text = dated + "+00:00"
    return text.str.replace(r"(T[0-9]{2}:[0-9]{2})([+-])", "${1}:00${2}")


def _of_integers(epochs: pl.Series, where: TimeColumn) -> pl.Series:
    epochs = epochs.cast(pl.Int64, strict=False)
    huge = first_true(epochs.is_null())
    if huge is not None:
        where.refuse("the time is no epoch in any unit", huge, _RANGE)
    unit = _unit_of(int(epochs[0]))
    if unit is None:
        where.refuse(f"{epochs[0]} is no epoch between 2009 and 2100 in s, ms, us or ns", 0, _RANGE)
    factor = _NS_PER_UNIT[unit]
    bad = _outside(epochs, factor, EARLIEST_NS)
    if bad is not None:
        other = _unit_of(int(epochs[bad]))
        if other is None:
            where.refuse(f"{epochs[bad]} is no epoch between 2009 and 2100 in s, ms, us or ns", bad, _RANGE)
        where.refuse(f"the column starts with an epoch in {unit} ({epochs[0]}) and here has {epochs[bad]} in {other}",
                     bad, "write all times of a file in one unit")
    return epochs * factor


def _unit_of(epoch: int) -> str | None:
    """The unit in which an epoch lies between the bounds. They are less than a factor 1000 apart: at most one does."""
    floor = max(EARLIEST_NS, LATEST_NS // 1000 + 1)
    return next((unit for unit, factor in _NS_PER_UNIT.items() if floor <= epoch * factor < LATEST_NS), None)


def _outside(physical: pl.Series, factor: int, earliest_ns: int) -> int | None:
    return first_true((physical < -(-earliest_ns // factor)) | (physical >= LATEST_NS // factor))


def _scaled(physical: pl.Series, factor: int, where: TimeColumn) -> pl.Series:
    bad = _outside(physical, factor, EARLIEST_WRITTEN_NS)
    if bad is not None:
        where.refuse("the time lies outside 1971-01-01 to 2100-01-01", bad, _WRITTEN_RANGE)
    return physical.cast(pl.Int64) * factor
