"""What a user knows beside market data: facts of assets, actual accounts, the fund that there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from leverline.calibrate.caps import MarketFacts
from leverline.calibrate.collateral import NO_INPUTS, CollateralInputs, asset_of
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import refuse
from leverline.margin.reading_accounts import AccountInput
from leverline.market.columns import number_column, refuse_first, symbol_text
from leverline.market.sources.files import Layout, SourceTable, read_bytes, require_columns, table_of_bytes
from leverline.market.times import first_true
from leverline.measure.elasticity import Elasticity
from leverline.model.appetite import RiskAppetite
from leverline.model.provenance import DataFile

SEED = 20_251_010
"""Of every draw of the line: paths of the fund and of the buffer, the resampled correlations."""
ASSETS = Layout(("asset", "peg", "group", "holder_concentration", "market_value"),
                "assets have the columns asset[, peg, group, holder_concentration, market_value]")


@dataclass(frozen=True, slots=True)
class LineInputs:
    """All optional.

    ``market_value`` is that of all units of an asset, settlement currency. ``accounts`` are what the fund and the
    liquidity buffer are sized on, at the newest closes; without them every market is taken to be full to its caps.
    ``fund`` is what the insurance fund holds now, settlement currency: it bounds open interest. ``utilisation`` maps an
    asset to its pool's past (n,) and the seconds between two of its values. ``files`` are where all this was read.
    """

    collateral: CollateralInputs = NO_INPUTS
    market_value: Mapping[str, float] = field(default_factory=dict)
    accounts: AccountInput | None = None
    fund: float | None = None
    elasticity: Elasticity | None = None
    utilisation: Mapping[str, tuple[FloatArray, float]] = field(default_factory=dict)
    files: tuple[DataFile, ...] = ()

    def facts(self, symbols: tuple[str, ...], appetite: RiskAppetite) -> dict[str, MarketFacts]:
        """What caps are to know of each market; of the fund, no more than the appetite lets one market use."""
        share = 1.0 if appetite.fund is None else appetite.fund.market_share
        fund = None if self.fund is None else share * self.fund
        return {symbol: MarketFacts(market_value=self.market_value.get(asset_of(symbol) or symbol), fund=fund)
                for symbol in symbols}


NOTHING_KNOWN = LineInputs()


def read_assets(path: Path) -> tuple[CollateralInputs, dict[str, float], DataFile]:
    """Facts of assets out of a CSV or Parquet file, their market values, and the file.

    Columns: ``asset``, and of ``peg``, ``group``, ``holder_concentration`` and ``market_value`` any. A group's first
    row is its reference. Refuses (exit 2) an asset that stands twice, and numbers out of range.
    """
    table = table_of_bytes(read_bytes(path), path.name, ASSETS)
    require_columns(table, ("asset",), ASSETS)
    names = symbol_text(table.frame["asset"], table.file, noun="name of an asset")
    again = first_true(~names.is_first_distinct())
    if again is not None:
        refuse(f"{names[again]!r} stands in an earlier row already", file=table.file, row=again + 1, column="asset",
               remedy="give one row an asset")
    assets = names.to_list()
    groups: dict[str, tuple[str, ...]] = {}
    for asset, group in _words(table, "group", assets).items():
        groups[group] = (*groups.get(group, ()), asset)
    value = _numbers(table, "market_value", assets)
    inputs = CollateralInputs(
        pegs=_words(table, "peg", assets), groups=groups, market_value=value,
        holder_concentration=_numbers(table, "holder_concentration", assets, highest=1.0))
    return inputs, value, DataFile(name=table.file, sha256=table.sha256, rows=table.frame.height)


def _words(table: SourceTable, column: str, assets: list[str]) -> dict[str, str]:
    """Asset to its word in ``column``, where it has one."""
    if column not in table.frame.columns:
        return {}
    words = symbol_text(table.frame[column], table.file, noun=column, required=False).to_list()
    return {asset: word for asset, word in zip(assets, words, strict=True) if word}


def _numbers(table: SourceTable, column: str, assets: list[str], *, highest: float = np.inf) -> dict[str, float]:
    """Asset to its number in ``column``, where it has one; refused unless positive and at most ``highest``."""
    if column not in table.frame.columns:
        return {}
    cells = table.frame[column]
    numbers = number_column(cells, table.file, required=False, noun=column.replace("_", " "))
    refuse_first(numbers > highest, cells, f"{{}} is above {highest:g}", table.file, column)
    return {asset: number for asset, number in zip(assets, numbers.to_list(), strict=True)
            if number is not None and np.isfinite(number)}
