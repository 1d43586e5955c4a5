"""Safe bands against full valuation: the same pools, on the same tick, to the last bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.errors import UsageError
from leverline.margin.band_layout import Holdings, Positions
from leverline.margin.curves import BracketCurve, StepCurve
from leverline.margin.rules import AssetRules, MarketRules, VenueRules
from leverline.margin.tables import MarginTables, margin_tables, taken
from leverline.margin.triggers import SafeBands
from leverline.margin.valuation import value_accounts
from leverline.model.accounts import AccountBook, Asset, Market, Mode, Pool, Pools
from leverline.model.market_state import MarketState
from tests.margin.drawn_books import Drawn, drawn_books
from tests.margin.watched_world import World

FLAT = BracketCurve((0.0,), (0.2,), (0.125,), (0.0,))
TIERED = BracketCurve((0.0, 1_000.0), (0.1, 0.5), (0.0625, 0.25), (0.0, 187.5))


def one_pool(market: MarketRules, contracts: float, entry: float, cash: float, *, eth: float = 0.0,
             asset: AssetRules | None = None) -> MarginTables:
    """One account with a position in M at 100, dollars, and perhaps some ETH at 10."""
    holdings = [(0, cash)] + ([(1, eth)] if eth else [])
    book = AccountBook(
        (Market("", "M"), Market("", "N")), (Asset("", "USD"), Asset("", "ETH")),
        Pools.of([Pool("", "a", "", "o", Mode.CROSS, "")]), np.array([0, 1], np.int32), np.array([0], np.uint32),
        np.array([contracts]), np.array([entry]), np.array([0, len(holdings)], np.int32),
        np.array([a for a, _ in holdings], np.uint32), np.array([x for _, x in holdings]))
    rules = VenueRules("one", "USD", {"M": market, "N": MarketRules(FLAT)}, {"ETH": asset or AssetRules()})
    return margin_tables(book, {"": rules}, MarketState.of({"M": 100.0, "N": 50.0, "ETH/USD": 10.0}))


@settings(max_examples=60)
@given(drawn=drawn_books(), moves=st.lists(st.tuples(st.integers(0, 10**6), st.floats(0.3, 3.0)), max_size=25))
def test_bands_and_full_valuation_agree_on_every_move(drawn: Drawn, moves: list[tuple[int, float]]) -> None:
    """A curve, payoff or kind of collateral would exist under which an account is liquidated at the wrong price."""
    tables = margin_tables(drawn.book, drawn.rules, drawn.state)
    bands = SafeBands(tables)
    prices = [tables.price_long.copy(), tables.price_short.copy(), tables.assets.price_owned.copy(),
              tables.assets.price_owed.copy()]
    movable = np.flatnonzero(~tables.assets.is_settlement)
    for which, factor in moves:
        if which % 4:
            m = which % len(tables.mark)
            prices[0][m] *= factor
            prices[1][m] *= factor
            found = bands.tick(m, prices[0][m], prices[1][m])
        else:
            a = int(movable[which % movable.size])
            prices[2][a] *= factor
            prices[3][a] *= factor
            found = bands.tick_asset(a, prices[2][a], prices[3][a])
        full = value_accounts(replace(tables, price_long=prices[0], price_short=prices[1], assets=replace(
            tables.assets, price_owned=prices[2], price_owed=prices[3]))).pools
        np.testing.assert_array_equal(bands.breached, np.flatnonzero(full.health < 0))
        assert set(found.breached) <= set(bands.breached)
        assert not set(found.recovered) & set(bands.breached)
        assert [bands.health(i) for i in range(bands.n_pools)] == full.health.tolist()


@pytest.mark.parametrize("seed", [1, 2])
def test_no_breach_is_missed_late_or_early_while_everything_changes(seed: int) -> None:
    """A trade, a deposit, funding or a change of limits would leave a trigger where it no longer belongs."""
    world = World(seed, n_pools=400)
    world.live(3_000)
    np.testing.assert_array_equal(world.bands.breached, np.flatnonzero(world.is_breached))


@pytest.mark.parametrize(("contracts", "cash", "line"), [(8.0, 170.0, 90.0), (-8.0, 190.0, 110.0)])
def test_health_of_zero_is_safe_and_the_next_price_is_not(contracts: float, cash: float, line: float) -> None:
    """The last price at which an account may live would liquidate it, or the first at which it may not would not."""
    bands = SafeBands(one_pool(MarketRules(FLAT), contracts, 100.0, cash))
    beyond = np.nextafter(line, 0.0 if contracts > 0 else np.inf)
    assert bands.tick(0, line).breached.tolist() == []
    assert bands.health(0) == 0.0
    assert bands.tick(0, beyond).breached.tolist() == [0]
    assert bands.tick(0, line).recovered.tolist() == [0]


def test_a_rising_price_breaches_a_long_whose_profit_does_not_count() -> None:
    """Margin grows with the price and profit that is not counted cannot pay for it: nobody would notice."""
    rules = MarketRules(FLAT, profit_weight_maintenance=0.0)
    bands = SafeBands(one_pool(rules, 8.0, 100.0, 128.0))  # 128 - 0.125 * 8 p from 100 on
    assert bands.tick(0, 128.0).breached.tolist() == []
    assert bands.tick(0, np.nextafter(128.0, 200.0)).breached.tolist() == [0]
    assert bands.tick(0, 110.0).recovered.tolist() == [0]
    assert bands.tick(0, 90.0).breached.tolist() == [0]  # and losses count whole: 128 - 80 - 90


def test_collateral_beyond_its_cap_protects_nobody() -> None:
    """A fall of an asset that eats only what was never counted would liquidate, or one beyond it would not."""
    asset = AssetRules((0.0, 100.0), (1.0, 0.5), (1.0, 0.5), value_cap=300.0)
    bands = SafeBands(one_pool(MarketRules(FLAT), 8.0, 100.0, -50.0, eth=100.0, asset=asset))  # 200 - 50 - 100
    assert bands.tick_asset(1, 3.0).breached.tolist() == []
    assert bands.tick_asset(1, 2.0).breached.tolist() == []  # 100 + 50 - 50 - 100 = 0
    assert bands.tick_asset(1, 1.9999999).breached.tolist() == [0]


def test_just_short_of_all_triggers_at_once_every_account_is_where_it_was() -> None:
    """Sums of large numbers round: an account that used up all its parts but the last bit would breach unseen."""
    world = World(2, n_pools=300)
    n_markets, used_up = len(world.markets), 0
    for pool in range(300):
        tables = margin_tables(taken(world.book, np.array([pool])), world.rules(), world.state())
        bands = SafeBands(tables)
        started_breached = bands.breached.size
        down, up = bands._bands.ladders.nearest.reshape(-1, 2).T
        short_of = np.where(np.isfinite(down), np.nextafter(down, np.inf),
                            np.where(np.isfinite(up), np.nextafter(up, 0.0), np.nan))
        long, short = short_of[::2], short_of[1::2]
        found = bands.prices(long[:n_markets], short[:n_markets], long[n_markets:], short[n_markets:])
        assert found.breached.size == found.recovered.size == 0
        assert (bands.health(0) < 0) == bool(started_breached)
        used_up += abs(bands.health(0)) < 1e-6
    assert used_up > 50


def test_money_lost_in_the_rounding_of_larger_money_is_not_counted_on() -> None:
    """A debt and a claim of a hundred trillion each hide cents: a trigger a few cents late would be a breach unseen."""
    rng = np.random.default_rng(4)
    for contracts in [8.0, -8.0] * 100:
        entry = float(rng.uniform(1e12, 1e13))
        cash = contracts * (entry - 100.0) + 100.0 + float(rng.uniform(50.0, 100.0))  # health 50 to 100 at 100
        bands = SafeBands(one_pool(MarketRules(FLAT), contracts, entry, cash))
        down, up = bands._bands.ladders.nearest.reshape(-1, 2)[0 if contracts > 0 else 1]
        line = np.nextafter(down, np.inf) if contracts > 0 else np.nextafter(up, 0.0)
        assert bands.tick(0, line).breached.tolist() == []
        assert bands.health(0) >= 0.0


def test_many_ticks_at_once_are_the_same_ticks() -> None:
    """A replay would liquidate other accounts than the live service did."""
    world = World(7, n_pools=300)
    rng = np.random.default_rng(3)
    column = rng.integers(0, 48, 600)
    price = world.tables.mark[column] * np.exp(rng.normal(0.0, 0.05, column.size))
    found = SafeBands(world.tables).ticks(column, price)
    singly = []
    for t, (c, p) in enumerate(zip(column.tolist(), price.tolist(), strict=True)):
        crossed = world.bands.tick(c, p)
        singly += [(t, pool, pool in crossed.breached) for pool in sorted([*crossed.breached, *crossed.recovered])]
    assert singly == list(zip(*(c.tolist() for c in found), strict=True))
    assert len(singly) > 100
    assert SafeBands(world.tables).ticks(column[:0], price[:0]).pool.size == 0


def test_prices_that_arrive_together_are_judged_together() -> None:
    """A hedged account would be liquidated for the instant in which only one of its two prices had arrived."""
    tables = one_pool(MarketRules(FLAT), 8.0, 100.0, 170.0)
    bands = SafeBands(tables)
    bands.update_pool(0, positions=Positions(np.array([0, 1], np.uint32), np.array([8.0, -16.0]),
                                             np.array([800.0, -800.0]), np.empty(0), np.empty(0)))
    bands.credit(0, np.array([0]), np.array([100.0]))
    assert bands.tick(0, 80.0).breached.tolist() == [0]
    assert bands.tick(0, 100.0).recovered.tolist() == [0]
    assert bands.prices(np.array([80.0, 40.0]), price_owned=np.array([np.nan, 10.0])).breached.tolist() == []
    assert bands.prices(np.array([80.0, np.nan])).breached.tolist() == []
    assert bands.prices(np.array([np.nan, 50.0])).breached.tolist() == [0]


def test_a_price_that_leaves_its_ladder_is_followed() -> None:
    """After a thousandfold rise, or a fall as deep, triggers would be compared in the wrong place."""
    world = World(11, n_pools=200)
    bands, prices = world.bands, world.tables.price_long.copy()
    steps = np.concatenate((np.full(30, 0.25), np.full(60, -0.25), np.full(40, 0.2)))
    for step in steps:
        for m in (0, 1, 2, 19):
            prices[m] *= np.exp(step)
            bands.tick(m, prices[m])
        full = value_accounts(replace(world.tables, price_long=prices, price_short=np.where(
            np.isin(np.arange(48), (0, 1, 2, 19)), prices, world.tables.price_short))).pools
        np.testing.assert_array_equal(bands.breached, np.flatnonzero(full.health < 0))


def test_triggers_do_not_depend_on_what_volatility_was_guessed() -> None:
    """A wrong volatility would cost a breach, not only time."""
    world = World(5, n_pools=200)
    rng = np.random.default_rng(0)
    guessed = SafeBands(world.tables, volatility=np.exp(rng.normal(0.0, 3.0, 48)), asset_volatility=np.full(6, np.nan))
    column = rng.integers(0, 48, 300)
    price = world.tables.mark[column] * np.exp(rng.normal(0.0, 0.03, column.size))
    ours, theirs = world.bands.ticks(column, price), guessed.ticks(column, price)
    for ours_column, theirs_column in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(ours_column, theirs_column)


def test_a_book_that_is_not_convex_says_so_and_is_swept() -> None:
    """Under steps a falling price can lower the margin: a trigger would be wrong, and no one would know."""
    steps = StepCurve((0.0, 720.0), (0.1, 0.4), (0.0625, 0.25), by_contracts=False)
    bands = SafeBands(one_pool(MarketRules(steps), 8.0, 100.0, 201.0))
    assert bands.swept_pools.tolist() == [0]
    assert bands.reason is not None
    assert "not convex in price in M" in bands.reason
    assert bands.tick(0, 90.5).breached.tolist() == [0]  # 201 - 76 - 181
    assert bands.tick(0, 89.5).recovered.tolist() == [0]  # a step lower: 201 - 84 - 44.75
    assert bands.tick(0, 79.0).breached.tolist() == [0]  # 201 - 168 - 39.5
    assert SafeBands(one_pool(MarketRules(TIERED), 8.0, 100.0, 188.0)).reason is None


def test_what_cannot_be_meant_is_refused_before_anything_moves() -> None:
    """A zero price or an unknown account would silently become a breach of everybody, or of nobody."""
    asset = AssetRules((0.0,), (0.8,), (0.9,), root_discount=5e-3)
    bands = SafeBands(one_pool(MarketRules(FLAT), 8.0, 100.0, 170.0, eth=10.0, asset=asset))
    for price in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(UsageError, match="positive"):
            bands.tick(0, price)
    with pytest.raises(UsageError, match="settles"):
        bands.tick_asset(0, 1.0)
    with pytest.raises(UsageError, match="market of the tables"):
        bands.tick(2, 1.0)
    with pytest.raises(UsageError, match="depends on the amount"):
        bands.credit(1, np.array([0]), np.array([1.0]))
    with pytest.raises(UsageError, match="pools of the tables"):
        bands.credit(0, np.array([1]), np.array([1.0]))
    with pytest.raises(UsageError, match="ascend"):
        bands.update_pool(0, holdings=Holdings(np.array([1, 0], np.uint32), np.ones(2), np.full(2, np.inf)))
    with pytest.raises(UsageError, match="finite"):
        bands.update_pool(0, holdings=Holdings(np.array([0], np.uint32), np.array([np.nan]), np.array([np.inf])))
    with pytest.raises(UsageError, match="same pools"):
        bands.replace_rules(World(0, 3).tables)
    assert bands.tick(0, 90.0).breached.tolist() == []
