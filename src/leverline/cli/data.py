"""``leverline data``: what can be fetched, fetching it, and how good a file is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leverline.cli import options
from leverline.cli.printing import emit_json, note, print_table, print_wide_table, say

if TYPE_CHECKING:
    from leverline.market.format_report import Report

EXTENT = 8
"""Columns of a quality report that say how far a symbol's bars reach; what follows counts the rules that struck."""

SHOWN = 12
"""Names listed in full; of more, the first and how many."""

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
    out: Annotated[
        Path | None, typer.Option(help="Also write it here: CSV or Parquet; brackets as JSON or CSV.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Fetch a dataset through your own package installer, verify it and keep it in the cache."""
    options.writable_target(out, "--out")
    from leverline.market.sources.datasets import summary_of, write_dataset

    document = write_dataset(name, out) if out is not None else summary_of(name)
    if as_json:
        emit_json(document)
        return
    for key, value in document.items():
        if isinstance(value, list) and len(value) > SHOWN:
            value = [*value[:SHOWN], f"and {len(value) - SHOWN} more"]
        if value is not None:
            say(f"{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")


@app.command()
def describe(
    files: options.BarFiles, strict: options.Strict = False, as_json: options.AsJson = False,
) -> None:
    """Rows, symbols, range, spacing, gaps, duplicates, zero-volume bars and print jumps of files.

    Bars, level-2 and level-3 books, depth bands, trades, funding, open interest, volatility indices, capitalisation
    and leverage brackets are told apart by their columns. Exits 2 where the input would be refused by the verb that
    uses it, after describing what can be read of it; under --strict it stops at the first reason.
    """
    from leverline.market.describing import describe_any

    described = describe_any(files, strict)
    if as_json:
        documents = [{"format": one.format, **one.report.to_dict()} for one in described]
        emit_json(documents[0] if len(documents) == 1 else {"reports": documents})
    else:
        for one in described:
            _print_report(one.format, one.report)
    reasons = [reason for one in described for reason in one.report.refused]
    if reasons:
        from leverline.ground.errors import MalformedInputError

        raise MalformedInputError(
            f"this input would be refused where it is used, for {len(reasons)} reasons: {reasons[0]}")


def _print_report(name: str, report: Report) -> None:
    """Tables of one format's files: extent, how often each rule struck, first cases, reasons for refusal."""
    columns, rows = [column.replace(" ", "\n").replace("-", "-\n") for column in report.columns()], report.rows()
    extent = EXTENT if name == "bars" else len(columns)
    print_wide_table(name, columns[:extent], [row[:extent] for row in rows])
    if len(columns) > extent:
        print_wide_table("How often each rule struck", (columns[0], *columns[extent:]),
                         [(row[0], *row[extent:]) for row in rows])
    findings = report.first_findings()
    if findings:
        print_table("What is suspicious, first cases", ("rule", "file", "symbol", "time", "what was seen"),
                    findings, align="lllll")
    for reason in report.refused:
        say(f"refused: {reason}")
    for warning in report.warnings:
        note(f"warning: {warning}")
