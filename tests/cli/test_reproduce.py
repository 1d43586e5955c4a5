"""``leverline reproduce``: what is wrong with a call is told apart from data that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from leverline.evidence.experiments.registry import EXPERIMENTS
from tests.cli.conftest import Run, one_line


def test_the_list_is_one_document_when_asked_for(run: Run) -> None:
    """A script that reads JSON would choke on lines for people."""
    listed = run("reproduce", "list", "--json")
    assert listed.code == 0
    assert [entry["name"] for entry in listed.document] == list(EXPERIMENTS)
    assert all(entry["description"] in run("reproduce", "list").out for entry in listed.document)


def test_a_misspelt_experiment_is_wrong_usage_also_without_data(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Someone would look for data (4) where the name was wrong (2)."""
    monkeypatch.delenv("LEVERLINE_DATA", raising=False)
    wrong = run("reproduce", "tiers-vs-binnance")
    assert wrong.code == 2
    assert "there is no experiment 'tiers-vs-binnance'" in one_line(wrong)


def test_absent_data_exit_4_and_name_the_folder(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder misspelt would be answered as if none had been given."""
    monkeypatch.delenv("LEVERLINE_DATA", raising=False)
    none, absent = run("reproduce", "coverage"), run("reproduce", "coverage", "--data", "absent")
    empty = run("reproduce", "coverage", "--data", tmp_path)
    assert (none.code, absent.code, empty.code) == (4, 4, 4)
    assert "--data DIR" in one_line(none)
    assert "absent is no folder" in one_line(absent)
    assert tmp_path.name in one_line(empty)
