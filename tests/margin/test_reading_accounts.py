"""Accounts as they are read: which rows are margined together, what is refused and where, and back without loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.ground.errors import MalformedInputError, UsageError
from leverline.margin.reading_accounts import read_accounts, table_of_accounts, write_accounts
from leverline.margin.reading_ccxt_accounts import accounts_of_ccxt
from leverline.model.accounts import AccountBook, Mode
from tests.market.malformed import Case, lines, parquet, refused

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
HEAD = "account,symbol,quantity,entry_price,asset,amount"
FULL = f"{HEAD},owner,venue,mode,subaccount,account_class"
POSITION, HOLDING = f"a,{BTC},1,100,,", "a,,,,USDT,50"


def read(*rows: str, head: str = FULL) -> AccountBook:
    width = head.count(",")
    return read_text(head, *(row + "," * (width - row.count(",")) for row in rows))


def read_text(*rows: str) -> AccountBook:
    table = [row.split(",") for row in rows]
    return read_accounts(pl.DataFrame([[cell or None for cell in row] for row in table[1:]], schema=table[0],
                                      orient="row", schema_overrides=dict.fromkeys(table[0], pl.String))).book


def contents(book: AccountBook) -> list[tuple[Any, ...]]:
    """Every pool with what it holds, in words."""
    found = []
    for i, pool in enumerate(book.pools):
        held = range(book.position_offsets[i], book.position_offsets[i + 1])
        owned = range(book.holding_offsets[i], book.holding_offsets[i + 1])
        found.append((pool.account, pool.mode.value, pool.subaccount,
                      {book.markets[book.position_market[k]].symbol: float(book.quantity[k]) for k in held},
                      {book.assets[book.holding_asset[k]].asset: float(book.amount[k]) for k in owned}))
    return found


def same(a: AccountBook, b: AccountBook) -> bool:
    columns = [name for name in AccountBook.__slots__ if name not in ("pools", "markets", "assets")]
    return ((a.markets, a.assets, list(a.pools)) == (b.markets, b.assets, list(b.pools))
            and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in columns))


def test_a_cross_account_is_one_pool_wherever_its_rows_stand() -> None:
    """Collateral would back one half of an account, and the other half be liquidated."""
    book = read(POSITION, f"b,{ETH},-2,50,,", HOLDING, f"a,{ETH},3,50,,", "b,,,,USDT,7")
    assert contents(book) == [("a", "cross", "", {BTC: 1.0, ETH: 3.0}, {"USDT": 50.0}),
                              ("b", "cross", "", {ETH: -2.0}, {"USDT": 7.0})]


def test_isolated_positions_are_pools_with_the_collateral_that_is_posted_to_them() -> None:
    """A loss in one isolated position would eat what was posted to another, or what is in the cross account."""
    book = read(f"a,{BTC},1,100,,,,,isolated", f"a,,,,USDT,10,,,isolated,{BTC}",
                f"a,{ETH},1,100,,,,,isolated,second", "a,,,,USDT,20,,,isolated,second", f"a,,,,BTC,2,,,isolated,{ETH}",
                "a,,,,USDT,500,,,cross", f"b,{ETH},1,100,,,,,isolated", "b,,,,USDT,30,,,isolated")
    assert contents(book) == [
        ("a", "isolated", BTC, {BTC: 1.0}, {"USDT": 10.0}),
        ("a", "isolated", "second", {ETH: 1.0}, {"USDT": 20.0, "BTC": 2.0}),
        ("a", "cross", "", {}, {"USDT": 500.0}),
        ("b", "isolated", ETH, {ETH: 1.0}, {"USDT": 30.0}),
    ]


def test_an_isolated_loan_has_no_position() -> None:
    """A lending market's isolated pair of collateral and debt could not be checked."""
    assert contents(read("a,,,,WETH,3,,,isolated,pair", "a,,,,USDC,-5000,,,isolated,pair")) == [
        ("a", "isolated", "pair", {}, {"WETH": 3.0, "USDC": -5000.0})]


