"""The quality report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leverline.ground.errors import MalformedInputError
from leverline.market.quality import describe
from leverline.market.reading import read_bars

GOOD = "symbol,ts,close,volume\n" + "".join(
    f"{s},2024-01-{d:02}T00:00:00Z,{100 + d},{0 if d == 3 else 5}\n" for s in "AB" for d in range(1, 9))


def written(folder: Path, text: str, name: str = "bars.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_report_counts_what_reading_counts(tmp_path: Path) -> None:
    """The report would praise data that estimation leaves out, or the reverse."""
    path = written(tmp_path, GOOD)
    report, bars = describe([path]), read_bars([path])
    assert report.refused == ()
    assert {r: n for r, n in report.counts.items() if n} == {r: sum(p.values()) for r, p in bars.counts.items() if p}
    assert report.findings == bars.findings
    a, b = report.symbols
    assert (a.symbol, a.rows, a.first, a.last) == ("A", 8, "2024-01-01T00:00:00Z", "2024-01-08T00:00:00Z")
    assert (a.masked, a.listings, a.close_only, a.has_volume) == (1, 1, True, True)
    assert b.counts["zero-volume"] == 1
    assert report.spacing_s == 86_400


def test_a_repeated_bar_is_reported_with_its_place(tmp_path: Path) -> None:
    """Who has to mend a file would be told that it is broken, not where."""
    path = written(tmp_path, GOOD + "B,2024-01-05T00:00:00Z,999,5\n")
    report = describe([path])
    (twice,) = [f for f in report.findings if f.rule == "duplicate"]
    assert (twice.file, twice.symbol, twice.detail) == ("bars.csv", "B", "row 17: a bar of this time came before")
    assert report.to_dict()["findings"][0]["ts"] == "2024-01-05T00:00:00Z"
    assert report.symbols[1].rows == 8
    assert report.symbols[1].counts["duplicate"] == 1
    assert "second bar" in report.refused[0]
    assert not report.clean
    with pytest.raises(MalformedInputError, match="second bar"):
        describe([path], strict=True)


def test_disorder_and_overlap_are_reported(tmp_path: Path) -> None:
    """A file pair that cannot be read could not be looked at either."""
    path = written(tmp_path, "symbol,ts,close\nA,2024-01-02T00:00:00Z,1\nA,2024-01-01T00:00:00Z,1\n"
                             "A,2024-01-03T00:00:00Z,1.1\n")
    other = written(tmp_path, "symbol,ts,close\nA,2024-01-03T00:00:00Z,1\nA,2024-01-04T00:00:00Z,1.2\n", "more.csv")
    report = describe([path, other])
    assert report.counts["unsorted"] == 1
    assert report.counts["overlap"] == 1
    assert report.symbols[0].rows == 4


def test_mixed_spacings_are_described_each_by_its_own(tmp_path: Path) -> None:
    """Every hourly bar would be a fault beside a daily series."""
    hourly = "".join(f"H,2024-01-01T{h:02}:00:00Z,{100 + h}\n" for h in (0, 1, 2, 5, 6, 7))
    daily = "".join(f"D,2024-01-{d:02}T00:00:00Z,{100 + d}\n" for d in range(1, 12))
    report = describe([written(tmp_path, "symbol,ts,close\n" + hourly + daily)])
    by_name = {s.symbol: s for s in report.symbols}
    assert list(by_name) == ["H", "D"]
    assert (by_name["H"].spacing_s, by_name["D"].spacing_s) == (3600, 86_400)
    assert (by_name["H"].missing_bars, by_name["H"].longest_gap_bars) == (2, 2)
    assert by_name["H"].longest_gap_after == "2024-01-01T02:00:00Z"
    assert by_name["D"].counts["gap"] == 0
    assert "mixed" in report.refused[0]


def test_an_unreadable_file_does_not_hide_the_others(tmp_path: Path) -> None:
    """One broken file of a hundred would leave a desk without a report."""
    good, bad = written(tmp_path, GOOD), written(tmp_path, "symbol,ts,price\nA,1,1\n", "bad.csv")
    report = describe([bad, good])
    assert [f.name for f in report.files] == ["bars.csv"]
    assert "bad.csv" in report.refused[0]
    with pytest.raises(MalformedInputError, match="price"):
        describe([bad])


def test_naive_times_are_refused_under_strict(tmp_path: Path) -> None:
    """``--strict`` would let local times pass."""
    path = written(tmp_path, GOOD.replace("T00:00:00Z", ""))
    assert describe([path]).warnings
    with pytest.raises(MalformedInputError, match="no zone"):
        describe([path], strict=True)


def test_a_single_bar_is_described(tmp_path: Path) -> None:
    """A file that is too short would end in a traceback."""
    report = describe([written(tmp_path, "symbol,ts,close\nA,2024-01-02T00:00:00Z,1\n")])
    assert report.spacing_s is None
    assert report.symbols[0].rows == 1
    assert "two bars" in report.refused[0]


def test_a_report_is_plain_json(tmp_path: Path) -> None:
    """``--json`` would print what other programs cannot read."""
    document = json.loads(json.dumps(describe([written(tmp_path, GOOD)]).to_dict(), allow_nan=False))
    assert document["rows"] == 16
    assert document["files"][0]["name"] == "bars.csv"
    assert document["clean"] is False


def test_the_tables_show_every_rule_that_struck_and_no_other(tmp_path: Path) -> None:
    """The terminal would hide what the JSON says."""
    report = describe([written(tmp_path, GOOD + "B,2024-01-12T00:00:00Z,100,5\n")])
    assert report.columns()[-2:] == ("zero-volume", "gap")
    assert report.rows()[1] == ("B", "9", "2024-01-01T00:00Z", "2024-01-12T00:00Z", "1d", "1", "3", "3", "1", "1")
    assert [f[0] for f in report.first_findings(per_rule=1)] == ["zero-volume", "gap"]
    assert all(len(row) == len(report.columns()) for row in report.rows())
