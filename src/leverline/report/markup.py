"""HTML built so that text cannot become markup: a plain string is always escaped, only :class:`Markup` passes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

SHORT_ROWS = 14
"""A table up to so long stays on one sheet of paper."""

_VOID = {"meta", "br", "hr", "col"}


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Content = str | Markup | None


def join(parts: Iterable[Content]) -> Markup:
    """Parts one after another, plain strings escaped, None left out."""
    return Markup("".join(p if isinstance(p, Markup) else escape(p) for p in parts if p is not None))


def tag(name: str, /, *children: Content, **attributes: str | bool | None) -> Markup:
    """An element. ``class_`` is ``class``, other underscores become hyphens; True is a bare attribute, None none."""
    shown = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items() if value is not None and value is not False
    )
    return Markup(f"<{name}{shown}>" if name in _VOID else f"<{name}{shown}>{join(children)}</{name}>")


def missing(reason: str) -> Markup:
    """The dash that stands for a number that is not there, and why."""
    return tag("span", "–", tag("span", f" ({reason})", class_="unseen"), class_="missing", title=reason)


def shown(text: str | None, reason: str) -> Content:
    """``text``, or a dash with the reason."""
    return missing(reason) if text is None else text


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, what it means (shown on hover), and what it holds."""

    heading: str
    meaning: str | None = None
    holds: Literal["num", "word", "prose"] = "num"  # only prose may break over lines


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[Content]], *, folded: bool = False,
          headed: bool = False, note: Content = None) -> Markup:
    """A table with scopes; the first cell of a row is its heading.

    ``folded`` puts it behind a disclosure; ``headed`` keeps the caption from the eye where a heading says the same.
    """
    head = tag("tr", *(tag("th", c.heading, scope="col", title=c.meaning, class_=c.holds)
                       for c in columns))
    body = [tag("tr", *(
        tag("th" if i == 0 else "td", cell, scope="row" if i == 0 else None, class_=c.holds)
        for i, (c, cell) in enumerate(zip(columns, row, strict=True)))) for row in rows]
    named = tag("caption", caption, class_="unseen" if headed else None)
    grid = tag("div", tag("table", named, tag("thead", head), tag("tbody", *body)), tabindex="0", role="region",
               aria_label=caption, class_="scroll short" if len(body) <= SHORT_ROWS else "scroll")
    below = None if note is None else tag("p", note, class_="tablenote")
    if folded:
        return join([tag("details", tag("summary", f"{caption} ({len(body)} rows)"), grid, below)])
    return join([grid, below])
