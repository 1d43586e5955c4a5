"""BitMEX: both rates rise with every risk step of the position's value in the settlement coin.

HYPE and INJ step by value in USDT, but no size of their contracts was found: they are left out.
"""

from __future__ import annotations

from leverline.margin.curves import CoinStepCurve
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks.bitmex import RULEBOOK
from leverline.margin.rules import AssetRules, MarketRules
from leverline.model.instrument import Payoff

SYMBOL = "BTC/USD:BTC"


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name."""
    of = Figures(RULEBOOK, SYMBOL)
    curve = CoinStepCurve(
        base=of.number("base_risk_limit_xbt"), step=of.number("risk_step_xbt"),
        initial_rate=of.number("initial_margin_rate"), maintenance_rate=of.number("maintenance_margin_rate"),
        rate_step=of.number("rate_step"))
    market = MarketRules(curve, payoff=Payoff.INVERSE, contract_size=of.number("contract_size_usd"))
    return {"bitmex": engine_preset(
        "bitmex", RULEBOOK, "USD", [of],
        ("HYPE/USDT:USDT and INJ/USDT:USDT are left out: no sizes of their contracts were found.",
         "The step is that of the value at today's mark: a liquidation price across a step is not the venue's.",
         "Orders, which count towards the step, are not seen."),
        markets={SYMBOL: market}, assets={"BTC": AssetRules()})}
