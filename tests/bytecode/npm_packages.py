"""Packages of the npm registry, through the user's own npm: pinned by hash, unpacked once into the cache.

No script of a package runs when it is unpacked. Nothing of them is kept in this repository: the venues' licences
let everyone use the code, not everyone hand it on.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from leverline.ground.files import cache_directory, sha256

TIMEOUT_S = 300
PATIENCE = ("--fetch-retries=1", "--fetch-retry-mintimeout=2000")
"""Without a network npm would try for more than a minute before it says so."""


class UnavailableError(Exception):
    """The package cannot be had here: no npm, or no registry."""


@dataclass(frozen=True, slots=True)
class NpmPackage:
    """A package and the SHA-256 of its archive."""

    name: str
    version: str
    sha256: str

    @property
    def folder(self) -> Path:
        """Where it is unpacked, named by its content."""
        return cache_directory() / "npm" / f"{self.name.strip('@').replace('/', '-')}-{self.version}-{self.sha256[:16]}"


def unpacked(package: NpmPackage) -> Path:
    """The folder of the package's files, fetched if it is not there yet.

    Raises UnavailableError where it cannot be fetched, ValueError where the archive is not the one that was pinned.
    """
    if not package.folder.is_dir():
        package.folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="leverline-", dir=package.folder.parent) as scratch:
            archive = _packed(package, Path(scratch))
            got = sha256(archive)
            if got != package.sha256:
                raise ValueError(f"{package.name} {package.version} hashes to {got}, not to {package.sha256}")
            with tarfile.open(archive) as members:
                # the first releases of Python 3.11 have no filter
                members.extraction_filter = getattr(tarfile, "data_filter", None)
                members.extractall(scratch)  # noqa: S202 - its hash is the pinned one
            put_in_place(Path(scratch) / "package", package.folder)
    return package.folder


def put_in_place(made: Path, target: Path) -> None:
    """Rename ``made`` to ``target``, unless another process was faster."""
    try:
        made.rename(target)
    except OSError:
        if not target.exists():
            raise


def _packed(package: NpmPackage, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError("npm is not installed")
    requirement = f"{package.name}@{package.version}"
    try:
        done = subprocess.run(  # noqa: S603 - the command is ours, the package a constant
            [npm, "pack", "--loglevel=error", *PATIENCE, "--pack-destination", str(folder), requirement],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, cwd=folder, check=False, text=True,
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{package.name} was not downloaded within {TIMEOUT_S} s") from error
    archives = sorted(folder.glob("*.tgz"))
    if done.returncode != 0 or not archives:
        said = "; ".join(done.stderr.strip().splitlines()[:3])
        raise UnavailableError(f"npm does not bring {requirement}: {said}")
    return archives[0]
