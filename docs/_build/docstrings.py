"""The house's docstrings for the site: what they write in reStructuredText is turned into Markdown before rendering."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:func|class|meth|data|mod|attr|obj):`~?([^`]+)`")
_INLINE_FORMULA = re.compile(r":math:`([^`]+)`")
_FORMULA = re.compile(r"^(?P<indent> *)\.\. math::(?P<first>[^\n]*)\n(?P<rest>(?:(?P=indent) +\S[^\n]*\n|\n)*)", re.MULTILINE)
_SIMPLE_TABLE = re.compile(r"^=+(?: +=+)+\n(?:.*\n)*?=+(?: +=+)+\n(?:.*\n)*?=+(?: +=+)+$", re.MULTILINE)


class Markdown(griffe.Extension):
    """Rewrites every docstring once it is collected."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by griffe for each module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value)


def to_markdown(text: str) -> str:
    """``text`` with roles as code, formulas between dollar signs and simple tables as preformatted text."""
    text = _SIMPLE_TABLE.sub(lambda found: f"```text\n{found[0]}\n```", text)
    text = _FORMULA.sub(_block, text + "\n").rstrip("\n")
    text = _INLINE_FORMULA.sub(lambda found: f"\\({found[1]}\\)", text)
    return _ROLE.sub(lambda found: f"`{found[1].rsplit('.', 1)[-1]}`", text)


def _block(found: re.Match[str]) -> str:
    body = " ".join(part.strip() for part in (found["first"], *found["rest"].splitlines()) if part.strip())
    indent = found["indent"]
    return f"\n{indent}\\[ {body} \\]\n\n"
