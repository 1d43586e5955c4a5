"""Writes that can be taken back: a rejected event leaves the state as it was, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_ABSENT = object()
_APPENDED = object()


@dataclass(slots=True)
class Undo:
    """Every change of the venue's lists and dictionaries goes through here, with what stood there before."""

    _written: list[tuple[Any, Any, Any]] = field(default_factory=list)

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

    def keep(self) -> None:
        """What was written stands."""
        self._written.clear()

    def before(self, container: Any) -> dict[Any, Any]:
        """Keys of ``container`` written since the last :meth:`keep`, with what stood there then; None for nothing."""
        first: dict[Any, Any] = {}
        for written, key, value in self._written:
            if written is container and value is not _APPENDED:
                first.setdefault(key, None if value is _ABSENT else value)
        return first

    def containers(self) -> set[int]:
        """Identities of everything written to since the last :meth:`keep`."""
        return {id(written) for written, _, _ in self._written}

    def mark(self) -> int:
        """A place to come back to with :meth:`take_back`."""
        return len(self._written)

    def take_back(self, place: int = 0) -> None:
        """Undo everything since ``place`` (default: the last :meth:`keep`), newest first.

        The order of a dictionary's keys may change, so nothing may depend on it: whoever walks one sorts.
        """
        for container, key, before in reversed(self._written[place:]):
            if before is _APPENDED:
                container.pop()
            elif before is _ABSENT:
                del container[key]
            else:
                container[key] = before
        del self._written[place:]
