"""Incidents of the past on their price shapes: what the eyes and the breakers do, and what that costs.

Where minute data are shared they are used; elsewhere the shape is the published one, stated beside its test.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from leverline.enforce.breaker_accounting import Run, cost_of, false_alarms, seconds_at
from leverline.enforce.breaker_terms import SECOND_NS, BreakerTerms
from leverline.enforce.effects import Breaker, BreakerTransition, LossShared, Reject, Rejected
from leverline.enforce.events import Deposit, OracleUpdate, OrderIntent, TimePassed
from leverline.enforce.margining import standing
from leverline.enforce.venue import OUTSIDE_MARKET
from tests.enforce.watched import WatchedWorld, orders
from tests.enforce.worlds import ANN, BTC, market

MINUTES = BreakerTerms(margin_age_ns=180 * SECOND_NS, opening_age_ns=90 * SECOND_NS)
"""For shapes that are known by the minute: a feed's age is judged by its own interval."""


def test_mango_2022_a_price_bought_up_carries_no_new_loan() -> None:
    """MNGO went from 0.038 to 0.91 in about ten minutes; the profit on paper was borrowed out of the venue."""
    world = WatchedWorld.of_breakers(MINUTES, market(BTC, profit_cap=10_000_000))
    world.long_position(lots=100, price=3_800, cash=50_000_000)
    levels = []
    for price in (4_500, 6_000, 12_000, 30_000, 60_000, 91_000, 91_000):
        world.see(BTC, price, after_s=60)
        levels.append(world.breaker())
    assert Breaker.NORMAL not in levels[1:]
    assert isinstance(world.do(OrderIntent(ANN, BTC, 1, world.mark() or 1))[0], Rejected)
    now = standing(world.venue.state, world.venue.state.number[ANN])
    assert now.counted_initial <= 50_000_000 + 10_000_000


