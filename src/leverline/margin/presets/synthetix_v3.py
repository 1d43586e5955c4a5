"""Synthetix v3: rates linear in size over the market's skew scale, and a minimum margin a position."""

from __future__ import annotations

from leverline.margin.curves import SizeLinearCurve
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks.synthetix_v3 import RULEBOOK
from leverline.margin.rules import MarketRules

SYMBOLS = ("BTC/USD:USD", "ETH/USD:USD")


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name."""
    used = {symbol: Figures(RULEBOOK, symbol) for symbol in SYMBOLS}
    return {"synthetix-v3": engine_preset(
        "synthetix-v3", RULEBOOK, "USD", list(used.values()),
        ("The keeper's reward, which the venue adds to maintenance, is left out.",
         "Discounts of other collateral than the settlement dollar are not stated."),
        markets={symbol: _market(of) for symbol, of in used.items()})}


def _market(of: Figures) -> MarketRules:
    curve = SizeLinearCurve(
        base_rate=of.number("minimum_initial_ratio"),
        rate_per_base_unit=of.number("initial_margin_fraction") / of.number("skew_scale_base"),
        maintenance_share=of.number("maintenance_scalar"), constant=of.number("minimum_position_margin_usd"))
    return MarketRules(curve, taker_fee_rate=of.number("taker_fee_ratio"),
                       open_interest_cap=of.number("max_market_value_usd"))
