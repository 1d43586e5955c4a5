"""Fixtures that several floors share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)  # a landing never fails on the draw of an example
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The development data folder: LEVERLINE_DATA, or the folder beside the repository."""
    folder = Path(os.environ.get("LEVERLINE_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("the development data folder is absent")
    return folder
