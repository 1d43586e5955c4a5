"""What goes to stdout: one JSON document, or text and tables for people. Everything else goes to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

WIDTH_OFF_TERMINAL = 132


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


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, caption: str | None = None) -> None:
    """Print a table; the first column is left-aligned, the others right."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else WIDTH_OFF_TERMINAL, highlight=False)
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left", header_style="bold")
    for k, name in enumerate(columns):
        table.add_column(name, justify="left" if k == 0 else "right")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console.print(table)


def percent(rate: float | None, digits: int = 2) -> str:
    """A fraction for readers; a dash where there is none."""
    return "-" if rate is None else f"{100 * rate:.{digits}f} %"


def number(value: float | None, digits: int = 2) -> str:
    """A number for readers; a dash where there is none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def amount(units: int | None) -> str:
    """Ledger units as an amount of the settlement currency; a dash where there is no cap."""
    return "-" if units is None else f"{units / 1e6:,.0f}"


def span(seconds: float) -> str:
    """A span of time in its largest whole unit."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
