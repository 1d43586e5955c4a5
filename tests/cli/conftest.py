"""Running the command line inside the test's process, and small files for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from leverline.cli import main
from tests.calibrate.markets import Market, write_csv


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run ``leverline`` with arguments in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["leverline", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as left:
            code = int(left.code or 0)
        shown = capsys.readouterr()
        return Ran(code, shown.out, shown.err)

    return command


@pytest.fixture(scope="session")
def bars_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two markets of daily bars with ranges and volume."""
    return write_csv(tmp_path_factory.mktemp("bars") / "bars.csv", Market("BTCUSDT"), Market("ETHUSDT", seed=2))


@pytest.fixture(scope="session")
def closes_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One market of closes without volume."""
    return write_csv(tmp_path_factory.mktemp("closes") / "closes.csv", Market("A", ranged=False, volume=0))


def one_line(ran: Ran) -> str:
    """The only line on stderr, with nothing on stdout and no traceback."""
    lines = ran.err.splitlines()
    assert len(lines) == 1, ran.err
    assert lines[0].startswith("leverline: ")
    assert ran.out == ""
    return lines[0]
