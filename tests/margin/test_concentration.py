"""Who holds how much of a market, over all accounts of an owner."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from leverline.margin.concentration import owner_concentration
from leverline.margin.curves import BracketCurve
from leverline.margin.rules import MarketRules, VenueRules
from leverline.margin.tables import margin_tables
from leverline.margin.valuation import value_accounts
from leverline.model.accounts import AccountBook, Market, Mode, Pool, Pools
from leverline.model.market_state import MarketState
from tests.margin.drawn_books import Drawn, drawn_books


def test_many_accounts_of_one_owner_are_one_holder() -> None:
    """A whale would stay below every size rule by opening a second account."""
    book = AccountBook(
        (Market("", "X"), Market("", "Y")), (),
        Pools.of([Pool("", account, "", owner, Mode.CROSS, "") for account, owner in
                  (("a1", "whale"), ("b", "small"), ("a2", "whale"))]),
        np.array([0, 1, 2, 4], dtype=np.int32), np.array([0, 0, 0, 1], dtype=np.uint32),
        np.array([2.0, 1.0, -1.0, 3.0]), np.full(4, 10.0),
        np.zeros(4, dtype=np.int32), np.array([], dtype=np.uint32), np.array([]))
    flat = MarketRules(BracketCurve((0.0,), (0.1,), (0.05,), (0.0,)))
    rules = {"": VenueRules("v", "USD", {"X": flat, "Y": flat})}
    tables = margin_tables(book, rules, MarketState.of({"X": 10.0, "Y": 10.0}))
    held = owner_concentration(tables, value_accounts(tables))
    assert held.owners == ("whale", "small")
    assert held.owner.tolist() == [0, 0, 1]
    assert held.market.tolist() == [0, 1, 0]
    assert held.gross_notional.tolist() == [30.0, 30.0, 10.0]  # long and short do not net: both can default
    assert held.share_of_market.tolist() == [0.75, 1.0, 0.25]
    assert held.share_of_owner.tolist() == [0.5, 0.5, 1.0]
    assert held.herfindahl_of_owner.tolist() == [0.5, 1.0]
    assert held.herfindahl_of_market.tolist() == pytest.approx([0.75**2 + 0.25**2, 1.0])


@settings(max_examples=40, deadline=None)
@given(drawn=drawn_books())
def test_shares_add_up_to_everything(drawn: Drawn) -> None:
    """Some of the market would belong to nobody."""
    tables = margin_tables(drawn.book, drawn.rules, drawn.state)
    valuation = value_accounts(tables)
    held = owner_concentration(tables, valuation)
    assert held.gross_notional.sum() == pytest.approx(valuation.positions.notional.sum())
    for group, share, herfindahl in ((held.market, held.share_of_market, held.herfindahl_of_market),
                                     (held.owner, held.share_of_owner, held.herfindahl_of_owner)):
        total = np.bincount(group, share, minlength=herfindahl.size)
        count = np.bincount(group, minlength=herfindahl.size)
        np.testing.assert_allclose(total[count > 0], 1.0)
        assert np.isnan(herfindahl[count == 0]).all()
        assert np.all(herfindahl[count > 0] <= 1.0 + 1e-12)
        assert np.all(herfindahl[count > 0] >= 1.0 / count[count > 0] - 1e-12)
