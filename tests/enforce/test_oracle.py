"""The composite price: what one wrong, late, loud or lone source can do to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.enforce.breaker_terms import KEYS, SWITCHES, BreakerTerms, breaker_terms
from leverline.enforce.effects import LiquidationOrder, Reject, Rejected
from leverline.enforce.events import Deposit, OracleUpdate, TimePassed
from leverline.enforce.margining import standing
from leverline.enforce.oracle import Feed, Quality, Reading, capped_weights, judge, weighted_median
from leverline.ground.errors import LeverlineError
from tests.enforce.watched import SECOND, SOURCES, WatchedWorld
from tests.enforce.worlds import ANN, BOB, BTC

TERMS = BreakerTerms()
prices = st.integers(1, 10**9)


def readings(*values: int, at: int = 0) -> tuple[Reading, ...]:
    return tuple(Reading(f"s{i}", value, 0, at, at) for i, value in enumerate(values))


@given(honest=st.lists(prices, min_size=2, max_size=8), bad=st.lists(prices, max_size=7))
def test_a_wrong_minority_cannot_move_the_price_out_of_the_honest_range(honest: list[int], bad: list[int]) -> None:
    """Whoever buys one exchange's book for a minute would name everybody's liquidation price."""
    rows = readings(*honest, *bad[:len(honest) - 1])
    feed = judge(Feed(), rows, 0, TERMS)
    assert feed.price is None or min(honest) <= feed.price <= max(honest)


@given(values=st.lists(prices, min_size=3, max_size=8), heavy=st.integers(1, 10**12))
def test_no_source_weighs_half_whatever_the_book_says(values: list[int], heavy: int) -> None:
    """A weight set too high would make one source the oracle."""
    weights = capped_weights(readings(*values), BreakerTerms(weights=(("s0", heavy),)))
    assert all(2 * w < sum(weights) for w in weights)
    assert min(weights) > 0


@given(values=st.lists(prices, min_size=1, max_size=9))
def test_the_median_of_equal_weights_is_the_usual_one(values: list[int]) -> None:
    """A composite between the wrong two sources is a price that nobody stands behind."""
    ordered, half = sorted(values), len(values) // 2
    usual = ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) // 2
    assert weighted_median(readings(*values), [7] * len(values)) == usual


@given(rows=st.lists(st.tuples(prices, st.integers(1, 6)), min_size=1, max_size=7))
def test_a_source_that_weighs_thrice_counts_thrice(rows: list[tuple[int, int]]) -> None:
    """Weights set by a book would be decoration, or move the price past the half of what was said."""
    values, weights = [price for price, _ in rows], [weight for _, weight in rows]
    ordered = sorted(price for price, weight in rows for _ in range(weight))
    half = len(ordered) // 2
    usual = ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) // 2
    assert weighted_median(readings(*values), weights) == usual


@pytest.mark.parametrize(("rows", "quality"), [
    ((), Quality.STALE),
    (readings(100_000), Quality.STALE),
    (readings(100_000, 100_100), Quality.THIN),
    (readings(100_000, 100_100, 99_900), Quality.VALID),
    (readings(100_000, 100_100, 60_000), Quality.THIN),  # one strays: it counts toward no quorum
    (readings(100_000, 110_000), Quality.DISAGREE),
    (readings(100_000, 103_000, 97_000), Quality.DISAGREE),
    (tuple(Reading(f"s{i}", 1000, 21, 0, 0) for i in range(3)), Quality.UNCERTAIN),
])
def test_a_price_is_as_good_as_the_sources_behind_it(rows: tuple[Reading, ...], quality: Quality) -> None:
    """A price of nobody, of one, or of two who quarrel would liquidate as if it were the market's."""
    assert judge(Feed(), rows, 0, TERMS).quality is quality


def test_a_jump_is_believed_only_once_it_has_stood() -> None:
    """A fat finger seen by every source for one tick would liquidate for good."""
    feed = judge(Feed(), readings(1000, 1001, 999), 0, TERMS)
    jumped = judge(feed, readings(850, 851, 849, at=SECOND), SECOND, TERMS)
    assert (jumped.quality, jumped.price) == (Quality.HELD, 1000)
    assert judge(jumped, jumped.readings, 5 * SECOND, TERMS).quality is Quality.HELD
    later = judge(jumped, jumped.readings, 11 * SECOND, TERMS)
    assert (later.price, later.quality) == (850, Quality.THIN)  # ten seconds old: liquidates, opens nothing


