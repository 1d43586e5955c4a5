"""Thirty minutes of Bitstamp BTC/USD, order by order and trade by trade, from the package ``ob-analytics``.

A live capture of 2026-05-02 02:36 to 03:06 UTC. The orders file is a gzip-compressed CSV ``id, timestamp,
exchange_timestamp, price, volume, action, direction``; the book that stood at its start is in it as 6,512 created
orders at one time, and what still rests at its end as 6,518 deleted ones, so every order has a whole life. Both files
have the recorder's time beside the exchange's; the exchange's is taken. The package is neither installed nor imported.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import replace
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from leverline.ground.errors import refuse
from leverline.market.columns import refuse_first
from leverline.market.sources.dataset_kinds import LEVEL3, Level3Table
from leverline.market.sources.dataset_kinds import TRADES as TRADES_KIND
from leverline.market.sources.files import Layout, csv_frame
from leverline.market.sources.package_dataset import PackageDataset
from leverline.market.sources.trade_files import read_trades
from leverline.market.trades import Trades

SYMBOL = "BTC/USD"
_SCHEMA = {"id": pl.Int64, "timestamp": pl.Int64, "exchange_timestamp": pl.Int64, "price": pl.Float64,
           "volume": pl.Float64, "action": pl.String, "direction": pl.String}
_LAYOUT = Layout(tuple(_SCHEMA), f"columns are {','.join(_SCHEMA)}")
_MAX_UNPACKED_BYTES = 256 << 20


def read_orders(dataset: PackageDataset[Level3Table], file: Path) -> Level3Table:
    """The events in the order of the file, which ``seq`` counts from 0."""
    try:
        with gzip.open(file) as stream:
            content = stream.read(_MAX_UNPACKED_BYTES + 1)
        if len(content) > _MAX_UNPACKED_BYTES:
            refuse(f"unpacks to more than {_MAX_UNPACKED_BYTES} bytes", file=file.name)
        table = csv_frame(content, file.name, layout=_LAYOUT).select(pl.col(n).cast(t) for n, t in _SCHEMA.items())
    except (PolarsError, OSError, EOFError, zlib.error) as error:
        refuse(f"is not the expected table: {error}", file=file.name)
    for cells in table:
        refuse_first(cells.is_null(), cells, "the cell is empty", file.name, cells.name)
    frame = table.select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("seq"),
        (pl.col("exchange_timestamp") * 1_000_000).cast(pl.Datetime("ns", "UTC")).alias("ts"),
        pl.lit(SYMBOL).alias("symbol"), pl.col("id").alias("order_id"), "action", pl.col("direction").alias("side"),
        "price", "volume")
    return Level3Table(frame, (dataset.provenance(frame.height),))


def read_matches(dataset: PackageDataset[tuple[Trades, ...]], file: Path) -> tuple[Trades, ...]:
    """The trades under the rules that hold for every input, with the dataset's origin, licence and hash."""
    (trades,) = read_trades(file, symbol=SYMBOL)
    source = dataset.provenance(len(trades))
    findings = tuple(replace(finding, file=source.name) for finding in trades.findings)
    return (replace(trades, files=(source,), findings=findings),)


_ORIGIN = "live capture of Bitstamp's public order and trade channels by the author of the package"
_LICENCE = "GPL-2.0-or-later (the package's)"

EVENTS = PackageDataset(
    name="ob-analytics", package="ob-analytics", version="0.1.0", member="ob_analytics/_sample_data/orders.csv.gz",
    sha256="880501e94fb43942b7f98cbc37bab421d72703d85898aae8de5da117bf62cdfc", any_platform=True,
    origin=_ORIGIN, licence=_LICENCE,
    description="Bitstamp BTC/USD, 314,057 level-3 events of 30 minutes, 2026-05-02 02:36 to 03:06 UTC",
    notes=("the book at the start is 6,512 created orders, what rests at the end 6,518 deleted ones: not market events",
           "half an hour of a calm market: no evidence of depth under stress"),
    kind=LEVEL3, read=read_orders,
)

TRADES = PackageDataset(
    name="ob-analytics-trades", package="ob-analytics", version="0.1.0", member="ob_analytics/_sample_data/trades.csv",
    sha256="9fd0dd86023b71eed49026b9b8e8a45d06d2578ced69393ad696f37233e9c795", any_platform=True,
    origin=_ORIGIN, licence=_LICENCE, description="Bitstamp BTC/USD, the 284 trades of the same 30 minutes",
    notes=("trade numbers run over all markets of the venue: a hole in them is no missing trade",),
    kind=TRADES_KIND, read=read_matches,
)
