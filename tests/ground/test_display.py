"""Results in a notebook."""

from __future__ import annotations

import pytest

from leverline.ground.display import ROWS_SHOWN, DisplayTable, number_text, percent_text


def test_text_cannot_become_markup() -> None:
    """A symbol that somebody else chose would run in the reader's notebook."""
    html = DisplayTable("<b>", ("<script>",), [("<img src=x>",)]).to_html()
    assert not any(evil in html for evil in ("<b>", "<script>", "<img"))
    assert "&lt;img src=x&gt;" in html


@pytest.mark.parametrize("extra", [0, 7])
def test_what_is_not_shown_is_counted(extra: int) -> None:
    """A reader would take the first rows of a long table for all of it."""
    html = DisplayTable("t", ("a",), [(str(i),) for i in range(ROWS_SHOWN + extra)]).to_html()
    assert html.count("<td>") == ROWS_SHOWN
    assert ("and 7 more" in html) == bool(extra)


def test_the_unknown_is_a_dash() -> None:
    """'nan %' in a notebook looks like a result."""
    assert percent_text(None) == percent_text(float("nan")) == number_text(None) == number_text(float("nan")) == "–"
    assert percent_text(0.0125) == "1.25 %"
    assert number_text(2_500_000) == "2,500,000"
