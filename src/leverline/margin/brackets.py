r"""Margin by brackets: each slice of a position's notional at its own rate, written with a deduction.

.. math:: R(N) = N r_k - c_k, \qquad c_0 = 0, \quad c_k = c_{k-1} + f_k (r_k - r_{k-1})

for the bracket :math:`k` that holds notional :math:`N`, with floors :math:`f` and rates :math:`r` ascending. The
deduction :math:`c` makes the requirement continuous and is what a table calls maintenance amount, ``cum`` or deduction
(Binance, Leverage and margin of USDT-M futures). Without it a position that grows past a floor by one unit would be
liquidated for the rate of its whole size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from leverline.ground.errors import require


@dataclass(frozen=True, slots=True)
class Bracket:
    """One slice: from ``floor`` of notional on, the requirement is ``notional * rate - deduction``."""

    floor: Fraction  # settlement currency; the bracket holds floor <= notional, below the next one's floor
    rate: Fraction
    deduction: Fraction  # settlement currency


@dataclass(frozen=True, slots=True)
class Brackets:
    """A whole table, floors ascending from 0; the last bracket has no end."""

    rows: tuple[Bracket, ...]

    @classmethod
    def from_rates(cls, floors: Sequence[Fraction], rates: Sequence[Fraction]) -> Self:
        """The continuous table of these floors (ascending from 0) and rates (ascending)."""
        require(len(floors) == len(rates) > 0, "every bracket has a floor and a rate", got=(len(floors), len(rates)))
        require(floors[0] == 0, "the first bracket starts at 0", got=floors[0])
        rows = [Bracket(Fraction(0), rates[0], Fraction(0))]
        for floor, rate in zip(floors[1:], rates[1:], strict=True):
            above = rows[-1]
            require(floor > above.floor, "floors ascend", got=floor)
            require(rate >= above.rate, "rates do not fall with size", got=rate)
            rows.append(Bracket(floor, rate, next_deduction(above.deduction, floor, above.rate, rate)))
        return cls(tuple(rows))

    def holding(self, notional: Fraction) -> Bracket:
        """The bracket that holds ``notional``; at a floor the two neighbours ask the same."""
        require(notional >= 0, "notional is not negative", got=notional)
        return next(row for row in reversed(self.rows) if row.floor <= notional)

    def requirement(self, notional: Fraction) -> Fraction:
        """Margin for ``notional``, both in settlement currency."""
        row = self.holding(notional)
        return notional * row.rate - row.deduction


def next_deduction(deduction: Fraction, floor: Fraction, rate_below: Fraction, rate: Fraction) -> Fraction:
    """Deduction of the bracket that starts at ``floor``, from its neighbour's below."""
    return deduction + floor * (rate - rate_below)


def margin_price(cash: Fraction, quantity: Fraction, entry: Fraction, bracket: Bracket) -> Fraction | None:
    r"""Price at which equity equals the bracket's requirement.

    .. math:: p = \frac{W + c - q e}{|q| r - q}

    from :math:`W + q (p - e) = |q| p r - c`; ``cash`` :math:`W` in settlement currency, signed ``quantity`` in base
    units. None for a long that is covered at any price; 0 for a short that is covered at none, as beside other
    contracts that need more than the wallet holds.
    """
    require(quantity != 0, "a liquidation price needs a position", got=quantity)
    slope = abs(quantity) * bracket.rate - quantity
    require(slope != 0, "a rate of 1 on a long leaves no price that decides", got=bracket.rate)
    price = (cash + bracket.deduction - quantity * entry) / slope
    if price > 0:
        return price
    return None if quantity > 0 else Fraction(0)


def liquidation_price(cash: Fraction, quantity: Fraction, entry: Fraction, brackets: Brackets) -> Fraction | None:
    """Price at which equity first meets the requirement of a whole table: the bracket is the one at that price.

    Equity less requirement falls towards the losing side without a jump, so at most one bracket holds the notional at
    its own price. None for a long that is covered at any price, 0 for a short that is covered at none.
    """
    for index, row in enumerate(brackets.rows):
        price = margin_price(cash, quantity, entry, row) if row.rate < 1 or quantity < 0 else None
        if price is None:
            continue
        notional = abs(quantity) * price
        ceiling = brackets.rows[index + 1].floor if index + 1 < len(brackets.rows) else None
        if row.floor <= notional and (ceiling is None or notional <= ceiling):
            return price
    return None
