"""An implied-volatility index beside the bars: by how much it moves a limit, and when it must not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from leverline.calibrate.beside_bars import BesideBars
from leverline.calibrate.book import Calibration, calibrate_book
from leverline.calibrate.implied_volatility import implied_use
from leverline.ground.arrays import FloatArray, IntArray
from leverline.market.bars import Bars, Panel
from leverline.measure.loss_models import loss_model
from leverline.model import RiskAppetite
from tests.calibrate.beside import DAY_NS, index_of
from tests.calibrate.markets import Market, bars_of

CCP = RiskAppetite.profile("ccp")
A, B = "A/USDT:USDT", "B/USDT:USDT"
N = 900


def stormy() -> tuple[Bars, FloatArray]:
    """Two markets; the first's daily volatility (N,) changes between 2 % and 8 % each month, its last days are wild."""
    bars = bars_of(Market(A, n=N), Market(B, seed=2, n=N))
    sigma = np.where((np.arange(N) // 30) % 2, 0.02, 0.08)
    sigma[-3:] = 0.16
    rows = bars.rows(A)
    bars.close[rows] = 100 * np.exp(np.cumsum(sigma * np.random.default_rng(5).standard_normal(N)))
    bars.high[rows], bars.low[rows] = np.nan, np.nan
    return bars, sigma


@pytest.fixture(scope="module")
def market() -> tuple[Bars, FloatArray]:
    return stormy()


def closes_of(bars: Bars) -> IntArray:
    return bars.ts[bars.rows(A)] + bars.spacing_ns


def foreseen(sigma: FloatArray) -> FloatArray:
    """What an index that knows tomorrow's volatility shows at each close, with the premium that sellers are paid."""
    return np.asarray(1.2 * np.append(sigma[1:], sigma[-1]) * np.sqrt(365.0), np.float64)


def calibrated(bars: Bars, value: FloatArray | None = None, last: int | None = None, days: int = N) -> Calibration:
    """With an index of ``days`` values up to the close of bar ``last`` (of 0 .. N - 1)."""
    stop = N if last is None else last + 1
    beside = BesideBars() if value is None else BesideBars(
        implied={A: index_of(A, closes_of(bars)[stop - days : stop], value[stop - days : stop])})
    return calibrate_book(bars, CCP, beside=beside)


def test_the_loss_quantile_moves_by_the_factor_to_the_models_power(market: tuple[Bars, FloatArray]) -> None:
    """A vote that the options market fears would leave margin where it was, or move another market's."""
    bars, sigma = market
    plain, blended = calibrated(bars), calibrated(bars, foreseen(sigma))
    use = blended.markets[0].implied
    assert use is not None
    assert use.factor > 1.3
    assert "implied" in use.basis
    assert "chosen by past QLIKE" in use.basis
    power = use.factor ** loss_model("half-filtered-gpd").filtering
    got, was = blended.markets[0].measures, plain.markets[0].measures
    np.testing.assert_allclose(got.losses.quantile, was.losses.quantile * power, rtol=1e-12)
    np.testing.assert_allclose(got.losses_at_half_exceedance.quantile,
                               was.losses_at_half_exceedance.quantile * power, rtol=1e-12)
    np.testing.assert_allclose(got.reaction, was.reaction * power, rtol=1e-12)
    assert blended.markets[1].limits == plain.markets[1].limits
    assert blended.markets[1].implied is None
    assert blended.book.instruments[A].tiers[0].max_leverage < plain.book.instruments[A].tiers[0].max_leverage
    assert f"{A}: volatility is {use.basis}" in blended.book.provenance.warnings


@pytest.mark.parametrize(("last", "days", "says"), [
    (N - 1, 30, "realised only: the index has less than 60 days of record"),
    (N - 2, N - 1, "realised only: the index has no value for the last day"),
    (N - 1, 1, "realised only: the index has less than 60 days of record"),
], ids=["short", "late", "one value"])
def test_without_a_record_or_a_value_of_today_realised_volatility_stands(
    market: tuple[Bars, FloatArray], last: int, days: int, says: str
) -> None:
    """Last week's fear, or an index that nobody has seen fail, would set today's margin."""
    bars, sigma = market
    plain, given = calibrated(bars), calibrated(bars, foreseen(sigma), last, days)
    use = given.markets[0].implied
    assert use is not None
    assert use.factor == 1.0
    assert given.book.instruments == plain.book.instruments
    assert f"{A}: volatility is {says}" in given.book.provenance.warnings


def test_half_a_day_is_not_scored_as_a_day() -> None:
    """A book drawn at noon would trust whatever forecast was low, because half a day moved half as far."""
    hours, as_of_hour = 24 * 200, 24 * 200 - 12
    bars = bars_of(Market(A, n=hours, spacing_s=3_600))
    panel = Panel.of(bars)
    sigma = np.full(panel.close.shape, 0.03)
    days = bars.ts[0] + DAY_NS * np.arange(1, 200, dtype=np.int64)
    value = 0.03 * np.sqrt(365.0) * np.exp(0.3 * np.random.default_rng(1).standard_normal(199))
    index = index_of(A, np.append(days, days[-1] + 12 * 3_600 * 10**9), np.append(value, 0.9))
    morning = np.arange(hours) >= 24 * 199
    uses = []
    for stretch in (1.0, 1.5):
        moved = replace(panel, close=np.where(morning[:, None], stretch ** (np.arange(hours)[:, None] - 24 * 199) *
                                              panel.close, panel.close))
        cut = replace(moved, **{name: getattr(moved, name)[:as_of_hour]
                                for name in ("ts", "close", "high", "low", "volume")})
        uses.append(implied_use(cut, sigma[:as_of_hour], 0, index))
    assert "implied" in uses[0].basis
    assert uses[0].factor == uses[1].factor
    np.testing.assert_array_equal(uses[0].blended, uses[1].blended)
    whole = [implied_use(replace(panel, close=close), sigma, 0, index_of(A, np.append(days, days[-1] + DAY_NS),
                                                                         np.append(value, 0.9))).factor
             for close in (panel.close, moved.close)]
    assert whole[0] != whole[1]


def test_a_price_that_stood_still_has_no_factor() -> None:
    """A pegged coin with an index beside it would stop the whole calibration."""
    panel = Panel.of(bars_of(Market(A, n=200)))
    index = index_of(A, panel.ts + panel.spacing_ns, np.full(200, 0.6))
    assert implied_use(panel, np.zeros(panel.close.shape), 0, index).factor == 1.0
