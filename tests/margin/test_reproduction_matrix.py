"""Cascades over several markets: the matrix, its spectral radius, and whole pools falling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from leverline.ground.errors import UsageError
from leverline.margin.curves import BracketCurve
from leverline.margin.forced_impact import PowerImpact
from leverline.margin.liquidation_price import liquidation_prices
from leverline.margin.reproduction import (
    Pressure,
    ladder_of_distribution,
    ladders_of_book,
    liquidation_ladder,
    reproduction_number,
)
from leverline.margin.reproduction_matrix import (
    MarketSide,
    pool_reproduction_matrix,
    released_in_pools,
    reproduction_matrix,
    spectral_radius,
)
from leverline.margin.rules import AssetRules, MarketRules, VenueRules
from leverline.margin.tables import MarginTables, margin_tables
from leverline.margin.valuation import value_accounts
from leverline.model.accounts import AccountBook, Asset, Market, Mode, Pool, Pools
from leverline.model.market_state import MarketState
from tests.margin.drawn_books import Drawn, drawn_books

SHARES = {5.0: 0.5, 10.0: 0.3, 25.0: 0.2}
FLAT = MarketRules(BracketCurve((0.0,), (0.1,), (0.05,), (0.0,)))


def _sides(interest: tuple[float, ...], rate: float = 1e-5) -> list[MarketSide]:
    """Longs of one market an open interest."""
    return [MarketSide(m, ladder_of_distribution(SHARES, 0.01, size), PowerImpact(rate, 0.5))
            for m, size in enumerate(interest)]


def test_markets_that_do_not_touch_reproduce_as_the_worst_of_them() -> None:
    """Independent markets would make each other look more or less dangerous."""
    sides, notional = _sides((1e8, 5e8, 2e8)), np.array([1e7, 2e7, 3e7])
    matrix = reproduction_matrix(sides, np.eye(3), notional)
    alone = [float(reproduction_number(s.ladder, s.impact, notional[s.market : s.market + 1])[0]) for s in sides]
    assert np.diag(matrix) == pytest.approx(alone)
    assert np.count_nonzero(matrix - np.diag(np.diag(matrix))) == 0
    assert spectral_radius(matrix) == pytest.approx(max(alone))


@given(blocks=st.lists(arrays(np.float64, (2, 2), elements=st.floats(0.0, 3.0)), min_size=1, max_size=4))
def test_the_radius_of_separate_groups_is_the_largest_of_theirs(blocks: list[np.ndarray]) -> None:
    """A quiet group of markets would hide an explosive one."""
    whole = np.zeros((2 * len(blocks), 2 * len(blocks)))
    for k, block in enumerate(blocks):
        whole[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = block
    assert spectral_radius(whole) == pytest.approx(max(spectral_radius(block) for block in blocks), abs=1e-6)


def test_one_market_under_two_names_reproduces_as_one() -> None:
    """Splitting a market over two venues that share their liquidity would halve its risk on paper."""
    sides, notional = _sides((2e8, 3e8)), np.array([1e7, 1e7])
    together = spectral_radius(reproduction_matrix(sides, np.ones((2, 2)), notional))
    merged = ladder_of_distribution(SHARES, 0.01, 5e8)
    alone = reproduction_number(merged, PowerImpact(1e-5, 0.5), np.array([1e7]))
    assert together == pytest.approx(float(alone[0]))


@given(beta=st.floats(0.0, 1.0), more=st.floats(0.0, 1.0), scale=st.floats(1e6, 1e9))
def test_tighter_dependence_never_calms(beta: float, more: float, scale: float) -> None:
    """Markets that fall together would be allowed more than markets that do not."""
    sides, notional = _sides((scale, 2 * scale)), np.array([1e7, 1e7])
    radii = [spectral_radius(reproduction_matrix(sides, np.array([[1.0, b], [b, 1.0]]), notional))
             for b in (beta, max(beta, more))]
    assert radii[1] >= radii[0] * (1.0 - 1e-12)


def test_a_negative_dependence_squeezes_the_other_side() -> None:
    """Selling one would be taken to liquidate longs of what rises by it, and spare the shorts."""
    pair = [MarketSide(0, ladder_of_distribution({20.0: 1.0}, 0.01, 1e8), PowerImpact(1e-5, 0.5)),
            *(MarketSide(1, ladder_of_distribution({20.0: 1.0}, 0.01, 1e8, pressure), PowerImpact(1e-5, 0.5))
              for pressure in Pressure)]
    matrix = reproduction_matrix(pair, np.array([[1.0, 0.0], [-1.0, 1.0]]), np.full(3, 1e8))
    assert (matrix[1, 0], matrix[2, 0]) == (0.0, 1.0)
    assert spectral_radius(np.empty((0, 0))) == 0.0
    assert np.isnan(spectral_radius(np.array([[np.nan]])))


def _cross_book() -> MarginTables:
    """One cross pool long 1 A and 1 B on 20 USD; an isolated one long 1 B on 30; BTC collateral under a third."""
    pools = [Pool("", name, "", name, Mode.CROSS, "") for name in ("cross", "calm", "backed")]
    book = AccountBook(
        (Market("", "A"), Market("", "B")), (Asset("", "USD"), Asset("", "BTC")), Pools.of(pools),
        np.array([0, 2, 3, 4], np.int32), np.array([0, 1, 1, 1], np.uint32), np.array([1.0, 1.0, 1.0, -1.0]),
        np.full(4, 100.0), np.array([0, 1, 2, 3], np.int32), np.array([0, 0, 1], np.uint32),
        np.array([20.0, 30.0, 0.1]))
    rules = VenueRules("v", "USD", {"A": FLAT, "B": FLAT}, {"BTC": AssetRules((0.0,), (1.0,), (1.0,))})
    return margin_tables(book, {"": rules}, MarketState.of({"A": 100.0, "B": 100.0, "BTC/USD": 100.0}))


def test_a_cross_pool_is_squeezed_by_all_its_markets_and_falls_whole() -> None:
    """Two falls of 6 % that sink an account together would be judged one by one, and its second position forgotten."""
    tables = _cross_book()
    follows = np.array([-1, 0])
    assert released_in_pools(tables, np.array([-0.06, 0.0]), follows).sum() == 0.0
    assert released_in_pools(tables, np.array([-0.06, -0.06]), follows).tolist() == [[100.0, 100.0], [0.0, 0.0]]
    # A alone by 11 %: the cross pool goes with its B, which never moved
    assert released_in_pools(tables, np.array([-0.11, 0.0]), follows).tolist() == [[100.0, 100.0], [0.0, 0.0]]
    # A by 60 %: BTC follows A, and the short of B on BTC loses its collateral
    assert released_in_pools(tables, np.array([-0.6, 0.0]), follows)[1].tolist() == [0.0, 100.0]
    assert np.isnan(released_in_pools(tables, np.array([np.nan, 0.0]), follows)).all()


def test_the_matrix_of_pools_sees_what_one_market_at_a_time_does_not() -> None:
    """Contagion through a common margin account would be invisible."""
    tables = _cross_book()
    impact = (PowerImpact(1e-3, 1.0), PowerImpact(1e-3, 1.0))  # 110 forced move the price by 11 %
    matrix = pool_reproduction_matrix(tables, [impact, impact], np.eye(2), np.full(4, 110.0), np.array([-1, -1]))
    assert matrix[:, 0].tolist() == pytest.approx([100 / 110, 100 / 110, 0.0, 0.0])  # selling A takes B with it
    assert spectral_radius(matrix) == pytest.approx(200 / 110)
    alone = np.array([89.4, 89.4, 73.6, 104.8])  # by hand, roughly: each market by itself
    ladders = ladders_of_book(tables, value_accounts(tables), alone)
    sides = [MarketSide(m, pair[Pressure.SELLING], impact[0]) for m, pair in enumerate(ladders)]
    assert spectral_radius(reproduction_matrix(sides, np.eye(2), np.full(2, 110.0))) == pytest.approx(100 / 110)


@settings(max_examples=40)
@given(drawn=drawn_books(), move=st.floats(-0.5, 0.5))
def test_what_is_released_is_what_newly_falls(drawn: Drawn, move: float) -> None:
    """Positions of sound accounts would be sold, or those of fallen ones twice."""
    tables = margin_tables(drawn.book, drawn.rules, drawn.state)
    n, assets = len(tables.book.markets), len(tables.book.assets)
    valuation = value_accounts(tables)
    still = released_in_pools(tables, np.zeros(n), np.full(assets, -1))
    assert not still.any()
    moved = released_in_pools(tables, np.full(n, move), np.full(assets, -1))
    assert moved.sum() <= valuation.positions.notional.sum() * (1 + 1e-9)
    every = ladders_of_book(tables, valuation, np.full(tables.book.n_positions, np.nan))
    assert moved.sum() + sum(p.at_mark for pair in every for p in pair.values()) <= \
        valuation.positions.notional.sum() * (1 + 1e-9) + 1e-9


@settings(max_examples=60)
@given(drawn=drawn_books(), share=st.floats(0.5, 2.0), pick=st.integers(0, 15))
def test_prices_and_pools_agree_where_one_market_moves(drawn: Drawn, share: float, pick: int) -> None:
    """The ladder of liquidation prices and the accounts revalued would tell two stories of the same fall."""
    tables = margin_tables(drawn.book, drawn.rules, drawn.state)
    valuation = value_accounts(tables)
    prices = liquidation_prices(tables, valuation)
    ladders = ladders_of_book(tables, valuation, prices.liquidation_price)
    rungs = [(m, pressure, steps) for m, pair in enumerate(ladders) for pressure, steps in pair.items()
             if steps.move.size and tables.convex[m]]
    assume(rungs)
    market, pressure, steps = rungs[pick % len(rungs)]
    move = min(share * float(steps.move[pick % steps.move.size]), 0.99)
    assume(not np.isclose(steps.move, move, rtol=1e-6).any())
    moves = np.zeros(len(tables.book.markets))
    moves[market] = pressure * move
    forced = released_in_pools(tables, moves, np.full(len(tables.book.assets), -1))
    expected = float(steps.released(np.array([move]))[0])
    assert forced[0 if pressure is Pressure.SELLING else 1, market] == pytest.approx(expected)


def test_ladders_hold_every_position_once() -> None:
    """A position would be sold twice, or its market would forget it."""
    tables = _cross_book()
    ladders = ladders_of_book(tables, value_accounts(tables), np.array([89.0, 88.0, 74.0, 105.0]))
    assert ladders[0][Pressure.SELLING].move.tolist() == pytest.approx([0.11])
    assert ladders[1][Pressure.SELLING].move.tolist() == pytest.approx([0.12, 0.26])
    assert ladders[1][Pressure.SELLING].cumulative.tolist() == [100.0, 200.0]
    assert ladders[1][Pressure.BUYING].move.tolist() == pytest.approx([0.05])
    assert not ladders[0][Pressure.BUYING].move.size


@pytest.mark.parametrize("wrong", [
    lambda: reproduction_matrix(_sides((1e6,)), np.array([[0.5]]), np.array([1.0])),
    lambda: reproduction_matrix(_sides((1e6,)), np.eye(1), np.array([0.0])),
    lambda: reproduction_matrix(_sides((1e6,)), np.eye(1), np.ones(2)),
    lambda: spectral_radius(np.ones((2, 3))),
    lambda: released_in_pools(_cross_book(), np.array([-1.0, 0.0]), np.array([-1, -1])),
    lambda: liquidation_ladder(np.ones(1), np.array([-1.0]), np.ones(1), 1.0, Pressure.SELLING),
])
def test_what_has_no_meaning_is_refused(wrong: object) -> None:
    """A matrix of the wrong shape would give a number that means nothing."""
    assert callable(wrong)
    with pytest.raises(UsageError):
        wrong()
