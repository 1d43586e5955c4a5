"""Numbers set by hand: logged with who, why and until when, kept by the governor until then, and then let go.

An override never breaks what holds for every book, since the book with it is validated like any other. When it ends,
the number is led back from where it stands by ordinary steps: the end of an override is no jump either.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ValidationError

from leverline.ground.errors import UsageError, require
from leverline.model.limitbook import LimitBook, Override, pointer


def with_override(book: LimitBook, at: str, value: float | None, *, who: str, why: str, until: datetime,
                  now: datetime) -> LimitBook:
    """``book`` with the number at JSON pointer ``at`` set to ``value`` (ledger amounts in units), and the log entry.

    Refused (exit 2): a pointer to nothing or to more than one number, an end that is past, no name, no reason, and a
    value that contradicts the rest of the book.
    """
    require(bool(who.strip()) and bool(why.strip()), "an override names who set it and why")
    require(until > now, "an override ends in the future", got=until.isoformat())
    document = book.model_dump(mode="json", by_alias=True)
    parent, key = _place(document, at)
    before = parent[key]
    require(not isinstance(before, dict | list), f"an override sets one number; {at} holds several")
    parent[key] = str(value) if isinstance(before, str) and value is not None else value
    earlier = {entry.pointer: entry for entry in book.overrides}.get(at)
    entry = Override(pointer=at, who=who, why=why, until=until,
                     calibrated=earlier.calibrated if earlier is not None else before)
    others = [o for o in book.overrides if o.pointer != at]
    document["overrides"] = [o.model_dump(mode="json") for o in (*others, entry)]
    return resealed(document, f"the override of {at}")


def live_overrides(book: LimitBook, now: datetime) -> dict[str, Override]:
    """Overrides that have not ended at ``now``, by pointer."""
    return {entry.pointer: entry for entry in book.overrides if entry.until > now}


def is_overridden(at: str, live: dict[str, Override]) -> Override | None:
    """The override that holds ``at`` or something inside it."""
    return next((entry for place, entry in live.items() if place == at or place.startswith(f"{at}/")), None)


def resealed(document: dict[str, Any], what: str) -> LimitBook:
    """A book of ``document`` under a new id; refuses (exit 2) what no book may say."""
    del document["id"], document["schema"]
    try:
        return LimitBook.of(**document)
    except ValidationError as error:
        first = error.errors()[0]
        where = pointer(*first["loc"])
        raise UsageError(f"{what} contradicts the book: {where}: {first['msg']}") from error


def _place(document: dict[str, Any], at: str) -> tuple[Any, Any]:
    """The container and the key that ``at`` names."""
    require(at.startswith("/"), "an override names its number by a JSON pointer", got=at)
    parts = [part.replace("~1", "/").replace("~0", "~") for part in at[1:].split("/")]
    place: Any = document
    for part in parts[:-1]:
        place = _inside(place, part, at)
    key: Any = int(parts[-1]) if isinstance(place, list) and parts[-1].isdigit() else parts[-1]
    _inside(place, parts[-1], at)
    require(parts[0] in ("instruments", "collateral", "venue"), "an override sets a limit", got=at)
    return place, key


def _inside(place: Any, part: str, at: str) -> Any:
    if isinstance(place, list) and part.isdigit() and int(part) < len(place):
        return place[int(part)]
    if isinstance(place, dict) and part in place:
        return place[part]
    raise UsageError(f"the book has nothing at {at}", remedy="name a limit as its explanation does")
