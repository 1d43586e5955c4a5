"""One number for a whole state: equal states, equal digests, on any machine and under any Python.

Part by part the state is brought to a canonical form (lists, texts and integers; dictionaries as their pairs, sorted)
and written as JSON in ASCII. What is derived from other parts is left out, but for the indices that handlers decide by:
an event that was taken back must have restored those too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leverline.enforce.state import VenueState

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def digest_of(state: VenueState) -> str:
    """SHA-256 in hexadecimal."""
    hasher = hashlib.sha256()
    for part in _parts(state):
        hasher.update(_ENCODER.encode(part).encode())
        hasher.update(b"\n")
    return hasher.hexdigest()


def _parts(state: VenueState) -> Iterator[Any]:
    """Large parts column by column, because a venue has a hundred thousand pools; the rest value by value."""
    ledger, pools = state.ledger, state.pools
    yield [ledger.settlement, ledger.cash]
    yield sorted((who, asset, units) for (who, asset), units in ledger.others.items() if isinstance(who, str))
    yield sorted((who, asset, units) for (who, asset), units in ledger.others.items() if isinstance(who, int))
    yield sorted(ledger.assets_of.items())
    yield [[row.key for row in pools], [row.owner for row in pools], [row.mode for row in pools],
           [row.account_class for row in pools], [row.external for row in pools]]
    yield [len(state.number), [state.number.get(row.key) for row in pools]]
    for groups in (state.owners, state.holders):
        names = sorted(groups)
        yield [names, _rows(groups[name] for name in names)]
    yield _rows(state.positions.lots)
    yield _rows(state.positions.cost)
    yield [state.keys, len(state.seen), [state.seen.get(key) for key in state.keys]]
    yield [state.seq, state.now_ns, _plain(state.markets), sorted(state.asset_price.items())]
    yield _plain(state.book)
    yield _plain(state.rooms)


def _rows(rows: Iterable[Mapping[Any, Any]]) -> list[Any]:
    """Many small dictionaries one after the other: of each how many keys it has, then keys, ascending, and values."""
    flat: list[Any] = []
    for row in rows:
        flat.append(len(row))
        for key in sorted(row) if len(row) > 1 else row:
            flat += (key, row[key])
    return flat


def _plain(value: Any) -> Any:
    """A value as lists, texts, integers and None, with the type's name where a record could be taken for another."""
    if value is None or isinstance(value, int | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, dict):
        return [[_plain(key), _plain(value[key])] for key in sorted(value, key=_place)]
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return [type(value).__name__, *(_plain(getattr(value, row.name)) for row in fields(value))]
    assert isinstance(value, Fraction), f"a state holds no {type(value).__name__}"
    return [value.numerator, value.denominator]


def _place(key: Any) -> Any:
    """Where a key stands among the others of its dictionary: names before numbers before pairs."""
    return (0, key) if isinstance(key, str) else (1, key) if isinstance(key, int) else (2, key)
