"""The volatility experiments: a fair race on small made-up markets, and what bitcoin's index adds on the real ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from leverline.evidence.experiments import implied_blend, volatility_race
from leverline.evidence.experiments.forecast_race import race
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.measure.volatility import qlike


def log_variance(rng: np.random.Generator, n: int) -> FloatArray:
    """Daily variance around 0.0016 whose logarithm is an AR(1)."""
    logs = np.zeros(n)
    for t in range(1, n):
        logs[t] = 0.95 * logs[t - 1] + 0.25 * rng.standard_normal()
    return np.asarray(0.0016 * np.exp(logs))


def hourly_bars(rng: np.random.Generator, variance: FloatArray) -> pl.DataFrame:
    """A coin whose hours have these daily variances; it begins at 04:00, so that its first day is not whole."""
    steps = (np.sqrt(variance / 24)[:, None] * rng.standard_normal((variance.size, 24))).ravel()[4:]
    close = 100.0 * np.exp(np.cumsum(steps))
    opened = np.concatenate([[100.0], close[:-1]])
    reach = np.exp(np.abs(0.003 * rng.standard_normal((2, close.size))))
    start = datetime(2021, 1, 1, 4, tzinfo=UTC)
    stamps = [start + timedelta(hours=hour) for hour in range(close.size)]
    return pl.DataFrame({"ts": stamps, "symbol": "BTC", "open": opened, "close": close,
                         "high": np.maximum(opened, close) * reach[0], "low": np.minimum(opened, close) / reach[1],
                         "volume": 1.0})


@pytest.fixture(scope="module")
def small_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two daily coins and bitcoin by the hour, 700 days, with an index that knows tomorrow's variance but for noise."""
    folder = tmp_path_factory.mktemp("markets")
    rng = np.random.default_rng(1)
    daily = []
    for symbol in ("AAA", "BBB"):
        hours = hourly_bars(rng, log_variance(rng, 700)).with_columns(pl.lit(symbol).alias("symbol"))
        daily.append(hours.group_by_dynamic("ts", every="1d").agg(
            pl.first("symbol"), pl.first("open"), pl.max("high"), pl.min("low"), pl.last("close"), pl.sum("volume")))
    pl.concat(daily).write_parquet(folder / volatility_race.DAILY)
    variance = log_variance(rng, 700)
    bars = hourly_bars(rng, variance)
    bars.write_parquet(folder / volatility_race.HOURLY)
    known = variance[1:] * np.exp(0.1 * rng.standard_normal(variance.size - 1))
    days = bars["ts"].dt.truncate("1d").unique(maintain_order=True)[: known.size]
    pl.DataFrame({"ts": days, "symbol": "BTC", "dvol": 115.0 * np.sqrt(365 * known)})[200:].write_parquet(
        folder / implied_blend.INDEX)
    return folder


def test_the_better_forecast_wins_and_days_are_common() -> None:
    """A forecast would win by not entering on the hard days."""
    rng = np.random.default_rng(2)
    truth = log_variance(rng, 600)[:, None] * np.ones(3)
    realised = truth * rng.chisquare(5, truth.shape) / 5
    worse = truth * np.exp(0.8 * rng.standard_normal(truth.shape))
    absent = worse.copy()
    absent[:300] = np.nan
    finished = race({"reference": worse, "truth": truth, "late": absent}, realised, "reference", rng=rng)
    assert finished.dates == 300
    assert finished.observations == 900
    assert finished.standings[0].name == "truth"
    assert finished.of("truth").p_better < 0.01
    assert finished.of("truth").in_set
    assert not finished.of("reference").in_set
    assert finished.of("late").difference == 0.0
    assert finished.of("truth").level == pytest.approx(1.0, abs=0.1)
    assert finished.of("truth").qlike == pytest.approx(qlike(truth[300:], realised[300:]).mean())
    assert finished.of("reference").to_dict()["p_better"] is None


def test_a_race_without_common_days_is_refused() -> None:
    """A verdict would rest on nothing."""
    rng = np.random.default_rng(3)
    h = np.full((300, 1), 0.01)
    early, late = h.copy(), h.copy()
    early[200:], late[:150] = np.nan, np.nan
    with pytest.raises(InsufficientDataError):
        race({"early": early, "late": late}, h, "early", rng=rng)
    with pytest.raises(UsageError):
        race({"early": early}, h, "har", rng=rng)


def test_the_volatility_race_lists_every_forecast_in_both_fields(small_folder: Path) -> None:
    """Losers would vanish from the record, and the winner's level be anybody's guess."""
    found = volatility_race.run(small_folder)
    names = {(v["study"], v["field"]): {w["forecast"] for w in found.variants if w["study"] == v["study"]
                                        and w["field"] == v["field"]} for v in found.variants}
    assert names["daily coins", "raw"] == names["daily coins", "levelled"]
    assert {"har", "garch-t", "gjr-t", "parkinson-0.9", "yang-zhang-30", "ewma-mix-0.94-0.99"} <= names[
        "bitcoin from hours", "raw"]
    assert len(found.rows) == 8
    assert "0 not used" in found.provenance["notes"]["bitcoin from hours"]
    with pytest.raises(InsufficientDataError):
        volatility_race.run(small_folder / "absent")


def test_daily_bars_of_the_race_are_those_of_whole_days(small_folder: Path) -> None:
    """Ranges and returns would be of days that begin at four in the morning."""
    hours, (high, low, close) = volatility_race._hours(small_folder)
    bars = pl.read_parquet(small_folder / volatility_race.HOURLY)
    second_day = bars.filter(pl.col("ts").dt.date() == datetime(2021, 1, 2, tzinfo=UTC).date())
    assert (high[0, 0], low[0, 0]) == (second_day["high"].max(), second_day["low"].min())
    assert close[0, 0] == second_day["close"][-1]
    assert hours.shape[0] == 24 * 699


def test_an_index_that_knows_more_is_found_to(small_folder: Path) -> None:
    """The experiment would find nothing where there is something."""
    found = implied_blend.run(small_folder)
    better = next(r for r in found.rows if r.quantity == "1 d: QLIKE of the blend less that of realised only")
    assert better.holds
    assert {r.holds for r in found.rows if "there is no index" in r.quantity} == {True}
    assert len({v["forecast"] for v in found.variants}) == 12


@pytest.mark.shared_data
def test_the_blend_beats_realised_only_on_bitcoin(shared_data: Path) -> None:
    """A feed would be kept, and trusted, that adds nothing."""
    rows = {r.quantity: r for r in implied_blend.run(shared_data).rows}
    assert rows["1 d: QLIKE of the blend less that of realised only"].holds
    assert rows["7 d: QLIKE of the blend less that of realised only"].holds
