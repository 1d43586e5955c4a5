"""What the site needs beyond Markdown: formulas as MathML, reference pages that list their floor, decisions by number.

Formulas are converted when the site is built, so the reader's browser draws them without a script or a font of ours.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert

ROOT = Path(__file__).parents[2]
_FORMULA = re.compile(r'<(span|div) class="arithmatex">(.*?)</\1>', re.DOTALL)


def on_config(config: Any) -> Any:
    """Put every decision into the navigation, under the entry that the configuration has for them."""
    for entry in config.nav:
        if "Decisions" in entry:
            entry["Decisions"] = ["decisions/index.md", *({title: f"decisions/{name}"} for name, title in decisions())]
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Append to a page with ``floor: NAME`` the modules of that floor, and to ``list: decisions`` the decisions."""
    floor = page.meta.get("floor")
    if floor:
        markdown += "\n\n" + "\n\n".join(f"::: {module}" for module in modules_of(floor))
    if page.meta.get("list") == "decisions":
        markdown += "\n\n" + "\n".join(f"- [{title}]({name})" for name, title in decisions())
    return markdown


def on_page_content(content: str, **_: Any) -> str:
    """Replace every formula that arithmatex marked by MathML."""
    return _FORMULA.sub(lambda found: _mathml(found[2], block=found[1] == "div"), content)


def modules_of(floor: str) -> list[str]:
    """Dotted names of the public modules of a floor, packages before what is in them."""
    folder = ROOT / "src" / "leverline"
    names = []
    for path in sorted((folder / floor).rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        if path.name == "__init__.py" or any(part.startswith("_") for part in parts):
            continue
        names.append(".".join(parts))
    return names


def decisions() -> list[tuple[str, str]]:
    """File name of each decision in order, and its title with the number of the file."""
    found = []
    for path in sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# 0123456789.:")
        found.append((path.name, f"{int(path.name[:4])}. {title[0].upper()}{title[1:]}"))
    return found


def _mathml(text: str, *, block: bool) -> str:
    """The formula between ``\\(`` and ``\\)`` or ``\\[`` and ``\\]`` as MathML."""
    latex = html.unescape(re.sub(r"<[^>]+>", "", text)).strip()[2:-2]
    return convert(latex, display="block" if block else "inline")