def test_segregated_subaccounts_are_kept_apart_and_cross_ones_are_not() -> None:
    """A wall between a fund's strategies would vanish, or one be raised where the venue has none."""
    rows = (f"a,{BTC},1,100,,,,,{{mode}},s1", f"a,{ETH},1,100,,,,,{{mode}},s2", "a,,,,USDT,9,,,{mode},s1")
    apart = read(*(row.format(mode="segregated") for row in rows))
    assert contents(apart) == [("a", "segregated", "s1", {BTC: 1.0}, {"USDT": 9.0}),
                               ("a", "segregated", "s2", {ETH: 1.0}, {})]
    whole = read_accounts(pl.DataFrame({
        "account": ["a", "a"], "symbol": [BTC, ETH], "quantity": [1, 1], "entry_price": [1.5, 2.5],
        "subaccount": ["s1", "s2"]}))
    assert contents(whole.book) == [("a", "cross", "", {BTC: 1.0, ETH: 1.0}, {})]
    assert "2 rows of cross accounts name a subaccount" in whole.warnings[0]


def test_collateral_in_an_isolated_pool_without_its_position_is_told() -> None:
    """A mistyped subaccount would leave a position without the collateral that was posted to it, in silence."""
    frame = pl.DataFrame({"account": ["a", "a"], "symbol": [BTC, None], "quantity": [1, None],
                          "entry_price": [5.0, None], "asset": [None, "USDT"], "amount": [None, 4.0],
                          "mode": ["isolated"] * 2, "subaccount": ["one", "onne"]})
    (said,) = read_accounts(frame).warnings
    assert "'onne' of account 'a'" in said


def test_one_account_name_at_two_venues_is_two_accounts_of_two_markets() -> None:
    """Collateral at one exchange would back a position at another."""
    book = read(f"a,{BTC},1,100,,,,x", f"a,{BTC},2,100,,,,y", "a,,,,USDT,5,,y")
    assert [(m.venue, m.symbol) for m in book.markets] == [("x", BTC), ("y", BTC)]
    assert [pool.venue for pool in book.pools] == ["x", "y"]
    assert book.holding_offsets.tolist() == [0, 0, 1]


def test_owners_default_to_the_account_and_hold_for_all_of_its_rows() -> None:
    """Limits by owner would be counted for somebody else."""
    pools = read(POSITION, f"b,{BTC},1,100,,,fund", "b,,,,USDT,5", f"c,{BTC},1,100,,,fund,,,,vip").pools
    assert [(pool.owner, pool.account_class) for pool in pools] == [("a", ""), ("fund", ""), ("fund", "vip")]


