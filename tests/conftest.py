"""Fixtures that several floors share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The development data folder: LEVERLINE_DATA, or the folder beside the repository."""
    folder = Path(os.environ.get("LEVERLINE_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("the development data folder is absent")
    return folder
