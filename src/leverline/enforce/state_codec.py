"""A venue's state as bytes and back: columns in JSON, with a letter for their kind. No code is ever loaded.

A column holds values that stand side by side: a list's items, a dictionary's keys, one field of a hundred thousand
records. It is written by its kind, records and tuples as a column for each field, so that what is large becomes a few
long rows of numbers. The digest of what is read equals the digest of what was written; a test holds every kind of
record to that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import fields
from enum import Enum
from fractions import Fraction
from itertools import chain, islice
from operator import attrgetter
from typing import Any

from leverline.enforce.breaker_terms import BreakerTerms
from leverline.enforce.breakers import BreakerRecord, Depth, Growth
from leverline.enforce.collateral_sale import Offer
from leverline.enforce.effects import Breaker, Stage
from leverline.enforce.events import PoolKey
from leverline.enforce.ledger import Ledger
from leverline.enforce.margining import Decay
from leverline.enforce.oracle import Feed, Quality, Reading
from leverline.enforce.orders import Auction, Order
from leverline.enforce.owing import Owing, Peril
from leverline.enforce.state import KEYS_KEPT, ROOMS, MarketState, PoolRecord, Positions, VenueState
from leverline.enforce.terms import AssetTerms, MarketTerms, TierTerms, VenueTerms
from leverline.enforce.undo import Undo
from leverline.ground.errors import LeverlineError
from leverline.model.accounts import Mode

RECORDS: dict[str, type] = {kind.__name__: kind for kind in (
    Auction, AssetTerms, BreakerRecord, BreakerTerms, Decay, Depth, Feed, Growth, MarketState, MarketTerms, Offer,
    Order, Owing, PoolRecord, Positions, Reading, TierTerms, VenueTerms)}
ENUMS: dict[str, type[Enum]] = {kind.__name__: kind for kind in (Breaker, Mode, Peril, Quality, Stage)}
"""What a state may hold. A new kind of record is added here, or writing it down is refused."""

SHAPE = hashlib.sha256(repr((
    [(kind.__name__, [f.name for f in fields(kind)]) for kind in (VenueState, Ledger, *RECORDS.values())],
    [(kind.__name__, [row.value for row in kind]) for kind in ENUMS.values()], ROOMS, KEYS_KEPT,
    VenueState.of(VenueTerms("", "", {}, {})).digest(),
)).encode()).hexdigest()[:16]
"""Changes with the fields of the records and with how a state is hashed, so that a state is read by a program that
means the same."""

_WRITTEN = [f.name for f in fields(VenueState) if f.name not in ("undo", "ledger", "number", "seen")]
_OF_LEDGER = [f.name for f in fields(Ledger) if f.init and f.name != "undo"]
"""What is written; the indices of pools by key and of events by key are made again."""


def encode_state(state: VenueState) -> bytes:
    """The state between two events: nothing is pending in its undo."""
    content: dict[str, Any] = {name: getattr(state, name) for name in _WRITTEN}
    content["ledger"] = {name: getattr(state.ledger, name) for name in _OF_LEDGER}
    return json.dumps(_written([content]), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def decode_state(content: bytes) -> VenueState:
    """Raises ``ValueError`` on anything else."""
    try:
        return _state(json.loads(content))
    except (LookupError, TypeError, ArithmeticError, AttributeError, StopIteration, RecursionError,
            LeverlineError) as error:
        raise ValueError(f"is no state: {type(error).__name__}: {str(error)[:200]}") from error


def _state(document: Column) -> VenueState:
    (held,) = _read(document)
    undo, ledger, seq, keys = Undo(), held.pop("ledger"), held["seq"], held["keys"]
    if not (set(held) == set(_WRITTEN) and len(keys) == min(seq, KEYS_KEPT)):
        raise ValueError("its parts are not those of a state")
    used = range(seq - len(keys) + 1, seq + 1)
    return VenueState(undo=undo, ledger=Ledger(undo=undo, **ledger),
                      number={row.key: pool for pool, row in enumerate(held["pools"])},
                      seen=dict(zip((keys[(event - 1) % KEYS_KEPT] for event in used), used, strict=True)), **held)


Column = list[Any]
PLAIN = {int, bool, type(None)}
"""Kinds that JSON writes as they are, mixed with one another."""


def _written(column: Column) -> Column:
    """The column's letter and what it is made of."""
    kinds = set(map(type, column))
    if kinds <= PLAIN:
        return ["j", column]
    if len(kinds) > 1:
        order = sorted(kinds, key=lambda kind: kind.__name__)
        place = {kind: i for i, kind in enumerate(order)}
        return ["m", [place[type(value)] for value in column],
                *(_written([value for value in column if type(value) is kind]) for kind in order)]
    (kind,) = kinds
    if kind is str:
        return _written_texts(column)
    if kind is list or kind is tuple:
        return ["l" if kind is list else "t", list(map(len, column)), _written(list(chain.from_iterable(column)))]
    if kind is dict:
        return ["d", list(map(len, column)), _written(list(chain.from_iterable(column))),
                _written(list(chain.from_iterable(row.values() for row in column)))]
    if kind is PoolKey:
        return ["k", *(_written(list(part)) for part in zip(*column, strict=True))]
    if kind is Fraction:
        return ["f", [value.numerator for value in column], [value.denominator for value in column]]
    if kind.__name__ in ENUMS:
        return ["e", kind.__name__, _written([value.value for value in column])]
    if kind.__name__ in RECORDS:
        return ["r", kind.__name__, *(_written(list(map(attrgetter(f.name), column))) for f in fields(kind))]
    raise TypeError(f"a state holds no {kind.__name__}")


