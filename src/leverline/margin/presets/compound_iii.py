"""Compound III on Ethereum, the USDC market: borrow and liquidation factors, debt in the base asset alone."""

from __future__ import annotations

from leverline.margin.presets.collateral_weights import lending_assets
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks.comet import RULEBOOK

BASE = "USDC"


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name."""
    of = Figures(RULEBOOK, "mainnet-usdc")
    factors = zip(of.numbers("borrow_factor"), of.numbers("liquidation_factor"), strict=True)
    collateral = dict(zip(of.names("collateral"), factors, strict=True))
    return {"compound-iii": engine_preset(
        "compound-iii", RULEBOOK, "USD", [of],
        ("The venue adds collateral only until the debt is covered; here all of it counts towards the health factor.",),
        assets=lending_assets(collateral | {BASE: (1.0, 1.0)}, [BASE]))}
