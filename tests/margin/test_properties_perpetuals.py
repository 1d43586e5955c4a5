"""What exchanges promise at every size and price: Binance, Bybit, OKX, Gate, BitMEX, Hyperliquid, flat rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leverline.margin.brackets import Brackets
from leverline.margin.rulebooks import binance_usdm, bitmex, bybit, flat, gate, hyperliquid, okx
from leverline.margin.rulebooks.description import Preset

TICK = Fraction(1, 10**6)
Requirement = Callable[[Fraction], Fraction]

sides = st.sampled_from((1, -1))
sizes = st.integers(1, 10**8).map(lambda n: Fraction(n, 1000))
prices = st.integers(1, 10**7).map(lambda n: Fraction(n, 100))
amounts = st.integers(0, 2 * 10**9).map(Fraction)
leverages = st.integers(1, 125).map(Fraction)
rates = st.integers(1, 400).map(lambda n: Fraction(n, 10_000))


def binance_table(name: str) -> Brackets:
    figures = next(p for p in binance_usdm.RULEBOOK.presets if p.name == name).figures
    floors, table_rates = figures["notional_floor_usdt"], figures["maintenance_margin_rate"]
    assert isinstance(floors, list)
    assert isinstance(table_rates, list)
    return Brackets.from_rates([Fraction(f) for f in floors], [Fraction(str(r)) for r in table_rates])


def hyperliquid_tiers(name: str) -> list[hyperliquid.Tier]:
    figures = next(p for p in hyperliquid.RULEBOOK.presets if p.name == name).figures
    floors, leverage = figures["tier_floors_usdc"], figures["max_leverage"]
    assert isinstance(floors, list)
    assert isinstance(leverage, list)
    return [hyperliquid.Tier(Fraction(f), Fraction(x)) for f, x in zip(floors, leverage, strict=True)]


BTC, ETH = binance_table("BTC/USDT:USDT"), binance_table("ETH/USDT:USDT")
CONTINUOUS: dict[str, tuple[Requirement, Fraction]] = {  # requirement, steepest rate
    "binance BTC": (lambda n: binance_usdm.maintenance_margin(n, BTC), BTC.rows[-1].rate),
    "binance ETH": (lambda n: binance_usdm.maintenance_margin(n, ETH), ETH.rows[-1].rate),
    "bybit": (lambda n: bybit.maintenance_margin(n, ETH), ETH.rows[-1].rate),
    "gate": (lambda n: gate.required_margin(n, Fraction(1, 200), Fraction(1, 2000)), Fraction(11, 2000)),
    "flat": (lambda n: flat.leveraged_margin(n, Fraction(3, 100), Fraction(50)), Fraction(3, 5000)),
    "hyperliquid BTC": (lambda n: hyperliquid.maintenance_margin(n, hyperliquid_tiers("BTC")), Fraction(1, 40)),
    "hyperliquid ETH": (lambda n: hyperliquid.maintenance_margin(n, hyperliquid_tiers("ETH")), Fraction(1, 30)),
    "hyperliquid SOL": (lambda n: hyperliquid.maintenance_margin(n, hyperliquid_tiers("SOL")), Fraction(1, 20)),
}


@pytest.mark.parametrize("venue", CONTINUOUS)
@given(a=amounts, b=amounts)
def test_requirement_grows_with_size_and_never_jumps(venue: str, a: Fraction, b: Fraction) -> None:
    """A position would be safer for being larger, or be liquidated for one more contract at an unmoved price."""
    requirement, steepest = CONTINUOUS[venue]
    low, high = sorted((a, b))
    assert 0 <= requirement(high) - requirement(low) <= (high - low) * steepest
    assert requirement(Fraction(0)) == 0


@pytest.mark.parametrize("table", [BTC, ETH], ids=["BTC", "ETH"])
def test_binance_recorded_maintenance_amounts_are_those_of_a_continuous_table(table: Brackets) -> None:
    """The preset shown to users would not be the table that the requirement follows."""
    for below, row in pairwise(table.rows):
        assert binance_usdm.maintenance_amount(row.floor, row.rate, below.rate, below.deduction) == row.deduction


@pytest.mark.parametrize("preset", binance_usdm.RULEBOOK.presets, ids=lambda p: p.name)
def test_binance_opening_asks_more_than_staying(preset: Preset) -> None:
    """A position opened at the highest leverage of its bracket would be liquidated by the bracket's own rate."""
    leverage, table_rates = preset.figures["max_leverage"], preset.figures["maintenance_margin_rate"]
    assert isinstance(leverage, list)
    assert isinstance(table_rates, list)
    assert all(1 / x > rate for x, rate in zip(leverage, table_rates, strict=True))
    assert leverage == sorted(leverage, reverse=True)


