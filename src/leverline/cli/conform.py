"""``leverline conform``: venues' own figures against our rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from leverline.cli import options
from leverline.cli.printing import emit_json, print_table, say
from leverline.ground.errors import CheckFailedError

SHOWN_FAILURES = 10
SHOWN_WIDTH = 200


def conform(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help='Case files: {"meta", "cases"}.')],
    as_json: options.AsJson = False,
) -> None:
    """Check our rules against venues' own figures; exit 3 unless every case passes."""
    from leverline.evidence.conformance import conform as run_cases

    result = run_cases(files)
    document = result.to_dict()
    if as_json:
        emit_json(document)
    else:
        print_table("conformance", ("family", "cases", "passed", ""),
                    [(family, count["total"], count["passed"], _verdict(family, count, result.unsupported))
                     for family, count in result.by_family().items()], align="lrrl")
        for answer in result.failed[:SHOWN_FAILURES]:
            say(f"{answer.case.id}: expected {_short(answer.case.expected)}, got {_short(answer.got)}")
        if len(result.failed) > SHOWN_FAILURES:
            say(f"... and {len(result.failed) - SHOWN_FAILURES} more; --json lists them all")
        say(f"{document['passed']} of {document['total']} cases passed")
    if not result.conforms:
        failed, strange = len(result.failed), len(result.unanswered)
        raise CheckFailedError(f"{failed} case{'' if failed == 1 else 's'} failed, {strange} "
                               f"{'is' if strange == 1 else 'are'} of families without a rule here")


def _verdict(family: str, count: dict[str, int], unsupported: list[str]) -> str:
    if family in unsupported:
        return "unsupported"
    return "" if count["passed"] == count["total"] else "FAILED"


def _short(figures: object) -> str:
    text = json.dumps(figures, default=str, ensure_ascii=False)
    return text if len(text) <= SHOWN_WIDTH else text[:SHOWN_WIDTH] + "..."
