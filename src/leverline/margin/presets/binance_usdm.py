"""Binance USDT-M: maintenance by brackets with a maintenance amount, initial by the bracket's highest leverage."""

from __future__ import annotations

from leverline.margin.curves import BracketCurve, above
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks.binance_usdm import RULEBOOK
from leverline.margin.rules import MarketRules

SYMBOLS = ("BTC/USDT:USDT", "ETH/USDT:USDT")


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name."""
    used = {symbol: Figures(RULEBOOK, symbol) for symbol in SYMBOLS}
    return {"binance-usdm": engine_preset(
        "binance-usdm", RULEBOOK, "USDT", list(used.values()),
        ("The last bracket has no cap: the figures name none.",
         "Collateral is USDT: haircuts of other assets (multi-assets mode) and portfolio margin are not stated."),
        markets={symbol: MarketRules(_curve(of)) for symbol, of in used.items()})}


def _curve(of: Figures) -> BracketCurve:
    return BracketCurve(
        floors=above(of.numbers("notional_floor_usdt")),
        initial_rates=tuple(1.0 / leverage for leverage in of.numbers("max_leverage")),
        maintenance_rates=of.numbers("maintenance_margin_rate"), deductions=of.numbers("maintenance_amount_usdt"))
