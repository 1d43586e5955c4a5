"""Who owes what where, over venues that do not see each other."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from leverline.margin.curves import BracketCurve
from leverline.margin.exposure import AMOUNTS, Exposures, exposures, owner_exposures, underlying_of
from leverline.margin.rules import AssetRules, MarketRules, VenueRules
from leverline.margin.tables import MarginTables, margin_tables
from leverline.margin.valuation import value_accounts
from leverline.model.accounts import AccountBook, Asset, Market, Mode, Pool, Pools
from leverline.model.market_state import MarketState
from tests.margin.drawn_books import Drawn, drawn_books

PERPETUAL = "BTC/USDT:USDT"
FLAT = MarketRules(BracketCurve((0.0,), (0.1,), (0.05,), (0.0,)))
LENDER = VenueRules("lender", "USDC", {}, {"BTC": AssetRules(borrowable=True)})


def _book() -> MarginTables:
    """Owner o: long 2 BTC at x, short 1 BTC at y, and at a lender 3 BTC against a debt of 150 USDC; one at no venue."""
    pools = [Pool("x", "1", "", "o", Mode.CROSS, ""), Pool("y", "2", "", "o", Mode.CROSS, ""),
             Pool("lender", "3", "", "o", Mode.CROSS, ""), Pool("nowhere", "4", "", "q", Mode.CROSS, "")]
    book = AccountBook(
        (Market("x", PERPETUAL), Market("y", PERPETUAL)),
        (Asset("x", "USDT"), Asset("y", "USDT"), Asset("lender", "BTC"), Asset("lender", "USDC"),
         Asset("nowhere", "Z")),
        Pools.of(pools), np.array([0, 1, 2, 2, 2], np.int32), np.array([0, 1], np.uint32), np.array([2.0, -1.0]),
        np.array([90.0, 80.0]), np.array([0, 1, 2, 4, 5], np.int32), np.array([0, 1, 2, 3, 4], np.uint32),
        np.array([50.0, 10.0, 3.0, -150.0, 1.0]))
    rules = {name: VenueRules(name, "USDT", {PERPETUAL: FLAT}) for name in ("x", "y")} | {"lender": LENDER}
    return margin_tables(book, rules, MarketState.of({PERPETUAL: 100.0, "BTC/USD": 100.0}))


def _exposed(tables: MarginTables) -> Exposures:
    return exposures(tables, value_accounts(tables))


def test_one_table_says_who_owes_what_where() -> None:
    """A risk team would have to open three venues' screens and add up by hand."""
    rows = _exposed(_book()).frame().rows(named=True)
    seen = {(r["venue"], r["underlying"]): tuple(r[name] for name in AMOUNTS) for r in rows}
    assert seen == {
        ("x", "BTC"): (200.0, 0.0, 0.0, 0.0, 20.0, 0.0), ("x", "USDT"): (0.0, 0.0, 50.0, 0.0, 0.0, 0.0),
        ("y", "BTC"): (0.0, 100.0, 0.0, 0.0, 0.0, 20.0), ("y", "USDT"): (0.0, 0.0, 10.0, 0.0, 0.0, 0.0),
        ("lender", "BTC"): (0.0, 0.0, 300.0, 0.0, 0.0, 0.0), ("lender", "USDC"): (0.0, 0.0, 0.0, 150.0, 0.0, 0.0),
    }
    assert {r["owner"] for r in rows} == {"o"}


def test_a_hedge_between_two_venues_is_seen() -> None:
    """A market maker long here and short there would look like two gamblers."""
    owner = owner_exposures(_exposed(_book()))
    # BTC: 200 at x, -100 at y, 300 at the lender; USDT 50 and 10, USDC -150
    assert owner.gross.tolist() == [200 + 100 + 300 + 60 + 150]
    assert owner.net_by_venue.tolist() == [200 + 100 + 300 + 60 + 150]
    assert owner.net.tolist() == [400 + 60 + 150]
    assert owner.offset_across_venues.tolist() == pytest.approx([200 / 810])
    assert owner.worst_venue.tolist() == [-10.0]  # 10 of collateral under a loss of 20
    assert owner.equity.tolist() == [70 - 10 + 150]


def test_what_cannot_be_valued_is_named() -> None:
    """An account at a venue without rules would vanish from the table in silence."""
    table = _exposed(_book())
    assert [skipped.pool.owner for skipped in table.skipped] == ["q"]
    assert "could not be valued: 1" in table.display_tables()[1].caption


@settings(max_examples=50)
@given(drawn=drawn_books())
def test_claims_add_up_to_equity(drawn: Drawn) -> None:
    """The table would show money that no account has, or hide some."""
    tables = margin_tables(drawn.book, drawn.rules, drawn.state)
    valuation = value_accounts(tables)
    table = exposures(tables, valuation)
    owner = owner_exposures(table)
    scale = 1.0 + float(table.gross.sum())
    assert table.equity.sum() == pytest.approx(valuation.pools.equity.sum(), abs=1e-9 * scale)
    for name, equity in zip(owner.owners, owner.equity.tolist(), strict=True):
        mine = tables.book.pools.owner == name
        assert equity == pytest.approx(valuation.pools.equity[mine].sum(), abs=1e-9 * scale)
    assert (table.amounts >= 0).all()
    notional = valuation.positions.notional.sum()
    assert table.amounts[:2].sum() == pytest.approx(notional, abs=1e-9 * scale)


@settings(max_examples=50)
@given(drawn=drawn_books())
def test_netting_further_never_adds_exposure(drawn: Drawn) -> None:
    """Looking at more venues together would make an owner seem riskier than all of them apart."""
    tables = margin_tables(drawn.book, drawn.rules, drawn.state)
    owner = owner_exposures(_exposed(tables))
    slack = 1e-9 * (1.0 + owner.gross)
    assert (owner.net <= owner.net_by_venue + slack).all()
    assert (owner.net_by_venue <= owner.gross + slack).all()


@settings(max_examples=25)
@given(drawn=drawn_books())
def test_other_libraries_read_the_table(drawn: Drawn) -> None:
    """The table could only be used from inside."""
    table = _exposed(margin_tables(drawn.book, drawn.rules, drawn.state))
    again = pl.DataFrame(table)
    assert again.equals(table.frame())
    assert again.columns == ["owner", "venue", "underlying", *AMOUNTS, "net", "gross", "equity"]


def test_an_option_does_not_move_with_its_underlying_one_to_one() -> None:
    """The premium of an option would be counted as that much of the asset."""
    assert underlying_of("BTC/USD:BTC-261225-100000-C") == "BTC/USD:BTC-261225-100000-C"
    assert underlying_of("BTC/USD:BTC-261225") == underlying_of(PERPETUAL) == "BTC"
    assert underlying_of("BTC_PERP") == "BTC_PERP"