@pytest.mark.parametrize("coin", ["BTC", "ETH", "SOL"])
@given(notional=amounts, share=st.fractions(Fraction(1, 100), 1))
def test_hyperliquid_opening_asks_at_least_twice_what_staying_does(
    coin: str, notional: Fraction, share: Fraction
) -> None:
    """A position opened at the tier's highest leverage would have less than half of its margin to lose."""
    tiers = hyperliquid_tiers(coin)
    highest = next(tier.max_leverage for tier in reversed(tiers) if tier.floor <= notional)
    opening = hyperliquid.initial_margin(notional, highest * share)
    assert opening >= 2 * hyperliquid.maintenance_margin(notional, tiers)


def check_line(price: Fraction | None, side: int, is_liquidated: Callable[[Fraction], bool], *,
               at_the_price: bool, seen: Sequence[Fraction]) -> None:
    """Liquidated beyond ``price`` and nowhere before it, one tick to either side and at every price seen."""
    if price is None:
        assert side == 1
        assert not any(is_liquidated(p) for p in seen)
        return
    if price + side * TICK > 0:
        assert not is_liquidated(price + side * TICK)
    if price > TICK:
        assert is_liquidated(price - side * TICK)
    if price > 0:
        assert is_liquidated(price) is at_the_price
    for p in seen:
        assert p == price or is_liquidated(p) is ((p - price) * side < 0)


grids = st.lists(prices, min_size=1, max_size=12)


@given(side=sides, size=sizes, entry=prices, leverage=leverages, seen=grids)
def test_binance_isolated_line(side: int, size: Fraction, entry: Fraction, leverage: Fraction, seen: list[Fraction],
                               ) -> None:
    """A trader would be liquidated before the price that was announced, or live on past it."""
    wallet, quantity = size * entry / leverage, side * size
    price = binance_usdm.liquidation_price_in_table(wallet, quantity, entry, BTC)

    def is_liquidated(p: Fraction) -> bool:
        return binance_usdm.is_liquidatable(wallet + quantity * (p - entry), BTC.requirement(size * p))

    check_line(price, side, is_liquidated, at_the_price=False, seen=seen)


@given(side=sides, size=sizes, entry=prices, wallet=st.integers(-(10**6), 10**9).map(Fraction),
       others=st.lists(st.tuples(st.integers(0, 10**7), st.integers(-(10**8), 10**8)), max_size=3), seen=grids)
def test_binance_cross_line(side: int, size: Fraction, entry: Fraction, wallet: Fraction,
                            others: list[tuple[int, int]], seen: list[Fraction]) -> None:
    """A cross account would be told a price at which its other contracts have already ruined it."""
    beside = [binance_usdm.OtherContract(Fraction(m), Fraction(p)) for m, p in others]
    price = binance_usdm.liquidation_price_in_table(wallet, side * size, entry, ETH, beside)

    def is_liquidated(p: Fraction) -> bool:
        balance = wallet + sum(o.unrealized_profit for o in beside) + side * size * (p - entry)
        return binance_usdm.is_liquidatable(
            balance, sum((o.maintenance_margin for o in beside), ETH.requirement(size * p)))

    check_line(price, side, is_liquidated, at_the_price=False, seen=seen)


