"""Results as plain tables in a notebook: no drawing library, no style sheet, only escaped text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

ROWS_SHOWN = 60
"""Rows of a table before the rest is only counted: a notebook is read, not scrolled."""


@dataclass(frozen=True, slots=True)
class DisplayTable:
    """A caption, column headings, and rows of text as long as the headings."""

    caption: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]

    def to_html(self) -> str:
        """The table as HTML; past the first rows, how many more there are."""
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows[:ROWS_SHOWN])
        more = len(self.rows) - ROWS_SHOWN
        foot = f'<tfoot><tr><td colspan="{len(self.columns)}">and {more} more</td></tr></tfoot>' if more > 0 else ""
        return (f"<table><caption>{escape(self.caption)}</caption><thead><tr>{head}</tr></thead>"
                f"<tbody>{body}</tbody>{foot}</table>")


class ShownAsTables(ABC):
    """A result that a notebook shows as tables."""

    __slots__ = ()

    @abstractmethod
    def display_tables(self) -> tuple[DisplayTable, ...]:
        """What a reader sees first of the result, most important table first."""

    def _repr_html_(self) -> str:
        """The tables one under the other: the form notebooks ask for."""
        return "\n".join(table.to_html() for table in self.display_tables())


def percent_text(rate: float | None) -> str:
    """A fraction as percent with four digits; a dash where there is none."""
    return "–" if rate is None or rate != rate else f"{100.0 * rate:.4g} %"


def number_text(value: float | None) -> str:
    """A number with four digits, from a thousand on whole and grouped; a dash where there is none."""
    if value is None or value != value:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1e3 else f"{value:.4g}"
