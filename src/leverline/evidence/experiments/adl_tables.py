"""The published per-wave tables of the deleveraging on Hyperliquid on 2025-10-10, read and named.

github.com/pluriholonomic/autodeleveraging-analysis at aae0be8, folder ``out``, MIT licence. A wave is a run of
deleveraging fills without a pause of five seconds; money is USD.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from leverline.ground.errors import InsufficientDataError
from leverline.ground.files import sha256

FOLDER = "adl_oct10"
POLICIES = "policy_per_wave_metrics.csv"
LOSERS = "bad_debt_loser_waves.csv"
SHOCKS = "per_shock_metrics_queue.csv"
SHOCK_TOTALS = "summary_totals.csv"
HORIZONS = "eval_horizon_sweep.csv"
WINNERS = "horizon_0/two_pass_equity_delta_by_wave.csv"
COINS = "horizon_0/two_pass_wave_coin_gap_per_contract.csv"
FILES = (POLICIES, LOSERS, SHOCKS, SHOCK_TOTALS, HORIZONS, WINNERS, COINS)
RELATIVE = 1e-6
"""Published totals are recomputed to this."""


@dataclass(frozen=True, slots=True)
class AdlTables:
    """The seven tables, waves in order, and the SHA-256 of each file."""

    policies: pl.DataFrame
    losers: pl.DataFrame
    shocks: pl.DataFrame
    shock_totals: pl.DataFrame
    horizons: pl.DataFrame
    winners: pl.DataFrame
    coins: pl.DataFrame
    digests: dict[str, str]


def read_tables(folder: Path) -> AdlTables:
    """Read all of them from ``folder/adl_oct10``; an absent one is insufficient data."""
    for name in FILES:
        if not (folder / FOLDER / name).is_file():
            raise InsufficientDataError(f"{FOLDER}/{name} is not in {folder}", remedy="name the folder that has it")
    tables = {name: pl.read_csv(folder / FOLDER / name) for name in FILES}
    for name in (POLICIES, LOSERS, WINNERS):
        tables[name] = tables[name].sort("wave")
    return AdlTables(
        policies=tables[POLICIES], losers=tables[LOSERS], shocks=tables[SHOCKS], shock_totals=tables[SHOCK_TOTALS],
        horizons=tables[HORIZONS], winners=tables[WINNERS], coins=tables[COINS],
        digests={f"{FOLDER}/{name}": sha256(folder / FOLDER / name) for name in FILES})


def total(table: pl.DataFrame, column: str) -> float:
    """Sum of a column."""
    return float(table[column].sum())


def near(ours: float, published: float) -> bool:
    """Whether a total is recomputed."""
    return abs(ours - published) <= RELATIVE * abs(published)
