"""Gate futures, isolated margin: the fee of closing counts with the maintenance margin, both at the price sought.

Source: freqtrade/freqtrade, tests/exchange/test_exchange.py (2024-10-24), after Gate's help page on liquidation.
"""

from __future__ import annotations

from fractions import Fraction

from leverline.margin.brackets import Bracket, margin_price
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source


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


_FIXTURE = Source("laelymenyon/gate-extreme-bot, tests/test_liquidation_guard.py: levels recorded from the venue",
                  "2026-08-09")

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
    presets=(
        Preset("BTC/USDT:USDT", {
            "notional_floor_usdt": [0, 500_000, 1_000_000], "notional_cap_usdt": [500_000, 1_000_000, 1_500_000],
            "maintenance_margin_rate": [0.003, 0.0035, 0.004], "initial_margin_rate": [0.005, 0.006666, 0.008],
            "max_leverage": [200, 150.01, 125], "maintenance_deduction_usdt": [0, 250, 750],
            "contract_size": 0.0001, "taker_fee_rate": 0.00075,
        }, "2026-08-09", _FIXTURE),
        Preset("SOL/USDT:USDT", {
            "notional_floor_usdt": [0], "notional_cap_usdt": [500_000], "maintenance_margin_rate": [0.005],
            "initial_margin_rate": [0.01], "max_leverage": [100], "maintenance_deduction_usdt": [0],
            "taker_fee_rate": 0.00075,
        }, "2026-08-09", _FIXTURE),
    ),
    cautions=("The presets are the lowest levels only, as one test fixture records them; beyond their cap nothing is "
              "said. That of SOL stands for 29 contracts of one level and names no contract size.",
              "The rest of the risk-limit tables, partial liquidation and deleveraging of the venue are not stated: "
              "no page of its own was read.",),
)
