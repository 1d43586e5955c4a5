"""Files written whole or not at all, and where the cache lies."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from leverline.ground.errors import LeverlineError
from leverline.ground.files import cache_directory, replacing, sha256, write_text


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """A reader could open a limit book of which half is yesterday's."""
    target = tmp_path / "deep" / "book.json"
    write_text(target, "old")
    with replacing(target) as part:
        part.write_text("new", encoding="utf-8")
        assert target.read_text(encoding="utf-8") == "old"
        assert part.parent == target.parent  # a rename across file systems is no rename
    assert target.read_text(encoding="utf-8") == "new"
    assert [p.name for p in target.parent.iterdir()] == ["book.json"]


def torn_by(failure: BaseException, target: Path) -> None:
    with replacing(target) as part:
        part.write_text("torn", encoding="utf-8")
        raise failure


@pytest.mark.parametrize("failure", [RuntimeError("calibration failed"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path, failure: BaseException) -> None:
    """An interrupted run would leave a torn book, or a folder full of partial ones."""
    target = tmp_path / "book.json"
    write_text(target, "old")
    with pytest.raises(type(failure)):
        torn_by(failure, target)
    assert target.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["book.json"]


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    """The user would see a traceback out of the standard library after minutes of work."""
    file = tmp_path / "file"
    file.write_text("x", encoding="utf-8")
    with pytest.raises(LeverlineError, match=r"cannot write .*book\.json") as raised:
        write_text(file / "book.json", "text")
    assert raised.value.exit_code == 1
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(LeverlineError, match="cannot write"):
        write_text(folder, "text")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_written_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    """Colleagues could not read the book: temporary files are private to their owner."""
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "book.json", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "book.json").stat().st_mode & 0o777 == 0o640


def test_sha256_is_of_the_bytes(tmp_path: Path) -> None:
    """Provenance would name another file than the one that was read."""
    path = tmp_path / "x"
    path.write_bytes(b"a\r\nb\n")
    assert sha256(path) == hashlib.sha256(b"a\r\nb\n").hexdigest()


def test_the_cache_lies_where_the_user_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with a small home would fill it although it named another place."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LEVERLINE_CACHE", raising=False)
    assert cache_directory() == tmp_path / ".cache" / "leverline"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory() == tmp_path / "xdg" / "leverline"
    monkeypatch.setenv("LEVERLINE_CACHE", str(tmp_path / "own"))
    assert cache_directory() == tmp_path / "own"


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's nameless user would see a traceback instead of a remedy."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LEVERLINE_CACHE", raising=False)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(LeverlineError, match="LEVERLINE_CACHE"):
        cache_directory()
