"""Elasticity of demand: recovered where something identifies it, refused where nothing does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import UsageError
from leverline.measure.elasticity import (
    Elasticity,
    PriceChange,
    elasticity_by_instrument,
    elasticity_of_changes,
    not_identified,
)

TRUE = -0.6
ASSUMED = (-1.2, -0.2)
SEEDS = 120
N_DAYS, N_MARKETS, WINDOW = 360, 16, 28


def autoregressive(rng: np.random.Generator, shape: tuple[int, ...], decay: float) -> FloatArray:
    """Stationary series of unit variance along the first axis."""
    out = rng.standard_normal(shape)
    for t in range(1, shape[0]):
        out[t] = decay * out[t - 1] + np.sqrt(1 - decay**2) * out[t]
    return out


def adaptive_market(seed: int, strength: float = 0.3) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Log volume, log fee, lottery and noisy volatility of a venue whose fee follows volatility, which draws trade."""
    rng = np.random.default_rng(seed)
    volatility = autoregressive(rng, (N_DAYS,), 0.95)
    lottery = rng.choice([-1.0, 1.0], N_DAYS)  # a fee holiday by lot
    fee = 0.5 * volatility + strength * lottery + 0.1 * rng.standard_normal(N_DAYS)
    volume = TRUE * fee + 0.8 * volatility + 0.4 * autoregressive(rng, (N_DAYS,), 0.7)
    return volume, fee, lottery, volatility + 0.7 * rng.standard_normal(N_DAYS)


def least_squares(y: FloatArray, *columns: FloatArray) -> tuple[float, float]:
    """The coefficient of the first column and its standard error."""
    x = np.column_stack([*columns, np.ones(y.size)])
    beta, *_ = np.linalg.lstsq(x, y, rcond=None)
    left = y - x @ beta
    return float(beta[0]), float(np.sqrt(left @ left / (y.size - x.shape[1]) * np.linalg.inv(x.T @ x)[0, 0]))


def governed_markets(seed: int, apart: float = 0.0) -> tuple[FloatArray, list[PriceChange]]:
    """Markets with common and own volatility; six fees are changed by decision on two days.

    ``apart`` is the drift a day by which the changed markets leave the others before the change.
    """
    rng = np.random.default_rng(seed)
    common = autoregressive(rng, (N_DAYS, 1), 0.98)
    spread = rng.uniform(0.2, 0.6, N_MARKETS)
    volume = 0.8 * common + spread * autoregressive(rng, (N_DAYS, N_MARKETS), 0.8)
    volume += 0.4 * np.linspace(0.0, 1.0, N_DAYS)[:, None]
    changes = []
    for k, (row, factor) in enumerate([(120, 2.0), (120, 2.0), (120, 0.5), (240, 2.0), (240, 0.5), (240, 0.5)]):
        volume[row:, k] += TRUE * np.log(factor)
        volume[row - 2 * WINDOW:row, k] += apart * np.sign(np.log(factor)) * np.arange(2 * WINDOW)
        volume[row:, k] += apart * np.sign(np.log(factor)) * 2 * WINDOW
        changes.append(PriceChange(k, row, 0.0005, 0.0005 * factor))
    return volume, changes


def by_changes(volume: FloatArray, changes: list[PriceChange], seed: int = 0) -> Elasticity:
    return elasticity_of_changes(volume, changes, window=WINDOW, assumed=ASSUMED, rng=np.random.default_rng(seed),
                                 draws=399)


def test_the_naive_regression_has_the_wrong_sign_and_the_instrument_the_right_value() -> None:
    """Fees would be raised in the belief that dearer trading draws trade, because storms raise both."""
    naive, covered, ours, naive_covers = [], 0, [], 0
    for seed in range(SEEDS):
        volume, fee, lottery, volatility = adaptive_market(seed)
        for columns in ((fee,), (fee, volatility)):
            value, error = least_squares(volume, *columns)
            naive.append(value)
            naive_covers += abs(value - TRUE) <= 2 * error
        found = elasticity_by_instrument(volume, fee, lottery, stated="a lottery", assumed=ASSUMED)
        assert found.identified
        ours.append(found.value)
        covered += found.low <= TRUE <= found.high
    assert np.mean(naive[::2]) > 0.2  # wrong sign
    assert np.mean(naive[1::2]) > TRUE + 0.4  # volatility that is measured with noise does not mend it
    assert naive_covers <= 0.05 * 2 * SEEDS
    assert np.mean(ours) == pytest.approx(TRUE, abs=3 * np.std(ours) / np.sqrt(SEEDS) + 0.01)
    assert 0.89 * SEEDS <= covered <= 0.995 * SEEDS


