"""Bars as prices: the order of the extremes, the common start, and what a replay does with accounts."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.enforce.bar_points import PriceBar, bars_in_time, ticks
from leverline.enforce.events import Body, Deposit, Fill, OpenPool, PoolKey
from leverline.enforce.outside_market import OutsideMarket
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.replaying import Replay, replay_bars
from leverline.enforce.tallying import solvency
from leverline.enforce.terms import AssetTerms, MarketTerms, TierTerms, VenueTerms
from leverline.enforce.venue import OUTSIDE_MARKET
from leverline.ground.errors import CheckFailedError, InsufficientDataError
from leverline.market.bars import Bars
from leverline.model.accounts import Mode

SYMBOL = "ETH/USDT:USDT"
HOUR_NS = 3_600 * 10**9
TERMS = MarketTerms(SYMBOL, Fraction(1, 10), Fraction(1, 100_000), 1, (TierTerms(0, 20_000, 10_000, 0),),
                    None, None, None, None, None, 0, None, None)
WEIGHTS = AssetTerms("ETH", (0,), (700_000,), (800_000,), None)
BOOK = VenueTerms("book", "USDT", {SYMBOL: TERMS}, {"ETH": WEIGHTS})
ANN = PoolKey("ann")


def bar(at: int, prices: tuple[int, int, int, int], turnover: float = 1e18) -> PriceBar:
    opened, high, low, close = prices
    return PriceBar(SYMBOL, at * HOUR_NS, opened, high, low, close, 0.01, turnover)


def run(bars: list[PriceBar], opening: list[Body]) -> Replay:
    done = Replay.of(BOOK, LEVERLINE)
    replay_bars(done, [[one] for one in bars], HOUR_NS, OutsideMarket(1.0), opening, {"ETH": (SYMBOL, 100_000)})
    return done


@given(net=st.integers(-5, 5), down=st.integers(0, 50), up=st.integers(0, 50))
def test_the_adverse_extreme_comes_first(net: int, down: int, up: int) -> None:
    """Accounts would be saved by a rally that may have come only after the fall."""
    _, first, second, _ = bar(0, (100, 100 + up, 100 - down, 100)).path(net)
    assert {first, second} == {100 + up, 100 - down}
    if net:
        assert first == (100 - down if net > 0 else 100 + up)
    else:
        assert first is not None
        assert abs(first - 100) == max(down, up)


def test_a_bar_without_a_range_is_its_close() -> None:
    """Extremes that nobody saw would liquidate."""
    assert replace(bar(0, (1, 1, 1, 7)), open=None, high=None, low=None).path(3) == (None, None, None, 7)


def columns(symbols: tuple[str, ...], starts: list[int], n: int, masked: tuple[int, ...] = ()) -> Bars:
    ts = np.concatenate([(start + np.arange(n, dtype=np.int64)) * HOUR_NS for start in starts])
    prices = np.full(ts.size, 20.0)
    mask = np.zeros(ts.size, dtype=bool)
    mask[list(masked)] = True
    return Bars(symbols, np.arange(len(symbols) + 1, dtype=np.int64) * n, ts, prices, prices * 1.01, prices * 0.99,
                prices, prices, mask, np.zeros(ts.size, dtype=np.int64), HOUR_NS)


def test_markets_begin_together_and_masked_bars_are_passed_over() -> None:
    """An account would hold a market that has no price yet, or meet a print that is known to be wrong."""
    terms = {"A": replace(TERMS, symbol="A"), "B": replace(TERMS, symbol="B")}
    found = list(bars_in_time(columns(("A", "B"), [0, 2], 5, masked=(3,)), terms))
    assert [[(b.market, b.ts_ns // HOUR_NS) for b in at] for at in found] == [
        [("A", 2), ("B", 2)], [("B", 3)], [("A", 4), ("B", 4)], [("B", 5)], [("B", 6)]]
    assert found[0][0].sigma == pytest.approx(math.log(1.01 / 0.99) / math.sqrt(4 * math.log(2)))
    assert found[0][0].turnover == 20.0 * 20.0 * 1e6


def test_bars_of_other_markets_are_refused() -> None:
    """A replay of nothing would be called solvent."""
    with pytest.raises(InsufficientDataError):
        list(bars_in_time(columns(("A",), [0], 3), {"B": TERMS}))


@given(price=st.floats(1e-3, 1e9))
def test_ticks_are_the_nearest(price: float) -> None:
    """Every price of the replay would be off by up to a whole tick."""
    found = ticks(price, Fraction(1, 10))
    assert found == 1 or (found is not None and abs(found - price * 10) <= 0.5 + price * 1e-12)


def test_a_bold_long_is_cut_and_a_calm_one_kept() -> None:
    """A fall of a twentieth must reach the account at 20x and leave the one at 2x."""
    calm = PoolKey("calm")
    lots = 10_000
    opening: list[Body] = []
    for pool, leverage in ((ANN, 20), (calm, 2)):
        opening += [OpenPool(pool, "", Mode.CROSS), Deposit(pool, "USDT", lots * 20_000 // leverage),
                    Fill(SYMBOL, pool, OUTSIDE_MARKET, lots, 20_000)]
    done = run([bar(0, (20_000,) * 4), bar(1, (20_000, 20_000, 19_100, 19_100)), bar(2, (19_100,) * 4)], opening)
    state = done.venue.state
    assert state.positions.lots[state.number[calm]] == {SYMBOL: lots}
    assert state.positions.lots[state.number[ANN]].get(SYMBOL, 0) < lots
    assert solvency(state).conserved


def test_coins_are_collateral_at_the_price_of_the_bars() -> None:
    """An account whose coins fall with its position would never be valued, and so never be liquidated."""
    lots = 100_000
    opening: list[Body] = [OpenPool(ANN, "", Mode.CROSS), Deposit(ANN, "ETH", 100_000),
                           Fill(SYMBOL, ANN, OUTSIDE_MARKET, lots, 20_000)]
    done = run([bar(0, (20_000,) * 4), bar(1, (20_000, 20_000, 18_600, 18_600)),
                bar(2, (18_600, 18_600, 18_300, 18_300)), bar(3, (18_300, 18_300, 17_900, 17_900))], opening)
    state = done.venue.state
    assert done.tally.events["LiquidationFill"]
    assert state.asset_price["ETH"] == 1_790_000_000
    assert solvency(state).conserved
    assert done.tally.loss_shared == 0
    assert solvency(state).unpaid == 0


def test_accounts_that_cannot_be_opened_end_the_replay() -> None:
    """The replay would go on without an account that was asked for."""
    with pytest.raises(CheckFailedError, match="unknown asset"):
        run([bar(0, (20_000,) * 4)], [OpenPool(ANN, "", Mode.CROSS), Deposit(ANN, "DOGE", 1)])
