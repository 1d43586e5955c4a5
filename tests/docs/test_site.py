"""The site is whole: every page, every record, every floor."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.tables import DOCS, page

ROOT = DOCS.parent


def test_every_page_is_in_the_navigation() -> None:
    """A page would be written and found by nobody."""
    named = set(re.findall(r"[\w/.-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert {name for name in pages if not re.match(r"decisions/\d", name)} == named


def test_every_record_is_shown() -> None:
    """Output would be recorded and kept up for no page."""
    shown = {name for path in DOCS.rglob("*.md") for name in re.findall(r'"recorded/([\w-]+)\.txt"', path.read_text())}
    assert {path.stem for path in (DOCS / "recorded").glob("*.txt")} == shown


def test_what_the_first_page_of_the_project_quotes_was_printed() -> None:
    """Whoever reads the README would be promised other figures than are printed (./dev docs --record)."""
    shown = [*(DOCS / "recorded").glob("demo-*.txt"), DOCS / "recorded" / "check.txt"]
    printed = {line for path in shown for line in path.read_text().splitlines()}
    quoted = re.findall(r"```text\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert quoted
    assert {line for block in quoted for line in block.splitlines()} <= printed


def test_every_floor_has_a_page_of_reference() -> None:
    """A part of the package would have no reference."""
    floors = {path.parent.name for path in (ROOT / "src" / "leverline").glob("*/__init__.py")} - {"cli"}
    assert {path.stem for path in (DOCS / "reference").glob("*.md")} - {"index"} == floors
    for floor in floors:
        assert f"floor: {floor}\n" in page(f"reference/{floor}.md")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mkdocs") is None, reason="the documentation's tools are not installed")
def test_the_site_builds_without_a_warning_and_asks_nothing_of_other_hosts(tmp_path: Path) -> None:
    """A link would lead nowhere, a formula would not be drawn, or a reader's browser would be sent to a third party."""
    done = subprocess.run(["mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],  # noqa: S603, S607
                          cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for built in tmp_path.rglob("*.html"):
        text = built.read_text(encoding="utf-8")
        assert 'class="arithmatex"' not in text, built.name
        assert not re.search(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(?:https?:)?//', text), built.name
