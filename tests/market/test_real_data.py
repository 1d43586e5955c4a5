"""Real files: what their collectors wrote down about them must be found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leverline.ground.errors import MalformedInputError
from leverline.market import read_bars
from leverline.market.quality import describe
from leverline.market.times import iso, parse_instant

pytestmark = pytest.mark.shared_data


def test_the_hourly_file_has_the_gaps_it_is_known_to_have(shared_data: Path) -> None:
    """Halts would be invented or overlooked."""
    report = describe([shared_data / "hourly_close_spot_binance.parquet"])
    assert report.refused == ()
    assert report.counts["gap"] == 274
    assert sum(s.missing_bars for s in report.symbols) == 16_433
    by_name = {s.symbol: s for s in report.symbols}
    assert len(by_name) == 51
    assert by_name["FTT"].longest_gap_bars // 24 == 311
    assert by_name["USTC"].first.startswith("2023-03-10")
    assert report.counts["frozen"] == 0  # stable-coins stand still for hours, not for a week


def test_the_new_luna_is_another_listing(shared_data: Path) -> None:
    """A twelvefold log return would be taken for a price move of one coin."""
    bars = read_bars([shared_data / "hourly_close_spot_binance.parquet"], symbols=["LUNA"])
    assert parse_instant("2022-05-31T06:00:00Z") in [f.ts for f in bars.findings if f.rule == "relisting"]
    reborn = np.searchsorted(bars.ts, parse_instant("2022-05-31T06:00:00Z"))
    assert bars.close[reborn - 1] < 1e-3
    assert bars.close[reborn] > 8
    assert bars.listing[reborn] == bars.listing[reborn - 1] + 1
    assert bars.listing[-1] == bars.listing[reborn]


def test_the_illiquid_cross_section_is_masked_where_nothing_traded(shared_data: Path) -> None:
    """A back-filled history would be measured as if it had traded."""
    bars = read_bars([shared_data / "daily_perp_hyperliquid_all.parquet"])
    assert round(100 * bars.masked.mean(), 2) == 13.08
    (wrong,) = [f for f in bars.findings if f.rule == "inconsistent-ohlc"]
    assert (wrong.symbol, iso(wrong.ts)) == ("HPOS", "2023-05-21T00:00:00Z")


@pytest.mark.parametrize(("name", "seconds", "symbols"), [
    ("daily_spot_coinbase", 86_400, 139), ("hourly_btc_spot_binance_2017", 3_600, 1),
    ("m15_perp_binance_btc_eth", 900, 2),
    ("m5_perp_hyperliquid_2025", 300, 8), ("oct10_2025_m1_btc_coinm_markprice", 60, 1),
    ("daily_btc_macro_2015", 86_400, 1),
])
def test_files_read_as_they_are(name: str, seconds: float, symbols: int, shared_data: Path) -> None:
    """A user would have to convert what is already in the right form."""
    bars = read_bars([shared_data / f"{name}.parquet"])
    assert (bars.spacing_s, len(bars.symbols)) == (seconds, symbols)
    assert bars.warnings == ()


def test_a_file_of_prices_without_a_close_is_told_apart(shared_data: Path) -> None:
    """Irregular oracle prices would pass for bars."""
    with pytest.raises(MalformedInputError, match="price_usd"):
        read_bars([shared_data / "hourly_aave_collateral_prices.parquet"])
