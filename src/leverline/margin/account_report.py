"""A check as tables and as one JSON document: a row a pool, a position, a holding, an owner, a market, a venue.

Columns are named as :class:`~leverline.margin.valuation.PoolValues`, ``PositionValues`` and
:class:`~leverline.margin.liquidation_price.LiquidationPrices` name them. What is not defined (leverage of a bankrupt
account, a price that never liquidates) is null.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np
import polars as pl

from leverline.ground.arrays import FloatArray, IntArray
from leverline.margin.checking import BELOW_MAINTENANCE, AccountCheck
from leverline.margin.concentration import owner_concentration
from leverline.margin.leverage_sensitivity import leverage_sensitivity
from leverline.margin.liquidation_price import LiquidationPrices
from leverline.margin.valuation import STATUSES, PoolValues, PositionValues
from leverline.market.times import iso
from leverline.model.accounts import MODES

GROUPS = ("account", "owner", "market", "venue")
"""What rows may be summed by."""
POOL_NAMES = ("venue", "account", "subaccount", "owner", "mode", "account_class")
SUMMED = ("equity", "collateral_value", "debt_value", "unrealized_pnl", "adjusted_equity", "initial_margin",
          "maintenance_margin", "gross_notional")
"""Columns of pools that may be added up."""
_NUMBERS = tuple(f.name for f in fields(PoolValues) if f.name != "status")
_PRICES = tuple(f.name for f in fields(LiquidationPrices) if f.name != "price")


def account_rows(check: AccountCheck, only: IntArray | None = None) -> pl.DataFrame:
    """One row a pool: its names, how many positions, its status in words and every number of ``PoolValues``.

    ``leverage_sensitivity`` is the change of effective leverage per unit of log price, all prices moving alike.
    ``only`` picks pools, in its order.
    """
    book, values = check.book, check.valuation.pools
    at = np.arange(book.n_pools) if only is None else only
    sensitivity = leverage_sensitivity(check.tables, check.valuation)
    return _finite(pl.DataFrame([
        *_pool_names(check, POOL_NAMES, at),
        pl.Series("positions", np.diff(book.position_offsets)[at].astype(np.int64)),
        _words("status", [s.value for s in STATUSES], values.status[at]),
        *(pl.Series(name, getattr(values, name)[at]) for name in _NUMBERS),
        pl.Series("leverage_sensitivity", sensitivity.effective_leverage[at]),
    ]))


def position_rows(check: AccountCheck) -> pl.DataFrame:
    """One row a position: whose it is, its values, the prices that liquidate and bankrupt it, its owner's share.

    ``owner_share_of_market`` is the owner's part of the market's gross notional. With a horizon there is
    ``liquidation_probability_per_horizon``.
    """
    rows = _positions(check, np.arange(check.book.n_positions))
    return _finite(rows.with_columns(pl.Series("owner_share_of_market", _owner_shares(check))))


def _positions(check: AccountCheck, at: IntArray) -> pl.DataFrame:
    """The positions ``at``, in its order, without what looks at all others."""
    book, values = check.book, check.valuation.positions
    market = book.position_market[at]
    return _finite(pl.DataFrame([
        *_pool_names(check, POOL_NAMES[:-1], book.pool_of_position()[at]),
        _words("symbol", [m.symbol for m in book.markets], market),
        pl.Series("quantity", book.quantity[at]), pl.Series("entry_price", book.entry_price[at]),
        pl.Series("mark", check.tables.mark[market]),
        *(pl.Series(f.name, getattr(values, f.name)[at]) for f in fields(PositionValues)),
        *_liquidation(check.prices, check.liquidation_probability_per_horizon, at),
    ]))


def holding_rows(check: AccountCheck, only: IntArray | None = None) -> pl.DataFrame:
    """One row a holding: amount, price, value, and the price of that asset alone that liquidates its pool."""
    book, prices = check.book, check.holding_prices
    at = np.arange(book.amount.size) if only is None else only
    return _finite(pl.DataFrame([
        *_pool_names(check, POOL_NAMES[:-1], book.pool_of_holding()[at]),
        _words("asset", [a.asset for a in book.assets], book.holding_asset[at]),
        pl.Series("amount", book.amount[at]), pl.Series("price", prices.price[at]),
        pl.Series("value", (book.amount * prices.price)[at]),
        *_liquidation(prices, check.holding_liquidation_probability_per_horizon, at),
    ]))


def nearest_rows(check: AccountCheck, most: int) -> pl.DataFrame:
    """At most ``most`` positions and holdings, those first whose own price liquidates their pool soonest.

    In pools below maintenance all stand at the front. A holding whose price liquidates nothing is left out, as the
    settlement asset's. ``name`` is the symbol or the asset, ``size`` contracts or asset units.
    """
    book, below = check.book, check.below_maintenance
    positions, holdings = (
        np.where(breached & ~np.isnan(prices.liquidation_price), -1.0, np.abs(prices.distance))
        for prices, breached in ((check.prices, below[book.pool_of_position()]),
                                 (check.holding_prices, below[book.pool_of_holding()])))
    held, owned = (np.argsort(nearness, kind="stable")[:most] for nearness in (positions, holdings))  # NaN at the end
    return pl.concat([
        _positions(check, held).with_columns(nearness=pl.Series(positions[held]))
        .rename({"symbol": "name", "quantity": "size"}),
        holding_rows(check, owned).with_columns(nearness=pl.Series(holdings[owned]))
        .filter(pl.col("liquidation_price").is_not_null()).rename({"asset": "name", "amount": "size"}),
    ], how="diagonal").sort(pl.col("nearness").fill_nan(None), nulls_last=True, maintain_order=True)[:most]


def group_rows(check: AccountCheck, by: str) -> pl.DataFrame:
    """One row an owner, a venue or a market, the most pools below maintenance first; ``account`` has a row a pool."""
    if by == "account":
        return account_rows(check)
    if by == "market":
        return _market_rows(check)
    accounts = account_rows(check)
    below = pl.col("status").is_in([STATUSES[k].value for k in BELOW_MAINTENANCE])
    grouped = accounts.group_by(by, maintain_order=True).agg(
        accounts=pl.len(), positions=pl.col("positions").sum(), below_maintenance=below.sum().cast(pl.Int64),
        **{name: pl.col(name).sum() for name in SUMMED}, lowest_health_factor=pl.col("health_factor").min(),
        shortfall=pl.col("equity").neg().clip(lower_bound=0.0).sum())
    if by == "owner":
        grouped = grouped.join(_owner_rows(check), on="owner", how="left", maintain_order="left")
    return _finite(grouped).sort("below_maintenance", "gross_notional", descending=True, maintain_order=True)


def totals(check: AccountCheck) -> dict[str, Any]:
    """Counts and sums over every pool that was valued, and when the marks were true."""
    pools = check.valuation.pools
    counts = np.bincount(pools.status, minlength=len(STATUSES)).tolist()
    return {
        "as_of": iso(check.as_of_ns) if check.as_of_ns >= 0 else None,
        "accounts": check.book.n_pools, "positions": check.book.n_positions, "holdings": int(check.book.amount.size),
        "skipped": len(check.skipped),
        **{status.value.replace(" ", "_"): count for status, count in zip(STATUSES, counts, strict=True)},
        **{name: float(getattr(pools, name).sum()) for name in SUMMED},
        "withdrawable": float(pools.withdrawable.sum()),
        "shortfall": 0.0 - float(np.minimum(pools.equity, 0.0).sum()),
        "call_ratio": check.valuation.call_ratio, "horizon_seconds": check.horizon_seconds,
        "what_if": dict(check.shifts),
        "below_maintenance_before": None if check.below_before is None else int(check.below_before.sum()),
    }


def document(check: AccountCheck, by: str = "account") -> dict[str, Any]:
    """The JSON document; ``groups`` stands in it where rows are asked for by something else than the account."""
    groups = {} if by == "account" else {"groups": group_rows(check, by).to_dicts()}
    return {
        "accounts": account_rows(check).to_dicts(), "positions": position_rows(check).to_dicts(),
        "holdings": holding_rows(check).to_dicts(), **groups, "totals": totals(check),
        "below_maintenance": int(check.below_maintenance.sum()), "skipped": skipped_rows(check),
    }


def skipped_rows(check: AccountCheck) -> list[dict[str, str]]:
    """Pools that could not be valued, each with its reason."""
    return [{**{name: str(getattr(s.pool, name)) for name in POOL_NAMES}, "reason": s.reason} for s in check.skipped]


def riskiest(check: AccountCheck) -> IntArray:
    """Pools by status, the worst first, and by health factor within it."""
    pools = check.valuation.pools
    return np.lexsort((pools.health_factor, -pools.status.astype(np.int64)))


def _market_rows(check: AccountCheck) -> pl.DataFrame:
    book, values, prices = check.book, check.valuation.positions, check.tables.mark
    owners = owner_concentration(check.tables, check.valuation)
    below = check.below_maintenance[book.pool_of_position()]
    at = book.position_market

    def summed(part: FloatArray) -> FloatArray:
        return np.bincount(at, part, minlength=len(book.markets)).astype(np.float64)

    rows = pl.DataFrame([
        pl.Series("venue", [m.venue for m in book.markets], dtype=pl.String),
        pl.Series("symbol", [m.symbol for m in book.markets], dtype=pl.String), pl.Series("mark", prices),
        pl.Series("positions", np.bincount(at, minlength=len(book.markets))),
        pl.Series("below_maintenance", summed(below.astype(np.float64)).astype(np.int64)),
        pl.Series("gross_notional", summed(values.notional)), pl.Series("net_notional", summed(values.delta)),
        pl.Series("notional_below_maintenance", summed(np.where(below, values.notional, 0.0))),
        pl.Series("unrealized_pnl", summed(values.pnl)), pl.Series("initial_margin", summed(values.initial_margin)),
        pl.Series("maintenance_margin", summed(values.maintenance_margin)),
        pl.Series("herfindahl_of_owners", owners.herfindahl_of_market),
        pl.Series("largest_owner_share", _largest(owners.market, len(book.markets), owners.share_of_market)),
    ])
    held = rows.filter(pl.col("positions") > 0)
    return _finite(held).sort("below_maintenance", "gross_notional", descending=True, maintain_order=True)


def _owner_rows(check: AccountCheck) -> pl.DataFrame:
    found = owner_concentration(check.tables, check.valuation)
    return pl.DataFrame([
        pl.Series("owner", list(found.owners), dtype=pl.String),
        pl.Series("herfindahl_of_markets", found.herfindahl_of_owner),
        pl.Series("largest_share_of_market", _largest(found.owner, len(found.owners), found.share_of_market)),
    ])


def _largest(group: IntArray, n_groups: int, share: FloatArray) -> FloatArray:
    """Largest share in each group; NaN where it has none."""
    largest = np.full(n_groups, -np.inf)
    np.maximum.at(largest, group, share)
    return np.where(np.isfinite(largest), largest, np.nan)


def _owner_shares(check: AccountCheck) -> FloatArray:
    """The owner's share of the market's gross notional, for each position."""
    book, found = check.book, owner_concentration(check.tables, check.valuation)
    place = {owner: k for k, owner in enumerate(found.owners)}
    owner_of_pool = np.array([place[owner] for owner in book.pools.owner], dtype=np.int64)
    n_markets = len(book.markets)
    pair = owner_of_pool[book.pool_of_position()] * n_markets + book.position_market
    return found.share_of_market[np.searchsorted(found.owner * n_markets + found.market, pair)]


def _liquidation(prices: LiquidationPrices, probability: FloatArray | None, at: IntArray) -> list[pl.Series]:
    columns = [pl.Series(name, getattr(prices, name)[at]) for name in _PRICES]
    return columns if probability is None else [
        *columns, pl.Series("liquidation_probability_per_horizon", probability[at])]


def _pool_names(check: AccountCheck, names: Iterable[str], pool: IntArray) -> list[pl.Series]:
    """Columns of names, one entry for each of ``pool``."""
    pools = check.book.pools
    return [_words("mode", [m.value for m in MODES], pools.mode[pool]) if name == "mode"
            else pl.Series(name, getattr(pools, name)[pool], dtype=pl.String) for name in names]


def _words(name: str, words: list[str], code: Any) -> pl.Series:
    return pl.Series(name, words, dtype=pl.String).gather(np.asarray(code, dtype=np.int64))


def _finite(frame: pl.DataFrame) -> pl.DataFrame:
    """Null where a number is NaN or infinite."""
    return frame.with_columns(pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name)
                              for name, kind in frame.schema.items() if kind == pl.Float64)
