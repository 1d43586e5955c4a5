"""Cold start: peers on day one, the own tail with time, and nothing of the future."""

from __future__ import annotations

import numpy as np
import pytest

from leverline.calibrate.cold_start import (
    ColdStart,
    EarlyVolatility,
    OwnHistory,
    Peers,
    cold_start_quantiles,
    market_features,
)
from leverline.ground.errors import InsufficientDataError
from leverline.market.bars import Panel
from leverline.measure.loss_models import DEFAULT_MODEL, loss_model, walk_forward
from leverline.measure.losses import worst_losses
from tests.measure.panels import closes, panel_of, unit_t

EXCEEDANCES = (0.01, 0.005)


def market(rng: np.random.Generator, n_bars: int, sigmas: np.ndarray, listed: np.ndarray) -> Panel:
    """Day bars of markets with constant volatility, each from its own first row."""
    close = closes(sigmas * unit_t(rng, (n_bars, sigmas.size)))
    for column, row in enumerate(listed):
        close[:row, column] = np.nan
    return panel_of(close)


def peers_alike(rng: np.random.Generator, n: int, spread: float) -> Peers:
    log_sigma = np.log(0.04) + spread * rng.normal(size=n)
    log_tail = np.log(0.5) + 0.05 * rng.normal(size=(n, 2, 2)) + np.array([0.0, 0.2])
    features = rng.normal(size=(n, 1))
    return Peers(log_tail, log_sigma, features, np.full((2, 2), 0.25), log_sigma, features)


def test_on_day_one_the_peers_speak_and_their_spread_is_in_the_rate() -> None:
    """A new coin at the average of its peers is under-margined whenever it is one of the wilder half."""
    rng = np.random.default_rng(1)
    alike, apart = (ColdStart(exceedances=EXCEEDANCES).fit(peers_alike(rng, 60, spread)) for spread in (0.01, 0.4))
    nothing, features = OwnHistory.none(), np.zeros(1)
    calm, wide = alike.quantile(nothing, features), apart.quantile(nothing, features)
    assert np.all(calm.own_weight == 0.0)
    assert calm.explanation(0, 0) == "own 0.00, peers 1.00"
    assert calm.quantile[0, 0] == pytest.approx(0.5 * np.sqrt(0.04), rel=0.05)
    assert np.all(wide.quantile > 1.05 * calm.quantile)  # half the spread, squared, over twice the sharpness: 8 %


def test_a_wild_first_month_raises_the_rate_and_a_long_history_takes_over() -> None:
    """A coin that fell by half in its first weeks would keep the rate of its calm peers."""
    rng = np.random.default_rng(2)
    listed = np.r_[np.zeros(30, int), 600, 600, 660]
    sigmas = np.r_[0.03 * np.exp(0.3 * rng.normal(size=30)), 0.09, 0.03, 0.03]
    panel = market(rng, 701, sigmas, listed)
    losses = worst_losses(panel, 1)
    young = cold_start_quantiles(panel, losses, 699, EXCEEDANCES)
    assert young.n_peers == 30
    assert np.isnan(young.quantile[:30]).all()
    assert np.all(young.quantile[30] > 1.5 * young.quantile[31])
    assert np.all(young.own_weight[31] > young.own_weight[32])
    assert np.all((young.quantile[30:] > 0) & (young.quantile[30:] < 1))


def test_the_rate_goes_over_into_the_models_own_without_a_jump() -> None:
    """On its 281st day a coin's margin would leap for no reason in the market."""
    rng = np.random.default_rng(3)
    ratios = []
    for _ in range(4):
        panel = market(rng, 900, np.r_[0.04 * np.exp(0.3 * rng.normal(size=25)), np.full(6, 0.04)],
                       np.r_[np.zeros(25, int), np.full(6, 610)])
        losses = worst_losses(panel, 1)
        row = np.array([610 + 283])
        own = walk_forward(panel, losses, loss_model(DEFAULT_MODEL), row, EXCEEDANCES).quantile[0, 25:]
        before = cold_start_quantiles(panel, losses, 610 + 276, EXCEEDANCES).quantile[25:]
        assert np.isfinite(before).all()
        assert np.isfinite(own).all()
        ratios.append(own / before)
    assert 0.85 < np.median(ratios) < 1.15
    assert np.quantile(ratios, 0.9) < 1.5


