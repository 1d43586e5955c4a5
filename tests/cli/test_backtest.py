"""``leverline backtest``: its document, its table, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.calibrate.markets import Market, write_csv
from tests.cli.conftest import Run, one_line

ROW = {"symbol", "side", "layer", "confidence", "horizon_s", "observations", "exceedances", "band_low", "band_high",
       "kupiec_p", "christoffersen_p", "dq_p", "mean_margin", "peak_margin", "peak_to_trough", "max_increase_5",
       "quantile_score", "verdict"}


def test_the_document_has_one_row_a_symbol_side_layer_confidence_and_horizon(run: Run, bars_csv: Path) -> None:
    """A risk team's own tables would break on a missing key or a doubled row."""
    ran = run("backtest", bars_csv, "--confidence", "0.99,0.995", "--horizon", "1d,2d", "--json")
    assert ran.code == 0
    assert ran.err == ""
    document = ran.document
    assert {"results", "pooled", "skipped", "method", "provenance"} <= document.keys()
    assert all(row.keys() == ROW for row in document["results"])
    keys = [(r["symbol"], r["side"], r["layer"], r["confidence"], r["horizon_s"]) for r in document["results"]]
    assert len(keys) == len(set(keys)) == 2 * 2 * 2 * 2 * 2
    assert all({"layer", "confidence", "horizon_s", "rate", "interval", "rate_top_volatility_decile"} <= row.keys()
               for row in document["pooled"])
    assert len(document["pooled"]) == 2 * 2 * 2
    assert document["provenance"]["data"][0]["name"] == "bars.csv"


def test_short_histories_are_skipped_and_all_of_them_exit_4(run: Run, tmp_path: Path) -> None:
    """A script would take an empty backtest for a passed one."""
    path = write_csv(tmp_path / "mixed.csv", Market("OLD"), Market("NEW", seed=2, n=60))
    document = run("backtest", path, "--json").document
    assert [s["symbol"] for s in document["skipped"]] == ["NEW"]
    assert {r["symbol"] for r in document["results"]} == {"OLD"}
    ran = run("backtest", path, "--symbols", "NEW")
    assert ran.code == 4
    assert "NEW" in one_line(ran)


@pytest.mark.parametrize(("options", "code", "says"), [
    (["--confidence", "1.2"], 2, "a confidence lies in [0.9, 1)"),
    (["--confidence", "nan"], 2, "a confidence lies in [0.9, 1)"),
    (["--confidence", "high"], 2, "not a list of fractions"),
    (["--confidence", ""], 2, "not a list of fractions"),
    (["--horizon", "7x"], 2, "--horizon '7x'"),
    (["--horizon", "-1d"], 2, "--horizon '-1d'"),
    (["--horizon", "1d,"], 2, "--horizon ''"),
    (["--horizon", "36h"], 2, "whole number of bars"),
    (["--horizon", "1h"], 4, "shorter than the bar spacing"),
    (["--horizon", "1h,36h"], 2, "whole number of bars"),
    (["--horizon", "99999999999999999999d"], 2, "a century"),
    (["--horizon", "365d"], 2, "shorter horizon"),
    (["--refit", "0d"], 2, "--refit '0d'"),
    (["--refit", "0.0000000001s"], 2, "--refit"),
    (["--start", "2021", "--end", "2020"], 2, "--start lies before --end"),
    (["--start", "2031"], 4, "no bar lies between"),
    (["--start", "soon"], 2, "--start 'soon'"),
    (["--method", "nope"], 2, "no method 'nope'"),
    (["--profile", "nope"], 2, "no profile 'nope'"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_what_cannot_be_meant_is_refused_in_one_line(
    run: Run, bars_csv: Path, options: list[str], code: int, says: str
) -> None:
    """A typing error would end in a traceback, or a backtest of something else."""
    ran = run("backtest", bars_csv, *options)
    assert ran.code == code
    assert says in one_line(ran)


@pytest.mark.parametrize("columns", [80, 100, 132])
def test_tables_cut_nothing_off(run: Run, bars_csv: Path, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trader would read half a number."""
    monkeypatch.setenv("COLUMNS", str(columns))
    ran = run("backtest", bars_csv, "--confidence", "0.99,0.995")
    assert "…" not in ran.out
    assert max(map(len, ran.out.splitlines())) <= columns
    assert "model 99.5 % 1d" in ran.out
    assert "BTCUSDT short" in ran.out
    assert "Only markets present in the input" in ran.out


def test_symbols_are_never_read_as_markup(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A market called [red] would vanish from the table, or [/] would end it."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    path = write_csv(tmp_path / "odd.csv", Market("[red]A[/x]"), Market(":smile:", seed=2))
    out = run("backtest", path).out
    assert "[red]A[/x] long" in out
    assert ":smile: long" in out
    assert "\x1b[3" not in out


def test_methods_can_be_listed(run: Run, bars_csv: Path) -> None:
    """Nobody could learn what --method takes."""
    assert "half-filtered-gpd" in run("backtest", bars_csv, "--method", "help").out.splitlines()
