"""Recovery after large trades."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import UsageError
from leverline.market.bars import NS_PER_S
from leverline.market.trades import Trades
from leverline.measure.resilience import large_trade_rows, resilience


def _recovering(rng: np.random.Generator, half_life: float, excess: float, noise: float) -> tuple[FloatArray, IntArray]:
    """A level of 1 that jumps by ``excess`` every 40 rows and decays with ``half_life`` rows."""
    rows = np.arange(2000)
    events = np.arange(20, 1960, 40)
    since = rows[:, None] - events
    shape = np.where(since >= 0, 0.5 ** (np.maximum(since, 0) / half_life), 0.0)
    return 1.0 + excess * shape.sum(axis=1) + noise * rng.standard_normal(rows.size), events


@pytest.mark.parametrize("half_life", [1.0, 4.0])
def test_a_known_half_life_is_found(half_life: float) -> None:
    """A market would be thought to refill faster or slower than it does, or in rows instead of seconds."""
    rng = np.random.default_rng(1)
    level, events = _recovering(rng, half_life, 1.0, 0.3)
    found = resilience(level, events, 0.5, lags=20, rng=rng)
    assert found.low_s < 0.5 * half_life < found.high_s
    assert found.half_life_s == pytest.approx(0.5 * half_life, rel=0.3)
    assert found.initial == pytest.approx(1.0, rel=0.15)
    assert found.events == events.size


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_without_a_disturbance_there_is_no_half_life(seed: int) -> None:
    """Noise would be reported as a recovery (once in forty samples it is, by the interval's own meaning)."""
    rng = np.random.default_rng(seed)
    level, events = _recovering(rng, 3.0, 0.0, 1.0)
    found = resilience(level, events, 1.0, lags=10, rng=rng)
    if np.isnan(found.half_life_s):
        assert found.why
    else:
        assert found.initial_low > 0.0
        assert found.initial < 1.0


def test_noise_is_rarely_taken_for_recovery() -> None:
    """The reading above would be that of every sample."""
    found = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        level, events = _recovering(rng, 3.0, 0.0, 1.0)
        found += bool(np.isfinite(resilience(level, events, 1.0, lags=10, rng=rng, draws=200).half_life_s))
    assert found <= 9


def test_a_lasting_shift_is_not_a_recovery() -> None:
    """Depth that left for good would be counted upon to return."""
    rng = np.random.default_rng(2)
    level, events = _recovering(rng, 1e6, 1.0, 0.05)
    found = resilience(level, events, 1.0, lags=10, rng=rng)
    assert np.isnan(found.half_life_s)
    assert "does not fade" in found.why


def test_too_few_events_say_nothing() -> None:
    """One trade would decide how a market recovers."""
    rng = np.random.default_rng(3)
    level, events = _recovering(rng, 3.0, 1.0, 0.1)
    found = resilience(level, events[:5], 1.0, lags=10, rng=rng)
    assert np.isnan(found.half_life_s)
    assert found.events == 5
    with pytest.raises(UsageError):
        resilience(level, events, 1.0, lags=2, rng=rng)


def test_large_trades_mark_the_first_snapshot_after_them() -> None:
    """The book before the trade would be taken for the book after it."""
    ts = NS_PER_S * np.arange(10, dtype=np.int64)
    at = np.array([0.5, 1.5, 1.6, 4.5, 6.5, 20.0])
    trades = Trades("X", (at * NS_PER_S).astype(np.int64), np.full(6, 100.0), np.array([1.0, 4, 4, 9, 1, 50]),
                    np.array([1, 1, 1, -1, 1, 1]))
    np.testing.assert_array_equal(large_trade_rows(trades, ts, quantile=0.5), [2, 5])
    np.testing.assert_array_equal(large_trade_rows(trades, ts, quantile=0.5, side=-1), [5])
