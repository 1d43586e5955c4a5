"""The valuation as expressions of Polars: what one writes today over frames of positions, markets, holdings, assets.

Requirements are the largest of all brackets' lines; initial rates rise at every floor that the notional reaches. Frames
are made beforehand; what is timed is joins, expressions and group-bys. The streaming engine over lazy frames is the
fastest form we found: eager frames, the in-memory engine and gathers in place of the join take up to twice as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from leverline.ground.arrays import FloatArray
from leverline.margin.tables import MarginTables

ENGINE: Literal["streaming"] = "streaming"
_N = pl.col("notional")


@dataclass(frozen=True)
class PolarsBook:
    """Frames of one book; ``brackets`` and ``slices`` a market and an asset, the same number for all."""

    positions: pl.DataFrame  # pool, market, base, cost, owed (cost less the pool's counted holdings, once)
    markets: pl.DataFrame  # market, price, floor_k, initial_k, rate_k, deduction_k
    holdings: pl.DataFrame  # pool, asset, amount
    assets: pl.DataFrame  # asset, price, settles, floor_k, initial_k, maintenance_k, debt_initial, debt_maintenance
    pools: pl.DataFrame  # pool
    brackets: int
    slices: int


def polars_book(tables: MarginTables, counted: FloatArray) -> PolarsBook:
    """Frames of ``tables``; ``counted``: collateral less debt of each pool, which the sweep takes as given."""
    book, curves, assets = tables.book, tables.curves, tables.assets
    brackets, slices = int(curves.first[1]), int(assets.first_slice[1])
    owed = tables.cost.copy()
    owed[book.position_offsets[:-1]] -= counted
    return PolarsBook(
        positions=pl.DataFrame({"pool": book.pool_of_position().astype(np.uint32), "market": book.position_market,
                                "base": tables.base, "cost": tables.cost, "owed": owed}),
        markets=pl.DataFrame({"market": np.arange(len(book.markets), dtype=np.uint32), "price": tables.mark}
                             | _wide("floor", curves.floor, brackets) | _wide("initial", curves.initial_rate, brackets)
                             | _wide("rate", curves.maintenance_rate, brackets)
                             | _wide("deduction", curves.deduction, brackets)),
        holdings=pl.DataFrame({"pool": book.pool_of_holding().astype(np.uint32), "asset": book.holding_asset,
                               "amount": book.amount}),
        assets=pl.DataFrame({"asset": np.arange(len(book.assets), dtype=np.uint32), "price": assets.price_owned,
                             "settles": assets.is_settlement, "debt_initial": assets.debt_initial_weight,
                             "debt_maintenance": assets.debt_maintenance_weight}
                            | _wide("floor", assets.slice_floor, slices)
                            | _wide("initial", assets.initial_weight, slices)
                            | _wide("maintenance", assets.maintenance_weight, slices)),
        pools=pl.DataFrame({"pool": np.arange(book.n_pools, dtype=np.uint32)}),
        brackets=brackets, slices=slices,
    )


def health(book: PolarsBook, price: FloatArray) -> pl.DataFrame:
    """Pool and health at ``price`` (n_markets,), in the order that the group-by leaves."""
    markets = book.markets.lazy().select("market", pl.Series("price", price), "^rate_.*$", "^deduction_.*$")
    return (
        book.positions.lazy().select("pool", "market", "base", "owed").join(markets, on="market")
        .with_columns(worth=pl.col("base") * pl.col("price"))
        .with_columns(notional=pl.col("worth").abs())
        .select("pool", part=pl.col("worth") - pl.col("owed") - _maintenance(book.brackets))
        .group_by("pool").agg(health=pl.col("part").sum())
    ).collect(engine=ENGINE)


def full(book: PolarsBook, call_ratio: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """All columns of positions, in their order, and of pools: what a full valuation returns."""
    positions = (
        book.positions.lazy().drop("owed").join(book.markets.lazy(), on="market", how="left", maintain_order="left")
        .with_columns(delta=pl.col("base") * pl.col("price"))
        .with_columns(notional=pl.col("delta").abs(), pnl=pl.col("delta") - pl.col("cost"))
        .with_columns(initial_margin=_initial(book.brackets), maintenance_margin=_maintenance(book.brackets))
        .select("pool", "price", "notional", "pnl", "initial_margin", "maintenance_margin", "delta")
    )
    held = positions.group_by("pool").agg(
        pl.len().alias("held"), pl.col("pnl", "initial_margin", "maintenance_margin", "notional").sum(),
        profit=pl.col("pnl").clip(lower_bound=0.0).sum())
    pools = (
        book.pools.lazy().join(held, on="pool", how="left").join(_kept(book), on="pool", how="left")
        .with_columns(pl.all().fill_null(0))
        .with_columns(equity=pl.col("collateral") - pl.col("debt") + pl.col("pnl"),
                      adjusted_equity_initial=pl.col("counted_initial") + pl.col("pnl"),
                      adjusted_equity=pl.col("counted") + pl.col("pnl"))
    )
    pools = pools.select(*_outputs(call_ratio)).with_columns(_status())
    both = pl.collect_all([positions, pools], engine=ENGINE)
    return both[0], both[1]


def _kept(book: PolarsBook) -> pl.LazyFrame:
    """Values and counted values of holdings, a row a pool that has any."""
    value, is_debt = pl.col("value"), pl.col("amount") < 0.0
    counted = {name: pl.when(is_debt).then(-value * pl.col(f"debt_{name}")).otherwise(_sliced(name, book.slices))
               for name in ("initial", "maintenance")}
    return (
        book.holdings.lazy().join(book.assets.lazy(), on="asset", how="left")
        .with_columns(value=pl.col("amount").abs() * pl.col("price"))
        .select("pool", collateral=pl.when(~is_debt).then(value).otherwise(0.0),
                debt=pl.when(is_debt).then(value).otherwise(0.0),
                elsewhere=pl.when("settles").then(0.0).otherwise(value),
                counted_initial=counted["initial"], counted=counted["maintenance"],
                counted_debt=pl.when(is_debt).then(-counted["maintenance"]).otherwise(0.0))
        .group_by("pool").agg(pl.all().sum())
    )


def _outputs(call_ratio: float) -> list[pl.Expr]:
    """The columns of a pool, named as the valuation names them."""
    c = pl.col
    required = c("maintenance_margin") + c("counted_debt")
    free = c("adjusted_equity_initial") - c("initial_margin")
    health = c("adjusted_equity") - c("maintenance_margin")

    def of_equity(amount: pl.Expr) -> pl.Expr:
        return pl.when(c("equity") > 0.0).then(amount / c("equity")).otherwise(np.nan)

    return [
        c("pool"), c("equity"), c("collateral").alias("collateral_value"), c("debt").alias("debt_value"),
        c("pnl").alias("unrealized_pnl"), c("adjusted_equity_initial"), c("adjusted_equity"), c("initial_margin"),
        c("maintenance_margin"), health.alias("health"),
        pl.when(required > 0.0).then((c("adjusted_equity") + c("counted_debt")) / required).otherwise(np.inf)
        .alias("health_factor"),
        pl.when(c("held") == 0).then(np.nan).when(c("adjusted_equity") <= 0.0).then(np.inf)
        .otherwise(c("maintenance_margin") / c("adjusted_equity")).alias("margin_ratio"),
        of_equity(c("collateral") + c("profit")).alias("leverage_ratio"),
        of_equity(c("notional") + c("elsewhere")).alias("effective_leverage"),
        of_equity(c("debt") + c("profit") - c("pnl")).alias("debt_to_equity"),
        free.alias("free_collateral"),
        pl.min_horizontal(free - c("profit"), c("collateral")).clip(lower_bound=0.0).alias("withdrawable"),
        (required / call_ratio - c("counted_debt")).alias("margin_call_level"),
        c("notional").alias("gross_notional"), ((c("held") > 0) | (c("counted_debt") > 0.0)).alias("owes"),
    ]


def _status() -> pl.Expr:
    c = pl.col
    return (pl.when(~c("owes")).then(0).when(c("equity") < 0.0).then(3).when(c("health") < 0.0).then(2)
            .when(c("adjusted_equity") < c("margin_call_level")).then(1).otherwise(0).cast(pl.UInt8).alias("status"))


def _maintenance(brackets: int) -> pl.Expr:
    return pl.max_horizontal(_N * pl.col(f"rate_{k}") - pl.col(f"deduction_{k}") for k in range(brackets))


def _initial(brackets: int) -> pl.Expr:
    """The notional at the rate of the highest floor that it reaches."""
    rate = pl.col("initial_0")
    for k in range(1, brackets):
        rate = pl.when(pl.col(f"floor_{k}") <= _N).then(pl.col(f"initial_{k}")).otherwise(rate)
    return rate * _N


def _sliced(name: str, slices: int) -> pl.Expr:
    """Slices of a holding's value at their weights: each floor passed adds what the weight changes there."""
    parts = [pl.col("value") * pl.col(f"{name}_0")]
    parts += [(pl.col("value") - pl.col(f"floor_{k}")).clip(lower_bound=0.0)
              * (pl.col(f"{name}_{k}") - pl.col(f"{name}_{k - 1}")) for k in range(1, slices)]
    return pl.sum_horizontal(parts)


def _wide(name: str, column: FloatArray, width: int) -> dict[str, FloatArray]:
    """One column a bracket or slice: ``name_0``, ``name_1``, ..."""
    rows = column.reshape(-1, width)
    return {f"{name}_{k}": rows[:, k].copy() for k in range(width)}
