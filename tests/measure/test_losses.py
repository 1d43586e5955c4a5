"""Worst losses inside a horizon: hand-worked, kernel against its readable twin, gaps, ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.measure._loss_kernels import path_extremes, path_extremes_readable
from leverline.measure.losses import horizon_in_bars, payoffs_of, worst_losses
from leverline.model.instrument import Payoff
from tests.measure.panels import DAY_S, panel_of, ragged

NAN = np.nan


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40), horizon=st.integers(1, 12), gaps=st.floats(0.0, 0.9))
@settings(max_examples=200, deadline=None)
def test_kernel_finds_the_extremes_that_slices_find(seed: int, n: int, horizon: int, gaps: float) -> None:
    """Margins would be fitted to losses that nobody suffered, and nobody could tell from the readable form."""
    rng = np.random.default_rng(seed)
    close: FloatArray = np.asarray(np.round(np.exp(rng.normal(0.0, 0.3, n)), 1) + 0.1, np.float64)  # ties
    low: FloatArray = np.asarray(close - rng.choice([0.0, 0.05], n), np.float64)
    high: FloatArray = np.asarray(close + rng.choice([0.0, 0.3], n), np.float64)
    close[rng.random(n) < gaps] = NAN
    close[: rng.integers(0, n + 1) // 3] = NAN
    low[rng.random(n) < 0.3], high[rng.random(n) < 0.3] = NAN, NAN
    lowest, highest, known = np.empty(n), np.empty(n), np.empty(n, np.int64)
    path_extremes(close, low, high, horizon, lowest, highest, known)
    expected = path_extremes_readable(close, low, high, horizon)
    for ours, theirs in zip((lowest, highest, known), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    opened = np.flatnonzero(np.isfinite(close))
    assert (np.diff(known[opened]) >= 0).all()  # what rolling windows rely on


def test_hand_worked_linear_losses() -> None:
    """A position that lost 20 % inside the day would be said to have lost 5 %, the move from close to close."""
    panel = panel_of(np.array([[100.0], [95.0], [110.0], [99.0]]), low=np.array([[90.0], [80.0], [94.0], [98.0]]),
                     high=np.array([[101.0], [102.0], [120.0], [111.0]]))
    losses = worst_losses(panel, 1)
    np.testing.assert_allclose(losses.loss[:3, 0, 0], [0.20, 1 - 94 / 95, 1 - 98 / 110], rtol=1e-12)
    np.testing.assert_allclose(losses.loss[:3, 0, 1], [0.02, 120 / 95 - 1, 111 / 110 - 1], rtol=1e-12)
    assert np.isnan(losses.loss[3]).all()
    two = worst_losses(panel, 2)
    np.testing.assert_allclose(two.loss[:2, 0], [[0.20, 0.20], [1 - 94 / 95, 120 / 95 - 1]], rtol=1e-12)
    assert np.isnan(two.loss[2:]).all()
    assert not losses.close_only[0]


def test_hand_worked_inverse_losses() -> None:
    """A coin-margined long that falls by half loses its whole notional in coin, not half of it."""
    panel = panel_of(np.array([[100.0], [50.0], [200.0]]), symbols=("BTC/USD:BTC",))
    assert payoffs_of(panel) == (Payoff.INVERSE,)
    losses = worst_losses(panel, 1, payoffs_of(panel))
    np.testing.assert_allclose(losses.loss[:2, 0], [[1.0, 0.0], [0.0, 0.75]], rtol=1e-12)
    linear = worst_losses(panel, 1)
    np.testing.assert_allclose(linear.loss[:2, 0], [[0.5, 0.0], [0.0, 3.0]], rtol=1e-12)


def test_a_symbol_that_is_no_contract_is_linear() -> None:
    """A file of plain tickers would be margined in coin."""
    panel = panel_of(np.ones((3, 3)), symbols=("BTC", "ETH/USDT:USDT", "coin-17"))
    assert payoffs_of(panel) == (Payoff.LINEAR,) * 3


def test_a_halt_is_scored_at_the_first_price_after_it_with_its_real_length() -> None:
    """The worst losses on record, those after a halt, would vanish from every backtest."""
    close = np.array([[100.0], [NAN], [NAN], [40.0], [40.0], [50.0]])
    losses = worst_losses(panel_of(close), 1)
    np.testing.assert_allclose(losses.loss[0, 0], [0.6, 0.0])
    assert losses.known[0, 0] == 3
    assert losses.duration_s[0, 0] == 3 * DAY_S
    assert np.isnan(losses.loss[1:3]).all()  # nobody opens where nothing trades
    assert losses.duration_s[3, 0] == DAY_S
    longer = worst_losses(panel_of(close), 3)
    assert (longer.known[0, 0], longer.duration_s[0, 0]) == (3, 3 * DAY_S)


def test_a_window_that_the_data_do_not_complete_is_not_scored() -> None:
    """The last days would count as calm only because their end has not been seen."""
    close = np.array([[100.0], [90.0], [80.0], [NAN], [NAN]])
    for horizon in (1, 2, 3):
        losses = worst_losses(panel_of(close), horizon)
        complete = np.isfinite(losses.loss[:, 0, 0])
        # a window whose end lies in the data is complete if any bar lies inside it
        assert complete.tolist() == [t + horizon < 5 and t < 2 for t in range(5)]


def test_close_only_markets_are_marked() -> None:
    """A reader would take losses of closes for losses at the worst price, which are larger."""
    close = np.full((4, 3), 100.0)
    low, high = np.full((4, 3), NAN), np.full((4, 3), NAN)
    low[2, 1], high[2, 1] = 90.0, 101.0
    low[:, 2] = 95.0  # a low without a high is no range
    assert worst_losses(panel_of(close, low=low, high=high), 1).close_only.tolist() == [True, False, True]


@given(seed=st.integers(0, 2**32 - 1), horizon=st.integers(1, 6))
@settings(max_examples=50, deadline=None)
def test_a_longer_horizon_never_loses_less(seed: int, horizon: int) -> None:
    """A venue that is slower to liquidate would be told it needs less margin."""
    panel = panel_of(ragged(seed, 60, 2))
    short, long = worst_losses(panel, horizon), worst_losses(panel, horizon + 1)
    both = np.isfinite(short.loss) & np.isfinite(long.loss)
    # a window stretched over a halt may end before the longer one's last bar, never the other way round
    assert (long.loss[both] >= short.loss[both]).all()
    assert (short.loss[np.isfinite(short.loss)] >= 0.0).all()
    opened = np.isfinite(panel.close)
    assert (short.duration_s[opened] >= horizon * DAY_S).all()


def test_horizons_are_whole_bars_and_not_shorter_than_one() -> None:
    """An eight-hour margin would silently be computed from daily bars."""
    panel = panel_of(np.ones((3, 1)), spacing_s=3600)
    assert horizon_in_bars(8 * 3600.0, panel) == 8
    with pytest.raises(InsufficientDataError, match="shorter than the bar"):
        horizon_in_bars(60.0, panel)
    with pytest.raises(UsageError, match="whole number of bars"):
        horizon_in_bars(5400.0, panel)
    with pytest.raises(UsageError, match="at least one bar"):
        worst_losses(panel, 0)
