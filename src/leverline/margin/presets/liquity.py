"""Liquity: the minimum collateral ratio of a trove as a weight, debt counted at its face value.

v1 and the branches of v2 lend different dollars, so each version is a venue of its own.
"""

from __future__ import annotations

from leverline.margin.presets.collateral_weights import lending_assets
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks.liquity import RULEBOOK

_MODES = "Recovery mode, shutdown and the total ratio, which bar opening and in v1 liquidate, are not seen."


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name."""
    first, ether, staked = (Figures(RULEBOOK, name) for name in ("v1", "v2-weth", "v2-staked"))
    return {
        "liquity": engine_preset("liquity", RULEBOOK, "LUSD", [first], (_MODES,),
                                 assets=lending_assets({"ETH": _weights(first)}, ())),
        "liquity-v2": engine_preset(
            "liquity-v2", RULEBOOK, "BOLD", [ether, staked], (_MODES,),
            assets=lending_assets({"WETH": _weights(ether), "wstETH": _weights(staked), "rETH": _weights(staked)}, ())),
    }


def _weights(of: Figures) -> tuple[float, float]:
    """Collateral over debt at least the ratio: each unit of value carries its inverse in debt."""
    weight = 1.0 / of.number("minimum_ratio")
    return weight, weight
