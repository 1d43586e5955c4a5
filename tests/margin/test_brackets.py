"""Brackets with a deduction: properties that hold for every table."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leverline.ground.errors import UsageError
from leverline.margin.brackets import Brackets, liquidation_price

TICK = Fraction(1, 10**6)


def _table(steps: list[tuple[int, int]]) -> Brackets:
    floor, rate = 0, 0
    floors, rates = [], []
    for width, rise in steps:
        rate += rise
        floors.append(Fraction(floor))
        rates.append(Fraction(rate, 1000))
        floor += width
    return Brackets.from_rates(floors, rates)


tables = st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 90)), min_size=1, max_size=8).map(_table)
notionals = st.integers(0, 10**8).map(lambda units: Fraction(units, 10))


@given(table=tables, a=notionals, b=notionals)
def test_a_larger_position_never_needs_less(table: Brackets, a: Fraction, b: Fraction) -> None:
    """A trader could lower his requirement by adding to the position."""
    low, high = sorted((a, b))
    assert table.requirement(low) <= table.requirement(high)


@given(table=tables)
def test_the_requirement_has_no_jump_at_a_floor(table: Brackets) -> None:
    """A position one unit past a floor would be liquidated for its whole size."""
    for below, row in zip(table.rows, table.rows[1:], strict=False):
        assert row.floor * below.rate - below.deduction == row.floor * row.rate - row.deduction


@given(table=tables, notional=notionals)
def test_the_table_is_the_highest_of_its_lines(table: Brackets, notional: Fraction) -> None:
    """Some notional would be charged by a neighbour's bracket."""
    assert table.requirement(notional) == max(notional * row.rate - row.deduction for row in table.rows)


@given(table=tables, size=st.integers(1, 10**5), entry=st.integers(1, 10**4), share=st.integers(1, 400),
       side=st.sampled_from((1, -1)))
def test_safe_one_tick_before_the_liquidation_price_and_not_one_tick_after(
    table: Brackets, size: int, entry: int, share: int, side: int
) -> None:
    """An account would be liquidated while it is covered, or live on while it is not."""
    quantity, value = Fraction(side * size, 100), Fraction(size * entry, 100)
    cash = value * Fraction(share, 200)
    assume(cash > table.requirement(value))

    def cover(price: Fraction) -> Fraction:
        return cash + quantity * (price - entry) - table.requirement(abs(quantity) * price)

    price = liquidation_price(cash, quantity, Fraction(entry), table)
    if price is None:
        assert side == 1
        assert cover(Fraction(0)) >= 0
        return
    assert cover(price) == 0
    assert cover(price + side * TICK) > 0
    assert cover(max(price - side * TICK, Fraction(0))) < 0


@pytest.mark.parametrize(("floors", "rates"), [
    ([], []), ([1], [0.1]), ([0, 5, 5], [0.1, 0.2, 0.3]), ([0, 5], [0.2, 0.1]), ([0, 5], [0.1]),
])
def test_a_table_that_cannot_be_meant_is_refused(floors: list[float], rates: list[float]) -> None:
    """A typo in a table would liquidate accounts by a rule nobody wrote."""
    with pytest.raises(UsageError):
        Brackets.from_rates([Fraction(f) for f in floors], [Fraction(str(r)) for r in rates])
