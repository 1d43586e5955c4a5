"""The synthetic report, built once."""

from __future__ import annotations

import pytest

from leverline.report.content import ReportContent
from leverline.report.html import page
from tests.report.synthetic import report_content


@pytest.fixture(scope="session")
def content() -> ReportContent:
    """Three markets, five years, a crash."""
    return report_content()


@pytest.fixture(scope="session")
def document(content: ReportContent) -> str:
    """The page of ``content``."""
    return page(content)
