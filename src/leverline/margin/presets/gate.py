"""Gate: brackets whose maintenance rate holds the taker fee of closing as well. SOL has no contract size: left out."""

from __future__ import annotations

from leverline.margin.curves import BracketCurve, above
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks.gate import RULEBOOK
from leverline.margin.rules import MarketRules

SYMBOL = "BTC/USDT:USDT"


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name."""
    of = Figures(RULEBOOK, SYMBOL)
    fee = of.number("taker_fee_rate")
    curve = BracketCurve(
        above(of.numbers("notional_floor_usdt")), of.numbers("initial_margin_rate"),
        tuple(rate + fee for rate in of.numbers("maintenance_margin_rate")),
        of.numbers("maintenance_deduction_usdt"), cap=of.numbers("notional_cap_usdt")[-1])
    market = MarketRules(curve, contract_size=of.number("contract_size"), taker_fee_rate=fee)
    return {"gate": engine_preset(
        "gate", RULEBOOK, "USDT", [of],
        ("SOL/USDT:USDT is left out: no size of its contract was found.",
         "The levels above the third are not stated; the cap is that of the third.",
         "Maintenance holds the taker fee of closing."), markets={SYMBOL: market})}
