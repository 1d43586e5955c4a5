"""What the price of a reserve's asset has done inside a day: the evidence that a threshold is held against.

Worst falls after every bar of the asset's whole history, their quantile with an interval from resampled blocks of days,
the worst day of a pegged asset's ratio, and the calibrator's own quantile as of the last bar.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from leverline.calibrate.margin_period import loss_curves
from leverline.calibrate.pegged import peg_measures
from leverline.evidence.experiments.aave_reserves import BINANCE_HOURLY, PEGGED, PRICE_SERIES
from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import InsufficientDataError
from leverline.market.bars import Bars, Panel
from leverline.market.reading import read_bars
from leverline.measure.loss_models import DEFAULT_MODEL, loss_model
from leverline.measure.losses import worst_losses
from leverline.measure.resampling import date_weights, default_block
from leverline.model.appetite import SECONDS_PER_DAY, RiskAppetite

Series = tuple[str, str]
"""A file and a symbol in it."""
LEVEL = 0.995
"""Of days: the perp-dex profile's confidence. At one day it is what the thresholds are held to."""
DRAWS = 1000
SEED = 218


@dataclass(frozen=True, slots=True)
class PriceRecord:
    """What a price series says of one day: worst falls (n,) after each bar of ``days`` days, their quantile with its
    interval, the model's own.

    ``event`` is the worst fall of a pegged asset's ratio inside a day, 0 for others: it came once, and once
    is enough. ``modelled`` is the calibrator's loss quantile at the last bar, of ``last_day`` and ``last_price``.
    """

    falls: FloatArray
    days: int
    quantile: float
    low: float
    high: float
    event: float
    modelled: float
    last_day: str
    last_price: float


def price_records(path: Path, appetite: RiskAppetite) -> dict[Series, PriceRecord]:
    """Record of every series of the file that some reserve needs."""
    wanted = sorted({series for series in PRICE_SERIES.values() if series[0] == path.name})
    bases = {base for (file, _), base in PEGGED.items() if file == path.name and base is not None}
    bars = read_series(path, sorted({name for _, name in wanted} | bases))
    rng = np.random.default_rng(SEED)
    found = {series: price_record(bars, series, appetite, rng) for series in wanted}
    return {series: record for series, record in found.items() if record is not None}


def read_series(path: Path, names: list[str]) -> Bars:
    """Bars of ``names`` in a Parquet file; a column ``price_usd`` is read as the close."""
    frame = pl.read_parquet(path).filter(pl.col("symbol").is_in(names))
    if "price_usd" in frame.columns:
        frame = frame.rename({"price_usd": "close"}).with_columns(pl.col("ts").dt.truncate("1h"))
        frame = frame.unique(["symbol", "ts"], keep="last", maintain_order=True).sort("symbol", "ts")
    return read_bars(frame.select([c for c in ("symbol", "ts", "open", "high", "low", "close", "volume")
                                   if c in frame.columns]))


def price_record(
    bars: Bars, series: Series, appetite: RiskAppetite, rng: np.random.Generator
) -> PriceRecord | None:
    """Falls inside a day and their quantile as of the series' own last bar; None where the model cannot speak."""
    peg = PEGGED.get(series)
    panel = Panel.of(bars.select([series[1], *([] if peg is None else [peg])]))
    column, model = panel.newest[series[1]], loss_model(DEFAULT_MODEL)
    horizon = np.array([SECONDS_PER_DAY])
    own = loss_curves(panel, horizon, appetite, model, None)
    modelled, event = float(own.of(column).at(horizon)[0, 0]), 0.0
    if series in PEGGED:
        base = None if peg is None else panel.newest[peg]
        try:
            measures = peg_measures(panel, column, base, horizon, appetite, model, None, reference_name=peg or "USD",
                                    reference_losses=None if base is None else own.of(base))
        except InsufficientDataError:
            return None
        modelled, event = max(modelled, float(measures.loss(horizon)[0])), float(measures.record.worst_loss[0])
    per_day = max(1, round(panel.bars_per_day))
    loss = worst_losses(panel, per_day).loss[:, column, 0]
    falls = loss[np.isfinite(loss)]
    if not np.isfinite(modelled) or falls.size * (1.0 - LEVEL) < per_day:
        return None
    day_of = np.unique(np.flatnonzero(np.isfinite(loss)) // per_day, return_inverse=True)[1]
    low, high = quantile_interval(falls, day_of, rng)
    seen = np.flatnonzero(np.isfinite(panel.close[:, column]))
    day = str(np.datetime64(int(panel.ts[seen[-1]]), "ns").astype("datetime64[D]"))
    return PriceRecord(falls, int(day_of[-1]) + 1, float(np.quantile(falls, LEVEL)), low, high, event, modelled, day,
                       float(panel.close[seen[-1], column]))


def quantile_interval(falls: FloatArray, day_of: IntArray, rng: np.random.Generator) -> tuple[float, float]:
    """95 % interval of the quantile at :data:`LEVEL` of ``falls`` (n,) from resampled blocks of days.

    ``day_of`` (n,) numbers the day in which each window opened: the windows of a day are drawn together.
    """
    days = int(day_of.max()) + 1
    weights = date_weights(days, default_block(days), DRAWS, rng)
    order = np.argsort(falls, kind="stable")
    rising, day = falls[order], day_of[order]
    drawn = np.empty(DRAWS)
    for k, weight in enumerate(weights):
        reached = np.cumsum(weight[day])
        drawn[k] = rising[int(np.searchsorted(reached, LEVEL * reached[-1]))]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def with_usdc_depeg(records: dict[Series, PriceRecord], path: Path) -> dict[Series, PriceRecord]:
    """The hourly file of USDC has a gap over March 2023: its depeg is read off bitcoin's price in dollars and in it.

    Of each hour the median over minutes in which both traded: a single minute of two thin books is not a price.
    """
    series = (BINANCE_HOURLY, "USDC")
    if series not in records:
        return records
    traded = pl.scan_parquet(path).filter((pl.col("venue") == "binance.us") & (pl.col("volume") > 0))
    dollars, coins = (traded.filter(pl.col("market") == market).select("ts", pl.col("close").alias(market))
                      for market in ("BTCUSD", "BTCUSDC"))
    hourly = (dollars.join(coins, on="ts").with_columns((pl.col("BTCUSD") / pl.col("BTCUSDC")).alias("price"))
              .group_by(pl.col("ts").dt.truncate("1h")).agg(pl.col("price").median()).collect())
    fell = max(records[series].event, 1.0 - min(hourly["price"].to_list()))
    return records | {series: replace(records[series], event=fell)}