def test_account_numbers_are_names_in_every_kind_of_table() -> None:
    """An exchange that numbers its accounts could not be read, or 007 would become 7."""
    frame = pl.DataFrame({"account": [7, 7, 9], "asset": ["A", "B", "A"], "amount": [1, 2, 3]})
    assert [pool.account for pool in read_accounts(frame).book.pools] == ["7", "9"]
    assert [pool.account for pool in read("007,,,,USDT,5", "7,,,,USDT,5").pools] == ["007", "7"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_book_is_written_and_read_without_loss(tmp_path: Path, suffix: str) -> None:
    """Accounts handed from one tool to the next would change on the way."""
    book = read(f"a,{BTC},0.1,100.3,,,o,v,isolated", f"a,,,,USDT,{1 / 3!r},o,v,isolated", "b,,,,USDT,-7.5,o,w",
                f"b,{ETH},-1e-9,3,,,o,w,segregated,s", f"b,{BTC},9223372036854775807,3,,,o,w,segregated,s")
    path = tmp_path / f"book{suffix}"
    write_accounts(book, path)
    assert same(read_accounts(path).book, book)
    with pytest.raises(UsageError, match="format"):
        write_accounts(book, tmp_path / "book.xlsx")


@st.composite
def drawn_rows(draw: st.DrawFn) -> list[str]:
    """Sound rows of a few accounts, in any order."""
    size = st.floats(-1e12, 1e12).filter(bool)
    rows = []
    for account in draw(st.sets(st.sampled_from("abcde"), min_size=1)):
        mode = draw(st.sampled_from(["cross", "segregated", "portfolio", ""]))
        for sub in draw(st.sets(st.sampled_from(["s", "t"]), min_size=1)) if mode == "segregated" else [""]:
            names = f",own{account},{draw(st.sampled_from(['', 'v']))},{mode},{sub},"
            symbols = draw(st.sets(st.sampled_from([BTC, ETH, "X"]), min_size=1))
            assets = draw(st.sets(st.sampled_from(["USDT", "BTC"])))
            price = st.floats(1e-9, 1e12)
            rows += [f"{account},{symbol},{draw(size)!r},{draw(price)!r},,{names}" for symbol in symbols]
            rows += [f"{account},,,,{asset},{draw(size)!r}{names}" for asset in assets]
    return draw(st.permutations(rows))


@given(rows=drawn_rows())
def test_every_row_comes_back_and_the_order_of_rows_changes_no_pool(rows: list[str]) -> None:
    """A position would be dropped, doubled, or margined with another's collateral, for where its row stood."""
    book = read_text(FULL, *rows)
    assert book.n_positions + book.amount.size == len(rows)
    assert same(read_accounts(table_of_accounts(book)).book, book)
    again = read_text(FULL, *sorted(rows))

    def by_name(one: AccountBook) -> list[tuple[Any, ...]]:
        venues = [pool.venue for pool in one.pools]
        return sorted(((venue, *row) for venue, row in zip(venues, contents(one), strict=True)), key=repr)

    assert by_name(again) == by_name(book)


@pytest.mark.parametrize(("cell", "kept"), [
    ("9223372036854775807", 9.223372036854774784e18), ("-9223372036854775807", -9.223372036854774784e18),
    ("9223372036854774784", 9.223372036854774784e18), ("1e18", 1e18)])
def test_sizes_below_2_to_63_are_read(cell: str, kept: float) -> None:
    """The largest balance that a ledger can hold could not be checked."""
    book = read(f"a,{BTC},{cell},1,,", f"a,,,,USDT,{cell}")
    assert book.quantity.tolist() == book.amount.tolist() == [kept]


@pytest.mark.parametrize("column", ["quantity", "amount"])
@pytest.mark.parametrize("series", [
    pl.Series([2**63], dtype=pl.UInt64), pl.Series([-(2**63)], dtype=pl.Int64), pl.Series([2.0**63]),
    pl.Series(["9223372036854775808"]), pl.Series(["-9223372036854775808"]), pl.Series(["1e19"])])
def test_sizes_from_2_to_63_on_are_refused_in_every_type(column: str, series: pl.Series) -> None:
    """A size that has wrapped around would be margined as a small one, or as a debt."""
    names: dict[str, list[Any]] = {"asset": ["USDT"]} if column == "amount" else {"symbol": [BTC], "entry_price": [1.0]}
    with pytest.raises(MalformedInputError, match=r"2\^63") as caught:
        read_accounts(pl.DataFrame({"account": ["a"], **names}).with_columns(series.alias(column)))
    assert caught.value.place is not None
    assert (caught.value.place.row, caught.value.place.column) == (1, column)


MALFORMED = [
    Case("both", lines(HEAD, POSITION, f"a,{BTC},1,100,USDT,5"), 2, "symbol", "both symbol and asset"),
    Case("neither", lines(HEAD, POSITION, "a,,1,100,,"), 2, "symbol", "neither symbol nor asset"),
    Case("a number of the other kind", lines(HEAD, HOLDING, "a,,2,,USDT,5"), 2, "quantity", "has no quantity"),
    Case("a price of the other kind", lines(HEAD, "a,,,7,USDT,5"), 1, "entry_price", "has no entry_price"),
    Case("an amount of the other kind", lines(HEAD, f"a,{BTC},1,100,,5"), 1, "amount", "has no amount"),
    Case("no quantity", lines(HEAD, f"a,{BTC},,100,,"), 1, "quantity", "missing"),
    Case("no entry price", lines(HEAD, f"a,{BTC},1,,,"), 1, "entry_price", "missing"),
    Case("no amount", lines(HEAD, "a,,,,USDT,"), 1, "amount", "missing"),
    Case("no account", lines(HEAD, HOLDING, ",,,,USDT,5"), 2, "account", "missing"),
    Case("nothing held", lines(HEAD, f"a,{BTC},0,100,,"), 1, "quantity", "quantity 0"),
    Case("nothing held, signed", lines(HEAD, f"a,{BTC},-0.0,100,,"), 1, "quantity", "none"),
    Case("price zero", lines(HEAD, f"a,{BTC},1,0,,"), 1, "entry_price", "not positive"),
    Case("price negative", lines(HEAD, f"a,{BTC},1,-3,,"), 1, "entry_price", "not positive"),
    Case("NaN", lines(HEAD, f"a,{BTC},NaN,100,,"), 1, "quantity", "not finite"),
    Case("infinity", lines(HEAD, "a,,,,USDT,-inf"), 1, "amount", "not finite"),
    Case("no number", lines(HEAD, f"a,{BTC},1o,100,,"), 1, "quantity", "not a number"),
    Case("a comma in a number", lines(HEAD, f'a,{BTC},"1,000",100,,'), 1, "quantity", "not a number"),
    Case("unknown mode", lines(FULL, f"a,{BTC},1,100,,,,,crossed,,"), 1, "mode", "there are cross"),
    Case("position twice", lines(HEAD, POSITION, HOLDING, POSITION), 3, "symbol", "earlier row"),
    Case("asset twice", lines(HEAD, HOLDING, POSITION, HOLDING), 3, "asset", "earlier row"),
    Case("two sides isolated", lines(FULL, f"a,{BTC},1,100,,,,,isolated,,", f"a,{BTC},-1,100,,,,,isolated,,"), 2,
         "symbol", "one position"),
    Case("two markets in one isolated pool",
         lines(FULL, f"a,{BTC},1,100,,,,,isolated,s,", f"a,{ETH},1,100,,,,,isolated,s,"), 2, "symbol", "one position"),
    Case("posted to nobody knows which",
         lines(FULL, f"a,{BTC},1,100,,,,,isolated,,", f"a,{ETH},1,100,,,,,isolated,,", "a,,,,USDT,5,,,isolated,,"), 3,
         "subaccount", "not clear"),
    Case("posted to nothing", lines(FULL, "a,,,,USDT,5,,,isolated,,"), 1, "subaccount", "not clear"),
    Case("two owners", lines(FULL, f"a,{BTC},1,100,,,x,,,,", "a,,,,USDT,5,y,,,,"), 2, "owner", "another owner"),
    Case("two classes", lines(FULL, f"a,{BTC},1,100,,,,,,,x", "a,,,,USDT,5,,,,,y"), 2, "account_class", "another"),
    Case("cross and portfolio", lines(FULL, f"a,{BTC},1,100,,,,,portfolio,,", "a,,,,USDT,5,,,cross,,"), 2, "mode",
         "either cross or portfolio"),
    Case("blank edge", lines(HEAD, f" a,{BTC},1,100,,"), 1, "account", "name of an account"),
    Case("no account column", lines("symbol,quantity,entry_price", f"{BTC},1,2"), None, "account", "missing"),
    Case("no symbol and no asset column", lines("account,quantity", "a,1"), None, "symbol", "missing"),
    Case("no entry column", lines("account,symbol,quantity", f"a,{BTC},1"), None, "entry_price", "missing"),
    Case("header only", lines(HEAD), None, None, "no rows"),
    Case("empty", b"", None, None, "empty"),
    Case("short row", lines(HEAD, POSITION, "a,,,,USDT"), 2, None, "cells"),
    Case("text in Parquet", parquet(pl.DataFrame({"account": ["a"], "asset": ["X"], "amount": [True]})), None, "amount",
         "numbers are wanted", file="input.parquet"),
    Case("NaN in Parquet", parquet(pl.DataFrame({"account": ["a"], "asset": ["X"], "amount": [float("nan")]})), 1,
         "amount", "not finite", file="input.parquet"),
]


@pytest.mark.parametrize("case", MALFORMED, ids=lambda case: case.name)
def test_malformed_accounts_are_refused_where_they_are_malformed(case: Case, tmp_path: Path) -> None:
    """A book with a hole in it would be reported as safe."""
    refused(case, tmp_path, lambda path, strict: read_accounts(path))


def test_a_long_file_with_an_empty_last_column_is_still_looked_at_for_short_rows(tmp_path: Path) -> None:
    """A torn line among millions would read as a position without its collateral."""
    rows = [f"a{i},{BTC},1,100,," for i in range(40_000)]
    path = tmp_path / "long.csv"
    path.write_bytes(lines(HEAD, *rows))
    assert read_accounts(path).book.n_pools == 40_000
    rows[30_000] = f"a,{BTC},1,100"
    path.write_bytes(lines(HEAD, *rows))
    with pytest.raises(MalformedInputError, match="row 30001: the row has 4 cells"):
        read_accounts(path)


POSITIONS: list[dict[str, Any]] = [
    {"symbol": BTC, "side": "long", "contracts": 2.0, "entryPrice": 60_000.0, "marginMode": "cross", "collateral": 9.9},
    {"symbol": ETH, "side": "short", "contracts": "3", "entryPrice": "3000", "marginMode": "isolated",
     "collateral": 950.0, "unrealizedPnl": -50.0},
    {"symbol": ETH, "side": "long", "contracts": 1.0, "entryPrice": 2900.0, "marginMode": "isolated",
     "collateral": 400.0, "unrealizedPnl": 100.0},
    {"symbol": "SOL/USDT:USDT", "side": None, "contracts": 0, "entryPrice": None, "marginMode": None},
]


def test_ccxt_positions_become_pools_with_what_is_posted_before_profit() -> None:
    """Unrealised profit would count twice, once in the collateral and once in the position."""
    balance = {"info": {}, "USDT": {"total": 5.0}, "total": {"USDT": 700.0, "BTC": 0.5, "ETH": 0.0},
               "debt": {"BTC": 0.75}}
    found = accounts_of_ccxt(POSITIONS, balance, account="main", venue="binance-usdm", owner="desk")
    assert contents(found.book) == [
        ("main", "cross", "", {BTC: 2.0}, {"USDT": 700.0, "BTC": -0.25}),
        ("main", "isolated", f"{ETH} short", {ETH: -3.0}, {"USDT": 1000.0}),
        ("main", "isolated", f"{ETH} long", {ETH: 1.0}, {"USDT": 300.0}),
    ]
    assert {(pool.venue, pool.owner) for pool in found.book.pools} == {("binance-usdm", "desk")}
    plain = accounts_of_ccxt(POSITIONS[:1], {"USDT": 7.0}, account="main")
    assert contents(plain.book) == [("main", Mode.CROSS.value, "", {BTC: 2.0}, {"USDT": 7.0})]


@pytest.mark.parametrize(("change", "column"), [
    ({"side": "both"}, "side"), ({"contracts": None}, "contracts"), ({"entryPrice": "x"}, "entryPrice"),
    ({"symbol": "BTCUSDT"}, "symbol"), ({"marginMode": "isolated", "collateral": None}, "collateral"),
    ({"contracts": True}, "contracts")])
def test_ccxt_positions_that_say_too_little_are_refused(change: dict[str, Any], column: str) -> None:
    """A short would be read as a long, or a position as one without collateral."""
    with pytest.raises(MalformedInputError) as caught:
        accounts_of_ccxt([POSITIONS[0] | change], {}, account="main")
    assert caught.value.place is not None
    assert (caught.value.place.row, caught.value.place.column) == (1, column)
