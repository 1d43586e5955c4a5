"""Maker (Sky): the liquidation ratio of a vault as a weight, debt at its face value; one preset a letter of vault type.

ETH-A, ETH-B and ETH-C take the same coin at three ratios, so the types A, B and C are three presets.
"""

from __future__ import annotations

from leverline.margin.fixed_point import BPS
from leverline.margin.presets.collateral_weights import lending_assets
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks.maker import RULEBOOK

TYPES = ("A", "B", "C")


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name."""
    return {f"maker-{letter.lower()}": _preset(letter) for letter in TYPES}


def _preset(letter: str) -> EnginePreset:
    of = Figures(RULEBOOK, "vaults")
    rows = zip(of.names("vault_type"), of.names("collateral"), of.numbers("liquidation_ratio_bps"), strict=True)
    weights = {asset: (BPS / ratio, BPS / ratio) for vault, asset, ratio in rows if vault.endswith(f"-{letter}")}
    return engine_preset(
        f"maker-{letter.lower()}", RULEBOOK, "DAI", [of],
        ("The venue acts on its own delayed feed, not on the mark.", "Debt ceilings and dust are left out.",
         "One vault holds one collateral: give each its own pool (isolated)."), assets=lending_assets(weights, ()))
