"""What is odd is accepted, named, counted, and kept out of estimation."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.market import Bars, Panel, read_bars
from leverline.market import suspicion as rules
from leverline.market.times import NS_PER_S, parse_instant

HOUR = 3600 * NS_PER_S
START = parse_instant("2024-01-01")


def series(close: list[float], symbol: str = "A", step: int = HOUR, **columns: list[Any]) -> pl.DataFrame:
    ts = [START + i * step for i in range(len(close))]
    numbers = {name: pl.Series(values, dtype=pl.Float64, strict=False) for name, values in columns.items()}
    return pl.DataFrame({"symbol": [symbol] * len(close), "ts": ts, "close": [float(c) for c in close], **numbers})


def struck(bars: Bars, rule: str) -> list[int]:
    """Bar numbers (from START) at which ``rule`` struck."""
    found = [(f.ts - START) // bars.spacing_ns for f in bars.findings if f.rule == rule]
    assert sum(bars.counts[rule].values()) == len(found)
    return found


def test_quiet_bars_raise_no_finding() -> None:
    """Every report would cry wolf."""
    bars = read_bars(series([100, 101, 99.5, 100], open=[100, 100, 101, 99.5], high=[101, 102, 102, 101.0],
                            low=[99, 99, 99, 99.0], volume=[1, 2, 3, 4.0]))
    assert bars.findings == ()
    assert not bars.masked.any()
    assert not any(bars.counts.values())


def test_a_bar_without_trades_is_masked() -> None:
    """A carried-forward price would count as a calm hour."""
    bars = read_bars(series([100, 100, 101, 102], volume=[5, 0, 5, 5.0]))
    assert struck(bars, "zero-volume") == [1]
    assert bars.masked.tolist() == [False, True, False, False]


def test_volume_that_is_zero_throughout_is_unknown() -> None:
    """A mark-price series would be masked whole, or its liquidity taken as none."""
    both = pl.concat([series([100, 101, 102], volume=[0, 0, 0.0]), series([1, 2, 1.5], "B", volume=[1, 1, 1.0])])
    bars = read_bars(both)
    assert not bars.masked.any()
    assert np.isnan(bars.volume[bars.rows("A")]).all()
    assert np.isfinite(bars.volume[bars.rows("B")]).all()
    assert any("A" in w and "unknown" in w for w in bars.warnings)


@pytest.mark.parametrize(("high", "low"), [(99.0, 98.0), (103.0, 101.5), (98.0, 103.0)])
def test_a_bar_that_contradicts_itself_loses_its_range(high: float, low: float) -> None:
    """The worst price inside the bar would be better than its close."""
    bars = read_bars(series([100, 101, 100], open=[100, 100, 101], high=[101, high, 102.0], low=[99, low, 99.0]))
    assert struck(bars, "inconsistent-ohlc") == [1]
    assert np.isnan([bars.high[1], bars.low[1]]).all()
    assert np.isfinite(bars.high[[0, 2]]).all()
    assert bars.close[1] == 101
    assert not bars.masked.any()


def test_single_precision_is_not_a_contradiction() -> None:
    """Half the bars of a file that mixes float32 and float64 would lose their range."""
    close = [0.1, 0.2, 0.3]
    frame = series(close, high=close, low=close).with_columns(pl.col("high", "low").cast(pl.Float32))
    assert (frame["high"].cast(pl.Float64) != frame["close"]).any()
    assert struck(read_bars(frame), "inconsistent-ohlc") == []


def test_a_print_that_is_taken_back_is_masked() -> None:
    """One fat-fingered trade would set the margin of a year."""
    bars = read_bars(series([100, 180, 101, 102]))
    assert struck(bars, "print-jump") == [1]
    assert Panel.of(bars).log_returns()[:, 0] == pytest.approx([np.nan, np.nan, np.log(1.01), np.log(102 / 101)],
                                                               nan_ok=True)


def test_a_great_print_that_is_taken_back_is_no_relisting() -> None:
    """A wrong decimal point would end a series and begin another."""
    bars = read_bars(series([100, 10_000, 101, 102]))
    assert struck(bars, "print-jump") == [1]
    assert struck(bars, "relisting") == []


@pytest.mark.parametrize("close", [
    [100, 55, 56, 57],  # a crash that stays
    [100, 180, 115, 114],  # taken back by less than nine tenths
    [100, 180, 50, 51],  # taken back and much more
    [100, 150, 100, 101],  # 0.41 is a hard day, not a print
])
def test_a_crash_is_not_a_print(close: list[float]) -> None:
    """The very losses that margin is for would be left out."""
    assert not read_bars(series([float(c) for c in close])).masked.any()


def test_a_move_across_a_gap_is_not_a_print() -> None:
    """What happened while trading was halted would be left out."""
    frame = series([100, 101, 102, 200, 101, 102]).with_columns(
        ts=pl.Series([START + h * HOUR for h in (0, 1, 2, 9, 10, 11)]))
    bars = read_bars(frame)
    assert not bars.masked.any()
    assert struck(bars, "gap") == [2]


def test_a_gap_is_counted_in_bars_and_not_filled() -> None:
    """A halt would look like calm trading."""
    bars = read_bars(series([100.0] * 6).with_columns(ts=pl.Series([START + h * HOUR for h in (0, 1, 2, 7, 8, 9)])))
    (gap,) = [f for f in bars.findings if f.rule == "gap"]
    assert gap.detail == "4 bars missing until 2024-01-01T07:00:00Z"
    assert len(bars) == 6


def test_another_asset_under_an_old_name_is_another_listing() -> None:
    """The birth of a coin would be the greatest gain of the one that died."""
    bars = read_bars(pl.concat([series([1.0, 0.9, 9.0, 9.5]), series([5.0, 5.1, 5.2, 5.3], "B")]))
    assert struck(bars, "relisting") == [2]
    assert bars.listing.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


def test_a_dead_feed_is_masked_after_its_first_bar() -> None:
    """A year of standing still would halve the volatility."""
    close = [100.0, 101] + [102.0] * 30 + [103.0]
    bars = read_bars(series(close, high=close, low=close))
    assert struck(bars, "frozen") == list(range(3, 32))
    assert bars.masked.sum() == 29


@pytest.mark.parametrize("hours", [23, 100, 167])
def test_a_stable_coin_may_stand_still(hours: int) -> None:
    """Calm days of a stable-coin at one tick would be thrown away."""
    assert not read_bars(series([1.0001] + [1.0] * hours + [1.0001])).masked.any()


def test_a_week_of_one_close_is_a_dead_feed_even_without_a_range() -> None:
    """A delisted coin would look like the safest collateral."""
    bars = read_bars(series([1.1] + [1.0] * 168 + [1.1]))
    assert int(bars.masked.sum()) == 167


def test_a_close_that_stands_while_trades_happen_is_alive() -> None:
    """A pegged asset in a deep market would be thrown away."""
    close = [1.1] + [1.0] * 400 + [1.1]
    assert not read_bars(series(close, high=close, low=close, volume=[7.0] * 402)).masked.any()


def test_stamps_off_the_grid_are_named_and_never_share_a_bar() -> None:
    """Two prices would claim one bar, and the last one read would win."""
    minutes = [0, 60, 120, 150, 180, 245, 300, 360, 420, 480, 540]
    frame = series([100.0 + i for i in range(11)]).with_columns(ts=pl.Series([START + m * HOUR // 60 for m in minutes]))
    bars = read_bars(frame)
    found = [(f.ts - START) * 60 // HOUR for f in bars.findings if f.rule == "off-grid"]
    assert found == [150, 245]
    assert np.flatnonzero(bars.masked).tolist() == [3]


@pytest.mark.parametrize(("first", "step"), [("2024-01-01", 7 * 24 * HOUR), ("2024-01-01T16:00:00Z", 24 * HOUR),
                                             ("2024-01-01T00:30:00Z", HOUR)])
def test_a_panel_opens_when_its_bars_open(first: str, step: int) -> None:
    """A week of Mondays would be taken as known on the Thursday before, and margins set with prices still to come."""
    opens = parse_instant(first)
    shifted = series([1, 1.1, 1.2, 1.3], step=step).with_columns(ts=pl.col("ts") - START + opens)
    late = pl.DataFrame({"symbol": ["A"], "ts": [opens + 4 * step + step // 100], "close": [1.4]})
    panel = Panel.of(read_bars(pl.concat([shifted, late])))
    assert panel.ts.tolist() == [opens + k * step for k in range(5)]
    assert np.isfinite(panel.close).all()


def test_symbols_on_many_phases_stand_on_the_utc_grid() -> None:
    """The grid would follow whichever symbol comes first, and two runs on parts of one file would not agree."""
    frames = [series([1, 1.1, 1.2], name).with_columns(pl.col("ts") + minutes * HOUR // 60)
              for name, minutes in (("A", 50), ("B", 10), ("C", 30))]
    panel = Panel.of(read_bars(pl.concat(frames)))
    assert panel.ts.tolist() == [START, START + HOUR, START + 2 * HOUR]
    assert np.isfinite(panel.close).all()


def test_a_series_on_its_own_phase_is_on_the_grid() -> None:
    """Exchanges that open their day at another hour would be flagged bar by bar."""
    shifted = series([1.0, 1.1, 1.2], "B").with_columns(pl.col("ts") + HOUR // 2)
    assert read_bars(pl.concat([series([1.0, 1.1, 1.2]), shifted])).counts["off-grid"] == {}


def test_an_empty_cell_among_values_is_counted() -> None:
    """Holes in volume would pass for a source that has none."""
    bars = read_bars(series([1.0, 1.1, 1.2], volume=[1.0, None, 2.0]))
    assert struck(bars, "missing-field") == [1]
    assert np.isnan(bars.volume[1])


def test_findings_are_bounded_and_counts_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad file would fill the memory, or its badness would be understated."""
    monkeypatch.setattr(rules, "MAX_FINDINGS", 3)
    bars = read_bars(series([100.0 + i % 7 for i in range(50)], volume=[0.0, 1.0] * 25))
    assert bars.counts["zero-volume"] == {"A": 25}
    assert len(bars.findings) == 3


