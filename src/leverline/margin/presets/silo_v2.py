"""Silo v2 on Arbitrum: two assets a market, each lent against the other; one preset a market."""

from __future__ import annotations

from leverline.margin.fixed_point import BPS
from leverline.margin.presets.collateral_weights import lending_assets
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks.silo_v2 import RULEBOOK

MARKETS = ("weth-usdc", "wbtc-usdc")


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name."""
    return {f"silo-v2-{market}": _preset(market) for market in MARKETS}


def _preset(market: str) -> EnginePreset:
    of = Figures(RULEBOOK, market)
    ltvs = zip(of.numbers("max_ltv_bps"), of.numbers("liquidation_threshold_bps"), strict=True)
    collateral = {asset: (borrow / BPS, stay / BPS)
                  for asset, (borrow, stay) in zip(of.names("collateral"), ltvs, strict=True)}
    return engine_preset(
        f"silo-v2-{market}", RULEBOOK, "USD", [of],
        ("A loan is secured by the other asset of the market; that nobody owes what he has deposited is not checked.",),
        assets=lending_assets(collateral, of.names("debt")))
