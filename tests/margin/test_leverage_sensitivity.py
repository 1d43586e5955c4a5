"""Sensitivity of leverage: the law of one long, and what a small move of all prices does to a whole valuation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.margin.curves import BracketCurve
from leverline.margin.leverage_sensitivity import leverage_sensitivity
from leverline.margin.rules import MarketRules, VenueRules
from leverline.margin.tables import margin_tables
from leverline.margin.valuation import value_accounts
from leverline.model.market_state import MarketState
from tests.margin.drawn_books import Drawn, drawn_books
from tests.margin.single_pools import book_of

VENUE = VenueRules("v", "USD", {"A": MarketRules(BracketCurve((0.0,), (0.1,), (0.05,), (0.0,)))})


@given(size=st.floats(0.1, 50.0), cash=st.floats(10.0, 10_000.0))
def test_leverage_of_one_long_falls_by_its_square(size: float, cash: float) -> None:
    """The law by which falling prices force sales, dL / dlog p = L (1 - L), would not come out."""
    long, short = (margin_tables(book_of({"A": (q, 100.0)}, {"USD": cash}), {"": VENUE}, MarketState.of({"A": 100.0}))
                   for q in (size, -size))
    leverage = size * 100.0 / cash
    for tables, expected in ((long, leverage * (1.0 - leverage)), (short, leverage * (1.0 + leverage))):
        assert leverage_sensitivity(tables, value_accounts(tables)).effective_leverage[0] == pytest.approx(expected)


@settings(max_examples=80, deadline=None)
@given(drawn=drawn_books())
def test_sensitivities_are_what_a_small_move_does(drawn: Drawn) -> None:
    """A desk would hedge the leverage of another book."""
    tables = margin_tables(drawn.book, drawn.rules, drawn.state)
    value = value_accounts(tables)
    ours = leverage_sensitivity(tables, value)
    solvent = value.pools.equity > 1e-2 * (1.0 + value.pools.gross_notional + value.pools.collateral_value)
    if np.any(np.abs(value.positions.pnl) < 1e-3 * value.positions.notional):
        return  # at its kink the leverage ratio has two slopes
    up, down = (value_accounts(margin_tables(drawn.book, drawn.rules, scaled(drawn.state, h))) for h in (1e-5, -1e-5))
    for name in ("effective_leverage", "leverage_ratio"):
        slope = (getattr(up.pools, name) - getattr(down.pools, name)) / 2e-5
        scale = 1.0 + getattr(value.pools, name)[solvent] ** 2
        np.testing.assert_allclose(getattr(ours, name)[solvent] / scale, slope[solvent] / scale, atol=1e-5)
    bankrupt = ~(value.pools.equity > 0)
    assert np.isnan(ours.effective_leverage[bankrupt]).all()


def scaled(state: MarketState, log_move: float) -> MarketState:
    factor = math.exp(log_move)
    return replace(state, mark=state.mark * factor, low=state.low * factor, high=state.high * factor)


@settings(max_examples=40, deadline=None)
@given(drawn=drawn_books())
def test_moves_of_single_prices_add_up_to_the_move_of_all(drawn: Drawn) -> None:
    """The share of one market in a pool's risk would be of another whole."""
    tables = margin_tables(drawn.book, drawn.rules, drawn.state)
    ours = leverage_sensitivity(tables, value_accounts(tables))
    for i in range(drawn.book.n_pools):
        mine = drawn.book.pool_of_position() == i, drawn.book.pool_of_holding() == i
        if np.isfinite(ours.effective_leverage[i]):
            parts = ours.effective_leverage_by_position[mine[0]], ours.effective_leverage_by_holding[mine[1]]
            assert sum(part.sum() for part in parts) == pytest.approx(ours.effective_leverage[i], rel=1e-9, abs=1e-9)
