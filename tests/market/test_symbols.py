"""Symbols."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.ground.errors import MalformedInputError, UsageError
from leverline.market.symbols import SymbolNaming, parse_unified, read_symbol_map
from leverline.model.instrument import Kind, Payoff

PERPETUAL = SymbolNaming(quote="USDT", kind=Kind.PERPETUAL)


@pytest.mark.parametrize(("symbol", "kind", "payoff", "settle"), [
    ("BTC/USDT", Kind.SPOT, Payoff.LINEAR, "USDT"),
    ("BTC/USDT:USDT", Kind.PERPETUAL, Payoff.LINEAR, "USDT"),
    ("BTC/USD:BTC", Kind.PERPETUAL, Payoff.INVERSE, "BTC"),
    ("ETH/USDC:USDC-261225", Kind.FUTURE, Payoff.LINEAR, "USDC"),
    ("BTC/USD:BTC-261225-100000-C", Kind.OPTION, Payoff.INVERSE, "BTC"),
])
def test_a_unified_symbol_says_what_it_is(symbol: str, kind: Kind, payoff: Payoff, settle: str) -> None:
    """An inverse contract would be margined as a linear one."""
    instrument = parse_unified(symbol)
    assert (instrument.kind, instrument.payoff, instrument.settlement_asset) == (kind, payoff, settle)


def test_a_dated_symbol_says_when_and_at_what_price() -> None:
    """An option would expire on another day."""
    option = parse_unified("BTC/USD:BTC-261225-100000.5-P")
    assert option.expiry == datetime(2026, 12, 25, 8, tzinfo=UTC)
    assert option.strike == 100_000.5


@pytest.mark.parametrize("symbol", ["BTCUSDT", "BTC-USD", "BTC/USD:ETH", "BTC/USDT:USDT-261325", "BTC/", "/USD", "",
                                    "BTC/USD:BTC-261225-C", "BTC/USDT\n"])
def test_what_is_not_unified_is_refused(symbol: str) -> None:
    """A guess would stand in a limit book."""
    with pytest.raises(UsageError):
        parse_unified(symbol)


@pytest.mark.parametrize(("quote", "kind", "given_", "unified"), [
    ("USDT", Kind.PERPETUAL, "BTCUSDT", "BTC/USDT:USDT"),
    ("USDT", Kind.PERPETUAL, "BTC", "BTC/USDT:USDT"),
    ("USDT", Kind.PERPETUAL, "BTC_USDT", "BTC/USDT:USDT"),
    ("USDT", Kind.PERPETUAL, "BTC-USDT-SWAP", "BTC/USDT:USDT"),
    ("USDT", Kind.PERPETUAL, "btcusdt", "BTC/USDT:USDT"),
    ("USDT", Kind.PERPETUAL, "1000PEPEUSDT", "1000PEPE/USDT:USDT"),
    ("USDT", Kind.PERPETUAL, "USDCUSDT", "USDC/USDT:USDT"),
    ("USDT", Kind.PERPETUAL, "ETH/USD:ETH", "ETH/USD:ETH"),
    ("USD", Kind.PERPETUAL, "BTC-USD", "BTC/USD:USD"),
    ("USD", Kind.PERPETUAL, "BTC-PERP", "BTC/USD:USD"),
    ("USD", Kind.PERPETUAL, "BTCUSD_PERP", "BTC/USD:BTC"),
    ("USDC", Kind.PERPETUAL, "kPEPE", "kPEPE/USDC:USDC"),
    ("USD", Kind.SPOT, "BTC/USD", "BTC/USD"),
    ("USD", Kind.SPOT, "ETHUSD", "ETH/USD"),
    ("USDT", Kind.FUTURE, "BTCUSDT_261225", "BTC/USDT:USDT-261225"),
    ("USD", Kind.FUTURE, "BTCUSD_261225", "BTC/USD:BTC-261225"),
])
def test_a_venues_symbol_gets_its_unified_name(quote: str, kind: Kind, given_: str, unified: str) -> None:
    """Bars and limits of one market would not find each other."""
    assert SymbolNaming(quote=quote, kind=kind).unified(given_) == unified


@pytest.mark.parametrize("symbol", ["BTC-USD", "BTC_EUR", "-USDT", "a b", "ÄUSDT"])
def test_a_symbol_of_another_quote_is_refused(symbol: str) -> None:
    """A dollar market would be renamed into a tether market."""
    with pytest.raises(UsageError):
        PERPETUAL.unified(symbol)


@given(st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=20))
def test_without_naming_symbols_come_out_as_they_came_in(symbols: list[str]) -> None:
    """A desk's own keys would be bent into a form it does not know."""
    assert SymbolNaming().unify(symbols) == {s: s for s in symbols}


@given(st.lists(st.from_regex(r"[A-Z0-9]{2,6}", fullmatch=True), unique=True, max_size=20))
def test_naming_is_one_to_one_and_settles(symbols: list[str]) -> None:
    """Two markets would share one limit, or a second reading would rename them again."""
    try:
        named = PERPETUAL.unify(symbols)
    except (MalformedInputError, UsageError):
        return  # two inputs for one name, or nothing but the quote
    assert len(set(named.values())) == len(symbols)
    assert PERPETUAL.unify(named.values()) == {n: n for n in named.values()}


def test_options_that_do_not_make_a_name_are_refused() -> None:
    """Half a naming rule would be ignored in silence."""
    for quote, kind in (("USDT", None), (None, Kind.SPOT), ("USDT", Kind.OPTION), ("usd t", Kind.SPOT)):
        with pytest.raises(UsageError):
            SymbolNaming(quote=quote, kind=kind)
    with pytest.raises(UsageError, match="expiry"):
        SymbolNaming(quote="USDT", kind=Kind.FUTURE).unified("BTCUSDT")


def test_a_symbol_map_is_read_and_used(tmp_path: Path) -> None:
    """A desk could not name what no rule can name."""
    path = tmp_path / "map.csv"
    path.write_text("from,to\nXBTUSD,BTC/USD:BTC\n", encoding="utf-8")
    naming = SymbolNaming(quote="USDT", kind=Kind.PERPETUAL, mapping=read_symbol_map(path))
    assert naming.unify(["XBTUSD", "ETHUSDT"]) == {"XBTUSD": "BTC/USD:BTC", "ETHUSDT": "ETH/USDT:USDT"}
    assert SymbolNaming(mapping=read_symbol_map(path)).unified("other") == "other"


@pytest.mark.parametrize(("text", "row"), [
    ("a,b\n", None), ("", None), ("from,to\nA\n", 1), ("from,to\nA,\n", 1), ("from,to\nA,BTC/USD\nA,ETH/USD\n", 2),
    ("from,to\nA,BTCUSD\n", 1), ("from,to\n\nA,BTC/USD\n", 1),
])
def test_a_malformed_symbol_map_is_refused(text: str, row: int | None, tmp_path: Path) -> None:
    """A market would take another's name."""
    path = tmp_path / "map.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MalformedInputError) as caught:
        read_symbol_map(path)
    assert caught.value.place is not None
    assert (caught.value.place.file, caught.value.place.row) == ("map.csv", row)
    with pytest.raises(MalformedInputError, match="cannot be read"):
        read_symbol_map(tmp_path / "absent.csv")
