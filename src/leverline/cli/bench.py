"""``leverline bench``: hot paths as ratios to a plain baseline in the same run."""

from __future__ import annotations

from typing import Annotated

import typer

from leverline.cli import options
from leverline.cli.printing import emit_json, number, print_table


def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Rows to run (NAME and NAME-*); default: all.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure the hot paths against plain baselines that return the same numbers."""
    from leverline.evidence.bench.run import run_benches

    rows = run_benches(names or [])
    if as_json:
        emit_json([row.to_dict() for row in rows])
        return
    print_table("CPU time against a baseline in the same run",
                ("name", "value", "unit", "ratio", "fraction of limit", "baseline"),
                [(row.name, number(row.value, 4), row.unit, number(row.ratio, 1), number(row.limit_fraction, 3),
                  row.baseline or "-") for row in rows], align="lrlrrl")
    for row in rows:
        if row.notes:
            print_table(f"Beside {row.name}", ("", ""), [(name, _words(noted)) for name, noted in row.notes.items()],
                        align="ll")


def _words(noted: object) -> str:
    """A note of any depth in one line."""
    if isinstance(noted, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_words(value)}" for name, value in noted.items())
    return str(noted)
