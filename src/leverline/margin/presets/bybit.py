"""Bybit: USDT contracts by brackets; the inverse contract's first level as a venue of its own, margined in the coin.

The venue takes both margins of an *isolated* position at its entry (``rulebooks.bybit.liquidation_price``); cross and
portfolio margin stand at the mark, which is what the engine computes for every pool.
"""

from __future__ import annotations

from leverline.margin.curves import BracketCurve, above
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks.bybit import RULEBOOK
from leverline.margin.rules import AssetRules, MarketRules
from leverline.model.instrument import Payoff

LINEAR = "BTC/USDT:USDT"
INVERSE = "BTC/USD:BTC"
_AT_MARK = "Margins of isolated positions stand at the mark here; the venue takes them at entry."


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name."""
    linear, inverse = Figures(RULEBOOK, LINEAR), Figures(RULEBOOK, INVERSE)
    levels = BracketCurve(
        above(linear.numbers("notional_floor_usdt")), _initial(linear), linear.numbers("maintenance_margin_rate"),
        linear.numbers("maintenance_deduction_usdt"), cap=linear.numbers("notional_cap_usdt")[-1])
    first_level = BracketCurve((0.0,), _initial(inverse), inverse.numbers("maintenance_margin_rate"), (0.0,))
    cap = inverse.numbers("value_cap_btc")[-1]
    return {
        "bybit": engine_preset(
            "bybit", RULEBOOK, "USDT", [linear], (_AT_MARK, "Haircuts of other collateral than USDT are not stated."),
            markets={LINEAR: MarketRules(levels)}),
        "bybit-inverse": engine_preset(
            "bybit-inverse", RULEBOOK, "USD", [inverse],
            (_AT_MARK, f"The first level alone was read: a position worth more than {cap:g} BTC needs more than this "
                       "says. The venue counts its levels in BTC, so no cap in USD stands for it."),
            markets={INVERSE: MarketRules(first_level, payoff=Payoff.INVERSE)}, assets={"BTC": AssetRules()}),
    }


def _initial(of: Figures) -> tuple[float, ...]:
    return tuple(1.0 / leverage for leverage in of.numbers("max_leverage"))
