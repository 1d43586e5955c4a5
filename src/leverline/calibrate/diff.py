"""Two limit books side by side: which numbers moved, by how much, and whether that tightens or loosens.

Two views, because either alone misleads. *Changes* compare the documents leaf by leaf under their JSON pointers. A
tier's number is compared with the number of the same rank, so where floors moved or a tier was added its effect is that
of the number alone. *Curves* compare what a position of a given size is asked, whatever the tiers are called; an
instrument's *direction* comes from them, exactly and over all sizes: both schedules are linear between the union of
their floors and caps, so it is enough to look there.

Explanations, provenance and ids are not compared: they differ between any two calibrations.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import zip_longest
from typing import Any, Literal

from leverline.calibrate.rounding import exact
from leverline.calibrate.schedule import initial_amount, maintenance_amount, tier_of
from leverline.ground.display import DisplayTable, ShownAsTables
from leverline.ground.errors import require
from leverline.model.limitbook import InstrumentLimits, LimitBook, pointer
from leverline.model.quantities import UNITS_PER_ONE

Effect = Literal["tightens", "loosens", "neither"]
Direction = Literal["tightens", "loosens", "mixed", "unchanged"]

REFERENCE_NOTIONALS = tuple(10**power for power in range(3, 9))
"""Position sizes at which requirement curves are shown, settlement currency."""

_TIGHTER_UP = frozenset({"initial_margin_rate", "maintenance_margin_rate", "liquidation_fee_rate",
                         "insurance_fund_target", "target", "haircut", "liquidation_bonus", "protocol_fee_rate",
                         "withdrawals", "settlement", "confidence_adjustment"})  # fmt: skip
_TIGHTER_DOWN = frozenset({"max_leverage", "maintenance_deduction", "notional_floor", "ltv", "liquidation_threshold",
                           "harmful_above_ltv", "value_floor", "credit"})  # fmt: skip
_CAPS = frozenset({"notional_cap", "position_cap", "open_interest_cap", "supply_cap", "borrow_cap", "price_band",
                   "owner_share_cap", "open_interest_growth_cap", "profit_collateral_cap", "debt_ceiling"})  # fmt: skip
"""Tighter when lower; unset means no bound, which is the loosest."""

_AMOUNTS = frozenset({"notional_floor", "notional_cap", "maintenance_deduction", "position_cap", "open_interest_cap",
                      "supply_cap", "borrow_cap", "insurance_fund_target", "target", "value_floor", "debt_ceiling",
                      "profit_collateral_cap", "withdrawals", "settlement"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """One leaf of the document. Ledger amounts are digit strings in units, as in the book; None is unset or absent.

    ``absolute`` is new less old in the same form; ``relative`` is that over old. Both are None where there is no number
    on either side, and ``relative`` also where old is 0.
    """

    pointer: str
    symbol: str | None
    old: Any
    new: Any
    absolute: float | str | None
    relative: float | None
    effect: Effect


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What both books ask of one position size. None: the book does not admit that size.

    ``notional`` in settlement currency; leverages are notional over initial margin; maintenance is a rate of notional.
    """

    symbol: str
    notional: int
    old_leverage: float | None
    new_leverage: float | None
    old_maintenance_rate: float | None
    new_maintenance_rate: float | None
    effect: Direction


@dataclass(frozen=True, slots=True)
class BookDiff(ShownAsTables):
    """What changed between two books; :attr:`is_empty` when nothing did."""

    old_id: str
    new_id: str
    old_as_of: str
    new_as_of: str
    settlement: str
    challenges: Literal["new challenges old", "old challenges new"] | None
    added: tuple[str, ...]
    removed: tuple[str, ...]
    directions: dict[str, Direction]
    changes: tuple[Change, ...]
    curves: tuple[CurvePoint, ...]

    @property
    def is_empty(self) -> bool:
        """True where both books set the same limits."""
        return not (self.added or self.removed or self.changes or self.curves)

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """For people: limit, old, new, relative change, effect; instruments that came or went first."""
        came = [(f"/instruments/{s}", "-", "added", "-", "loosens") for s in self.added]
        went = [(f"/instruments/{s}", "listed", "removed", "-", "tightens") for s in self.removed]
        moved = [
            (c.pointer, shown(c.pointer, c.old), shown(c.pointer, c.new),
             "-" if c.relative is None else f"{100 * c.relative:+.1f} %", c.effect)
            for c in self.changes
        ]
        return came + went + moved

    def display_tables(self) -> tuple[DisplayTable, ...]:
        """One row a changed number."""
        caption = f"Book {self.old_id[:12]} ({self.old_as_of}) to {self.new_id[:12]} ({self.new_as_of})"
        caption += ": the same limits" if self.is_empty else ""
        return (DisplayTable(caption, ("limit", "old", "new", "change", "effect"), self.rows()),)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, keys as the fields are called."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return plain


def diff_books(old: LimitBook, new: LimitBook) -> BookDiff:
    """Compare two books of one settlement asset; refuses (exit 2) different ones, whose amounts cannot be compared."""
    require(old.settlement == new.settlement, "books to be compared settle in the same asset",
            got=(old.settlement, new.settlement))
    both = [symbol for symbol in old.instruments if symbol in new.instruments]
    pairs = [(symbol, old.instruments[symbol], new.instruments[symbol]) for symbol in both]
    curves = (_curve_point(*pair, notional) for pair in pairs for notional in REFERENCE_NOTIONALS)
    return BookDiff(
        old_id=old.id,
        new_id=new.id,
        old_as_of=_iso(old),
        new_as_of=_iso(new),
        settlement=new.settlement,
        challenges=_challenge(old, new),
        added=tuple(symbol for symbol in new.instruments if symbol not in old.instruments),
        removed=tuple(symbol for symbol in old.instruments if symbol not in new.instruments),
        directions={symbol: _direction(a, b, _breakpoints(a, b)) for symbol, a, b in pairs if a != b},
        changes=tuple(_changes(old, new, both)),
        curves=tuple(point for point in curves if point.effect != "unchanged"),
    )


