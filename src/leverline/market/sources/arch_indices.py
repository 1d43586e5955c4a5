"""Two equity indices, daily 1999 to 2018, from the package ``arch``: markets that close overnight and at weekends.

CSV with ``Date`` (M/D/YYYY, the trading day), ``Open, High, Low, Close, Adj Close, Volume``; we read the close, not the
adjusted one (an index pays nothing). A bar is stamped at 00:00 UTC of its trading day.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from leverline.ground.errors import MalformedInputError, Place
from leverline.market.bars import Bars
from leverline.market.sources.dataset_kinds import BARS
from leverline.market.sources.package_dataset import PackageDataset, bars_of


def read_index(dataset: PackageDataset[Bars], file: Path) -> Bars:
    """One symbol, the dataset's name in capitals."""
    day = pl.col("Date").str.to_datetime("%m/%d/%Y", time_unit="us", time_zone="UTC").alias("ts")
    prices = (pl.col(name).cast(pl.Float64).alias(name.lower()) for name in ("Open", "High", "Low", "Close", "Volume"))
    try:
        table = pl.read_csv(file, infer_schema=False)
        frame = table.select(pl.lit(dataset.name.upper()).alias("symbol"), day, *prices)
    except PolarsError as error:
        raise MalformedInputError(f"is not the expected table: {error}", place=Place(file.name)) from error
    return bars_of(dataset, frame)


SP500 = PackageDataset(
    name="sp500", package="arch", version="8.0.0", member="arch/data/sp500/sp500.csv.gz",
    sha256="1e028cbb9c400cc018c816ccc439b33c919387e726c3ed5ca2c05c82746059de", any_platform=False,
    origin="S&P 500 index levels in the layout of Yahoo Finance; the package names no source",
    licence="NCSA (the package's; it states none for the figures)",
    description="S&P 500, daily, 1999-01-04 to 2018-12-31", kind=BARS, read=read_index,
    notes=("weekends and holidays are gaps", "volume counts the shares of the constituents"),
)

NASDAQ = replace(
    SP500, name="nasdaq", member="arch/data/nasdaq/nasdaq.csv.gz",
    sha256="b2009535343ebb14e0aa11ed086788d2997a416ffe4f9450eed9a561ae30ac59",
    origin="NASDAQ Composite index levels in the layout of Yahoo Finance; the package names no source",
    description="NASDAQ Composite, daily, 1999-01-04 to 2018-12-31",
)
