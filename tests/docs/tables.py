"""Tables of a Markdown page, as the tests read them."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def page(name: str) -> str:
    """The text of a page of the documentation."""
    return (DOCS / name).read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next heading of its level or above."""
    level, start = next((len(m[1]), m.end()) for m in re.finditer(r"^(#+) (.+)$", text, re.MULTILINE) if m[2] == title)
    end = re.search(rf"^#{{1,{level}}} ", text[start:], re.MULTILINE)
    return text[start : start + end.start()] if end else text[start:]


def rows(text: str, first: str) -> list[list[str]]:
    """Cells of every row of the tables whose heading row starts with ``first``."""
    found = []
    for table in re.findall(rf"^\| *{re.escape(first)} *\|[^\n]*\n\|[-:| ]+\n((?:\|[^\n]*\n?)*)", text, re.MULTILINE):
        found += [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines()]
    return found


def names(text: str, first: str = "key") -> list[str]:
    """What stands between back-ticks in the first cells of those tables, in order."""
    return [name for cells in rows(text, first) for name in re.findall(r"`([^`]+)`", cells[0])]
