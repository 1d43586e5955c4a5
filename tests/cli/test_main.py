"""The command line as a whole: it starts light, and keeps its contract on stdout and stderr."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run

HEAVY = ("polars", "numba", "plotly", "scipy", "pandas")
VERBS = ("demo", "data", "calibrate", "backtest", "diff", "reproduce", "bench")


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False,  # noqa: S603
                          env={**os.environ, **environment})


def test_help_loads_nothing_heavy() -> None:
    """Every look at the help would wait for a compiler and a drawing library."""
    code = f"""
import sys
from leverline.cli import main
for verb in {("", *VERBS, "data describe")!r}:
    sys.argv = ["leverline", *verb.split(), "--help"]
    try:
        main()
    except SystemExit as left:
        assert not left.code, verb
loaded = [name for name in {HEAVY!r} if name in sys.modules]
sys.exit(f"loaded {{loaded}}" if loaded else 0)
"""
    ran = python(code)
    assert ran.returncode == 0, ran.stderr
    assert all(verb in ran.stdout for verb in VERBS)


def test_a_real_process_keeps_the_contract(bars_csv: Path, tmp_path: Path) -> None:
    """What holds inside a test would not hold in a shell: warnings on stderr, colour in a pipe."""
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "default", "-m", "leverline", "calibrate", str(bars_csv), "--out", "limits.json",
         "--json"], capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "NO_COLOR": "1"})
    assert ran.returncode == 0
    assert ran.stderr == ""
    assert ran.stdout.startswith("{")
    assert ran.stdout.endswith("}\n")
    refused = subprocess.run(
        [sys.executable, "-m", "leverline", "calibrate", "absent.csv", "--out", "limits2.json"],
        capture_output=True, text=True, check=False, cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr.startswith("leverline: absent.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["limits.json"]


@pytest.mark.parametrize("arguments", [["frobnicate"], ["calibrate"], ["backtest"], ["diff", "one.json"],
                                       ["calibrate", "x.csv", "--out"], ["data", "describe"], ["--nope"]])
def test_wrong_usage_exits_2_and_says_nothing_on_stdout(run: Run, arguments: list[str]) -> None:
    """A script would take a typing error for a result."""
    ran = run(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert ran.err


def test_the_version_is_printed(run: Run) -> None:
    """A report of a fault could not name the version."""
    assert run("--version").out.startswith("leverline 0.")