def test_decided_changes_against_control_markets_recover_it() -> None:
    """The one experiment that governance runs would be read wrongly, or with an interval that means nothing."""
    found = [by_changes(*governed_markets(seed), seed) for seed in range(SEEDS)]
    held = [one for one in found if one.identified]
    assert len(held) >= 0.85 * SEEDS
    values = np.array([one.value for one in held])
    assert values.mean() == pytest.approx(TRUE, abs=3 * values.std() / np.sqrt(len(held)) + 0.01)
    covered = np.mean([one.low <= TRUE <= one.high for one in held])
    assert 0.89 <= covered <= 0.995


def test_before_and_after_without_controls_is_what_controls_mend() -> None:
    """If a market's own before and after did as well, the control markets would be for show."""
    alone, ours = [], []
    for seed in range(40):
        volume, changes = governed_markets(seed)
        size = np.array([c.log_change for c in changes])
        own = np.array([volume[c.row:c.row + WINDOW, c.column].mean() - volume[c.row - WINDOW:c.row, c.column].mean()
                        for c in changes])
        alone.append(size @ own / (size @ size))
        ours.append(by_changes(volume, changes).value)
    assert np.std(ours) < 0.8 * np.std(alone)


def test_changes_that_answer_a_trend_identify_nothing() -> None:
    """A fee raised because a market was already growing would be read as demand that loves fees."""
    refused = 0
    for seed in range(30):
        found = by_changes(*governed_markets(seed, apart=-0.03))
        refused += not found.identified and "before" in found.why
    assert refused >= 27


def test_a_weak_instrument_identifies_nothing() -> None:
    """Noise called an instrument gives back the naive answer with an interval that looks like knowledge."""
    results = [elasticity_by_instrument(*adaptive_market(seed, strength=0.0)[:3], stated="nothing", assumed=ASSUMED)
               for seed in range(40)]
    refused = [one for one in results if not one.identified]
    assert len(refused) >= 36
    assert {(one.low, one.high) for one in refused} == {ASSUMED}
    assert "weak" in refused[0].why


def test_without_changes_or_without_controls_a_range_is_all_there_is() -> None:
    """A default would be taken for a measurement."""
    volume, changes = governed_markets(1)
    assert not by_changes(volume, []).identified
    few = by_changes(volume[:, :7], changes)
    assert not few.identified
    assert "kept their price" in few.why
    assert (few.low, few.high) == ASSUMED


@given(scale=st.floats(-3.0, 3.0), seed=st.integers(0, 50))
@hypothesis_settings(max_examples=25)
def test_units_of_volume_and_whole_market_moves_do_not_matter(scale: float, seed: int) -> None:
    """Counting in another currency, or a boom that lifts all markets alike, would change the elasticity."""
    volume, changes = governed_markets(seed)
    moved = volume + scale + scale * np.sin(np.arange(N_DAYS) / 20.0)[:, None]
    assert by_changes(moved, changes).value == pytest.approx(by_changes(volume, changes).value, abs=1e-9)


def test_contradictions_are_refused() -> None:
    """Two changes at once in one market, or an instrument that nobody vouches for, would be averaged into a figure."""
    volume, changes = governed_markets(2)
    with pytest.raises(UsageError, match="twice"):
        by_changes(volume, [*changes, PriceChange(0, 130, 0.001, 0.002)])
    with pytest.raises(UsageError, match="before a change"):
        by_changes(volume, [PriceChange(0, 10, 0.001, 0.002)])
    with pytest.raises(UsageError, match="stated"):
        elasticity_by_instrument(*adaptive_market(0)[:3], stated=" ", assumed=ASSUMED)
    with pytest.raises(UsageError, match="one positive rate to another"):
        PriceChange(0, 100, 0.001, 0.001)
    with pytest.raises(UsageError, match="not positive"):
        not_identified("", (-0.5, 0.5))


def test_a_gap_in_volume_is_no_zero() -> None:
    """A market that was halted for a week would look as if a fee had driven its users away."""
    volume, changes = governed_markets(3)
    holed = volume.copy()
    holed[200:207] = np.nan
    holed[:, 15] = np.nan
    found = by_changes(holed, changes)
    assert np.isfinite([found.value, found.low, found.high]).all()
    assert found.value == pytest.approx(by_changes(volume, changes).value, abs=0.15)