def test_nothing_of_the_future_enters() -> None:
    """A rate that knew the coming crash would pass every backtest and fail in the market."""
    rng = np.random.default_rng(4)
    panel = market(rng, 600, np.full(12, 0.04), np.r_[np.zeros(10, int), 400, 430])
    row = 470
    cut = Panel(panel.symbols, panel.ts[: row + 1], panel.spacing_ns, *(
        getattr(panel, name)[: row + 1] for name in ("close", "high", "low", "volume")))
    whole, known = (cold_start_quantiles(p, worst_losses(p, 1), row, EXCEEDANCES) for p in (panel, cut))
    assert np.array_equal(whole.quantile, known.quantile, equal_nan=True)
    assert np.isfinite(whole.quantile[10:]).all()


def test_breaches_of_newcomers_are_as_frequent_as_stated() -> None:
    """The whole point: one in a hundred days over the first quarter of new coins of unlike volatility."""
    rng = np.random.default_rng(5)
    hits = seen = 0
    for _ in range(12):
        sigmas = 0.04 * np.exp(0.4 * rng.normal(size=60))
        panel = market(rng, 460, sigmas, np.r_[np.zeros(30, int), np.full(30, 360)])
        losses = worst_losses(panel, 1)
        for row in (360, 370, 390, 420):
            quantile = cold_start_quantiles(panel, losses, row, EXCEEDANCES).quantile[30:, :, 0]
            ahead = losses.loss[row : row + 10, 30:]
            hits, seen = hits + int(np.count_nonzero(ahead > quantile)), seen + ahead.size
    assert seen == 12 * 4 * 10 * 30 * 2
    assert 0.007 < hits / seen < 0.013


def test_a_coin_of_which_nothing_is_known_is_marked_as_assumed() -> None:
    """The book would call a grand mean of strangers a measurement."""
    rng = np.random.default_rng(6)
    panel = market(rng, 400, np.full(8, 0.04), np.r_[np.zeros(6, int), 399, 360])
    bare = np.full((8, 1), np.nan)
    young = cold_start_quantiles(panel, worst_losses(panel, 1), 399, EXCEEDANCES, bare)
    assert young.assumed.tolist() == [False] * 6 + [True, False]
    assert np.isfinite(young.quantile[6]).all()


def test_without_peers_it_is_refused() -> None:
    """The first coins of a venue would be margined by a regression on nothing."""
    panel = market(np.random.default_rng(7), 120, np.full(4, 0.04), np.zeros(4, int))
    with pytest.raises(InsufficientDataError, match="0 peers"):
        cold_start_quantiles(panel, worst_losses(panel, 1), 100, EXCEEDANCES)


def test_features_are_those_of_the_row() -> None:
    """Yesterday's newcomer would be judged by tomorrow's volume."""
    close = np.full((50, 2), 10.0)
    close[:20, 1] = np.nan
    panel = panel_of(close)
    volume = np.where(np.isfinite(close), 3.0, np.nan)
    volume[30:] = 1e6
    filled = Panel(panel.symbols, panel.ts, panel.spacing_ns, close, panel.high, panel.low, volume)
    known = market_features(filled, 25, np.array([1e9, np.nan]))
    assert known[:, 0] == pytest.approx(np.log([30.0, 30.0]))
    assert known[0, 1] == pytest.approx(np.log(1e9))
    assert np.isnan(known[1, 1])
    assert known[:, 2] == pytest.approx(np.log1p([25, 5]))


def test_a_dead_listing_is_nobodys_peer() -> None:
    """Coins that stopped trading at their wildest would set the rates of the living for ever."""
    close = closes(0.05 * unit_t(np.random.default_rng(8), (80, 2)))
    close[40:, 0] = np.nan
    early = EarlyVolatility.of(panel_of(close), loss_model(DEFAULT_MODEL))
    assert np.isfinite(early.log_sigma[39]).all()
    assert np.isnan(early.log_sigma[40:, 0]).all()
    assert np.isnan(early.log_sigma[:3]).all()


def test_a_long_is_never_asked_more_than_it_can_lose() -> None:
    """A venue would ask a buyer for more than the whole price."""
    rng = np.random.default_rng(9)
    panel = market(rng, 400, np.r_[np.full(6, 0.04), 0.6], np.r_[np.zeros(6, int), 340])
    quantile = cold_start_quantiles(panel, worst_losses(panel, 1), 395, (0.0005,)).quantile[6, :, 0]
    assert quantile[0] == 1.0
    assert quantile[1] > 1.0
