"""The day of 2025-10-10 under caps: what an account loses, what is known before, and what the experiment says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.evidence.experiments.caps_oct10 import (
    ACCOUNTS,
    DAY,
    DRAWS,
    MARKET_OF,
    OPEN_INTEREST,
    PATHS,
    VALUES,
    Drawn,
    Path1m,
    bad_debt,
    draw_accounts,
    latest_value,
    open_interest_before,
    paths_of_the_day,
    run,
)
from leverline.ground.errors import InsufficientDataError
from leverline.margin.forced_impact import PowerImpact

FREE = PowerImpact(0.0, 0.5)
ONE = Drawn(np.array([[10.0, 4.0]]), np.array([[0.5, 0.5]]))


def path(close: list[float], low: list[float] | None = None) -> Path1m:
    closes = np.array(close)
    return Path1m(closes, closes if low is None else np.array(low), np.zeros(closes.size, np.int8))


def test_a_gap_costs_what_margin_does_not_cover() -> None:
    """The bad debt of the day would be a figure of another rule."""
    lost = bad_debt(path([100.0, 80.0, 75.0], [100.0, 80.0, 70.0]), ONE, 1000.0, 0.02, 0.0, FREE)
    # at 80 only the tenfold account is below maintenance; it is filled at the next low, 70: 0.3 lost of 0.1 margin
    assert lost == pytest.approx([500.0 * 0.2])


def test_fees_and_impact_add_to_it() -> None:
    """Selling into a fall would be free."""
    steps = path([100.0, 80.0, 70.0])
    pressed = bad_debt(steps, ONE, 1000.0, 0.02, 0.001, PowerImpact(0.001, 0.5), moves_mark=False)
    fill = 0.7 * (1.0 - 0.001 * np.sqrt(500.0))
    assert pressed == pytest.approx([500.0 * (1.0 - 0.1 - 0.999 * fill)])


def test_forced_sales_bring_others_down_with_them() -> None:
    """The cascade, which the caps are there to stop, would be missing from the day."""
    steps = path([100.0, 88.0, 88.0, 88.0], [100.0, 88.0, 60.0, 60.0])
    impact = PowerImpact(0.15 / np.sqrt(500.0), 0.5)  # the first account's sale moves the mark by 15 %
    alone = bad_debt(steps, ONE, 1000.0, 0.02, 0.0, impact, moves_mark=False)
    together = bad_debt(steps, ONE, 1000.0, 0.02, 0.0, impact)
    assert together > alone


def test_without_a_fall_nothing_is_lost() -> None:
    """A calm day would be reported with bad debt."""
    assert bad_debt(path([100.0, 101.0, 99.0]), ONE, 1000.0, 0.02, 0.001, FREE).tolist() == [0.0]


@given(times=st.floats(1.0, 20.0), rate=st.floats(0.0, 2e-3))
def test_losses_grow_at_least_as_fast_as_open_interest(times: float, rate: float) -> None:
    """Doubling a market would look harmless although its sales press the price further."""
    steps, impact = path([100.0, 88.0, 80.0, 72.0, 70.0]), PowerImpact(rate, 0.5)
    small = bad_debt(steps, ONE, 1000.0, 0.02, 0.0, impact, moves_mark=False)
    large = bad_debt(steps, ONE, 1000.0 * times, 0.02, 0.0, impact, moves_mark=False)
    assert large[0] >= times * small[0] * (1 - 1e-9)


def test_drawn_accounts_have_the_leverages_of_the_distribution() -> None:
    """The interval would be over accounts that the venue does not have."""
    drawn = draw_accounts({5.0: 0.5, 10.0: 0.3, 20.0: 0.2}, np.random.default_rng(1))
    assert drawn.leverage.shape == drawn.share.shape == (DRAWS, ACCOUNTS)
    assert set(np.unique(drawn.leverage)) == {5.0, 10.0, 20.0}
    np.testing.assert_allclose(drawn.share.sum(axis=1), 1.0)
    assert abs(float((drawn.leverage == 5.0).mean()) - 0.5) < 0.03


def test_missing_files_are_named(tmp_path: Path) -> None:
    """A user would not know which file to bring."""
    with pytest.raises(InsufficientDataError, match=PATHS):
        run(tmp_path)


@pytest.mark.shared_data
def test_nothing_of_the_day_or_after_is_known_before(shared_data: Path) -> None:
    """Caps that have seen the crash would be judged on it."""
    import polars as pl

    for file in (OPEN_INTEREST, VALUES):
        seen = pl.read_parquet(shared_data / file).filter(pl.col("symbol") == "BTC")
        column = "oi_close" if file == OPEN_INTEREST else "market_cap"
        before = seen.filter(pl.col("ts") < DAY).sort("ts")[column][-1]
        found = (open_interest_before if file == OPEN_INTEREST else latest_value)(shared_data / file, "BTC")
        assert found == before
    assert open_interest_before(shared_data / OPEN_INTEREST, "NONE") is None


@pytest.mark.shared_data
def test_paths_are_of_spot_where_there_is_spot(shared_data: Path) -> None:
    """A thin coin-margined contract printed AVAX at 6.02 while spot never traded below 17: no index follows that."""
    paths = paths_of_the_day(shared_data / PATHS)
    assert set(paths) == set(MARKET_OF)
    assert float(paths["AVAX"].low.min()) == 17.0
    assert all(path.close.size > 1_000 and np.isfinite(path.low).all() for path in paths.values())


@pytest.mark.slow
@pytest.mark.shared_data
def test_caps_keep_the_day_within_the_fund_and_nothing_else_does(shared_data: Path) -> None:
    """The page on caps would say of the day what the experiment does not."""
    found = run(shared_data)
    assert [row.holds for row in found.rows] == [True, True, True, True]
    spot, perpetuals = (variant for variant in found.variants if "markets" in variant)
    assert spot["bad debt"]["without caps"]["mean"] > 20 * spot["bad debt"]["1 x caps"]["mean"]
    assert perpetuals["bad debt"]["1 x caps"]["high"] > perpetuals["worst day, batch sold into it"]