def _written_texts(column: Column) -> Column:
    """In full, or by their places in a table where they come again and again: names of markets do, ids do not."""
    table = dict.fromkeys(column)
    if 2 * len(table) > len(column):
        return ["j", column]
    for place, text in enumerate(table):
        table[text] = place
    return ["s", list(table), list(map(table.__getitem__, column))]


def _read(column: Column) -> Column:
    letter, *parts = column
    return _READERS[letter](*parts)


def _plain(values: Column) -> Column:
    """Texts or plain values; nothing inside them."""
    if not set(map(type, values)) <= {*PLAIN, str}:
        raise ValueError("a plain column holds something else")
    return values


def _mixed(places: list[int], *columns: Column) -> Column:
    rest = [iter(_read(column)) for column in columns]
    return [next(rest[place]) for place in places]


def _rows(make: Callable[[Iterable[Any]], Any], lengths: list[int], *columns: Column) -> Column:
    """Lists, tuples or dictionaries, whose contents stand one after another in ``columns``."""
    read = [_read(column) for column in columns]
    flat = iter(read[0] if len(read) == 1 else list(zip(*read, strict=True)))
    rows = [make(islice(flat, length)) for length in lengths]
    if sum(map(len, rows)) != sum(lengths) or next(flat, None) is not None:
        raise ValueError("rows are longer or shorter than they say")
    return rows


def _records(name: str, *columns: Column) -> Column:
    kind = RECORDS[name]
    if len(columns) != len(fields(kind)):
        raise ValueError(f"{name} has other fields")
    return [kind(*row) for row in zip(*map(_read, columns), strict=True)]


_READERS: dict[str, Callable[..., Column]] = {
    "j": _plain,
    "m": _mixed,
    "s": lambda table, places: list(map(_plain(table).__getitem__, places)),
    "l": lambda lengths, items: _rows(list, lengths, items),
    "t": lambda lengths, items: _rows(tuple, lengths, items),
    "d": lambda lengths, keys, values: _rows(dict, lengths, keys, values),
    "k": lambda *parts: list(map(PoolKey, *map(_read, parts))),
    "f": lambda above, below: list(map(Fraction, above, below)),
    "e": lambda name, values: list(map(ENUMS[name], _read(values))),
    "r": _records,
}
