"""Bars written in the normal form: sorted, unified times, one header; CSV or Parquet by the name's suffix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from leverline.ground.errors import UsageError
from leverline.ground.files import replacing
from leverline.market.bars import NS_PER_S, Bars


def write_bars(bars: Bars, path: Path) -> None:
    """Write ``symbol, ts, [open, high, low,] close[, volume]``, whole or not at all.

    Columns that no bar has are left out; a value that a bar has not is an empty cell (CSV) or null (Parquet). Masks
    and listings are not written: reading derives them again.
    """
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise UsageError(f"cannot tell a format from {path.name!r}", remedy="name it .csv or .parquet")
    frame = bars_frame(bars)
    with replacing(path) as part:
        if suffix == ".csv":
            whole = not bool((bars.ts % NS_PER_S).any())
            frame.with_columns(pl.col("ts").dt.strftime("%Y-%m-%dT%H:%M:%SZ" if whole else "%Y-%m-%dT%H:%M:%S%.9fZ")
                               ).write_csv(part)
        else:
            frame.write_parquet(part, compression="zstd")


def bars_frame(bars: Bars) -> pl.DataFrame:
    """The bars as a table with ``ts`` in ns UTC; NaN is null, columns without a value are left out."""
    names = np.repeat(np.array(bars.symbols, dtype=object), np.diff(bars.offsets))
    columns = {"symbol": pl.Series(names, dtype=pl.String),
               "ts": pl.Series(bars.ts).cast(pl.Datetime("ns", "UTC"))}
    for name in ("open", "high", "low", "close", "volume"):
        values = getattr(bars, name)
        if np.isfinite(values).any():
            columns[name] = pl.Series(values).fill_nan(None)
    return pl.DataFrame(columns)
