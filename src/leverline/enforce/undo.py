"""Writes that can be taken back: a rejected event leaves the state as it was, byte for byte."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

_ABSENT = object()
_APPENDED = object()
_NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Many:
    """What stood at many keys, one for each, of one container or (``inside``) under one key of many dictionaries."""

    values: Sequence[Any]
    inside: Any = _ABSENT


@dataclass(slots=True)
class Undo:
    """Every change of the venue's lists and dictionaries goes through here, with what stood there before."""

    _written: list[tuple[Any, Any, Any]] = field(default_factory=list)
    _first: dict[int, dict[Any, Any]] = field(default_factory=dict)  # by the identity of what was written to
    _many: dict[int, list[tuple[Sequence[Any], Sequence[Any]]]] = field(default_factory=dict)  # not yet among these
    _places: dict[int, set[int]] = field(default_factory=dict)  # in lists of dictionaries, by the list's identity
    _indexed: int = 0  # writes that stand in these two
    _known: dict[Any, Any] = field(default_factory=dict)  # worked out when there were as many writes as
    _known_at: int = -1

    def put(self, container: Any, key: Any, value: Any) -> None:
        """``container[key] = value``, for a list or a dict."""
        before = container.get(key, _ABSENT) if isinstance(container, dict) else container[key]
        self._written.append((container, key, before))
        container[key] = value

    def append(self, rows: list[Any], value: Any) -> None:
        """Append to a list."""
        self._written.append((rows, None, _APPENDED))
        rows.append(value)

    def remove(self, container: dict[Any, Any], key: Any) -> None:
        """Delete a key that is there."""
        self._written.append((container, key, container[key]))
        del container[key]

    def put_all(self, container: Any, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """:meth:`put` of many distinct keys, remembered as one write."""
        find = container.get if isinstance(container, dict) else container.__getitem__
        before = [find(key, _ABSENT) for key in keys] if isinstance(container, dict) else list(map(find, keys))
        self._written.append((container, keys, _Many(before)))
        for key, value in zip(keys, values, strict=True):
            container[key] = value

    def remove_all(self, container: dict[Any, Any], keys: Sequence[Any]) -> None:
        """:meth:`remove` of many distinct keys that are there, remembered as one write."""
        self._written.append((container, keys, _Many([container.pop(key) for key in keys])))

    def put_in_each(self, rows: list[dict[Any, Any]], places: Sequence[int], key: Any, values: Sequence[Any]) -> None:
        """``rows[place][key] = value`` for many distinct places where the key is there, remembered as one write."""
        self._written.append((rows, places, _Many([rows[place][key] for place in places], key)))
        for place, value in zip(places, values, strict=True):
            rows[place][key] = value

    def remove_from_each(self, rows: list[dict[Any, Any]], places: Sequence[int], key: Any) -> None:
        """Delete ``rows[place][key]`` for many distinct places where the key is there, remembered as one write."""
        self._written.append((rows, places, _Many([row.pop(key) for row in map(rows.__getitem__, places)], key)))

    def keep(self) -> None:
        """What was written stands."""
        if self._written:
            self._written.clear()
            self._known_at = -1
            self._forget_index()

    def before(self, container: Any) -> Mapping[Any, Any]:
        """Keys of ``container`` written since the last :meth:`keep`, with what stood there then; None for nothing."""
        if self._indexed < len(self._written):
            self._index()
        if id(container) in self._many:
            self._fold(id(container))
        return self._first.get(id(container), _NOTHING)

    def keys(self, container: Any) -> set[Any]:
        """Keys of ``container`` written since the last :meth:`keep`."""
        if self._indexed < len(self._written):
            self._index()
        found = set(self._first.get(id(container), ()))
        return found.union(*(keys for keys, _ in self._many.get(id(container), ())))

    def containers(self) -> Collection[int]:
        """Identities of everything written to since the last :meth:`keep`, but for what :meth:`places` tells."""
        if self._indexed < len(self._written):
            self._index()
        return self._first.keys()

    def places(self, rows: list[dict[Any, Any]]) -> Collection[int]:
        """Where in ``rows`` the dictionaries stand that were written to many at once since the last :meth:`keep`."""
        if self._indexed < len(self._written):
            self._index()
        return self._places.get(id(rows), ())

    def _index(self) -> None:
        """Sort the writes that came since the last question by their container, the first of each key foremost."""
        for container, key, before in self._written[self._indexed:]:
            if isinstance(before, _Many):
                self._index_many(container, key, before)
                continue
            if id(container) in self._many:
                self._fold(id(container))
            first = self._first.get(id(container))
            if first is None:
                first = self._first[id(container)] = {}
            if before is not _APPENDED:
                first.setdefault(key, None if before is _ABSENT else before)
        self._indexed = len(self._written)

    def _index_many(self, container: Any, keys: Sequence[Any], before: _Many) -> None:
        if before.inside is not _ABSENT:
            self._places.setdefault(id(container), set()).update(keys)
        else:
            self._first.setdefault(id(container), {})
            self._many.setdefault(id(container), []).append((keys, before.values))

    def _fold(self, container: int) -> None:
        """Bring what was written to many keys at once among the rest; not before somebody asks what stood there."""
        first = self._first[container]
        for keys, values in self._many.pop(container):
            found = {key: None if value is _ABSENT else value for key, value in zip(keys, values, strict=True)}
            first |= found | first

    def _forget_index(self) -> None:
        self._first.clear()
        self._many.clear()
        self._places.clear()
        self._indexed = 0

    def worked_out(self) -> dict[Any, Any]:
        """A place for what is worked out from the state as it stands: empty after every write, and between events."""
        if self._known_at != len(self._written) or not self._written:
            self._known = {}
            self._known_at = len(self._written)
        return self._known

    def mark(self) -> int:
        """A place to come back to with :meth:`take_back`."""
        return len(self._written)

    def take_back(self, place: int = 0) -> None:
        """Undo everything since ``place`` (default: the last :meth:`keep`), newest first.

        The order of a dictionary's keys may change, so nothing may depend on it: whoever walks one sorts.
        """
        for container, key, before in reversed(self._written[place:]):
            if isinstance(before, _Many):
                _restore_many(container, key, before)
            elif before is _APPENDED:
                container.pop()
            else:
                _restore(container, key, before)
        del self._written[place:]
        self._known_at = -1
        if place < self._indexed:
            self._forget_index()


def _restore(container: Any, key: Any, before: Any) -> None:
    if before is _ABSENT:
        del container[key]
    else:
        container[key] = before


def _restore_many(container: Any, keys: Sequence[Any], before: _Many) -> None:
    if before.inside is _ABSENT:
        for key, value in zip(keys, before.values, strict=True):
            _restore(container, key, value)
    else:
        for place, value in zip(keys, before.values, strict=True):
            _restore(container[place], before.inside, value)
