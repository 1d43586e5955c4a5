"""Named experiments: what they print, and that the claims about the default model hold on the development data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leverline.evidence.experiments.coverage import STUDIES
from leverline.evidence.experiments.registry import EXPERIMENTS, run_experiment
from leverline.evidence.experiments.verdicts import Experiment, Row
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.measure.loss_models import MODELS


def row(holds: bool) -> Row:
    return Row("rate", 0.0101, "0.01", "within its interval", holds)


def test_one_claim_that_fails_is_a_verdict_that_falls_short() -> None:
    """Ninety-nine claims that hold would hide the one that does not."""
    assert Experiment("x", (row(True), row(True)), {}).verdict == "holds"
    assert Experiment("x", (row(True), row(False)), {}).verdict == "falls short"


def test_the_document_has_the_keys_of_the_contract() -> None:
    """Whoever checks our claims by machine would find none."""
    document = Experiment("x", (row(True),), {"seed": 1}, ({"method": "a"},)).to_dict()
    assert {"name", "rows", "verdict", "provenance"} <= set(document)
    assert list(document["rows"][0]) == ["quantity", "ours", "reference", "tolerance", "holds"]
    json.dumps(document, allow_nan=False)


def test_unknown_experiments_and_absent_data_are_different_errors(tmp_path: Path) -> None:
    """A script could not tell a misspelt name (2) from a machine without the data (4)."""
    with pytest.raises(UsageError, match="there is no experiment"):
        run_experiment("magic", tmp_path)
    with pytest.raises(InsufficientDataError, match=STUDIES[0].file):
        run_experiment("coverage", tmp_path)
    assert all(named.description for named in EXPERIMENTS.values())


@pytest.mark.shared_data
@pytest.mark.slow
def test_every_claim_about_coverage_holds(shared_data: Path) -> None:
    """The margins that ship would not cover what their documentation says on real markets."""
    done = run_experiment("coverage", shared_data)
    assert [r.quantity for r in done.rows if not r.holds] == []
    assert done.verdict == "holds"
    tried = {(v["study"], v["method"]) for v in done.variants}
    assert tried == {(study.label, name) for study in STUDIES for name in MODELS}
    json.dumps(done.to_dict(), allow_nan=False)
