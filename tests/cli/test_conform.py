"""``conform`` and ``venues``: what they print, how they exit, what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, one_line

GOLDEN = Path(__file__).parents[1] / "golden"
CASE: dict[str, Any] = {
    "id": "binance-mmamount-01", "source_repo": "r", "source_path": "p", "units": "USDT", "notes": "",
    "inputs": {"floor": 250000, "mmr_n": 0.01, "mmr_prev": 0.005, "cum_prev": 50},
    "expected": {"maintenance_amount": 1300.0},
}


def _written(path: Path, *cases: object, meta: object = None) -> Path:
    path.write_text(json.dumps({"meta": meta if meta is not None else {}, "cases": list(cases)}))
    return path


def test_the_exchanges_figures_conform(run: Run) -> None:
    """The project would claim rules that do not give the venues' own figures."""
    stems = ("binance", "bitmex", "bybit-okx-gate", "nautilus")
    ran = run("conform", *(GOLDEN / f"perp-{stem}.json" for stem in stems), "--json")
    assert ran.code == 0, ran.err
    assert ran.document["passed"] == ran.document["total"] == sum(
        family["passed"] for family in ran.document["by_family"].values())
    assert ran.document["failed"] == ran.document["unsupported"] == []


def test_no_figure_in_the_repository_fails(run: Run) -> None:
    """Some venue's rule would have drifted from the venue."""
    document = run("conform", *sorted(GOLDEN.glob("*.json")), "--json").document
    assert document["failed"] == []
    unsupported = sum(document["by_family"][family]["total"] for family in document["unsupported"])
    assert document["passed"] + unsupported == document["total"] > 0


def test_a_wrong_figure_is_named_and_exits_3(run: Run, tmp_path: Path) -> None:
    """A rule that has drifted from its venue would pass."""
    path = _written(tmp_path / "a.json", CASE, {**CASE, "id": "binance-mmamount-02",
                                                "expected": {"maintenance_amount": 1300.01}})
    ran = run("conform", path, "--json")
    assert ran.code == 3
    assert ran.document == {
        "total": 2, "passed": 1, "unsupported": [],
        "failed": [{"id": "binance-mmamount-02", "expected": {"maintenance_amount": 1300.01},
                    "got": {"maintenance_amount": 1300.0}}],
        "by_family": {"binance-mmamount": {"total": 2, "passed": 1}},
    }
    text = run("conform", path)
    assert text.code == 3
    assert "binance-mmamount-02: expected" in text.out


def test_an_unknown_family_is_neither_passed_nor_failed(run: Run, tmp_path: Path) -> None:
    """A family that nobody computed would count as proven."""
    ran = run("conform", _written(tmp_path / "a.json", CASE, {**CASE, "id": "moonbase-margin-07"}), "--json")
    assert ran.code == 3
    assert (ran.document["total"], ran.document["passed"], ran.document["failed"]) == (2, 1, [])
    assert ran.document["unsupported"] == ["moonbase-margin"]
    assert ran.document["by_family"]["moonbase-margin"] == {"total": 1, "passed": 0}


def test_a_case_that_lacks_an_input_fails_and_says_which(run: Run, tmp_path: Path) -> None:
    """A case that cannot be answered would vanish from the count."""
    ran = run("conform", _written(tmp_path / "a.json", {**CASE, "inputs": {"floor": 1}}), "--json")
    assert ran.code == 3
    assert "mmr_n" in ran.document["failed"][0]["got"]["error"]


@pytest.mark.parametrize(("rtol", "absolute", "code"), [
    (1e-3, None, 0), (1e-7, None, 3), (None, "0.02", 0), (None, 0.001, 3), (0, 0.02, 0)])
