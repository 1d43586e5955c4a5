"""The allowance for the gap between mark and fill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import UsageError
from leverline.market.bars import NS_PER_S
from leverline.measure.basis import basis_allowance
from leverline.model.limitbook import Basis

MINUTE = 60 * NS_PER_S


def _series(rng: np.random.Generator, stressed_gap: float) -> tuple[IntArray, FloatArray, FloatArray]:
    """3,000 minutes: calm, with bursts of movement in which the market lies |N(0, stressed_gap)| from the mark."""
    burst = (np.arange(3000) % 300) < 20
    mark = 100.0 * np.exp(np.cumsum(rng.normal(0.0, np.where(burst, 0.01, 0.0005))))
    gap = rng.normal(0.0, np.where(burst, stressed_gap, 0.0001))
    return MINUTE * np.arange(1, 3001, dtype=np.int64), mark, mark * (1.0 + gap)


def test_the_gap_in_large_moves_is_found() -> None:
    """Margin would cover the gap of calm minutes, in which nobody is liquidated."""
    rng = np.random.default_rng(1)
    ts, mark, last = _series(rng, 0.01)
    found = basis_allowance(ts, mark, ts, last, rng=rng, assumed_rate=0.5, quantile=0.95)
    assert found.basis is Basis.MEASURED
    assert found.low < 0.01 * 1.96 < found.high  # the 95 % quantile of a folded normal, nearly all moments in a burst
    assert found.calm_rate < found.rate / 5.0
    assert found.low <= found.rate <= found.high


def test_only_moments_that_both_know_are_compared() -> None:
    """A stale price would be held against a mark that has moved on, and the lag be called basis."""
    rng = np.random.default_rng(2)
    ts, mark, last = _series(rng, 0.001)
    kept = np.sort(rng.choice(ts.size, 2000, replace=False))
    found = basis_allowance(ts, mark, ts[kept], last[kept], rng=rng, assumed_rate=0.5)
    assert found.observations == 2000 - 5
    assert found.rate < 0.006
    shifted = basis_allowance(ts, mark, ts + 1, last, rng=rng, assumed_rate=0.5)
    assert shifted.basis is Basis.ASSUMED


def test_the_future_does_not_enter() -> None:
    """A move that is still to come would decide which gaps count as those of large moves."""
    rng = np.random.default_rng(3)
    ts, mark, last = _series(rng, 0.01)
    jumped = mark.copy()
    jumped[-1] *= 1.5
    gap_before = np.abs(last[:-1] / mark[:-1] - 1.0)
    found = basis_allowance(ts, jumped, ts, np.append(last[:-1], jumped[-1]), rng=rng, assumed_rate=0.5)
    assert found.rate <= gap_before.max()
    one = basis_allowance(ts, mark, ts, np.append(last[:-1], mark[-1]), rng=np.random.default_rng(3), assumed_rate=0.5)
    assert found.rate == pytest.approx(one.rate, rel=0.2)


def test_without_overlap_the_appetite_stands_and_is_called_assumed() -> None:
    """A guess would be presented as a measurement, or a missing series as no basis at all."""
    rng = np.random.default_rng(4)
    ts, mark, last = _series(rng, 0.01)
    for other_ts, other in ((ts + 1, last), (ts[:100], last[:100]), (ts[:0], last[:0])):
        found = basis_allowance(ts, mark, other_ts, other, rng=rng, assumed_rate=0.004)
        assert (found.rate, found.basis) == (0.004, Basis.ASSUMED)
        assert np.isnan(found.low)
        assert np.isnan(found.high)
        assert "appetite" in found.why
    with pytest.raises(UsageError):
        basis_allowance(ts, mark, ts[::-1], last, rng=rng, assumed_rate=0.004)


@pytest.mark.shared_data
def test_a_crash_day_parts_mark_and_market(shared_data: Path) -> None:
    """The allowance of 2025-10-10 would look like that of any other day."""
    import polars as pl

    marks = pl.read_parquet(shared_data / "oct10_2025_m1_btc_coinm_markprice.parquet").sort("ts")
    spot = pl.read_parquet(shared_data / "oct10_2025_m1_sample.parquet").filter(
        (pl.col("venue") == "gemini") & (pl.col("market") == "BTCUSD")).sort("ts")
    ns = [frame["ts"].dt.epoch("ns").to_numpy() + MINUTE for frame in (marks, spot)]
    found = basis_allowance(ns[0], marks["close"].to_numpy(), ns[1], spot["close"].to_numpy(),
                            rng=np.random.default_rng(0), assumed_rate=0.0)
    assert found.basis is Basis.MEASURED
    assert found.rate > 5.0 * found.calm_rate
