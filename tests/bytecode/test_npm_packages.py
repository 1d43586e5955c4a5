"""Packages are taken only as they were pinned."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from tests.bytecode import npm_packages
from tests.bytecode.npm_packages import NpmPackage, UnavailableError, unpacked


def deliver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes) -> NpmPackage:
    """Stand in for npm with an archive of one file; the package pinned to that archive."""
    monkeypatch.setenv("LEVERLINE_CACHE", str(tmp_path / "cache"))
    archive = tmp_path / "sample.tgz"
    with tarfile.open(archive, "w:gz") as members:
        member = tarfile.TarInfo("package/sample.txt")
        member.size = len(content)
        members.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(npm_packages, "_packed", lambda package, folder: archive)
    return NpmPackage("@leverline/sample", "1.0.0", hashlib.sha256(archive.read_bytes()).hexdigest())


def test_a_package_is_unpacked_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every run would download the venues anew."""
    package = deliver(monkeypatch, tmp_path, b"bytecode")
    assert (unpacked(package) / "sample.txt").read_bytes() == b"bytecode"
    monkeypatch.setattr(npm_packages, "_packed", None)
    assert (unpacked(package) / "sample.txt").read_bytes() == b"bytecode"
    assert [path.name for path in (tmp_path / "cache" / "npm").iterdir()] == [package.folder.name]


def test_a_changed_package_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Our rules would be proven against code that is not the venue's."""
    pinned = NpmPackage("@leverline/sample", "1.0.0", "0" * 64)
    deliver(monkeypatch, tmp_path, b"other bytecode")
    with pytest.raises(ValueError, match="hashes to"):
        unpacked(pinned)
    assert not pinned.folder.exists()


def test_a_machine_without_npm_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tests would fail, not be skipped, for someone who only changes documentation."""
    monkeypatch.setenv("LEVERLINE_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnavailableError, match="npm is not installed"):
        unpacked(NpmPackage("@leverline/sample", "1.0.0", "0" * 64))
