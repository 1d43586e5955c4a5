"""Code in the concept pages prints what the page says it prints."""

from __future__ import annotations

import contextlib
import io
import re

import pytest

from tests.docs.tables import page


@pytest.mark.parametrize("name", [
    "concepts/caps.md", "concepts/exposure.md", "concepts/health.md", "concepts/pre-trade.md",
                                  "concepts/insurance-fund.md", "concepts/offsets.md",
    "concepts/reproduction.md"])
def test_code_prints_what_the_page_shows(name: str) -> None:
    """A reader who runs the page would see other numbers, or an error."""
    blocks = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", page(name), re.DOTALL)
    assert blocks
    for code, shown in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, name, "exec"), {})  # noqa: S102 - our own page
        assert printed.getvalue() == shown
