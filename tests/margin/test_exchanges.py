"""Central exchanges' rules beyond the published examples."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.ground.errors import UsageError
from leverline.margin.brackets import Bracket, Brackets
from leverline.margin.rulebooks import binance_usdm, bitmex, bybit, flat, gate, okx

sides = st.sampled_from((1, -1))
sizes = st.integers(1, 10**6).map(lambda n: Fraction(n, 1000))
entries = st.integers(1, 10**7).map(lambda n: Fraction(n, 100))
leverages = st.integers(1, 50).map(Fraction)
rates = st.integers(1, 19).map(lambda n: Fraction(n, 1000))


def _preset_table(index: int) -> Brackets:
    figures = binance_usdm.RULEBOOK.presets[index].figures
    floors, bracket_rates = figures["notional_floor_usdt"], figures["maintenance_margin_rate"]
    assert isinstance(floors, list)
    assert isinstance(bracket_rates, list)
    return Brackets.from_rates([Fraction(f) for f in floors], [Fraction(str(r)) for r in bracket_rates])


def test_binance_wrong_bracket_is_not_taken_for_the_liquidation_price() -> None:
    """A large position would be told a price that its bracket at that price does not give."""
    table = _preset_table(0)
    wallet, quantity, entry = Fraction(4_000_000), Fraction(2000), Fraction(60_000)
    price = binance_usdm.liquidation_price_in_table(wallet, quantity, entry, table)
    assert price is not None
    at_entry = binance_usdm.liquidation_price(wallet, quantity, entry, table.holding(quantity * entry))
    assert table.holding(quantity * price).floor == 100_000_000
    assert binance_usdm.liquidation_price(wallet, quantity, entry, table.holding(quantity * price)) == price
    assert at_entry == price  # 120m at entry and 119m at the price lie in one bracket
    small = binance_usdm.liquidation_price_in_table(Fraction(30_000_000), quantity, entry, table)
    assert small is not None
    assert table.holding(quantity * small).floor == 70_000_000
    assert small != binance_usdm.liquidation_price(
        Fraction(30_000_000), quantity, entry, table.holding(quantity * entry))


@pytest.mark.parametrize(("size", "entry", "rate", "amount", "others", "shown"), [
    ("3683.979", "1456.84", "0.1", 135365, (0, 0), "1114.78"),
    ("109.488", "32481.98", "0.025", 16300, (0, 0), "18778.73"),
    ("109.488", "32481.98", "0.025", 16300, ("356512.508", "-448192.89"), "26316.89"),
])
def test_binance_worked_example(
    size: str, entry: str, rate: str, amount: int, others: tuple[str | int, str | int], shown: str
) -> None:
    """A user who follows the venue's own example would find another price."""
    price = binance_usdm.liquidation_price(
        Fraction("1535443.01"), Fraction(size), Fraction(entry), Bracket(Fraction(0), Fraction(rate), Fraction(amount)),
        [binance_usdm.OtherContract(Fraction(others[0]), Fraction(others[1]))])
    assert price is not None
    assert binance_usdm.shown_price(price) == Fraction(shown)


def test_binance_others_maintenance_margin_moves_the_price() -> None:
    """A cross account would be told a price at which it has already been liquidated."""
    bracket = Bracket(Fraction(0), Fraction(1, 200), Fraction(0))
    alone = binance_usdm.liquidation_price(Fraction(1000), Fraction(100), Fraction(100), bracket)
    beside = binance_usdm.liquidation_price(Fraction(1000), Fraction(100), Fraction(100), bracket,
                                            [binance_usdm.OtherContract(Fraction(400), Fraction(0))])
    assert alone is not None
    assert beside is not None
    assert beside - alone == Fraction(400) / (100 * (1 - Fraction(1, 200)))


def test_binance_trigger_spares_equality() -> None:
    """An account exactly at its maintenance margin would be liquidated against the venue's word."""
    assert not binance_usdm.is_liquidatable(Fraction(5), Fraction(5))
    assert binance_usdm.is_liquidatable(Fraction("4.99"), Fraction(5))


@given(side=sides, size=sizes, entry=entries, leverage=leverages)
def test_binance_wallet_is_worth_nothing_at_the_bankruptcy_price(
    side: int, size: Fraction, entry: Fraction, leverage: Fraction
) -> None:
    """The insurance fund would take a position over with a hole in it, or keep what is the account's."""
    wallet = size * entry / leverage
    price = binance_usdm.bankruptcy_price(wallet, side * size, entry)
    assert wallet + side * size * (price - entry) == 0


@given(profit=st.integers(-10**6, 10**6).map(Fraction), wallet=st.integers(-10, 10**6).map(Fraction))
def test_binance_losers_have_no_place_before_winners(profit: Fraction, wallet: Fraction) -> None:
    """An account in loss would be deleveraged for another's bankruptcy."""
    score = binance_usdm.deleveraging_score(profit, wallet, Fraction(100))
    assert score >= 0
    assert profit > 0 or score == 0


