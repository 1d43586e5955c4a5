"""Aave v4 on Avalanche: one collateral factor, to borrow and to stay; one preset a spoke."""

from __future__ import annotations

from leverline.margin.presets.collateral_weights import lending_assets
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks.aave_v4 import RULEBOOK


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name; beside the collaterals' own assets, which ones a spoke lends was not read."""
    return {"aave-v4": _spoke("aave-v4", "main", "USDC"),
            "aave-v4-correlated": _spoke("aave-v4-correlated", "correlated", "WAVAX")}


def _spoke(name: str, spoke: str, debt: str) -> EnginePreset:
    of = Figures(RULEBOOK, f"avalanche-{spoke}-collateral")
    factors = dict(zip(of.names("collateral"), of.numbers("collateral_factor"), strict=True))
    return engine_preset(
        name, RULEBOOK, "USD", [of],
        (f"Which assets the spoke lends was not read: {debt} and the collaterals may be owed here, and {debt} counts "
         "nothing where it is held." if debt not in factors else "Which assets the spoke lends was not read.",
         "Risk premiums and collateral factors kept from an older configuration are left out."),
        assets=lending_assets({asset: (factor, factor) for asset, factor in factors.items()}, [debt, *factors]))
