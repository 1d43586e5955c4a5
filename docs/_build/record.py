"""Run every example and every command that the pages quote, and keep what they print in ``docs/recorded``.

``python docs/_build/record.py`` runs all; ``examples`` after it runs the examples only, which need no network.
Commands read public datasets alone (``leverline data sources``) and run in a folder that holds nothing but the tables
of ``docs/examples``.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parents[1]
RECORDED = DOCS / "recorded"
EXAMPLES = tuple(sorted(p.stem for p in (DOCS / "examples").glob("*.py") if p.stem != "synthetic_market"))

COMMANDS = {  # file name -> commands run in order; what the last prints is kept
    "demo": ("leverline demo --out demo",),
    "sources": ("leverline data sources",),
    "get": ("leverline data get crypto-majors --out majors.csv",),
    "describe": ("leverline data describe majors.csv",),
    "calibrate": ("leverline calibrate majors.csv --symbols BTC/USD --out limits.json --report report.html",),
    "refused": ("leverline calibrate majors.csv --profile exchange --out minutes.json",),
    "backtest": ("leverline backtest majors.csv --start 2016 --confidence 0.99",),
    "diff": ("leverline calibrate majors.csv --as-of 2019-12 --no-backtest --symbols BTC/USD --out old.json",
             "leverline diff old.json limits.json"),
    "diff-accounts": ("leverline diff limits.json old.json --accounts btc-accounts.csv --marks btc-marks.csv",),
    "check": ("leverline check accounts.csv --marks marks.csv --venue binance-usdm --venue aave-v3.6 --horizon 1d",),
    "check-limits": ("leverline check btc-accounts.csv --limits limits.json --marks btc-marks.csv",),
    "check-what-if": (
        "leverline check btc-accounts.csv --limits limits.json --marks btc-marks.csv --what-if BTC=-10%",),
    "replay": (
        "leverline calibrate majors.csv --symbols BTC/USD,ETH/USD --as-of 2020-03 --no-backtest --out march.json",
        "leverline replay majors.csv --limits march.json --symbols BTC/USD,ETH/USD --start 2020-03-01 --end 2020-04-01"
        " --population 3000 --seed 7 --fund 200000 --out run"),
    "describe-level3": ("leverline data get ob-analytics --out orders.parquet",
                        "leverline data describe orders.parquet"),
    "describe-trades": ("leverline data get ob-analytics-trades --out trades.csv",
                        "leverline data describe trades.csv"),
    "get-brackets": ("leverline data get freqtrade --out brackets.json",),
    "experiments": ("leverline reproduce list",),
}

EXPECTED_CODES = (0, 3, 4)  # done, an account below maintenance, or refused for want of data, as pages show
PARTS = ("Leverage limits", "Caps and fees", "Walk-forward coverage", "Breaches per window", "Days on which", "Only markets", "data: ")
TABLES = {  # file name -> the record it is cut from, and how the table's title begins
    "demo-limits": ("demo", "Leverage limits"),
    "demo-line": ("demo", "Caps and fees"),
    "demo-pooled": ("demo", "Breaches per window"),
    "demo-days": ("demo", "Days on which"),
    "backtest-results": ("backtest", "Walk-forward coverage"),
    "backtest-pooled": ("backtest", "Breaches per window"),
    "diff-accounts": ("diff-accounts", "Accounts whose status"),
}


def example_output(name: str) -> str:
    """What one example prints."""
    done = subprocess.run([sys.executable, f"{name}.py"], cwd=DOCS / "examples", capture_output=True, text=True,
                          check=False, env={**os.environ, "PYTHONWARNINGS": "error"})
    if done.returncode:
        raise SystemExit(f"{name}.py failed:\n{done.stderr}")
    return done.stdout


def command_output(command: str, folder: Path) -> str:
    """What a command prints on both streams, without blanks at the ends of lines."""
    words = shlex.split(command)
    done = subprocess.run([sys.executable, "-m", *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, env={**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"})
    if done.returncode not in EXPECTED_CODES:
        raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stdout}")
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def table_in(said: str, title: str) -> str:
    """The table whose title begins so, without its caption: up to what begins another part of the output."""
    lines = said.splitlines()
    first = next(k for k, line in enumerate(lines) if line.startswith(title))
    rest = (k for k in range(first + 1, len(lines)) if lines[k].startswith(PARTS))
    return "\n".join(lines[first : next(rest, len(lines))]).rstrip() + "\n"


def main(chosen: list[str]) -> None:
    """Write the files anew."""
    RECORDED.mkdir(exist_ok=True)
    for name in EXAMPLES:
        (RECORDED / f"{name}.txt").write_text(example_output(name), encoding="utf-8")
    if chosen == ["examples"]:
        return
    with tempfile.TemporaryDirectory() as folder:
        for table in (DOCS / "examples").glob("*.csv"):
            shutil.copy(table, folder)
        for name, commands in COMMANDS.items():
            *_, said = [command_output(command, Path(folder)) for command in commands]
            kept = {part: table_in(said, title) for part, (whole, title) in TABLES.items() if whole == name}
            for part, text in (kept or {name: said}).items():
                (RECORDED / f"{part}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
