"""Binance's leverage brackets as the package ``freqtrade`` carries them, in ccxt's form with Binance's own under it.

The file does not say when it was taken; its place in the wheel is dated 2026-09-29. It is read as a file: the package
is neither installed nor imported.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from leverline.market.brackets import ExchangeBrackets
from leverline.market.sources.bracket_files import read_brackets
from leverline.market.sources.dataset_kinds import BRACKETS
from leverline.market.sources.package_dataset import PackageDataset


def read_packaged(dataset: PackageDataset[ExchangeBrackets], file: Path) -> ExchangeBrackets:
    """Brackets of every market, with the dataset's origin, licence and hash."""
    brackets = read_brackets(file)
    source = dataset.provenance(len(brackets))
    findings = tuple(replace(finding, file=source.name) for finding in brackets.findings)
    return replace(brackets, files=(source,), findings=findings)


BINANCE_BRACKETS = PackageDataset(
    name="freqtrade", package="freqtrade", version="2026.9",
    member="freqtrade/exchange/binance_leverage_tiers.json",
    sha256="062a97a5cd1d01053e6da9e221ed1699e86c5d637cbb917886e64bc10b9e9977", any_platform=True,
    origin="Binance's leverageBracket end point (USD-M futures), as collected by the freqtrade project",
    licence="GPLv3 (the package's; the figures are Binance's published terms)",
    description="leverage brackets of 907 Binance futures markets, as of 2026-09-29 at the latest",
    notes=("the file states no time of its own; in the wheel it is dated 2026-09-29",
           "notionals are in the currency of the bracket"),
    kind=BRACKETS, read=read_packaged,
)
