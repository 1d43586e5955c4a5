"""``leverline diff``: two limit books side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leverline.cli import options
from leverline.cli.printing import emit_json, print_table, say


def diff(
    old: Annotated[Path, typer.Argument(help="The book in force.")],
    new: Annotated[Path, typer.Argument(help="The book proposed.")],
    as_json: options.AsJson = False,
) -> None:
    """What changes from one limit book to another, and whether it tightens or loosens."""
    from leverline.calibrate.diff import diff_books
    from leverline.model import LimitBook

    changes = diff_books(LimitBook.read(old), LimitBook.read(new))
    if as_json:
        emit_json(changes.to_dict())
        return
    rows = changes.rows()
    if not rows:
        say("the books set the same limits")
        return
    print_table(f"{old} to {new}", ("limit", "old", "new", "change", "effect"), rows, align="lrrrr")