@given(side=sides, size=sizes, entry=prices, leverage=leverages, seen=grids, coin=st.sampled_from(("BTC", "SOL")))
def test_hyperliquid_line_across_tiers(side: int, size: Fraction, entry: Fraction, leverage: Fraction,
                                       seen: list[Fraction], coin: str) -> None:
    """A large position would be given the line of a small one."""
    tiers, margin = hyperliquid_tiers(coin), size * entry / leverage
    price = hyperliquid.liquidation_price_in_tiers(entry, side, size, margin, tiers)

    def is_liquidated(p: Fraction) -> bool:
        return margin + side * size * (p - entry) < hyperliquid.maintenance_margin(size * p, tiers)

    check_line(price, side, is_liquidated, at_the_price=False, seen=seen)
    if price is not None and size * price <= tiers[1].floor:
        assert price == hyperliquid.isolated_liquidation_price(entry, side, size, margin, tiers[0].max_leverage)


@given(side=sides, size=sizes, entry=prices, leverage=leverages, rate=rates, fee=rates, seen=grids)
def test_okx_line(side: int, size: Fraction, entry: Fraction, leverage: Fraction, rate: Fraction, fee: Fraction,
                  seen: list[Fraction]) -> None:
    """The ratio the venue shows would reach 100 % elsewhere than at the price it shows; equality liquidates here."""
    margin = size * entry / leverage
    price = okx.liquidation_price(margin, side * size, entry, rate, fee)

    def is_liquidated(p: Fraction) -> bool:
        return okx.is_liquidatable(margin + side * size * (p - entry), size * p * rate, size * p * fee)

    check_line(price, side, is_liquidated, at_the_price=True, seen=seen)


@given(side=sides, size=sizes, entry=prices, leverage=leverages, rate=rates, fee=rates, seen=grids)
def test_gate_line(side: int, size: Fraction, entry: Fraction, leverage: Fraction, rate: Fraction, fee: Fraction,
                   seen: list[Fraction]) -> None:
    """Closing would cost a fee that nobody has set aside."""
    margin = size * entry / leverage
    price = gate.liquidation_price(margin, side * size, entry, rate, fee)

    def is_liquidated(p: Fraction) -> bool:
        return margin + side * size * (p - entry) <= gate.required_margin(size * p, rate, fee)

    check_line(price, side, is_liquidated, at_the_price=True, seen=seen)


@given(side=sides, size=sizes, entry=prices, leverage=leverages, seen=grids, extra=st.integers(0, 10**9))
def test_bybit_line_of_a_linear_position(side: int, size: Fraction, entry: Fraction, leverage: Fraction,
                                         seen: list[Fraction], extra: int) -> None:
    """Margin added by hand would not move the line by what it is worth."""
    row = ETH.holding(size * entry)
    assume(1 / leverage >= row.rate)
    price = bybit.liquidation_price(side * size, entry, leverage, row.rate, row.deduction, Fraction(extra))
    maintenance = bybit.maintenance_margin(size * entry, ETH)

    def is_liquidated(p: Fraction) -> bool:
        return bybit.is_liquidatable(size * entry / leverage + extra + side * size * (p - entry), maintenance)

    check_line(price, side, is_liquidated, at_the_price=True, seen=seen)


@given(side=sides, contracts=st.integers(1, 10**8), entry=prices, leverage=leverages, rate=rates, seen=grids)
def test_bybit_line_of_an_inverse_position(side: int, contracts: int, entry: Fraction, leverage: Fraction,
                                           rate: Fraction, seen: list[Fraction]) -> None:
    """A holder of inverse contracts would read a linear contract's price; a short on 1x has none above its room."""
    assume(1 / leverage > rate)
    price = bybit.inverse_liquidation_price(Fraction(side * contracts), entry, leverage, rate)
    value = contracts / entry

    def is_liquidated(p: Fraction) -> bool:
        return bybit.is_liquidatable(value / leverage + side * contracts * (1 / entry - 1 / p), value * rate)

    if price is None:
        assert side == -1
        assert not any(is_liquidated(p) for p in (*seen, Fraction(10**30)))
        return
    check_line(price, side, is_liquidated, at_the_price=True, seen=seen)


