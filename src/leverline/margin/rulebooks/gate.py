"""Gate futures, isolated margin: the fee of closing counts with the maintenance margin, both at the price sought.

Source: freqtrade/freqtrade, tests/exchange/test_exchange.py (2024-10-24), after Gate's help page on liquidation.
"""

from __future__ import annotations

from fractions import Fraction

from leverline.margin.brackets import Bracket, margin_price
from leverline.margin.rulebooks.description import RulebookDescription, Source


def required_margin(notional: Fraction, maintenance_rate: Fraction, taker_fee_rate: Fraction) -> Fraction:
    """What equity has to cover: maintenance margin and the taker fee of closing, at the present notional."""
    return notional * (maintenance_rate + taker_fee_rate)


def liquidation_price(
    margin: Fraction, quantity: Fraction, entry: Fraction, maintenance_rate: Fraction, taker_fee_rate: Fraction
) -> Fraction | None:
    """Price at which equity equals :func:`required_margin`; None for a long that is covered at any price.

    (entry -+ margin / size) / (1 -+ (maintenance rate + fee rate)); ``margin`` in settlement currency, ``quantity``
    signed in base units.
    """
    at_stake = Bracket(Fraction(0), maintenance_rate + taker_fee_rate, Fraction(0))
    return margin_price(margin, quantity, entry, at_stake)


RULEBOOK = RulebookDescription(
    name="gate",
    venue="Gate",
    scope="perpetuals",
    rules={
        "requirement": "notional x (maintenance rate + taker fee rate)",
        "trigger": "mark price at the liquidation price",
        "liquidation price": "isolated: (entry -+ margin / size) / (1 -+ (maintenance rate + taker fee rate))",
    },
    rounding="exact; displayed prices to the instrument's tick",
    sources=(Source("freqtrade/freqtrade, tests/exchange/test_exchange.py", "2024-10-24"),),
    families=("bybit-okx-gate-gate",),
    cautions=("Risk-limit tables, partial liquidation and deleveraging of the venue are not stated: "
              "no page of its own was read.",),
)