@given(side=sides, size=sizes, entry=entries, leverage=leverages, rate=rates)
def test_bybit_equity_at_its_price_is_the_maintenance_margin_at_entry(
    side: int, size: Fraction, entry: Fraction, leverage: Fraction, rate: Fraction
) -> None:
    """The fund would take positions over later or earlier than the venue says."""
    price = bybit.liquidation_price(side * size, entry, leverage, rate)
    bankrupt = bybit.bankruptcy_price(entry, leverage, is_long=side > 0, is_inverse=False)
    assert bankrupt is not None
    assert price is not None  # the maintenance margin keeps it above 0
    assert size * entry / leverage + side * size * (price - entry) == size * entry * rate
    assert side * (price - bankrupt) > 0


@given(side=sides, contracts=st.integers(1, 10**6), entry=entries, leverage=leverages, rate=rates)
def test_bybit_inverse_price_stands_before_bankruptcy(
    side: int, contracts: int, entry: Fraction, leverage: Fraction, rate: Fraction
) -> None:
    """An inverse position would be liquidated when the margin is already gone."""
    price = bybit.inverse_liquidation_price(Fraction(side * contracts), entry, leverage, rate)
    bankrupt = bybit.bankruptcy_price(entry, leverage, is_long=side > 0, is_inverse=True)
    if bankrupt is None:
        assert side == -1
        assert leverage == 1
        return
    assert price is not None
    worth = side * contracts * (1 / entry - 1 / price)
    assert contracts / entry / leverage + worth == contracts / entry * rate
    assert side * (price - bankrupt) > 0
    assert contracts / entry / leverage + side * contracts * (1 / entry - 1 / bankrupt) == 0


@given(side=sides, size=sizes, entry=entries, leverage=leverages, rate=rates, fee=rates)
def test_okx_and_gate_equity_at_their_price_pays_margin_and_fee(
    side: int, size: Fraction, entry: Fraction, leverage: Fraction, rate: Fraction, fee: Fraction
) -> None:
    """The fee of closing would come out of the fund."""
    margin = size * entry / leverage
    price = gate.liquidation_price(margin, side * size, entry, rate, fee)
    assert okx.liquidation_price(margin, side * size, entry, rate, fee) == price
    if price is None:
        assert side == 1
        assert leverage == 1
        return
    equity = margin + side * size * (price - entry)
    assert equity == gate.required_margin(size * price, rate, fee)
    assert okx.is_liquidatable(equity, size * price * rate, size * price * fee)
    before = equity + Fraction(1, 10**6)
    assert not okx.is_liquidatable(before, size * price * rate, size * price * fee)


def test_okx_cuts_two_tiers_from_the_third_on() -> None:
    """A large position would be dumped whole, or a small one left half alive."""
    caps = (2000, 4000, 6000, 8000)
    assert [okx.contracts_of_one_cut(held, caps) for held in (1500, 4000, 4001, 6000, 8000)] == [
        1500, 4000, 2001, 4000, 4000]
    assert okx.contracts_above_first_tier(1999, 2000) == 0
    with pytest.raises(UsageError):
        okx.contracts_of_one_cut(8001, caps)


def test_bitmex_rates_jump_at_a_risk_step() -> None:
    """A part of a step would ride on the rates of the step below."""
    limit = bitmex.RiskLimit(200, 100, Fraction(1, 100), Fraction(1, 200), Fraction(1, 200))
    assert bitmex.margin_rates(200, limit) == (Fraction(1, 100), Fraction(1, 200))
    assert bitmex.margin_rates(201, limit) == (Fraction(3, 200), Fraction(1, 100))
    assert bitmex.margin_rates(301, limit) == (Fraction(1, 50), Fraction(3, 200))


@given(queue=st.lists(st.tuples(st.integers(0, 50), st.integers(-9, 9)), max_size=8), contracts=st.integers(0, 200))
def test_bitmex_queue_matches_contract_for_contract(queue: list[tuple[int, int]], contracts: int) -> None:
    """Longs would no longer equal shorts, or one be closed while a better placed one stands."""
    holders = [bitmex.Holder(n, held, Fraction(score)) for n, (held, score) in enumerate(queue)]
    fills = dict(bitmex.deleverage(contracts, holders))
    assert sum(fills.values()) == min(contracts, sum(h.contracts for h in holders))
    assert all(filled <= holders[int(str(account))].contracts for account, filled in fills.items())
    for h in holders:
        if fills.get(h.account, 0) < h.contracts:
            assert all(fills.get(other.account, 0) == 0 for other in holders if other.score < h.score)


def test_bitmex_leverage_raises_a_winner_and_lowers_a_loser() -> None:
    """A highly levered loser would be deleveraged before a winner."""
    winner = bitmex.deleveraging_score(Fraction(110), Fraction(100), Fraction(90))
    assert winner == Fraction(1, 10) * Fraction(110, 20)
    loser = bitmex.deleveraging_score(Fraction(95), Fraction(100), Fraction(90))
    assert loser == Fraction(-5, 100) / Fraction(95, 5)


@given(notional=entries, rate=rates, leverage=leverages)
def test_flat_leverage_lowers_both_margins(notional: Fraction, rate: Fraction, leverage: Fraction) -> None:
    """The leveraged model would not be the standard one over the leverage."""
    assert flat.leveraged_margin(notional, rate, leverage) * leverage == flat.standard_margin(notional, rate)