@given(side=sides, size=sizes, entry=prices, leverage=leverages)
def test_bankruptcy_price_leaves_nothing_and_stands_behind_liquidation(
    side: int, size: Fraction, entry: Fraction, leverage: Fraction
) -> None:
    """The fund would take a position over with a hole in it, or the account would be empty before it is closed."""
    margin = size * entry / leverage
    assert (bybit_bankrupt := bybit.bankruptcy_price(entry, leverage, is_long=side > 0, is_inverse=False)) is not None
    bankrupt = binance_usdm.bankruptcy_price(margin, side * size, entry)
    assert bankrupt == bybit_bankrupt
    assert margin + side * size * (bankrupt - entry) == 0
    liquidated = binance_usdm.liquidation_price_in_table(margin, side * size, entry, BTC)
    if liquidated is not None:
        assert (liquidated - bankrupt) * side > 0


@given(size=sizes, entry=prices, more=st.integers(1, 10**6))
def test_a_long_that_is_paid_in_full_cannot_go_bankrupt_above_zero(size: Fraction, entry: Fraction, more: int) -> None:
    """A holder without debt would be shown a price at which he loses what he has not borrowed."""
    assert binance_usdm.bankruptcy_price(size * entry + more, size, entry) == 0


LIMIT = bitmex.RiskLimit(200, 100, Fraction(1, 100), Fraction(1, 200), Fraction(1, 200))


@given(a=st.integers(0, 10**5), b=st.integers(0, 10**5))
def test_bitmex_larger_positions_never_need_less(a: int, b: int) -> None:
    """A position would become safe by growing past a risk step."""
    low, high = sorted((a, b))
    for which in (0, 1):
        assert low * bitmex.margin_rates(low, LIMIT)[which] <= high * bitmex.margin_rates(high, LIMIT)[which]
    initial, maintenance = bitmex.margin_rates(high, LIMIT)
    assert initial - maintenance == LIMIT.initial_rate - LIMIT.maintenance_rate


@given(step=st.integers(0, 500))
def test_bitmex_requirement_jumps_at_every_step_and_only_there(step: int) -> None:
    """The venue's caution would name a jump that its rule does not make, or hide one that it does."""
    edge = LIMIT.base + step * LIMIT.step
    required = [value * bitmex.margin_rates(value, LIMIT)[1] for value in range(edge - 1, edge + 3)]
    before, across, after = (b - a for a, b in pairwise(required))
    assert before == bitmex.margin_rates(edge, LIMIT)[1]
    assert across > edge * LIMIT.rate_step
    assert after == bitmex.margin_rates(edge + 1, LIMIT)[1]


queues = st.lists(st.tuples(st.integers(1, 50), st.integers(-9, 9)), max_size=10)


@given(queue=queues, contracts=st.integers(0, 300), chance=st.randoms(use_true_random=False))
def test_bitmex_queue_ranks_by_score_and_not_by_place(
    queue: list[tuple[int, int]], contracts: int, chance: Random
) -> None:
    """Whom a bankruptcy closes would depend on how the accounts happen to be listed."""
    holders = [bitmex.Holder(n, held, Fraction(score)) for n, (held, score) in enumerate(queue)]
    shuffled = list(holders)
    chance.shuffle(shuffled)

    def by_score(order: list[bitmex.Holder]) -> dict[Fraction, int]:
        score_of = {h.account: h.score for h in holders}
        closed: dict[Fraction, int] = {}
        fills = bitmex.deleverage(contracts, order)
        assert len({account for account, _ in fills}) == len(fills)
        for account, filled in fills:
            closed[score_of[account]] = closed.get(score_of[account], 0) + filled
        return closed

    assert by_score(holders) == by_score(shuffled)
    if len({h.score for h in holders}) == len(holders):
        assert bitmex.deleverage(contracts, holders) == bitmex.deleverage(contracts, shuffled)


