"""Ten real borrowers of Aave v2 at 1,317 blocks: our health factor beside the one that the chain reported.

The source gives each block's balances with prices of its own, the chain's two totals (wei of ETH) and the chain's
health factor, rounded to 0.01. The thresholds are those of aave/protocol-v2, markets/aave/reservesConfigs.ts. Version 2
rounds its average threshold down to a basis point like version 3.0, so that rulebook is asked; without that rounding
one more block would disagree.

What the source's prices decide here is only how a total is shared among several collaterals: WETH needs none, because
the venue counts in ETH. Two things were found, both checked below: USDC's threshold had risen to 88 % by May 2022, and
before 2021 the source fills in the first prices of 2021.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from leverline.margin.rulebooks import aave_v3_0
from leverline.margin.rulebooks.aave_v3 import Collateral, Holding, Position

FILE = "aave_v2_user_positions_health_factor.parquet"
HALF_A_UNIT = 0.005  # the source rounds health factors to 0.01
LISTED_BPS = {"AAVE": 6_500, "DAI": 8_000, "LINK": 7_500, "MKR": 6_500, "TUSD": 8_000, "UNI": 6_500, "USDC": 8_500,
              "USDT": 0, "WBTC": 7_500, "WETH": 8_250, "ZRX": 6_500}
RAISED_USDC_BPS = 8_800
FIRST_PRICES = datetime(2021, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope="module")
def rows(shared_data: Path) -> pl.DataFrame:
    """One row a holding of a borrower at a block."""
    path = shared_data / FILE
    if not path.is_file():
        pytest.skip(f"{FILE} is absent")
    return pl.read_parquet(path)


def health(block: pl.DataFrame, thresholds_bps: dict[str, int]) -> float:
    """Our health factor of one borrower at one block, from balances, prices, thresholds and the chain's totals."""
    total, debt = int(block["total_collateral_eth_wei"][0]), int(block["total_debt_eth_wei"][0])
    wei = shared_out(block.filter(pl.col("side") == "collateral"), total, thresholds_bps)
    held = tuple(Collateral(asset, value, 1, 1, 0, thresholds_bps[asset], 10_500, 0) for asset, value in wei.items())
    return aave_v3_0.account_state(Position(held, (Holding("all", debt, 1, 1),))).health_factor / 10**18


def shared_out(collateral: pl.DataFrame, total_wei: int, thresholds_bps: dict[str, int]) -> dict[str, int]:
    """The chain's total by asset, wei: WETH at its balance, the rest in proportion to balance times price.

    An asset with threshold 0 is no collateral.
    """
    usd = {str(row["token"]): float(row["amount_usd"]) for row in collateral.iter_rows(named=True)
           if thresholds_bps[str(row["token"])]}
    weth = int(collateral.filter(pl.col("token") == "WETH")["amount_raw"].sum()) if len(usd) > 1 else 0
    if not weth:
        return {asset: int(total_wei * value / sum(usd.values())) for asset, value in usd.items()}
    others = sum(value for asset, value in usd.items() if asset != "WETH")
    return {asset: weth if asset == "WETH" else int((total_wei - weth) * value / others)
            for asset, value in usd.items()}


def disagreements(rows: pl.DataFrame, thresholds_bps: dict[str, int]) -> list[tuple[str, datetime]]:
    """Borrower and time of the blocks whose health factors differ by more than the source's rounding."""
    found = []
    for (user, _), block in rows.group_by("user", "block"):
        if abs(health(block, thresholds_bps) - float(block["healthFactor"][0])) > HALF_A_UNIT:
            found.append((str(user), block["ts"][0]))
    return sorted(found)


