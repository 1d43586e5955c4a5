"""Case files read and refused at the border: what a venue's own figures look like on disk.

A file is ``{"meta": {...}, "cases": [...]}``; a case has ``id, source_repo, source_path, inputs, expected, units`` and
may carry ``notes, kind, rtol, tolerance_abs``. The family of a case is its id without the running number or test name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from leverline.evidence.case_comparison import number_of
from leverline.ground.errors import refuse

MAX_BYTES = 64 * 2**20
MAX_DIGITS = 4_000  # of one integer; Python itself stops at 4,300
_RUNNING = re.compile(r"(?:-+\d[\d.]*[a-z]*)+$")  # "-07", "--10", "-0.01-432s"


@dataclass(frozen=True, slots=True)
class Case:
    """One figure of a venue: what went in, what came out, and how close it is to be met."""

    id: str
    family: str
    file_stem: str
    meta: dict[str, Any]
    fields: dict[str, Any]

    @property
    def inputs(self) -> Any:
        """What the venue was given: an object, or a list of positions."""
        return self.fields["inputs"]

    @property
    def expected(self) -> dict[str, Any]:
        """What the venue answered."""
        expected: dict[str, Any] = self.fields["expected"]
        return expected


def family_of(case_id: str) -> str:
    """The family of a case: ``dydx-fillable-07`` -> ``dydx-fillable``, ``derive-pmrm2/cash`` -> ``derive-pmrm2``."""
    family, slash, _test_name = case_id.partition("/")
    return family if slash else _RUNNING.sub("", case_id)


def read_case_files(paths: Sequence[Path]) -> list[Case]:
    """Cases of all files, in order. Refuses malformed files, a file named twice and an id that stands twice in one."""
    for number, path in enumerate(paths):
        if path.resolve() in [other.resolve() for other in paths[:number]]:
            refuse("is named twice", file=str(path), remedy="name each file once")
    return [case for path in paths for case in _read_file(path)]


def _read_file(path: Path) -> list[Case]:
    name = str(path)
    if not path.is_file():
        refuse("there is no such file", file=name)
    if path.stat().st_size > MAX_BYTES:
        refuse(f"larger than {MAX_BYTES // 2**20} MiB, which no case file is", file=name)
    document = _parse(path)
    if not isinstance(document, dict) or not isinstance(document.get("cases"), list):
        refuse('a case file is an object with a list "cases"', file=name)
    meta = document.get("meta", {})
    if not isinstance(meta, dict):
        refuse('"meta" is an object', file=name)
    if not document["cases"]:
        refuse("holds no case", file=name)
    cases: dict[str, Case] = {}
    for row, fields in enumerate(document["cases"], start=1):
        case = _case(fields, row, path, meta)
        if case.id in cases:
            refuse(f"case id {case.id!r} stands twice", file=name, row=row, column="id", remedy="give each its own id")
        cases[case.id] = case
    return list(cases.values())


def _parse(path: Path) -> Any:
    def not_finite(token: str) -> NoReturn:
        refuse(f"{token} is no figure", file=str(path))

    def finite(token: str) -> float:
        return float(token) if abs(float(token)) != float("inf") else not_finite(token)

    def whole(token: str) -> int:
        return int(token) if len(token) <= MAX_DIGITS else not_finite(token[:20] + "...")

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            refuse("a key stands twice in one object", file=str(path))
        return fields

    try:
        return json.loads(path.read_bytes(), parse_constant=not_finite, parse_float=finite, parse_int=whole,
                          object_pairs_hook=distinct)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        refuse(f"is not JSON: {error}", file=str(path))
    except RecursionError:
        refuse("is nested too deeply", file=str(path))


def _case(fields: Any, row: int, path: Path, meta: dict[str, Any]) -> Case:
    name = str(path)
    if not isinstance(fields, dict):
        refuse("a case is an object", file=name, row=row)
    if not isinstance(fields.get("id"), str) or not fields["id"]:
        refuse("'id' is text and not empty", file=name, row=row, column="id")
    if not isinstance(fields.get("inputs"), list) and not (isinstance(fields.get("inputs"), dict) and fields["inputs"]):
        refuse("'inputs' is a list, or an object that is not empty", file=name, row=row, column="inputs")
    if not isinstance(fields.get("expected"), dict) or not fields["expected"]:
        refuse("'expected' is an object and not empty", file=name, row=row, column="expected")
    for key in ("rtol", "tolerance_abs"):
        bound = number_of(fields.get(key))
        if fields.get(key) is not None and (bound is None or bound < 0):
            refuse(f"{key!r} is a number not below 0", file=name, row=row, column=key)
    case_id: str = fields["id"]
    if not family_of(case_id):
        refuse(f"id {case_id!r} names no family", file=name, row=row, column="id")
    return Case(case_id, family_of(case_id), path.stem, meta, fields)
