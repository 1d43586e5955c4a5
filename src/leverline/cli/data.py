"""``leverline data``: what can be fetched, fetching it, and how good a file is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leverline.cli import options
from leverline.cli.printing import emit_json, note, print_table, say

EXTENT = 8
"""Columns of a quality report that say how far a symbol's bars reach; what follows counts the rules that struck."""

app = typer.Typer(help="Datasets a fresh machine can have, and the quality of files.", no_args_is_help=True)


@app.command()
def sources(as_json: options.AsJson = False) -> None:
    """List the datasets, their origin and licence."""
    from leverline.market.sources.datasets import describe_sources

    entries = describe_sources()
    if as_json:
        emit_json(entries)
        return
    for entry in entries:
        say(f"{entry['name']}: {entry['description']}")
        for key in ("package", "licence", "origin", "notes"):
            if entry.get(key):
                say(f"    {key}: {entry[key]}")


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="A name from `leverline data sources`.")],
    out: Annotated[Path | None, typer.Option(help="Also write the bars here (CSV or Parquet).")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Fetch a dataset through your own package installer, verify it and keep it in the cache."""
    options.writable_target(out, "--out")
    from leverline.market.sources.datasets import load
    from leverline.market.times import iso

    bars = load(name)
    if out is not None:
        from leverline.market.writing import write_bars

        write_bars(bars, out)
    (file, *_) = bars.files
    document = {
        "name": name, "rows": len(bars), "symbols": list(bars.symbols), "first": iso(int(bars.ts.min())),
        "last": iso(int(bars.ts.max())), "sha256": file.sha256, "origin": file.origin, "licence": file.licence,
        "out": None if out is None else str(out),
    }
    if as_json:
        emit_json(document)
        return
    for key, value in document.items():
        if value is not None:
            say(f"{key}: {', '.join(value) if isinstance(value, list) else value}")


@app.command()
def describe(
    files: options.BarFiles, strict: options.Strict = False, as_json: options.AsJson = False,
) -> None:
    """Rows, symbols, range, spacing, gaps, duplicates, zero-volume bars and print jumps of files.

    Exits 2 where calibrate would refuse the input, after describing what can be read of it; under --strict it stops
    at the first reason.
    """
    from leverline.market.quality import describe as describe_files

    report = describe_files(files, strict=strict)
    if as_json:
        emit_json(report.to_dict())
    else:
        columns = [name.replace(" ", "\n").replace("-", "-\n") for name in report.columns()]
        print_table("Bars", columns[:EXTENT], [row[:EXTENT] for row in report.rows()], align="l" + "r" * (EXTENT - 1))
        if len(columns) > EXTENT:
            print_table("How often each rule struck", (columns[0], *columns[EXTENT:]),
                        [(row[0], *row[EXTENT:]) for row in report.rows()], align="l" + "r" * (len(columns) - EXTENT))
        findings = report.first_findings()
        if findings:
            print_table("What is suspicious, first cases", ("rule", "file", "symbol", "time", "what was seen"),
                        findings, align="lllll")
        for reason in report.refused:
            say(f"refused: {reason}")
        for warning in report.warnings:
            note(f"warning: {warning}")
    if report.refused:
        from leverline.ground.errors import MalformedInputError

        raise MalformedInputError(
            f"calibrate and backtest would refuse this input, for {len(report.refused)} reasons: {report.refused[0]}")
