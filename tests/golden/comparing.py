"""Running the golden cases of this folder through a group's handlers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from leverline.evidence.case_comparison import agrees, tolerance_of
from leverline.evidence.case_files import family_of

FOLDER = Path(__file__).parent
Handler = Callable[[dict[str, Any], dict[str, Any]], object]


def golden_cases(*stems: str) -> list[Any]:
    """Every case of the files ``tests/golden/STEM.json`` as a parameter (stem, meta, case), named by its id."""
    found = []
    for stem in stems:
        document = json.loads((FOLDER / f"{stem}.json").read_text())
        found += [pytest.param(stem, document["meta"], case, id=case["id"]) for case in document["cases"]]
    return found


def assert_reproduced(
    handlers: Mapping[str, Handler], stem: str, meta: dict[str, Any], case: dict[str, Any]
) -> None:
    """The family's handler gives the case's expected figures within the case's tolerance."""
    got = handlers[family_of(case["id"])](case["inputs"], meta)
    assert agrees(case["expected"], got, tolerance_of(case, stem)), f"expected {case['expected']}, got {got}"
