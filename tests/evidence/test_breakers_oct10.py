"""The breakers' experiment on 2025-10-10."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from leverline.enforce.breaker_terms import SWITCHES
from leverline.evidence.experiments import calm_alarms as calm_module
from leverline.evidence.experiments.breakers_oct10 import run
from leverline.evidence.experiments.calm_alarms import Alarms, Source, calm_alarms, poisson_interval


@pytest.mark.shared_data
def test_both_costs_of_every_breaker_are_told(shared_data: Path) -> None:
    """An account of breakers that leaves one out, or only its good side, sells it."""
    experiment = run(shared_data)
    against = {row["against"]: row for row in experiment.variants if "against" in row}
    assert set(against) == {"contract alone", "spot alone", *(f"without {name}" for name in SWITCHES)}
    assert all(row["avoided_usd"] >= 0 and row["caused_usd"] >= 0 for row in against.values())
    halts = [row for row in experiment.variants if row.get("to") == "halted"]
    assert halts
    assert all(row["reason"] for row in halts)
    rows = {row.quantity: row for row in experiment.rows}
    assert rows["longest halt, s"].holds
    calm = {row["calm_bars_s"]: row for row in experiment.variants if "calm_bars_s" in row}
    assert set(calm) == {60, 300, 3_600}
    for row in calm.values():
        low, high = row["interval_95"]
        assert low <= row["alarms"] / row["market_months"] <= high
        assert sum(row["by_breaker"].values()) == row["alarms"]
        assert row["avoided_usd"] >= 0 <= row["caused_usd"]


def bars(closes: list[float], lows: dict[int, float]) -> pl.DataFrame:
    """Five-minute bars of one market from 2024-01-01, flat but for ``lows``."""
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    return pl.DataFrame({
        "ts": [begin + timedelta(minutes=5 * i) for i in range(len(closes))], "symbol": "X", "open": closes,
        "high": closes, "low": [lows.get(i, close) for i, close in enumerate(closes)], "close": closes,
        "volume": 1e6}).with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")))


def alarms_of(tmp_path: Path, closes: list[float], lows: dict[int, float], monkeypatch: pytest.MonkeyPatch) -> Alarms:
    bars(closes, lows).write_parquet(tmp_path / "x.parquet")
    monkeypatch.setattr(calm_module, "SOURCES", (Source("x.parquet", 300),))
    return calm_alarms(tmp_path)[0]


def test_a_wick_in_a_calm_month_is_a_false_alarm_and_a_crash_is_none(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alarms of bad months counted as false make every breaker look hysterical; wicks left out make it look wise."""
    days = 31 * 288
    wick = alarms_of(tmp_path, [100.0] * days, {5_000: 85.0}, monkeypatch)
    assert (wick.count, wick.stretches) == (1, 1)
    assert wick.months == pytest.approx(31 / 30.4375)
    crash = alarms_of(tmp_path, [100.0] * 5_000 + [80.0] * (days - 5_000), {}, monkeypatch)
    assert (crash.count, crash.months) == (0, 0.0)


def test_no_alarm_is_not_no_rate() -> None:
    """A breaker watched for a week without an alarm would be sold as one that never errs."""
    assert list(poisson_interval(0, 2.0)) == pytest.approx([0.0, 3.6888794541 / 2])
    assert list(poisson_interval(10, 1.0)) == pytest.approx([4.7953887, 18.3903560])
