"""Which windows are scored and by which margin: never one that did not exist yet, each window once an offset."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.evidence.scoring import MAX_OFFSETS, in_force, score, scored_rows, start_offsets
from leverline.ground.errors import InsufficientDataError
from leverline.market.bars import NS_PER_S
from leverline.measure.losses import worst_losses
from tests.measure.panels import DAY_S, panel_of

HOUR_NS = 3_600 * NS_PER_S
NOON = int(datetime(2024, 3, 5, 12, tzinfo=UTC).timestamp()) * NS_PER_S


@given(seed=st.integers(0, 2**32 - 1), n_bars=st.integers(1, 60), n_refits=st.integers(1, 20))
@settings(max_examples=100, deadline=None)
def test_a_window_is_held_to_the_latest_margin_known_when_it_opened(seed: int, n_bars: int, n_refits: int) -> None:
    """A margin set on the day after the crash would be credited with having survived it."""
    refits = np.unique(np.random.default_rng(seed).integers(0, n_bars, n_refits))
    held = in_force(refits.astype(np.float64), refits, n_bars)  # each margin says when it was fitted
    for t in range(n_bars):
        earlier = refits[refits <= t]
        if earlier.size:
            assert held[t] == earlier.max()
        else:
            assert np.isnan(held[t])


@given(horizon=st.integers(1, 60), n_rows=st.integers(1, 300), begin=st.integers(0, 100), first=st.integers(0, 50))
@settings(max_examples=150, deadline=None)
def test_start_offsets_partition_the_rows(horizon: int, n_rows: int, begin: int, first: int) -> None:
    """Some windows would be counted twice and some never, or overlapping windows taken for independent ones."""
    closes = NOON + HOUR_NS * (begin + np.arange(first + n_rows, dtype=np.int64))
    offsets = start_offsets(closes, HOUR_NS, horizon, first, first + n_rows - 1)
    rows = np.concatenate(offsets)
    assert 1 <= len(offsets) <= min(horizon, MAX_OFFSETS)
    assert np.unique(rows).size == rows.size
    if horizon <= MAX_OFFSETS:
        assert np.array_equal(np.sort(rows), np.arange(first, first + n_rows))
    for number, offset in enumerate(offsets):
        assert (np.diff(offset) == horizon).all()
        phase = closes[offset] // HOUR_NS % horizon
        assert (phase == phase[0]).all() if offset.size else True
        if number == 0:
            assert (closes[offset] % (horizon * HOUR_NS) == 0).all()


def test_the_first_offset_opens_at_midnight_utc() -> None:
    """Two venues would get different verdicts from the same bars because one file begins at noon."""
    closes = NOON + HOUR_NS * np.arange(100, dtype=np.int64)
    for horizon in (8, 24):
        rows = start_offsets(closes, HOUR_NS, horizon, 0, 99)[0]
        hours = {datetime.fromtimestamp(int(closes[row]) / NS_PER_S, UTC).hour for row in rows}
        assert hours == set(range(0, 24, horizon))


def test_start_and_end_bound_when_windows_open() -> None:
    """A backtest said to begin in 2020 would count windows of 2019."""
    panel = panel_of(np.ones((10, 1)), start="2024-01-01")  # closes from 2 to 11 January, midnight
    at = [int(datetime(2024, 1, day, tzinfo=UTC).timestamp()) * NS_PER_S for day in (4, 8)]
    assert scored_rows(panel, None, None) == (0, 9)
    assert scored_rows(panel, at[0], at[1]) == (2, 6)
    assert scored_rows(panel, at[0] + 1, at[1] - 1) == (3, 5)
    with pytest.raises(InsufficientDataError, match="no bar lies between"):
        scored_rows(panel, at[1] + 10**18, None)


def test_a_breach_is_a_loss_strictly_beyond_the_margin() -> None:
    """A loss that margin just covered would count as a default, or a default as covered."""
    panel = panel_of(np.array([[100.0], [90.0], [90.0], [80.0], [80.0]]))
    margin = np.full((5, 1, 2), 0.1)
    margin[2] = np.nan
    scored = score(panel, worst_losses(panel, 1), margin, 0.01, 0, 4)
    assert 1.0 - 90.0 / 100.0 <= 0.1
    assert scored.breach[:, 0].tolist() == [[False, False]] * 5
    assert scored.observed[:, 0, 0].tolist() == [True, True, False, True, False]
    tighter = score(panel, worst_losses(panel, 1), margin - 1e-9, 0.01, 0, 4)
    assert tighter.breach[:, 0].tolist() == [[True, False]] + [[False, False]] * 4
    later = score(panel, worst_losses(panel, 1), margin - 1e-9, 0.01, 1, 4)
    assert not later.breach.any()
    assert later.observed[:, 0, 0].tolist() == [False, True, False, True, False]


def test_two_listings_of_a_symbol_are_one_market() -> None:
    """The collapse of the old coin would be lost from the row of its name."""
    close = np.full((8, 2), np.nan)
    close[:4, 0] = [100.0, 50.0, 5.0, 1.0]
    close[5:, 1] = [80.0, 88.0, 80.0]
    panel = panel_of(close, symbols=("LUNA", "LUNA"))
    scored = score(panel, worst_losses(panel, 1), np.full((8, 2, 2), 0.2), 0.01, 0, 7)
    assert scored.symbols == ("LUNA",)
    assert scored.observed[:, 0, 0].tolist() == [True, True, True, False, False, True, True, False]
    np.testing.assert_allclose(scored.loss[scored.observed[..., 0], 0].ravel(), [0.5, 0.9, 0.8, 0.0, 1 - 80 / 88])
    assert scored.breach[:, 0, 0].sum() == 3


def test_a_window_belongs_to_the_day_in_which_it_opened() -> None:
    """Breaches of 12 March would be listed under the 11th."""
    panel = panel_of(np.ones((4, 1)), start="2020-03-10", spacing_s=DAY_S)
    scored = score(panel, worst_losses(panel, 1), np.ones((4, 1, 2)), 0.01, 0, 3)
    days = (datetime(2020, 3, 11, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    assert scored.dates.tolist() == [days, days + 1, days + 2, days + 3]