@given(mark=st.integers(101, 200), entry=st.integers(1, 200), bankrupt=st.integers(-300, 100),
       closer=st.integers(1, 100))
def test_bitmex_nearer_bankruptcy_is_never_later_in_the_queue(
    mark: int, entry: int, bankrupt: int, closer: int
) -> None:
    """An account on high leverage would be spared for one on low leverage with the same profit or loss."""
    near = min(bankrupt + closer, 100)
    far_score, near_score = (bitmex.deleveraging_score(Fraction(mark), Fraction(entry), Fraction(b))
                             for b in (bankrupt, near))
    assert near_score >= far_score


@given(wallet=st.integers(1, 10**6), maintenance=st.integers(0, 10**5), a=st.integers(0, 10**6),
       b=st.integers(0, 10**6))
def test_binance_more_requirement_on_the_same_profit_is_deleveraged_first(
    wallet: int, maintenance: int, a: int, b: int
) -> None:
    """A cautious winner would be closed before a reckless one."""
    low, high = sorted((a, b))
    safe, reckless = (binance_usdm.deleveraging_score(Fraction(high), Fraction(wallet), Fraction(maintenance + extra))
                      for extra in (low, high))
    assert safe <= reckless


@given(contracts=st.integers(1, 10**6), widths=st.lists(st.integers(1, 10**5), min_size=2, max_size=12))
def test_okx_cuts_end_and_leave_the_cap_two_tiers_down(contracts: int, widths: list[int]) -> None:
    """A large position would be cut for ever, or not enough to reach easier terms."""
    caps = [sum(widths[:n + 1]) for n in range(len(widths))]
    held, cuts = min(contracts, caps[-1]), 0
    while held:
        closed = okx.contracts_of_one_cut(held, caps)
        assert 0 < closed <= held
        tier = next(n for n, cap in enumerate(caps, start=1) if held <= cap)
        held, cuts = held - closed, cuts + 1
        assert held == (0 if tier < okx.PARTIAL_FROM_TIER else caps[tier - 3])
    assert cuts <= (len(caps) + 1) // 2


@given(amount=st.fractions(0, 10**9), other=st.fractions(0, 10**9), decimals=st.integers(0, 9))
def test_flat_booking_moves_an_amount_by_half_a_unit_at_most(amount: Fraction, other: Fraction, decimals: int) -> None:
    """Margin would appear or vanish in booking, or two requirements change places."""
    unit = Fraction(1, 10**decimals)
    booked = flat.in_currency(amount, decimals)
    assert booked % unit == 0
    assert abs(booked - amount) <= unit / 2
    assert flat.in_currency(booked, decimals) == booked
    assert (flat.in_currency(other, decimals) <= booked) or other > amount


@given(notional=amounts, rate=rates, gap=rates, leverage=leverages, chosen=leverages)
def test_flat_staying_never_asks_more_than_opening_and_leverage_lowers_both(
    notional: Fraction, rate: Fraction, gap: Fraction, leverage: Fraction, chosen: Fraction
) -> None:
    """The caution that chosen leverage lowers maintenance would be untrue, or opening would be cheaper than staying."""
    low, high = sorted((leverage, chosen))
    assert flat.leveraged_margin(notional, rate, high) <= flat.leveraged_margin(notional, rate, low)
    assert flat.leveraged_margin(notional, rate, low) <= flat.leveraged_margin(notional, rate + gap, low)
    assert flat.leveraged_margin(notional, rate, Fraction(1)) == flat.standard_margin(notional, rate)
