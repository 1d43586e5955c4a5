"""Aave v3: LTV to borrow, liquidation threshold to stay. The versions share the weights and differ in rounding."""

from __future__ import annotations

from leverline.margin.fixed_point import BPS
from leverline.margin.presets.collateral_weights import lending_assets
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks import aave_v3_0, aave_v3_3, aave_v3_7
from leverline.margin.rulebooks.description import RulebookDescription


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name."""
    return {version.RULEBOOK.name: _preset(version.RULEBOOK) for version in (aave_v3_0, aave_v3_3, aave_v3_7)}


def _preset(rulebook: RulebookDescription) -> EnginePreset:
    of = Figures(rulebook, "weth-usdc")
    weights = zip(of.numbers("ltv_bps"), of.numbers("liquidation_threshold_bps"), strict=True)
    collateral = {asset: (ltv / BPS, threshold / BPS)
                  for asset, (ltv, threshold) in zip(of.names("collateral"), weights, strict=True)}
    return engine_preset(
        rulebook.name, rulebook, "USD", [of],
        ("The figures are those of the market the versions are compared on, not of a market in force.",
         "Efficiency modes and caps are left out."), assets=lending_assets(collateral, of.names("debt")))