def test_the_chain_reported_what_the_rule_says(rows: pl.DataFrame) -> None:
    """A borrower who trusts our health factor would be liquidated while we call him safe, or the reverse."""
    old, new = rows.filter(pl.col("ts") < datetime(2022, 1, 1, tzinfo=UTC)), rows.filter(
        pl.col("ts") >= datetime(2022, 1, 1, tzinfo=UTC))
    exceptions = disagreements(old, LISTED_BPS) + disagreements(new, LISTED_BPS | {"USDC": RAISED_USDC_BPS})
    assert rows["user"].n_unique() == 10
    assert rows.select("user", "block").n_unique() == 1_317
    assert [(user, ts.date().isoformat()) for user, ts in exceptions] == [("w_602d2ba669", "2020-12-17")]


def test_the_exception_falls_where_the_source_has_no_prices(rows: pl.DataFrame) -> None:
    """The one block that disagrees would be a fault of the rule, not of prices that are two weeks from the future."""
    early = rows.filter(pl.col("ts") < FIRST_PRICES)
    for (token,), prices in early.group_by("token"):
        assert prices["price_usd"].n_unique() == 1, token
    after = rows.filter((pl.col("ts") >= FIRST_PRICES) & (pl.col("token") == "WETH"))
    assert after["price_usd"].n_unique() > 500


def test_the_listed_usdc_threshold_fails_one_borrower_of_2022(rows: pl.DataFrame) -> None:
    """A change of the venue's threshold would go unnoticed, and with it a health factor that is wrong by 3.5 %."""
    late = rows.filter(pl.col("ts") >= datetime(2022, 1, 1, tzinfo=UTC))
    wrong = disagreements(late, LISTED_BPS)
    assert {user for user, _ in wrong} == {"w_6893207f33"}
    assert len(wrong) == 5
    block = late.filter(pl.col("healthFactor") == 3.42)
    assert health(block, LISTED_BPS) == pytest.approx(3.3037, abs=1e-4)
    assert health(block, LISTED_BPS | {"USDC": RAISED_USDC_BPS}) == pytest.approx(3.4203, abs=1e-4)


def test_the_average_threshold_is_rounded_down_before_use(rows: pl.DataFrame) -> None:
    """Our rule would be right by luck: an exact average leaves the source's rounding at one block more."""
    beyond = []
    priced = rows.filter(pl.col("ts").is_between(FIRST_PRICES, datetime(2022, 1, 1, tzinfo=UTC)))
    for (user, number), block in priced.group_by("user", "block"):
        total = int(block["total_collateral_eth_wei"][0])
        wei = shared_out(block.filter(pl.col("side") == "collateral"), total, LISTED_BPS)
        exact = sum(value * LISTED_BPS[asset] for asset, value in wei.items()) / 10_000
        if abs(exact / float(block["total_debt_eth_wei"][0]) - float(block["healthFactor"][0])) > HALF_A_UNIT:
            beyond.append((user, number))
    assert beyond == [("w_1ab8fba49c", 12_080_440)]


def test_other_prices_move_the_health_factor_by_half_a_percent_in_the_middle(rows: pl.DataFrame) -> None:
    """Whoever feeds market prices instead of the venue's oracle would not know how far off the answer may be."""
    late = rows.filter((pl.col("ts") >= FIRST_PRICES) & (pl.col("ts") < datetime(2022, 1, 1, tzinfo=UTC)))
    off = []
    for _, block in late.group_by("user", "block"):
        usd = block.group_by("side").agg(pl.col("amount_usd").sum())
        sides = dict(zip(usd["side"], usd["amount_usd"], strict=True))
        weighted = sum(float(r["amount_usd"]) * LISTED_BPS[str(r["token"])] / 10_000
                       for r in block.filter(pl.col("side") == "collateral").iter_rows(named=True))
        if sides.get("debt", 0.0) > 0 and float(block["healthFactor"][0]) > 0.5:
            off.append(abs(weighted / sides["debt"] / float(block["healthFactor"][0]) - 1))
    assert sorted(off)[len(off) // 2] == pytest.approx(0.0048, abs=1e-4)
