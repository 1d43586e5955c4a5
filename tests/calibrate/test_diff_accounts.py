"""Who would be called or liquidated by a change of limits."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.calibrate.diff_accounts import (
    AccountEffects,
    ForcedCollateral,
    ForcedPositions,
    Unvalued,
    account_effects,
)
from leverline.ground.errors import MalformedInputError, UsageError
from leverline.margin.checking import check_accounts
from leverline.margin.limits import rules_of_book
from leverline.margin.reading_accounts import AccountInput, read_accounts
from leverline.margin.valuation import STATUSES, Status
from leverline.model import AssetLimits, LimitBook
from leverline.model.market_state import MarketState
from tests.model.books import book, fields, schedule

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
MARKS = MarketState.of({BTC: 100.0, ETH: 10.0, "ETH/USD": 10.0})
COLLATERAL = {"ETH": AssetLimits(ltv=0.8, liquidation_threshold=0.85, borrow_cap=10**12)}


def limits(btc_maintenance: float, threshold: float = 0.85, **changes: Any) -> LimitBook:
    """One tier in BTC; initial margin rates stay at 10 %."""
    instruments = fields()["instruments"]
    instruments[BTC] = instruments[BTC].model_copy(
        update={"tiers": schedule((0, None, 10, btc_maintenance)), "position_cap": None})
    ltv = min(0.8, threshold)
    collateral = {"ETH": COLLATERAL["ETH"].model_copy(update={"ltv": ltv, "liquidation_threshold": threshold})}
    return book(**({"instruments": instruments, "collateral": collateral} | changes))


def accounts(*rows: tuple[str, str, float], venue: str | None = None) -> AccountInput:
    """Positions at the mark, and holdings, from (account, symbol or asset, quantity or amount)."""
    written = [{"account": account, "venue": venue, "asset": None if name in (BTC, ETH) else name,
                "amount": None if name in (BTC, ETH) else size, "symbol": name if name in (BTC, ETH) else None,
                "quantity": size if name in (BTC, ETH) else None,
                "entry_price": {BTC: 100.0, ETH: 10.0}.get(name)} for account, name, size in rows]
    return read_accounts(pl.DataFrame(written, schema={
        "account": pl.String, "venue": pl.String, "asset": pl.String, "amount": pl.Float64, "symbol": pl.String,
        "quantity": pl.Float64, "entry_price": pl.Float64}))


HELD = accounts(("safe", BTC, 10.0), ("safe", "USDT", 500.0),  # 1,000 long: needs 10, then 20
                ("near", BTC, 10.0), ("near", "USDT", 15.0),
                ("short", BTC, -20.0), ("short", "USDT", 47.0),  # needs 20, then 40: called at 50
                ("gone", ETH, -100.0), ("gone", "USDT", 5.0),
                ("loan", "ETH", 100.0), ("loan", "USDT", -820.0))  # 850 counted, then 800


def names(found: AccountEffects, mask: Any) -> set[str]:
    return {pool.account for pool, is_so in zip(found.tables.book.pools, mask.tolist(), strict=True) if is_so}


def test_a_change_worked_by_hand() -> None:
    """A committee would adopt limits that close healthy accounts and be told of others."""
    found = account_effects(limits(0.01), limits(0.02, threshold=0.8), HELD, MARKS)
    assert names(found, found.newly_liquidatable) == {"near", "loan"}
    assert names(found, found.newly_called) == {"short"}
    assert names(found, found.relieved) == set()
    assert names(found, found.newly_without_free_collateral) == set()
    assert found.forced_positions() == (ForcedPositions(BTC, 1000.0, 0.0),)
    assert found.forced_collateral() == (ForcedCollateral("ETH", 1000.0),)
    totals = found.totals()
    assert totals["old_maintenance_margin"] == pytest.approx(10 + 10 + 20 + 20)  # ETH asks 2 % of 1,000
    assert totals["new_maintenance_margin"] == pytest.approx(20 + 20 + 40 + 20)
    assert found.moves() == {
        "healthy": {"healthy": 1, "margin_call": 1, "liquidatable": 1, "bankrupt": 0},
        "margin_call": {"healthy": 0, "margin_call": 0, "liquidatable": 1, "bankrupt": 0},
        "liquidatable": {"healthy": 0, "margin_call": 0, "liquidatable": 1, "bankrupt": 0}}
    rows = found.rows(found.changed())
    assert [row["account"] for row in rows] == ["near", "loan", "short"]
    assert (rows[0]["old_status"], rows[0]["new_status"]) == ("healthy", "liquidatable")
    assert (rows[0]["old_health"], rows[0]["new_health"]) == (5.0, -5.0)


def test_what_falls_out_of_access_is_told_from_what_is_liquidated() -> None:
    """Accounts that may open no more would be counted as closed, or not at all."""
    tighter = limits(0.01, instruments=limits(0.01).instruments | {
        BTC: limits(0.01).instruments[BTC].model_copy(update={"tiers": schedule((0, None, 2, 0.01))})})
    found = account_effects(limits(0.01), tighter, accounts(("a", BTC, 10.0), ("a", "USDT", 400.0)), MARKS)
    assert names(found, found.newly_without_free_collateral) == {"a"}
    assert not found.newly_liquidatable.any()
    assert found.changed().size == 0


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.tuples(st.floats(-50, 50).filter(lambda q: abs(q) > 0.01), st.floats(0, 500)), min_size=1,
                      max_size=8),
       rates=st.tuples(st.floats(0.001, 0.09), st.floats(0.001, 0.09)))
def test_statuses_are_those_of_two_checks(sizes: list[tuple[float, float]], rates: tuple[float, float]) -> None:
    """The effects announced would not be those that the check finds once the book is adopted."""
    held = accounts(*(row for k, (size, cash) in enumerate(sizes) for row in
                      ((f"a{k}", BTC, size), (f"a{k}", "USDT", cash))))
    old, new = (limits(rate) for rate in rates)
    found = account_effects(old, new, held, MARKS)
    before, after = (check_accounts(held, {"": rules_of_book(one)}, MARKS) for one in (old, new))
    worse = ~before.below_maintenance & after.below_maintenance
    assert found.newly_liquidatable.tolist() == worse.tolist()
    assert found.old.pools.status.tolist() == before.valuation.pools.status.tolist()
    assert found.new.pools.status.tolist() == after.valuation.pools.status.tolist()
    assert sum(sum(row.values()) for row in found.moves().values()) == len(sizes)
    if rates[1] <= rates[0]:
        assert not worse.any()
        assert not found.newly_called.any()


@settings(max_examples=30, deadline=None)
@given(rates=st.tuples(st.floats(0.001, 0.09), st.floats(0.001, 0.09)))
def test_nobody_becomes_bankrupt_by_a_change_of_limits(rates: tuple[float, float]) -> None:
    """Losses would be laid to a change of limits that only the price can make."""
    found = account_effects(limits(rates[0]), limits(rates[1]), HELD, MARKS)
    bankrupt = STATUSES.index(Status.BANKRUPT)
    assert ((found.old.pools.status == bankrupt) == (found.new.pools.status == bankrupt)).all()
    assert found.old.pools.equity.tolist() == found.new.pools.equity.tolist()


def test_a_market_that_is_dropped_leaves_its_holders_named() -> None:
    """Positions in a market without limits would vanish from the sums without a word."""
    new = limits(0.01, instruments={ETH: limits(0.01).instruments[ETH]})
    found = account_effects(limits(0.01), new, HELD, MARKS)
    assert {u.pool.account for u in found.unvalued} == {"safe", "near", "short"}
    assert {(u.under, u.reason) for u in found.unvalued} == {("new", f"the new book has no limits for {BTC}")}
    assert [pool.account for pool in found.tables.book.pools] == ["gone", "loan"]
    assert found.to_dict()["skipped"][0]["under"] == "new"


def test_what_neither_book_can_value_is_told_once() -> None:
    """An account with two reasons would be counted as two."""
    found = account_effects(limits(0.01), limits(0.02), HELD, MarketState.of({BTC: 100.0, "ETH/USD": 10.0}))
    assert [(u.pool.account, u.under) for u in found.unvalued] == [("gone", "both")]
    assert isinstance(found.unvalued[0], Unvalued)
    assert found.totals()["skipped"] == 1


def test_a_debt_that_the_old_book_does_not_lend_is_refused_and_a_new_ban_does_not_erase_debts() -> None:
    """A malformed file would pass for a consequence of the change, or a loan be written off by it."""
    owing = accounts(("b", "USDT", 1000.0), ("b", "ETH", -50.0))
    lent, unlent = limits(0.01), limits(0.01, collateral={"ETH": COLLATERAL["ETH"].model_copy(
        update={"borrow_cap": 0})})
    with pytest.raises(MalformedInputError, match="the old book does not lend"):
        account_effects(unlent, lent, owing, MARKS)
    found = account_effects(lent, unlent, owing, MARKS)
    assert found.new.pools.debt_value.tolist() == [500.0]


def test_books_hold_at_one_venue_and_the_rest_is_counted() -> None:
    """Another venue's accounts would be judged by limits that do not hold there."""
    there = pl.DataFrame({"account": ["a", "a", "b"], "venue": ["x", "x", "y"], "symbol": [BTC, None, BTC],
                          "quantity": [10.0, None, 1.0], "entry_price": [100.0, None, 100.0],
                          "asset": [None, "USDT", None], "amount": [None, 15.0, None]})
    held = read_accounts(there)
    found = account_effects(limits(0.01), limits(0.02), held, MARKS, venue="x")
    assert names(found, found.newly_liquidatable) == {"a"}
    assert found.at_other_venues == 1
    with pytest.raises(UsageError, match="several venues: 'x', 'y'"):
        account_effects(limits(0.01), limits(0.02), held, MARKS)
    with pytest.raises(UsageError, match="no account is at venue 'z'"):
        account_effects(limits(0.01), limits(0.02), held, MARKS, venue="z")
    alone = account_effects(limits(0.01), limits(0.02), read_accounts(there[:2]), MARKS)
    assert names(alone, alone.newly_liquidatable) == {"a"}


def test_the_document_is_plain_json_even_where_nothing_is_required() -> None:
    """A program that reads it would stop at an infinity."""
    found = account_effects(limits(0.01), limits(0.02), HELD, MARKS)
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["totals"]["newly_liquidatable"] == 1
    rich = account_effects(limits(0.01), limits(0.02), accounts(("idle", "USDT", 10.0)), MARKS)
    assert rich.rows(rich.changed()) == []
    (row,) = rich.rows(np.array([0]))
    assert row["new_health_factor"] is None


def test_books_that_settle_in_different_assets_are_refused() -> None:
    """Dollars would be compared with bitcoin."""
    with pytest.raises(UsageError, match="settle in the same asset"):
        account_effects(limits(0.01), limits(0.01, settlement="BTC"), HELD, MARKS)
