"""Examples are run, and print what the pages show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = sorted(path.stem for path in (DOCS / "examples").glob("*.py") if path.stem != "synthetic_market")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_prints_what_its_page_shows(name: str) -> None:
    """A reader who runs an example would get an error, or other numbers than the page has (./dev docs --record)."""
    done = subprocess.run([sys.executable, "-W", "error", f"{name}.py"],  # noqa: S603 - our own files
                          cwd=DOCS / "examples", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (DOCS / "recorded" / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_gallery_shows_every_example_with_its_output(name: str) -> None:
    """An example would be kept up and nobody would find it, or its output would be another's."""
    page = (DOCS / "examples" / "index.md").read_text(encoding="utf-8")
    assert f'"examples/{name}.py"' in page
    assert f'"recorded/{name}.txt"' in page