def test_a_source_cannot_take_back_time() -> None:
    """A replayed price of this morning would count as news."""
    world = WatchedWorld.of_breakers()
    world.see(BTC, 1000, after_s=1)
    late = world.do(OracleUpdate(BTC, SOURCES[0], 900, 0, world.venue.state.now_ns - 1))
    assert late == (Rejected(Reject.OUT_OF_ORDER, f"{SOURCES[0]} has said something newer"),)
    assert world.mark(BTC) == 1000


def test_one_lying_source_liquidates_nobody() -> None:
    """One manipulated book would sell everybody out at its price."""
    world = WatchedWorld.of_breakers()
    world.long_position(lots=100, price=1000, cash=1_000_000)
    effects = world.must(OracleUpdate(BTC, SOURCES[1], 100, 0, world.venue.state.now_ns))
    assert not any(isinstance(e, LiquidationOrder) for e in effects)
    assert world.mark(BTC) == 1000


@pytest.mark.parametrize(("market", "opening"), [(650_000, 650_000), (1_010_000, 1_000_000)])
def test_pegged_collateral_is_liquidated_by_redemption_and_opens_at_the_lower(market: int, opening: int) -> None:
    """USDe at 0.65 on one book, redeemable at 1, must neither liquidate its holders nor borrow at 1."""
    world = WatchedWorld.of_breakers()
    pool = world.open(ANN)
    world.must(Deposit(ANN, "COIN", 1_000_000))
    world.see("COIN", market)
    world.must(OracleUpdate("COIN", "redemption", 1_000_000, 0, world.venue.state.now_ns))
    now = standing(world.venue.state, pool)
    assert (now.counted_maintenance, now.counted_initial) == (900_000, opening * 8 // 10)


def test_redemption_that_falls_silent_gives_way_to_the_market() -> None:
    """A promise that is no longer kept would hold bad collateral at par: USDC's weekend."""
    world = WatchedWorld.of_breakers()
    world.open(ANN)
    world.must(Deposit(ANN, "COIN", 1_000_000))
    world.see("COIN", 1_000_000)
    world.must(OracleUpdate("COIN", "redemption", 1_000_000, 0, world.venue.state.now_ns))
    world.see("COIN", 900_000, after_s=3_601)
    world.see("COIN", 900_000, after_s=11)
    assert world.venue.state.asset_price["COIN"] == 900_000


def test_collateral_that_nobody_prices_liquidates_nobody_until_it_falls_back_to_the_low_side() -> None:
    """A dead feed would liquidate at a price of yesterday, or, if it stays dead, never."""
    world = WatchedWorld.of_breakers()
    pool = world.open(BOB)
    world.must(Deposit(BOB, "COIN", 1_000_000))
    world.see("COIN", 1_000_000)
    world.must(TimePassed(), after_s=61)
    assert not standing(world.venue.state, pool).priced
    world.must(TimePassed(), after_s=1_800)
    assert world.venue.state.asset_price["COIN"] == 1_000_000


def test_a_book_sets_breakers_in_its_own_units() -> None:
    """A grace of 60 read as nanoseconds would be none."""
    terms = breaker_terms({"grace_s": 90, "move": 0.2, "quorum": 1, "weight:binance": 0.5, "growth_floor": 5})
    assert terms is not None
    assert (terms.grace_ns, terms.move_ppm, terms.quorum, terms.growth_floor) == (90 * SECOND, 200_000, 1, 5_000_000)
    assert (terms.weight("binance"), terms.weight("kraken")) == (500_000, 1_000_000)
    assert breaker_terms(None) is None
    assert {field for field, _ in KEYS.values()} >= set(SWITCHES)


@pytest.mark.parametrize("settings", [{"moove": 0.1}, {"move": 1e-9}, {"quorum": 0}, {"release": 1.5},
                                      {"opening_age_s": 90}, {"weight:x": 0.0}])
def test_a_setting_that_is_not_understood_is_refused(settings: dict[str, float]) -> None:
    """A misspelt breaker is a breaker that is not there."""
    with pytest.raises(LeverlineError):
        breaker_terms(settings)
