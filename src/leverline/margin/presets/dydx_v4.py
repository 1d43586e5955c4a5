"""dYdX v4: initial rate linear in the market's open interest, maintenance a fraction of the base rate."""

from __future__ import annotations

from leverline.margin.curves import OpenInterestCurve
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks.dydx_v4 import PPM, QUOTE_DECIMALS
from leverline.margin.rulebooks.dydx_v4_liquidation import RULEBOOK
from leverline.margin.rules import MarketRules

TIERS = ("large-cap", "small-cap", "long-tail")
_QUANTUMS = 10.0**QUOTE_DECIMALS  # in 1 USDC


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name."""
    listing = Figures(RULEBOOK, "markets")
    used = {tier: Figures(RULEBOOK, tier) for tier in TIERS}
    markets = {symbol: MarketRules(_curve(of)) for tier, of in used.items()
               for symbol in listing.names(tier.replace("-", "_"))}
    return {"dydx-v4": engine_preset(
        "dydx-v4", RULEBOOK, "USDC", [*used.values(), listing],
        ("Markets are those of the genesis script, perpetuals 0 to 18; governance has moved some to other tiers since.",
         "The chain rounds every requirement up to 1e-6 USDC, which is not done here.",
         "Without an open interest in the marks the base rate is asked."), markets=markets)}


def _curve(of: Figures) -> OpenInterestCurve:
    return OpenInterestCurve(
        initial_rate=of.number("initial_margin_ppm") / PPM,
        maintenance_fraction=of.number("maintenance_fraction_ppm") / PPM,
        open_interest_lower=of.number("open_interest_lower_quote_quantums") / _QUANTUMS,
        open_interest_upper=of.number("open_interest_upper_quote_quantums") / _QUANTUMS, rate_unit=1.0 / PPM)
