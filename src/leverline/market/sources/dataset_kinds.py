"""The kinds of content that datasets have: bars, trades, level-3 events, exchange brackets."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from leverline.ground.files import replacing, write_text
from leverline.market.bars import Bars
from leverline.market.brackets import ExchangeBracket, ExchangeBrackets
from leverline.market.sources.package_dataset import DatasetKind
from leverline.market.times import iso
from leverline.market.trades import Trades
from leverline.market.writing import write_bars
from leverline.model.provenance import DataFile

BRACKET_COLUMNS = ("symbol", "tier", "currency", "notional_floor", "notional_cap", "max_leverage",
                   "maintenance_margin_rate", "maintenance_deduction")


TABLE = (".csv", ".parquet")


@dataclass(frozen=True, slots=True)
class Level3Table:
    """Order-by-order events in the layout of level-3 files, not yet judged.

    ``frame`` has ``seq, ts, symbol, order_id, action, side, price, volume``, in the order of the feed. It is an Arrow
    object, so the reader of level-3 files takes it as it takes a file.
    """

    frame: pl.DataFrame
    files: tuple[DataFile, ...]

    def __len__(self) -> int:
        return self.frame.height

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The events as an Arrow stream."""
        return self.frame.__arrow_c_stream__(requested_schema)


def write_trades(markets: tuple[Trades, ...], path: Path) -> None:
    """Write ``symbol, ts, price, size, side`` of all markets, as CSV or Parquet by the name's suffix."""
    frame = pl.concat(
        pl.DataFrame({
            "symbol": pl.repeat(trades.symbol, len(trades), dtype=pl.String, eager=True),
            "ts": pl.Series(trades.ts).cast(pl.Datetime("ns", "UTC")), "price": trades.price, "size": trades.size,
            "side": pl.Series(trades.aggressor).replace_strict({1: "buy", -1: "sell"}, return_dtype=pl.String),
        }) for trades in markets)
    write_table(frame, path)


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write a table whose ``ts`` is a time, whole or not at all."""
    with replacing(path) as part:
        if path.suffix.lower() == ".csv":
            frame.with_columns(pl.col("ts").dt.strftime("%Y-%m-%dT%H:%M:%S%.9fZ")).write_csv(part)
        else:
            frame.write_parquet(part, compression="zstd")


def write_brackets(brackets: ExchangeBrackets, path: Path) -> None:
    """Write brackets as ccxt's JSON (``info.cum`` is the deduction), or as CSV (:data:`BRACKET_COLUMNS`)."""
    if path.suffix.lower() == ".json":
        document = {symbol: [_ccxt(row) for row in rows] for symbol, rows in brackets.by_symbol().items()}
        write_text(path, json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
        return
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(BRACKET_COLUMNS)
    writer.writerows(["" if (cell := getattr(row, name)) is None else cell for name in BRACKET_COLUMNS]
                     for row in brackets.rows)
    write_text(path, out.getvalue())


def _ccxt(row: ExchangeBracket) -> dict[str, Any]:
    return {"tier": row.tier, "symbol": row.symbol, "currency": row.currency, "minNotional": row.notional_floor,
            "maxNotional": row.notional_cap, "maintenanceMarginRate": row.maintenance_margin_rate,
            "maxLeverage": row.max_leverage, "info": {"cum": row.maintenance_deduction}}


def _of_bars(bars: Bars) -> dict[str, Any]:
    return {"rows": len(bars), "symbols": list(bars.symbols), "first": iso(int(bars.ts.min())),
            "last": iso(int(bars.ts.max()))}


def _of_trades(markets: tuple[Trades, ...]) -> dict[str, Any]:
    return {"rows": sum(map(len, markets)), "symbols": [trades.symbol for trades in markets],
            "first": iso(min(int(trades.ts[0]) for trades in markets)),
            "last": iso(max(int(trades.ts[-1]) for trades in markets))}


def _of_events(events: Level3Table) -> dict[str, Any]:
    times = events.frame["ts"].to_physical().to_numpy()
    return {"rows": len(events), "symbols": events.frame["symbol"].unique(maintain_order=True).to_list(),
            "first": iso(int(times.min())), "last": iso(int(times.max()))}


def _of_brackets(brackets: ExchangeBrackets) -> dict[str, Any]:
    return {"rows": len(brackets), "symbols": list(brackets.symbols), "first": None, "last": None}


BARS: DatasetKind[Bars] = DatasetKind("bars", TABLE, write_bars, _of_bars)
TRADES: DatasetKind[tuple[Trades, ...]] = DatasetKind("trades", TABLE, write_trades, _of_trades)
LEVEL3: DatasetKind[Level3Table] = DatasetKind(
    "level-3 events", TABLE, lambda events, path: write_table(events.frame, path), _of_events)
BRACKETS: DatasetKind[ExchangeBrackets] = DatasetKind("brackets", (".json", ".csv"), write_brackets, _of_brackets)
