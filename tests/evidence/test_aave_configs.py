"""Real reserves beside ours: the misread word, the price record's verdict, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from leverline.evidence.experiments import aave_configs as experiment
from leverline.evidence.experiments.aave_price_record import LEVEL, PriceRecord, quantile_interval
from leverline.evidence.experiments.aave_reserves import (
    PEGGED,
    PRICE_SERIES,
    VOLUME_SERIES,
    Reserve,
    read_reserves,
    significant_figures,
)
from leverline.ground.errors import InsufficientDataError, MalformedInputError

RESERVE = Reserve("somewhere", "X", live=True, ltv=0.7, threshold=0.8, bonus=0.05, borrow_cap=7000,
                  borrow_cap_as_published=7000, supply_cap=None)
RECORD = PriceRecord(np.zeros(400), 400, 0.1, 0.08, 0.12, 0.0, 0.1, "2025-01-01", 2.0)


def written(path: Path, borrow_cap: int, supply_cap: int) -> Path:
    """A snapshot of one reserve as a decoder with the wrong offsets leaves it."""
    word = borrow_cap << 80 | supply_cap << 116

    def bits(start: int, count: int) -> int:
        return word >> start & (1 << count) - 1

    pl.DataFrame({
        "network": ["n"], "symbol": ["X"], "active": [True], "frozen": [False], "paused": [False],
        "loan_to_value": [0.7], "liquidation_threshold": [0.8], "liquidation_bonus": [0.05],
        "borrow_cap": [bits(80, 16)], "supply_cap": [bits(96, 16)],
        "liquidation_protocol_fee": [bits(112, 16) / 10_000], "emode_category": [bits(128, 8)]}).write_parquet(path)
    return path


@pytest.mark.parametrize("cap", [0, 1, 900_000, 2_400_000, 3_090_000_000, 68_719_476_735])
def test_a_borrow_cap_is_put_together_from_its_slices(cap: int, tmp_path: Path) -> None:
    """A cap of three billion would be compared as one of 48 thousand, and a real market called empty."""
    (reserve,) = read_reserves(written(tmp_path / "r.parquet", cap, 45_000))
    assert reserve.borrow_cap == cap
    assert reserve.supply_cap == 45_000


def test_a_supply_cap_whose_upper_bits_are_lost_is_not_guessed(tmp_path: Path) -> None:
    """2.7 million would read as 602,848."""
    (reserve,) = read_reserves(written(tmp_path / "r.parquet", 7000, 2_700_000))
    assert reserve.supply_cap is None


def test_a_snapshot_without_its_columns_is_refused(tmp_path: Path) -> None:
    """A renamed column would leave thresholds of nothing."""
    path = tmp_path / "r.parquet"
    pl.DataFrame({"symbol": ["X"]}).write_parquet(path)
    with pytest.raises(MalformedInputError, match="network"):
        read_reserves(path)


def test_figures_are_counted_without_trailing_zeros() -> None:
    """The check that caps are round would pass any number."""
    assert [significant_figures(n) for n in (0, 7, 7000, 48_032, 2_250_000_000)] == [0, 1, 1, 5, 3]


@pytest.mark.parametrize(("threshold", "verdict"), [(0.89, "too loose"), (0.855, "within the interval"),
                                                    (0.5, "too tight")])
def test_the_verdict_is_of_the_price_record(threshold: float, verdict: str) -> None:
    """A reserve would be called loose because our model says so."""
    reserve = replace(RESERVE, threshold=threshold)
    assert experiment.Compared(reserve, ("f", "X"), RECORD, None, "").verdict == verdict
    broke = replace(RECORD, event=0.9)  # a peg that has broken once makes no threshold too tight
    assert experiment.Compared(reserve, ("f", "X"), broke, None, "").verdict == verdict.replace(
        "too tight", "within the interval")


def test_the_interval_holds_the_quantile_and_narrows() -> None:
    """A verdict would rest on a handful of days."""
    rng = np.random.default_rng(2)
    falls = rng.exponential(0.02, 4000)
    truth = -0.02 * np.log(1 - LEVEL)
    low, high = quantile_interval(falls, np.arange(4000), rng)
    assert low < truth < high
    shorter = quantile_interval(falls[:800], np.arange(800), rng)
    assert shorter[1] - shorter[0] > high - low


def test_every_series_that_is_asked_for_has_one_meaning() -> None:
    """A bridged coin would be priced as something else on another network."""
    assert set(PEGGED) <= set(PRICE_SERIES.values())
    assert set(VOLUME_SERIES) <= set(PRICE_SERIES.values())


def test_without_its_files_it_says_which(tmp_path: Path) -> None:
    """Somebody would look for a fault in the program."""
    with pytest.raises(InsufficientDataError, match="aave_v3_reserve_configs"):
        experiment.run(tmp_path)


@pytest.mark.shared_data
def test_every_real_reserve_is_compared_or_named(shared_data: Path) -> None:
    """A comparison that quietly drops what it cannot price would flatter itself."""
    done = experiment.run(shared_data)
    compared = [v for v in done.variants if "reserve" in v]
    left = [v for v in done.variants if "left_out" in v]
    assert len(compared) == done.provenance["compared"] > 80
    assert len(compared) + sum(v["count"] for v in left) == done.provenance["reserves"] == 218
    assert all(v["count"] == len(v["reserves"]) for v in left)
    assert all(v["ours"] is not None or v["why_not"] for v in compared)
    rounded, rule = done.rows[:2]
    assert rounded.holds
    assert rule.holds
