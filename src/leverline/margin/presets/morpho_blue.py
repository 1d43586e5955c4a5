"""Morpho Blue: one limit a market, to borrow and to stay; one preset a market."""

from __future__ import annotations

from leverline.margin.presets.collateral_weights import lending_assets
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks.morpho_blue import RULEBOOK

MARKETS = ("weth-usdc", "wsteth-weth", "usde-dai")


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name, collateral before loan."""
    return {f"morpho-blue-{market}": _preset(market) for market in MARKETS}


def _preset(market: str) -> EnginePreset:
    of = Figures(RULEBOOK, market)
    limits = {asset: (lltv, lltv) for asset, lltv in zip(of.names("collateral"), of.numbers("lltv"), strict=True)}
    return engine_preset(
        f"morpho-blue-{market}", RULEBOOK, "USD", [of],
        ("The market's own oracle quotes collateral in the loan asset; here it is the ratio of two prices in USD.",),
        assets=lending_assets(limits, of.names("debt")))
