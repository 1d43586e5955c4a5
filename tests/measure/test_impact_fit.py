"""The square root's coefficient and exponent from trades."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leverline.ground.errors import InsufficientDataError
from leverline.market.bars import NS_PER_S
from leverline.market.trades import Trades
from leverline.measure.impact_fit import FlowWindows, ImpactFit, flow_windows, sample_volume_per_day


def _windows(rng: np.random.Generator, exponent: float, coefficient: float, count: int, noise: float) -> FlowWindows:
    share = rng.lognormal(-8.0, 1.5, count)
    expected = coefficient * share**exponent
    return FlowWindows(share, expected + noise * np.median(expected) * rng.standard_normal(count))


@pytest.mark.parametrize("exponent", [0.3, 0.5, 0.9])
def test_a_known_law_is_found(exponent: float) -> None:
    """An exponent would be read off that is not the market's, and large positions charged the wrong order of cost."""
    rng = np.random.default_rng(1)
    fit = ImpactFit(draws=300).fit(_windows(rng, exponent, 0.8, 3000, 1.0), rng=rng)
    assert fit.identified_
    assert fit.exponent_low_ <= exponent <= fit.exponent_high_
    assert fit.exponent_high_ - fit.exponent_low_ < 0.2
    if exponent == 0.5:
        assert fit.square_root_low_ < 0.8 < fit.square_root_high_


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """A 95 % interval of the coefficient that holds it half of the time would pass for a measurement."""
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        fit = ImpactFit(draws=200).fit(_windows(rng, 0.5, 1.0, 200, 2.0), rng=rng)
        held += fit.square_root_low_ < 1.0 < fit.square_root_high_
    assert held >= 49  # below that a true 95 % has a chance of one in ten thousand; 90 % (short blocks) of one in fifty


def test_no_impact_is_not_identified() -> None:
    """Noise would be reported as a law."""
    rng = np.random.default_rng(2)
    fit = ImpactFit(draws=300).fit(FlowWindows(rng.lognormal(-8, 1, 300), rng.standard_normal(300)), rng=rng)
    assert not fit.identified_
    assert fit.square_root_low_ < 0.0 < fit.square_root_high_


def test_windows_by_hand() -> None:
    """A window's move would start at its own first print, or a sale count as a purchase."""
    ts = NS_PER_S * np.array([0, 1, 5, 6, 11, 12, 21], dtype=np.int64)
    trades = Trades("X", ts, np.array([100.0, 101.0, 100.0, 99.0, 98.0, 102.0, 104.0]), np.ones(7),
                    np.array([1, 1, 1, -1, -1, -1, 1]))
    # windows of 5 s: prints 0-1 | 2-3 (net 100 - 99) | 4-5 (net -200) | 6
    windows = flow_windows(trades, 5.0, sigma_per_day=0.05, volume_per_day=1000.0)
    np.testing.assert_allclose(windows.share, [0.001, 0.2, 0.104])
    np.testing.assert_allclose(windows.move, np.log([99 / 101, 99 / 102, 104 / 102]) / 0.05)
    assert sample_volume_per_day(trades) == pytest.approx(704.0 / 21.0 * 86_400.0)


def test_too_few_windows_are_refused() -> None:
    """Ten windows would replace the appetite's coefficient."""
    rng = np.random.default_rng(3)
    with pytest.raises(InsufficientDataError):
        ImpactFit().fit(_windows(rng, 0.5, 1.0, 10, 1.0), rng=rng)


@pytest.mark.shared_data
def test_real_trades_give_a_coefficient_of_order_one(shared_data: Path) -> None:
    """The default coefficient of one would be off by an order of magnitude, or a unit wrong on the way."""
    from leverline.market.sources.trade_files import read_trades

    for trades in read_trades([shared_data / "trades_binance_2024_08_08.parquet"]):
        # realised over the sample by one-second prints; the sample's own volume
        seconds = (trades.ts - trades.ts[0]) // NS_PER_S
        last = np.flatnonzero(np.diff(seconds, append=seconds[-1] + 1))
        moves = np.diff(np.log(trades.price[last]))
        sigma = float(np.sqrt(np.sum(moves**2) * 86_400.0 / seconds[-1]))
        windows = flow_windows(trades, 1.0, sigma_per_day=sigma, volume_per_day=sample_volume_per_day(trades))
        fit = ImpactFit(draws=200).fit(windows, rng=np.random.default_rng(0))
        assert 0.3 < fit.square_root_coefficient_ < 1.5
        assert fit.exponent_low_ <= 0.6
        assert fit.exponent_high_ >= 0.5
