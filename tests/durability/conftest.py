"""What these tests need of the system."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.durability.judging import quick_folder


@pytest.fixture
def quick() -> Iterator[Path]:
    """A folder where no sync is waited for."""
    with quick_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def fiu_run() -> str:
    """libfiu's launcher; where LEVERLINE_FIU is "required", as in our own checks, its absence fails: a skip there would
    go unseen."""
    found = shutil.which("fiu-run")
    if found is None:
        if os.environ.get("LEVERLINE_FIU") == "required":
            pytest.fail("fiu-run is absent: see .ci/system-packages")
        pytest.skip("fiu-run is absent (Debian: fiu-utils)")
    return found