def test_a_case_s_own_tolerance_decides(
    run: Run, tmp_path: Path, rtol: float | None, absolute: object, code: int
) -> None:
    """Figures known to the cent only would be held to nine digits, or exact ones to the cent."""
    bounds = {"rtol": rtol, "tolerance_abs": absolute}
    case = {**CASE, "expected": {"maintenance_amount": 1300.01}, **{k: v for k, v in bounds.items() if v is not None}}
    assert run("conform", _written(tmp_path / "a.json", case)).code == code


@pytest.mark.parametrize("text", [
    "", "{", "[]", "{}", '{"cases": {}}', '{"meta": {}, "cases": []}', '{"meta": [], "cases": [1]}', '{"cases": [1]}',
    '{"cases": [{"id": "a-1"}]}', '{"cases": [{"id": "a-1", "inputs": {}, "expected": {"b": 1}}]}',
    '{"cases": [{"id": "a-1", "inputs": {"a": 1}}]}',
    '{"cases": [{"id": 7, "inputs": {"a": 1}, "expected": {"b": 1}}]}',
    '{"cases": [{"id": "a-1", "inputs": {"a": NaN}, "expected": {"b": 1}}]}',
    '{"cases": [{"id": "a-1", "inputs": {"a": 1e999}, "expected": {"b": 1}}]}',
    '{"cases": [{"id": "a-1", "inputs": {"a": 1}, "expected": {"b": 1}, "rtol": -1}]}',
    '{"cases": [{"id": "a-1", "inputs": {"a": 1, "a": 2}, "expected": {"b": 1}}]}',
    '{"cases": [{"id": "a-1", "inputs": {"a": 1}, "expected": {"b": 1}, "rtol": "x"}]}',
    "[" * 200_000,
])
def test_a_malformed_file_is_refused_whole(run: Run, tmp_path: Path, text: str) -> None:
    """A file that says nothing would be reported as conforming or end in a traceback."""
    path = tmp_path / "bad.json"
    path.write_text(text)
    ran = run("conform", _written(tmp_path / "good.json", CASE), path, "--json")
    assert ran.code == 2
    assert "bad.json" in one_line(ran)


def test_missing_files_binary_files_and_ids_that_stand_twice_are_refused(run: Run, tmp_path: Path) -> None:
    """A check would run on something else than what was named, or count a case twice."""
    path = _written(tmp_path / "a.json", CASE)
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    twice = _written(tmp_path / "c.json", CASE, CASE)
    for arguments in ((tmp_path / "none.json",), (tmp_path,), (tmp_path / "b.json",), (path, path), (twice,)):
        ran = run("conform", *arguments)
        assert ran.code == 2
        one_line(ran)


def test_venues_lists_every_rulebook_with_sources_and_dates(run: Run) -> None:
    """A reader could not check a rule against the venue."""
    books = run("venues", "--json").document
    assert {"binance-usdm", "bybit", "okx", "gate", "bitmex", "flat"} <= {book["name"] for book in books}
    for book in books:
        assert book["rules"]
        assert all(source["where"] and source["read"] for source in book["sources"])
        assert all(preset["as_of"] and preset["source"]["where"] for preset in book["presets"])


def test_one_venue_is_printed_with_its_preset_in_words_and_in_json(run: Run) -> None:
    """The brackets behind a liquidation price could not be looked up."""
    text = run("venues", "binance-usdm")
    assert text.code == 0
    assert "2981450" in text.out
    assert "cum[n]" in text.out
    assert run("venues", "binance-usdm", "--json").document["presets"][0]["name"] == "BTC/USDT:USDT"


def test_every_family_that_a_rulebook_names_is_answered(run: Run) -> None:
    """A venue's description would claim to be held to figures that nobody computes."""
    from leverline.evidence.conformance import HANDLERS

    for book in run("venues", "--json").document:
        assert set(book["families"]) <= set(HANDLERS), book["name"]


def test_an_unknown_venue_is_refused(run: Run) -> None:
    """A typo would print another venue's rule."""
    ran = run("venues", "moonbase")
    assert ran.code == 2
    assert "binance-usdm" in one_line(ran)
