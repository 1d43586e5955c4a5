"""Euler v2 on Base: thresholds hold per vault that lends, so one preset an asset that is owed."""

from __future__ import annotations

from leverline.margin.fixed_point import BPS
from leverline.margin.presets.collateral_weights import lending_assets
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks.euler_v2 import RULEBOOK

VAULTS = ("weth", "usdc", "cbbtc")


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name, after the asset that is owed."""
    return {f"euler-v2-{vault}": _preset(vault) for vault in VAULTS}


def _preset(vault: str) -> EnginePreset:
    of = Figures(RULEBOOK, f"base-{vault}")
    ltvs = zip(of.numbers("borrow_ltv_bps"), of.numbers("liquidation_ltv_bps"), strict=True)
    collateral = {asset: (borrow / BPS, stay / BPS) for asset, (borrow, stay) in zip(of.names("collateral"), ltvs,
                                                                                     strict=True)}
    return engine_preset(
        f"euler-v2-{vault}", RULEBOOK, "USD", [of],
        ("Three vaults of one cluster and some of its collaterals were read.",
         "A threshold that is ramping down is not seen: the target holds at once."),
        assets=lending_assets(collateral, of.names("debt")))