def shown(path: str, value: Any) -> str:
    """A leaf for people: ledger amounts in the settlement currency, unset as a dash."""
    if value is None:
        return "-"
    if path.rsplit("/", 1)[-1] in _AMOUNTS:
        return f"{int(value) / UNITS_PER_ONE:,.2f}".removesuffix(".00")
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _iso(book: LimitBook) -> str:
    return book.as_of.isoformat().replace("+00:00", "Z")


def _challenge(old: LimitBook, new: LimitBook) -> Literal["new challenges old", "old challenges new"] | None:
    if new.challenges == old.id:
        return "new challenges old"
    return "old challenges new" if old.challenges == new.id else None


def _changes(old: LimitBook, new: LimitBook, both: Iterable[str]) -> Iterator[Change]:
    """Changed leaves: instruments in both books, collateral, venue, overrides."""
    before, after = (book.model_dump(mode="json", by_alias=True) for book in (old, new))
    for symbol in both:
        leaves = _leaves(before["instruments"][symbol], after["instruments"][symbol])
        yield from (_change(("instruments", symbol, *path), symbol, a, b) for path, a, b in leaves)
    for part in ("collateral", "venue", "overrides"):
        leaves = _leaves(before[part], after[part])
        yield from (_change((part, *path), None, a, b) for path, a, b in leaves)


def _leaves(old: Any, new: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any, Any]]:
    """Where two JSON values differ, as deep as their shapes agree."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _leaves(old.get(key), new.get(key), (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index, (a, b) in enumerate(zip_longest(old, new)):
            yield from _leaves(a, b, (*path, index))
    elif old != new:
        yield path, old, new


def _change(path: tuple[str | int, ...], symbol: str | None, old: Any, new: Any) -> Change:
    field = "max_leverage" if "account_classes" in path else next(
        str(part) for part in reversed(path) if isinstance(part, str))
    a, b = _as_number(field, old), _as_number(field, new)
    absolute: float | str | None = None
    relative = None
    if a is not None and b is not None:
        absolute = str(int(b - a)) if field in _AMOUNTS else float(b - a)
        relative = float((b - a) / a) if a else None
    return Change(pointer(*path), symbol, old, new, absolute, relative, _effect(field, old, new, a, b))


def _as_number(field: str, value: Any) -> Fraction | None:
    if field in _AMOUNTS and isinstance(value, str):
        return Fraction(int(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Fraction(repr(value))


def _effect(field: str, old: Any, new: Any, a: Fraction | None, b: Fraction | None) -> Effect:
    if field in _CAPS and (a is None) != (b is None) and (old is None or new is None):
        return "tightens" if a is None else "loosens"
    if a is None or b is None or a == b:
        return "neither"
    if field in _TIGHTER_UP:
        return "tightens" if b > a else "loosens"
    if field in _TIGHTER_DOWN or field in _CAPS:
        return "tightens" if b < a else "loosens"
    return "neither"


def _asked(limits: InstrumentLimits, notional: int) -> tuple[Fraction, Fraction] | None:
    """Initial and maintenance amounts of a position, ledger units; None where the book does not admit it."""
    if limits.position_cap is not None and notional > limits.position_cap:
        return None
    tier = tier_of(limits.tiers, notional)
    if tier is None:
        return None
    initial = max(initial_amount(tier, notional), notional / exact(tier.max_leverage))
    return initial, maintenance_amount(tier, notional)


def _breakpoints(old: InstrumentLimits, new: InstrumentLimits) -> list[int]:
    """Sizes (ledger units) between which both schedules are linear: each floor and cap, and one unit above it.

    One size far above all caps stands for everything larger, beyond any crossing of two rates a millionth apart.
    """
    edges = {1}
    for limits in (old, new):
        edges |= {tier.notional_floor for tier in limits.tiers}
        edges |= {cap for cap in (limits.position_cap, limits.tiers[-1].notional_cap) if cap is not None}
    edges.add(10**18 * max(edges))
    return sorted(edges - {0} | {edge + 1 for edge in edges})


def _direction(old: InstrumentLimits, new: InstrumentLimits, notionals: Iterable[int]) -> Direction:
    """Whether ``new`` asks more of any size, less of any, both or neither. A size not admitted is asked the most."""
    more = less = False
    for notional in notionals:
        a, b = _asked(old, notional), _asked(new, notional)
        if a is None or b is None:
            more |= a is not None
            less |= b is not None
            continue
        more |= any(y > x for x, y in zip(a, b, strict=True))
        less |= any(y < x for x, y in zip(a, b, strict=True))
    if more and less:
        return "mixed"
    return "tightens" if more else "loosens" if less else "unchanged"


def _curve_point(symbol: str, old: InstrumentLimits, new: InstrumentLimits, notional: int) -> CurvePoint:
    position = notional * UNITS_PER_ONE
    (old_leverage, old_rate), (new_leverage, new_rate) = (_terms(limits, position) for limits in (old, new))
    return CurvePoint(symbol, notional, old_leverage, new_leverage, old_rate, new_rate,
                      _direction(old, new, (position,)))


def _terms(limits: InstrumentLimits, position: int) -> tuple[float | None, float | None]:
    """Highest leverage and effective maintenance rate of a position; None where the book does not admit it."""
    asked, tier = _asked(limits, position), tier_of(limits.tiers, position)
    if asked is None or tier is None:
        return None, None
    return min(tier.max_leverage, 1.0 / tier.initial_margin_rate), float(asked[1] / position)
