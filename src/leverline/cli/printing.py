"""What goes to stdout: one JSON document, or text and tables for people. Everything else goes to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

WIDTH_OFF_TERMINAL = 132
MIN_WIDTH = 40
COLUMN_GAP = 2
ROWS_OFF_TERMINAL, MIN_ROWS = 20, 5
ROWS_AROUND = 12
"""Lines of a screen that a table leaves to its heading and to what stands below it."""
ROOMY = 100
"""Columns from which on a table's columns stand two apart."""


def emit_json(document: object) -> None:
    """Print one JSON document; a NaN in it is a defect and raises."""
    json.dump(document, sys.stdout, indent=1, allow_nan=False, ensure_ascii=False)
    sys.stdout.write("\n")


def say(text: str = "") -> None:
    """Print a line for people."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Print a line that is not a result, on stderr."""
    sys.stderr.write(text + "\n")


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, align: str | None = None,
    caption: str | None = None,
) -> None:
    """Print a table; see :func:`print_sections` for ``align``."""
    print_sections(title, columns, {"": list(rows)}, align=align, caption=caption)


def print_wide_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print numbers under names, in as many tables as the screen needs; each repeats the first column.

    A table that is too wide would lose digits, and a number without its last digits is another number.
    """
    from rich.console import Console

    screen = Console(width=_width()).width
    widths = [COLUMN_GAP + max(len(line) for line in (*columns[k].splitlines(), *(row[k] for row in rows)))
              for k in range(len(columns))]
    parts: list[list[int]] = []
    for k in range(1, len(columns)):
        if not parts or widths[0] + sum(widths[j] for j in (*parts[-1], k)) > screen:
            parts.append([])
        parts[-1].append(k)
    for place, part in enumerate(parts or [[]]):
        shown = (0, *part)
        print_table(title if not place else f"{title}, continued", [columns[k] for k in shown],
                    [[row[k] for k in shown] for row in rows], align="l" + "r" * len(part))


def print_sections(
    title: str, columns: Sequence[str], sections: Mapping[str, Sequence[Sequence[Any]]], *, align: str | None = None,
    caption: str | None = None,
) -> None:
    """Print a table whose rows stand under the names of their sections.

    ``align`` has a letter a column: ``l`` text on the left, ``r`` numbers on the right that are never broken, ``w``
    words on the right. Text is folded where the screen is narrow, so that nothing is cut off.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=_width(), highlight=False, markup=False, emoji=False)
    between = int(console.width >= ROOMY)
    table = Table(title=title, title_justify="left", title_style="bold", caption=caption, caption_justify="left",
                  header_style="bold", box=box.SIMPLE_HEAD, padding=(0, between, 0, 0), show_edge=False)
    for name, place in zip(columns, align or "l" + "w" * (len(columns) - 1), strict=True):
        table.add_column(Text(name), justify="left" if place == "l" else "right", no_wrap=place == "r",
                         overflow="fold", vertical="top")
    for label, rows in sections.items():
        if label:
            table.add_section()
            table.add_row(Text(label, style="bold"))
        for row in rows:
            table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    console.print(table)
    say()


def is_roomy() -> bool:
    """Whether a table of many columns has the room it needs; the less important ones are left out where not."""
    from rich.console import Console

    return Console(width=_width()).width >= ROOMY


def screen_rows() -> int:
    """Rows of a long table before the rest is only counted: a terminal's screen, or as many as a page has."""
    from shutil import get_terminal_size

    return max(MIN_ROWS, get_terminal_size().lines - ROWS_AROUND) if sys.stdout.isatty() else ROWS_OFF_TERMINAL


def _width() -> int | None:
    """Columns to print in: the terminal's; off a terminal those of ``COLUMNS``, else enough for every table."""
    given = os.environ.get("COLUMNS", "")
    return None if sys.stdout.isatty() else int(given) if given.isdigit() and int(given) >= MIN_WIDTH \
        else WIDTH_OFF_TERMINAL


def percent(rate: float | None, digits: int = 2) -> str:
    """A fraction for readers; a dash where there is none."""
    return "-" if rate is None else f"{100 * rate:.{digits}f} %"


def number(value: float | None, digits: int = 2) -> str:
    """A number for readers; a dash where there is none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def amount(units: int | None) -> str:
    """Ledger units as an amount of the settlement currency; a dash where there is no cap."""
    if units is None:
        return "-"
    return f"{units / 1e6:,.0f}" if units >= 100_000_000 or units % 1_000_000 == 0 else f"{units / 1e6:,.2f}"


def level(confidence: float, horizon_s: float) -> str:
    """A confidence and the horizon it holds over, such as ``99 % 1d``."""
    return f"{100 * confidence:.6g} % {span(horizon_s)}"


def span(seconds: float) -> str:
    """A span of time in its largest whole unit."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
