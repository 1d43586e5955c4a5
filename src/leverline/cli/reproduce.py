"""``leverline reproduce``: a named result, ours beside the reference, with tolerance and verdict."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from leverline.cli import options
from leverline.cli.printing import emit_json, print_table, say
from leverline.ground.errors import CheckFailedError, InsufficientDataError


def reproduce(
    name: Annotated[str, typer.Argument(help="An experiment; `list` names them.")],
    data: Annotated[Path | None, typer.Option(help="Folder of market data; default: LEVERLINE_DATA.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Run a named experiment; exit 3 where it falls short."""
    from leverline.evidence.experiments.registry import EXPERIMENTS, named_experiment

    if name == "list":
        if as_json:
            emit_json([{"name": key, "description": what.description} for key, what in EXPERIMENTS.items()])
            return
        for key, what in EXPERIMENTS.items():
            say(f"{key}: {what.description}")
        return
    asked = named_experiment(name)
    folder = data or (Path(os.environ["LEVERLINE_DATA"]) if os.environ.get("LEVERLINE_DATA") else None)
    if folder is None or not folder.is_dir():
        raise InsufficientDataError("no market data folder" if folder is None else f"{folder} is no folder",
                                    remedy="name one with --data DIR or LEVERLINE_DATA")
    experiment = asked.run(folder)
    if as_json:
        emit_json(experiment.to_dict())
    else:
        print_table(name, ("quantity", "ours", "reference", "tolerance", "holds"),
                    [(r.quantity, f"{r.ours:.6g}", r.reference, r.tolerance, "yes" if r.holds else "NO")
                     for r in experiment.rows])
        say(f"verdict: {experiment.verdict}")
    if experiment.verdict != "holds":
        raise CheckFailedError(f"{name} falls short in {sum(not r.holds for r in experiment.rows)} rows")