def test_crv_2022_a_slow_squeeze_is_no_alarm() -> None:
    """CRV rose by three quarters in hours (0.41 to 0.72): a halt of a market that trades leaves bad debt."""
    world = WatchedWorld.of_breakers(MINUTES)
    world.see(BTC, 4_100)
    world.open(ANN, 3_000_000)
    world.trade(OUTSIDE_MARKET, ANN, 50, 4_100)  # short 20.5 USDT
    sold = 0
    for minute in range(240):
        effects = world.see(BTC, 4_100 + 3_100 * minute // 240, after_s=60)
        assert world.breaker() is not Breaker.HALTED
        sold += len(orders(effects))
    assert sold


def test_yfi_2023_open_interest_that_grows_eightyfold_is_stopped_early() -> None:
    """0.8 to 67 million of open interest through a hundred wallets, each within its own limit."""
    world = WatchedWorld.of_breakers(replace(MINUTES, growth_floor=10**9))
    world.long_position(lots=100, price=100_000, cash=10**12)
    for _ in range(20):
        world.see(BTC, 100_000, after_s=60)
        if isinstance(world.do(OrderIntent(ANN, BTC, 60, 100_000))[0], Rejected):
            break
        world.trade(ANN, OUTSIDE_MARKET, 60, 100_000)
    assert world.venue.state.markets[BTC].open_interest < 400
    assert world.do(OrderIntent(ANN, BTC, 1, 100_000))[0] == Rejected(Reject.REDUCE_ONLY, "at most 0 lots")


def test_jelly_2025_a_fourfold_price_is_liquidated_at_prices_that_stood() -> None:
    """JELLY from 0.0095 to four times that within an hour: new risk stops, liquidation goes on, steps are held."""
    world = WatchedWorld.of_breakers(MINUTES)
    world.long_position(lots=1, price=9_500, cash=10**9)
    seen: list[Breaker] = []
    for price in (9_500, 11_000, 15_000, 22_000, 30_000, 38_000, 43_000):
        for _ in range(3):
            world.see(BTC, price, after_s=60)
            world.must(TimePassed(), after_s=11)
            seen.append(world.breaker())
    assert Breaker.REDUCE_ONLY in seen
    assert world.mark() == 43_000


def test_usde_2025_one_book_at_065_liquidates_no_holder() -> None:
    """USDe printed 0.65 on one exchange and 0.997 elsewhere: its holders were liquidated and paid back 283 million."""
    world = WatchedWorld.of_breakers(MINUTES)
    pool = world.open(ANN, 0)
    world.see("COIN", 1_000_000)
    world.see(BTC, 100_000)
    world.must(Deposit(ANN, "COIN", 100_000_000))
    world.trade(ANN, OUTSIDE_MARKET, 70, 100_000)
    sold = 0
    for local in (990_000, 920_000, 800_000, 650_000, 700_000, 950_000):
        sold += len(orders(world.see("COIN", local, 997_000, 998_000, after_s=60)))
    assert sold == 0
    assert standing(world.venue.state, pool).health > 0
    price = world.venue.state.asset_price["COIN"]
    assert 997_000 <= price <= 998_000


def test_a_whole_market_below_par_opens_low_and_liquidates_by_redemption() -> None:
    """If every book says 0.65 while the issuer redeems at par, the loss is the seller's and not the holder's."""
    world = WatchedWorld.of_breakers(MINUTES)
    pool = world.open(ANN, 0)
    world.must(Deposit(ANN, "COIN", 100_000_000))
    for price in (1_000_000, 920_000, 850_000, 780_000, 720_000, 650_000):
        world.see("COIN", price, after_s=60)
        world.must(OracleUpdate("COIN", "redemption", 1_000_000, 0, world.venue.state.now_ns))
    now = standing(world.venue.state, pool)
    assert (now.counted_maintenance, now.counted_initial) == (90_000_000, 52_000_000)


def test_a_gap_held_too_long_costs_and_is_booked_as_caused() -> None:
    """A breaker's ledger that shows only what it saved will be switched on everywhere."""
    under, without = Run(), Run()
    under.note(0, [LossShared(ANN, 5)])
    without.note(0, [LossShared(ANN, 2)])
    cost = cost_of("move_ppm", under, without)
    assert (cost.avoided, cost.caused) == (0, 3)
    assert cost_of("move_ppm", without, under).avoided == 3


def test_alarms_of_calm_months_are_counted_by_breaker_and_a_silent_month_too() -> None:
    """A breaker that trips every Tuesday is switched off by Thursday."""
    run = Run()
    day = 86_400 * SECOND_NS
    run.note(40 * day, [BreakerTransition(BTC, Breaker.NORMAL, Breaker.REDUCE_ONLY, "price band: more than 1 ppm")])
    run.note(41 * day, [BreakerTransition(BTC, Breaker.REDUCE_ONLY, Breaker.NORMAL, "the cause is gone")])
    run.note(70 * day, [BreakerTransition(BTC, Breaker.NORMAL, Breaker.HALTED, "latency: 5 ns")])
    assert false_alarms(run, {"1970-01": True, "1970-02": True, "1970-03": False}) == {
        "1970-01": {}, "1970-02": {"price band": 1}}
    spent = seconds_at(run, BTC, 0, 80 * day)
    assert (spent[Breaker.REDUCE_ONLY], spent[Breaker.HALTED]) == (86_400, 10 * 86_400)


@pytest.mark.shared_data
def test_usdc_2023_03_11_minutes_agree_on_a_price_off_par(shared_data: Path) -> None:
    """A real loss of par that every book shows must move the collateral: held at par it would be lent against."""
    rows = pl.read_parquet(shared_data / "m1_usdc_depeg_2023_03.parquet").filter(
        (pl.col("venue") == "binance.us") & (pl.col("ts").dt.date() == pl.date(2023, 3, 11)))
    both = rows.filter(pl.col("market") == "BTCUSD").join(rows.filter(pl.col("market") == "BTCUSDC"), on="ts")
    implied = (both.sort("ts")["close"] / both.sort("ts")["close_right"]).to_list()
    world = WatchedWorld.of_breakers(MINUTES)
    lowest = 10**9
    for price in implied[::4]:
        world.see("COIN", int(price * 1e6), after_s=240)
        lowest = min(lowest, world.venue.state.asset_price.get("COIN", 10**9))
    assert min(implied) < 0.95
    assert lowest < 960_000


@pytest.mark.shared_data
def test_coinm_2025_10_10_one_wick_liquidates_nobody(shared_data: Path) -> None:
    """AVAX's coin-margined contract printed 6.6 while spot stood at 17: alone it must not be the mark.

    The sample has one other venue; its open and its close stand for two sources.
    """
    rows = pl.read_parquet(shared_data / "oct10_2025_m1_sample.parquet").filter(pl.col("ts").dt.hour() == 21)
    wick = rows.filter(pl.col("market") == "AVAXUSD_PERP").select("ts", wick="low")
    both = rows.filter(pl.col("market") == "AVAX-USD").join(wick, on="ts").sort("ts").select("open", "close", "wick")
    world = WatchedWorld.of_breakers(MINUTES)
    honest: list[int] = []
    wicks: list[int] = []
    marks: list[int] = []
    for opened, closed, low in both.iter_rows():
        said = [int(price * 1_000) for price in (opened, closed, low)]
        honest += said[:2]
        wicks.append(said[2])
        world.see(BTC, *said, after_s=60)
        marks += [mark for mark in [world.mark()] if mark is not None]
    assert min(wicks) < min(honest) // 2
    assert min(marks) >= min(honest)
