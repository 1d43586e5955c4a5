"""What the series of a market are called in files, in which unit, and when a value becomes known.

A value stamped at the open of its day but taken at its close is known a day later: that is a property of the column,
not of the file. ``mark_close`` beside a funding rate belongs to no kind here: it is known a whole interval after the
rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from leverline.ground.errors import UsageError


@dataclass(frozen=True, slots=True)
class SeriesColumn:
    """A column that holds a kind's values: ``scale`` turns it into the kind's unit.

    ``at_end`` says that the value is taken at the end of the interval that ``ts`` opens, and so is known only then.
    """

    name: str
    scale: float = 1.0
    at_end: bool = False


@dataclass(frozen=True, slots=True)
class SeriesKind:
    """One kind: the columns known for it and the range, in its own unit, beyond which a unit was mistaken."""

    name: str
    unit: str
    columns: tuple[SeriesColumn, ...]
    lowest: float
    highest: float
    zero_is_odd: bool = True

    @property
    def signed(self) -> bool:
        """True where a value may be negative."""
        return self.lowest < 0

    def column(self, chosen: str | SeriesColumn | None, seen: tuple[str, ...], file: str) -> SeriesColumn:
        """The column to read: the one that is ``chosen``, else the only known one that the file has.

        Raises
        ------
        UsageError
            Where the choice is not known for this kind, or several known ones are there.
        """
        if isinstance(chosen, SeriesColumn):
            return chosen
        known = {column.name: column for column in self.columns}
        if chosen is not None:
            if chosen not in known:
                raise UsageError(f"{chosen!r} is no column of {self.name}: its unit and when it is known are not said",
                                 remedy=f"choose one of {', '.join(known)}, or give a SeriesColumn")
            return known[chosen]
        there = [name for name in known if name in seen]
        if len(there) > 1:
            raise UsageError(f"{file} has several columns of {self.name}: {', '.join(there)}", remedy="choose one")
        return known[there[0]] if there else self.columns[0]


_USD = 1e15
KINDS: Mapping[str, SeriesKind] = MappingProxyType({kind.name: kind for kind in (
    SeriesKind(
        "funding", "fraction per interval",
        (SeriesColumn("funding_rate"), SeriesColumn("last_funding_rate"), SeriesColumn("fundingRate")),
        lowest=-1.0, highest=1.0, zero_is_odd=False),
    SeriesKind(
        "open-interest", "quote notional",
        (SeriesColumn("oi_close", at_end=True), SeriesColumn("open_interest_value"),
         SeriesColumn("sum_open_interest_value"), SeriesColumn("openInterestValue")),
        lowest=0.0, highest=_USD),
    SeriesKind(
        "implied-volatility", "fraction per year",
        (SeriesColumn("dvol", scale=0.01, at_end=True), SeriesColumn("implied_volatility")),
        lowest=0.01, highest=10.0),
    SeriesKind("market-capitalisation", "quote notional", (SeriesColumn("market_cap", at_end=True),),
               lowest=0.0, highest=_USD),
)})
"""Every kind by name. Open interest in coins or contracts is not a notional, so its columns are not known here."""


def kind_of(name: str) -> SeriesKind:
    """The kind called ``name``; an unknown name is refused with the known ones."""
    if name not in KINDS:
        raise UsageError(f"no series is called {name!r}", remedy=f"there are {', '.join(KINDS)}")
    return KINDS[name]
