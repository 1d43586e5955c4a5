"""Files written whole or not at all, and the user's cache directory."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leverline.ground.errors import LeverlineError


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; rename it onto ``target`` on success, remove it on failure."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    except OSError as error:
        raise LeverlineError(f"cannot write {target}: {error.strerror}", remedy="choose another place") from error
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o666 & ~_umask())
        part.replace(target)
    except OSError as error:
        raise LeverlineError(f"cannot write {target}: {error.strerror}", remedy="choose another place") from error
    finally:
        part.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with replacing(target) as part:
        part.write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def cache_directory() -> Path:
    """Where leverline may keep what it can make or fetch again: ``LEVERLINE_CACHE``, else the XDG cache directory."""
    override = os.environ.get("LEVERLINE_CACHE")
    if override:
        return Path(override)
    shared = os.environ.get("XDG_CACHE_HOME")
    if shared:
        return Path(shared) / "leverline"
    try:
        return Path.home() / ".cache" / "leverline"
    except RuntimeError as error:  # a user without an entry and without HOME, as containers have
        raise LeverlineError("this user has no home directory", remedy="set LEVERLINE_CACHE") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