def test_a_selection_keeps_only_its_own_findings() -> None:
    """A clean market would carry its neighbour's faults in its report."""
    frame = pl.concat([series([1.0, 1.1, 1.2], volume=[1, 0, 1.0]), series([1.0, 1.1, 1.2], "B", volume=[1, 0, 1.0])])
    bars = read_bars(frame, symbols=["B"])
    assert bars.symbols == ("B",)
    assert bars.counts["zero-volume"] == {"B": 1}
    assert {f.symbol for f in bars.findings} == {"B"}


@given(st.lists(st.floats(0.01, 1e6), min_size=2, max_size=60), st.integers(0, 2**32 - 1))
def test_rules_never_change_a_close_or_lose_a_row(close: list[float], seed: int) -> None:
    """Cleaning would become inventing."""
    volume = np.random.default_rng(seed).integers(0, 3, len(close)).astype(float).tolist()
    bars = read_bars(series(close, volume=volume))
    assert bars.close.tolist() == close
    assert bars.listing[0] == 0
    assert set(np.diff(bars.listing)) <= {0, 1}
    assert not (np.diff(bars.listing) > 0)[bars.masked[1:]].any()  # no listing begins at a masked bar
    traded = any(v > 0 for v in volume)
    assert all(m or v > 0 for m, v in zip(bars.masked, volume, strict=True)) or not traded
